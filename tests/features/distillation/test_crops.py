import numpy as np
import pytest
from PIL import Image
from skimage import data

from stylekit._checks import FileError, InputError
from stylekit.features.distillation.crops import Crops, texture


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    Image.fromarray(data.astronaut()).resize((90, 70)).save(tmp_path / "a/photo.jpg")
    Image.fromarray(np.zeros((60, 60, 3), np.uint8)).save(tmp_path / "a/black_map.png")
    Image.fromarray(data.coffee()).resize((60, 50)).save(tmp_path / "b/coffee.png")
    (tmp_path / "b/notes.txt").write_text("no picture")
    return tmp_path


def test_crops_are_pictures_and_follow_the_seed(folder):
    crops = Crops([folder / "a", folder / "b"], 32)
    first, second, other = (
        [crops.draw(rng) for _ in range(40)]
        for rng in (np.random.default_rng(0), np.random.default_rng(0), np.random.default_rng(1))
    )
    for crop in first:
        assert crop.shape == (32, 32, 3)
        assert crop.dtype == np.float32
        assert 0 <= crop.min() <= crop.max() <= 1
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_folders_have_equal_shares_and_patterns_are_left_out(folder):
    crops = Crops([folder / "a", folder / "b"], 32, ["*_map.png"])
    assert [len(pictures) for pictures in crops.folders] == [1, 1]
    assert len(Crops([folder / "a"], 32).folders[0]) == 2


def test_textures_have_structure_at_more_than_one_scale(rng):
    textures = [texture(rng, 32) for _ in range(30)]
    assert all(t.shape == (32, 32, 3) and t.dtype == np.float32 for t in textures)
    # Neighbouring pixels: alike in some, unlike in others.
    steps = [np.abs(np.diff(t, axis=0)).mean() / (t.std() + 1e-3) for t in textures]
    assert max(steps) > 3 * min(steps)


@pytest.mark.parametrize(
    ("folders", "error", "words"),
    [
        (["gone"], FileError, "gone"),
        (["a", "empty"], FileError, "holds no pictures"),
        ([], InputError, "no pictures to crop"),
    ],
)
def test_folders_that_cannot_be_used(folder, folders, error, words):
    (folder / "empty").mkdir()
    with pytest.raises(error, match=words):
        Crops([folder / name for name in folders], 32)
