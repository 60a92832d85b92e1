import numpy as np
import pytest
from skimage import data, transform
from skimage.color import rgb2gray, rgb2hsv, rgb2yiq

from stylekit._checks import FileError, InputError, InputTypeError
from stylekit.image import match_color, match_histogram, original_colors, write_image

SHAPE = (40, 60)
GRAIN = (1 / 255) ** 2


def picture(name, shape=SHAPE):
    return np.float32(transform.resize(getattr(data, name)(), shape, anti_aliasing=True))


@pytest.fixture(scope="module")
def cat():
    return picture("chelsea")


@pytest.fixture(scope="module")
def coffee():
    return picture("coffee", (50, 70))


@pytest.fixture(scope="module")
def pale():
    """A picture far from the gamut's surface, which no matching of the others leaves."""
    return 0.4 + 0.2 * picture("rocket")


@pytest.fixture
def left():
    mask = np.zeros(SHAPE, np.float32)
    mask[:, :25] = 1
    return mask


def moments(image, mask=None):
    pixels = image.reshape(-1, 3).astype(float)
    weights = None if mask is None else mask.ravel()
    covariance = np.cov(pixels, rowvar=False, ddof=0, aweights=weights)
    return np.average(pixels, axis=0, weights=weights), covariance


def chroma(image):
    return rgb2yiq(image.astype(float))[..., 1:]


class TestOriginalColors:
    def test_its_luminance_and_the_contents_chrominance_within_the_gamut(self, cat):
        content = 0.4 + 0.2 * picture("rocket")
        image = 0.4 + 0.2 * cat
        result = original_colors(image, content)
        assert result.dtype == np.float32
        luma = rgb2yiq(image.astype(float))[..., 0]
        np.testing.assert_allclose(rgb2yiq(result.astype(float))[..., 0], luma, atol=1e-6)
        np.testing.assert_allclose(chroma(result), chroma(content), atol=1e-6)

    def test_beyond_the_gamut_colours_pale_and_luminance_and_hue_stay(self):
        rng = np.random.default_rng(0)
        image, content = rng.random((2, *SHAPE, 3))
        result = original_colors(image, content).astype(float)
        assert result.min() >= 0
        assert result.max() <= 1
        np.testing.assert_allclose(rgb2yiq(result)[..., 0], rgb2yiq(image)[..., 0], atol=1e-6)
        new, old = chroma(result), chroma(content)
        cross = new[..., 0] * old[..., 1] - new[..., 1] * old[..., 0]
        np.testing.assert_allclose(cross, 0, atol=1e-6)
        sizes = np.linalg.norm(new, axis=-1), np.linalg.norm(old, axis=-1)
        assert (np.sum(new * old, axis=-1) > -1e-6).all()
        assert (sizes[0] <= sizes[1] + 1e-6).all()
        # No paler than it must be: then one channel is at its limit.
        paler = sizes[0] < sizes[1] - 1e-4
        assert 0.2 < paler.mean() < 0.9
        at_limit = np.minimum(result, 1 - result).min(axis=-1)
        np.testing.assert_allclose(at_limit[paler], 0, atol=1e-6)

    def test_of_itself_it_is_the_same_bits(self, cat):
        noise = np.random.default_rng(0).random((30, 30, 3)).round(1)
        corners = np.eye(4)[:, :3].reshape(2, 2, 3)
        for image in (cat, np.float32(noise), np.float32(corners), np.float32(1 - corners)):
            np.testing.assert_array_equal(original_colors(image, image), image)

    def test_a_grey_content_gives_a_grey_result(self, cat):
        grey = np.repeat(np.float32(rgb2gray(picture("rocket")))[..., None], 3, axis=-1)
        result = original_colors(cat, grey)
        np.testing.assert_allclose(np.ptp(result, axis=-1), 0, atol=1e-6)

    @pytest.mark.parametrize("level", [0, 1])
    def test_black_and_white_take_no_colour(self, cat, level):
        flat = np.full_like(cat, level)
        np.testing.assert_allclose(original_colors(flat, cat), flat, atol=1e-6)

    def test_another_size(self, cat, coffee):
        message = "another size than the image: expected 60x40 pixels, received 70x50"
        with pytest.raises(InputError, match=message):
            original_colors(cat, coffee)


MATCHES = [match_color, match_histogram]


