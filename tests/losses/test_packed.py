"""Many masks in one pass give what each gives alone, at the cost of where they are."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylekit.functional import masked_gram_matrix
from stylekit.losses.packed import ENTRIES, pack_masks, packed_gram_errors

SHAPE = (13, 17)


def partition(count, shape=SHAPE):
    labels = np.add.outer(np.arange(shape[0]) // 4, np.arange(shape[1]) // 5) % count
    return np.stack([labels == k for k in range(count)]).astype("float32")


def soft(count, shape=SHAPE):
    return np.random.default_rng(1).uniform(0.05, 1, (count, *shape)).astype("float32")


def holes(count, shape=SHAPE):
    masks = soft(count, shape)
    masks[:, 3:7] = 0
    masks[0, :, 4:] = 0
    return masks


CASES = {
    "partition": partition(5),
    "soft": soft(3),
    "holes": holes(4),
    "one": holes(1),
    "full": np.ones((1, *SHAPE), "float32"),
    "large": partition(6, (80, 90)),
    "large soft": soft(5, (70, 71)),
    "a pixel": np.eye(1, 221, 7, "float32").reshape(1, *SHAPE),
}


def features(masks, batch=2, dtype="float32"):
    rng = np.random.default_rng(0)
    return tf.constant(rng.normal(size=(batch, *masks.shape[1:], 6)), dtype)


def targets(masks, dtype="float32"):
    matrices = np.random.default_rng(2).normal(size=(len(masks), 1, 6, 6))
    return tf.constant(matrices + np.swapaxes(matrices, 2, 3), dtype)


def one_by_one(feature, masks, targets):
    grams = tf.stack([masked_gram_matrix(feature, mask[None, ..., None]) for mask in masks])
    return tf.reduce_sum((grams - targets) ** 2, axis=(2, 3))


@pytest.mark.parametrize("masks", CASES.values(), ids=CASES)
def test_equals_each_mask_alone(masks):
    feature, wanted = features(masks), targets(masks)
    errors = packed_gram_errors(feature, pack_masks(masks), wanted)
    assert errors.shape == (len(masks), 2)
    np.testing.assert_allclose(errors, one_by_one(feature, masks, wanted), rtol=1e-5)


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
@pytest.mark.parametrize("masks", CASES.values(), ids=CASES)
def test_gradient_equals_that_of_each_alone(masks, traced):
    feature, wanted = features(masks, dtype="float64"), targets(masks, "float64")
    packed = pack_masks(masks)
    weights = np.random.default_rng(3).normal(size=(len(masks), 2))

    def gradient(function):
        def run(feature):
            with tf.GradientTape() as tape:
                tape.watch(feature)
                loss = tf.reduce_sum(function(feature) * weights)
            return tape.gradient(loss, feature)

        return (tf.function(run) if traced else run)(feature)

    ours = gradient(lambda feature: packed_gram_errors(feature, packed, wanted))
    theirs = gradient(lambda feature: one_by_one(feature, masks, wanted))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    outside = ~(masks > 0).any(axis=0)
    assert not np.any(ours.numpy()[:, outside])


def test_numeric_gradient():
    masks = holes(3)
    feature = features(masks, batch=1, dtype="float64").numpy()
    packed, wanted = pack_masks(masks), targets(masks, "float64")

    def value(feature):
        return tf.reduce_sum(packed_gram_errors(feature, packed, wanted))

    x = tf.constant(feature)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = value(x)
    direction = np.random.default_rng(3).normal(size=feature.shape)
    slope = np.sum(tape.gradient(total, x).numpy() * direction)
    h = 1e-6
    ahead, behind = (float(value(tf.constant(feature + k * h * direction))) for k in (1, -1))
    assert (ahead - behind) / (2 * h) == pytest.approx(slope, rel=1e-7)


def entries(masks):
    """Positions times masks that the packing multiplies."""
    return sum(
        weight.shape[0] * weight.shape[1] * weight.shape[2]
        for _, weight, _ in pack_masks(masks)["groups"]
    )


def test_zeros_cost_nothing():
    shape = (128, 128)
    whole = entries(np.ones((1, *shape)))
    assert whole == 128 * 128
    grid = np.kron(np.eye(16).reshape(16, 4, 4), np.ones((32, 32)))
    assert entries(grid) == whole
    stripe = np.zeros((1, *shape))
    stripe[:, :16] = 1
    assert entries(stripe) <= 1.25 * whole / 8
    assert entries(np.full((8, *shape), 0.5)) == 8 * whole


def test_chunks_are_bounded():
    for masks in (np.ones((1, 128, 128)), np.full((8, 128, 128), 0.5), np.ones((16, 100, 100))):
        for _, weight, _ in pack_masks(masks)["groups"]:
            assert weight.shape[1] * weight.shape[2] <= ENTRIES


def test_half_precision_is_summed_in_full():
    masks = partition(2, (64, 64))
    feature = tf.fill((1, 64, 64, 2), tf.constant(60.0, "float16"))  # whose squares overflow
    packed = pack_masks(masks)
    with tf.GradientTape() as tape:
        tape.watch(feature)
        errors = packed_gram_errors(feature, packed, tf.zeros((2, 1, 2, 2)))
        total = tf.reduce_sum(errors) * 1e-6
    assert keras.backend.standardize_dtype(errors.dtype) == "float32"
    np.testing.assert_allclose(errors, 4 * 3600.0**2, rtol=1e-6)
    gradient = tape.gradient(total, feature)
    assert gradient.dtype == tf.float16
    assert np.isfinite(gradient).all()
