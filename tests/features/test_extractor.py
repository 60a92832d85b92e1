import keras
import numpy as np
import pytest
from keras import layers, ops

from stylekit._checks import InputError, InputTypeError
from stylekit.features import VGG19, FeatureExtractor, KerasExtractor, Window

ODD_SIZES = [(64, 64), (65, 67), (63, 61), (70, 33)]


def small_model(dtype=None):
    """Every kind of operation that a mask must follow, and a residual sum."""
    image = keras.Input((None, None, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="same", dtype=dtype)(image)
    x = layers.Conv2D(4, 3, name="valid", dtype=dtype)(x)
    x = layers.MaxPooling2D(2, name="pool", dtype=dtype)(x)
    y = layers.Conv2D(4, 3, padding="same", dilation_rate=2, name="dilated", dtype=dtype)(x)
    x = layers.Add(name="sum", dtype=dtype)([x, y])
    x = layers.ZeroPadding2D(((1, 2), (0, 3)), name="padded", dtype=dtype)(x)
    x = layers.BatchNormalization(name="normal", dtype=dtype)(x)
    x = layers.Conv2D(4, 5, strides=2, name="strided", dtype=dtype)(x)
    x = layers.AveragePooling2D(3, 2, padding="same", name="average", dtype=dtype)(x)
    x = layers.GlobalAveragePooling2D(name="vector", dtype=dtype)(x)
    return keras.Model(image, layers.Dense(2, name="scores", dtype=dtype)(x))


@pytest.fixture(scope="module")
def small():
    return KerasExtractor(small_model())


@pytest.fixture(scope="module")
def applications():
    free = {"weights": None, "include_top": False, "input_shape": (None, None, 3)}
    return {
        "mobilenet": KerasExtractor(keras.applications.MobileNetV2(alpha=0.35, **free)),
        "resnet": KerasExtractor(keras.applications.ResNet50(**free)),
    }


# Names


@pytest.mark.parametrize("name", ["block4_conv2", "conv4_2", "relu4_2"])
def test_the_literatures_names_mean_kerass(name):
    assert VGG19(weights=None).resolve(name) == "block4_conv2"


def test_a_layers_own_name_comes_before_the_literatures():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, layers.Conv2D(2, 3, name="conv1_1")(image))
    assert KerasExtractor(model).resolve("conv1_1") == "conv1_1"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("block4_conv5", r"Did you mean .*block4_conv4"),
        ("conv4_5", r"Did you mean .*block4_conv4"),
        ("blok3_conv1", r"Did you mean block3_conv1"),
        ("22", r"Its layers are block1_conv1, .*block5_pool\."),
    ],
)
def test_an_unknown_layer_is_an_error_with_the_nearest_names(name, hint):
    with pytest.raises(InputError, match=rf"VGG19 has no layer '{name}'\. {hint}"):
        VGG19(weights=None).resolve(name)


def test_a_layer_is_named_by_a_string():
    with pytest.raises(InputTypeError, match=r"named by a string.*received 22"):
        VGG19(weights=None).resolve(22)


# Geometry of any network, from its windows


class Windows(FeatureExtractor):
    layer_names = ("layer",)

    def __init__(self, *windows):
        self._windows = windows

    def model(self, layers, dtype="float32"):
        raise NotImplementedError

    def windows(self, layer):
        return self._windows


@pytest.mark.parametrize(
    ("windows", "field"),
    [
        ([], 1),
        ([Window(3)], 3),
        ([Window(3), Window(3)], 5),
        ([Window(2, 2, "valid"), Window(3)], 6),
        ([Window(7, 2), Window(3, 2), Window(3)], 19),
    ],
)
def test_the_receptive_field_follows_windows_and_strides(windows, field):
    assert Windows(*windows).receptive_field("layer") == field


@pytest.mark.parametrize("side", [1, 2, 7, 20])
def test_a_border_repeats_the_masks_edge(side, rng):
    mask = rng.random((1, side, side, 1)).astype("float32")
    border = Windows(Window(1, border=((3, 1), (0, 2)))).pool_mask(mask, "layer")
    expected = np.pad(mask, ((0, 0), (3, 1), (0, 2), (0, 0)), mode="edge")
    np.testing.assert_array_equal(border, expected)


# Keras models


