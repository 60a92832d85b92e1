import numpy as np
import pytest
from scipy.stats import entropy
from skimage.filters import gaussian

from stylekit import metrics
from stylekit._checks import InputError, InputTypeError
from stylekit.image import resize
from stylekit.metrics.neighbors import _area_means, _similarities

OF_STYLE = (metrics.style_nearness, metrics.style_coverage)
OF_STRUCTURE = (metrics.self_similarity_distance, metrics.cfsd)
ALL = (*OF_STYLE, *OF_STRUCTURE)


@pytest.fixture
def pasted(pictures):
    """The style's quarters in another order."""
    _, style = pictures
    (a, b), (c, d) = (np.hsplit(half[:, :64], 2) for half in np.vsplit(style[:32], 2))
    return np.vstack([np.hstack([d, c]), np.hstack([b, a])])


@pytest.mark.parametrize("measure", ALL)
class TestAll:
    def test_of_a_picture_to_itself_is_zero(self, measure, pictures, network):
        for picture in pictures:
            assert measure(picture, picture, extractor=network) == pytest.approx(0, abs=1e-5)

    def test_of_another_picture_is_within_its_range(self, measure, pictures, network):
        style, photo = pictures[1], resize(pictures[0], pictures[1].shape[:2])
        assert 0.01 < measure(style, photo, extractor=network) < 2

    @pytest.mark.parametrize("grey", [0, 0.5, 1])
    def test_constant_pictures_give_finite_numbers(self, measure, grey, pictures, network):
        _, style = pictures
        flat = np.full_like(style, grey)
        for pair in ((style, flat), (flat, style), (flat, flat)):
            assert 0 <= measure(*pair, extractor=network) <= 2

    def test_is_the_mean_over_its_layers(self, measure, pictures, network):
        style, photo = pictures[1], resize(pictures[0], pictures[1].shape[:2])
        layers = ("conv2_1", "conv3_1", "conv4_1")
        each = [measure(style, photo, extractor=network, layers=layer) for layer in layers]
        together = measure(style, photo, extractor=network, layers=layers)
        assert together == pytest.approx(np.mean(each), rel=1e-5)
        assert len({round(value, 4) for value in each}) == 3

    def test_bad_input_is_named(self, measure, pictures, network):
        _, style = pictures
        with pytest.raises(
            InputError, match=r"`(style|photo)` is too small for layer block4_conv1"
        ):
            measure(style[:, :6], style[:, :6], extractor=network, layers="conv4_1")
        with pytest.raises(InputError, match="result"):
            measure(style, style * np.nan, extractor=network)
        with pytest.raises(InputError, match="has no layer 'conv9_1'"):
            measure(style, style, extractor=network, layers=["conv9_1"])
        with pytest.raises(InputTypeError, match="layers"):
            measure(style, style, extractor=network, layers=[])
        with pytest.raises(InputTypeError, match=r"`extractor` must be a feature extractor.*str"):
            measure(style, style, extractor="vgg19")


class TestStyleNearness:
    def test_a_picture_made_of_the_styles_patches_is_near(self, pictures, pasted, network):
        photo, style = pictures
        near, far = (
            metrics.style_nearness(style, one, extractor=network) for one in (pasted, photo)
        )
        assert near < 0.75 * far

    def test_does_not_ask_for_the_whole_style(self, pictures, network):
        _, style = pictures
        part = np.tile(style[:, :16], (1, 4, 1))
        near, cover = (measure(style, part, extractor=network) for measure in OF_STYLE)
        assert near < cover


class TestStyleCoverage:
    def test_rises_where_the_result_has_a_part_of_the_style_alone(self, pictures, pasted, network):
        _, style = pictures
        part = np.tile(style[:, :16], (1, 4, 1))
        whole, less = (
            metrics.style_coverage(style, one, extractor=network) for one in (pasted, part)
        )
        assert whole < 0.8 * less

    def test_is_the_nearness_the_other_way(self, pictures, network):
        photo, style = pictures
        cover = metrics.style_coverage(style, photo, extractor=network)
        assert cover == pytest.approx(metrics.style_nearness(photo, style, extractor=network))


