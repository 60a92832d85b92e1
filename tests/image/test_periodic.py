import numpy as np
import pytest
from skimage import data

from stylekit import image
from stylekit._checks import InputError
from stylekit.image.tiling import edge_step

TILES = {"x": (1,), "y": (0,), "both": (0, 1)}


@pytest.fixture
def photo():
    return image.as_image(data.coffee(), size=64)


class TestResize:
    @pytest.mark.parametrize("tile", TILES)
    @pytest.mark.parametrize("shape", [(24, 32), (96, 128), (30, 40)])
    @pytest.mark.parametrize("resample", ["lanczos", "bilinear"])
    def test_what_is_rolled_before_is_rolled_after(self, tile, shape, resample, rng):
        picture = rng.random((48, 64, 3), dtype=np.float32)
        before = [8 * (axis in TILES[tile]) for axis in (0, 1)]
        after = [
            n * small // large for n, small, large in zip(before, shape, (48, 64), strict=True)
        ]
        found = image.resize(np.roll(picture, before, (0, 1)), shape, resample, tile=tile)
        expected = np.roll(image.resize(picture, shape, resample, tile=tile), after, (0, 1))
        np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_along_the_other_axis_the_picture_ends(self, rng):
        picture = rng.random((48, 64), dtype=np.float32)
        plain, tiled = image.resize(picture, (24, 32)), image.resize(picture, (24, 32), tile="x")
        np.testing.assert_allclose(tiled[:, 4:-4], plain[:, 4:-4], atol=1e-6)
        assert np.abs(tiled[:, 0] - plain[:, 0]).max() > 0.01

    def test_a_picture_smaller_than_the_filter(self):
        picture = np.float32([[0, 1]])
        assert image.resize(picture, (1, 7), tile="both").shape == (1, 7)
        np.testing.assert_allclose(image.resize(picture, (1, 1), tile="x"), [[0.5]], atol=1e-6)

    def test_an_axis_that_there_is_not(self, photo):
        with pytest.raises(InputError, match="tile is unknown: expected one of 'x', 'y', 'both'"):
            image.resize(photo, (8, 8), tile="z")


class TestPeriodic:
    @pytest.mark.parametrize("tile", TILES)
    def test_the_edges_fit(self, tile, photo):
        made = image.periodic(photo, tile)
        assert made.shape == photo.shape
        assert made.dtype == np.float32
        for axis in (0, 1):
            before, after = edge_step(photo, axis), edge_step(made, axis)
            assert before > 4
            assert after < 1.2 if axis in TILES[tile] else after > 2

    def test_what_varies_inside_stays(self, photo):
        made = image.periodic(photo / 2 + 0.25)
        inside = np.diff(made, axis=0)[8:-8, 8:-8] - np.diff(photo, axis=0)[8:-8, 8:-8] / 2
        assert np.abs(inside).max() < 0.02
        assert made.mean() == pytest.approx((photo / 2 + 0.25).mean(), abs=1e-6)

    def test_a_ramp_has_nothing_but_its_mean(self):
        ramp = np.broadcast_to(np.linspace(0.2, 0.6, 40, dtype=np.float32), (30, 40))
        made = image.periodic(ramp, "x")
        np.testing.assert_allclose(made, 0.4, atol=0.011)  # half a step

    def test_a_picture_that_tiles_stays_as_it_is(self):
        rows, columns = np.indices((32, 48))
        waves = np.cos(2 * np.pi * (rows / 16 + columns / 24))
        picture = np.float32(0.5 + 0.4 * waves)[..., None].repeat(3, axis=-1)
        np.testing.assert_array_equal(image.periodic(picture), picture)

    def test_an_axis_that_fits_still_does(self, photo):
        fits = image.periodic(photo, "y")
        made = image.periodic(fits, "both")
        assert edge_step(made, 0) < 1.2
        assert edge_step(made, 1) < 1.2

    def test_none_changes_nothing(self, photo):
        np.testing.assert_array_equal(image.periodic(photo, None), photo)

    def test_an_axis_that_there_is_not(self, photo):
        with pytest.raises(InputError, match="tile is unknown"):
            image.periodic(photo, "xy")


def test_the_step_of_flat_edges():
    assert edge_step(np.zeros((4, 5, 3)), 0) == 0
    picture = np.zeros((4, 1, 3))
    assert edge_step(picture, 1) == 0
    picture = np.zeros((2, 4, 3))
    picture[0] = 1
    assert edge_step(picture, 0) == 1
