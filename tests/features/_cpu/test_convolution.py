import keras
import numpy as np
import pytest
import tensorflow as tf

from stylekit.features._cpu import convolution
from stylekit.features._cpu.convolution import FrozenConv2D, FrozenMaxPooling2D


def pair(width, size, dtype="float64", activation="relu"):
    """A convolution of Keras's and ours with the same weights."""
    layers = []
    for kind in (keras.layers.Conv2D, FrozenConv2D):
        layer = kind(width, size, padding="same", activation=activation, dtype=dtype)
        layer.build((None, None, None, 3))
        layers.append(layer)
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=w.shape) for w in layers[0].get_weights()]
    for layer in layers:
        layer.set_weights(weights)
    return layers


def gradient(layer, x):
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        value = tf.reduce_sum(tf.cast(layer(x), tf.float64) ** 2)
    return tape.gradient(value, x)


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (9, 8)])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_value_and_gradient_are_those_of_a_convolution(rng, shape, size):
    theirs, ours = pair(4, size)
    x = tf.constant(rng.normal(size=(2, *shape, 3)))
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gradient(ours, x), gradient(theirs, x), rtol=1e-10, atol=1e-10)


def test_gradient_is_the_numeric_one(rng):
    ours = pair(4, 3, activation=None)[1]
    x = rng.normal(size=(1, 5, 4, 3))
    way = rng.normal(size=x.shape)
    value = [float(tf.reduce_sum(ours(tf.constant(x + h * way)) ** 2)) for h in (1e-5, -1e-5)]
    slope = np.sum(gradient(ours, tf.constant(x)) * way)
    assert slope == pytest.approx((value[0] - value[1]) / 2e-5, rel=1e-7)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_precisions(rng, policy):
    theirs, ours = pair(4, 3, policy)
    x = tf.constant(rng.normal(size=(1, 6, 7, 3)), ours.compute_dtype)
    assert ours(x).dtype == ours.compute_dtype
    close = {"rtol": 1e-4 if policy == "float32" else 0.1, "atol": 1e-3 if "32" in policy else 2}
    np.testing.assert_allclose(
        np.float32(gradient(ours, x)), np.float32(gradient(theirs, x)), **close
    )


def test_the_weights_have_no_gradient(rng):
    ours = pair(4, 3, "float32", activation=None)[1]
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(ours(tf.constant(rng.normal(size=(1, 4, 4, 3)), tf.float32)) ** 2)
    assert tape.gradient(value, ours.kernel.value) is None


@pytest.mark.parametrize("shape", [(2, 2), (5, 8), (9, 7)])
def test_pooling_and_its_gradient_are_those_of_the_maximum(rng, shape):
    theirs, ours = keras.layers.MaxPooling2D(dtype="float64"), FrozenMaxPooling2D(dtype="float64")
    x = tf.constant(rng.normal(size=(2, *shape, 3)))
    np.testing.assert_array_equal(ours(x), theirs(x))
    np.testing.assert_allclose(gradient(ours, x), gradient(theirs, x), rtol=1e-12)


def test_equal_cells_share_the_gradient():
    x = tf.constant(np.float64([[1, 1], [0, 1]])[None, ..., None])
    expected = np.float64([[1, 1], [0, 1]])[None, ..., None] * 2 / 3  # of the square: 2 * 1
    np.testing.assert_allclose(
        gradient(FrozenMaxPooling2D(dtype="float64"), x), expected, rtol=1e-12
    )


def test_pooling_of_a_free_size_can_be_traced(rng):
    image = keras.Input((None, None, 3))
    model = keras.Model(image, FrozenMaxPooling2D()(image))
    assert model.output.shape == (None, None, None, 3)
    traced = tf.function(lambda x: gradient(model, x), autograph=False)
    for shape in ((6, 4), (5, 9)):
        x = tf.constant(rng.normal(size=(1, *shape, 3)), "float32")
        np.testing.assert_allclose(traced(x), gradient(keras.layers.MaxPooling2D(), x), rtol=1e-6)
    free = traced.get_concrete_function(tf.TensorSpec((1, None, None, 3)))
    np.testing.assert_allclose(free(x), gradient(keras.layers.MaxPooling2D(), x), rtol=1e-6)


def test_a_kernel_is_turned_where_it_is_used(ancestors):
    """Not all at a graph's start, where they would be held together."""
    traced = tf.function(convolution._slope_of_convolution, autograph=False)
    spec = tf.TensorSpec((1, 6, 6, 4))
    graph = traced.get_concrete_function(
        spec, spec, tf.TensorSpec((1, 6, 6, 3)), tf.TensorSpec((3, 3, 3, 4))
    ).graph
    (turned,) = (op for op in graph.get_operations() if op.type == "ReverseV2")
    assert graph.inputs[0].op in ancestors(turned)
