import numpy as np
import pytest
import tensorflow as tf

from stylekit.transfer.memory.bands import Band, Bands


@pytest.mark.parametrize("reach", [0, 1, 3])
@pytest.mark.parametrize("pixels", [1, 40, 10**6])
@pytest.mark.parametrize("shape", [(1, 9), (6, 9), (33, 20), (48, 20)])
def test_each_row_counts_once(shape, pixels, reach, rng):
    image = tf.constant(rng.random((2, *shape, 3)))
    whole = tf.zeros((2, *shape, 3), tf.float64)
    bands = Bands(shape, pixels, reach)
    count = bands.fold(lambda whole, band: band.add(whole, band.cut(image)), whole)
    np.testing.assert_allclose(count, image, atol=1e-12)


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_what_is_within_reach_is_counted_as_in_the_whole(reach, rng):
    image = tf.constant(rng.random((1, 53, 4, 1)))

    def summed(rows):  # of the range of values within reach; a border is that of a picture
        high = tf.nn.max_pool2d(rows, 2 * reach + 1, 1, "SAME")
        return tf.reduce_sum(high + tf.nn.max_pool2d(-rows, 2 * reach + 1, 1, "SAME") ** 2)

    bands = Bands((53, 4), 20, reach)
    total = bands.fold(
        lambda total, band: total + band.sign * summed(band.cut(image)), tf.zeros((), tf.float64)
    )
    np.testing.assert_allclose(total, summed(image), rtol=1e-12)
    assert bands.count > 5


@pytest.mark.parametrize("shape", [(300, 256), (301, 257)])
def test_a_band_has_about_as_many_pixels_as_it_may(shape):
    seen = []
    Bands(shape, 64**2, 1).fold(lambda _, band: seen.append(band) or 0, 0)
    assert max(band.rows for band in seen) * shape[1] <= 64**2 + 2 * shape[1]
    assert {band.rows for band in seen if band.sign < 0} == {2}


def test_a_band_keeps_the_shape_in_a_graph(rng):
    shapes = []

    @tf.function(input_signature=[tf.TensorSpec((2, 30, 8, 3))])
    def traced(image):
        def body(count, band):
            shapes.append(band.cut(image).shape)
            return count + 1

        return Bands((30, 8), 80, 1).fold(body, 0)

    assert traced(np.zeros((2, 30, 8, 3), "float32")) == 5  # three, and two that are shared
    assert all(None not in shape.as_list() for shape in shapes)
    assert Band(3, 2).cut(tf.zeros((1, 9, 8, 3))).shape == (1, 2, 8, 3)
