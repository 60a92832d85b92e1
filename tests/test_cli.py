import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

import stylekit as sk
from stylekit import cli
from stylekit._checks import FileError, InputError
from stylekit._defaults import NEIGHBOR_FACTOR
from stylekit.cli.commands.info import bfloat16_flag

LAYERS = ("--style-layers", "conv1_1,conv2_1", "--content-layers", "conv2_1")
# Traced in less time than the defaults, nearest neighbours in four rounds of L-BFGS.
ADAM = ("--optimizer", "adam", "--learning-rate", "0.05")
QUICK = ("--style-loss", "gram", *ADAM)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights of the first two blocks, in a file."""
    model = sk.VGG19(weights=None).model(["block2_conv1"])
    arrays = {}
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            arrays |= {f"{layer.name}/kernel": kernel, f"{layer.name}/bias": bias}
    path = tmp_path_factory.mktemp("weights") / "vgg19.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a photograph, two styles and two masks."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(data.astronaut()).resize((96, 80)).save("photo.jpg")
    Image.fromarray(data.coffee()).resize((64, 48)).save("style.png")
    Image.fromarray(data.chelsea()).resize((60, 60)).save("other.png")
    ramp = np.tile(np.linspace(0, 255, 50, dtype=np.uint8), (40, 1))
    Image.fromarray(ramp).save("ramp.png")
    Image.fromarray(255 - ramp).save("pmar.png")
    left = np.zeros((40, 50), np.uint8)
    left[:, :25] = 255
    Image.fromarray(left).save("left.png")
    return tmp_path


def errors(done):
    """Return the lines of what a command said, but for the network that it took."""
    return [line for line in done.output.splitlines() if not line.startswith("Network: ")]


@pytest.fixture
def transfer(folder, weights):
    """Run ``stylekit transfer`` at small size; an option given again replaces the default."""

    def run(*arguments):
        defaults = (
            "-o",
            "out.png",
            "--size",
            "48",
            "--steps",
            "3",
            "--no-progress",
            *LAYERS,
            *QUICK,
        )
        line = ["transfer", *defaults, "--weights-file", str(weights), *map(str, arguments)]
        return CliRunner().invoke(cli.app, line)

    return run


def test_help_does_not_wait_for_tensorflow():
    code = (
        "import sys; sys.argv = ['stylekit', '--help']\n"
        "from stylekit.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "assert not {'tensorflow', 'keras', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "transfer" in done.stdout


def test_version():
    assert CliRunner().invoke(cli.app, ["--version"]).output == f"stylekit {sk.__version__}\n"


COMMANDS = (
    "transfer",
    "localized",
    "regions",
    "patches",
    "photoreal",
    "doodle",
    "gradient-mask",
    "texture",
    "segment",
    "portrait",
    "sweep",
    "demo",
    "info",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_commands(command):
    done = CliRunner().invoke(cli.app, [command, "--help"])
    assert done.exit_code == 0
    assert f"stylekit {command}" in done.output.partition("Example")[2]


class TestTransfer:
    def test_writes_a_picture_of_the_size(self, transfer):
        done = transfer("photo.jpg", "style.png", "--style-loss", "neighbors")
        assert done.exit_code == 0, done.output
        assert "out.png: 3 steps" in done.output
        with Image.open("out.png") as picture:
            assert picture.size == (48, 40)
            manifest = json.loads(picture.text["stylekit"])
        assert manifest["steps"] == 3
        weight = manifest["terms"]["neighbor_style"]["weight"]
        assert weight == pytest.approx(NEIGHBOR_FACTOR / 2)
        photo, out = sk.read_image("photo.jpg", 48), sk.read_image("out.png")
        assert np.abs(photo - out).mean() > 0.005

    @pytest.mark.parametrize(
        ("arguments", "style_loss", "steps"),
        [
            ((), "neighbors", 50),
            (("--style-loss", "gram"), "gram", 300),
            (("--style-loss", "gram", "--steps", 7), "gram", 7),
            (("--steps", 7), "neighbors", 7),
        ],
    )
    def test_steps_are_those_that_the_loss_needs(
        self, folder, monkeypatch, arguments, style_loss, steps
    ):
        given, made = {}, sk.recipes.basic

        def basic(*pictures, **options):
            given.update(options)
            return made(*pictures, **options)

        def run(self, steps, **options):
            given["steps"] = self.steps if steps is None else steps
            raise InputError("That is enough.")

        monkeypatch.setattr(sk.recipes, "basic", basic)
        monkeypatch.setattr(sk.Recipe, "run", run)
        line = ["transfer", "photo.jpg", "style.png", "-o", "out.png"]
        line += ["--extractor", "compact", *map(str, arguments)]
        assert "That is enough." in CliRunner().invoke(cli.app, line).output
        assert (given["style_loss"], given["steps"]) == (style_loss, steps)

    def test_an_unknown_style_loss(self, transfer):
        done = transfer("photo.jpg", "style.png", "--style-loss", "magic")
        assert done.exit_code == 2
        assert "--style-loss" in done.output
        assert not os.path.exists("out.png")

    @pytest.mark.parametrize("style_loss", ["neighbors", "gram"])
    def test_is_what_stylize_gives(self, transfer, weights, style_loss):
        line = ("photo.jpg", "style.png", "--strength", 0.7, "--seed", 3, "--out", "a.tif")
        transfer(*line, "--style-loss", style_loss)
        result = sk.stylize(
            "photo.jpg",
            "style.png",
            strength=0.7,
            size=48,
            steps=3,
            style_loss=style_loss,
            style_layers=("conv1_1", "conv2_1"),
            content_layers=("conv2_1",),
            extractor=sk.VGG19(weights),
            optimizer=keras.optimizers.Adam(0.05),
            seed=3,
        )
        np.testing.assert_allclose(sk.read_image("a.tif"), result.image, atol=0.51 / 255)

    @pytest.mark.parametrize("start", ["noise", "style", "mix", "other.png"])
    def test_starts(self, transfer, start):
        Image.open("photo.jpg").resize((96, 80)).rotate(180).save("other.png")
        done = transfer("photo.jpg", "style.png", "--init", start, "--steps", 0)
        assert done.exit_code == 0, done.output
        photo, out = sk.read_image("photo.jpg", 48), sk.read_image("out.png")
        assert out.shape == photo.shape
        assert np.abs(photo - out).mean() > 0.02

    def test_everything_at_once(self, transfer):
        done = transfer(
            *("photo.jpg", "style.png", "other.png", "--style-weight", 1, "--style-weight", 2),
            *("--mask", "ramp.png", "--mask", "pmar.png", "--pyramid", 2, "--steps", 4),
            *("--optimizer", "adam", "--learning-rate", 0.05, "--pooling", "average"),
            *("--losses-csv", "losses.csv", "--save-every", 2, "--bits", 16, "-o", "out.tif"),
            *("--style-scale", 0.9, "--variation", 1, "--progress", "--precision", "float32"),
            *("--timelapse", "run.gif"),
        )
        assert done.exit_code == 0, done.output
        rows = Path("losses.csv").read_text().splitlines()
        assert rows[0].split(",")[:4] == ["step", "level", "seconds", "total"]
        assert len(rows) == 1 + 5
        assert os.path.exists("out-00002.tif")
        with Image.open("run.gif") as lapse:
            assert lapse.n_frames > 2
            assert lapse.size == (48, 40)
        assert os.path.exists("out.json")

    def test_a_label_of_a_map(self, folder):
        labels = np.zeros((80, 96), np.uint8)
        labels[:, :48] = 15
        Image.fromarray(labels).save("labels.png")
        Image.fromarray(labels * 17).save("mask.png")
        for option in ("--mask", "--style-mask"):
            line = ["transfer", "photo.jpg", "style.png", "-o", "a.png", option, "labels.png"]
            done = CliRunner().invoke(cli.app, line)
            assert done.exit_code == 2
            assert (
                "0, 15. Add :LABEL, the number of one of these labels, to its name." in done.output
            )
        for given, out in (("labels.png:15", "a.png"), ("mask.png", "b.png")):
            line = ["portrait", "photo.jpg", "--mask", given, "-o", out]
            assert CliRunner().invoke(cli.app, line).exit_code == 0
        np.testing.assert_array_equal(sk.read_image("a.png"), sk.read_image("b.png"))

    def test_outside_a_mask_nothing_changes(self, transfer):
        assert transfer("photo.jpg", "style.png", "--mask", "left.png").exit_code == 0
        photo, out = sk.read_image("photo.jpg", 48), sk.read_image("out.png")
        np.testing.assert_allclose(out[:, 25:], photo[:, 25:], atol=0.51 / 255)
        assert np.abs(out[:, :23] - photo[:, :23]).mean() > 0.005

    def test_alpha_and_exif_are_carried_over(self, transfer):
        source = Image.open("photo.jpg").convert("RGB")
        exif = source.getexif()
        exif[0x013B] = "Somebody"
        alpha = Image.linear_gradient("L").resize(source.size)
        source.putalpha(alpha)
        source.save("photo.png", exif=exif)
        assert transfer("photo.png", "style.png").exit_code == 0
        with Image.open("out.png") as out:
            assert out.mode == "RGBA"
            assert out.getexif()[0x013B] == "Somebody"
        assert transfer("photo.png", "style.png", "--no-metadata").exit_code == 0
        with Image.open("out.png") as out:
            assert out.mode == "RGB"
            assert 0x013B not in out.getexif()


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["nope.jpg", "style.png"], "nope.jpg does not exist"),
            (["https://a.org/b.jpg", "style.png"], "CONTENT: https://a.org/b.jpg is a web address"),
            (["photo.jpg", "text.jpg"], "text.jpg is not a picture"),
            (["cut.jpg", "style.png"], "cut.jpg is damaged or truncated"),
            (["one.png", "style.png"], "at least 2 pixels a side"),
            (["photo.jpg", "style.png", "--mask", "black.png"], "mask is empty"),
            (["photo.jpg", "style.png", "--strength", 2], "--strength is out of range"),
            (["photo.jpg", "style.png", "--steps", -1], "--steps is out of range"),
            (["photo.jpg", "style.png", "-o", "nowhere/out.png"], "Create the folder"),
            (["photo.jpg", "style.png", "-o", "out.gif"], ".png"),
            (["photo.jpg", "style.png", "--mask", "left.png:7"], ":LABEL must be a value of mask"),
            (["photo.jpg", "style.png", "--mask", ":7"], ":7 does not exist"),
            (
                ["photo.jpg", "style.png", "--mask", "left.png:255", "-o", "left.png"],
                "--out would overwrite",
            ),
            (["photo.jpg", "style.png", "-o", f"{'a' * 300}.png"], "cannot be written"),
            (["photo.jpg", f"{'a' * 300}.png"], "cannot be read"),
            (["photo.jpg", "style.png", "--init", "a" * 300], "cannot be read"),
            (["photo.jpg", "style.png", "--checkpoint", "a" * 300], "cannot be read"),
            (["photo.jpg", "style.png", "--bits", 16], "TIFF"),
            (["photo.jpg", "style.png", "--init", "nope.png"], "--init"),
            (["photo.jpg", "style.png", "--style-layers", "conv3_9"], "an unknown layer conv3_9"),
            (["photo.jpg", "style.png", "--size", 1], "expected 0, or from 8 to 16384"),
            (["narrow.png", "style.png", "--size", 8], "at least 2 pixels per side"),
            (["photo.jpg", "style.png", "--content-layers", "conv3_1"], "no layer 'conv3_1'"),
            (["photo.jpg", "style.png", "--weights-file", "gone.h5"], "gone.h5"),
            (["photo.jpg", "style.png", "--losses-csv", "nowhere/l.csv"], "nowhere"),
            (
                ["photo.jpg", "style.png", "--style-weight", 1, "--style-weight", 2],
                "expected 1, rec",
            ),
            (["photo.jpg", "style.png", "--variation", -1], "--variation"),
            (["photo.jpg", "style.png", "--timelapse", "run.avi"], ".gif, .webp, .mp4"),
            (["photo.jpg", "style.png", "--timelapse", "nowhere/a.gif"], "a folder that exists"),
        ],
    )
    def test_one_plain_sentence_and_status_2(self, transfer, arguments, words):
        Path("text.jpg").write_text("not a picture")
        Path("cut.jpg").write_bytes(Path("photo.jpg").read_bytes()[:900])
        Image.new("RGB", (1, 1)).save("one.png")
        Image.new("RGB", (64, 4)).save("narrow.png")
        Image.new("L", (9, 9)).save("black.png")
        done = transfer(*arguments)
        assert done.exit_code == 2, done.output
        assert words in done.output
        assert "Traceback" not in done.output
        assert len(errors(done)) == 1
        assert not os.path.exists("out.png")

    def test_a_missing_argument(self, transfer):
        assert transfer("photo.jpg").exit_code == 2

    def test_a_backend_that_is_not_there(self, folder):
        done = subprocess.run(
            [sys.executable, "-m", "stylekit", "info"],
            env=os.environ | {"KERAS_BACKEND": "nonsense"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2
        assert "set it to tensorflow" in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_picture_that_cannot_be_written_in_the_end_is_kept(self, transfer, monkeypatch):
        written = sk.Result.save

        def full(self, path, **options):
            if str(path) == "out.png":
                raise FileError("out.png cannot be written: the disk is full.")
            return written(self, path, **options)

        monkeypatch.setattr(sk.Result, "save", full)
        done = transfer("photo.jpg", "style.png")
        assert done.exit_code == 2
        kept = done.output.split("was written to ")[1].split(" instead")[0]
        assert sk.read_image(kept).shape == (40, 48, 3)

    def test_a_run_that_breaks_off_keeps_its_image(self, transfer, monkeypatch):
        def broken(self, step):
            if step.index == 2:
                raise OSError("the disk is full")

        monkeypatch.setattr(sk.CSVLogger, "__call__", broken)
        done = transfer("photo.jpg", "style.png", "--losses-csv", "l.csv")
        assert done.exit_code == 2
        assert "the disk is full" in done.output
        assert "out.png" in done.output
        assert sk.read_image("out.png").shape == (40, 48, 3)


class TestCheckpoint:
    @pytest.fixture
    def interrupted(self, monkeypatch):
        """Interrupt the run at a step."""

        def at(index):
            class Bar:
                def __call__(self, step):
                    if step.index == index:
                        raise KeyboardInterrupt

            monkeypatch.setattr(sk, "ProgressBar", Bar)

        return at

    @pytest.mark.slow
    @pytest.mark.parametrize("finish", [(), ("--finish", "compact:2")])
    def test_the_same_command_goes_on(self, transfer, interrupted, finish):
        line = ("photo.jpg", "style.png", "--steps", 6, *finish)
        transfer(*line, "-o", "alone.png")
        interrupted(5)
        kept = ("--checkpoint", "kept", "--losses-csv", "losses.csv")
        done = transfer(*line, "--progress", *kept)
        assert done.exit_code == 130, done.output
        assert "(interrupted); run the same command again to resume" in done.output
        assert os.listdir("kept")
        done = transfer(*line, *kept)
        assert "Resuming after step 4 of 6" in done.output
        assert "out.png: 6 steps" in done.output
        out, alone = sk.read_image("out.png"), sk.read_image("alone.png")
        np.testing.assert_array_equal(out, alone)
        assert Path("losses.csv").read_text().count("\n") == 8
        assert not os.listdir("kept")

    def test_it_is_kept_until_the_picture_is_written(self, transfer, monkeypatch):
        save = sk.Result.save
        line = ("photo.jpg", "style.png", "--checkpoint", "kept")
        with monkeypatch.context() as patch:
            patch.setattr(sk.Result, "save", lambda *_, **options: 1 / 0)
            assert isinstance(transfer(*line).exception, ZeroDivisionError)
        assert sk.Result.save is save
        done = transfer(*line)
        assert "Resuming after step 3 of 3" in done.output
        assert "out.png: 3 steps" in done.output
        assert not os.listdir("kept")

    def test_of_another_command(self, transfer, interrupted):
        interrupted(2)
        line = ("photo.jpg", "style.png", "--checkpoint", "kept", "--checkpoint-every", 1)
        transfer(*line, "--progress")
        done = transfer(*line, "--strength", 0.9)
        assert done.exit_code == 2
        assert "belongs to another run" in done.output
        assert "weight" in done.output

    def test_every_no_step_is_refused(self, transfer):
        done = transfer("photo.jpg", "style.png", "--checkpoint-every", 0)
        assert done.exit_code == 2
        assert "--checkpoint-every is out of range" in done.output


@pytest.fixture
def run(folder, weights):
    """Run a painting command at small size; an option given again replaces the default."""
    for name in ("photo.jpg", "style.png"):
        width, height = Image.open(name).size
        color_map = np.zeros((height, width, 3), np.uint8)
        color_map[:, : width // 2] = 255, 0, 0
        Image.fromarray(color_map).save(f"{Path(name).stem}_map.png")
    mask = np.zeros((80, 96), np.uint8)
    mask[:, :48] = 255
    Image.fromarray(mask).save("subject.png")

    def run(command, *arguments):
        defaults = ["-o", "out.png", "--size", "48", "--steps", "2", "--no-progress"]
        defaults += ["--style-layers", "conv1_1,conv2_1", "--weights-file", str(weights), *ADAM]
        if command not in ("doodle", "texture"):
            defaults += ["--content-layers", "conv2_1", "--style-loss", "gram"]
        return CliRunner().invoke(cli.app, [command, *defaults, *map(str, arguments)])

    return run


def change():
    """The change of the left and the right half, away from the border between them."""
    photo, out = sk.read_image("photo.jpg", 48), sk.read_image("out.png")
    moved = np.abs(photo - out)
    return moved[:, :20].mean(), moved[:, 28:].mean()


class TestTechniques:
    @pytest.fixture
    def keep(self, monkeypatch):
        """The options of a checkpoint; in the end one must have been written."""
        written = set()

        def write(self, *run):
            written.add(self.folder.name)

        monkeypatch.setattr("stylekit.transfer.checkpoint.Checkpoint.write", write)
        yield "--checkpoint", "kept", "--checkpoint-every", 1
        assert written == {"kept"}

    def test_localized(self, run, keep):
        done = run("localized", "photo.jpg", "style.png", "--mask", "subject.png", *keep)
        assert done.exit_code == 0, done.output
        assert "out.png: 2 steps" in done.output
        assert change()[0] < 0.51 / 255
        assert change()[1] > 0.005

    def test_localized_in_a_box_the_other_way(self, run):
        done = run(
            *("localized", "photo.jpg", "style.png", "--box", "20,5,70,75", "--keep", "background"),
            *("--method", "revert", "--blend", "paste", "--refine", "guided", "--feather", 1),
        )
        assert done.exit_code == 0, done.output
        found = r"subject: [\d.]+% of the picture, found by its colours; check it with .*stylekit "
        assert re.search(
            found + r"segment photo.jpg --box 20,5,70,75 --plot seen.png\n", done.stderr
        )
        photo, out = sk.read_image("photo.jpg", 48), sk.read_image("out.png")
        moved = np.abs(photo - out).max(axis=-1)
        assert moved[:, :6].max() < 0.51 / 255  # outside of the box and its feather
        assert moved[15:35, 15:30].mean() > 0.005

    def test_regions(self, run, keep):
        done = run(
            *("regions", "photo.jpg", "photo_map.png", "style.png", "style_map.png"),
            *("--color", "#ff0000", *keep),
        )
        assert done.exit_code == 0, done.output
        assert change()[0] > 0.005
        assert change()[1] < 0.51 / 255

    def test_patches(self, run, keep):
        done = run(
            *("patches", "photo.jpg", "style.png", "--patch", 32, *keep),
            *("--content-map", "photo_map.png", "--style-map", "style_map.png"),
        )
        assert done.exit_code == 0, done.output
        assert min(change()) > 0.002

    def test_photoreal(self, run):
        maps = "--content-map", "photo_map.png", "--style-map", "style_map.png"
        line = ("photoreal", "photo.jpg", "style.png", "--restore", "--smoothness", 0.5)
        done = run(*line, *maps, "--keep", "#000000")
        assert done.exit_code == 0, done.output
        assert change()[0] > 0.002
        assert change()[1] < 0.51 / 255

    @pytest.mark.slow
    def test_doodle(self, run, keep):
        line = ("doodle", "photo_map.png", "style.png", "style_map.png", "--size", 64)
        done = run(*line, "--patch-layers", "conv2_1", *keep)
        assert done.exit_code == 0, done.output
        assert sk.read_image("out.png").shape == (53, 64, 3)

    @pytest.mark.slow
    def test_gradient_mask(self, run, keep):
        both = ("gradient-mask", "photo.jpg", "style.png", "other.png")
        for given in (("--angle", 0), ("--mask", "ramp.png"), ("--mask", "ramp.png") * 2):
            more = ("--steps", 0) if "--mask" in given else keep
            done = run(*both, *given, *more)
            assert done.exit_code == 0, done.output
        done = run(*both)
        assert done.exit_code == 2
        assert "--angle" in done.output

    def test_texture(self, run, keep):
        sample = Image.open("style.png").convert("RGBA")
        sample.putalpha(0)
        sample.save("sample.png")
        for given, size in (((), (48, 48)), (("--aspect", 2), (48, 24)), (("--size", 0), (64, 64))):
            done = run("texture", "sample.png", *given, *(("--steps", 0) if given else keep))
            assert done.exit_code == 0, done.output
            with Image.open("out.png") as picture:
                assert (picture.size, picture.mode) == (size, "RGB")
        done = run("texture", "sample.png", "--pyramid", 2, "--steps", 0)
        with Image.open("out.png") as picture:
            assert len(json.loads(picture.text["stylekit"])["levels"]) == 2

    @pytest.mark.parametrize(
        ("arguments", "tile", "size"),
        [
            (("texture", "style.png", "--aspect", 2, "--tileable"), "both", (48, 32)),
            (("transfer", "photo.jpg", "style.png", "--size", 46, "--tile", "x"), "x", (48, 38)),
        ],
    )
    def test_a_picture_that_tiles_has_sides_that_can(self, arguments, tile, size, run):
        done = run(*arguments, "--steps", 0)
        assert done.exit_code == 0, done.output
        with Image.open("out.png") as picture:
            assert picture.size == size
            assert json.loads(picture.text["stylekit"])["tile"] == tile

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["texture", "gone.png"], "gone.png"),
            (["texture", "style.png", "--aspect", 0], "--aspect"),
            (["texture", "style.png", "--tileable", "--tile", "x"], "--tile x cannot be combined"),
            (["texture", "style.png", "--pyramid", 0], "--pyramid is out of range"),
            (["localized", "photo.jpg", "style.png"], "one of --class, --mask and --box"),
            (
                ["localized", "photo.jpg", "style.png", "--box", "1,2,3,4", "--class", "cat"],
                "received --class and --box",
            ),
            (["gradient-mask", "photo.jpg", "style.png", "--angle", 0], "two or more"),
            (
                [
                    *["gradient-mask", "photo.jpg", "style.png", "style.png", "--mask", "left.png"],
                    "--angle",
                    0,
                ],
                "cannot be combined",
            ),
            (["transfer", "photo.jpg", "style.png", "--mask", "other.png"], "aspect ratio"),
            (
                ["localized", "photo.jpg", "style.png", "--mask", "left.png:9"],
                ":LABEL must be a value of",
            ),
            (["localized", "photo.jpg", "style.png", "--box", "1,2,3"], "left,top,right,bottom"),
            (["localized", "photo.jpg", "style.png", "--box", "0,0,500,9"], "box"),
            (["localized", "photo.jpg", "style.png", "--mask", "left.png"], "wrong size"),
            (
                ["localized", "photo.jpg", "style.png", "--class", "cat", "--model", "gone.tflite"],
                "gone.tflite",
            ),
            (
                ["localized", "photo.jpg", "style.png", "--class", "cat", "--model", "style.png"],
                "style.png",
            ),
            (
                ["regions", "photo.jpg", "photo_map.png", "style.png", "photo_map.png"],
                "STYLE_MAP has another size",
            ),
            (
                ["regions", "photo.jpg", "style_map.png", "style.png", "style_map.png"],
                "CONTENT_MAP has another size",
            ),
            (["patches", "photo.jpg", "style.png", "--style-map", "style_map.png"], "both maps"),
            (
                ["photoreal", "photo.jpg", "style.png", "--content-map", "photo_map.png"],
                "both maps",
            ),
            (
                ["patches", "photo.jpg", "style.png", "--patch", 12, "--style-loss", "gram"],
                "--patch is too small",
            ),
            (["doodle", "photo_map.png", "style.png", "nope.png"], "nope.png does not exist"),
        ],
    )
    def test_one_plain_sentence_and_status_2(self, run, arguments, words):
        done = run(*arguments)
        assert done.exit_code == 2, done.output
        assert words in done.output
        assert "Traceback" not in done.output
        assert len(errors(done)) == 1
        assert not os.path.exists("out.png")


class TestMasks:
    def test_segment_writes_the_mask_of_a_box(self, folder):
        line = ["segment", "photo.jpg", "--box", "20,5,70,75", "-o", "mask.png"]
        done = CliRunner().invoke(cli.app, line)
        assert done.exit_code == 0, done.output
        assert "mask.png:" in done.output
        mask = sk.masks.as_mask("mask.png")
        assert mask.shape == (80, 96)
        assert mask[:3].max() == 0

    def test_segment_needs_a_place_for_a_mask(self, folder):
        done = CliRunner().invoke(cli.app, ["segment", "photo.jpg", "--box", "20,5,70,75"])
        assert done.exit_code == 2
        assert "--out" in done.output

    @pytest.mark.parametrize("also", [(), ("-o", "mask.png")])
    def test_segment_plots_the_subject_in_a_box_without_a_network(self, folder, also, monkeypatch):
        command = sys.modules["stylekit.cli.commands.segment"]
        monkeypatch.setattr(command, "segmenter", None)
        monkeypatch.setattr(command, "check_network", None)
        line = ["segment", "photo.jpg", "--box", "20,5,70,75", "--plot", "seen.png", *also]
        Path("seen.png").write_text("old")
        os.link("seen.png", "old.png")
        done = CliRunner().invoke(cli.app, line)
        assert done.exit_code == 0, done.output
        assert Path("old.png").read_text() == "old"  # it was replaced, not written in place
        assert "of the picture" in done.output
        assert os.path.exists("mask.png") == bool(also)
        # The subject has a colour, as a class has.
        assert np.ptp(sk.read_image("seen.png"), axis=-1).max() > 0.5

    def test_segment_lists_the_classes(self, data_dir, tmp_path):
        deeplab = data_dir / "deeplab"
        model = ["--model", str(deeplab / "deeplabv3_257_mv_gpu.tflite")]
        line = ["segment", str(deeplab / "bird_segmentation.bmp"), *model]
        done = CliRunner().invoke(cli.app, [*line, "--plot", str(tmp_path / "seen.png")])
        assert done.exit_code == 0, done.output
        assert "bird" in done.output
        assert (tmp_path / "seen.png").is_file()
        done = CliRunner().invoke(cli.app, [*line, "--class", "cat", "-o", str(tmp_path / "m.png")])
        assert done.exit_code == 2
        assert "bird" in done.output

    def test_a_mask_that_is_given_stays_as_it_is_on_a_large_picture(self, folder):
        photo = Image.open("photo.jpg").resize((1200, 1000))
        photo.save("large.png")
        mask = np.random.default_rng(0).integers(0, 2, (10, 12), np.uint8) * 255
        Image.fromarray(mask).resize((1200, 1000), Image.Resampling.NEAREST).save("blocks.png")
        done = CliRunner().invoke(
            cli.app, ["portrait", "large.png", "--mask", "blocks.png", "-o", "out.png"]
        )
        assert done.exit_code == 0, done.output
        inside = sk.masks.as_mask("blocks.png") == 1
        np.testing.assert_allclose(
            sk.read_image("out.png")[inside], sk.read_image("large.png")[inside], atol=0.51 / 255
        )

    def test_portrait(self, folder):
        done = CliRunner().invoke(
            cli.app, ["portrait", "photo.jpg", "--box", "20,5,70,75", "-o", "out.jpg"]
        )
        assert done.exit_code == 0, done.output
        assert done.stdout == "out.jpg\n"
        assert re.fullmatch(
            r"subject: [\d.]+% .* segment photo.jpg --box 20,5,70,75 --plot seen.png\n",
            done.stderr,
        )
        photo, out = sk.read_image("photo.jpg"), sk.read_image("out.jpg")
        assert (
            np.abs(np.diff(out[:, :10], axis=0)).mean()
            < np.abs(np.diff(photo[:, :10], axis=0)).mean()
        )


@pytest.mark.slow
def test_ctrl_c_keeps_the_image(folder, weights):
    line = [sys.executable, "-m", "stylekit", "transfer", "photo.jpg", "style.png"]
    line += ["-o", "out.png", "--size", "64", "--steps", "100000", "--no-progress", *LAYERS]
    line += ["--weights-file", str(weights), "--losses-csv", "l.csv"]
    process = subprocess.Popen(
        line,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in a shell's background ignores the signal, and so would its children.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.time() + 180  # of a busy machine
    while time.time() < deadline and not (
        os.path.exists("l.csv") and Path("l.csv").read_text().count("\n") > 3
    ):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    try:
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert "interrupted" in output
    assert sk.read_image("out.png").shape == (53, 64, 3)


class TestTheNetwork:
    """Which of them a command takes, on a machine without VGG19's weights and with them."""

    @pytest.fixture
    def paint(self, folder, monkeypatch):
        monkeypatch.delenv("STYLEKIT_WEIGHTS", raising=False)
        monkeypatch.setenv("KERAS_HOME", str(folder))

        def run(*arguments):
            line = ["transfer", "photo.jpg", "style.png", "-o", "out.png", "--size", "48"]
            line += ["--steps", "3", "--no-progress", *QUICK, *map(str, arguments)]
            return CliRunner().invoke(cli.app, line)

        return run

    def used(self):
        with Image.open("out.png") as picture:
            return json.loads(picture.text["stylekit"])

    def test_auto_takes_the_bundled_one_and_says_why(self, paint):
        done = paint()
        assert done.exit_code == 0, done.output
        said = [line for line in done.stderr.splitlines() if line.startswith("Network: ")]
        assert len(said) == 1
        assert "compact" in said[0]
        assert "not on this machine" in said[0]
        assert self.used()["extractor"].startswith("ReflectPadding(CompactVGG(")

    def test_auto_takes_weights_that_are_there(self, paint, weights, monkeypatch):
        done = paint("--weights-file", weights, *LAYERS)
        assert "Network: VGG19 (--weights-file " in done.stderr
        assert self.used()["extractor"].startswith("ReflectPadding(VGG19(")
        monkeypatch.setenv("STYLEKIT_WEIGHTS", str(weights))
        assert "VGG19 (STYLEKIT_WEIGHTS names" in paint(*LAYERS).stderr

    def test_auto_takes_what_keras_has_downloaded(self, paint, folder):
        (folder / "models").mkdir()
        (folder / "models" / "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5").touch()
        assert "VGG19 (its weights are on this machine" in paint().stderr

    def test_weights_that_end_early_name_the_layers_to_give(self, paint, weights):
        done = paint("--weights-file", weights, "--progress")
        assert done.exit_code == 2
        assert errors(done) == [
            "stylekit: --weights-file: the weights of VGG19 end at block2_conv1 and lack the "
            "default layers block4_conv2, block3_conv1, block4_conv1, block5_conv1. Use other "
            "weights, or give --style-layers block1_conv1,block2_conv1 --content-layers "
            "block2_conv1."
        ]

    def test_a_network_that_is_asked_for_is_not_explained(self, paint):
        done = paint("--extractor", "compact")
        assert done.exit_code == 0, done.output
        assert "Network" not in done.output
        assert self.used()["extractor"].startswith("ReflectPadding(CompactVGG(")

    def test_finish(self, paint, weights):
        done = paint(
            *("--extractor", "compact", "--finish", "vgg19:1", "--weights-file", weights),
            *("--style-loss", "gram", *LAYERS),
        )
        assert done.exit_code == 0, done.output
        assert "3 steps" in done.output
        record = self.used()
        assert record["extractor"].startswith("ReflectPadding(VGG19(")
        assert record["before"]["extractor"].startswith("ReflectPadding(CompactVGG(")
        assert record["before"]["levels"][0]["steps"] == 2

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--finish", "vgg19"], ["--finish", "vgg19:50"]),
            (["--finish", "vgg16:1"], ["--finish", "vgg16:1"]),
            (["--finish", "vgg19:4"], ["--finish", "3"]),
            (["--extractor", "compact", "--pooling", "average"], ["--pooling"]),
            (["--extractor", "compact", "--weights-file", "vgg19.h5"], ["VGG19 is not used"]),
        ],
    )
    def test_what_cannot_be_is_told(self, paint, arguments, words):
        done = paint(*arguments)
        assert done.exit_code == 2
        assert all(word in done.stderr for word in words)
        assert "Traceback" not in done.output
        assert not Path("out.png").exists()


