import copy
import pickle

import keras
import numpy as np
import pytest
from keras import layers, ops

import stylekit as sk
from stylekit._checks import InputError, InputTypeError
from stylekit.features import (
    VGG19,
    CompactVGG,
    FeatureExtractor,
    KerasExtractor,
    ReflectPadding,
    Window,
)

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
        ("22", r"The layers are block1_conv1, .*block5_pool\."),
    ],
)
def test_an_unknown_layer_is_an_error_with_the_nearest_names(name, hint):
    with pytest.raises(InputError, match=rf"VGG19 has no layer '{name}'\. {hint}"):
        VGG19(weights=None).resolve(name)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("conv5_5", "block5_conv4"),
        ("relu6_1", "block5_conv1"),
        ("block2_conv4", "block2_conv2"),
        ("block3_pol", "block3_pool"),
        ("22", None),
    ],
)
def test_a_missing_layer_comes_with_the_nearest(name, nearest):
    assert VGG19(weights=None).missing(["conv1_1", name, "block5_pool"]) == {name: nearest}


def test_a_layer_is_named_by_a_string():
    with pytest.raises(InputTypeError, match=r"not a string.*received 22"):
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
    deeper = small.model(["pool", "strided"])(picture)
    np.testing.assert_allclose(found["pool"], deeper["pool"], rtol=1e-5)


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
    with pytest.raises(
        InputError, match=r"'pool' has the wrong dtype policy.* float32, .* mixed_bfloat"
    ):
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


@pytest.mark.parametrize("make", [upsampling, transposed])
def test_a_mask_is_refused_behind_what_it_cannot_follow(make):
    extractor = KerasExtractor(make())
    assert extractor.model(["deep"])(np.zeros((1, 20, 20, 3), "float32"))["deep"].shape[0] == 1
    with pytest.raises(InputError, match=r"mask cannot be pooled to layer 'deep'"):
        extractor.pool_mask(np.ones((1, 20, 20, 1), "float32"), "deep")


@pytest.mark.parametrize("make", [upsampling, transposed])
def test_whole_pictures_need_no_geometry_behind_it(make, rng):
    photo = rng.random((24, 28, 3)).astype("float32")
    extractor = KerasExtractor(make())
    extractor.style_layers = extractor.content_layers = ("deep",)
    result = sk.stylize(photo, photo[::-1], size=None, steps=4, pyramid=1, extractor=extractor)
    assert result.losses[0]["neighbor_style"] > 0
    # The recipe's reflection is cut off as it is elsewhere.
    shapes = [
        one.model(["deep"])(photo[None])["deep"].shape for one in (extractor, padded(extractor))
    ]
    assert shapes[0] == shapes[1]
    words = "mask cannot be pooled to layer 'deep'"
    with pytest.raises(InputError, match=words):
        padded(extractor).pool_mask(np.ones((1, 20, 20, 1), "float32"), "deep")


def padded(extractor):
    return ReflectPadding(extractor, 4)


def test_a_layer_of_one_size_for_all_pictures_has_no_margin(rng):
    image = keras.Input((None, None, 3))
    extractor = KerasExtractor(keras.Model(image, layers.Resizing(8, 8, name="small")(image)))
    picture = rng.random((1, 20, 24, 3)).astype("float32")
    assert padded(extractor).model(["small"])(picture)["small"].shape == (1, 8, 8, 3)


# Functions, nested models, layers that are called several times


def free(name="vgg16", layer=None):
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, padding="same", name="first")(image)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = x if layer is None else layer(x)
    return keras.Model(image, layers.Conv2D(4, 3, name="last")(x), name=name)


def ordinary():
    """Arithmetic, functions, preprocessing, a nested model, and a sequence of layers."""
    image = keras.Input((None, None, 3))
    x = keras.applications.vgg16.preprocess_input(image * 255.0)
    x = ops.relu(free()(x)) * 2 - 1
    x = x + ops.max(x, axis=-1, keepdims=True)
    inner = keras.Sequential([keras.Input((None, None, 4)), layers.MaxPooling2D(2, name="pool")])
    inner.name = "inner"
    return keras.Model(image, layers.Conv2D(2, 3, padding="same", name="deep")(inner(x)))


