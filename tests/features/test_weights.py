import hashlib
import io
import os
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from stylekit._checks import FileError, weights_file
from stylekit.features import VGG19
from stylekit.features.weights import (
    ENVIRONMENT_VARIABLE,
    Download,
    held_layers,
    locate,
    read_convolutions,
)

SHAPES = {"block1_conv1": (3, 3, 3, 4), "block1_conv2": (3, 3, 4, 4)}


@pytest.fixture
def arrays(rng):
    return {
        layer: (rng.normal(size=shape).astype("f"), rng.normal(size=shape[-1]).astype("f"))
        for layer, shape in SHAPES.items()
    }


def write_npz(path, arrays):
    named = {}
    for layer, (kernel, bias) in arrays.items():
        named |= {f"{layer}/kernel": kernel, f"{layer}/bias": bias}
    np.savez(path, **named)
    return path


def write_h5(path, arrays, names=("{}_W_1:0", "{}_b_1:0"), root="/"):
    with h5py.File(path, "w") as file:
        group = file.require_group(root)
        group.attrs["layer_names"] = [layer.encode() for layer in [*arrays, "block1_pool"]]
        for layer, values in arrays.items():
            keys = [name.format(layer) for name in names]
            group.create_group(layer).attrs["weight_names"] = [key.encode() for key in keys]
            for key, value in zip(keys, values, strict=True):
                group[layer][key] = value
        group.create_group("block1_pool").attrs["weight_names"] = []
    return path


WRITERS = {
    "npz": lambda path, arrays: write_npz(path.with_suffix(".npz"), arrays),
    "h5": lambda path, arrays: write_h5(path.with_suffix(".h5"), arrays),
}


@pytest.fixture(params=WRITERS)
def write(request, tmp_path):
    """A function that writes arrays to a file and returns its path."""
    return lambda arrays: WRITERS[request.param](tmp_path / "weights", arrays)


def assert_equal(found, arrays):
    assert list(found) == list(arrays)
    for layer, values in arrays.items():
        for a, b in zip(found[layer], values, strict=True):
            assert a.dtype == np.float32
            np.testing.assert_array_equal(a, b)


# Reading


@pytest.mark.parametrize(
    ("names", "root"),
    [
        (("{}_W_1:0", "{}_b_1:0"), "/"),  # Keras's published file
        (("kernel:0", "bias:0"), "/"),
        (("{0}/{0}/kernel:0", "{0}/{0}/bias:0"), "/"),  # Keras 2's save_weights
        (("{}/kernel:0", "{}/bias:0"), "model_weights"),  # a whole model
    ],
)
def test_the_layouts_of_keras_are_read(names, root, arrays, tmp_path):
    path = write_h5(tmp_path / "weights.h5", arrays, names, root)
    assert_equal(read_convolutions(path, SHAPES), arrays)


def test_an_npz_is_read(arrays, tmp_path):
    path = write_npz(tmp_path / "weights.npz", arrays)
    assert_equal(read_convolutions(path, SHAPES), arrays)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floats_become_float32(write, dtype, arrays):
    other = {layer: [a.astype(dtype) for a in pair] for layer, pair in arrays.items()}
    found = read_convolutions(write(other), SHAPES)
    assert_equal(found, {k: [a.astype("f") for a in pair] for k, pair in other.items()})


def test_only_the_layers_asked_for_must_be_there(write, arrays):
    path = write({"block1_conv1": arrays["block1_conv1"]})
    assert list(read_convolutions(path, {"block1_conv1": (3, 3, 3, 4)})) == ["block1_conv1"]
    with pytest.raises(FileError, match=r"has no convolution block1_conv2.*block1_conv1") as error:
        read_convolutions(path, SHAPES)
    assert str(path) in str(error.value)


# Files that are unfit: each a FileError that names the file


def refused(path, *words, shapes=SHAPES):
    with pytest.raises(FileError) as error:
        read_convolutions(path, shapes)
    for word in (str(path), *words):
        assert word in str(error.value)


def test_another_networks_shapes_are_refused(write, arrays):
    path = write(arrays)
    refused(
        path, "block1_conv2", "(3, 3, 4, 8)", "(3, 3, 4, 4)", shapes={"block1_conv2": (3, 3, 4, 8)}
    )


def test_a_bias_of_another_length_is_refused(write, arrays):
    arrays["block1_conv1"] = (arrays["block1_conv1"][0], np.zeros(5, "f"))
    refused(write(arrays), "block1_conv1", "(5,)")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("which", [0, 1], ids=["kernel", "bias"])
