import hashlib
import inspect

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from stylekit._checks import FileError, InputError
from stylekit.features import VGG19, vgg19
from stylekit.features.weights import ENVIRONMENT_VARIABLE, Download

FIELDS = {  # pixels that a cell sees, counted by hand from the paper's table
    "block1_conv1": 3,
    "block1_conv2": 5,
    "block1_pool": 6,
    "block2_conv1": 10,
    "block2_conv2": 14,
    "block3_conv1": 24,
    "block3_conv4": 48,
    "block4_conv1": 68,
    "block4_conv2": 84,
    "block5_conv1": 156,
}
STYLE_LAYERS = [f"block{k}_conv1" for k in range(1, 6)]


@pytest.fixture(scope="module")
def network():
    return VGG19(weights=None)


@pytest.fixture(scope="module")
def keras_network():
    """Keras's own VGG19, with random weights and biases."""
    model = keras.applications.VGG19(weights=None, include_top=False)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, rng.normal(size=bias.shape).astype("float32")])
    return model


def keras_features(model, picture, layers):
    cut = keras.Model(model.input, [model.get_layer(layer).output for layer in layers])
    return cut(keras.applications.vgg19.preprocess_input(255.0 * picture))


def convolutions(model, layers):
    return {
        name: model.get_layer(name).get_weights() for name in layers if not name.endswith("pool")
    }


