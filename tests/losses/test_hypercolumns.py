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