def test_nan_and_infinity_are_refused(write, which, value, arrays):
    arrays["block1_conv2"][which].flat[3] = value
    refused(write(arrays), "corrupt", "block1_conv2", "NaN or infinity")


@pytest.mark.parametrize("share", [0, 0.02, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(write, share, arrays):
    path = write(arrays)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    refused(path, "truncated")


def test_flipped_bytes_of_an_npz_never_give_other_weights(arrays, tmp_path):
    path = write_npz(tmp_path / "weights.npz", arrays)
    data = path.read_bytes()
    refusals = 0
    for position in range(0, len(data), 3):
        flipped = bytearray(data)
        flipped[position] ^= 0xFF
        path.write_bytes(flipped)
        try:
            found = read_convolutions(path, SHAPES)
        except FileError as error:
            refusals += 1
            assert str(path) in str(error)
        else:  # a byte that says nothing, such as a date
            assert_equal(found, arrays)
    assert refusals > 500


def test_flipped_bytes_of_an_h5_are_refused_or_read_but_never_a_traceback(arrays, tmp_path):
    path = write_h5(tmp_path / "weights.h5", arrays)
    data = path.read_bytes()
    refusals = 0
    for position in range(0, len(data), 29):
        flipped = bytearray(data)
        flipped[position] ^= 0xFF
        path.write_bytes(flipped)
        try:
            read_convolutions(path, SHAPES)
        except FileError as error:
            refusals += 1
            assert str(path) in str(error)
    assert refusals > 10


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
@pytest.mark.parametrize("content", [b"not weights at all\n" * 100, b""], ids=["text", "nothing"])
def test_a_file_of_another_kind_is_refused(content, suffix, tmp_path):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    refused(path, "truncated or corrupt, or has an unknown format")


def test_arrays_that_are_no_weights_are_refused(arrays, tmp_path):
    text = {layer: (np.array("kernel"), np.array("bias")) for layer in arrays}
    refused(write_npz(tmp_path / "text.npz", text))
    objects = {layer: (np.array([{}]), np.array([{}])) for layer in arrays}
    refused(write_npz(tmp_path / "objects.npz", objects))
    with open(tmp_path / "array.npz", "wb") as file:
        np.save(file, np.zeros(3))
    refused(tmp_path / "array.npz")
    with h5py.File(tmp_path / "flat.h5", "w") as file:
        file["block1_conv1"] = np.zeros(3)
    refused(tmp_path / "flat.h5")


def test_a_layer_without_a_bias_is_no_convolution(arrays, tmp_path):
    path = write_h5(tmp_path / "weights.h5", arrays)
    with h5py.File(path, "a") as file:
        del file["block1_conv1/block1_conv1_b_1:0"]
    refused(path, "no convolution block1_conv1")
    path = tmp_path / "weights.npz"
    np.savez(path, **{"block1_conv1/kernel": arrays["block1_conv1"][0]})
    refused(path, "no convolution block1_conv1")


# Files that ask for more than they hold, or for what is elsewhere

BOMB = (3, 3, 3, 2**19)  # 57 MB


@pytest.fixture
def frugal():
    """A block that must not allocate what a file claims to hold."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22


def write_members(path, arrays, method=zipfile.ZIP_DEFLATED, version=(1, 0), more=b""):
    """An archive in which each array is `[header's array, content]` of one's own."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for layer, values in arrays.items():
            for name, value in zip(("kernel", "bias"), values, strict=True):
                content = io.BytesIO()
                np.lib.format.write_array(content, value, version)
                archive.writestr(f"{layer}/{name}.npy", content.getvalue() + more)
    return path


def claiming(array, shape):
    """The bytes of an array under the header of another one."""
    content = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(content, header)
    return content.getvalue() + array.tobytes()


def test_an_npz_of_zeros_that_would_fill_the_memory(arrays, tmp_path, frugal):
    arrays["block1_conv1"] = np.broadcast_to(np.float32(0), BOMB), arrays["block1_conv1"][1]
    tracemalloc.stop()
    path = write_members(tmp_path / "weights.npz", arrays)
    assert path.stat().st_size < 2**17
    tracemalloc.start()
    refused(path, "block1_conv1", "expected kernel (3, 3, 3, 4)", f"received {BOMB}")


@pytest.mark.parametrize("shape", [BOMB, (3, 3, 3, 2**40), (3, 3, 3, 5), (3, 3, -3, -4)])
def test_a_header_that_claims_more_than_there_is(shape, arrays, tmp_path, frugal):
    path = tmp_path / "weights.npz"
    kernel, bias = arrays["block1_conv1"]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("block1_conv1/kernel.npy", claiming(kernel, shape))
        archive.writestr("block1_conv1/bias.npy", claiming(bias, bias.shape))
    refused(path, "block1_conv1")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"more": b"0"}, "declares"),
        ({"version": (2, 0)}, "unknown version"),
        ({"method": zipfile.ZIP_LZMA}, "method other than deflate"),
        ({"method": zipfile.ZIP_BZIP2}, "method other than deflate"),
    ],
)
def test_an_npz_as_numpy_does_not_write_it(options, word, arrays, tmp_path):
    refused(write_members(tmp_path / "weights.npz", arrays, **options), word)


