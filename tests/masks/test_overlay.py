import numpy as np
import pytest
from PIL import Image

from stylekit._checks import FileError, InputError
from stylekit.masks import overlay

GREY = np.full((4, 6, 3), 0.5, np.float32)


@pytest.fixture
def left():
    mask = np.zeros((4, 6), np.float32)
    mask[:, :3] = 1
    return mask


def test_the_colour_is_where_the_mask_is(left):
    drawn = overlay(GREY, left, "#ff0000", strength=0.4)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn[:, :3], np.broadcast_to((0.7, 0.3, 0.3), (4, 3, 3)))
    np.testing.assert_array_equal(drawn[:, 3:], GREY[:, 3:])


def test_a_soft_mask_is_a_share(left):
    whole, half = overlay(GREY, left), overlay(GREY, left / 2)
    np.testing.assert_allclose(half - GREY, (whole - GREY) / 2, atol=1e-6)
    assert (whole[:, :3, 0] > whole[:, :3, 1]).all()  # red, unless told


@pytest.mark.parametrize("color", ["lime", "#0f0", (0, 255, 0), (0.0, 1.0, 0.0), [0, 255, 0]])
def test_colours_as_they_are_written(color, left):
    np.testing.assert_array_equal(overlay(GREY, left > 0, color, strength=1)[0, 0], (0, 1, 0))


def test_a_picture_as_colour(left, rng):
    other = rng.random((4, 6, 3), np.float32)
    drawn = overlay(GREY, left, other, strength=1)
    np.testing.assert_allclose(drawn[:, :3], other[:, :3], atol=1e-6)
    np.testing.assert_array_equal(drawn[:, 3:], GREY[:, 3:])


@pytest.mark.parametrize("dtype", [bool, "uint8", "int64"])
def test_masks_as_they_come(dtype, left, tmp_path):
    expected = overlay(GREY, left)
    np.testing.assert_array_equal(overlay(GREY, left.astype(dtype)), expected)
    np.testing.assert_array_equal(overlay(GREY, lambda picture: left), expected)
    Image.fromarray(np.uint8(left * 255)).save(tmp_path / "left.png")
    np.testing.assert_array_equal(overlay(GREY, tmp_path / "left.png"), expected)
    np.testing.assert_array_equal(overlay(GREY, np.zeros((4, 6))), GREY)


def test_the_picture_is_left_as_it_was(left):
    picture = GREY.copy()
    overlay(picture, left)
    np.testing.assert_array_equal(picture, GREY)


@pytest.mark.parametrize(
    ("picture", "mask", "options", "error", "words"),
    [
        (GREY, np.ones((4, 5)), {}, InputError, r"mask has the wrong size.*6x4.*5x4"),
        (GREY, np.full((4, 6), 2.0), {}, InputError, r"mask must have values in \[0, 1\]"),
        (GREY, np.ones((4, 6)), {"color": GREY[1:]}, InputError, "`color` must have the size"),
        (GREY, np.ones((4, 6)), {"color": "no colour"}, InputError, "color must be a colour"),
        (GREY, np.ones((4, 6)), {"strength": 1.5}, InputError, r"strength.*from 0 to 1"),
        ("gone.png", np.ones((4, 6)), {}, FileError, "gone.png"),
    ],
)
def test_unfit_arguments(picture, mask, options, error, words):
    with pytest.raises(error, match=words):
        overlay(picture, mask, **options)
