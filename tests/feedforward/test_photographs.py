from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import stylekit as sk
from stylekit.feedforward.photographs import Photographs


@pytest.fixture
def paths(folder):
    return sorted(Path("photos").iterdir())


def test_crops_are_those_of_their_seed_and_step(paths):
    one, other = (Photographs(paths, 32, seed=3) for _ in range(2))
    one.batch(0, 4)
    crops = one.batch(7, 4)
    assert crops.shape == (4, 32, 32, 3)
    assert crops.dtype == np.float32
    assert 0 <= crops.min() <= crops.max() <= 1
    np.testing.assert_array_equal(crops, other.batch(7, 4))
    assert (crops != other.batch(8, 4)).any()
    assert (crops != Photographs(paths, 32, seed=4).batch(7, 4)).any()


def test_what_is_unfit_is_skipped_with_a_warning_and_changes_no_later_crop(paths):
    Path("photos/broken.png").write_text("no picture")
    Image.new("RGB", (90, 31)).save("photos/flat.png")
    paths = [*paths, Path("photos/broken.png"), Path("photos/flat.png")]
    crops = Photographs(paths, 32, seed=0)
    with pytest.warns(UserWarning, match="Skipped") as warned:
        for step in range(8):
            crops.batch(step, 2)
    assert sorted(str(one.message)[:40] for one in warned) == [
        "Skipped a photograph: photos/broken.png ",
        "Skipped a photograph: photos/flat.png ha",
    ]
    with pytest.warns(UserWarning, match="Skipped"):
        np.testing.assert_array_equal(crops.batch(3, 8), Photographs(paths, 32, 0).batch(3, 8))


def test_no_photograph_is_left(paths):
    with (
        pytest.warns(UserWarning, match=r"60x48 pixels"),
        pytest.raises(sk.InputError, match="at least 64x64 pixels, received 2 files") as raised,
    ):
        Photographs(paths, 64, seed=0).batch(0, 1)
    assert raised.value.argument == "photographs"
