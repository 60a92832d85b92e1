import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image
from skimage import data

import stylekit as sk
from stylekit.feedforward import StyleNetwork

TRAIN = ("train-style", "starry.jpg", "photos", "-o", "starry.keras")


@pytest.fixture
def small(monkeypatch):
    """Train a small network by a small one."""
    seen = [keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3, name="a")]
    extractor = sk.KerasExtractor(keras.Sequential(seen))
    extractor.style_layers = extractor.content_layers = ("a",)
    monkeypatch.setattr(sk, "CompactVGG", lambda: extractor)
    monkeypatch.setattr(
        "stylekit.feedforward.training.StyleNetwork",
        lambda about: StyleNetwork(about, widths=(4, 4, 4), blocks=0),
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for name in ("astronaut", "chelsea"):
        Image.fromarray(getattr(data, name)()).resize((60, 48)).save(f"photos/{name}.png")
    Image.fromarray(data.coffee()).resize((64, 48)).save("starry.jpg")
    Path("text.keras").write_text("no network")
    Path("empty").mkdir()
    return tmp_path


@pytest.mark.slow
def test_a_network_is_trained_gone_on_with_and_applied(run, folder, small, monkeypatch):
    options = (*TRAIN, "--size", 32, "--batch", 1, "--no-progress")
    done = run(*options, "--steps", 2, "--losses-csv", "losses.csv")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("starry.keras: 2 steps in ")
    assert len(Path("losses.csv").read_text().splitlines()) == 3
    done = run(*options, "--steps", 3, "--preview", "photos/astronaut.png")
    assert done.stdout.startswith("starry.keras: 3 steps in ")
    assert Image.open("starry-00003.png").size == (512, 410)

    done = run("apply", "starry.keras", "photos/astronaut.png", "-o", "out.png", "--size", 0)
    assert done.exit_code == 0, done.output
    assert done.stdout == "out.png: 60x48 pixels\n"
    assert Image.open("out.png").size == (60, 48)
    Path("photos/broken.jpg").write_text("no picture")
    done = run("apply", "starry.keras", "photos", "-o", "painted", "--size", 40)
    assert done.exit_code == 1, done.output
    assert "broken-starry.png: PHOTO: photos/broken.jpg is not a picture" in done.stderr
    assert "1 of 3 pictures failed" in done.stderr
    names = {path.name for path in Path("painted").iterdir()}
    assert names == {"astronaut-starry.png", "chelsea-starry.png"}


def test_ctrl_c_says_how_to_go_on(run, folder, monkeypatch):
    def train(*arguments, **options):
        return SimpleNamespace(about={"steps": 1, "seconds": 3.0})

    monkeypatch.setattr(sk.feedforward, "train", train)
    done = run(*TRAIN)
    assert done.exit_code == 130, done.output
    words = "starry.keras: 1 step in 3 s (interrupted); run the same command again to resume\n"
    assert done.stdout == words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("train-style", "starry.jpg", "empty", "-o", "a.keras"), "PHOTOS: empty has no pictures"),
        (("train-style", "gone.jpg", "photos", "-o", "a.keras"), "STYLE: gone.jpg does not exist"),
        (("train-style", "starry.jpg", "photos", "-o", "a.h5"), "--out: a.h5 must have the suffix"),
        (("train-style", "starry.jpg", "photos", "-o", "no/a.keras"), "--out: no/a.keras cannot"),
        (("train-style", "starry.jpg", "photos", "-o", "text.keras"), "--out: text.keras is not a"),
        ((*TRAIN, "--style-loss", "neighbors"), "--style-loss is unknown"),
        ((*TRAIN, "--preview", "gone.jpg"), "--preview: gone.jpg does not exist"),
        ((*TRAIN, "--losses-csv", "photos"), "--losses-csv: photos is a folder"),
        ((*TRAIN, "--size", "8"), "--size is out of range"),
        (("apply", "text.keras", "starry.jpg", "-o", "out.png"), "NETWORK: text.keras is not a st"),
        (("apply", "gone.keras", "starry.jpg", "-o", "out.png"), "NETWORK: the network gone.keras"),
    ],
)
def test_what_is_unfit_is_one_sentence_before_tensorflow_loads(
    run, folder, line, words, monkeypatch
):
    module = sys.modules["stylekit.cli.commands.feedforward"]
    monkeypatch.setattr(module, "load_tensorflow", lambda: pytest.fail("TensorFlow was loaded"))
    done = run(*line)
    assert done.exit_code == 2, done.output
    assert words in done.output
    assert len(done.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("gone.jpg", "-o", "out.png"), "PHOTO: gone.jpg does not exist"),
        (("starry.jpg", "-o", "out.jgp"), "--out: out.jgp has an unknown suffix"),
        (("starry.jpg", "-o", "starry.jpg"), "would overwrite the input file starry.jpg"),
        (("empty", "-o", "out"), "PHOTO: empty has no pictures"),
        (("photos", "-o", "photos"), "--out: the results would be mixed"),
        (("photos", "-o", "out", "--name", "a.png"), "--name"),
    ],
)
def test_what_cannot_be_painted_is_told_before_tensorflow_loads(
    run, folder, line, words, monkeypatch
):
    module = sys.modules["stylekit.cli.commands.feedforward"]
    monkeypatch.setattr(module, "load_tensorflow", lambda: pytest.fail("TensorFlow was loaded"))
    StyleNetwork({}, widths=(4, 4, 4), blocks=0).save("starry.keras")
    done = run("apply", "starry.keras", *line)
    assert done.exit_code == 2, done.output
    assert words in done.output


def test_weights_of_another_network(run, folder):
    np.savez("other.npz", kernel=np.zeros((3, 3, 3, 8), "float32"))
    line = (*TRAIN, "--extractor", "vgg19", "--no-progress")
    done = run(*line, "--weights-file", "other.npz")
    assert done.exit_code == 2, done.output
    assert "--weights-file: the weights file" in done.stderr
    assert "other.npz has no convolution block1_conv1" in done.stderr
