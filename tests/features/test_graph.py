import keras
import numpy as np
import pytest
from keras import layers

from stylekit.features import VGG19, KerasExtractor


@pytest.mark.parametrize("dtype", ["float32", "float64", "mixed_bfloat16"])
def test_stages_one_after_the_other_are_the_network(dtype, rng):
    vgg = VGG19(weights=None)
    names = ("block1_conv1", "block1_pool", "block2_conv1", "block2_conv2")
    stages = vgg.stages(["conv2_2", "conv1_1"], ["conv2_1", "block1_pool"], dtype)
    x = rng.random((1, 12, 15, 3))
    expected, found = vgg.model(names, dtype)(x), {}
    for stage, end in zip(stages, ("block1_pool", "block2_conv1", None), strict=True):
        outputs = stage(x)
        found |= outputs
        x = outputs.get(end)
    assert sorted(found) == sorted(names)
    for name in names:
        np.testing.assert_array_equal(found[name], expected[name])


def test_without_cuts_there_is_one_stage():
    (stage,) = VGG19(weights=None).stages(["conv2_1"], [])
    assert list(stage.output) == ["block2_conv1"]


@pytest.mark.parametrize("preprocess", [None, lambda x: x * 2 - 1])
def test_stages_of_a_keras_model(preprocess, rng):
    x = image = keras.Input((None, None, 3))
    for k in (1, 2, 3):
        x = layers.Conv2D(4, 3, activation="relu", name=f"conv{k}")(x)
    extractor = KerasExtractor(keras.Model(image, x), preprocess)
    first, second = extractor.stages(["conv1", "conv3"], ["conv2"])
    picture = rng.random((1, 9, 9, 3))
    expected = extractor.model(["conv1", "conv2", "conv3"])(picture)
    found = first(picture)
    found |= second(found["conv2"])
    assert list(found) == ["conv1", "conv2", "conv3"]
    for name, feature in found.items():
        np.testing.assert_array_equal(feature, expected[name])


def test_a_model_of_double_precision_is_given_the_picture_in_it(rng):
    image = keras.Input((None, None, 3), dtype="float64")
    x = layers.Conv2D(2, 1, name="out", dtype="float64")(image)
    kernel, _ = keras.Model(image, x).get_layer("out").get_weights()
    picture = rng.random((1, 5, 4, 3))
    found = KerasExtractor(keras.Model(image, x)).model(["out"], "float64")(picture)["out"]
    np.testing.assert_allclose(found, picture @ kernel[0, 0], rtol=1e-14, atol=1e-14)