class TestThePlan:
    @pytest.mark.parametrize(
        ("given", "plan"),
        [
            ("plain", "Plan()"),
            ("recompute", "Recompute(layer=True)"),
            ("tiles", "Tiles(size=512)"),
            ("tiles:24", "Tiles(size=24)"),
        ],
    )
    def test_it_is_used_and_recorded(self, transfer, given, plan):
        done = transfer("photo.jpg", "style.png", "--plan", given, "--size", 48, "--steps", 1)
        assert done.exit_code == 0, done.output
        with Image.open("out.png") as picture:
            assert json.loads(picture.text["stylekit"])["plan"] == plan

    def test_a_limit_is_kept_or_told(self, transfer):
        def given(limit):
            options = ("--max-memory", limit, "--size", 32, "--steps", 1)
            return transfer("photo.jpg", "style.png", *options)

        done = given("8GB")
        assert done.exit_code == 0, done.output
        with Image.open("out.png") as picture:
            assert json.loads(picture.text["stylekit"])["plan"] == "Plan()"  # the one that fitted
        done = given("1MB")
        assert done.exit_code == 2
        assert "does not fit into the memory limit: expected" in " ".join(done.stderr.split())

    @pytest.mark.parametrize(
        "options", [("--max-memory", "much"), ("--max-memory", "4GB", "--plan", "tiles")]
    )
    def test_a_limit_is_looked_at_before_a_picture_is(self, transfer, options):
        done = transfer("no_such.jpg", "style.png", *options)
        assert done.exit_code == 2
        assert "memory" in done.stderr
        assert "no_such" not in done.stderr

    @pytest.mark.parametrize("given", ["tile", "tiles:", "tiles:0", "tiles:a", "plain:3"])
    def test_one_that_cannot_be_read_is_told(self, transfer, given):
        done = transfer("photo.jpg", "style.png", "--plan", given)
        assert done.exit_code == 2
        assert "--plan" in done.stderr
        assert "Traceback" not in done.output


def test_info(monkeypatch, weights):
    monkeypatch.setenv("STYLEKIT_WEIGHTS", str(weights))
    done = CliRunner().invoke(cli.app, ["info"])
    assert done.exit_code == 0
    for word in ("tensorflow", "keras", "device", str(weights), "present", "compact_vgg.npz"):
        assert word in done.output
    monkeypatch.delenv("STYLEKIT_WEIGHTS")
    monkeypatch.setenv("KERAS_HOME", str(weights.parent))
    assert "not downloaded yet" in CliRunner().invoke(cli.app, ["info"]).output


def test_a_processor_that_multiplies_bfloat16(tmp_path):
    about = tmp_path / "cpuinfo"
    assert bfloat16_flag(about) is None
    for flags, expected in (
        ("fpu avx2", None),
        ("fpu avx512_bf16 avx2", "avx512_bf16"),
        ("avx512_bf16 amx_bf16", "amx_bf16"),
    ):
        about.write_text(f"model name : any\nflags : {flags}\n")
        assert bfloat16_flag(about) == expected
