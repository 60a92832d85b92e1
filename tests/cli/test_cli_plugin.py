import json
import sys

import numpy as np
import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

import stylekit as sk
from stylekit import cli
from stylekit._checks import InputError, StylekitError
from stylekit.cli._plugin import checked, loaded, own_loss, resolved

LOSS = """
from stylekit import StatisticLoss, functional

class Mean(StatisticLoss):
    def statistic(self, feature, mask):
        return functional.masked_mean(feature, mask)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module into the current folder; it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(name, text):
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / f"{name}.py").write_text(text)

    return write


@pytest.mark.parametrize("form", ["one_s_losses:Mean", "one_s_losses.py:Mean"])
def test_a_module_of_the_folder_or_its_file(module, form):
    module("one_s_losses", LOSS)
    assert loaded(form, "--style-loss").__name__ == "Mean"
    assert resolved(form, "--style-loss").__name__ == "Mean"
    assert resolved("gram", "--style-loss") == "gram"


def test_an_installed_module():
    assert loaded("stylekit.losses:GramStyleLoss", "--style-loss").__name__ == "GramStyleLoss"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gone:Mean", "--style-loss gone:Mean: gone cannot be imported.*No module named 'gone'"),
        ("gone.py:Mean", "gone.py:Mean: gone.py does not exist: expected a Python file"),
        ("broken:Mean", "broken cannot be imported.*ZeroDivisionError: division by zero"),
        ("losses:Maen", "losses has no Maen. Did you mean Mean?"),
        (":Mean", "cannot be read: expected MODULE:NAME"),
        ("losses:", "cannot be read: expected MODULE:NAME"),
    ],
)
def test_what_cannot_be_had(module, text, message):
    module("losses", "class Mean:\n    pass\n")
    module("broken", "1 / 0\n")
    with pytest.raises(StylekitError, match=message):
        loaded(text, "--style-loss")


def test_a_name_that_is_unknown():
    assert checked("gram", "--style-loss", ("neighbors", "gram")) == "gram"
    assert checked("json:B", "--style-loss", ("neighbors", "gram")) == "json:B"
    with pytest.raises(InputError, match=r"unknown.*MODULE:NAME.*Did you mean gram"):
        checked("grem", "--style-loss", ("neighbors", "gram"))


@pytest.fixture
def run(tmp_path):
    """Run a command in a folder with two pictures."""
    sk.write_image(tmp_path / "photo.png", sk.image.as_image(data.astronaut(), size=48))
    sk.write_image(tmp_path / "style.png", sk.image.as_image(data.coffee(), size=48))

    def go(*line):
        return CliRunner().invoke(cli.app, [str(word) for word in line])

    return go


def test_a_loss_of_the_users(module, run):
    module("means", LOSS)
    line = ["transfer", "photo.png", "style.png", "-o", "out.png", "--size", 32, "--steps", 1]
    done = run(*line, "--extractor", "compact", "--style-loss", "means:Mean")
    assert done.exit_code == 0, done.output
    manifest = json.loads(Image.open("out.png").text["stylekit"])
    assert manifest["terms"]["mean"]["type"] == "Mean"
    assert manifest["steps"] == 1


def test_a_segmenter_of_the_users(module, run):
    module(
        "halves",
        "import numpy as np\nfrom stylekit.masks import Segmentation\n\n\n"
        "def left(picture):\n"
        "    labels = np.zeros(picture.shape[:2], int)\n"
        "    labels[:, : picture.shape[1] // 2] = 1\n"
        "    return Segmentation(labels, ('background', 'left'))\n",
    )
    own = ("--class", "left", "--segmenter", "halves:left", "--refine", "none")
    done = run("segment", "photo.png", "-o", "mask.png", *own)
    assert done.exit_code == 0, done.output
    mask = sk.masks.as_mask("mask.png")
    np.testing.assert_array_equal(mask, np.arange(48) < 24 * np.ones((48, 1)))
    assert "left" in run("segment", "photo.png", *own[2:4]).output
    done = run("segment", "photo.png", "-o", "mask.png", *own, "--model", "other.tflite")
    assert "--segmenter and --model cannot be combined" in done.output
    done = run("segment", "photo.png", "-o", "m.png", "--box", "1,1,9,9", *own[2:4])
    assert "--segmenter needs --class" in done.output


ADDED = """
import keras
from stylekit import Loss

class Tint(Loss):
    def __init__(self, style, weight=2.0):
        super().__init__(weight=weight)
        self.color = style.mean(axis=(0, 1))

    def compute(self, image, features, targets):
        return keras.ops.mean((image - self.color) ** 2, axis=(1, 2, 3))

def strong(reference, content=None):
    assert content is not None and reference.shape == (40, 50, 3), reference.shape
    return Tint(reference, weight=5.0)

def wrong(photo):
    return Tint(photo)

