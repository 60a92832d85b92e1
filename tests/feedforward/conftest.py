import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from skimage import data

import stylekit as sk
from stylekit.feedforward import StyleNetwork


@pytest.fixture(scope="session")
def extractor():
    """A little network of its own, which is traced in no time."""
    layers = [
        keras.layers.Conv2D(4, 3, activation="relu", name=name, kernel_initializer=start)
        for name, start in zip("ab", map(keras.initializers.HeNormal, (1, 2)), strict=True)
    ]
    network = sk.KerasExtractor(keras.Sequential([keras.Input((None, None, 3)), *layers]))
    network.style_layers, network.content_layers = ("a", "b"), ("b",)
    return network


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a folder of photographs, and a style."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("astronaut", "chelsea"):
        Image.fromarray(getattr(data, name)()).resize((60, 48)).save(f"photos/{name}.png")
    Image.fromarray(data.coffee()).resize((48, 32)).save("style.png")
    return tmp_path


@pytest.fixture
def train(extractor, folder, monkeypatch):
    """Train a small network by a small one, for so few steps that tracing does not pay."""
    small = functools.partial(StyleNetwork, widths=(4, 4, 4), blocks=0)
    monkeypatch.setattr("stylekit.feedforward.training.StyleNetwork", small)
    tf.config.run_functions_eagerly(True)
    yield functools.partial(
        sk.feedforward.train,
        style="style.png",
        photographs="photos",
        path="style.keras",
        style_size=48,
        size=32,
        batch=2,
        steps=3,
        extractor=extractor,
        progress=False,
    )
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def network():
    """A network with random weights."""
    made = StyleNetwork({"steps": 0}, widths=(4, 4, 4), blocks=1)
    rng = np.random.default_rng(0)
    for weight in made.trainable_variables:
        weight.assign(weight + rng.normal(0, 0.1, weight.shape))
    return made
