import importlib
from pathlib import Path

import numpy as np
import pytest

MODULE = importlib.import_module("stylekit.cli.commands.convert")


@pytest.fixture
def convert(run, tmp_path, monkeypatch):
    """Run ``stylekit convert-weights`` beside a file of Caffe's first convolution."""
    monkeypatch.chdir(tmp_path)
    pair = [np.ones((3, 3, 3, 64), "float32"), np.ones(64, "float32")]
    np.save("vgg19.npy", {"conv1_1": pair}, allow_pickle=True)
    return lambda *arguments: run("convert-weights", *arguments)


def test_a_file_is_converted(convert):
    done = convert("vgg19.npy", "-o", "vgg19.npz")
    assert done.exit_code == 0, done.output
    assert done.stdout == "vgg19.npz: 0 MB\n"
    with np.load("vgg19.npz") as arrays:
        assert set(arrays) == {"block1_conv1/kernel", "block1_conv1/bias"}
        assert (arrays["block1_conv1/kernel"] == 1).all()


def test_a_convention_is_given(convert):
    assert convert("vgg19.npy", "-o", "a.npz", "--convention", "torchvision").exit_code == 0
    with np.load("a.npz") as arrays:
        np.testing.assert_allclose(arrays["block1_conv1/kernel"][0, 0, 2], 1 / 255 / 0.229)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone.pth", "-o", "a.npz"), "the weights file gone.pth, named by FILE, does not exist"),
        (("photo.jpg", "-o", "a.npz"), "photo.jpg, named by FILE, is not a weights file"),
        (("vgg19.npy", "-o", "no/a.npz"), "--out: no/a.npz"),
    ],
)
def test_what_is_unfit_is_told_before_tensorflow_loads(convert, arguments, message, monkeypatch):
    monkeypatch.setattr(MODULE, "load_tensorflow", lambda: pytest.fail("TensorFlow was loaded"))
    done = convert(*arguments)
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert not Path("a.npz").exists()


def test_another_suffix_is_refused(convert):
    done = convert("vgg19.npy", "-o", "a.h5")
    assert done.exit_code == 2
    assert "a.h5 has an unknown suffix: expected .npz" in done.output