def test_an_ordinary_functional_model_is_taken_as_it_is(rng):
    model = ordinary()
    extractor = KerasExtractor(model)
    picture = rng.random((1, 33, 40, 3)).astype("float32")
    found = extractor.model(["deep", "vgg16.pool", "vgg16"])(picture)
    np.testing.assert_array_equal(found["deep"], model(picture))
    assert found["vgg16.pool"].shape == (1, 16, 20, 4)
    assert found["vgg16"].shape == (1, 14, 18, 4)
    assert extractor.receptive_field("deep") == 1 + 2 + 1 + 2 * 2 + 2 + 4 * 2
    extractor.check_windows("deep")


def test_masks_follow_nested_models(rng):
    extractor = KerasExtractor(ordinary())
    pooled = extractor.pool_mask(np.ones((1, 33, 40, 1), "float32"), "deep")
    np.testing.assert_array_equal(pooled, np.ones((1, 7, 9, 1)))


def test_a_models_own_graph_is_left_as_it_is():
    model = ordinary()
    extractor = KerasExtractor(model)
    extractor.stages(["deep"], ["vgg16.pool"])
    assert len(keras.Model(model.input, model.get_layer("deep").output).layers) > 1
    assert KerasExtractor(model).layer_names == extractor.layer_names


def test_stages_begin_within_a_nested_model(rng):
    extractor = KerasExtractor(ordinary())
    first, second = extractor.stages(["vgg16.first", "deep"], ["vgg16.pool"])
    picture = rng.random((1, 33, 40, 3)).astype("float32")
    deep = second(first(picture)["vgg16.pool"])["deep"]
    np.testing.assert_array_equal(deep, extractor.model(["deep"])(picture)["deep"])


def test_each_call_of_a_layer_has_a_name():
    image = keras.Input((None, None, 3))
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    model = keras.Model(image, layers.ReLU(name="out")(shared(shared(image))))
    extractor = KerasExtractor(model)
    assert extractor.layer_names == ("shared", "shared-2", "out")
    assert [extractor.receptive_field(name) for name in extractor.layer_names] == [3, 5, 5]
    picture = np.random.default_rng(0).random((1, 8, 8, 3)).astype("float32")
    found = extractor.model(extractor.layer_names)(picture)
    np.testing.assert_array_equal(found["shared-2"], shared(found["shared"]))
    assert len(extractor.model(["out"]).weights) == 2


def test_a_layer_of_a_nested_model_is_suggested():
    with pytest.raises(InputError, match=r"no layer 'last'.*[Dd]id you mean .*vgg16\.last"):
        KerasExtractor(ordinary()).resolve("last")


# What cannot work


def of_input(*shape, dtype="float32"):
    image = keras.Input(shape, dtype=dtype)
    return keras.Model(image, layers.ReLU(name="out")(ops.cast(image, "float32") * 2))


def of_two():
    one, other = keras.Input((None, None, 3)), keras.Input((None, None, 3))
    return keras.Model([one, other], layers.Add(name="out")([one, other]))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: of_input(None, None, 3, dtype="uint8"), "integers.*float32.*received uint8"),
        (lambda: of_input(None, None, 3, dtype="int32"), "integers.*float32.*received int32"),
        (lambda: of_input(3, None, None), r"channels first.*expected channels last.*\(None, 3, No"),
        (lambda: of_input(None, None, 1), "RGB pictures.*of 3 channels, received 1.* in `preproc"),
        (lambda: of_input(None, None, 4), "RGB pictures.*of 3 channels, received 4.* in `preproc"),
        (lambda: of_input(224, 224, 3), r"one size.*received \(None, 224, 224, 3\).*include_top"),
        (lambda: of_input(None, 64, 3), r"one size.*received \(None, None, 64, 3\)"),
        (lambda: of_input(None, 3), r"is not a picture.*received \(None, None, 3\)"),
        (of_two, "several inputs.*expected one picture.*received"),
    ],
)
def test_a_model_that_takes_no_pictures_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        KerasExtractor(make())


