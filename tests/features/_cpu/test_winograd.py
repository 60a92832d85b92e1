import numpy as np
import pytest
import tensorflow as tf

from stylekit.features._cpu import winograd
from stylekit.features._cpu.convolution import FrozenConv2D

WIDE = 3, 3, 128, 256
AMPLIFICATION = 4.76  # of rounding errors, by the transforms
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


def test_the_points_amplify_rounding_little():
    """By 4.8, and the usual points 0, 1, -1, 2, -2 and infinity by 10.8.

    Each of the 36 products K_k P_k of a transformed kernel and a transformed window is rounded by
    itself, and what the outputs A make of it is not cancelled by the others. With inputs of
    variance 1 and C channels the variance of a product is C |K_k|^2 |P_k|^2, and that of an output
    9 C.
    """
    products, kernels, outputs = winograd._TRANSFORMS
    variances = np.sum(kernels**2, axis=1) * np.sum(products**2, axis=1)
    amplification = np.sqrt(np.mean(outputs**2 @ variances) / 9)
    assert amplification == pytest.approx(AMPLIFICATION, rel=0.01)


def test_rounding_is_that_of_its_sums(rng):
    """A bound for every order in which a processor may add.

    A sum of n independent terms, added one after the other, has partial sums of variance k / n for
    k = 1 to n, each of which is rounded: relative to the sum, the variance of the error is n / 2
    times that of one rounding. Adding in blocks rounds less. One rounding has a standard deviation
    of 0.21 eps: it is uniform in a spacing of eps / m, for a number of mantissa m in [1, 2), whose
    logarithm is uniform. The sums are those over channels and those of the three transforms, and
    the errors of all of them are amplified alike. The next best points, 2 and 1/2, amplify by 6.9,
    and their error is above this bound.
    """
    channels = 128
    x, kernel = made(rng, (1, 32, 32, channels)), made(rng, (3, 3, channels, 64))
    expected = tf.nn.conv2d(x, kernel, 1, "SAME").numpy()
    found = winograd.convolve(tf.cast(x, "float32"), tf.cast(kernel, "float32"))
    one = np.sqrt((1 - 1 / 4) / (2 * np.log(2)) / 12) * np.finfo("float32").eps
    sums = channels + sum(matrix.shape[1] for matrix in winograd._TRANSFORMS)
    assert distance(found, expected) < AMPLIFICATION * one * np.sqrt(sums / 2)


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
