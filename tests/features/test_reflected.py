import keras
import numpy as np
import pytest
import tensorflow as tf

import stylekit as sk
from stylekit._checks import InputError, InputTypeError
from stylekit.features import ReflectPadding
from stylekit.transfer.memory.recompute import RecomputedObjective

LAYERS = ("block1_conv1", "block2_conv1", "block4_conv1")
STRIDES = (1, 2, 8)


@pytest.fixture(scope="module", params=["compact", "vgg19"])
def inner(request):
    return sk.CompactVGG() if request.param == "compact" else sk.VGG19(weights=None)


@pytest.fixture
def picture(rng):
    return rng.random((1, 61, 43, 3)).astype("float32")


def test_features_are_those_of_the_reflected_picture(inner, picture):
    found = ReflectPadding(inner).model(LAYERS)(picture)
    side = (16, 16)
    wide = inner.model(LAYERS)(np.pad(picture, ((0, 0), side, side, (0, 0)), "reflect"))
    for layer, stride in zip(LAYERS, STRIDES, strict=True):
        cells = 16 // stride
        np.testing.assert_array_equal(found[layer], wide[layer][:, cells:-cells, cells:-cells])
        assert found[layer].shape == inner.model(LAYERS)(picture)[layer].shape


def test_far_from_the_border_nothing_changes(inner, picture):
    plain, found = (one.model(LAYERS[:2])(picture) for one in (inner, ReflectPadding(inner)))
    for layer in LAYERS[:2]:
        middle = (slice(None), slice(8, -8), slice(8, -8))
        np.testing.assert_allclose(found[layer][middle], plain[layer][middle], atol=1e-4)


def test_a_constant_picture_has_constant_features(inner):
    grey = np.full((1, 64, 64, 3), 0.4, "float32")
    feature = ReflectPadding(inner).model(["block3_conv1"])(grey)["block3_conv1"].numpy()
    edge = inner.model(["block3_conv1"])(grey)["block3_conv1"].numpy()
    assert np.ptp(edge, axis=(1, 2)).max() > 0.1  # the mark of the zeros
    assert np.ptp(feature, axis=(1, 2)).max() < 1e-3


def test_an_error_names_the_network_within():
    class Broken(sk.CompactVGG):
        def model(self, layers, dtype="float32"):
            raise ZeroDivisionError("oh")

    with pytest.raises(ZeroDivisionError) as caught:
        ReflectPadding(Broken()).model(["block1_conv1"])
    assert caught.value.__notes__ == ["in extractor Broken, method model"]


@pytest.mark.parametrize("tile", [24, pytest.param(32, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_tiles_and_recomputation_give_the_same(inner, picture, tile):
    network, photo = ReflectPadding(inner), picture[0]
    losses = [
        sk.ContentLoss(photo[::-1].copy(), layers=LAYERS[-1:]),
        sk.GramStyleLoss(photo, layers=LAYERS),
    ]
    found = []
    for make in (
        lambda: sk.Objective(losses, network, photo.shape[:2]),
        lambda: sk.Tiles(tile).objective(losses, network, photo.shape[:2]),
        lambda: RecomputedObjective(losses, network, photo.shape[:2], tile=tile),
    ):
        total, _, gradient = make()(picture[:, ::-1, ::-1].copy())
        found.append((float(total[0]), gradient.numpy()))
    for total, gradient in found[1:]:
        assert total == pytest.approx(found[0][0], rel=1e-5)
        error = np.linalg.norm(gradient - found[0][1]) / np.linalg.norm(found[0][1])
        assert error < 1e-5


def test_it_keeps_what_recipes_ask_an_extractor_for(inner):
    network = ReflectPadding(inner)
    assert network.style_layers == inner.style_layers
    assert network.style_factor == inner.style_factor
    assert network.resolve("conv4_1") == "block4_conv1"
    assert network.receptive_field("conv4_1") == inner.receptive_field("conv4_1")


def test_two_of_one_network_are_equal(inner):
    assert ReflectPadding(inner) == ReflectPadding(inner)
    assert hash(ReflectPadding(inner)) == hash(ReflectPadding(inner))
    assert ReflectPadding(inner) != ReflectPadding(inner, 32)
    assert ReflectPadding(inner) != inner


def test_a_picture_as_small_as_the_reflection(inner):
    network = ReflectPadding(inner)
    losses = [sk.GramStyleLoss(np.full((40, 40, 3), 0.5, "float32"), layers=LAYERS)]
    with pytest.raises(InputError, match="at least 17 pixels"):
        sk.Objective(losses, network, (16, 40))
    sk.Objective(losses, network, (17, 40))


def test_a_stride_that_does_not_fit(inner):
    with pytest.raises(InputError, match=r"does not match the stride.*a multiple of 8 pixels"):
        ReflectPadding(inner, 12).model(["block4_conv1"])


def test_it_cannot_be_cut_at_the_picture_s_own_cells(inner):
    with pytest.raises(InputError, match="block2_pool:margin"):
        ReflectPadding(inner).stages(["block3_conv1"], ["block2_pool"])


def test_what_is_no_extractor():
    with pytest.raises(InputTypeError, match="KerasExtractor"):
        ReflectPadding(keras.Sequential())


@pytest.mark.parametrize("dtype", ["float64", "mixed_bfloat16"])
def test_precisions(inner, picture, dtype):
    feature = ReflectPadding(inner).model(["block1_conv1"], dtype)(
        tf.cast(picture, keras.DTypePolicy(dtype).variable_dtype)
    )["block1_conv1"]
    assert feature.dtype == keras.DTypePolicy(dtype).compute_dtype
