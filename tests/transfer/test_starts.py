import numpy as np
import pytest
from PIL import Image
from skimage import data

import stylekit as sk
from stylekit._checks import FileError, InputError, InputTypeError
from stylekit.transfer import Start, Underpainting

SHAPE = (60, 80)


def generator(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def picture(rng):
    return rng.random((30, 40, 3), dtype=np.float32)


@pytest.fixture
def starts(picture):
    return [
        sk.Noise(),
        sk.Noise(0),
        sk.Noise(5.0),
        sk.StyleStatistics(picture),
        sk.Mix(picture),
        sk.Mix(picture, sk.StyleStatistics(picture), 0.2),
    ]


def test_all_are_pictures_of_the_shape_asked(starts):
    for start in starts:
        image = start.image(SHAPE, generator())
        assert image.shape == (*SHAPE, 3)
        assert image.dtype == np.float32
        assert image.min() >= 0
        assert image.max() <= 1


def test_all_randomness_is_the_generators(starts):
    for start in starts:
        first = start.image(SHAPE, generator(3))
        np.testing.assert_array_equal(start.image(SHAPE, generator(3)), first)
        if repr(start) != "Noise(0.0)":
            assert not np.array_equal(start.image(SHAPE, generator(4)), first)


class TestNoise:
    def test_deviation(self):
        image = sk.Noise(0.05).image((200, 200), generator())
        assert image.mean() == pytest.approx(0.5, abs=1e-3)
        np.testing.assert_allclose(image.std(axis=(0, 1)), 0.05, rtol=0.02)

    def test_pixels_and_channels_are_independent(self):
        image = sk.Noise().image((200, 200), generator()).astype("float64") - 0.5
        shifted = image[:, 1:] * image[:, :-1]
        assert abs(shifted.mean()) < 1e-4
        covariance = np.cov(image.reshape(-1, 3), rowvar=False)
        np.testing.assert_allclose(covariance, 0.01 * np.eye(3), atol=2e-4)

    def test_none_is_grey(self):
        np.testing.assert_array_equal(sk.Noise(0).image((2, 3), generator()), 0.5)

    def test_a_colour_of_its_own(self):
        start = sk.Noise(0, color=(0.1, 0.2, 1))
        np.testing.assert_array_equal(
            start.image((1, 2), generator()), np.float32([[(0.1, 0.2, 1)] * 2])
        )
        assert repr(start) == "Noise(0.0, color=(0.1, 0.2, 1.0))"
        for color in ((0.1, 0.2), (0.1, 0.2, 1.1)):
            with pytest.raises(InputError) as caught:
                sk.Noise(color=color)
            assert caught.value.argument == "color"

    @pytest.mark.parametrize("deviation", [-0.1, float("inf")])
    def test_bad_deviation(self, deviation):
        with pytest.raises(InputError, match="noise's deviation"):
            sk.Noise(deviation)

    def test_repr(self):
        assert repr(sk.Noise(0.2)) == "Noise(0.2)"


class TestStyleStatistics:
    def test_mean_and_covariance_are_the_styles(self):
        style = np.float32(0.3 + 0.4 * data.astronaut()[::4, ::4] / 255)  # no clipping
        image = sk.StyleStatistics(style).image((250, 250), generator())
        colors, expected = image.reshape(-1, 3), style.reshape(-1, 3).astype("float64")
        np.testing.assert_allclose(colors.mean(0), expected.mean(0), atol=3e-3)
        covariance = np.cov(expected, rowvar=False)
        found = np.cov(colors.astype("float64"), rowvar=False)
        np.testing.assert_allclose(found, covariance, atol=0.03 * covariance.max())
        assert covariance[0, 1] > 0.5 * covariance.max()  # channels do depend on each other

    def test_one_colour(self):
        style = np.full((4, 5, 3), [0.2, 0.5, 0.75], np.float32)
        image = sk.StyleStatistics(style).image((6, 7), generator())
        np.testing.assert_allclose(image, np.broadcast_to([0.2, 0.5, 0.75], (6, 7, 3)), atol=1e-5)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(FileError, match=r"nowhere\.png does not exist"):
            sk.StyleStatistics(tmp_path / "nowhere.png")


class TestMix:
    @pytest.mark.parametrize("share", [0, 0.25, 1])
    def test_share(self, picture, share):
        image = sk.Mix(picture, sk.Noise(0.2), share).image((30, 40), generator(1))
        noise = sk.Noise(0.2).image((30, 40), generator(1))
        np.testing.assert_allclose(image, (1 - share) * picture + share * noise, atol=1e-6)

    def test_of_two_pictures_of_any_size_and_form(self, picture, tmp_path):
        Image.fromarray(np.uint8(255 * picture)).save(tmp_path / "a.png")
        black = np.zeros((7, 3, 3), np.uint8)
        image = sk.Mix(tmp_path / "a.png", black, 0.25).image((30, 40), generator())
        np.testing.assert_allclose(image, 0.75 * np.uint8(255 * picture) / 255, atol=1e-6)

    def test_its_shape_is_the_pictures(self, picture):
        assert sk.Mix(picture).shape == (30, 40)
        assert sk.Mix(picture).image(SHAPE, generator()).shape == (*SHAPE, 3)

    @pytest.mark.parametrize("share", [-0.1, 1.1])
    def test_bad_share(self, picture, share):
        with pytest.raises(InputError, match="mix's share"):
            sk.Mix(picture, share=share)

    def test_repr(self, picture):
        assert repr(sk.Mix(picture, share=0.25)) == "Mix(share=0.25)"


class TestShape:
    def test_none_by_default(self):
        assert sk.Noise().shape is None
        assert sk.Noise(shape=(np.int64(3), 4)).shape == (3, 4)

    @pytest.mark.parametrize(
        ("shape", "error"),
        [((0, 4), InputError), ((4.0, 4), InputTypeError), ((4,), InputTypeError)],
    )
    def test_bad_ones(self, shape, error):
        with pytest.raises(error):
            sk.Noise(shape=shape)

    def test_a_pictures_whole_shape_is_told_how_to_be_cut(self, picture):
        with pytest.raises(InputTypeError, match=r"picture\.shape\[:2\]"):
            sk.Noise(shape=picture.shape)


def test_a_start_needs_an_image():
    class Grey(Start):
        pass

    with pytest.raises(TypeError, match="image"):
        Grey()


class TestUnderpainting:
    @pytest.fixture
    def style(self):
        """Dark above and light below, with a texture."""
        picture = np.random.default_rng(4).random((40, 36, 3)).astype("float32")
        return np.concatenate([0.3 * picture[:20], 0.6 + 0.4 * picture[20:]])

    @pytest.fixture
    def regions(self):
        masks, sources = np.zeros((2, 32, 48), "float32"), np.zeros((2, 40, 36), "float32")
        masks[0, :16], masks[1, 16:] = 1, 1
        sources[0, 20:], sources[1, :20] = 1, 1
        return list(zip(masks, sources, strict=True))

    def test_without_noise_regions_are_flat(self, style, regions, rng):
        image = Underpainting(style, regions, noise=0).image((32, 48), rng)
        assert image.dtype == np.float32
        expected = style[20:].mean((0, 1))
        np.testing.assert_allclose(image[:16], np.broadcast_to(expected, (16, 48, 3)), atol=1e-5)

    def test_the_noise_has_the_colours_covariance(self, regions, rng):
        style = np.clip(rng.normal(0.5, [0.02, 0.05, 0.1], (*(40, 36), 3)), 0, 1)
        mask, source = np.ones((200, 200), "float32"), np.ones((40, 36), "float32")
        image = Underpainting(style, [(mask, source)]).image((200, 200), rng)
        np.testing.assert_allclose(image.std((0, 1)), style.std((0, 1)), rtol=0.05)

    def test_the_grain_is_coarser_where_asked(self, style, regions):
        fine, coarse = (
            Underpainting(style, regions, grain=grain).image((32, 48), np.random.default_rng(0))
            for grain in (1, 8)
        )
        assert (
            np.abs(np.diff(coarse[:16], axis=1)).mean()
            < 0.5 * np.abs(np.diff(fine[:16], axis=1)).mean()
        )

    def test_what_no_region_covers_has_the_whole_styles_colours(self, style, regions, rng):
        image = Underpainting(style, regions[:1], noise=0).image((32, 48), rng)
        np.testing.assert_allclose(image[20, 20], style.mean((0, 1)), atol=1e-5)
