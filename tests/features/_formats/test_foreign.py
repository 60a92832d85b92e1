"""VGG19's weights by other programs: what their network computes, ours does, too."""

import os
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
import weight_files as files

import stylekit as sk
from stylekit._checks import FileError
from stylekit.features import convert_weights
from stylekit.features._formats.foreign import LAYERS
from stylekit.features.weights import held_layers, read_convolutions

TORCH = ("features.0", "features.2", "features.5")
CAFFE = ("conv1_1", "conv1_2", "conv2_1")
SHAPES = ((3, 3, 3, 64), (3, 3, 64, 64), (3, 3, 64, 128))
MEAN = np.array([123.68, 116.779, 103.939])  # red first


@pytest.fixture(scope="module")
def pairs():
    """Kernels and biases of the first three convolutions."""
    rng = np.random.default_rng(0)
    scale = [1 / np.sqrt(np.prod(shape[:3])) for shape in SHAPES]
    return [
        ((s * rng.normal(size=shape)).astype("f"), rng.normal(size=shape[-1]).astype("f"))
        for s, shape in zip(scale, SHAPES, strict=True)
    ]


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(1).uniform(size=(24, 32, 3))


@pytest.fixture(scope="module")
def layers(pairs):
    """As Caffe names them, with a layer behind that is no convolution of a block."""
    return {**dict(zip(CAFFE, pairs, strict=True)), "fc6": (pairs[0][0], pairs[0][1])}


@pytest.fixture(scope="module")
def tensors(pairs):
    """As torchvision names them, the output channels first."""
    arrays = {}
    for name, (kernel, bias) in zip(TORCH, pairs, strict=True):
        arrays |= {f"{name}.weight": np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))}
        arrays |= {f"{name}.bias": bias}
    return arrays | {"classifier.0.weight": np.ones((3, 4), "f")}


def convolved(x, kernel, bias):
    """A convolution that pads with zeros, and what it lets through."""
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    height, width = x.shape[:2]
    total = sum(
        padded[i : i + height, j : j + width] @ kernel[i, j].astype("float64")
        for i in range(3)
        for j in range(3)
    )
    return np.maximum(total + bias, 0)


def computed(x, pairs):
    """conv1_1 and conv2_1 of what a network sees."""
    first = convolved(x, *pairs[0])
    x = convolved(first, *pairs[1])
    x = x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).max((1, 3))
    return first, convolved(x, *pairs[2])


def features(path, picture):
    model = sk.VGG19(path).model(["block1_conv1", "block2_conv1"])
    maps = model(picture[np.newaxis].astype("f"))
    return [np.asarray(maps[name])[0] for name in ("block1_conv1", "block2_conv1")]


def bgr(picture):
    return (255 * picture - MEAN)[..., ::-1]


