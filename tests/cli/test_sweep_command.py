import csv
import importlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

import stylekit as sk
from stylekit import cli

MODULE = importlib.import_module("stylekit.cli.commands.sweep")


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """Run ``stylekit sweep`` small, in a folder with a photograph and two styles."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(data.astronaut()).resize((48, 40)).save("photo.png")
    Image.fromarray(data.coffee()).resize((40, 30)).save("coffee.png")
    Image.fromarray(data.rocket()).resize((40, 30)).save("rocket.png")

    def run(*arguments):
        small = ("-o", "tuning", "--size", "48", "--steps", "1", "--extractor", "compact")
        options = ("--no-progress", "--content-layers", "conv2_1", "--style-loss", "gram")
        return CliRunner().invoke(cli.app, ["sweep", *small, *options, *map(str, arguments)])

    return run


def rows(folder):
    return list(csv.DictReader((folder / "tuning" / "sweep.csv").open(encoding="utf-8")))


def test_writes_a_folder(sweep, tmp_path):
    layers = "conv1_1,conv2_1; conv1_1:2, conv2_1"
    options = ("--strength", "0.3, 0.6", "--variation", "4", "--style-layers", layers)
    done = sweep("photo.png", "coffee.png", "rocket.png", *options)
    assert done.exit_code == 0, done.output
    assert "tuning: 8 of 8 pictures" in done.output
    written = {path.name for path in (tmp_path / "tuning").iterdir()}
    assert {"sheet.png", "curve.png", "sweep.csv", "cell-01.png", "cell-08.png"} <= written
    table = rows(tmp_path)
    assert {row["style"] for row in table} == {"coffee", "rocket"}
    assert {row["style_layers"] for row in table} == {"1_1 2_1", "1_1:2 2_1:1"}
    assert {row["variation"] for row in table} == {"4"}
    assert {row["strength"] for row in table} == {"0.3", "0.6"}
    front = [row for row in table if row["pareto"] == "True"]
    for row in front:
        assert f"{row['cell']:>4}: style {float(row['judged_style']):.2f}" in done.output


def test_an_interrupted_sweep_is_saved_and_ends_with_status_130(sweep, monkeypatch):
    empty = SimpleNamespace(cells=[], pareto=[], planned=4, interrupted=True, save=Path)
    monkeypatch.setattr(sk, "sweep", lambda *_, **__: empty)
    done = sweep("photo.png", "coffee.png")
    assert done.exit_code == 130, done.output
    assert done.stdout.endswith("sheet.png (interrupted)\n")


@pytest.mark.slow
def test_without_a_grid_it_goes_through_the_strengths(sweep, tmp_path):
    done = sweep("photo.png", "coffee.png", "--style-layers", "conv1_1", "--seed", 3)
    assert done.exit_code == 0, done.output
    assert [row["strength"] for row in rows(tmp_path)] == ["0.2", "0.4", "0.6", "0.8"]
    assert {row["content_layers"] for row in rows(tmp_path)} == {"2_1"}


@pytest.mark.slow
def test_colours_and_scales(sweep, tmp_path):
    options = ("--strength", 1, "--style-scale", "0.5,2", "--keep-colors", "match")
    done = sweep("photo.png", "coffee.png", "--style-layers", "conv1_1", *options)
    assert done.exit_code == 0, done.output
    assert [row["style_scale"] for row in rows(tmp_path)] == ["0.5", "2"]
    assert '"keep_colors": "match"' in Image.open("tuning/cell-01.png").text["stylekit"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("photo.png", "nowhere.png"), "nowhere.png"),
        (("nowhere.png", "coffee.png"), "nowhere.png"),
        (("photo.png", "coffee.png", "--strength", "0.5,much"), "--strength cannot be read"),
        (("photo.png", "coffee.png", "--strength", "1.5"), "--strength is out of range"),
        (("photo.png", "coffee.png", "--variation", "-1"), "--variation is out of range"),
        (("photo.png", "coffee.png", "--style-scale", "0"), "--style-scale is out of range"),
        (("photo.png", "coffee.png", "--style-layers", "conv1_1:x"), "weight of conv1_1"),
        (("photo.png", "coffee.png", "--size", "-1"), "--size is out of range"),
        (("photo.png", "coffee.png", "--steps", "-1"), "--steps is out of range"),
        (("photo.png", "coffee.png", "--max-cells", "3"), "or raise --max-cells"),
        (("photo.png", "coffee.png", "--weights-file", "w.h5"), "VGG19 is not used"),
        (("photo.png", "coffee.png", "-o", "photo.png"), "photo.png is a file: expected a folder"),
        (("photo.png", "coffee.png", "-o", "no/where"), "no/where cannot be created"),
    ],
)
def test_what_is_unfit_is_one_sentence(sweep, arguments, message, monkeypatch):
    def fail():
        pytest.fail("TensorFlow was loaded")

    monkeypatch.setattr(MODULE, "load_tensorflow", fail)
    done = sweep(*arguments)
    assert done.exit_code == 2
    assert message in done.output
    assert len(done.output.splitlines()) == 1


def test_an_unknown_layer(sweep):
    done = sweep("photo.png", "coffee.png", "--style-layers", "conv7_1")
    assert done.exit_code == 2
    assert "--style-layers has an unknown layer conv7_1" in done.output


def test_errors_do_not_wait_for_tensorflow(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    code = (
        "import sys; sys.argv = ['stylekit', 'sweep', 'a.png', 'a.png', '--strength', "
        "','.join(['0.1'] * 99)]\n"
        "from stylekit.cli import main\n"
        "try: main()\nexcept SystemExit as error: assert error.code == 2\n"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "the grid has 99 cells" in done.stderr


def test_what_a_sweep_is_given(sweep, monkeypatch):
    given = {}

    def called(content, style, grid, **options):
        given.update(options)
        raise sk.InputError("enough")

    monkeypatch.setattr(sk, "sweep", called)
    assert "enough" in sweep("photo.png", "coffee.png", "--tile", "both").output
    assert (given["tile"], given["executor"]) == ("both", None)


def test_two_clusters_are_refused(sweep):
    done = sweep("photo.png", "coffee.png", "--workers", 2, "--dask", "tcp://host:8786")
    assert done.exit_code == 2
    assert "--dask and --workers cannot be combined" in done.stderr


@pytest.mark.slow
def test_processes_of_this_machine_paint(sweep, tmp_path):
    pytest.importorskip("distributed")
    line = ("photo.png", "coffee.png", "--strength", "0.3,0.6", "--style-layers", "conv1_1")
    done = sweep(*line, "--workers", 2)
    assert done.exit_code == 0, done.output
    assert [row["strength"] for row in rows(tmp_path)] == ["0.3", "0.6"]
    assert not any(row["problem"] for row in rows(tmp_path))


def test_weights_of_another_network(sweep):
    np.savez("other.npz", kernel=np.zeros((3, 3, 3, 8), "float32"))
    line = ("photo.png", "coffee.png", "--extractor", "vgg19")
    done = sweep(*line, "--weights-file", "other.npz")
    assert done.exit_code == 2, done.output
    assert "--weights-file: the weights file" in done.stderr
    assert "other.npz has no convolution block1_conv1" in done.stderr
