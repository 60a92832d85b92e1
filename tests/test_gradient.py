"""A gradient that is written out is used wherever it is asked for, and holds no graph."""

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from stylekit._gradient import custom_gradient
from stylekit.features._cpu.convolution import FrozenConv2D, FrozenMaxPooling2D
from stylekit.functional import gram_matrix, masked_gram_matrix
from stylekit.losses.packed import pack_masks, packed_gram_errors
from stylekit.losses.windows import window_gram_matrices, window_weights

MASKS = np.random.default_rng(0).uniform(0.1, 1, (3, 8, 6)).astype("float32")
MASKS[1, :4] = 0
PACKED = pack_masks(MASKS)
CONVOLUTION, POOLING = FrozenConv2D(4, 3, padding="same"), FrozenMaxPooling2D()
CONVOLUTION.build((None, None, None, 3))
WEIGHTS = window_weights(8, 3, 4).astype("float32"), window_weights(6, 2, 4).astype("float32")
FUNCTIONS = {
    "gram": gram_matrix,
    "masked gram": lambda x: masked_gram_matrix(x, MASKS[:1, ..., None]),
    "packed": lambda x: packed_gram_errors(x, PACKED, np.ones((3, 1, 3, 3), "float32")),
    "windows": lambda x: window_gram_matrices(x, *WEIGHTS),
    "convolution": CONVOLUTION,
    "pooling": POOLING,
}


@custom_gradient(lambda upstream, value, x, factor: 7 * upstream)
def multiplied(x, factor):
    return x * factor


def gradient(function, *sources, persistent=False):
    with tf.GradientTape(persistent=persistent, watch_accessed_variables=False) as tape:
        tape.watch(sources)
        value = tf.reduce_sum(function(*sources) ** 2)
    return tape.gradient(value, sources)


@pytest.mark.parametrize("persistent", [False, True])
def test_the_gradient_is_the_one_that_is_written(persistent):
    sources = tf.constant([1.0, 2.0]), tf.constant(3.0)

    def both(*sources):
        return gradient(multiplied, *sources, persistent=persistent)

    for found in (both(*sources), tf.function(both, autograph=False)(*sources)):
        np.testing.assert_array_equal(found[0], [7 * 2 * 3, 7 * 2 * 6])
        assert found[1] is None  # the others have none


def test_the_gradient_inside_of_a_loop():
    @tf.function(autograph=False)
    def total(x):
        step = lambda i, s: (i + 1, s + gradient(multiplied, x, tf.constant(3.0))[0])  # noqa: E731
        return tf.while_loop(lambda i, _: i < 2, step, (0, tf.zeros_like(x)))[1]

    np.testing.assert_array_equal(total(tf.constant([1.0])), [2 * 7 * 2 * 3])


def test_tensors_of_one_shape_share_a_trace():
    traces = []

    @custom_gradient(lambda upstream, value, x: upstream)
    def watched(x):
        traces.append(x.shape)
        return x + 1

    for count in (1, 1, 2):
        x = tf.zeros(count)
        chain = tf.function(lambda x: gradient(lambda x: watched(watched(x)), x), autograph=False)
        chain(x)
    assert traces == [(1,), (2,)]


@pytest.mark.parametrize("size", range(2, 12))
def test_threads_that_trace_at_once(size):
    start = threading.Barrier(4)
    x = tf.ones(size)

    def traced(_):
        start.wait()
        chain = lambda x: multiplied(multiplied(x, 2.0), 3.0)  # noqa: E731
        return tf.function(lambda x: gradient(chain, x)[0], autograph=False)(x)

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(traced, range(4)):
            np.testing.assert_array_equal(found, tf.fill(size, 7.0 * 7 * 2 * 6))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_graph_has_the_same_gradient_and_goes_when_it_is_done(name, rng):
    graphs = []

    def traced(x):
        graphs.append(weakref.ref(x.graph))
        return gradient(FUNCTIONS[name], x)[0]

    for _ in range(2):  # the second finds what the first has left
        x = tf.constant(rng.normal(size=(2, 8, 6, 3)), "float32")
        found = tf.function(traced, autograph=False)(x)
        np.testing.assert_allclose(found, gradient(FUNCTIONS[name], x)[0], rtol=1e-5, atol=1e-6)
    gc.collect()
    assert [graph() for graph in graphs] == [None, None]
