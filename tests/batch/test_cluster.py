"""A batch on a Dask cluster is what it is in one process, whatever becomes of the workers."""

import concurrent.futures
import csv
import dataclasses
import json
import os
import pkgutil
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import stylekit as sk
from stylekit._checks import InputTypeError, SetupError
from stylekit.batch import cluster, jobs, shipped
from stylekit.transfer.lock import locked

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client():
    """A cluster in this process, with one worker."""
    how = {"processes": False, "n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.Client(**how, memory_limit=0) as client:
        yield client


def table(folder):
    with Path(folder, "batch.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{name: cell for name, cell in row.items() if name != "seconds"} for row in rows]


def manifest(path):
    held = json.loads(Image.open(path).text["stylekit"])
    return {name: value for name, value in held.items() if name not in ("seconds", "time")}


@pytest.mark.slow
def test_it_is_what_one_process_makes_of_it(folder, run, client):
    Path("photos/broken.jpg").write_text("no picture")
    alone = run(jobs("photos", "styles/coffee.png", "alone"))
    seen = []
    todo = jobs("photos", "styles/coffee.png", "out")
    done = run(todo, client=client, on_picture=seen.append)
    assert repr(done) == "Batch('out': 2 of 3 pictures, 1 failed)"
    assert sorted(row.job.output.name for row in seen) == [job.output.name for job in todo]
    assert [row.job for row in done.rows] == todo
    assert [row.losses for row in done.rows] == [row.losses for row in alone.rows]
    assert "is not a picture that can be read" in done.failed[0].error
    for name in ("astronaut-coffee.png", "cat-coffee.png"):
        images = [np.asarray(Image.open(Path(one, name))) for one in ("alone", "out")]
        np.testing.assert_array_equal(*images)
        assert manifest(Path("out", name)) == manifest(Path("alone", name))
    files = [{path.name for path in Path(one).iterdir()} for one in ("alone", "out")]
    assert files[0] == files[1]
    again = run(todo[:1] + todo[2:], client=client)
    assert again.found == 2


def test_paths_mean_the_same_to_a_worker_elsewhere(folder):
    job = jobs("photos/cat.jpg", "styles/coffee.png", "out")[0]
    options = {"mask": ["photos/cat.jpg", "sky"], "more": {"initial": Path("photos/cat.jpg")}}
    Path("match").touch()
    options |= {"strength": 0.4, "keep_colors": "match"}
    job = dataclasses.replace(job, options=options)
    sent = cluster._anywhere(job)
    there = folder / "photos/cat.jpg"
    assert (sent.content, sent.style) == (there, folder / "styles/coffee.png")
    assert sent.output == folder / "out/cat-coffee.png"
    options |= {"mask": [there, "sky"], "more": {"initial": there}}
    assert sent.options == options


def test_another_version_of_stylekit_is_named(folder, run, client, monkeypatch):
    todo = jobs("photos", "styles/coffee.png", "out")
    monkeypatch.setattr(shipped, "__version__", "0.0.1")
    with pytest.raises(
        SetupError, match=r"another version of stylekit: expected version 0.0.1, as here"
    ) as e:
        run(todo, client=client)
    assert e.value.argument == "client"
    assert "'stylekit-nst[batch]==0.0.1'" in str(e.value)
    monkeypatch.undo()

    def absent(name):
        raise ModuleNotFoundError("No module named 'stylekit'")

    monkeypatch.setattr(pkgutil, "resolve_name", absent)
    with pytest.raises(SetupError, match=r"received none that can be imported \(No module named"):
        run(todo, client=client)


def test_a_worker_of_another_version_that_joins_later_is_named(folder, work, monkeypatch):
    painter = cluster.Painter(Path("out/.stylekit"), work, [])
    monkeypatch.setattr(shipped, "__version__", "0.0.1")
    worker = type("Worker", (), {"address": "tcp://1.2.3.4:5"})()
    with pytest.raises(
        SetupError, match=r"1\.2\.3\.4:5 has another version of stylekit.*received 0\.0\.1"
    ):
        painter.setup(worker)
    with pytest.raises(SetupError, match="has another version of stylekit"):
        painter(None)


def test_a_folder_that_a_worker_does_not_see_is_named(folder, run, client, monkeypatch):
    monkeypatch.setattr(cluster, "LOCK", "elsewhere.lock")
    with pytest.raises(SetupError, match=r"does not see the folder .*/out: expected a folder"):
        run(jobs("photos", "styles/coffee.png", "out"), client=client)


def test_what_is_no_client_or_cannot_be_sent(folder, run, client, monkeypatch):
    todo = jobs("photos", "styles/coffee.png", "out")
    with pytest.raises(InputTypeError, match="`client` is not a Dask client"):
        run(todo, client="tcp://host:8786")
    with pytest.raises(InputTypeError, match="cannot be sent to the workers"):
        run(todo, client=client, mask=(one for one in ()))

    def refuse(plugin, name):
        raise ModuleNotFoundError("No module named 'my_losses'")

    monkeypatch.setattr(client, "register_plugin", refuse)
    with pytest.raises(InputTypeError, match=r"workers \(No module named 'my_losses'\)"):
        run(todo, client=client)


def test_a_picture_that_a_lost_worker_still_paints_is_waited_for(folder, work, monkeypatch):
    monkeypatch.setattr(cluster, "PAUSE", 0.01)
    job = jobs("photos/cat.jpg", "styles/coffee.png", "out")[0]
    hidden = Path("out/.stylekit")
    hidden.mkdir(parents=True)
    painter = cluster.Painter(hidden, work, [])
    rows = []
    with locked(hidden / "cat-coffee.png.lock"):
        thread = threading.Thread(target=lambda: rows.append(painter.paint(job)))
        thread.start()
        row = cluster.paint(job, work)
        assert row.error == ""
        assert thread.is_alive()
    thread.join()
    assert rows == [dataclasses.replace(row, seconds=round(row.seconds, 2))]  # it was found
    painter.teardown(None)
    with pytest.raises(SetupError, match="has stopped this one"):
        painter.paint(job)


def test_a_stopped_batch_leaves_no_task_and_no_plugin(folder, run, client):
    def stop(row):
        raise KeyboardInterrupt

    done = run(jobs("photos", "styles/coffee.png", "out"), client=client, on_picture=stop)
    assert done.interrupted
    assert len(done.rows) == 1
    assert not any(name.startswith("stylekit") for name in plugins(client))


def plugins(client):
    return client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.worker_plugins))


