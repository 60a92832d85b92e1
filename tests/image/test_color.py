import numpy as np
import pytest
from skimage import data, transform
from skimage.color import rgb2gray, rgb2hsv, rgb2yiq

from stylekit._checks import FileError, InputError, InputTypeError
from stylekit.image import (
    match_color,
    match_histogram,
    original_colors,
    palette_colors,
    srgb_to_oklab,
    write_image,
)

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
        with pytest.raises(InputError, match=r"mask has another shape than.*\(40, 60\)"):
            match(cat, coffee, np.ones((50, 70)))
        with pytest.raises(InputError, match="reference_mask has another shape than its picture"):
            match(cat, coffee, None, left)
        with pytest.raises(InputError, match="mask is 0 everywhere"):
            match(cat, coffee, np.zeros(SHAPE))
        with pytest.raises(InputError, match="mask has values out of range"):
            match(cat, coffee, left * 2)
        with pytest.raises(InputTypeError, match="reference is not a picture"):
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


def hues(image):
    return srgb_to_oklab(image.astype(float))[..., 1:]


class TestPaletteColors:
    """Results of grey strokes, so that their chroma is what was put there."""

    @pytest.fixture
    def strokes(self):
        """A result without colours, of two grounds that meet at column 30."""
        grey = np.full((*SHAPE, 3), 0.35, np.float32)
        grey[:, 30:] = 0.7
        return grey

    @pytest.fixture
    def halves(self):
        """A content whose left half is reddish and whose right half is bluish."""
        rgb = np.empty((*SHAPE, 3), np.float32)
        rgb[:, :30], rgb[:, 30:] = (0.55, 0.45, 0.45), (0.45, 0.45, 0.55)
        return rgb

    def test_lightness_stays(self, cat, coffee, pale):
        result = palette_colors(cat, pale, coffee)
        assert result.dtype == np.float32
        assert result.shape == cat.shape
        assert result.min() >= 0
        assert result.max() <= 1
        before, after = (srgb_to_oklab(x.astype(float))[..., 0] for x in (cat, result))
        np.testing.assert_allclose(after, before, atol=2e-4)
        assert np.abs(result - cat).max() > 0.1

    def test_the_arrangement_is_the_contents_and_the_palette_the_styles(self, strokes, halves):
        style = np.empty((20, 30, 3), np.float32)
        style[:10], style[10:] = (0.6, 0.5, 0.3), (0.3, 0.55, 0.5)
        result = hues(palette_colors(strokes, halves, style, radius=3))
        expected = [hues(style)[15, 0], hues(style)[5, 0]]  # nearest: red to ochre, blue to teal
        sides = [result[:, :25].reshape(-1, 2), result[:, 35:].reshape(-1, 2)]
        found = [side.mean(axis=0) for side in sides]
        order = [0, 1] if np.linalg.norm(found[0] - expected[0]) < 0.02 else [1, 0]
        for side, wanted in zip(sides, np.array(expected)[order], strict=True):
            np.testing.assert_allclose(side, np.broadcast_to(wanted, side.shape), atol=3e-3)
        # The map is the one that moves hues least: red stays the redder of the two.
        assert found[0][0] > found[1][0]

    def test_mean_and_covariance_become_the_styles(self, coffee):
        # Flat squares of many colours, under one lightness: their middles are not smoothed.
        squares = 0.3 + 0.4 * np.random.default_rng(3).random((12, 18, 3), dtype=np.float32)
        content = squares.repeat(10, axis=0).repeat(10, axis=1)
        style = 0.35 + 0.3 * coffee
        result = palette_colors(np.full_like(content, 0.5), content, style, radius=1)
        found = hues(result)[5::10, 5::10].reshape(-1, 2)
        wanted = hues(style).reshape(-1, 2)
        np.testing.assert_allclose(found.mean(axis=0), wanted.mean(axis=0), atol=1e-3)
        expected = np.cov(wanted.T)
        np.testing.assert_allclose(np.cov(found.T), expected, atol=0.1 * expected.max())

    def test_no_colour_crosses_an_edge_of_lightness(self, strokes, halves):
        style = halves + np.float32([0.1, 0.0, 0.05])
        result = hues(palette_colors(strokes, halves, style, radius=8))
        for beside, within in ((29, 5), (30, 55)):
            np.testing.assert_allclose(result[:, beside], result[:, within], atol=4e-3)

    def test_without_an_edge_it_is_smooth(self, halves):
        flat = np.full_like(halves, 0.5)
        style = halves + np.float32([0.1, 0.0, 0.05])
        a = hues(palette_colors(flat, halves, style, radius=6))[20, :, 0]
        steps = np.abs(np.diff(a))
        assert steps.max() < 0.15 * (a.max() - a.min())

    def test_fine_differences_of_hue_are_the_images(self, halves):
        image = np.full_like(halves, 0.5)
        image[::2] += np.float32([0.02, -0.01, 0.0])
        flat = np.full_like(halves, 0.5)
        style = halves + np.float32([0.1, 0.0, 0.05])
        with_lines, without = (palette_colors(x, halves, style, radius=6) for x in (image, flat))
        lines = hues(with_lines) - hues(without)
        expected = hues(image)[0, 0] - hues(image)[1, 0]
        np.testing.assert_allclose(
            (lines[10:30:2] - lines[11:31:2]).mean((0, 1)), expected, atol=2e-3
        )
        np.testing.assert_allclose(lines[10:30].mean((0, 1)), 0, atol=2e-3)

    def test_a_grey_content_takes_the_styles_mean(self, strokes, cat, coffee):
        grey = np.repeat(rgb2gray(cat)[..., None], 3, axis=-1)
        style = 0.3 + 0.3 * coffee
        result = hues(palette_colors(strokes, grey, style))
        wanted = np.broadcast_to(hues(style).mean((0, 1)), result.shape)
        np.testing.assert_allclose(result, wanted, atol=5e-3)

    def test_the_noise_of_a_grey_content_is_not_stretched(self, strokes, coffee):
        noise = np.random.default_rng(0).normal(0.5, 1 / 255, strokes.shape)
        result = hues(palette_colors(strokes, noise, coffee, radius=1))
        assert result.std(axis=(0, 1)).max() < 0.5 * hues(coffee).std(axis=(0, 1)).max()

    def test_several_styles_count_by_their_weights(self, strokes, cat):
        red, blue = (
            np.full((n, n, 3), c, np.float32)
            for n, c in ((4, (0.6, 0.5, 0.5)), (40, (0.5, 0.5, 0.6)))
        )
        grey = np.full_like(cat, 0.5)
        for weights, share in ((None, 0.5), ([3, 1], 0.75), ([0, 2], 0.0)):
            result = hues(palette_colors(strokes, grey, [red, blue], weights=weights))
            wanted = share * hues(red)[0, 0] + (1 - share) * hues(blue)[0, 0]
            np.testing.assert_allclose(result[20, 5], wanted, atol=2e-3)

    def test_colours_count_where_the_masks_say(self, strokes, halves, left):
        style = np.empty((10, 10, 3), np.float32)
        style[:5], style[5:] = (0.6, 0.5, 0.5), (0.5, 0.5, 0.6)
        upper = np.zeros((10, 10), np.float32)
        upper[:5] = 1
        result = hues(palette_colors(strokes, halves, style, style_masks=[upper], mask=left))
        # The content's left half is of one colour, and so is the style's upper half.
        np.testing.assert_allclose(result[20, 5], hues(style)[0, 0], atol=3e-3)

    def test_a_paths_pictures(self, cat, coffee, tmp_path):
        path = write_image(tmp_path / "style.png", coffee)
        np.testing.assert_allclose(
            palette_colors(cat, cat, path), palette_colors(cat, cat, coffee), atol=0.05
        )

    @pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2)])
    def test_small_pictures(self, shape, coffee):
        image = np.random.default_rng(1).random((*shape, 3))
        result = palette_colors(image, image[::-1], coffee)
        assert result.shape == image.shape
        assert np.isfinite(result).all()

    def test_bad_arguments(self, cat, coffee):
        with pytest.raises(InputError, match="another size"):
            palette_colors(cat, coffee, coffee)
        for options in ({"weights": [1, 2]}, {"weights": [0]}, {"style_masks": [None, None]}):
            with pytest.raises(InputError, match="do not match"):
                palette_colors(cat, cat, coffee, **options)
        with pytest.raises(InputError, match="do not match"):
            palette_colors(cat, cat, [])
        with pytest.raises(InputError, match="weight"):
            palette_colors(cat, cat, coffee, weights=[-1])
        with pytest.raises(InputError, match="radius"):
            palette_colors(cat, cat, coffee, radius=0)
        with pytest.raises(InputError, match="style mask is 0 everywhere"):
            palette_colors(cat, cat, coffee, style_masks=[np.zeros((50, 70))])
