from pathlib import Path

import numpy as np
import pytest

from stylekit._checks import InputError, InputTypeError
from stylekit.image import drawn, read_image

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"


@pytest.mark.parametrize("draw", [drawn.night, drawn.meadow])
def test_a_painting_is_a_picture_and_always_the_same(draw):
    painting = draw(96)
    assert painting.dtype == np.float32
    assert painting.shape == (96, 96, 3)
    assert painting.min() >= 0
    assert painting.max() <= 1
    np.testing.assert_array_equal(draw(96), painting)


@pytest.mark.parametrize("name", ["night", "meadow"])
def test_a_small_painting_has_the_colours_of_the_documentation_s(name):
    small, shown = getattr(drawn, name)(128), read_image(PICTURES / f"{name}.jpg")
    for statistic in (np.mean, np.std):
        ours, theirs = (statistic(picture, axis=(0, 1)) for picture in (small, shown))
        np.testing.assert_allclose(ours, theirs, atol=0.08)


def test_there_are_as_many_strokes_an_area_at_every_size(monkeypatch):
    drawn_path, counts = drawn._path, {}

    def counted(*arguments):
        counts[size] = counts.get(size, 0) + 1
        return drawn_path(*arguments)

    monkeypatch.setattr(drawn, "_path", counted)
    for size in (40, 80):
        drawn.night(size)
    assert counts[80] == pytest.approx(4 * counts[40], rel=0.02)
    assert counts[80] == pytest.approx(11200 / 36, rel=0.02)


def test_seeds_differ_and_the_ground_is_covered():
    one, other = (drawn.painting(drawn.NIGHT, drawn.STARS, seed, 48) for seed in (1, 2))
    assert np.abs(one - other).mean() > 0.02
    assert np.ptp(one, axis=(0, 1)).min() > 0.3


@pytest.mark.parametrize(
    ("size", "error"), [(8, InputError), (64.5, InputTypeError), ("64", InputTypeError)]
)
def test_bad_sizes(size, error):
    with pytest.raises(error, match="size"):
        drawn.night(size)
