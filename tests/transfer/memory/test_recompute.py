import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import stylekit as sk
from stylekit._checks import InputError
from stylekit.losses.patch import PatchStyleLoss
from stylekit.transfer.memory.recompute import RecomputedObjective, cut_of

pytestmark = pytest.mark.slow

SHAPE = (24, 32)
LAYERS = ("conv1_1", "block2_conv1", "block3_conv1")
# In float32 the two add in different orders, and a unit of the network that rounding switches
# changes the gradient by more than its rounding: no bound would hold on every processor. In float64
# the masks, which are float32, set the limit.
EXACT, CLOSE = {"precision": "float64"}, np.finfo("float32").eps


@pytest.fixture(scope="module")
def image(photo):
    rng = np.random.default_rng(0)
    return np.clip(photo + rng.normal(0, 0.1, (2, *photo.shape)), 0, 1).astype("float32")


@pytest.fixture(scope="module")
def terms(photo, style):
    ramp = np.tile(np.linspace(0, 1, SHAPE[1], dtype="float32"), (SHAPE[0], 1))
    return [
        sk.ContentLoss(photo, layers=["block1_conv2", "block3_conv1"], mask=ramp),
        sk.GramStyleLoss(style, layers=LAYERS, weight=8),
        sk.GradientMaskStyleLoss([(style, ramp), (style, 1 - ramp)], layers=LAYERS),
        PatchStyleLoss(style, layers=["block2_conv1"]),
        sk.TotalVariationLoss(weight=0.5),
    ]


@pytest.fixture(scope="module")
def kept(terms, vgg, image):
    """Total, values and gradient of the objective that keeps all."""
    return sk.Objective(terms, vgg, SHAPE, **EXACT)(image)


BEHIND = {
    True: ("block3_conv1",),
    "conv1_2": ("block3_conv1", "conv1_1", "block2_conv1"),
    "block3_conv1": (),  # the deepest that is read: nothing lies behind it
}


# At every cut a tile that leaves a remainder; one without, and one of the whole, at one cut each.
@pytest.mark.parametrize(
    ("recompute", "tile"),
    [
        *((cut, 13) for cut in BEHIND),
        pytest.param(True, 8, marks=pytest.mark.slow),
        pytest.param("conv1_2", 1000, marks=pytest.mark.slow),
    ],
)
def test_value_and_gradient_are_those_of_what_is_kept(recompute, tile, kept, terms, vgg, image):
    behind = BEHIND[recompute]
    objective = RecomputedObjective(terms, vgg, SHAPE, recompute=recompute, tile=tile, **EXACT)
    assert set(objective._rest) == {*behind} - {"conv1_1"}
    total, values, gradient = objective(image)
    expected_total, expected, slope = kept
    np.testing.assert_allclose(total, expected_total, rtol=CLOSE)
    for name, value in expected.items():
        np.testing.assert_allclose(values[name], value, rtol=CLOSE, err_msg=name)
    assert np.linalg.norm(gradient - slope) < CLOSE * np.linalg.norm(slope)


def test_in_float32_it_is_near(terms, vgg, image):
    few = terms[:2]
    found, expected = (
        kind(few, vgg, SHAPE)(image)[2] for kind in (RecomputedObjective, sk.Objective)
    )
    assert found.dtype == expected.dtype == "float32"
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)


def test_odd_sizes(rng):
    shape, x = (27, 35), keras.Input((None, None, 3))
    y = x
    for k in (1, 2, 3):
        y = layers.Conv2D(4, 3, padding="same", name=f"conv{k}")(y)
        y = layers.MaxPooling2D(2, name=f"pool{k}")(y)
    network = sk.KerasExtractor(keras.Model(x, y))
    picture = rng.random((1, *shape, 3))
    terms = [
        sk.ContentLoss(picture, layers=["conv3"]),
        sk.GramStyleLoss(picture[0, ::-1], layers=["conv1", "pool1", "conv3"]),
    ]
    other = tf.constant(rng.random((1, *shape, 3)), tf.float32)
    found = RecomputedObjective(terms, network, shape, tile=8)(other)[2].numpy()
    expected = sk.Objective(terms, network, shape)(other)[2].numpy()
    assert np.linalg.norm(found - expected) < 1e-5 * np.linalg.norm(expected)


