import math
import threading
import time

import numpy as np
import pytest

from stylekit.app.jobs import PREPARATION, Job
from stylekit.app.limits import Limits
from stylekit.app.line import Line
from stylekit.transfer import Result
from stylekit.transfer.result import Step


class Tensor(np.ndarray):
    def numpy(self):
        return np.asarray(self)


def step(index, steps=100, level=0):
    image = np.full((1, 4, 4, 3), index / steps, np.float32).view(Tensor)
    return Step(
        index, steps, level, index / 10, {"total": [1 / (1 + index)], "terms": {}, "image": image}
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


def job_of(run, every=0.0, line=None, limit=math.inf):
    return Job(run, (line or Line(Limits())).join("here"), limit=limit, every=every)


def until(holds):
    limit = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.005)


def test_previews_and_the_result():
    job = job_of(run_of(5))
    assert job.result.steps == 5
    assert job.done
    last = job.preview
    assert (last.index, last.steps, last.seconds, last.share) == (5, 5, 0.5, 1)
    np.testing.assert_allclose(last.image, 1)
    assert [index for index, _ in job.curve] == list(range(6))
    assert job.curve[-1][1] == pytest.approx(1 / 6)


def test_previews_come_now_and_then():
    job = job_of(run_of(50), every=60)
    assert job.result.steps == 50
    assert job.preview.index == 1  # the start is not shown
    assert [index for index, _ in job.curve] == [0, 1]


def test_the_remaining_time_counts_the_pixels_of_each_level():
    previews = []

    def run(job):
        job.levels = [((40, 40), 10), ((400, 400), 10)]
        for index in range(21):
            job(step(index, 20, level=int(index > 10)))
            previews.append(job.preview)
        return Result(None, None, [], 20, 1.0, "steps", {})

    job_of(run).result  # noqa: B018
    assert previews[0] is None
    small, large = (PREPARATION + 10 * side**2 for side in (40, 400))
    assert previews[10].share == pytest.approx(small / (small + large))
    assert previews[10].remaining == pytest.approx(1.0 * large / small)
    assert previews[11].share == pytest.approx((small + PREPARATION + 400**2) / (small + large))
    assert (previews[20].share, previews[20].remaining) == (1, 0)
    previews.clear()
    job_of(run, limit=1.2).result  # noqa: B018
    assert previews[10].remaining == pytest.approx(0.2)


def test_a_job_that_is_stopped_keeps_its_image():
    gate = threading.Event()
    job = job_of(run_of(50, gate))
    until(lambda: job._place._begun)
    assert not job.done
    job.stop()
    gate.set()
    assert job.result.stopped_by == "Job"
    assert job.result.steps == 0


def test_a_job_waits_for_its_turn():
    line, gate = Line(Limits(jobs=1)), threading.Event()
    first, second = (job_of(run_of(3, gate), line=line) for _ in range(2))
    assert (first.ahead, second.ahead) == (0, 1)
    assert not second.done
    gate.set()
    assert second.result.steps == 3
    assert first.done
    assert line.places == []


def test_a_job_that_is_stopped_while_it_waits_never_begins():
    line, gate, seen = Line(Limits(jobs=1)), threading.Event(), []
    first, second = job_of(run_of(3, gate), line=line), job_of(run_of(3, seen=seen), line=line)
    second.stop()
    assert second.result is None
    gate.set()
    assert first.result.steps == 3
    assert seen == []


def test_what_a_run_raises_is_raised_with_the_result_and_its_place_is_free():
    def run(job):
        raise ValueError("no")

    line = Line(Limits())
    job = job_of(run, line=line)
    with pytest.raises(ValueError, match="no"):
        _ = job.result
    assert line.places == []


def test_two_jobs_do_not_mix():
    line = Line(Limits(jobs=2))
    jobs = [job_of(run_of(count), line=line) for count in (4, 9)]
    assert [job.result.steps for job in jobs] == [4, 9]
    assert [job.preview.steps for job in jobs] == [4, 9]