class TestMatchColor:
    def test_mean_and_covariance_are_the_references(self, cat, pale):
        mean, covariance = moments(pale)
        matched = moments(match_color(cat, pale))
        np.testing.assert_allclose(matched[0], mean, atol=1e-6)
        np.testing.assert_allclose(matched[1], covariance, atol=GRAIN)

    def test_it_moves_colours_less_than_the_maps_of_gatys(self, cat, pale):
        def moved(matrix):
            return np.sum((pixels @ (matrix - np.eye(3)).T) ** 2)

        def root(matrix):
            values, vectors = np.linalg.eigh(matrix)
            return (vectors * np.sqrt(values)) @ vectors.T

        (mean, own), (_, wanted) = moments(cat), moments(pale)
        pixels = cat.reshape(-1, 3) - mean
        cholesky = np.linalg.cholesky(wanted) @ np.linalg.inv(np.linalg.cholesky(own))
        principal = root(wanted) @ np.linalg.inv(root(own))
        ours, *_ = np.linalg.lstsq(
            pixels, match_color(cat, pale).reshape(-1, 3) - moments(pale)[0], rcond=None
        )
        np.testing.assert_allclose(ours, ours.T, atol=1e-4)
        assert np.linalg.eigvalsh(ours).min() > 0
        assert moved(ours) < min(moved(cholesky), moved(principal))

    def test_the_order_of_the_channels_does_not_matter(self, cat, pale):
        turned = match_color(cat[..., ::-1], pale[..., ::-1])[..., ::-1]
        np.testing.assert_allclose(turned, match_color(cat, pale), atol=1e-6)

    def test_masks_say_where_colours_count(self, cat, pale, left):
        mean, covariance = moments(pale, left)
        result = match_color(cat, pale, 1 - left, left)
        matched = moments(result, 1 - left)
        np.testing.assert_allclose(matched[0], mean, atol=1e-6)
        np.testing.assert_allclose(matched[1], covariance, atol=GRAIN)
        # The rest follows the same map.
        pixels = np.c_[cat.reshape(-1, 3), np.ones(cat[..., 0].size)]
        _, residual, *_ = np.linalg.lstsq(pixels, result.reshape(-1, 3), rcond=None)
        assert residual.max() < 1e-6

    def test_a_mask_is_a_weight(self, cat, pale):
        ramp = np.tile(np.linspace(0, 1, 60), (40, 1))
        matched = moments(match_color(cat, pale, ramp), ramp)
        np.testing.assert_allclose(matched[0], moments(pale)[0], atol=1e-6)


class TestMatchHistogram:
    def test_the_distribution_along_each_principal_axis_is_the_references(self, cat, pale):
        _, axes = np.linalg.eigh(moments(pale)[1])
        result = match_histogram(cat, pale) @ axes
        expected = pale @ axes
        levels = np.linspace(0, 1, 21)
        for axis in range(3):
            quantiles = np.quantile(result[..., axis], levels)
            wanted = np.quantile(expected[..., axis], levels)
            np.testing.assert_allclose(quantiles, wanted, atol=0.004)

    def test_it_is_nearer_to_the_histograms_than_match_color(self, cat, coffee):
        def distance(image):
            levels = np.linspace(0, 1, 101)
            luma = [np.quantile(rgb2yiq(one)[..., 0], levels) for one in (image, coffee)]
            return np.abs(luma[0] - luma[1]).mean()

        assert distance(match_histogram(cat, coffee)) < 0.5 * distance(match_color(cat, coffee))

    def test_masks_say_where_colours_count(self, cat, pale, left):
        result = match_histogram(cat, pale, 1 - left, left)
        alone = match_histogram(cat[:, 25:], pale[:, :25])
        np.testing.assert_allclose(result[:, 25:], alone, atol=1e-5)
        # The rest follows the same curves and stays within their ends.
        _, axes = np.linalg.eigh(moments(pale, left)[1])
        inside, outside = result[:, 25:] @ axes, result[:, :25] @ axes
        assert (outside.max((0, 1)) <= inside.max((0, 1)) + 1e-6).all()
        assert (outside.min((0, 1)) >= inside.min((0, 1)) - 1e-6).all()

    def test_a_faint_mask_counts_where_it_is_strongest(self, cat, pale, left):
        np.testing.assert_allclose(
            match_histogram(cat, pale, 0.2 * left), match_histogram(cat, pale, left), atol=1e-5
        )


