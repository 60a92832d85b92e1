import numpy as np
import pytest
import tensorflow as tf

from stylekit.features import VGG19
from stylekit.losses import Canvas


@pytest.fixture(scope="session")
def extractor():
    return VGG19(weights=None)


@pytest.fixture
def photo(rng):
    return rng.random((48, 40, 3)).astype("float32")


@pytest.fixture
def style(rng):
    """Of another size and aspect ratio than the photo, and of other colours."""
    return (rng.random((32, 52, 3)) * [1, 0.5, 0.2]).astype("float32")


@pytest.fixture
def canvas_of(extractor):
    """A function that returns the canvas of a picture at its own size."""

    def make(picture, shape=None, **options):
        options = {"base_shape": picture.shape[:2], "picture": picture} | options
        return Canvas(extractor, shape or picture.shape[:2], **options)

    return make


@pytest.fixture
def evaluate():
    """A function that returns a term's value ``[B]`` and gradient at an image."""

    def run(term, canvas, image):
        image = tf.constant(np.asarray(image, "float32"))
        image = image if len(image.shape) == 4 else image[None]
        targets = term.prepare(canvas)
        with tf.GradientTape() as tape:
            tape.watch(image)
            features = canvas.extract(image, term.layers_of(canvas.extractor))
            value = term.compute(image, features, targets)
        gradient = tape.gradient(value, image, unconnected_gradients="zero")
        return value.numpy(), gradient.numpy()

    return run


@pytest.fixture
def assert_gradient_is_numeric():
    """A function that checks a term's gradient by central differences in float64."""

    def check(term, canvas, image):
        def double(structure):
            return tf.nest.map_structure(
                lambda one: tf.cast(one, "float64") if one.dtype.is_floating else one, structure
            )

        image = tf.constant(image[None])
        targets = double(term.prepare(canvas))
        features = canvas.extract(image, term.layers_of(canvas.extractor))
        inputs = double({"image": image, **features})

        def value(inputs):
            return term.compute(inputs["image"], inputs, targets)[0]

        with tf.GradientTape() as tape:
            tape.watch(inputs)
            found = value(inputs)
        assert found.dtype == tf.float64
        slopes = tape.gradient(found, inputs, unconnected_gradients="zero")
        step = {
            key: 1e-6 * tf.random.stateless_normal(one.shape, (1, 2), dtype="float64")
            for key, one in inputs.items()
        }
        ends = [
            value({key: one + sign * step[key] for key, one in inputs.items()}) for sign in (1, -1)
        ]
        slope = sum(tf.reduce_sum(slopes[key] * step[key]) for key in inputs)
        np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 2, rtol=1e-3)

    return check