@pytest.mark.parametrize(
    "write",
    [
        lambda folder, layers: files.write_npy(folder / "a.npy", layers),
        lambda folder, layers: files.write_npy(
            folder / "a.npy", layers, 2, "numpy.core.multiarray"
        ),
        lambda folder, layers: files.write_npy(
            folder / "a.npy", {k: {"weights": w, "biases": b} for k, (w, b) in layers.items()}, 3
        ),
    ],
    ids=["Python 3", "Python 2", "dicts"],
)
def test_caffes_network(write, layers, pairs, picture, tmp_path):
    path = write(tmp_path, layers)
    assert held_layers(path) == list(LAYERS[:3])
    found = read_convolutions(path, dict(zip(LAYERS, SHAPES, strict=False)))
    for pair, own in zip(found.values(), pairs, strict=True):
        for one, other in zip(pair, own, strict=True):
            np.testing.assert_array_equal(one, other)
    for one, other in zip(features(path, picture), computed(bgr(picture), pairs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3 * other.max())


@pytest.mark.parametrize(
    ("average", "older"),
    [
        (None, False),
        (MEAN[np.newaxis], False),
        ([[[100.0, 110.0, 120.0]]], False),
        (np.tile([[[100.0, 110.0, 120.0]]], (4, 4, 1)), True),
    ],
)
def test_matconvnets_network(average, older, layers, pairs, picture, tmp_path):
    path = files.write_mat(tmp_path / "a.mat", layers, average, older)
    mean = MEAN if average is None else np.mean(np.reshape(average, (-1, 3)), 0)
    exact = computed(255 * picture - mean, pairs)
    inside = slice(3, -3) if np.abs(mean - MEAN).max() > 1 else slice(None)
    for one, other in zip(features(path, picture), exact, strict=True):
        np.testing.assert_allclose(
            one[inside, inside], other[inside, inside], rtol=1e-3, atol=1e-3 * other.max()
        )


@pytest.mark.parametrize(
    "write",
    [
        lambda path, arrays: files.write_zip(path / "a.pth", arrays),
        lambda path, arrays: files.write_stream(path / "a.pt", arrays),
        lambda path, arrays: files.write_safetensors(path / "a.safetensors", arrays),
    ],
    ids=["zip", "stream", "safetensors"],
)
def test_torchvisions_network(write, tensors, pairs, picture, tmp_path):
    path = write(tmp_path, tensors)
    seen = (picture - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    exact = computed(seen, pairs)
    found = features(path, picture)
    for one, other, inside in zip(found, exact, (slice(1, -1), slice(2, -2)), strict=True):
        np.testing.assert_allclose(
            one[inside, inside], other[inside, inside], rtol=1e-3, atol=1e-4 * other.max()
        )
    # At the border each pads with its own mean.
    bound = 0.009 * np.abs(pairs[0][0]).sum((0, 1, 2))
    assert (np.abs(found[0] - exact[0]) < bound).all()
    assert not np.allclose(found[0], exact[0], atol=1e-4)


def test_torchvisions_names_with_caffes_convention(tensors, pairs, tmp_path):
    path = files.write_zip(tmp_path / "a.pth", {f"module.{k}": v for k, v in tensors.items()})
    out = convert_weights(path, tmp_path / "a.npz", convention="caffe")
    with np.load(out) as arrays:
        assert len(arrays) == 6
        np.testing.assert_array_equal(arrays["block1_conv1/kernel"], pairs[0][0])
        np.testing.assert_array_equal(arrays["block2_conv1/bias"], pairs[2][1])


def test_a_converted_file_is_the_same_network(tensors, picture, tmp_path):
    path = files.write_stream(tmp_path / "a.pth", {k: v.astype("d") for k, v in tensors.items()})
    out = convert_weights(path, tmp_path / "vgg19.npz")
    again = convert_weights(out, tmp_path / "again.npz")
    assert again.read_bytes() == out.read_bytes()
    for one, other in zip(features(path, picture), features(out, picture), strict=True):
        np.testing.assert_array_equal(one, other)


# What is unfit: each a FileError that names the file


def refused(path, words):
    with pytest.raises(FileError, match=words) as error:
        convert_weights(path, path.with_name("out.npz"))
    assert str(path) in str(error.value)
    assert error.value.argument == "path"
    assert not path.with_name("out.npz").exists()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            [0, 2, 5, 7, 10, 12, 14, 17],
            "block3_conv4.*expected .*features.16, received features.17",
        ),
        ([0, 3], "layer block1_conv2: expected .*features.2, received features.3.*without batch"),
        ([2], "layer block1_conv1: expected a convolution features.0, received features.2"),
        ([], "has no|does not match VGG19.*layer block1_conv1"),
    ],
    ids=["VGG16", "batch normalization", "begins later", "none"],
)
def test_another_network(names, words, tmp_path):
    arrays = {f"features.{n}.weight": np.zeros((1, 1, 3, 3), "f") for n in names}
    arrays |= {f"features.{n}.bias": np.zeros(1, "f") for n in names}
    refused(files.write_zip(tmp_path / "a.pth", arrays), words)


def test_another_network_by_our_names(pairs, tmp_path):
    arrays = {f"block1_conv2/{k}": v for k, v in zip(("kernel", "bias"), pairs[0], strict=True)}
    np.savez(tmp_path / "a.npz", **arrays)
    refused(tmp_path / "a.npz", "does not match VGG19: layer block1_conv1.*received block1_c")


def test_another_width(layers, tmp_path):
    narrow = layers | {"conv1_2": (np.zeros((3, 3, 64, 32), "f"), np.zeros(32, "f"))}
    words = r"not match the network: layer block1_conv2: .* kernel \(3, 3, 64, 64\).*\(3, 3, 64, 32"
    refused(files.write_npy(tmp_path / "a.npy", narrow), words)


def test_a_network_that_goes_on(tmp_path):
    indices = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34, 37]
    arrays = {}
    for n in indices:
        arrays |= {f"features.{n}.weight": np.zeros((1, 1, 3, 3), "f")}
        arrays |= {f"features.{n}.bias": np.zeros(1, "f")}
    refused(files.write_zip(tmp_path / "a.pth", arrays), "too deep: expected 16 conv.*features.37")


