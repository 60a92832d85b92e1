import json

import numpy as np
import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from stylekit import cli

RED, BLUE, GREEN = (255, 0, 0), (0, 0, 255), (0, 255, 0)
COMMANDS = {
    "regions": ("regions", "photo.png", "map.png", "style.png", "style_map.png"),
    "doodle": ("doodle", "map.png", "style.png", "style_map.png"),
}


@pytest.fixture(params=COMMANDS)
def run(request, tmp_path, monkeypatch):
    """Run a command of two maps of red and blue, where the style's has 1 % of green."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(data.astronaut()).resize((40, 40)).save("photo.png")
    Image.fromarray(data.coffee()).resize((40, 40)).save("style.png")
    pixels = np.full((40, 40, 3), RED, np.uint8)
    pixels[20:] = BLUE
    Image.fromarray(pixels).save("map.png")
    pixels[5:9, 5:9] = GREEN
    Image.fromarray(pixels).save("style_map.png")
    shallow = ["--style-layers", "conv1_1", "--extractor", "compact", "--steps", "0", "--size", "0"]
    shallow += ["--optimizer", "adam"]  # traced in less time than L-BFGS
    if request.param == "doodle":
        shallow += ["--patch-layers", "conv1_1"]

    def invoke(*arguments):
        given = [*COMMANDS[request.param], "-o", "out.png", "--no-progress", *shallow]
        return CliRunner().invoke(cli.app, [*given, *arguments])

    return invoke


def manifest():
    return json.loads(Image.open("out.png").text["stylekit"])


def test_a_colour_of_one_map_is_an_error_that_names_the_options(run):
    done = run()
    assert done.exit_code == 2
    assert "#00ff00 is in STYLE_MAP only (1.0% of the map; nearest: " in done.output
    assert "use --merge or --keep, or name the regions to paint with --color" in done.output
    done = run("--merge", "#123456")
    assert "--merge names colours that neither map has: #123456" in done.output
    done = run("--merge", "red", "--keep", "red")
    assert "--keep and --merge both name #ff0000" in done.output
    done = run("--min-share", "0.9")
    assert "Lower --min-share" in done.output


@pytest.mark.parametrize(
    ("options", "key", "told"),
    [
        (
            ("--merge", "#00ff00"),
            "merged",
            "Colours merged with the regions around them:\n  #00ff00: ",
        ),
        (
            ("--min-share", "0.02"),
            "small",
            "Colours too small for a region, merged with the regions around them:\n  #00ff00: ",
        ),
    ],
)
def test_what_is_merged_is_told(run, options, key, told):
    done = run(*options)
    assert done.exit_code == 0, done.output
    assert list(manifest()[key]) == ["#00ff00"]
    assert manifest()[key]["#00ff00"]["style"] == pytest.approx(0.01)
    assert told in done.output
    assert "0.00% of CONTENT_MAP, 1.00% of STYLE_MAP\n" in done.output.replace(
        " MAP,", " CONTENT_MAP,"
    )
    assert ("lower --min-share" in done.output) == (key == "small")


def test_nothing_is_told_where_nothing_was_merged(run):
    Image.open("map.png").save("style_map.png")
    done = run()
    assert done.exit_code == 0, done.output
    assert "Merged" not in done.output


def test_a_share_beyond_its_limits(run):
    done = run("--min-share", "1.5")
    assert done.exit_code == 2
    assert "--min-share is out of range" in done.output
