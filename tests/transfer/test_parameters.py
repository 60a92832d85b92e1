import numpy as np
import pytest
import tensorflow as tf

from stylekit.transfer import Parameters, Pixels
from stylekit.transfer.parameters import clip


@pytest.fixture
def base(rng):
    return rng.random((2, 5, 6, 3), dtype=np.float32)


@pytest.fixture
def soft(rng):
    """Values from 0 to 1, both among them."""
    mask = rng.random((1, 5, 6, 1), dtype=np.float32)
    mask[:, 0], mask[:, 1] = 0, 1
    return mask


def rendered(image, base, mask):
    values, context = Pixels().prepare(
        tf.constant(image), tf.constant(base), None if mask is None else tf.constant(mask)
    )
    return values, context, Pixels().image(values, context).numpy()


def test_without_a_mask_the_values_are_the_image(base):
    values, context, image = rendered(base, 1 - base, None)
    assert context is None
    np.testing.assert_array_equal(values, base)
    np.testing.assert_array_equal(image, base)


def test_the_start_is_kept_bit_for_bit_under_any_mask(base, soft):
    values, _, image = rendered(base, base, soft)
    np.testing.assert_array_equal(values, base)
    np.testing.assert_array_equal(image, base)


def test_the_picture_of_the_values_is_the_image_that_was_given(base, soft, rng):
    # As at a pyramid's second level: the image has moved, by at most the mask's share.
    moved = base + soft * (rng.random(base.shape, dtype=np.float32) - base)
    values, _, image = rendered(moved, base, soft)
    np.testing.assert_allclose(image, moved, rtol=0, atol=1e-6)
    assert values.numpy().min() >= 0
    assert values.numpy().max() <= 1


def test_an_image_out_of_reach_stays_within_the_masks_share(base, soft):
    *_, image = rendered(1 - base, base, soft)
    assert np.all(np.abs(image - base) <= soft + 1e-6)
    np.testing.assert_array_equal(image[:, 0], base[:, 0])  # the mask is 0 there


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_outside_is_bit_identical_and_inside_within_limits(value, base, soft):
    _, context, _ = rendered(base, base, soft)
    image = Pixels().image(tf.fill(base.shape, value), context).numpy()
    np.testing.assert_array_equal(image[:, 0], base[:, 0])
    np.testing.assert_allclose(image[:, 1], value, atol=1e-7)
    np.testing.assert_allclose(image, base + soft * (value - base), atol=1e-6)
    assert image.min() >= 0
    assert image.max() <= 1


def test_the_gradient_is_the_mask(base, soft):
    values, context, _ = rendered(base, base, soft)
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(Pixels().image(values, context))
    gradient = tape.gradient(total, values)
    np.testing.assert_array_equal(gradient, np.broadcast_to(soft, base.shape))


def test_bounds():
    assert Pixels.bounds == (0.0, 1.0)
    assert Parameters.bounds is None
    values = tf.constant([-0.5, 0.25, 7.0])
    np.testing.assert_array_equal(clip(values, (0.0, 1.0)), [0, 0.25, 1])
    np.testing.assert_array_equal(clip(values, None), values)


def test_a_parametrisation_needs_both_methods():
    class Half(Parameters):
        def prepare(self, image, base, update_mask):
            return image, None

    with pytest.raises(TypeError, match="image"):
        Half()


def test_repr():
    assert repr(Pixels()) == "Pixels()"