class Evil:
    def __reduce__(self):
        return os.mkdir, ("was_run",)


def test_no_code_is_run(tmp_path, monkeypatch, tensors):
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps(Evil(), 2)
    words = (
        "contains objects that are not arrays: .*received an object .*mkdir, which would run code"
    )
    with zipfile.ZipFile("a.pth", "w") as archive:
        archive.writestr("a/data.pkl", content)
    (tmp_path / "b.pth").write_bytes(content)
    files.write_npy(tmp_path / "c.npy", {"conv1_1": [Evil()]})
    model = files.called(files.named("torchvision.models.vgg", "VGG"))
    files.write_zip(tmp_path / "d.pth", tensors, extra=b"0" + model)
    for name in ("a.pth", "b.pth", "c.npy"):
        refused(tmp_path / name, words)
    refused(tmp_path / "d.pth", r"torchvision.models.vgg.VGG.*with torch.save\(model")
    assert not (tmp_path / "was_run").exists()


def test_nothing_that_is_named_can_be_changed(tmp_path):
    for name in ("torch.FloatStorage", "collections.OrderedDict"):
        given = files.named(*name.split("."))
        content = b"\x80\x02" + given + b"}" + files.rendered("a") + b"K\x01sb."
        with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
            archive.writestr("a/data.pkl", content)
        refused(tmp_path / "a.pth", "truncated or corrupt, or has an unknown format")


def test_a_small_file_takes_little_memory(tmp_path):
    content = b"\x80\x02]r" + struct.pack("<I", 2**31) + b"."
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("a/data.pkl", content)
    tracemalloc.start()
    refused(tmp_path / "a.pth", "its table of objects is larger than the file")
    header = struct.pack("<Q", 2**40)
    (tmp_path / "b.safetensors").write_bytes(header)
    refused(tmp_path / "b.safetensors", "its header is too long")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**7


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors", ".npy", ".mat"])
def test_damaged_files(suffix, tensors, layers, tmp_path, rng):
    path = tmp_path / f"a{suffix}"
    write = {".pth": files.write_zip, ".pt": files.write_stream, ".npy": files.write_npy}
    write |= {".safetensors": files.write_safetensors, ".mat": files.write_mat}
    few = {k: v for k, v in tensors.items() if k.startswith("features.0")}
    first = {"conv1_1": layers["conv1_1"]}
    write[suffix](path, first if suffix in (".npy", ".mat") else few)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    path.write_bytes(whole[: len(whole) // 2].tobytes())
    refused(path, "truncated or corrupt|does not match")
    path.write_bytes(b"no weights" * 20)
    refused(path, "truncated or corrupt")
    for _ in range(60):
        content = whole.copy()
        content[rng.integers(0, min(len(whole), 900), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(content.tobytes())
        try:
            convert_weights(path, tmp_path / "out.npz")
        except FileError as error:
            assert str(path) in str(error)


def test_types_that_are_no_floats(tensors, tmp_path):
    whole = {k: v.astype("int64") for k, v in tensors.items()}
    refused(files.write_zip(tmp_path / "a.pth", whole), "has the dtype i8, not float")
    kinds = ("BF16",)
    half = {k: v.astype("float16") for k, v in tensors.items()}
    path = files.write_safetensors(tmp_path / "a.safetensors", half, kinds)
    refused(path, "features.0.weight has the dtype BF16, not float")
    path = files.write_npy(tmp_path / "a.npy", {"conv1_1": [np.zeros((3, 3, 3, 64), int)]})
    refused(path, "an array of the dtype <i8")
    np.save(tmp_path / "b.npy", np.zeros(3))
    refused(tmp_path / "b.npy", "an array, not a dict of layers")


@pytest.mark.parametrize(
    ("path", "out", "options", "argument", "message"),
    [
        ("a.pth", "b.npz", {}, "path", "a.pth, named by `path`, does not exist"),
        ("a.txt", "b.npz", {}, "path", r"\.safetensors, \.npy or \.mat, received \.txt"),
        ("a.npz", "b.h5", {}, "out", "unknown suffix: expected .npz"),
        (
            "a.npz",
            "b.npz",
            {"convention": "keras"},
            "convention",
            "'torchvision', 'caffe', 'matconvnet'",
        ),
    ],
)
def test_what_cannot_be_converted(path, out, options, argument, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", a=1)
    with pytest.raises(sk.StylekitError, match=message) as error:
        convert_weights(path, out, **options)
    assert error.value.argument == argument