def test_what_a_worker_could_not_tell(folder, client):
    executor = sk.batch.ClusterExecutor(client)
    job = jobs("photos/cat.jpg", "styles/coffee.png", "out")[0]

    def ended(error):
        task = concurrent.futures.Future()
        task.set_exception(error)
        executor._running[task] = concurrent.futures.Future()
        future = executor._running[task]
        executor._end(task)
        return future

    future = ended(distributed.KilledWorker("task", {}, 3))
    assert cluster._row(future, job).error.startswith("4 workers died while they ran this task.")
    for error in (ModuleNotFoundError("No module named 'own'"), distributed.CancelledError()):
        with pytest.raises(SetupError, match="the cluster failed") as raised:
            cluster._row(ended(error), job)
        assert raised.value.argument == "client"


def test_an_executor_ends(client):
    with sk.batch.ClusterExecutor(client) as executor:
        futures = [executor.submit(divmod, 7, k) for k in (2, 0, 4)]
        rounded = executor.submit(round, 2.345, ndigits=1)
        done = concurrent.futures.wait(futures, 30)
        assert not done.not_done
    assert [futures[k].result() for k in (0, 2)] == [(3, 1), (1, 3)]
    assert rounded.result() == 2.3
    with pytest.raises(SetupError, match=r"the cluster failed \(ZeroDivisionError"):
        futures[1].result()
    assert not any(name.startswith("stylekit") for name in plugins(client))
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(divmod, 7, 2)


def test_without_dask_it_is_told_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "stylekit.batch.shipped", None)
    monkeypatch.delattr(sk.batch, "shipped", raising=False)
    with pytest.raises(SetupError, match=r"needs Dask.*'stylekit-nst\[batch\]'"):
        sk.batch.ClusterExecutor(None)


def test_tasks_are_cancelled(client):
    executor = sk.batch.ClusterExecutor(client)
    futures = [executor.submit(time.sleep, 0.5) for _ in range(3)]
    executor.shutdown(wait=False, cancel_futures=True)
    assert futures[1].cancelled()
    assert futures[2].cancelled()
    with pytest.raises(SetupError, match="the cluster failed"):
        futures[0].result(10)


def dies_of_cat(content, style, **options):
    """A recipe that kills its process for one content."""
    if content.stem == "cat":
        os.kill(os.getpid(), signal.SIGKILL)
    return sk.recipes.basic(content, style, **options)


@pytest.fixture(scope="module")
def processes():
    """Two workers, which are processes."""
    how = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": 0}
    few = dask.config.set({"distributed.scheduler.allowed-failures": 1})
    with few, distributed.LocalCluster(**how) as here, distributed.Client(here) as client:
        yield client