ready, number = Tint(__import__("numpy").ones((2, 2, 3)), weight=3.0), 3
"""


@pytest.fixture
def added(module):
    module("added", ADDED)
    style, content = np.ones((40, 50, 3), "float32"), np.zeros((24, 32, 3), "float32")
    recipe = sk.Recipe([sk.PixelLoss(content)], content=content, styles=[style])
    return lambda name: own_loss(loaded(f"added:{name}", "--add-loss"), recipe, "--add-loss x:y")


@pytest.mark.parametrize(("name", "weight"), [("Tint", 2), ("strong", 5), ("ready", 3)])
def test_a_further_loss(added, name, weight):
    assert added(name).weight == weight


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wrong", "x:y has a parameter 'photo' without a default: expected .*content, style"),
        ("number", "x:y is not a loss: .*received int"),
    ],
)
def test_what_is_no_further_loss(added, name, message):
    with pytest.raises(InputError, match=message):
        added(name)


@pytest.mark.slow
def test_further_losses_in_a_run(module, run):
    module("added", ADDED)
    line = ["transfer", "photo.png", "style.png", "-o", "out.png", "--size", 32, "--steps", 1]
    line += ["--extractor", "compact", "--style-loss", "gram"]
    done = run(*line, "--add-loss", "added:Tint", "--add-loss", "added:ready")
    assert done.exit_code == 0, done.output
    terms = json.loads(Image.open("out.png").text["stylekit"])["terms"]
    assert [terms[name]["weight"] for name in ("tint", "tint_2")] == [2, 3]
    done = run(*line, "--add-loss", "added:wrong")
    assert done.exit_code == 2
    assert "--add-loss added:wrong has a parameter 'photo'" in " ".join(done.output.split())


def test_a_run_that_broke_off_tells_in_whose_code(module, run, monkeypatch):
    whole = sk.StyleTransfer.run

    def broken(*arguments, **options):
        error = sk.transfer.TransferError("no tea.", whole(*arguments, **options))
        error.add_note("in loss 'mean', method Mean.compute")
        raise error

    monkeypatch.setattr(sk.StyleTransfer, "run", broken)
    line = ["transfer", "photo.png", "style.png", "-o", "out.png", "--size", 32, "--steps", 1]
    done = run(*line, "--extractor", "compact", "--style-loss", "gram")
    assert done.exit_code == 2, done.output
    told = "no tea, in loss 'mean', method Mean.compute. The picture so far is in out.png."
    assert told in done.output


BREAKS = """
from stylekit import GramStyleLoss, Loss

def see(picture):
    return 1 / 0

def blind():
    return None

class Broken(GramStyleLoss):
    def __init__(self, style):
        self.color = style.colour

class Late(Loss):
    def compute(self, image, features, targets):
        return unknown

def heavy(style):
    return GramStyleLoss(style, weight=-1)
"""


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "segment photo.png --segmenter breaks:see",
            "--segmenter breaks:see failed with ZeroDivisionError: division by zero "
            "({folder}/breaks.py, line 5; in segmenter 'see').",
        ),
        (
            "segment photo.png --segmenter breaks.py:blind",
            "--segmenter breaks.py:blind failed with TypeError: blind() takes 0 positional "
            "arguments but 1 was given (in segmenter 'blind').",
        ),
        (
            "transfer --style-loss breaks:see",
            "--style-loss breaks:see failed with TypeError: see() got an unexpected keyword "
            "argument 'mask' (in style_loss 'see', called as (style, *, mask, style_mask, layers, "
            "weight) -> Loss).",
        ),
        (
            "transfer --add-loss breaks:Broken",
            "--add-loss breaks:Broken failed with AttributeError: 'numpy.ndarray' object has no "
            "attribute 'colour' ({folder}/breaks.py, line 12).",
        ),
        (
            "transfer --add-loss breaks:Late",
            "--add-loss breaks:Late failed with NameError: name 'unknown' is not defined "
            "({folder}/breaks.py, line 16; in loss 'late', method Late.compute).",
        ),
    ],
)
def test_an_error_in_code_of_the_users_is_one_sentence(line, told, module, run, tmp_path):
    module("breaks", BREAKS)
    command, *own = line.split()
    if command == "transfer":
        own = ["photo.png", "style.png", "-o", "out.png", "--no-progress", *own]
        own += ["--size", "32", "--steps", "1", "--extractor", "compact"]
    done = run(command, *own)
    assert done.exit_code == 2, done.output
    assert done.output == f"stylekit: {told}\n".format(folder=tmp_path)


def test_an_error_of_stylekit_in_code_of_the_users_tells_in_whose(module, run):
    module("breaks", BREAKS)
    line = ["transfer", "photo.png", "style.png", "-o", "out.png", "--size", 32, "--steps", 1]
    line += ["--extractor", "compact", "--no-progress", "--add-loss", "breaks:heavy"]
    done = run(*line)
    assert done.exit_code == 2, done.output
    told = "stylekit: --add-loss: `weight` of GramStyleLoss is out of range: expected a number of "
    assert done.output == told + "at least 0, received -1. Raised in --add-loss breaks:heavy.\n"


def test_a_defect_of_stylekit_keeps_its_traceback(module, run, monkeypatch):
    module("one_s_losses", LOSS)
    loaded("one_s_losses:Mean", "--style-loss")
    monkeypatch.setattr("stylekit.image.as_image", lambda *_: 1 / 0)
    done = run("segment", "photo.png", "--box", "1,2,30,40", "-o", "mask.png")
    assert isinstance(done.exception, ZeroDivisionError), done.output