@pytest.mark.parametrize("dtype", ["int8", "complex64", "f4,f4"])
def test_other_numbers_than_floats(write, dtype, arrays):
    refused(write({k: [a.astype(dtype) for a in pair] for k, pair in arrays.items()}), "not float")


def test_an_h5_with_more_zeros_than_the_memory_holds(arrays, tmp_path, frugal):
    path = write_h5(tmp_path / "weights.h5", arrays)
    with h5py.File(path, "a") as file:
        del file["block1_conv1/block1_conv1_W_1:0"]
        file["block1_conv1"].create_dataset("kernel", BOMB, "f4")
    assert path.stat().st_size < 2**15
    refused(path, "expected kernel (3, 3, 3, 4)", f"received {BOMB}")


OUTSIDE = {
    "external storage": lambda group, path: group.create_dataset(
        "kernel", SHAPES["block1_conv1"], "f4", external=[(path, 0, 432)]
    ),
    "another file's dataset": lambda group, path: group.__setitem__(
        "kernel", h5py.ExternalLink(path, "kernel")
    ),
    "a link": lambda group, path: group.__setitem__("kernel", h5py.SoftLink("/block1_conv2/x")),
    "a virtual dataset": lambda group, path: group.create_virtual_dataset("kernel", virtual(path)),
    "compressed": lambda group, path: group.create_dataset(
        "kernel", SHAPES["block1_conv1"], "f4", compression="gzip"
    ),
    "large chunks": lambda group, path: group.create_dataset(
        "kernel", SHAPES["block1_conv1"], "f4", maxshape=(None,) * 4, chunks=BOMB
    ),
    "text": lambda group, path: group.create_dataset(
        "kernel", SHAPES["block1_conv1"], h5py.string_dtype()
    ),
}


def virtual(path):
    layout = h5py.VirtualLayout(SHAPES["block1_conv1"], "f4")
    layout[...] = h5py.VirtualSource(path, "kernel", SHAPES["block1_conv1"])
    return layout


@pytest.mark.parametrize("kind", OUTSIDE)
def test_an_h5_whose_values_are_elsewhere_or_packed(kind, arrays, tmp_path, frugal):
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["kernel"] = arrays["block1_conv1"][0]
    path = write_h5(tmp_path / "weights.h5", arrays)
    with h5py.File(path, "a") as file:
        del file["block1_conv1/block1_conv1_W_1:0"]
        OUTSIDE[kind](file["block1_conv1"], str(other))
    refused(path, "truncated or corrupt, or has an unknown format", "kernel")


@pytest.mark.parametrize("name", ["block1_conv1", "model_weights"])
@pytest.mark.parametrize("link", [h5py.ExternalLink("other.h5", "/"), h5py.SoftLink("/there")])
def test_an_h5_of_links(link, name, arrays, tmp_path):
    write_h5(tmp_path / "other.h5", arrays if name == "model_weights" else {"a": arrays})
    path = write_h5(tmp_path / "weights.h5", {})
    with h5py.File(path, "a") as file:
        file.create_group("there")
        file[name] = link
    refused(path, f"{name} is a link")


# Finding


@pytest.mark.parametrize("name", ["weights.h5", "weights.H5", "weights.hdf5", "weights.npz"])
def test_an_existing_file_is_taken(name, tmp_path, monkeypatch):
    (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)  # a process with another folder is sent the network
    for path in (tmp_path / name, str(tmp_path / name), name):
        assert weights_file(path, "weights=") == tmp_path / name


