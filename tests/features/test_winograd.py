import numpy as np
import pytest
import tensorflow as tf

from stylekit.features import winograd
from stylekit.features.convolution import FrozenConv2D

WIDE = 3, 3, 128, 256
on_a_cpu = pytest.mark.skipif(
    bool(tf.config.get_visible_devices("GPU")), reason="GPUs choose by themselves"
)


def made(rng, shape, dtype="float64"):
    return tf.constant(rng.normal(size=shape), dtype)


def distance(one, other):
    return np.linalg.norm(np.float64(one) - other) / np.linalg.norm(other)


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 4, 4, 1), (2, 5, 3, 8), (1, 18, 7, 5)])
@pytest.mark.parametrize(("dtype", "close"), [("float64", 1e-13), ("float32", 3e-6)])
def test_it_is_a_convolution(rng, shape, dtype, close):
    x, kernel = made(rng, shape), made(rng, (3, 3, shape[-1], 4))
    expected = tf.nn.conv2d(x, kernel, 1, "SAME").numpy()
    found = winograd.convolve(tf.cast(x, dtype), tf.cast(kernel, dtype))
    assert found.dtype == dtype
    assert found.shape == expected.shape
    assert distance(found, expected) < close


def test_rounding_is_near_that_of_direct_sums(rng):
    x, kernel = made(rng, (1, 32, 32, 128)), made(rng, (3, 3, 128, 64))
    expected = tf.nn.conv2d(x, kernel, 1, "SAME").numpy()
    x, kernel = tf.cast(x, "float32"), tf.cast(kernel, "float32")
    direct = distance(tf.nn.conv2d(x, kernel, 1, "SAME"), expected)
    assert distance(winograd.convolve(x, kernel), expected) < 4 * direct


@on_a_cpu
@pytest.mark.parametrize(
    ("x", "kernel", "dtype", "expected"),
    [
        ((1, 64, 61, 128), WIDE, "float32", True),
        ((1, 64, 64, 256), (3, 3, 256, 128), "float64", True),  # its gradient
        ((4, 32, 32, 128), WIDE, "float32", True),  # a batch
        ((1, 32, 64, 128), WIDE, "float32", False),  # few tiles
        ((1, 64, 64, 128), (3, 3, 128, 128), "float32", False),  # narrow
        ((1, 64, 64, 128), WIDE, "bfloat16", False),
        ((1, 64, 64, 128), WIDE, "float16", False),
        ((1, 64, 64, 128), (1, 1, 128, 256), "float32", False),
        ((1, 64, 64, 128), (5, 5, 128, 256), "float32", False),
        ((1, None, 64, 128), WIDE, "float32", False),
        ((None, 64, 64, 128), WIDE, "float32", False),
    ],
)
def test_where_it_pays(x, kernel, dtype, expected):
    assert winograd.pays(tf.TensorSpec(x, dtype), tf.TensorSpec(kernel, dtype)) is expected


@pytest.mark.parametrize("traced", [False, True])
def test_a_wide_layer_and_its_gradient_take_it(rng, monkeypatch, traced):
    taken = []
    convolve = winograd.convolve
    monkeypatch.setattr(winograd, "convolve", lambda *a: taken.append(a[0].shape) or convolve(*a))
    monkeypatch.setattr(winograd, "pays", lambda x, kernel: True)
    layer = FrozenConv2D(3, 3, padding="same", use_bias=False, dtype="float64")
    layer.build((None, None, None, 2))
    x = made(rng, (1, 9, 6, 2))

    def gradient(x):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            value = tf.reduce_sum(layer(x) ** 3)
        return tape.gradient(value, x)

    found = tf.function(gradient, autograph=False)(x) if traced else gradient(x)
    assert taken == [(1, 9, 6, 2), (1, 9, 6, 3)]
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.reduce_sum(tf.nn.conv2d(x, layer.kernel, 1, "SAME") ** 3)
    np.testing.assert_allclose(found, tape.gradient(value, x), rtol=1e-9, atol=1e-9)


def test_kernels_are_transformed_where_they_are_used(rng):
    """Not all at a graph's start, where they would be held together."""
    traced = tf.function(winograd.convolve, autograph=False).get_concrete_function(
        tf.TensorSpec((1, 8, 8, 2)), tf.TensorSpec((3, 3, 2, 5))
    )
    (transform,) = (
        op
        for op in traced.graph.get_operations()
        if op.type == "MatMul" and op.outputs[0].shape == (36, 2 * 5)
    )
    (features,) = transform.control_inputs
    assert features.outputs[0].shape == (1, 8, 8, 2)


@pytest.mark.parametrize("band", [1, 7, 12])
def test_bands_are_the_whole(rng, monkeypatch, band):
    x, kernel = made(rng, (2, 18, 11, 3)), made(rng, (3, 3, 3, 4))  # 5 x 3 tiles, twice
    whole = winograd.convolve(x, kernel)
    monkeypatch.setattr(winograd, "BAND", band)
    monkeypatch.setattr(winograd, "BANDS", 4)
    np.testing.assert_allclose(winograd.convolve(x, kernel), whole, rtol=1e-12, atol=1e-12)


def test_one_band_waits_for_the_other(monkeypatch):
    monkeypatch.setattr(winograd, "BAND", 1)
    traced = tf.function(winograd.convolve, autograph=False).get_concrete_function(
        tf.TensorSpec((1, 12, 4, 2)), tf.TensorSpec((3, 3, 2, 5))
    )
    graph = traced.graph.get_operations()
    done = [op for op in graph if op.type == "MatMul" and op.outputs[0].shape == (16, 5)]
    awaited = {one for op in graph for one in op.control_inputs}
    assert [one in awaited for one in done] == [True, True, False]


@on_a_cpu
def test_what_it_needs_is_a_bands():
    def need(side, **options):
        y = tf.TensorSpec((1, side, side, 256), options.get("dtype", "float32"))
        return winograd.working(y, tf.TensorSpec(WIDE))

    assert need(64) == 36 * 4 * (16**2 * (128 + 256) + 128 * 256)
    assert need(64) == need(128)
    assert need(512) == 36 * 4 * (16 * 128 * (128 + 256) + 128 * 256)  # one of eight
    assert need(32) == need(64, dtype="bfloat16") == 0
