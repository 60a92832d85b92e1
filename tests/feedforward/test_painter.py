import zipfile

import keras
import numpy as np
import pytest

import stylekit as sk
from stylekit.feedforward import Painter, about, load


@pytest.fixture(scope="session")
def painter(network):
    return Painter(network)


@pytest.fixture(scope="session")
def saved(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("networks") / "style.keras"
    network.save(path)
    return path


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 7), (17, 30)])
def test_any_shape_is_painted(painter, shape, rng):
    picture = rng.random((*shape, 3), "float32")
    painted = painter(picture)
    assert painted.shape == picture.shape
    assert painted.dtype == np.float32


def test_a_picture_is_painted_as_if_it_went_on(painter, rng):
    """There is no frame: a border is painted as the middle of the mirrored picture."""
    picture = rng.random((30, 40, 3), "float32")
    mirrored = np.pad(picture, ((24, 24), (24, 24), (0, 0)), mode="reflect")
    whole = painter.network(mirrored[None])[0, 24:-24, 24:-24]
    np.testing.assert_allclose(painter(picture), whole, atol=1e-5)


def test_a_picture_is_resized_before(painter, rng):
    picture = rng.random((20, 40, 3), "float32")
    assert painter(picture, size=20).shape == (10, 20, 3)


def test_a_file_paints_as_what_was_saved(painter, saved, rng):
    picture = rng.random((17, 30, 3), "float32")
    loaded = load(saved)
    np.testing.assert_array_equal(loaded(picture), painter(picture))
    assert loaded.about == about(saved) == {"steps": 0}
    assert repr(loaded) == "Painter(0 steps)"


def other_model(path):
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(path)


def cut_off(path):
    path.write_bytes(path.read_bytes()[:1000])


def without_weights(path):
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("metadata.json", "config.json"):
            archive.writestr(name, entries[name])


def long_configuration(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * 2**21)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (other_model, "is not a style network: .* received it holds a Sequential"),
        (cut_off, "is not a style network"),
        (lambda path: path.write_text("no network"), "is not a style network"),
        (without_weights, "is damaged"),
        (long_configuration, "its configuration is too long"),
        (lambda path: path.unlink(), "does not exist"),
        (lambda path: (path.unlink(), path.mkdir()), "it is a folder"),
    ],
)
def test_a_file_of_another_kind_is_refused(saved, spoil, words, tmp_path):
    path = tmp_path / "style.keras"
    path.write_bytes(saved.read_bytes())
    spoil(path)
    with pytest.raises(sk.FileError, match=words) as raised:
        load(path)
    assert raised.value.argument == "path"
