import json

import numpy as np
import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

import stylekit as sk
from stylekit import cli

SHALLOW = ("--style-layers", "conv1_1", "--content-layers", "conv1_1", "--extractor", "compact")
SHALLOW += ("--style-loss", "gram", "--optimizer", "adam")  # which trace the least


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command at small size in a folder with a photograph and a style."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(data.astronaut()).resize((48, 40)).save("photo.png")
    Image.fromarray(data.coffee()).resize((40, 30)).save("style.png")
    Image.new("L", (48, 40), 255).save("mask.png")
    Image.fromarray(np.tile(np.uint8([[[0, 0, 0]], [[255, 0, 0]]]), (1, 10, 1))).resize(
        (48, 40), Image.Resampling.NEAREST
    ).save("map.png")
    Image.open("map.png").resize((40, 30), Image.Resampling.NEAREST).save("style_map.png")

    def invoke(*arguments):
        small = ("-o", "out.png", "--size", "0", "--steps", "2", "--no-progress", *SHALLOW)
        return CliRunner().invoke(cli.app, [*arguments, *small])

    return invoke


def manifest():
    return json.loads(Image.open("out.png").text["stylekit"])


@pytest.mark.parametrize("way", ["luminance", "palette", "match", "histogram"])
def test_transfer_keeps_colours(run, way):
    done = run("transfer", "photo.png", "style.png", "--keep-colors", way)
    assert done.exit_code == 0, done.output
    assert manifest()["keep_colors"] == way


def test_the_file_has_the_contents_colours(run):
    run("transfer", "photo.png", "style.png", "--keep-colors", "luminance")
    image, photo = sk.read_image("out.png"), sk.read_image("photo.png")
    expected = sk.image.original_colors(image, photo)
    np.testing.assert_allclose(image, expected, rtol=0, atol=2.5 / 255)  # of 8 bits a channel


@pytest.mark.parametrize(
    "command",
    [
        ("localized", "photo.png", "style.png", "--mask", "mask.png", "--keep", "background"),
        ("regions", "photo.png", "map.png", "style.png", "style_map.png"),
        ("gradient-mask", "photo.png", "style.png", "style.png", "--angle", "0"),
    ],
    ids=lambda command: command[0],
)
def test_the_techniques_keep_colours(run, command):
    done = run(*command, "--keep-colors", "match")
    assert done.exit_code == 0, done.output
    assert manifest()["keep_colors"] == "match"


def test_without_the_option_nothing_is_kept(run):
    run("transfer", "photo.png", "style.png")
    assert "keep_colors" not in manifest()


def test_an_unknown_way(run):
    done = run("transfer", "photo.png", "style.png", "--keep-colors", "chroma")
    assert done.exit_code == 2
    assert "expected one of luminance, palette, match, histogram, received chroma" in done.output
