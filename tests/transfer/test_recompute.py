import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import stylekit as sk
from stylekit import functional
from stylekit._checks import InputError
from stylekit.losses.patch import PatchStyleLoss
from stylekit.transfer.recompute import RecomputedObjective, first_smaller

SHAPE = (24, 32)
LAYERS = ("conv1_1", "block2_conv1", "block3_conv1")


class ChannelMean(sk.StatisticLoss):
    is_mean = True
    computed = 0

    def statistic(self, feature, mask):
        type(self).computed += 1
        return functional.masked_mean(feature, mask)


@pytest.fixture
def image(photo, rng):
    return np.clip(photo + rng.normal(0, 0.1, (2, *photo.shape)), 0, 1).astype("float32")


@pytest.fixture
def terms(photo, style):
    ramp = np.tile(np.linspace(0, 1, SHAPE[1], dtype="float32"), (SHAPE[0], 1))
    return [
        sk.ContentLoss(photo, layers=["block1_conv2", "block3_conv1"], mask=ramp),
        sk.GramStyleLoss(style, layers=LAYERS, weight=8),
        sk.GradientMaskStyleLoss([(style, ramp), (style, 1 - ramp)], layers=LAYERS),
        PatchStyleLoss(style, layers=["block2_conv1"]),
        sk.TotalVariationLoss(weight=0.5),
    ]


@pytest.mark.parametrize(
    ("recompute", "cuts"),
    [
        (True, ("block1_pool",)),
        (["block2_pool", "conv1_2"], ("block1_conv2", "block2_pool")),
        ("block3_conv1", ()),  # the deepest that is read: nothing lies behind it
    ],
)
def test_value_and_gradient_are_those_of_what_is_kept(recompute, cuts, terms, vgg, image):
    objective = RecomputedObjective(terms, vgg, SHAPE, recompute=recompute)
    assert objective._cuts == cuts
    total, values, gradient = objective(image)
    expected_total, expected, slope = sk.Objective(terms, vgg, SHAPE)(image)
    np.testing.assert_allclose(total, expected_total, rtol=1e-6)
    for name, value in expected.items():
        np.testing.assert_allclose(values[name], value, rtol=1e-6, err_msg=name)
    assert np.linalg.norm(gradient - slope) < 1e-6 * np.linalg.norm(slope)


def test_the_gradient_of_each_term(terms, vgg, image):
    found = RecomputedObjective(terms, vgg, SHAPE).term_gradients(image)
    for name, expected in sk.Objective(terms, vgg, SHAPE).term_gradients(image).items():
        gap = np.linalg.norm(found[name] - expected)
        assert gap < 1e-6 * np.linalg.norm(expected), name


def test_half_precision(terms, vgg, image):
    pair = [
        kind(terms, vgg, SHAPE, precision="mixed_float16")
        for kind in (RecomputedObjective, sk.Objective)
    ]
    found, expected = (objective(image)[2].numpy() for objective in pair)
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)


def test_what_is_recomputed_is_computed_twice(style, vgg, image):
    def traced(layer):
        objective = RecomputedObjective([ChannelMean(style, layers=[layer, "conv2_1"])], vgg, SHAPE)
        before = ChannelMean.computed
        objective(image), objective(1 - image)
        return ChannelMean.computed - before

    assert traced("conv1_1") == 1 + 1 + 1
    assert traced("conv3_1") == 1 + 1


def test_it_is_recomputed_only_when_its_turn_comes(style, vgg):
    # In the graph the second run of the stage waits for the gradient at the stage's end.
    objective = RecomputedObjective([sk.GramStyleLoss(style, layers=LAYERS)], vgg, SHAPE)
    image = tf.zeros((1, *SHAPE, 3))
    graph = objective._traced.get_concrete_function(image, objective.weights).graph
    runs = [
        op for op in graph.get_operations() if op.type == "Conv2D" and op.outputs[0].shape[-1] == 64
    ]
    wide = [op for op in runs if op.outputs[0].shape[1:3] == SHAPE]
    after = [op for op in wide if any("gradient" in above.name for above in above_of(op))]
    assert len(after) >= 3  # conv1_1 and conv1_2 again, and the gradient of conv1_2


def above_of(op):
    seen, new = set(), [op]
    while new:
        for tensor in new.pop().inputs:
            if tensor.op not in seen:
                seen.add(tensor.op)
                new.append(tensor.op)
    return seen


def test_a_network_that_goes_around_a_cut(photo):
    image = keras.Input((None, None, 3))
    first = layers.Conv2D(4, 3, padding="same", name="first")(image)
    second = layers.Conv2D(4, 3, padding="same", name="second")(first)
    model = keras.Model(image, layers.Add(name="sum")([first, second]))
    term = sk.ContentLoss(photo, layers="sum")
    with pytest.raises(InputError, match=r"cannot be cut at layer 'second'.*all that follows"):
        RecomputedObjective([term], sk.KerasExtractor(model), SHAPE, recompute="second")
    with pytest.raises(InputError, match=r"no layer of the network is smaller"):
        RecomputedObjective([term], sk.KerasExtractor(model), SHAPE)


def test_a_keras_model_with_its_preprocessing(photo, image):
    x = picture = keras.Input((None, None, 3))
    for k in (1, 2, 3):
        x = layers.Conv2D(4, 3, padding="same", activation="relu", name=f"conv{k}")(x)
    network = sk.KerasExtractor(keras.Model(picture, x), lambda image: image * 4 - 2)
    terms = [sk.ContentLoss(photo, layers="conv3"), sk.GramStyleLoss(photo, layers="conv1")]
    found = RecomputedObjective(terms, network, SHAPE, recompute=["conv1", "conv2"])(image)[2]
    expected = sk.Objective(terms, network, SHAPE)(image)[2].numpy()
    assert np.linalg.norm(found - expected) < 1e-6 * np.linalg.norm(expected)


def test_the_first_layer_that_is_smaller(vgg):
    assert first_smaller(vgg) == first_smaller(sk.CompactVGG()) == "block1_pool"


def test_terms_that_need_no_network(photo, vgg, image):
    terms = [sk.PixelLoss(photo), sk.TotalVariationLoss()]
    found = RecomputedObjective(terms, vgg, SHAPE)(image)[2]
    np.testing.assert_array_equal(found, sk.Objective(terms, vgg, SHAPE)(image)[2])


def test_an_unknown_layer(terms, vgg):
    with pytest.raises(InputError, match=r"no layer 'block1_pol'.*Did you mean block1_pool"):
        RecomputedObjective(terms, vgg, SHAPE, recompute="block1_pol")
