import threading

import numpy as np
import pytest

from stylekit.app.jobs import Job
from stylekit.transfer import Result
from stylekit.transfer.result import Step


class Tensor(np.ndarray):
    def numpy(self):
        return np.asarray(self)


def step(index, steps=100):
    image = np.full((1, 4, 4, 3), index / steps, np.float32).view(Tensor)
    return Step(
        index, steps, 0, index / 10, {"total": [1 / (1 + index)], "terms": {}, "image": image}
    )


def run_of(count, gate=None, seen=None):
    """A run that shows its steps to the job, and ends where the job says so."""

    def run(job):
        stopped_by = "steps"
        for index in range(count + 1):
            if gate is not None:
                gate.wait(10)
            if job(step(index, count)):
                stopped_by = "Job"
                break
        if seen is not None:
            seen.append(index)
        image = np.full((4, 4, 3), index / count, np.float32)
        return Result(image, image, [{"total": 1.0}], index, 1.0, stopped_by, {})

    return run


def test_previews_and_the_result():
    job = Job(run_of(5), every=0)
    previews = list(job)
    assert previews
    indices = [preview.index for preview in previews]
    assert indices == sorted(set(indices))
    last = previews[-1]
    assert (last.index, last.steps, last.seconds) == (5, 5, 0.5)
    assert last.total == pytest.approx(1 / 6)
    np.testing.assert_allclose(last.image, 1)
    assert job.done
    assert job.result.steps == 5


def test_previews_come_now_and_then():
    assert [preview.index for preview in Job(run_of(50), every=60)] == [0]


def test_a_job_that_is_stopped_keeps_its_image():
    gate = threading.Event()
    job = Job(run_of(50, gate), every=0)
    assert not job.done
    job.stop()
    gate.set()
    list(job)
    assert job.result.stopped_by == "Job"
    assert job.result.steps == 0


def test_leaving_the_previews_stops_the_job():
    seen = []
    job = Job(run_of(10**6, seen=seen), every=0)
    previews = iter(job)
    next(previews)
    previews.close()
    assert job.result.stopped_by == "Job"
    assert seen[0] < 10**6


def test_what_a_run_raises_is_raised_with_the_result():
    def run(job):
        raise ValueError("no")

    job = Job(run)
    assert list(job) == []
    with pytest.raises(ValueError, match="no"):
        _ = job.result


def test_two_jobs_do_not_mix():
    jobs = [Job(run_of(count), every=0) for count in (4, 9)]
    assert [list(job)[-1].steps for job in jobs] == [4, 9]
    assert [job.result.steps for job in jobs] == [4, 9]
