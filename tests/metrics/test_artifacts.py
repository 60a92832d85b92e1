import numpy as np
import pytest

from stylekit import metrics
from stylekit._checks import InputError


class TestChromaNoise:
    def test_of_grey_is_zero(self, rng):
        grey = rng.random((20, 30)).astype("float32")
        assert metrics.chroma_noise(grey) == pytest.approx(0, abs=1e-6)

    def test_of_a_plane_of_colours_is_zero(self):
        rows, columns = np.indices((20, 30)) / 60
        plane = np.stack([rows, columns, 0.5 - rows], axis=-1)
        assert metrics.chroma_noise(plane) == pytest.approx(0, abs=1e-6)

    def test_is_the_mean_laplacian_of_one_pixel(self):
        picture = np.zeros((7, 9, 3))
        picture[3, 4] = 1, 0, 0
        # 4 at the pixel and 1 at each of its neighbours, of the 5 x 7 inside the border.
        expected = 8 * (0.701 + 0.299 + 0.299) / (3 * 5 * 7)
        assert metrics.chroma_noise(picture) == pytest.approx(expected, rel=1e-5)

    def test_grows_with_the_noise(self, rng):
        noise = rng.standard_normal((40, 40, 3)) * [1, -1, 1]
        small, large = (metrics.chroma_noise(0.5 + s * noise.clip(-3, 3)) for s in (0.01, 0.03))
        assert large == pytest.approx(3 * small, rel=1e-4)

    def test_a_picture_without_an_inside(self):
        with pytest.raises(InputError, match=r"`picture` is too small.*at least 3"):
            metrics.chroma_noise(np.zeros((2, 9, 3)))


class TestFrame:
    def test_of_a_constant_picture_is_zero(self):
        assert metrics.frame(np.full((30, 40, 3), 0.3)) == pytest.approx(0, abs=1e-7)

    def test_is_the_difference_of_a_painted_frame(self):
        picture = np.full((30, 40, 3), 0.5)
        picture[2:-2, 2:-2] = 0.4, 0.7, 0.5
        assert metrics.frame(picture) == pytest.approx(0.2, abs=1e-6)

    def test_of_a_thinner_one_is_its_share(self):
        picture = np.full((30, 40, 3), 0.5)
        picture[1:-1, 1:-1] = 0.1
        outer, inner = 30 * 40 - 28 * 38, 28 * 38 - 26 * 36
        assert metrics.frame(picture) == pytest.approx(0.4 * outer / (outer + inner), abs=1e-6)

    def test_sees_nothing_but_the_two_bands(self, rng):
        picture = np.full((30, 40, 3), 0.5)
        picture[2:-2, 2:-2] = rng.random((26, 36, 3))
        picture[6:-6, 6:-6] = 0.5
        picture[12:-12, 12:-12] = rng.random((6, 16, 3))
        assert metrics.frame(picture) == pytest.approx(0, abs=1e-6)

    def test_a_picture_without_an_inner_band(self):
        assert metrics.frame(np.zeros((13, 40))) == 0
        with pytest.raises(InputError, match=r"`picture` is too small.*at least 13.*40x12"):
            metrics.frame(np.zeros((12, 40, 3)))


class TestTileSeam:
    def test_of_a_ramp_is_the_number_of_its_steps(self):
        ramp = np.broadcast_to(np.linspace(0, 1, 21), (30, 21))
        assert metrics.tile_seam(ramp, "x") == pytest.approx(20)
        assert metrics.tile_seam(ramp, "y") == 0
        assert metrics.tile_seam(ramp) == pytest.approx(20)

    def test_of_what_tiles_is_about_one_wherever_it_is_cut(self, rng):
        spectrum = np.fft.fft2(rng.random((64, 96, 3)), axes=(0, 1))
        rows, columns = np.fft.fftfreq(64), np.fft.fftfreq(96)
        spectrum *= np.exp(-100 * np.add.outer(rows**2, columns**2))[..., None]
        picture = np.clip(np.fft.ifft2(spectrum, axes=(0, 1)).real, 0, 1)
        for by in ((0, 0), (20, 30)):
            assert 0.7 < metrics.tile_seam(np.roll(picture, by, (0, 1))) < 1.4
        assert metrics.tile_seam(picture[:50, :70]) > 2.5

    def test_what_cannot_be_measured(self):
        with pytest.raises(InputError, match="tile is unknown"):
            metrics.tile_seam(np.zeros((9, 9)), None)
        with pytest.raises(InputError, match="`picture` is too small"):
            metrics.tile_seam(np.zeros((2, 9)))