def write_h5(path, weights):
    """The layout of Keras's published file."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in weights]
        for name, values in weights.items():
            keys = [f"{name}_W_1:0", f"{name}_b_1:0"]
            file.create_group(name).attrs["weight_names"] = [key.encode() for key in keys]
            for key, value in zip(keys, values, strict=True):
                file[name][key] = value
    return path


def write_npz(path, weights):
    kernels = {f"{name}/kernel": kernel for name, (kernel, _) in weights.items()}
    np.savez(path, **kernels, **{f"{name}/bias": bias for name, (_, bias) in weights.items()})
    return path


@pytest.fixture
def picture(rng):
    return rng.random((2, 32, 35, 3)).astype("float32")


# The network


def test_layers_are_those_of_keras(keras_network):
    assert VGG19.layer_names == tuple(layer.name for layer in keras_network.layers[1:])


def test_features_are_those_of_keras_at_every_depth(keras_network, picture):
    layers = [*STYLE_LAYERS, "block1_pool", "block3_conv4", "block4_conv2", "block5_pool"]
    model = VGG19(weights=None).model(layers)
    for name, weights in convolutions(keras_network, VGG19.layer_names).items():
        model.get_layer(name).set_weights(weights)
    found = model(picture)
    for name, expected in zip(layers, keras_features(keras_network, picture, layers), strict=True):
        scale = np.abs(expected).max()
        assert scale > 0
        np.testing.assert_allclose(found[name], expected, atol=1e-4 * scale, err_msg=name)


@pytest.mark.parametrize("write", [write_h5, write_npz])
def test_features_from_a_file_are_those_of_keras(write, keras_network, picture, tmp_path):
    layers = ("block1_conv1", "block1_conv2", "block2_conv1")
    path = tmp_path / ("weights.h5" if write is write_h5 else "weights.npz")
    write(path, convolutions(keras_network, layers))
    found = VGG19(path).model(layers)(picture)
    for name, expected in zip(layers, keras_features(keras_network, picture, layers), strict=True):
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-2, err_msg=name)


def test_a_picture_is_left_as_it_was(network, picture):
    before = picture.copy()
    network.model(["block1_conv1"])(picture)
    np.testing.assert_array_equal(picture, before)


def test_a_model_is_cut_after_the_deepest_layer(network):
    model = network.model(["block3_conv1", "conv1_2"])
    names = [layer.name for layer in model.layers if layer.name.startswith("block")]
    depth = network.layer_names.index("block3_conv1")
    assert names == list(network.layer_names[: depth + 1])
    assert list(model.output) == ["block1_conv2", "block3_conv1"]


def test_a_model_is_built_once_whatever_its_layers_are_called(network):
    model = network.model(["block1_conv1", "block2_conv1"])
    assert network.model(["conv2_1", "relu1_1", "block1_conv1"]) is model
    assert network.model(["block1_conv1", "block2_conv1"], "float64") is not model


def test_models_share_their_weights(network):
    short, long = (network.model([name]) for name in ("conv2_1", "conv3_1"))
    held = {id(weight) for weight in long.weights}
    assert all(id(weight) in held for weight in short.weights)


def test_nothing_is_trainable_and_every_layer_keeps_its_relu(network, picture):
    model = network.model(["block2_conv2"])
    assert not model.trainable_weights
    assert float(tf.reduce_min(model(picture)["block2_conv2"])) == 0


def test_random_weights_are_the_same_at_each_call_and_differ_by_layer(picture):
    first, second = (VGG19(weights=None).model(["block2_conv2"]) for _ in range(2))
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    kernels = [w for w in first.get_weights() if w.ndim == 4]
    assert len({float(kernel.ravel()[0]) for kernel in kernels}) == len(kernels) == 4


def test_random_weights_neither_vanish_nor_explode_with_depth(network, picture):
    features = network.model(STYLE_LAYERS)(picture)
    scales = [float(tf.reduce_mean(tf.square(x))) ** 0.5 for x in features.values()]
    assert max(scales) < 30 * min(scales)


# Pooling


def test_pooling_is_the_maximum_or_the_average(picture):
    for pooling, reduce in (("max", np.max), ("average", np.mean)):
        model = VGG19(weights=None, pooling=pooling).model(["block1_conv2", "block1_pool"])
        features = {name: np.asarray(x) for name, x in model(picture).items()}
        even = features["block1_conv2"][:, :, :34]  # 35 columns: the last is unseen
        expected = reduce(even.reshape(2, 16, 2, 17, 2, 64), axis=(2, 4))
        np.testing.assert_allclose(features["block1_pool"], expected, rtol=1e-5, atol=1e-5)


def test_another_pooling_is_an_error():
    with pytest.raises(InputError, match=r"pooling is unknown.*'max', 'average'.*'mean'"):
        VGG19(weights=None, pooling="mean")


# Geometry


@pytest.mark.parametrize(("layer", "field"), FIELDS.items())
def test_receptive_fields(network, layer, field):
    assert network.receptive_field(layer) == field


def test_a_receptive_field_is_what_the_gradient_reaches():
    network = VGG19(weights=None, pooling="average")
    picture = tf.constant(np.random.default_rng(0).random((1, 40, 40, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(picture)
        cell = network.model(["block3_conv1"])(picture)["block3_conv1"][:, 5, 5]
    reached = np.abs(tape.gradient(cell, picture)).sum((0, 3))
    for axis in (0, 1):
        seen = np.flatnonzero(reached.any(axis))
        assert seen[-1] - seen[0] + 1 == network.receptive_field("block3_conv1")


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("shape", [(32, 32), (33, 47), (63, 61), (16, 31)])
def test_a_pooled_mask_has_the_shape_of_the_features(pooling, shape):
    network = VGG19(weights=None, pooling=pooling)
    layers = [*STYLE_LAYERS, "block5_pool"] if min(shape) >= 32 else STYLE_LAYERS
    picture, mask = tf.zeros((1, *shape, 3)), tf.ones((1, *shape, 1))
    shapes = network.model(layers).compute_output_shape(picture.shape)
    assert network.model(["block3_conv1"])(picture)["block3_conv1"].shape == shapes["block3_conv1"]
    for layer in layers:
        pooled = network.pool_mask(mask, layer)
        assert tuple(pooled.shape) == (*shapes[layer][:3], 1)
        np.testing.assert_allclose(pooled, 1, rtol=1e-6)


def test_a_pooled_mask_is_the_mean_over_each_cell(network, rng):
    mask = rng.random((1, 37, 34, 1)).astype("float32")
    pooled = network.pool_mask(mask, "conv3_1")
    expected = mask[0, :36, :32, 0].reshape(9, 4, 8, 4).mean((1, 3))
    np.testing.assert_allclose(pooled[0, ..., 0], expected, rtol=1e-5)


def test_masks_that_sum_to_one_do_so_at_every_layer(network):
    ramp = np.tile(np.linspace(0, 1, 45, dtype="float32"), (33, 1))[None, ..., None]
    for layer in STYLE_LAYERS:
        total = network.pool_mask(ramp, layer) + network.pool_mask(1 - ramp, layer)
        np.testing.assert_allclose(total, 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "side"),
    [*zip(STYLE_LAYERS, (1, 2, 4, 8, 16), strict=True), ("block4_conv2", 8), ("block5_pool", 32)],
)
def test_the_smallest_size_works_and_one_less_does_not(network, layer, side):
    assert network.smallest_size(layer) == side
    model = network.model([layer])
    assert model(tf.zeros((1, side, side, 3)))[layer].shape[1:3] == (1, 1)
    if side > 1:
        with pytest.raises(ValueError, match="negative"):
            model.compute_output_shape((1, side - 1, side - 1, 3))


# Precision


def test_double_precision_agrees_with_single(network, picture):
    single = network.model(["block3_conv1"])(picture)["block3_conv1"]
    double = network.model(["block3_conv1"], "float64")(picture)["block3_conv1"]
    assert double.dtype == tf.float64
    np.testing.assert_allclose(single, double, atol=1e-4 * float(tf.reduce_max(double)))


@pytest.mark.parametrize(("policy", "error"), [("mixed_bfloat16", 0.05), ("mixed_float16", 0.01)])
def test_half_precision_computes_in_half_and_agrees(network, policy, error, picture):
    single = network.model(["block3_conv1"])(picture)["block3_conv1"]
    model = network.model(["block3_conv1"], policy)
    half = model(picture)["block3_conv1"]
    assert half.dtype == policy.removeprefix("mixed_")
    assert {w.dtype for w in model.weights} == {"float32"}
    half = tf.cast(half, "float32")
    assert np.isfinite(half).all()
    np.testing.assert_allclose(half, single, atol=error * float(tf.reduce_max(single)))


def test_the_dtype_policy_of_the_process_has_no_say(picture):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        feature = VGG19(weights=None).model(["block2_conv1"])(picture)["block2_conv1"]
    finally:
        keras.config.set_dtype_policy(policy)
    assert feature.dtype == tf.float32


# Weights


def test_the_default_is_the_file_that_keras_downloads():
    source = pytest.importorskip("keras.src.applications.vgg19")
    assert vgg19.IMAGENET.url == source.WEIGHTS_PATH_NO_TOP
    assert vgg19.IMAGENET.name == vgg19.IMAGENET.url.rpartition("/")[2]
    assert vgg19.IMAGENET.md5 in inspect.getsource(source)


@pytest.fixture
def published(keras_network, tmp_path, monkeypatch):
    """A stand-in for the published file, of two layers, and an empty cache."""
    path = write_h5(tmp_path / "tiny.h5", convolutions(keras_network, ["block1_conv1"]))
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setattr(vgg19, "IMAGENET", Download("tiny.h5", path.as_uri(), md5))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    return path


def first_kernel(extractor):
    return extractor.model(["block1_conv1"]).get_layer("block1_conv1").get_weights()[0]


def test_imagenet_weights_are_downloaded_when_a_model_is_asked_for(published, keras_network):
    extractor = VGG19()
    assert not vgg19.IMAGENET.cached.exists()
    expected = keras_network.get_layer("block1_conv1").get_weights()[0]
    np.testing.assert_array_equal(first_kernel(extractor), expected)
    assert vgg19.IMAGENET.cached.is_file()


def test_weights_that_cannot_be_had_are_an_error_and_no_substitute(published):
    published.unlink()
    with pytest.raises(FileError, match=r"tiny\.h5 could not be downloaded") as error:
        VGG19().model(["block1_conv1"])
    assert ENVIRONMENT_VARIABLE in str(error.value)


def test_the_environment_variable_replaces_the_download(published, tmp_path, monkeypatch, rng):
    kernel = rng.normal(size=(3, 3, 3, 64)).astype("float32")
    mine = write_npz(tmp_path / "mine.npz", {"block1_conv1": (kernel, np.zeros(64))})
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(mine))
    np.testing.assert_array_equal(first_kernel(VGG19()), kernel)
    assert not vgg19.IMAGENET.cached.exists()
    # A path that is given comes first, and random weights need no file.
    assert (first_kernel(VGG19(published)) != kernel).any()
    assert (first_kernel(VGG19(weights=None)) != kernel).any()


def test_only_the_layers_asked_for_must_be_in_the_file(published):
    extractor = VGG19(published)
    assert extractor.model(["block1_conv1"]) is not None
    with pytest.raises(FileError, match=r"tiny\.h5 has no convolution block1_conv2.*block1_conv1"):
        extractor.model(["block2_conv1"])


def test_a_file_of_another_network_is_refused(tmp_path, rng):
    kernel = rng.normal(size=(3, 3, 3, 32))
    path = write_npz(tmp_path / "thin.npz", {"block1_conv1": (kernel, np.zeros(32))})
    with pytest.raises(
        FileError, match=r"thin\.npz does not match the network: layer block1_conv1"
    ):
        VGG19(path).model(["conv1_1"])


def test_a_representation_names_what_matters(published):
    assert repr(VGG19(weights=None)) == "VGG19(weights=None, pooling='max')"
    assert repr(VGG19(published, pooling="average")) == (
        "VGG19(weights='tiny.h5', pooling='average')"
    )
    assert "imagenet" in repr(VGG19())


def test_a_full_file_of_keras_layout_gives_keras_features(data_dir, rng):
    path = data_dir / "weights" / "vgg19_hybrid_notop.h5"
    if not path.is_file():
        pytest.skip(f"{path.name} is absent")
    picture = rng.random((1, 40, 33, 3)).astype("float32")
    layers = ["block1_conv1", "block4_conv2", "block5_conv4"]
    found = VGG19(path).model(layers)(picture)
    model = keras.applications.VGG19(weights=str(path), include_top=False)
    for name, expected in zip(layers, keras_features(model, picture, layers), strict=True):
        scale = float(tf.reduce_max(expected))
        np.testing.assert_allclose(found[name], expected, atol=1e-4 * scale, err_msg=name)