def test_the_gradient_of_each_term(terms, vgg, image):
    few = [*terms[1:2], terms[-1]]
    found = RecomputedObjective(few, vgg, SHAPE, **EXACT).term_gradients(image)
    for name, expected in sk.Objective(few, vgg, SHAPE, **EXACT).term_gradients(image).items():
        gap = np.linalg.norm(found[name] - expected)
        assert gap < CLOSE * np.linalg.norm(expected), name


def test_half_precision(terms, vgg, image):
    pair = [
        kind(terms[:2], vgg, SHAPE, precision="mixed_float16")
        for kind in (RecomputedObjective, sk.Objective)
    ]
    found, expected = (objective(image)[2].numpy() for objective in pair)
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)


def test_no_map_before_the_cut_is_ever_whole(style, vgg):
    objective = RecomputedObjective([sk.GramStyleLoss(style, layers=LAYERS)], vgg, SHAPE, tile=8)
    image = tf.zeros((1, *SHAPE, 3))
    graph = objective._traced.get_concrete_function(image, objective.weights).graph
    shapes = {
        tuple(out.shape)
        for one in (graph, *(f.graph for f in graph._functions.values()))
        for op in one.get_operations()
        for out in op.outputs
        if out.shape.rank == 4
    }
    assert (1, SHAPE[0] // 4, SHAPE[1] // 4, 128) in shapes  # the cut itself
    assert not any(shape[1:3] == SHAPE and shape[-1] == 64 for shape in shapes)


def test_a_network_that_goes_around_a_cut(photo):
    image = keras.Input((None, None, 3))
    first = layers.Conv2D(4, 3, padding="same", name="first")(image)
    second = layers.Conv2D(4, 3, padding="same", name="second")(first)
    model = keras.Model(image, layers.Add(name="sum")([first, second]))
    term = sk.ContentLoss(photo, layers="sum")
    with pytest.raises(InputError, match=r"cannot be cut at layer 'second'.*all later layers"):
        RecomputedObjective([term], sk.KerasExtractor(model), SHAPE, recompute="second")
    with pytest.raises(InputError, match=r"no layer of the network is smaller"):
        RecomputedObjective([term], sk.KerasExtractor(model), SHAPE)  # all layers are as large


def test_a_keras_model_with_its_preprocessing(photo, image):
    x = picture = keras.Input((None, None, 3))
    for k in (1, 2, 3):
        x = layers.Conv2D(4, 3, padding="same", activation="relu", name=f"conv{k}")(x)
    network = sk.KerasExtractor(keras.Model(picture, x), lambda image: image * 4 - 2)
    terms = [sk.ContentLoss(photo, layers="conv3"), sk.GramStyleLoss(photo, layers="conv1")]
    found = RecomputedObjective(terms, network, SHAPE, recompute="conv2", tile=8)(image)[2]
    expected = sk.Objective(terms, network, SHAPE)(image)[2].numpy()
    assert np.linalg.norm(found - expected) < 1e-5 * np.linalg.norm(expected)


def test_the_first_layer_that_is_small(vgg):
    assert cut_of(vgg, True) == cut_of(sk.CompactVGG(), True) == "block2_pool"
    assert cut_of(vgg, "conv1_2") == "block1_conv2"


def test_what_lies_behind_the_cut_is_not_looked_at(photo):
    # Of a layer that is used twice nothing is known; the cut comes before it.
    x = image = keras.Input((None, None, 3))
    for k in (1, 2):
        x = layers.MaxPooling2D(2, name=f"pool{k}")(layers.Conv2D(3, 3, name=f"conv{k}")(x))
    twice = layers.Conv2D(3, 3, padding="same", name="twice")
    x = layers.ReLU(name="last")(twice(twice(x)))
    network = sk.KerasExtractor(keras.Model(image, x))
    assert cut_of(network, True) == "pool2"


def test_terms_that_need_no_network(photo, vgg, image):
    terms = [sk.PixelLoss(photo), sk.TotalVariationLoss()]
    found = RecomputedObjective(terms, vgg, SHAPE)(image)[2]
    np.testing.assert_array_equal(found, sk.Objective(terms, vgg, SHAPE)(image)[2])


def test_an_unknown_layer(terms, vgg):
    with pytest.raises(InputError, match=r"no layer 'block1_pol'.*Did you mean block1_pool"):
        RecomputedObjective(terms, vgg, SHAPE, recompute="block1_pol")
