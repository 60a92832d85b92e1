"""A batch on a Dask cluster is what it is in one process, whatever becomes of the workers."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylekit.batch import jobs

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client():
    """A cluster in this process, with one worker."""
    how = {"processes": False, "n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.Client(**how, memory_limit=0) as client:
        yield client


def table(folder):
    with Path(folder, "batch.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{name: cell for name, cell in row.items() if name != "seconds"} for row in rows]


def manifest(path):
    held = json.loads(Image.open(path).text["stylekit"])
    return {name: value for name, value in held.items() if name not in ("seconds", "time")}


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
    assert "is no picture that can be read" in done.failed[0].error
    for name in ("astronaut-coffee.png", "cat-coffee.png"):
        images = [np.asarray(Image.open(Path(one, name))) for one in ("alone", "out")]
        np.testing.assert_array_equal(*images)
        assert manifest(Path("out", name)) == manifest(Path("alone", name))
    files = [{path.name for path in Path(one).iterdir()} for one in ("alone", "out")]
    assert files[0] == files[1]
    again = run(todo[:1] + todo[2:], client=client)
    assert again.found == 2