@pytest.mark.slow
def test_the_picture_of_a_killed_worker_is_taken_over(folder, network, processes):
    options = {"size": 64, "steps": 60, "style_loss": "gram", "extractor": network, "seed": 0}
    options |= {"checkpoint_every": 2, "progress": False}
    alone = sk.batch.run(jobs("photos", "styles/coffee.png", "alone"), **options)
    first = next(iter(processes.run(os.getpid).values()))

    def kill():
        while len(list(Path("out").glob(".stylekit/*/*/checkpoint.npz"))) < 2:
            time.sleep(0.01)
        os.kill(first, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    todo = jobs("photos", "styles/coffee.png", "out")
    done = sk.batch.run(todo, client=processes, **options)
    killer.join(1)
    assert not killer.is_alive()
    assert first not in processes.run(os.getpid).values()
    assert repr(done) == "Batch('out': 2 of 2 pictures)"
    for row, other in zip(done.rows, alone.rows, strict=True):
        images = [np.asarray(Image.open(one.job.output)) for one in (row, other)]
        np.testing.assert_array_equal(*images)
        assert row.losses == other.losses
    assert not Path("out/.stylekit").exists()


@pytest.mark.slow
def test_a_picture_that_kills_its_workers_is_given_up(folder, network, processes):
    todo = jobs("photos", "styles/coffee.png", "out")
    options = {"size": 48, "steps": 2, "extractor": network, "recipe": dies_of_cat}
    done = sk.batch.run(todo, client=processes, **options, style_loss="gram", progress=False)
    assert [row.job for row in done.failed] == todo[1:]
    assert "2 workers died while they ran this task" in done.failed[0].error
    assert "2 workers died" in table("out")[1]["error"]


class Slow:
    """A callback that tells in a file which process has come to a step of the second cell."""

    def __init__(self, path):
        self.path = path

    def __call__(self, step):
        if step.index == 6 and step.losses["content"] > 0 and not self.path.exists():
            self.path.write_text(str(os.getpid()))
            time.sleep(1)


@pytest.mark.slow
def test_the_cell_of_a_killed_worker_is_run_again(folder, network, processes):
    """In a sweep the pictures, the measures and the table are those of one process."""
    grid = {"variation": [0, 4], "strength": [0.3, 0.6]}
    options = {"size": 64, "steps": 8, "style_loss": "gram", "extractor": network}
    options |= {"progress": False}
    content, style = "photos/cat.jpg", "styles/coffee.png"
    alone = sk.sweep(content, style, grid, **options)
    mark = folder / "mark"

    def kill():
        while not mark.exists() or not mark.read_text():
            time.sleep(0.01)
        os.kill(int(mark.read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    seen = []
    with sk.batch.ClusterExecutor(processes) as executor:
        swept = sk.sweep(
            content,
            style,
            grid,
            callbacks=[Slow(mark)],
            on_cell=lambda swept: seen.append(len(swept.cells)),
            executor=executor,
            **options,
        )
    killer.join(1)
    assert not killer.is_alive()
    assert int(mark.read_text()) not in processes.run(os.getpid).values()
    assert seen == [1, 2, 3, 4]
    for cell, other in zip(swept.cells, alone.cells, strict=True):
        np.testing.assert_array_equal(cell.image, other.image)
    rows, others = ([row | {"seconds": 0} for row in one.rows] for one in (swept, alone))
    assert rows == others
    np.testing.assert_array_equal(swept.sheet(), alone.sheet())


def dies_of_strength(content, style, *, strength, **options):
    if strength == 0.6:
        os.kill(os.getpid(), signal.SIGKILL)
    return sk.recipes.basic(content, style, strength=strength, **options)


@pytest.mark.slow
def test_a_cell_that_kills_its_workers_is_told(folder, network, processes):
    options = {"size": 48, "steps": 1, "style_loss": "gram", "extractor": network}
    options |= {"recipe": dies_of_strength, "progress": False}
    # The one that kills comes last: Dask counts a death against what waits at the worker, too.
    grid = {"strength": [0.3, 1.5, 0.6]}
    with sk.batch.ClusterExecutor(processes) as executor:
        swept = sk.sweep("photos/cat.jpg", "styles/coffee.png", grid, **options, executor=executor)
    problems = [cell.problem for cell in swept.cells]
    assert problems[0] == ""
    assert problems[1].startswith("strength")
    assert problems[2].startswith("2 workers died while they ran this task")


def test_a_sweep_whose_worker_has_another_version(folder, client, network, monkeypatch):
    monkeypatch.setattr(shipped, "__version__", "0.0.1")
    with pytest.raises(
        SetupError, match=r"another version of stylekit: expected version 0.0.1, as here"
    ):
        sk.batch.ClusterExecutor(client)