@pytest.mark.parametrize("match", MATCHES)
class TestMatches:
    def test_a_picture_in_its_own_colours_stays(self, match, cat):
        np.testing.assert_allclose(match(cat, cat), cat, atol=1 / 255)

    def test_sizes_may_differ_and_the_result_is_a_picture(self, match, cat, coffee):
        result = match(cat, coffee)
        assert result.shape == cat.shape
        assert result.dtype == np.float32
        assert result.min() >= 0
        assert result.max() <= 1
        # Beyond the gamut it is clipped: nearly the colours.
        np.testing.assert_allclose(moments(result)[0], moments(coffee)[0], atol=0.03)

    def test_a_grey_picture_becomes_one_of_few_colours_and_keeps_its_order(self, match, pale):
        grey = np.float32(rgb2gray(data.chelsea()[::8, ::8]))
        result = match(grey, pale)
        order = np.argsort(grey.ravel())
        luma = rgb2yiq(result)[..., 0].ravel()[order]
        assert (np.diff(luma) > -1e-5).all()
        np.testing.assert_allclose(moments(result)[0], moments(pale)[0], atol=0.01)

    def test_a_grey_reference_gives_grey(self, match, cat):
        grey = 0.3 + 0.4 * np.float32(rgb2gray(picture("rocket")))
        result = match(cat, grey)
        np.testing.assert_allclose(np.ptp(result, axis=-1), 0, atol=1e-6)
        np.testing.assert_allclose(result.std((0, 1)), grey.std(), rtol=0.1)

    def test_flat_pictures(self, match, cat):
        flat = np.full((9, 9, 3), (0.2, 0.5, 0.7), np.float32)
        other = np.full((7, 5, 3), (0.9, 0.1, 0.0), np.float32)
        one_color = np.broadcast_to(other[0, 0], flat.shape)
        np.testing.assert_allclose(match(flat, other), one_color, atol=1e-6)
        np.testing.assert_allclose(match(cat, flat)[0, 0], flat[0, 0], atol=1e-6)
        assert np.ptp(match(cat, flat), axis=(0, 1)).max() < 1e-6
        result = match(flat, cat)
        assert np.ptp(result, axis=(0, 1)).max() < 1e-6
        assert np.isfinite(result).all()

    def test_noise_below_a_level_is_not_stretched_into_colours(self, match, coffee):
        grey = np.repeat(rgb2gray(data.chelsea()[::8, ::8])[..., None], 3, axis=-1)
        noise = np.random.default_rng(0).normal(scale=0.2 / 255, size=grey.shape)
        noisy = np.clip(grey + noise, 0, 1)
        change = np.abs(match(noisy, coffee) - match(grey, coffee))
        assert np.quantile(change, 0.99) < 0.05

    def test_files_and_integers(self, match, cat, coffee, tmp_path):
        paths = [tmp_path / "cat.png", tmp_path / "coffee.png"]
        for path, image in zip(paths, (cat, coffee), strict=True):
            write_image(path, image)
        bits = [np.uint8(image * 255 + 0.5) for image in (cat, coffee)]
        np.testing.assert_array_equal(match(*paths), match(*bits))

    def test_what_was_given_is_not_changed(self, match, cat, coffee):
        copies = cat.copy(), coffee.copy()
        match(cat, coffee, np.ones(SHAPE), np.ones((50, 70)))
        np.testing.assert_array_equal(cat, copies[0])
        np.testing.assert_array_equal(coffee, copies[1])

    def test_what_cannot_be_used(self, match, cat, coffee, left):
        with pytest.raises(InputError, match=r"mask has not its picture's shape.*\(40, 60\)"):
            match(cat, coffee, np.ones((50, 70)))
        with pytest.raises(InputError, match="reference_mask has not its picture's shape"):
            match(cat, coffee, None, left)
        with pytest.raises(InputError, match="mask is 0 everywhere"):
            match(cat, coffee, np.zeros(SHAPE))
        with pytest.raises(InputError, match="mask has values out of range"):
            match(cat, coffee, left * 2)
        with pytest.raises(InputTypeError, match="reference is no picture"):
            match(cat, None)
        with pytest.raises(FileError, match="none\\.jpg"):
            match(cat, "none.jpg")


def test_hues_of_a_real_pair_stay_apart(data_dir):
    """The warm sky of a painting stays warmer than its ground in a photograph's colours."""
    from stylekit.image import read_image

    content = read_image(data_dir / "images" / "content" / "golden_gate.jpg", size=128)
    style = read_image(data_dir / "images" / "style" / "the_scream.jpg", size=128)
    for match in MATCHES:
        result = match(style, content)
        warmth = result[..., 0] - result[..., 2]
        sky, ground = warmth[5:25, 10:80], warmth[70:120, 10:80]
        assert np.median(sky) > np.median(ground) + 0.02
        assert np.median(rgb2hsv(result)[..., 2]) > 0.3
