"""``stylekit evaluate``: the table on the screen, and in files."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from skimage import data

import stylekit as sk
from stylekit import metrics

PICTURES = ("--content", "photo.png", "--style", "style.png")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(data.astronaut()).resize((40, 32)).save("photo.png")
    Image.fromarray(data.coffee()).resize((48, 36)).save("style.png")
    Image.fromarray(data.chelsea()).resize((40, 32)).save("out.png")
    Image.fromarray(np.uint8(np.arange(40) < 20) * np.ones((32, 1), np.uint8) * 255).save("m.png")
    return tmp_path


def expected(result="out.png", **options):
    pictures = {"content": "photo.png", "style": "style.png"}
    return metrics.evaluate(result, **pictures, extractor=sk.CompactVGG(), **options)


def test_tables_hold_what_the_library_says(folder, run):
    files = ("--csv", "t.csv", "--json", "t.json")
    done = run("evaluate", "out.png", "photo.png", *PICTURES, "--mask", "m.png", *files)
    assert done.exit_code == 0, done.output
    head, *lines = done.output.splitlines()
    with open("t.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    objects = json.loads((folder / "t.json").read_text("utf-8"))
    for name, line, row, one in zip(("out.png", "photo.png"), lines, rows, objects, strict=True):
        numbers = expected(name, mask="m.png")
        assert list(row) == list(one) == ["result", "network", *numbers]
        assert row["result"] == one["result"] == name
        assert row["network"] == one["network"] == "CompactVGG"
        assert [float(row[key]) for key in numbers] == pytest.approx([*numbers.values()])
        assert [one[key] for key in numbers] == pytest.approx([*numbers.values()])
        assert [float(row[key]) for key in numbers] == [one[key] for key in numbers]
        assert head.split() == ["CompactVGG", *numbers]
        assert line.split() == [name, *(f"{value:.3f}" for value in numbers.values())]
    assert len(head) == len(lines[0]) == len(lines[1])


def test_infinite_seams_are_null_in_json(folder, run):
    Image.new("RGB", (40, 32)).save("photo.png")
    done = run("evaluate", "out.png", *PICTURES, "--mask", "m.png", "--json", "t.json")
    assert done.exit_code == 0, done.output
    assert json.loads((folder / "t.json").read_text("utf-8"))[0]["seam"] is None


def test_the_network_that_judges_is_that_of_the_option(folder, run, monkeypatch):
    monkeypatch.setattr(sk, "VGG19", lambda weights, pooling: sk.features.VGG19(None))
    monkeypatch.setattr(metrics, "evaluate", lambda result, **given: {"near": 0.5})
    (folder / "weights.npz").touch()
    vgg19 = ("--extractor", "vgg19", "--weights-file", "weights.npz")
    done = run("evaluate", "out.png", *PICTURES, *vgg19, "--csv", "t.csv")
    assert done.exit_code == 0, done.output
    assert (folder / "t.csv").read_text("utf-8").splitlines()[1] == "out.png,VGG19,0.5"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("gone.png", *PICTURES), "gone.png"),
        (("out.png", "--content", "gone.png", "--style", "style.png"), "gone.png"),
        (("out.png", "--content", "photo.png"), "--style"),
        (("out.png", *PICTURES, "--mask", "gone.png"), "gone.png"),
        (("out.png", *PICTURES, "--csv", "photo.png"), "ends in .csv. Name it photo.csv."),
        (("out.png", *PICTURES, "--json", "no/t.json"), "expected a folder that exists"),
        (("out.png", *PICTURES, "--weights-file", "w.npz"), "VGG19 is not used"),
    ],
)
def test_what_cannot_be_is_told_before_a_network_loads(line, said, folder, run, monkeypatch):
    monkeypatch.setattr("stylekit.cli.commands.evaluate.load_tensorflow", None)
    done = run("evaluate", *line)
    assert done.exit_code == 2
    assert said in done.output


def test_an_error_names_the_result_that_raised_it(folder, run):
    Image.open("out.png").resize((40, 20)).save("flat.png")
    done = run("evaluate", "out.png", "flat.png", *PICTURES)
    assert done.exit_code == 2
    said = done.output.splitlines()[-1]
    assert said.startswith(
        "stylekit: RESULT must have the aspect ratio of --content: expected 40x32"
    )
    assert said.endswith("Raised by flat.png.")
