import numpy as np
import pytest
from skimage.filters import gaussian

from stylekit import metrics
from stylekit._checks import InputError
from stylekit.image import resize


@pytest.fixture
def noise(pictures, rng):
    return rng.normal(size=pictures[0].shape)


def blurred(picture, deviation):
    return np.clip(gaussian(picture, deviation, channel_axis=-1), 0, 1)


class TestSSIM:
    def test_of_a_picture_to_itself_is_one(self, pictures):
        for picture in pictures:
            assert metrics.ssim(picture, picture) == pytest.approx(1, abs=1e-12)

    def test_falls_with_the_blur_and_the_noise(self, pictures, noise):
        photo, _ = pictures
        for worse in (
            [blurred(photo, deviation) for deviation in (0.5, 1, 2)],
            [np.clip(photo + deviation * noise, 0, 1) for deviation in (0.02, 0.05, 0.1)],
        ):
            values = [metrics.ssim(photo, one) for one in (photo, *worse)]
            assert values == sorted(values, reverse=True)
            assert values[-1] < 0.9

    def test_is_symmetric_and_sees_no_hue(self, pictures):
        photo = pictures[0]
        other = blurred(photo, 1)
        assert metrics.ssim(photo, other) == pytest.approx(metrics.ssim(other, photo))
        luma = np.repeat((photo @ [0.299, 0.587, 0.114])[..., np.newaxis], 3, axis=-1)
        assert metrics.ssim(photo, luma) == pytest.approx(1, abs=1e-6)

    def test_of_constant_pictures_is_their_luminance_term(self):
        dark, light = np.full((2, 16, 16, 3), [[[[0.2]]], [[[0.8]]]])
        expected = (2 * 0.2 * 0.8 + 1e-4) / (0.2**2 + 0.8**2 + 1e-4)
        assert metrics.ssim(dark, light) == pytest.approx(expected, rel=1e-4)

    def test_bad_input_is_named(self, pictures):
        photo = pictures[0]
        with pytest.raises(InputError, match="`result` must have the size of `photo`"):
            metrics.ssim(photo, photo[1:])
        with pytest.raises(InputError, match=r"`photo` is too small.*at least 11.*64x10"):
            metrics.ssim(photo[:10], photo[:10])


class TestColorDistance:
    def test_of_a_picture_to_itself_is_zero(self, pictures):
        for picture in pictures:
            assert metrics.color_distance(picture, picture) == 0

    def test_is_within_its_range_and_symmetric(self, pictures):
        one, other = (metrics.color_distance(*order) for order in (pictures, pictures[::-1]))
        assert 0.1 < one < 1
        assert one == pytest.approx(other)

    def test_has_no_place(self, pictures):
        photo = pictures[0]
        moved = np.roll(photo[::-1], 11, axis=1)
        assert metrics.color_distance(photo, moved) == pytest.approx(0, abs=1e-3)

    def test_brightness_and_size_count_little(self, pictures):
        photo, other = pictures
        far = metrics.color_distance(photo, other)
        assert metrics.color_distance(photo, 0.7 * photo) < 0.1 * far
        twice = np.kron(photo, np.ones((2, 2, 1)))
        assert metrics.color_distance(photo, twice) == pytest.approx(0, abs=1e-3)

    def test_grows_as_the_colours_move(self, pictures):
        photo = pictures[0]
        values = [
            metrics.color_distance(photo, (1 - share) * photo + share * np.float32([1, 0.2, 0.1]))
            for share in (0, 0.02, 0.1, 0.5)
        ]
        assert values == sorted(values)

    def test_is_the_hellinger_distance_of_the_published_histograms(self):
        # One pixel a picture: each channel's histogram is the product of two kernels.
        bins = np.linspace(-3, 3, 64)

        def histogram(pixel):
            logs = np.log(np.float64(pixel) + 1e-6)
            planes = []
            for c in range(3):
                u, v = (
                    1 / (1 + ((logs[c] - logs[d] - bins) / 0.02) ** 2) for d in range(3) if d != c
                )
                planes.append(np.outer(u, v))
            return np.array(planes) / np.sum(planes)

        pixels = (0.2, 0.5, 0.9), (0.3, 0.4, 0.6)
        one, other = (np.sqrt(histogram(pixel)) for pixel in pixels)
        expected = np.sqrt(np.square(one - other).sum() / 2)
        found = metrics.color_distance(*(np.full((2, 2, 3), pixel) for pixel in pixels))
        assert found == pytest.approx(expected, rel=1e-4)

    def test_black_pictures_are_finite(self, pictures):
        black = np.zeros((9, 9, 3))
        assert metrics.color_distance(black, black) == 0
        assert 0 < metrics.color_distance(black, pictures[0]) <= 1

    def test_a_reduced_picture_is_the_mean_of_its_areas(self, rng):
        large = rng.random((12, 512, 3), np.float32)
        small = resize(large, (6, 256), "box")
        assert metrics.color_distance(large, small) == pytest.approx(0, abs=1e-6)