@pytest.mark.parametrize(
    ("preprocess", "words"),
    [
        (lambda x: np.asarray(x) / 2, "expected a function .*received ValueError.*without NumPy"),
        (lambda x: None, "received TypeError, it returned NoneType"),
        (lambda x: ops.cast(x * 255, "uint8"), "returns integers.*received uint8"),
        (lambda x: x[..., :1], r"not match the input.*None, 3\), received \(None, None, None, 1\)"),
        (lambda x: x[0], r"does not match the input.*received \(None, None, 3\)"),
        (lambda x: keras.Input((None, None, 3)), "`preprocess` cannot be part of the network"),
    ],
)
def test_a_preprocess_that_is_no_part_of_a_network_is_refused(preprocess, words):
    with pytest.raises(InputError, match=words):
        KerasExtractor(of_input(None, None, 3), preprocess)


def test_preprocess_may_make_what_the_model_takes(rng):
    model = of_input(None, None, 1)
    extractor = KerasExtractor(model, lambda x: ops.mean(x, axis=-1, keepdims=True))
    picture = rng.random((1, 5, 6, 3)).astype("float32")
    found = extractor.model(["out"])(picture)["out"]
    np.testing.assert_allclose(found, 2 * picture.mean(-1, keepdims=True), rtol=1e-5)
    extractor.check_windows("out")


# Operations of unknown reach


class Centred(layers.Layer):
    def call(self, x):
        return x - ops.mean(x, axis=(1, 2), keepdims=True)


class Scaled(layers.Conv2D):
    """Derived from a layer that is known."""


def behind(operation):
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, padding="same", name="before")(image)
    return keras.Model(image, layers.ReLU(name="out")(operation(x)))


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (layers.Lambda(lambda x: x * 2, name="twice"), "Lambda 'twice'"),
        (Centred(name="centred"), "Centred 'centred'"),
        (type("Conv", (Centred,), {})(name="of_another"), "Conv 'of_another'"),
        (Scaled(4, 3, padding="same", name="scaled"), "Scaled 'scaled'"),
        (lambda x: ops.roll(x, 40, axis=1), "Roll 'roll.*'"),
        (layers.GroupNormalization(2, name="group"), "GroupNormalization 'group'"),
        (layers.UpSampling2D(name="up"), "UpSampling2D 'up'"),
        (lambda x: x * ops.mean(x, axis=(1, 2), keepdims=True), "Mean 'mean.*'"),
        (lambda x: free("inner", Centred(name="c"))(x[..., :3]), r"Centred 'inner\.c'"),
    ],
)
def test_an_operation_of_unknown_reach_is_named(operation, name):
    extractor = KerasExtractor(behind(operation))
    extractor.check_windows("before")
    with pytest.raises(InputError, match=f"'out' cannot be computed in tiles.*{name}"):
        extractor.check_windows("out")


@pytest.mark.parametrize(
    "operation",
    [
        Scaled(4, 3, strides=2, name="own"),
        layers.Conv2D(4, 3, strides=2, activation=lambda x: x**2, name="own"),
    ],
)
def test_masks_follow_a_layer_of_ones_own_that_tiles_refuse(operation):
    extractor = KerasExtractor(behind(operation))
    pooled = extractor.pool_mask(np.ones((1, 21, 31, 1), "float32"), "out")
    assert pooled.shape == (1, 10, 15, 1)
    with pytest.raises(InputError, match="'own'"):
        extractor.check_windows("out")


@pytest.mark.parametrize("key", ["centred", Centred, layers.Layer])
def test_a_reach_can_be_declared(key):
    extractor = KerasExtractor(behind(Centred(name="centred")), windows={key: Window(5)})
    extractor.check_windows("out")
    assert extractor.receptive_field("out") == (7 if key is not layers.Layer else 13)


