import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import stylekit as sk
from stylekit._checks import InputError, InputTypeError
from stylekit.features import CircularPadding, KerasExtractor, ReflectPadding

LAYERS = ("block1_conv1", "block2_conv1", "block4_conv2", "block5_conv1")
TILES = {"x": (2,), "y": (1,), "both": (1, 2)}


@pytest.fixture(scope="module", params=["compact", "vgg19"])
def inner(request):
    return sk.CompactVGG() if request.param == "compact" else sk.VGG19(weights=None)


@pytest.fixture
def picture(rng):
    return rng.random((1, 64, 96, 3)).astype("float32")


@pytest.mark.parametrize("tile", TILES)
def test_features_roll_with_the_picture(inner, tile, picture):
    network = CircularPadding(inner, tile)
    model = network.model(LAYERS)
    pixels = [32 * (axis in TILES[tile]) for axis in (1, 2)]
    before, after = (model(one) for one in (picture, np.roll(picture, pixels, (1, 2))))
    for layer in LAYERS:
        stride = network.stride(layer)[0]
        rolled = np.roll(before[layer], [n // stride for n in pixels], (1, 2))
        np.testing.assert_allclose(after[layer], rolled, atol=1e-4 * np.abs(rolled).max())
        assert before[layer].shape == inner.model(LAYERS)(picture)[layer].shape


@pytest.mark.slow
def test_features_are_those_of_a_picture_in_the_middle_of_its_copies(inner, picture):
    found = CircularPadding(inner).model(LAYERS)(picture)
    wide = inner.model(LAYERS)(np.tile(picture, (1, 5, 3, 1)))
    for layer in LAYERS:
        _, height, width, _ = found[layer].shape
        middle = wide[layer][:, 2 * height : 3 * height, width : 2 * width]
        np.testing.assert_allclose(found[layer], middle, atol=1e-4 * np.abs(middle).max())


def test_an_edge_that_does_not_tile_is_mirrored(inner):
    grey = np.full((1, 48, 48, 3), 0.4, "float32")
    for tile in (None, "x"):
        feature = CircularPadding(inner, tile).model(["block3_conv1"])(grey)["block3_conv1"].numpy()
        assert np.ptp(feature, axis=(1, 2)).max() < 1e-3
    mirrored = CircularPadding(inner, None).model(LAYERS[:1])
    ramp = np.linspace(0, 1, 48, dtype="float32")[None, :, None, None] * grey
    feature = mirrored(np.concatenate([ramp, ramp[:, ::-1]], axis=1))[LAYERS[0]].numpy()
    np.testing.assert_allclose(feature[:, :48], mirrored(ramp)[LAYERS[0]], atol=1e-4)


def residual_network():
    """A network of strides, branches, and paddings of two kinds, and a model within a model."""
    x = keras.Input((None, None, 3))
    y = layers.ZeroPadding2D(((2, 3), (3, 2)))(x)
    y = layers.Conv2D(4, 6, padding="valid", activation="relu", name="first")(y)
    y = layers.Conv2D(4, 5, strides=2, padding="same", name="strided")(y)
    wide = layers.Conv2D(4, (3, 7), padding="same")(y)
    y = layers.Concatenate()([layers.Conv2D(4, 3, padding="same")(y), wide, y])
    within = keras.Sequential([keras.Input((None, None, 12)), layers.Conv2D(12, 3, padding="same")])
    y = layers.Add(name="added")([within(y), y])
    y = layers.AveragePooling2D(3, 2, padding="same", name="pooled")(y)
    y = layers.DepthwiseConv2D(3, padding="same", dilation_rate=2, name="last")(y)
    return keras.Model(x, y)


def test_any_network_of_operations_that_are_known(picture):
    keras.utils.set_random_seed(1)
    network = CircularPadding(KerasExtractor(residual_network()))
    names = ("first", "strided", "added", "pooled", "last")
    model = network.model(names)
    before, after = (model(one) for one in (picture, np.roll(picture, (16, 8), (1, 2))))
    for name in names:
        stride = network.stride(name)[0]
        rolled = np.roll(before[name], (16 // stride, 8 // stride), (1, 2))
        np.testing.assert_allclose(after[name], rolled, atol=1e-5)
        assert np.abs(rolled).max() > 0.01
        assert before[name].shape == network.extractor.model([name])(picture)[name].shape
    assert network.smallest_size("last") == 5  # where the widest convolution has three cells
    network.beside.model(names)(picture[:, :5, :5])


def test_an_operation_of_ones_own_is_not_guessed_at():
    class Blur(layers.Layer):
        def call(self, x):
            return (x + tf.roll(x, 1, 1)) / 2

    x = keras.Input((None, None, 3))
    network = KerasExtractor(keras.Model(x, Blur(name="blur")(x)))
    message = r"operation 'blur' does not support circular padding.*received Blur"
    with pytest.raises(InputError, match=message) as caught:
        CircularPadding(network).model(["blur"])
    assert caught.value.argument == "extractor"


@pytest.mark.slow
def test_the_objective_rolls_with_the_picture(rng):
    """No loss sees an edge: neither those of features nor those of neighbouring pixels."""
    photo, style = rng.random((2, 32, 48, 3), dtype=np.float32)
    losses = [
        sk.GramStyleLoss(style, layers=LAYERS[:3]),
        sk.TotalVariationLoss(),
        sk.TotalVariationLoss(1, channels="chroma", name="chroma"),
    ]
    network = CircularPadding(sk.CompactVGG())
    objective = sk.Objective(losses, network, (32, 48), picture=photo)
    found = [objective(np.roll(photo, by, (0, 1))[None]) for by in ((0, 0), (8, 16))]
    (total, values, gradient), (rolled_total, rolled_values, rolled) = found
    assert float(rolled_total[0]) == pytest.approx(float(total[0]), rel=1e-5)
    for name, value in values.items():
        assert float(rolled_values[name][0]) == pytest.approx(float(value[0]), rel=1e-5)
    expected = np.roll(gradient, (8, 16), (1, 2))
    np.testing.assert_allclose(rolled, expected, atol=1e-4 * np.abs(expected).max())


def test_a_style_does_not_tile(rng):
    style = rng.random((40, 52, 3), dtype=np.float32)
    inner = sk.CompactVGG()
    canvas = sk.losses.Canvas(CircularPadding(inner), (32, 32))
    found = canvas.beside(style).extract(style[None], LAYERS[:2])
    expected = CircularPadding(inner, None).model(LAYERS[:2])(style[None])
    for layer in LAYERS[:2]:
        np.testing.assert_array_equal(found[layer], expected[layer])


@pytest.mark.parametrize("plan", [sk.Tiles(32), sk.Recompute()])
def test_tiles_of_memory_are_refused(plan):
    network, shape = CircularPadding(sk.CompactVGG()), (512, 512)
    for losses in ([sk.GramStyleLoss(np.zeros((64, 64, 3)))], [sk.TotalVariationLoss()]):
        with pytest.raises(InputError, match="cannot be computed in tiles") as caught:
            plan.objective(losses, network, shape)
        assert caught.value.argument == "plan"


def test_a_size_of_no_whole_cells(rng):
    losses = [sk.GramStyleLoss(rng.random((64, 64, 3)), layers=LAYERS)]
    network = CircularPadding(sk.CompactVGG(), "y")
    with pytest.raises(
        InputError, match=r"multiple of 16 pixels.*: expected 32 or 48, received 40"
    ) as error:
        sk.Objective(losses, network, (40, 40))
    assert error.value.argument == "tile"
    sk.Objective(losses, network, (48, 40))


def test_it_keeps_what_recipes_ask_an_extractor_for(inner):
    network = CircularPadding(inner)
    assert network.style_layers == inner.style_layers
    assert network.style_factor == inner.style_factor
    assert network.resolve("conv4_1") == "block4_conv1"
    assert network.receptive_field("conv4_1") == inner.receptive_field("conv4_1")
    assert network.tile == "both"
    assert [one.tile for one in (inner, ReflectPadding(inner), network.beside)] == [None] * 3
    assert network.beside.beside is network.beside


def test_two_of_one_network_are_equal(inner):
    assert CircularPadding(inner) == CircularPadding(inner, "both")
    assert hash(CircularPadding(inner)) == hash(CircularPadding(inner))
    assert CircularPadding(inner) != CircularPadding(inner, "x")
    assert CircularPadding(inner) != inner


def test_it_can_be_pickled(picture):
    network = CircularPadding(sk.CompactVGG(), "x")
    expected = network.model(LAYERS[:1])(picture)[LAYERS[0]]
    again = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(again.model(LAYERS[:1])(picture)[LAYERS[0]], expected)
    assert repr(again) == repr(network)


def test_what_cannot_be_used():
    with pytest.raises(InputTypeError, match="KerasExtractor"):
        CircularPadding(keras.Sequential())
    with pytest.raises(InputError, match="tile is unknown") as caught:
        CircularPadding(sk.CompactVGG(), "xy")
    assert caught.value.argument == "tile"


@pytest.mark.parametrize("dtype", ["float64", "mixed_bfloat16"])
def test_precisions(inner, picture, dtype):
    feature = CircularPadding(inner).model(["block1_conv1"], dtype)(
        tf.cast(picture, keras.DTypePolicy(dtype).variable_dtype)
    )["block1_conv1"]
    assert feature.dtype == keras.DTypePolicy(dtype).compute_dtype
