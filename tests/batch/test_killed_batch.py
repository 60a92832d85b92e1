"""A batch that is killed again and again ends as if it had been left alone."""

import csv
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

LINE = (sys.executable, "-m", "stylekit", "batch", "photos", "styles/coffee.png", "--no-progress")
LINE += ("--size", "64", "--steps", "60", "--extractor", "compact", "--style-loss", "gram")
LINE += ("--checkpoint-every", "2", "-o")


def losses(folder):
    with (folder / "batch.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


@pytest.mark.slow
def test_killed_within_each_picture_it_ends_the_same(folder):
    cut, alone = Path("cut"), Path("alone")
    subprocess.run([*LINE, alone], check=True)
    for name in ("astronaut-coffee.png", "cat-coffee.png"):
        process = subprocess.Popen([*LINE, cut])
        try:
            state = f".stylekit/{name}/*/checkpoint.npz"
            while process.poll() is None and not list(cut.glob(state)):
                time.sleep(0.01)
            assert process.poll() is None, "it has ended"
        finally:
            process.kill()
            process.wait()
    assert not (cut / "cat-coffee.png").exists()
    done = subprocess.run([*LINE, cut], check=True, capture_output=True, text=True)
    told = "cut: 2 of 2 pictures, 1 of them in an earlier run; batch.csv, sheet.jpg\n"
    assert done.stdout == told
    assert losses(cut) == losses(alone)
    for name in ("astronaut-coffee.png", "cat-coffee.png"):
        images = [np.array(Image.open(one / name)) for one in (cut, alone)]
        np.testing.assert_array_equal(*images)
    assert {path.name for path in cut.iterdir()} == {path.name for path in alone.iterdir()}