def test_a_declared_window_must_fit_the_layers_size():
    half = layers.Lambda(lambda x: x[:, ::2, ::2], name="half")
    KerasExtractor(behind(half), windows={"half": Window(1, 2)}).check_windows("out")
    with pytest.raises(InputError, match=r"windows .* before 'out' do not match the model.*cells"):
        KerasExtractor(behind(half), windows={"half": Window(1)}).check_windows("out")


def test_windows_that_cannot_be_used():
    model = behind(Centred(name="centred"))
    with pytest.raises(InputError, match=r"unknown layer 'centre'\. Did you mean centred"):
        KerasExtractor(model, windows={"centre": Window(1)})
    with pytest.raises(InputTypeError, match="mapping from layers to windows"):
        KerasExtractor(model, windows={"centred": 1})


# Geometry of each axis, and of branches


def test_height_and_width_have_their_own_geometry():
    image = x = keras.Input((None, None, 3))
    for k in range(3):
        x = layers.Conv2D(2, (1, 15), padding="same", name=f"wide{k}")(x)
    x = layers.Conv2D(2, (3, 5), strides=(2, 1), dilation_rate=1, name="strided")(x)
    extractor = KerasExtractor(keras.Model(image, x))
    assert extractor.receptive_field("wide2") == 43
    assert [extractor.grid("wide2", 100, axis).field for axis in (0, 1)] == [1, 43]
    assert extractor.stride("strided") == (2, 1)
    assert extractor.smallest_size("strided") == 5
    pooled = extractor.pool_mask(np.ones((1, 21, 30, 1), "float32"), "strided")
    assert pooled.shape == (1, 10, 26, 1)


def crossed():
    """One branch sees further up and left, the other down and right."""
    image = keras.Input((None, None, 3))
    up = layers.ZeroPadding2D(((6, 0), (4, 0)))(image)
    up = layers.Conv2D(2, (7, 5), name="up")(up)
    down = layers.ZeroPadding2D(((0, 8), (0, 2)))(image)
    down = layers.Conv2D(2, (9, 3), name="down")(down)
    return keras.Model(image, layers.Add(name="sum")([up, down]))


def test_branches_are_compared_as_fields():
    extractor = KerasExtractor(crossed())
    height, width = (extractor.grid("sum", 50, axis) for axis in (0, 1))
    assert (height.before, height.after, width.before, width.after) == (6, 8, 4, 2)


# Copies


def halved(x):
    return x / 2


def makers():
    return {
        "vgg19": lambda: VGG19(weights=None),
        "compact": CompactVGG,
        "keras": lambda: KerasExtractor(ordinary(), halved, windows={"deep": Window(3)}),
        "reflected": lambda: ReflectPadding(CompactVGG(), 8),
    }


@pytest.mark.parametrize("copied", ["deepcopy", "copy", "pickle"])
@pytest.mark.parametrize("kind", makers())
def test_a_copy_computes_the_same(kind, copied, rng):
    extractor = makers()[kind]()
    extractor.style_layers = ("mine",)
    picture = rng.random((1, 40, 44, 3)).astype("float32")
    layer = extractor.layer_names[4]
    expected = extractor.model([layer])(picture)[layer]
    other = {
        "deepcopy": copy.deepcopy,
        "copy": copy.copy,
        "pickle": lambda one: pickle.loads(pickle.dumps(one)),
    }[copied](extractor)
    assert repr(other) == repr(extractor)
    assert other.style_layers == ("mine",)
    assert other.windows(layer) == extractor.windows(layer)
    np.testing.assert_array_equal(other.model([layer])(picture)[layer], expected)


def test_a_copy_of_a_network_with_a_layer_of_ones_own():
    class Own(layers.Layer):
        def call(self, x):
            return x + 1

    extractor = KerasExtractor(behind(Own(name="own")), windows={Own: Window(1)})
    copy.deepcopy(extractor).check_windows("out")