@pytest.mark.parametrize("shape", ODD_SIZES)
def test_a_pooled_mask_has_the_shape_of_the_features(small, shape):
    picture, mask = np.zeros((1, *shape, 3), "float32"), np.ones((1, *shape, 1), "float32")
    for name, feature in small.model(small.layer_names)(picture).items():
        pooled = small.pool_mask(mask, name)
        assert pooled.shape[1:3] == feature.shape[1:3], name
        np.testing.assert_allclose(pooled, 1, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("shape", [(64, 64), (65, 67), (63, 61)])
@pytest.mark.parametrize(
    ("network", "names"),
    [
        ("mobilenet", ("Conv1", "block_1_depthwise", "block_6_expand_relu", "out_relu")),
        ("resnet", ("conv1_relu", "pool1_pool", "conv2_block3_out", "conv4_block1_out")),
    ],
)
def test_masks_follow_published_networks_at_odd_sizes(applications, network, names, shape):
    extractor = applications[network]
    symbolic = extractor.model(names).compute_output_shape((1, *shape, 3))
    mask = np.ones((1, *shape, 1), "float32")
    for name in names:
        pooled = extractor.pool_mask(mask, name)
        assert tuple(pooled.shape[1:3]) == tuple(symbolic[name][1:3]), name
        np.testing.assert_allclose(pooled, 1, rtol=1e-6)


def test_a_pooled_mask_is_where_the_features_are(small):
    # What the features of an impulse say of their position, the mask of the impulse says, too.
    shape, row, column = (1, 60, 60), 20, 44
    mask = np.zeros((*shape, 1), "float32")
    mask[0, row - 4 : row + 5, column - 4 : column + 5] = 1
    pooled = np.asarray(small.pool_mask(mask, "average"))[0, ..., 0]
    picture = np.tile(mask, (1, 1, 1, 3))
    seen, unseen = (small.model(["average"])(x)["average"] for x in (picture, 0 * picture))
    energy = np.square(seen - unseen).sum((0, -1))

    def centre(weights):
        grid = np.indices(weights.shape)
        return (grid * weights).sum((1, 2)) / weights.sum()

    np.testing.assert_allclose(centre(pooled), centre(energy), atol=0.7)


def test_receptive_field_of_a_keras_model_is_what_its_gradient_reaches(small):
    field = small.receptive_field("strided")
    assert field == 1 + 2 + 2 + 1 + 2 * 4 + 2 * 4

    def reached(image):
        picture = np.zeros((1, 80, 80, 3), "float32")
        picture[0, 40, :] = image
        return np.asarray(small.model(["strided"])(picture)["strided"])

    changed = np.abs(reached(1) - reached(0)).max(axis=(0, 2, 3)) > 0
    # A row reaches every cell whose field holds it: their number is field / stride, rounded.
    assert field // 4 <= changed.sum() <= -(-field // 4)


def test_the_receptive_field_is_taken_along_the_branch_that_sees_most(small):
    assert small.receptive_field("sum") == small.receptive_field("dilated")


def test_receptive_fields_of_published_networks(applications):
    # Araujo, Norris, Sim: Computing receptive fields of convolutional neural networks, 2019.
    resnet = applications["resnet"]
    assert resnet.receptive_field("conv5_block3_out") == 483


@pytest.mark.parametrize("name", ["same", "valid", "pool", "sum", "strided", "average"])
def test_the_smallest_size_works_and_one_less_does_not(small, name):
    side = small.smallest_size(name)
    model = small.model([name])
    assert model(np.zeros((1, side, side, 3), "float32"))[name].shape[1:3] == (1, 1)
    if side > 1:
        with pytest.raises(ValueError, match="negative"):
            model.compute_output_shape((1, side - 1, side - 1, 3))


def test_layers_without_a_map_are_left_out(small):
    assert "vector" not in small.layer_names
    assert "scores" not in small.layer_names
    assert "image" not in small.layer_names
    with pytest.raises(InputError, match="no layer 'vector'"):
        small.model(["vector"])


def test_a_model_is_cut_after_the_deepest_layer(small, rng):
    picture = rng.random((2, 20, 22, 3)).astype("float32")
    cut = small.model(["valid", "pool"])
    names = {layer.name for layer in cut._flatten_layers()}
    assert "pool" in names
    assert not names & {"dilated", "strided", "vector", "scores"}
    found = cut(picture)
    assert list(found) == ["valid", "pool"]
    whole = keras.Model(small._model.input, small._model.get_layer("pool").output)
    np.testing.assert_allclose(found["pool"], whole(picture), rtol=1e-5)


def test_a_model_is_built_once(small):
    assert small.model(["pool", "valid"]) is small.model(["valid", "pool", "pool"])
    assert small.model(["pool"]) is not small.model(["valid"])


def test_preprocess_sees_rgb_in_0_to_1_inside_the_model(rng):
    image = keras.Input((None, None, 3))
    model = keras.Model(image, layers.ReLU(name="out")(image))
    picture = rng.random((1, 5, 6, 3)).astype("float32")
    plain = KerasExtractor(model).model(["out"])(picture)["out"]
    np.testing.assert_array_equal(plain, picture)
    shifted = KerasExtractor(model, lambda x: ops.flip(x * 255.0 - 100.0, -1))
    expected = np.maximum(picture[..., ::-1] * 255 - 100, 0)
    np.testing.assert_allclose(shifted.model(["out"])(picture)["out"], expected, rtol=1e-4)


def test_a_sequential_model_serves_as_well():
    model = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Conv2D(4, 3, name="first"),
            layers.MaxPooling2D(name="pool"),
        ]
    )
    extractor = KerasExtractor(model)
    assert extractor.layer_names == ("first", "pool")
    assert extractor.windows("pool") == (Window(3, 1, "valid"), Window(2, 2, "valid"))
    assert extractor.model(["pool"])(np.zeros((1, 9, 9, 3), "float32"))["pool"].shape[1] == 3