@pytest.mark.parametrize("name", ["weights.pth", "weights", "weights.npy"])
def test_another_ending_is_an_error_that_says_which_are_right(name, tmp_path):
    (tmp_path / name).touch()
    received = Path(name).suffix or "no suffix"
    with pytest.raises(
        FileError, match=rf"named by it, is no.* \.h5 or \.npz, received {received}"
    ):
        weights_file(tmp_path / name, "it")


def test_a_missing_file_is_an_error_that_names_it_and_who_named_it(tmp_path):
    path = tmp_path / "missing.h5"
    with pytest.raises(FileError, match=r"missing\.h5, named by weights=, does not exist"):
        VGG19(path)
    path.mkdir()
    with pytest.raises(FileError, match=r"missing\.h5, named by weights=, is a folder"):
        VGG19(path)


# Downloads


@pytest.fixture
def download(tmp_path, monkeypatch):
    """A small published file, with an empty cache."""
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    source = tmp_path / "server" / "published.h5"
    source.parent.mkdir()
    source.write_bytes(b"weights" * 50)
    md5 = hashlib.md5(source.read_bytes()).hexdigest()
    return Download("published.h5", source.as_uri(), md5)


def source_of(download):
    return Path(download.url.removeprefix("file://"))


def test_a_download_lands_in_keras_cache(download, tmp_path):
    path = locate(download)
    assert path == download.cached == tmp_path / "keras" / "models" / "published.h5"
    assert path.read_bytes() == source_of(download).read_bytes()


def test_a_cached_file_is_used_without_a_download(download):
    first = locate(download)
    source_of(download).unlink()
    assert locate(download) == first


def test_a_cached_file_that_is_not_the_published_one_is_fetched_again(download):
    locate(download).write_bytes(b"half a file")
    assert locate(download).read_bytes() == source_of(download).read_bytes()


def assert_names_file_places_and_ways_out(error, download):
    for word in (
        download.name,
        download.url,
        str(download.cached),
        f"{ENVIRONMENT_VARIABLE} is not set",
        "`weights`",
    ):
        assert word in str(error.value)


def test_a_download_that_is_not_the_published_file_is_an_error(download):
    wrong = Download(download.name, download.url, "0" * 32)
    with pytest.raises(FileError, match="could not be downloaded") as error:
        locate(wrong)
    assert_names_file_places_and_ways_out(error, wrong)


def test_a_download_that_fails_is_an_error(download):
    source_of(download).unlink()
    with pytest.raises(FileError, match="could not be downloaded") as error:
        locate(download)
    assert_names_file_places_and_ways_out(error, download)


def test_the_environment_variable_wins_over_cache_and_download(download, tmp_path, monkeypatch):
    locate(download)
    mine = tmp_path / "mine.npz"
    mine.touch()
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(mine))
    assert locate(download) == mine


def test_an_environment_variable_that_names_no_file_is_an_error_not_a_download(
    download, tmp_path, monkeypatch
):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "gone.h5"))
    with pytest.raises(FileError, match=rf"gone\.h5, named by .*{ENVIRONMENT_VARIABLE}"):
        locate(download)
    assert not download.cached.exists()


def test_the_cache_is_keras_own_by_default(monkeypatch):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    cached = Download("file.h5", "https://example.org/file.h5", "0" * 32).cached
    assert cached == Path(os.path.expanduser("~"), ".keras", "models", "file.h5")


def test_a_file_tells_the_layers_that_it_holds(tmp_path, arrays):
    assert held_layers(write_npz(tmp_path / "w.npz", arrays)) == list(SHAPES)
    assert held_layers(write_h5(tmp_path / "w.h5", arrays)) == list(SHAPES)


@pytest.mark.parametrize("told", ["argument", "environment"])
def test_a_network_has_the_layers_that_its_file_holds(tmp_path, arrays, monkeypatch, told):
    arrays["block2_conv2"] = arrays["block1_conv2"]  # behind one that is not there
    path = write_npz(tmp_path / "w.npz", arrays)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(path))
    network = VGG19(path if told == "argument" else "imagenet")
    assert network.available_layers() == ("block1_conv1", "block1_conv2", "block1_pool")
    assert network.missing(["conv2_1"]) == {"conv2_1": "block1_conv1"}
    monkeypatch.delenv(ENVIRONMENT_VARIABLE)
    for whole in (VGG19(), VGG19(weights=None)):
        assert whole.available_layers() == whole.layer_names
