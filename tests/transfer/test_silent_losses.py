"""A loss through which no gradient passes is told of at the start of a run."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import stylekit as sk


class Returns(sk.Loss):
    """Whatever a function makes of the image and its features."""

    layers = ("block1_conv1",)

    def __init__(self, function, **options):
        super().__init__(name="mine", **options)
        self.function = function

    def compute(self, image, features, targets):
        return self.function(image, features["block1_conv1"])


def mean(x):
    return ops.mean(x, axis=(1, 2, 3))


def looped(x):
    return tf.while_loop(lambda k, s: k < 3, lambda k, s: (k + 1, s + mean(x)), (0, 0 * mean(x)))[1]


def mapped(x):
    return tf.map_fn(lambda one: ops.mean(one), x)


def in_numpy(x):
    found = tf.numpy_function(lambda x: np.float32([x.mean()]), [x], tf.float32)
    return tf.ensure_shape(found, [1])


def chosen(value):
    return tf.cond(value > 9, lambda: 0.0, lambda: value)


@tf.custom_gradient
def rounded_straight(x):
    return tf.round(x), lambda upstream: upstream


SILENT = {
    "a constant": lambda image, feature: ops.ones(image.shape[0]),
    "a number": lambda image, feature: 0.5,
    "stopped": lambda image, feature: mean(ops.stop_gradient(image)),
    "rounded": lambda image, feature: mean(ops.round(image * 4)),
    "cast": lambda image, feature: mean(ops.cast(ops.cast(image * 255, "int32"), "float32")),
    "index": lambda image, feature: mean(ops.cast(ops.argmax(feature, -1), "float32")[..., None]),
    "numpy": lambda image, feature: in_numpy(image),
    "comparison": lambda image, feature: mean(ops.where(image > 0.5, 1.0, 0.0)),
}
MOVING = {
    "image": lambda image, feature: mean(image),
    "feature": lambda image, feature: mean(ops.abs(feature)),
    "both": lambda image, feature: mean(image * ops.stop_gradient(image)),
    "loop": lambda image, feature: looped(feature),
    "map": lambda image, feature: mapped(image),
    "function": lambda image, feature: tf.function(mean)(image),
    "condition": lambda image, feature: chosen(ops.mean(image)),
    "selection": lambda image, feature: ops.mean(ops.max(feature, axis=-1), axis=(1, 2)),
    "straight through": lambda image, feature: mean(rounded_straight(image)),
}


def silent(function, photo, vgg):
    objective = sk.Objective([sk.PixelLoss(1 - photo), Returns(function)], vgg, photo.shape[:2])
    objective(photo)
    return objective.without_gradient


@pytest.mark.parametrize("kind", SILENT)
def test_a_loss_without_a_gradient_is_found(kind, photo, vgg):
    assert silent(SILENT[kind], photo, vgg) == {"mine"}


@pytest.mark.parametrize("kind", MOVING)
def test_a_loss_with_a_gradient_is_not(kind, photo, vgg):
    assert silent(MOVING[kind], photo, vgg) == set()


class Constant(sk.Loss):
    def compute(self, image, features, targets):
        return ops.ones(image.shape[0])


@pytest.fixture
def told(photo, vgg, recwarn, small_tiles):
    def of(*terms, **options):
        terms = [sk.PixelLoss(1 - photo), sk.TotalVariationLoss(), *terms]
        plan = options.pop("plan", None)
        adam = keras.optimizers.Adam(0.01)
        transfer = sk.StyleTransfer(terms, extractor=vgg, optimizer=adam, plan=plan)
        result = transfer.run(photo, 2, **options)
        words = "no gradient passes through the loss 'constant'"
        notes = sum(words in note for note in result.manifest["notes"])
        assert notes == sum(words in str(one.message).lower() for one in recwarn)
        return notes

    return of


@pytest.mark.parametrize("plan", [sk.Plan(), sk.Recompute("block1_conv1"), sk.Tiles(16)], ids=repr)
def test_a_run_tells_of_it(plan, told):
    assert told(Constant(), plan=plan) == 1


@pytest.mark.slow
def test_it_is_told_once_over_a_pyramid(told):
    assert told(Constant(), pyramid=sk.Pyramid([16, 32], [1, 1])) == 1


def test_a_loss_that_is_only_recorded_is_not_told_of(told):
    assert told(Constant(weight=0)) == 0
