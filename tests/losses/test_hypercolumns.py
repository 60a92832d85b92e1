import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial.distance import cdist

from stylekit.losses import Canvas, hypercolumns
from stylekit.losses.hypercolumns import (
    CellGrid,
    _directions,
    block_means,
    block_size,
    nearest_neighbors,
    resized,
)

LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1")


class TestNearestNeighbors:
    @pytest.mark.parametrize("scores", [1, 50, 2**24])
    def test_equals_scipy_in_chunks_of_any_size(self, scores, rng, monkeypatch):
        monkeypatch.setattr(hypercolumns, "SCORES", scores)
        queries, keys = rng.normal(3, 1, (23, 5)), rng.normal(-1, 2, (17, 5))
        expected = cdist(queries - queries.mean(0), keys - keys.mean(0), "cosine")
        index, distance = nearest_neighbors(tf.constant(queries), tf.constant(keys))
        assert index.dtype == tf.int32
        np.testing.assert_array_equal(index, expected.argmin(1))
        np.testing.assert_allclose(distance, expected.min(1), rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize("scores", [50, 2**24])
    def test_weights_divide_distances(self, scores, rng, monkeypatch):
        monkeypatch.setattr(hypercolumns, "SCORES", scores)
        queries, keys = rng.normal(size=(40, 4)), rng.normal(size=(30, 4))
        weights = rng.uniform(0.1, 1, 30)
        expected = cdist(queries - queries.mean(0), keys - keys.mean(0), "cosine") / weights
        index, distance = nearest_neighbors(tf.constant(queries), tf.constant(keys), weights)
        np.testing.assert_array_equal(index, expected.argmin(1))
        np.testing.assert_allclose(distance, expected.min(1), rtol=1e-9)

    def test_brightness_and_contrast_of_a_set_do_not_decide(self, rng):
        queries, keys = rng.normal(size=(40, 4)), rng.normal(size=(30, 4))
        plain, _ = nearest_neighbors(tf.constant(queries), tf.constant(keys))
        moved, _ = nearest_neighbors(tf.constant(3 * queries + 7), tf.constant(0.2 * keys - 5))
        np.testing.assert_array_equal(plain, moved)

    @pytest.mark.parametrize("rows", [np.ones((4, 3)), np.zeros((1, 3))])
    def test_constant_rows_have_a_neighbour(self, rows):
        assert np.isfinite(_directions(tf.constant(rows), rows.mean(0))).all()
        index, distance = nearest_neighbors(tf.constant(rows), tf.constant(rows))
        assert (index.numpy() >= 0).all()
        np.testing.assert_allclose(distance, 1)


@pytest.mark.parametrize("shape", [(2, 3), (4, 5), (8, 9), (9, 11), (1, 1)])
def test_a_constant_map_stays_constant_when_resized(shape):
    feature = tf.fill((1, 4, 5, 2), 3.0)
    np.testing.assert_allclose(resized(feature, shape), np.full((1, *shape, 2), 3.0), rtol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("cells", [(8, 8), (9, 15), (5, 12)])
def test_the_block_size_is_found_again(size, cells):
    reduced = block_means(tf.zeros((1, *cells, 1)), size)
    assert block_size(cells, reduced.shape[1:3]) == size


def test_hypercolumns_are_scaled_features_side_by_side(rng):
    maps = [rng.random((1, 4, 6, 2)), rng.random((1, 4, 6, 3)), np.full((1, 2, 3, 1), 5.0)]
    columns = hypercolumns.hypercolumns([tf.constant(one) for one in maps], [1.0, 2.0, 0.5])
    np.testing.assert_allclose(columns[..., :2], maps[0])
    np.testing.assert_allclose(columns[..., 2:5], 2 * maps[1])
    np.testing.assert_allclose(columns[..., 5:], 2.5)


@pytest.mark.parametrize("shape", [(64, 48), (61, 53)])
def test_masks_have_the_shape_of_the_maps(extractor, shape):
    picture = np.zeros((*shape, 3), "float32")
    grid = CellGrid(Canvas(extractor, shape, picture=picture), LAYERS)
    maps, masks = grid.maps(tf.constant(picture[None])), grid.mask(np.ones(shape, "float32"))
    for layer, stride in zip(LAYERS, (1, 2, 4, 8), strict=True):
        assert maps[layer].shape[:3] == masks[layer].shape[:3]
        assert maps[layer].shape[1] == shape[0] // max(4, stride)


@pytest.mark.parametrize("most", [1, 30, 120, 10**6])
def test_a_regular_sample_has_at_most_so_many_cells_spread_evenly(most):
    places = hypercolumns.regular_sample((12, 10), most)
    assert len(set(places.tolist())) == len(places) <= min(most, 120)
    assert len(places) == 120 or len(places) > most / 4
    rows, columns = np.divmod(places, 10)
    assert abs(rows.mean() - 5.5) <= 1
    assert abs(columns.mean() - 4.5) <= 1


@pytest.mark.parametrize("shape", [(64, 48), (61, 53)])
def test_a_sample_of_hypercolumns_is_that_of_all(shape, extractor, rng):
    picture = rng.random((*shape, 3), "float32")
    grid = CellGrid(Canvas(extractor, shape, picture=picture), LAYERS[::-1])  # the finest last
    maps = grid.maps(tf.constant(picture[None]))
    finest = maps[LAYERS[0]].shape[1:3]
    assert grid.shape == tuple(finest)
    places = np.array([0, 5, 77, 150])
    features = grid.canvas.extract(grid.canvas.image, LAYERS)
    found = hypercolumns.sampled(features, grid.index(places), dict.fromkeys(LAYERS, 2.0))
    expected = hypercolumns.hypercolumns([maps[layer] for layer in LAYERS], [2.0] * 4)
    expected = tf.gather(tf.reshape(expected, (-1, expected.shape[-1])), places)
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5)
    colors = hypercolumns.cell_means(grid.canvas.image, grid.pixel_index(places))
    np.testing.assert_allclose(colors[0, 0], picture[:4, :4].mean((0, 1)), rtol=1e-5)


def test_factors_make_the_entries_of_a_layer_sum_to_its_weight(extractor, rng):
    picture = rng.random((32, 32, 3), "float32")
    grid = CellGrid(Canvas(extractor, (32, 32), picture=picture), LAYERS[:2])
    features = grid.canvas.extract(grid.canvas.image, LAYERS[:2])
    index = grid.index(np.arange(20))
    weights = dict(zip(LAYERS, (1.0, 3.0), strict=False))
    factors = hypercolumns.feature_factors(features, index, weights)
    columns = np.abs(hypercolumns.sampled(features, index, factors)[0]).mean(0)
    np.testing.assert_allclose([columns[:64].sum(), columns[64:].sum()], [1, 3], rtol=1e-4)
