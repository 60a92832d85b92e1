"""Where a picture goes if ``--out`` is not given, and what cannot be written."""

from pathlib import Path

import pytest
import typer
from typer.main import get_command

from stylekit import cli
from stylekit._checks import InputError
from stylekit.cli._values import default_out

QUICK = ("--size", 32, "--steps", 0, "--extractor", "compact", "--style-loss", "gram")
QUICK += ("--style-layers", "conv1_1", "--no-progress")


def test_a_name_is_made_of_the_inputs_and_never_that_of_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inputs = Path("photos/cat.jpg"), Path("/art/starry.night.jpg")
    assert default_out(*inputs) == Path("cat-starry.night.png")
    Path("cat-starry.night.png").touch()
    Path("cat-starry.night-2.png").symlink_to("nowhere")
    assert default_out(*inputs) == Path("cat-starry.night-3.png")
    assert default_out(*inputs, suffix=".tif") == Path("cat-starry.night.tif")
    Path(default_out(*[Path("a" * 255)] * 9)).touch()  # a name that the system takes


MAPS = ("photo.jpg", "photo_map.png", "starry.jpg", "starry_map.png")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (("transfer", "photo.jpg", "starry.jpg", "wave.jpg"), "photo-starry-wave.png"),
        (("localized", "photo.jpg", "starry.jpg", "--mask", "me.png"), "photo-starry.png"),
        (("gradient-mask", "photo.jpg", "starry.jpg", "wave.jpg"), "photo-starry-wave.png"),
        (("regions", *MAPS), "photo-starry.png"),
        (("doodle", "doodle.png", "starry.jpg", "starry_map.png"), "doodle-starry.png"),
        (("patches", "photo.jpg", "starry.jpg", "--bits", 16), "photo-starry.tif"),
        (("photoreal", "photo.jpg", "dusk.jpg"), "photo-dusk.png"),
        (("texture", "gravel.jpg"), "gravel-texture.png"),
    ],
    ids=lambda one: one[0],
)
def test_every_command_has_a_name(line, name, pictures, run, monkeypatch):
    chosen = []

    def check(out, read, bits):
        chosen.append((out, bits))
        raise InputError("That is enough.")

    monkeypatch.setattr("stylekit.cli._options.check_out", check)
    assert run(*line).output == "stylekit: That is enough.\n"
    assert chosen == [(Path(name), 16 if name.endswith(".tif") else 8)]


def test_a_picture_is_written_beside_the_one_before(pictures, run):
    Path("gravel-texture.tif").touch()
    done = run("texture", "gravel.jpg", *QUICK, "--bits", 16)
    assert done.stdout.startswith("gravel-texture-2.tif: 0 steps"), done.output
    assert Path("gravel-texture-2.tif").is_file()


def test_a_portrait(pictures, run):
    for out in ("photo-portrait.png", "photo-portrait-2.png"):
        done = run("portrait", "photo.jpg", "--mask", "me.png")
        assert done.stdout == f"{out}\n"
        assert Path(out).is_file()


def test_only_a_video_a_network_and_weights_need_a_name():
    commands = get_command(cli.app).commands
    needed = {name for name, one in commands.items() if any(map(_is_required_out, one.params))}
    assert needed == {"video", "train-style", "convert-weights"}


def _is_required_out(parameter: typer.CallbackParam) -> bool:
    return parameter.name == "out" and parameter.required


@pytest.mark.parametrize("name", ["out.gif", "out.mp4", "OUT.GIF"])
def test_an_animation_is_what_timelapse_writes(name, pictures, run):
    done = run("transfer", "photo.jpg", "starry.jpg", "-o", name)
    assert done.exit_code == 2
    assert done.output == (
        f"stylekit: --out {name} is not a picture format: expected .png, .jpg, .webp, .avif or "
        f".tif, received {Path(name).suffix}. To write the run as an animation, give --timelapse "
        f"{name}.\n"
    )
    done = run("portrait", "photo.jpg", "--mask", "me.png", "-o", name)  # which has no run
    assert done.exit_code == 2
    assert "--timelapse" not in done.output