@pytest.mark.parametrize("measure", OF_STYLE)
def test_a_style_of_another_size_is_brought_to_the_results(measure, pictures, network):
    _, style = pictures
    small, large = (np.kron(style, np.ones((side, side, 1))) for side in (1, 2))
    assert measure(large, small, extractor=network) < 0.02


@pytest.mark.parametrize("measure", OF_STYLE)
def test_a_narrow_result_is_named(measure, pictures, network):
    _, style = pictures
    with pytest.raises(InputError, match=r"`result` is too small.*at least 8.*6x43"):
        measure(style[:, :43], style[:, :6], extractor=network)


@pytest.mark.parametrize("measure", OF_STRUCTURE)
class TestStructure:
    def test_keeps_for_the_photograph_in_other_colours(self, measure, pictures, network):
        photo = resize(pictures[0], pictures[1].shape[:2])
        recoloured = photo[..., ::-1] * np.float32(0.8)
        kept, lost = (measure(photo, one, extractor=network) for one in (recoloured, pictures[1]))
        assert kept < 0.5 * lost

    def test_grows_with_the_blur(self, measure, pictures, network):
        photo = pictures[0]
        blurred = [np.clip(gaussian(photo, s, channel_axis=-1), 0, 1) for s in (0, 0.5, 1, 2, 4)]
        values = [measure(photo, one, extractor=network) for one in blurred]
        assert values == sorted(values)

    def test_pictures_of_two_sizes_have_no_common_structure(self, measure, pictures, network):
        with pytest.raises(InputError, match="`result` must have the size of `photo`"):
            measure(*pictures, extractor=network)


class TestDefaultLayers:
    def test_are_the_documented_ones(self, pictures, network):
        style, photo = pictures[1], resize(pictures[0], pictures[1].shape[:2])
        layers = dict.fromkeys(ALL, ("conv2_1", "conv3_1", "conv4_1"))
        layers[metrics.cfsd] = ("conv3_1",)
        for measure, names in layers.items():
            found = measure(style, photo, extractor=network)
            assert found == measure(style, photo, extractor=network, layers=names)


class TestSelfSimilarityDistance:
    def test_columns_are_shares_of_the_cosine_distances(self, rng):
        cells = rng.random((7, 5))
        found = _similarities(cells)
        np.testing.assert_allclose(found.sum(axis=0), 1)
        cosine = (cells @ cells[2]) / (np.linalg.norm(cells, axis=1) * np.linalg.norm(cells[2]))
        np.testing.assert_allclose(found[:, 2], (1 - cosine) / (1 - cosine).sum(), atol=1e-12)


class TestCFSD:
    def test_is_the_divergence_of_the_softmax_of_the_products(self, pictures, network):
        photo, result = (one[:40, :40] for one in pictures)
        maps = network.network(["block3_conv1"])
        one, other = (np.float64(maps(p[np.newaxis])["block3_conv1"][0]) for p in (photo, result))
        one, other = (cells.reshape(100, -1) for cells in (one, other))
        p, q = (np.exp(c @ c.T / (c**2).sum(axis=1).mean()) for c in (one, other))
        p, q = (x / x.sum(axis=1, keepdims=True) for x in (p, q))
        expected = entropy(p, q, axis=1).mean()
        assert metrics.cfsd(photo, result, extractor=network) == pytest.approx(expected, rel=1e-4)


class TestAreaMeans:
    def test_keep_small_maps(self, rng):
        feature = rng.random((1, 20, 32, 3))
        np.testing.assert_allclose(_area_means(feature), feature.reshape(-1, 3))

    def test_are_block_means_where_areas_end_between_cells(self, rng):
        feature = rng.random((1, 64, 96, 2))
        blocks = feature.reshape(32, 2, 32, 3, 2).mean(axis=(1, 3))
        np.testing.assert_allclose(_area_means(feature), blocks.reshape(-1, 2))

    def test_share_the_cells_in_which_an_area_ends(self, rng):
        feature = rng.random((1, 40, 32, 1))
        # A finer map of equal cells has the same means.
        fine = feature.repeat(4, axis=1)[0].reshape(32, 5, 32, 1).mean(axis=1)
        np.testing.assert_allclose(_area_means(feature), fine.reshape(-1, 1))
