import base64
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from uploading import FILES, SMALL, encoded, upload

from stylekit.app.answers import Answers
from stylekit.app.visitor import Visitor
from stylekit.masks import Segmentation
from stylekit.transfer import TransferError

SETTINGS = {"weights": [1, 1, 1], "size": 64, "steps": 3, "strength": 0.8, "network": "compact"}


@pytest.fixture
def visitor(answers, photo):
    visitor = Visitor()
    answers.photo(visitor, upload(encoded(photo)))
    answers.style(visitor, 0, upload(encoded(photo[::-1, ::-1])))
    return visitor


def content(url):
    return base64.b64decode(url.split(",")[1])


def test_a_photo_is_shown_with_its_size(answers, photo):
    visitor = Visitor()
    place, found = answers.photo(visitor, upload(encoded(photo)))
    assert place["note"] == "64 x 48 pixels"
    assert Image.open(io.BytesIO(content(place["show"]))).size == (64, 48)
    assert found == []
    assert visitor.photo.shape == photo.shape


def test_examples_need_no_upload(answers):
    visitor = Visitor()
    answers.photo(visitor, {"example": "rocket"})
    place = answers.style(visitor, 1, {"example": "tissue"})
    assert visitor.photo.shape == (43, 64, 3)
    assert place["note"] == "64 x 64 pixels"
    assert answers.photo(visitor, {"example": "../passwd"})[0]["problem"]


@pytest.mark.parametrize("name", [name for name, (_, words) in FILES.items() if words])
def test_a_hostile_file_is_told_and_what_was_there_stays(answers, visitor, name):
    photo, style = visitor.photo, visitor.styles[0]
    place, _ = answers.photo(visitor, upload(FILES[name][0]))
    assert place["problem"]
    assert FILES[name][1] in place["note"]
    assert place["show"].startswith("data:image/jpeg")
    assert answers.style(visitor, 0, upload(FILES[name][0]))["problem"]
    assert visitor.photo is photo
    assert visitor.styles[0] is style


@pytest.mark.parametrize("sent", [None, [], "x", {"picture": 3}, {"example": ["cat"]}])
def test_what_no_page_sends(answers, sent):
    place, _ = answers.photo(Visitor(), sent)
    assert place["problem"]


def test_a_region(answers, visitor):
    board = answers.region(
        visitor, "brush", {"strokes": [{"radius": 0.15, "points": [[0.5, 0.5]]}]}
    )
    assert board["note"] == f"The region covers {visitor.mask.mean():.0%} of the photo."
    before = board["show"]
    board = answers.region(visitor, "box", {"box": [0.2, 0.05, 0.8, 0.95]})
    assert board["show"] != before
    assert visitor.mask[24, 32] > 0.9
    board = answers.region(visitor, "box", {"box": [0.5, 0.5, 0.5, 0.5]})
    assert board["problem"]
    assert visitor.mask is None
    assert "problem" not in answers.region(visitor, "brush", {})


def test_a_region_needs_a_photo(answers):
    board = answers.region(Visitor(), "box", {"box": [0, 0, 1, 1]})
    assert "There is no photo yet" in board["note"]


def test_a_class(networks, photo):
    def halves(picture):
        labels = np.zeros(picture.shape[:2], np.int32)
        labels[:, picture.shape[1] // 2 :] = 1
        return Segmentation(labels, ["background", "sky"])

    answers, visitor = Answers(networks, SMALL, halves), Visitor()
    _, found = answers.photo(visitor, upload(encoded(photo)))
    assert found == ["sky"]
    assert "covers" in answers.region(visitor, "class", {"class": "sky"})["note"]
    assert answers.region(visitor, "class", {"class": "dog"})["problem"]


def test_painting(answers, visitor):
    states = [
        (dict(one.place), list(one.curve), dict(one.files))
        for one in answers.paint(visitor, **SETTINGS)
    ]
    assert "Preparing" in states[0][0]["note"]
    assert any(place["note"].startswith("Step ") for place, *_ in states[1:-1])
    assert all(not files for *_, files in states[:-1])
    place, curve, files = states[-1]
    assert place["note"].startswith("Done: 3 steps in ")
    assert place["share"] == 1
    assert [index for index, _ in curve] == [0, 1, 2, 3]
    manifest = json.loads(content(files["manifest"]))
    assert manifest["steps"] == 3
    with Image.open(io.BytesIO(content(files["picture"]))) as picture:
        assert picture.size == (64, 48)
        assert json.loads(picture.text["stylekit"]) == manifest


def test_stopping_keeps_the_picture(answers, visitor):
    states = []
    for one in answers.paint(visitor, **SETTINGS | {"steps": 30}):
        visitor.stop()
        states.append(one)
    assert states[-1].place["note"].startswith("Stopped: ")
    assert states[-1].files["picture"]


def test_time_that_is_over(networks, visitor):
    answers = Answers(networks, type(SMALL)(side=64, seconds=1e-3))
    *_, last = answers.paint(visitor, **SETTINGS)
    assert "was over" in last.place["note"]
    assert last.files["picture"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"network": "other"}, "The network is unknown"),
        ({"size": 4096}, "The size is out of range"),
        ({"strength": 2}, "strength is out of range"),
        ({"weights": [0, 0, 0]}, "`style_weights` does not match the styles"),
        ({"keep_colors": "all"}, "all"),
    ],
)
def test_settings_that_no_page_sends(answers, visitor, settings, words):
    *_, last = answers.paint(visitor, **SETTINGS | settings)
    assert last.place["problem"]
    assert words in last.place["note"]
    assert not last.files


def test_a_run_that_breaks_off_names_no_file_of_the_server(answers, visitor, monkeypatch):
    *_, whole = answers.paint(visitor, **SETTINGS)
    result = visitor.job.result
    monkeypatch.setattr(
        "stylekit.app.visitor.stylize",
        lambda *given, **options: (_ for _ in ()).throw(TransferError("in /srv/secret.py", result)),
    )
    *_, last = answers.paint(visitor, **SETTINGS)
    assert last.place["note"] == "The run broke off at step 3. The picture so far is kept."
    assert last.files == whole.files


def test_nothing_stays_in_the_temporary_folder(answers, visitor, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    *_, last = answers.paint(visitor, **SETTINGS)
    assert last.files
    assert list(Path(tmp_path).iterdir()) == []


def test_two_visitors_at_once_do_not_mix(answers, photo):
    visitors = [Visitor(), Visitor()]
    pictures = photo, photo[:, ::-1] * 0.5
    runs = []
    for visitor, picture in zip(visitors, pictures, strict=True):
        answers.photo(visitor, upload(encoded(picture)))
        answers.style(visitor, 0, upload(encoded(picture[::-1])))
        runs.append(answers.paint(visitor, **SETTINGS))
    for _ in zip(*runs, strict=False):  # by turns
        pass
    for run in runs:
        list(run)
    together = [visitor.job.result.image for visitor in visitors]
    for visitor, image in zip(visitors, together, strict=True):
        list(answers.paint(visitor, **SETTINGS))
        np.testing.assert_array_equal(visitor.job.result.image, image)
    assert np.abs(together[0] - together[1]).mean() > 0.05
