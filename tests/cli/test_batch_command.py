import csv
import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

import stylekit as sk

MODULE = importlib.import_module("stylekit.cli._options")

# At strength 0 only the content's loss is traced.
QUICK = ("--size", 48, "--strength", 0, "--extractor", "compact", "--style-loss", "gram")
QUICK += ("--style-layers", "conv1_1", "--content-layers", "conv1_1", "--no-progress")
QUICK += ("--plan", "plain")


WARM = """
import stylekit as sk

class Warm(sk.Loss):
    layers = ()

    def compute(self, image, features, targets):
        import tensorflow as tf
        return tf.reduce_mean(1 - image[..., 0], axis=(1, 2))

def cold(photo):
    return Warm()
"""


@pytest.fixture
def batch(run, tmp_path, monkeypatch):
    """Run ``stylekit batch`` small, in a folder with two photographs and two styles."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for name, picture in {"astronaut": data.astronaut(), "cat": data.chelsea()}.items():
        Image.fromarray(picture).resize((48, 40)).save(f"photos/{name}.png")
    for name, picture in {"coffee": data.coffee(), "rocket": data.rocket()}.items():
        Image.fromarray(picture).resize((48, 40)).save(f"{name}.png")
    return lambda *arguments: run("batch", *QUICK, *arguments)


def test_paints_a_folder_and_leaves_it_when_it_is_finished(batch):
    line = ("photos", "coffee.png", "-o", "out", "--strength", 0.6, "--steps", 1)
    done = batch(*line)
    assert done.exit_code == 0, done.output
    assert done.stdout == "out: 2 of 2 pictures; batch.csv, sheet.jpg\n"
    files = {"astronaut-coffee.png", "cat-coffee.png", "batch.csv", "sheet.jpg"}
    assert {path.name for path in Path("out").iterdir()} == files
    with Path("out/batch.csv").open(newline="") as file:
        assert [row["steps"] for row in csv.DictReader(file)] == ["1", "1"]
    again = batch(
        "photos", "coffee.png", "-o", "out", "--strength", 0.6, "--steps", 1, "--no-sheet"
    )
    assert again.exit_code == 0, again.output
    assert again.stdout == "out: 2 of 2 pictures, 2 of them in an earlier run; batch.csv\n"


def test_a_table_with_a_picture_that_is_none(batch):
    Path("photos/broken.jpg").write_text("no picture")
    lines = ["photos/broken.jpg,coffee.png,0.3,1.jpg", "photos/cat.png,rocket.png,,2.jpg"]
    Path("jobs.csv").write_text("\n".join(["content,style,strength,output", *lines]))
    done = batch("jobs.csv", "-o", "out", "--progress")
    assert done.exit_code == 1, done.output
    assert done.stdout == "out: 1 of 2 pictures, 1 failed; batch.csv, sheet.jpg\n"
    assert "2 pictures, 2 contents, 2 styles" in done.stderr
    assert "1.jpg: photos/broken.jpg is not a picture that can be read" in done.stderr
    with Path("out/batch.csv").open(newline="") as file:
        broken, painted = csv.DictReader(file)
    assert "is not a picture that can be read" in broken["error"]
    assert (painted["output"], painted["steps"], painted["error"]) == ("2.jpg", "0", "")


@pytest.fixture
def preset(batch, run):
    """Run a batch of one picture by a preset."""
    Path("warm.py").write_text(WARM)
    line = ("photos/cat.png", "coffee.png", "-o", "out", "--preset", "neural_style_pt")
    line += ("--size", 48, "--steps", 0, "--style-layers", "conv1_1", "--no-progress")
    line += ("--content-layers", "conv1_1", "--extractor", "compact", "--plan", "plain")
    return lambda *arguments: run("batch", *line, *arguments)


@pytest.mark.slow
def test_a_preset_and_a_further_loss_in_every_picture(preset):
    warm = ("--add-loss", "warm.py:Warm")
    assert preset(*warm).exit_code == 0
    manifest = json.loads(Image.open("out/cat-coffee.png").text["stylekit"])
    assert list(manifest["terms"]) == ["content", "gram_style", "total_variation", "warm"]
    assert manifest["start"].startswith("Noise(")
    assert "1 of 1 pictures, 1 of them in an earlier run" in preset(*warm).stdout
    assert "of them in an earlier run" not in preset().stdout


@pytest.mark.parametrize(("options", "pooling"), [((), "average"), (("--pooling", "max"), "max")])
def test_the_network_of_all_pictures_pools_as_the_preset_does(
    batch, run, monkeypatch, options, pooling
):
    given = {}
    done = sk.batch.Batch(Path("out"), [], 0, 0, False)
    monkeypatch.setattr(sk.batch, "run", lambda todo, **kept: given.update(kept) or done)
    Path("vgg19.npz").touch()
    network = ("--extractor", "vgg19", "--weights-file", "vgg19.npz", *options)
    assert run("batch", "photos", "coffee.png", "--preset", "gatys2016", *network).exit_code == 0
    assert given["recipe"] is sk.recipes.presets.gatys2016
    assert given["extractor"].pooling == pooling
    assert not {"strength", "style_loss", "size"} & set(given)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--strength", 0.5), "--preset neural_style_pt cannot be combined with --strength"),
        (
            ("--preset", "luan2017"),
            "--preset luan2017 is for commands with content, content_map, style",
        ),
        (("--add-loss", "warm.py:Cold"), "--add-loss warm.py:Cold: warm.py has no Cold"),
        (("--add-loss", "warm.py:cold"), "--add-loss warm.py:cold has a parameter 'photo' without"),
    ],
)
def test_what_a_preset_or_a_loss_cannot_do_is_one_sentence(preset, arguments, message):
    done = preset(*arguments)
    assert done.exit_code == 2, done.output
    assert done.output.splitlines()[-1].startswith(f"stylekit: {message}")
    assert not Path("out/batch.csv").exists()


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(batch, monkeypatch):
    paint = sk.batch.runner.paint

    def interrupted(job, *arguments):
        if job.content.stem == "cat":
            raise KeyboardInterrupt
        return paint(job, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(sk.batch.runner, "paint", interrupted)
        done = batch("photos", "coffee.png", "-o", "out", "--name", "{index}.png")
    assert done.exit_code == 130, done.output
    assert (
        done.stdout == "out: 1 of 2 pictures (interrupted); run the same command again to resume\n"
    )
    assert {path.name for path in Path("out").iterdir()} == {"1.png", "batch.csv"}
    done = batch("photos", "coffee.png", "-o", "out", "--name", "{index}.png")
    assert (
        done.stdout == "out: 2 of 2 pictures, 1 of them in an earlier run; batch.csv, sheet.jpg\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("empty", "coffee.png"), "CONTENTS: empty has no pictures"),
        (("nowhere", "coffee.png"), "CONTENTS: nowhere does not exist"),
        (("photos", "cofee.png"), "STYLE: cofee.png does not exist"),
        (("photos", "texts/a.png"), "texts/a.png is not a picture that can be read"),
        (("photos",), "STYLE: At least one style is required"),
        (
            ("photos", "photos/cat.png", "-o", "photos"),
            "--out: the results would be mixed with the",
        ),
        (("photos", "coffee.png", "-o", "rocket.png"), "--out: rocket.png is a file: expected a f"),
        (
            ("photos", "coffee.png", "-o", "no/where"),
            "--out: the folder no/where cannot be created",
        ),
        (("photos", "coffee.png", "rocket.png", "--pairs", "lines", "empty"), "empty has no"),
        (("photos", "coffee.png", "--pairs", "lines"), "Set --pairs to all for every content"),
        (("photos", "coffee.png", "rocket.png", "--name", "{content}.png"), "Set --name to a patt"),
        (("photos", "coffee.png", "--name", "{photo}.png"), "the pattern --name has an unknown fi"),
        (("photos", "coffee.png", "--name", "{content}"), "--name: stylekit-batch/astronaut has a"),
        (("photos", "coffee.png", "--bits", "16"), "or set --bits to 8"),
        (("photos", "coffee.png", "--strength", "2"), "--strength is out of range"),
        (("photos", "coffee.png", "--checkpoint-every", "0"), "--checkpoint-every is out of range"),
        (("photos", "coffee.png", "--weights-file", "a.h5"), "but VGG19 is not used"),
    ],
)
def test_what_is_unfit_is_one_sentence_before_tensorflow_loads(
    batch, arguments, message, monkeypatch
):
    Path("empty").mkdir()
    Path("texts").mkdir()
    Path("texts/a.png").write_text("no picture")

    def fail():
        pytest.fail("TensorFlow was loaded")

    monkeypatch.setattr(MODULE, "load_tensorflow", fail)
    done = batch(*arguments)
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert len(done.output.splitlines()) == 1


def test_a_column_that_is_no_option(batch):
    Path("jobs.csv").write_text("content,style,strenght\nphotos/cat.png,coffee.png,0.3\n")
    done = batch("jobs.csv")
    assert done.exit_code == 2
    assert "CONTENTS: unknown job option or table column 'strenght'" in done.output
    assert "Did you mean strength" in done.output


def test_errors_do_not_wait_for_tensorflow(batch):
    code = (
        "import sys; sys.argv = ['stylekit', 'batch', 'photos', 'coffee.png', '--bits', '16']\n"
        "from stylekit.cli import main\n"
        "try: main()\nexcept SystemExit as error: assert error.code == 2\n"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_tile_is_handed_on(batch, monkeypatch):
    given = {}

    def called(todo, **options):
        given.update(options)
        raise sk.InputError("enough")

    monkeypatch.setattr(sk.batch, "run", called)
    assert "enough" in batch("photos", "coffee.png", "-o", "out", "--tile", "x").output
    assert given["tile"] == "x"
    batch("photos", "coffee.png", "-o", "out")
    assert given["tile"] is None


def test_weights_of_another_network(batch):
    np.savez("other.npz", kernel=np.zeros((3, 3, 3, 8), "float32"))
    line = (
        "photos",
        "coffee.png",
        "-o",
        "out",
        "--extractor",
        "vgg19",
        "--style-layers",
        "conv1_1",
    )
    done = batch(*line, "--weights-file", "other.npz")
    assert done.exit_code == 2, done.output
    assert "--weights-file: the weights file" in done.stderr
    assert "other.npz has no convolution block1_conv1" in done.stderr
