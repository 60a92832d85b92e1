import hashlib

import keras
import numpy as np
import pytest
from skimage import data, transform

import stylekit as sk
from stylekit._checks import FileError, InputError
from stylekit.features.compact import SHA256, TAPS, WEIGHTS


@pytest.fixture(scope="module")
def network():
    return sk.CompactVGG()


@pytest.fixture(scope="module")
def photo():
    return np.float32(transform.resize(data.astronaut(), (128, 128), anti_aliasing=True))


class TestTheBundledFile:
    def test_it_is_the_one_that_was_measured(self):
        assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == SHA256

    def test_it_is_small(self):
        assert WEIGHTS.stat().st_size < 4e6

    def test_it_holds_plain_numbers(self):
        with np.load(WEIGHTS, allow_pickle=False) as archive:
            for name in archive.files:
                assert archive[name].dtype == np.float16
                assert np.isfinite(archive[name]).all()

    def test_every_layer_has_a_scale_near_1(self, network, photo):
        for name, feature in network.model(TAPS)(photo[None]).items():
            assert 0.4 < np.sqrt(np.mean(np.square(feature))) < 2.5, name


def test_the_names_are_of_vgg19(network):
    assert set(network.layer_names) < set(sk.VGG19.layer_names)
    assert network.resolve("conv4_1") == "block4_conv1"
    assert set(network.style_layers + network.content_layers) <= set(network.layer_names)


def test_the_defaults_of_the_terms_are_there(network, photo):
    terms = [sk.ContentLoss(photo), sk.GramStyleLoss(photo[::-1])]
    total, values, gradient = sk.Objective(terms, network, photo.shape[:2])(photo[None])
    assert total.numpy() > 0
    assert np.abs(gradient).max() > 0
    assert values["content"].numpy() == pytest.approx(0, abs=1e-9)


def test_a_layer_that_it_lacks_is_told(network):
    with pytest.raises(InputError, match=r"CompactVGG has no layer 'conv3_3'"):
        network.model(["conv3_3"])


@pytest.mark.parametrize("shape", [(16, 16), (37, 50), (64, 45)])
def test_masks_follow_the_network(network, shape):
    image = np.zeros((1, *shape, 3), "float32")
    mask = np.ones((1, *shape, 1), "float32")
    for name in network.layer_names:
        feature = network.model([name])(image)[name]
        assert network.pool_mask(mask, name).shape[1:3] == feature.shape[1:3]


@pytest.mark.parametrize("layer", ["block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1"])
def test_the_receptive_field_is_what_a_cell_sees(network, rng, layer):
    image = rng.random((1, 160, 32, 3), "float32")
    model = network.model([layer])
    seen = np.asarray(model(image)[layer])
    cell = seen.shape[1] // 2
    stride = 160 // seen.shape[1]
    changed = np.zeros(160, bool)
    for row in range(cell * stride, 160):
        other = image.copy()
        other[:, row] = 1 - other[:, row]
        changed[row] = np.any(np.asarray(model(other)[layer])[0, cell] != seen[0, cell])
    reach = (network.receptive_field(layer) - stride) // 2
    last = cell * stride + stride - 1 + reach
    assert np.flatnonzero(changed).max() == last


def test_float64_and_float32_agree(network, photo):
    deep = {d: network.model(["block5_conv1"], d)(photo[None]) for d in ("float32", "float64")}
    single, double = (deep[d]["block5_conv1"] for d in ("float32", "float64"))
    assert double.dtype == "float64"
    np.testing.assert_allclose(single, double, atol=1e-4)


def test_models_are_kept_and_stop_at_the_deepest(network):
    model = network.model(["block2_conv1"])
    assert network.model(["conv2_1"]) is model
    depth = [a.name for a in model.layers if isinstance(a, keras.layers.Conv2D)]
    assert depth == ["block1_conv1", "block1_trunk2", "block2_trunk1", "block2_conv1"]


def test_another_file(tmp_path, network, photo):
    with np.load(WEIGHTS) as archive:
        arrays = dict(archive)
    arrays["block1_conv1/bias"] = arrays["block1_conv1/bias"] + 1
    np.savez(tmp_path / "own.npz", **arrays)
    own = sk.CompactVGG(tmp_path / "own.npz")
    assert repr(own) == "CompactVGG(weights='own.npz')"
    ours, theirs = (n.model(["conv1_1"])(photo[None])["block1_conv1"] for n in (own, network))
    assert np.mean(ours) > np.mean(theirs)


def test_a_file_that_is_gone_or_of_another_network(tmp_path):
    with pytest.raises(FileError, match=r"gone\.npz"):
        sk.CompactVGG(tmp_path / "gone.npz")
    np.savez(tmp_path / "other.npz", **{"block1_conv1/kernel": np.zeros((3, 3, 3, 64))})
    with pytest.raises(FileError, match="block1_conv1"):
        sk.CompactVGG(tmp_path / "other.npz").model(["conv1_1"])
