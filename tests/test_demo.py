import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import stylekit as sk
from stylekit import cli
from stylekit.transfer import TransferError

module = importlib.import_module("stylekit.cli.commands.demo")

SMALL = ("--size", "64", "--steps", "2")
NAMES = {
    "astronaut.png",
    "night.png",
    "meadow.png",
    "astronaut_night.png",
    "astronaut_meadow.png",
    "background_night.png",
    "sheet.png",
}


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """Run ``stylekit demo`` small, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return CliRunner().invoke(cli.app, ["demo", *SMALL, "--no-progress", *map(str, arguments)])

    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A demo into a folder that holds an earlier one's picture and a file of the user's."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "night.png").write_text("old")
    (folder / "notes.txt").write_text("mine")
    line = ["demo", *SMALL, "--no-progress", "-o", str(folder)]
    done = CliRunner().invoke(cli.app, line)
    assert done.exit_code == 0, done.output
    return done, folder


def files(folder):
    return {path.name for path in Path(folder).iterdir()}


def test_says_where_the_sheet_is(finished):
    done, folder = finished
    place, _, rest = done.stdout.partition(": ")
    assert Path(place) == folder / "sheet.png"
    assert Path(place).is_file()
    assert rest.startswith("6 pictures in ")
    assert len(done.output.splitlines()) == 1


def test_overwrites_an_earlier_demo_and_nothing_else(finished):
    _, folder = finished
    assert files(folder) == NAMES | {"notes.txt"}
    assert (folder / "notes.txt").read_text() == "mine"


def test_the_sheet_shows_the_pictures(finished):
    _, folder = finished
    sheet = sk.read_image(folder / "sheet.png")
    assert sheet.shape[1] == 4 * 12 + 3 * 64
    for index, name in enumerate(module.LABELS):
        picture = sk.read_image(folder / f"{name}.png")
        assert picture.shape == (64, 64, 3)
        left = 12 + 76 * (index % 3)
        top = 12 + (index // 3) * (len(sheet) - 12) // 2
        np.testing.assert_array_equal(sheet[top : top + 64, left : left + 64], picture, name)


def test_a_painted_picture_holds_its_record(finished):
    _, folder = finished
    with Image.open(folder / "background_night.png") as picture:
        record = json.loads(picture.text["stylekit"])
    assert record["steps"] == 2
    assert "CompactVGG" in json.dumps(record)
    assert record["localized"]["keep"] == "subject"


def test_paints_behind_the_astronaut_and_leaves_her(finished):
    _, folder = finished
    photo, night, behind = (
        sk.read_image(folder / f"{name}.png")
        for name in ("astronaut", "astronaut_night", "background_night")
    )
    _, her = module.subject(64)
    np.testing.assert_allclose(behind[her == 1], photo[her == 1], atol=0.51 / 255)
    assert np.abs(behind - photo)[her < 0.1].mean() > 0.005
    assert np.abs(night - photo)[her == 1].mean() > 0.005


def test_the_mask_is_her_and_not_what_is_beside_her():
    photo, her = module.subject(160)
    assert photo.shape == (160, 160, 3)
    rows, columns = (np.array([0.2, 0.08, 0.75, 0.85]), np.array([0.43, 0.45, 0.3, 0.75]))
    on_her = her[(rows * 160).astype(int), (columns * 160).astype(int)]
    assert on_her.min() > 0.95  # face, hair, suit and helmet
    rows, columns = (np.array([0.1, 0.3, 0.2, 0.58]), np.array([0.08, 0.65, 0.83, 0.9]))
    beside = her[(rows * 160).astype(int), (columns * 160).astype(int)]
    assert beside.max() < 0.05  # flag, wall, shuttle and table


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "file"], "file is a file: expected a folder"),
        (["-o", "no/where"], "make the folder above it first"),
        (["-o", "taken"], "sheet.png is a folder"),
        (["--size", 32], "--size is out of range"),
        (["--steps", -1], "--steps is out of range"),
    ],
)
def test_one_plain_sentence_before_the_work_begins(demo, monkeypatch, arguments, words):
    Path("file").write_text("")
    Path("taken/sheet.png").mkdir(parents=True)
    monkeypatch.setattr(module, "load_tensorflow", lambda: pytest.fail("work has begun"))
    done = demo(*arguments)
    assert done.exit_code == 2, done.output
    assert words.lower() in done.output.lower()
    assert len(done.output.strip().splitlines()) == 1
    assert files(".") == {"file", "taken"}
    assert files("taken") == {"sheet.png"}


def test_ctrl_c_keeps_what_was_done(demo, monkeypatch):
    painted = sk.stylize

    def interrupted(*pictures, **options):
        def press(step):
            raise KeyboardInterrupt

        return painted(*pictures, **options | {"callbacks": [press]})

    monkeypatch.setattr(sk, "stylize", interrupted)
    done = demo()
    assert done.exit_code == 130, done.output
    assert "4 pictures" in done.output
    assert "(interrupted)" in done.output
    assert files("stylekit-demo") == NAMES - {"astronaut_meadow.png", "background_night.png"}


def test_ctrl_c_between_the_runs_keeps_what_was_done(demo, monkeypatch):
    def press(size):
        raise KeyboardInterrupt

    monkeypatch.setattr("stylekit.image.drawn.meadow", press)
    done = demo()
    assert done.exit_code == 130, done.output
    assert files("stylekit-demo") == {"astronaut.png", "night.png", "sheet.png"}


def test_a_run_that_breaks_off_is_a_plain_error(demo, monkeypatch):
    def broken(*pictures, **options):
        raise TransferError("the loss is not finite.", None)

    monkeypatch.setattr(sk, "stylize", broken)
    done = demo()
    assert done.exit_code == 2
    assert done.output.strip() == "stylekit: the loss is not finite."
    assert files("stylekit-demo") == {"astronaut.png", "night.png", "meadow.png"}


@pytest.mark.slow
def test_progress_and_no_connection(tmp_path):
    """In a fresh home: nothing is there that an earlier download has left."""
    code = (
        "import sys\n"
        "def hook(event, args):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'urllib.Request'):\n"
        "        print('OPENED', event, args, file=sys.stderr)\n"
        "sys.addaudithook(hook)\n"
        f"sys.argv = ['bin/stylekit', 'demo', *{SMALL!r}]\n"
        "from stylekit.cli import main\n"
        "main()"
    )
    home = {name: str(tmp_path) for name in ("HOME", "KERAS_HOME", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | home,
    )
    assert done.returncode == 0, done.stderr
    assert "OPENED" not in done.stderr
    assert "64 pixels, 2 steps per picture on " in done.stderr
    assert "painting background_night.png" in done.stderr
    assert "Next, try your own: bin/stylekit transfer photo.jpg stylekit-demo/night" in done.stderr
    assert files(tmp_path / "stylekit-demo") == NAMES