def test_a_model_of_another_precision_is_refused():
    extractor = KerasExtractor(small_model("mixed_bfloat16"))
    assert extractor.model(["pool"], "mixed_bfloat16") is not None
    with pytest.raises(InputError, match=r"'pool' computes in another .* float32, .* mixed_bfloat"):
        extractor.model(["pool"])


def test_a_double_precision_model_gives_double_precision(rng):
    extractor = KerasExtractor(small_model("float64"))
    picture = rng.random((1, 12, 12, 3))
    feature = extractor.model(["pool"], "float64")(picture)["pool"]
    assert keras.backend.standardize_dtype(feature.dtype) == "float64"


def subclassed():
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    return Subclassed()


@pytest.mark.parametrize("model", [None, "VGG19", subclassed()], ids=["None", "str", "subclass"])
def test_what_is_no_functional_model_is_refused(model):
    received = type(model).__name__
    with pytest.raises(InputTypeError, match=f"expected a functional keras.Model, .* {received}"):
        KerasExtractor(model)


# Networks whose geometry is not understood: an error, never a mask of another place


def upsampling():
    image = keras.Input((None, None, 3))
    x = layers.MaxPooling2D(2)(image)
    return keras.Model(image, layers.UpSampling2D(2, name="deep")(x))


def transposed():
    image = keras.Input((None, None, 3))
    return keras.Model(image, layers.Conv2DTranspose(2, 3, strides=2, name="deep")(image))


def nested():
    image = keras.Input((None, None, 3))
    inner = keras.Sequential([keras.Input((None, None, 3)), layers.MaxPooling2D(2)])
    return keras.Model(image, layers.Conv2D(2, 3, padding="same", name="deep")(inner(image)))


@pytest.mark.parametrize("make", [upsampling, transposed, nested])
def test_a_mask_is_refused_behind_what_it_cannot_follow(make):
    extractor = KerasExtractor(make())
    assert extractor.model(["deep"])(np.zeros((1, 20, 20, 3), "float32"))["deep"].shape[0] == 1
    with pytest.raises(InputError, match=r"mask cannot follow the network to layer 'deep'"):
        extractor.pool_mask(np.ones((1, 20, 20, 1), "float32"), "deep")


def test_a_layer_used_twice_is_refused():
    image = keras.Input((None, None, 3))
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    extractor = KerasExtractor(keras.Model(image, layers.ReLU(name="out")(shared(shared(image)))))
    with pytest.raises(InputError, match=r"the way to layer 'out' cannot be followed.*used once"):
        extractor.windows("out")
