import copy
import dataclasses
import io
import json
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from uploading import FILES, SMALL, encoded, upload

from stylekit.app.answers import Answers
from stylekit.app.visitor import Visitor
from stylekit.masks import Segmentation
from stylekit.recipes import Recipe
from stylekit.transfer import TransferError

SETTINGS = {"weights": [1, 1, 1], "size": 64, "steps": 3, "strength": 0.8, "network": "compact"}


@pytest.fixture
def visitor(answers, photo):
    visitor = Visitor()
    answers.photo(visitor, upload(answers, encoded(photo)))
    answers.style(visitor, 0, upload(answers, encoded(photo[::-1, ::-1])))
    return visitor


def content(visitor, url):
    return visitor.file(url.removeprefix("pictures/")).content


def paint(answers, visitor, **settings):
    """Every state of a run that a browser may see."""
    states = [copy.copy(answers.paint(visitor, "here", **SETTINGS | settings))]
    while states[-1].on:
        time.sleep(0.01)
        painted = answers.look(visitor)
        if painted.fresh:
            states.append(copy.copy(painted))
    return states


def test_a_photo_is_shown_with_its_size(answers, photo):
    visitor = Visitor()
    place, found = answers.photo(visitor, upload(answers, encoded(photo)))
    assert place["note"] == "64 x 48 pixels"
    assert Image.open(io.BytesIO(content(visitor, place["show"]))).size == (64, 48)
    assert found == []
    assert visitor.photo.shape == photo.shape


def test_examples_need_no_upload(answers):
    visitor = Visitor()
    answers.photo(visitor, {"example": "rocket"})
    place = answers.style(visitor, 1, {"example": "ink"})
    assert visitor.photo.shape == (43, 64, 3)
    assert place["note"] == "64 x 64 pixels"
    assert answers.photo(visitor, {"example": "../passwd"})[0]["problem"]


@pytest.mark.parametrize("name", [name for name, (_, words) in FILES.items() if words])
def test_a_hostile_file_is_told_and_what_was_there_stays(answers, visitor, name):
    photo, style = visitor.photo, visitor.styles[0]
    place, _ = answers.photo(visitor, upload(answers, FILES[name][0]))
    assert place["problem"]
    assert FILES[name][1] in place["note"]
    assert content(visitor, place["show"]).startswith(b"\xff\xd8")
    assert answers.style(visitor, 0, upload(answers, FILES[name][0]))["problem"]
    assert visitor.photo is photo
    assert visitor.styles[0] is style


@pytest.mark.parametrize(
    "sent",
    [
        *(None, [], "x", {}, {"file": 3}, {"file": ["a"]}, {"example": ["cat"]}),
        *({"example": {}}, {"example": "x" * 10**6}),
    ],
)
def test_what_no_page_sends(answers, sent):
    place, _ = answers.photo(Visitor(), sent)
    assert place["problem"]
    assert len(place["note"]) < 200


def test_an_upload_is_read_once(answers, photo):
    sent = upload(answers, encoded(photo))
    assert "problem" not in answers.photo(Visitor(), sent)[0]
    assert "send the picture again" in answers.photo(Visitor(), sent)[0]["note"].lower()


def test_no_more_pictures_are_read_at_once_than_memory_holds(answers, monkeypatch):
    monkeypatch.setattr("stylekit.app.answers.PATIENCE", 0.01)
    with answers._at_work(), answers._at_work():
        assert "busy" in answers.style(Visitor(), 0, {"example": "ink"})["note"]
    assert "problem" not in answers.style(Visitor(), 0, {"example": "ink"})


def test_a_region(answers, visitor):
    board = answers.region(
        visitor, "brush", {"strokes": [{"radius": 0.15, "points": [[0.5, 0.5]]}]}
    )
    assert board["note"] == f"The region covers {visitor.mask.mean():.0%} of the photo."
    before = board["show"]
    board = answers.region(visitor, "subject", {"box": [0.2, 0.05, 0.8, 0.95]})
    assert board["show"] != before
    assert 0 < visitor.mask.mean() < 0.3
    board = answers.region(visitor, "box", {"box": [0, 0, 0.5, 1]})
    assert board["note"] == "The region covers 50% of the photo."
    board = answers.region(visitor, "tap", {"points": [[0.5, 0.5]]})
    assert board["note"].startswith("Found by its colours. The region covers")
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
    _, found = answers.photo(visitor, upload(answers, encoded(photo)))
    assert found == ["sky"]
    assert "covers" in answers.region(visitor, "class", {"class": "sky"})["note"]
    tapped = answers.region(visitor, "tap", {"points": [[0.9, 0.5]]})
    assert tapped["note"].startswith("Found: sky. The region covers")
    assert visitor.mask[:, 40:].min() > 0.5
    for wrong in ("dog", ["sky"], {"sky": 1}, 7, "x" * 10**6):
        assert answers.region(visitor, "class", {"class": wrong})["problem"]


def test_painting(answers, visitor):
    first, *between, last = paint(answers, visitor)
    assert "Preparing" in first.place["note"]
    assert all(one.place["note"].startswith("Step ") for one in between)
    assert not any(one.files for one in (first, *between))
    assert last.place["note"].startswith("Done: 3 steps in ")
    assert last.place["share"] == 1
    assert [index for index, _ in last.curve] == [0, 1, 2, 3]
    manifest = json.loads(content(visitor, last.files["settings"]))
    assert manifest["steps"] == 3
    with Image.open(io.BytesIO(content(visitor, last.files["picture"]))) as picture:
        assert picture.size == (64, 48)
        assert json.loads(picture.text["stylekit"]) == manifest
    assert visitor.job is None  # whose pictures are no longer needed
    again = answers.look(visitor)
    assert (again.place, again.files) == (last.place, last.files)
    assert not again.fresh


def test_an_error_goes_with_its_cause(networks, photo):
    answers, visitor = Answers(networks, SMALL), Visitor()
    outcome = answers.paint(visitor, "here", **SETTINGS)
    assert outcome.refusal["note"] == "Choose a photo and a style first."
    answers.style(visitor, 0, {"example": "ink"})
    assert answers.review(visitor, **SETTINGS).refusal["note"] == "Choose a photo first."
    answers.photo(visitor, upload(answers, encoded(photo)))
    assert answers.review(visitor, **SETTINGS).refusal == {}


def test_an_error_of_a_run_goes_with_a_change_of_the_settings(answers, visitor):
    last = paint(answers, visitor, strength=2)[-1]
    assert "strength" in last.place["note"]
    assert answers.review(visitor, **SETTINGS).place == {}


@pytest.mark.slow
def test_the_last_results_are_kept_and_one_is_repeated_larger(networks, visitor):
    answers = Answers(networks, SMALL)
    for size in (32, 40, 48, 56, 64):
        outcome = paint(answers, visitor, size=size)[-1]
    assert [one.order.size for one in outcome.results] == [64, 56, 48, 40]
    assert outcome.listed[0]["chosen"]
    for one in outcome.results:
        addresses = *one.files.values(), one.thumbnail, one.place["show"], one.place["before"]
        assert all(visitor.file(url.removeprefix("pictures/")) for url in addresses)
    refused = answers.larger(visitor, "here")
    assert "largest size, 64 pixels" in refused.refusal["note"]
    third = outcome.results[2]
    shown = answers.choose(visitor, third.number)
    assert (shown.place, shown.files) == (third.place, third.files)
    assert answers.choose(visitor, 99).current is third
    assert answers.choose(visitor, [1]).current is third
    begun = answers.larger(visitor, "here")
    assert begun.on
    visitor.photo = None  # what the visitor chooses next does not change the run
    assert visitor.job.result.image.shape == (48, 64, 3)
    newest = answers.look(visitor).results[0]
    assert newest.order.described() == "64 px, 3 steps, strength 0.8, compact"


def test_stopping_keeps_the_picture(answers, visitor):
    answers.paint(visitor, "here", **SETTINGS | {"steps": 30})
    while visitor.job.preview is None:
        time.sleep(0.01)
    assert answers.look(visitor).place["note"].startswith("Step ")
    visitor.stop()
    assert visitor.job.result.stopped_by == "Job"
    last = answers.look(visitor)
    assert last.place["note"].startswith("Stopped: ")
    assert last.files["picture"]


def test_who_waits_is_told_the_place_and_may_give_it_up(answers, visitor, monkeypatch):
    end = threading.Event()
    monkeypatch.setattr(Recipe, "run", lambda *_, **__: end.wait(20))
    other = Visitor()
    other.photo, other.styles = visitor.photo, visitor.styles
    answers.paint(other, "there", **SETTINGS)
    assert "1 run is ahead of yours" in answers.paint(visitor, "here", **SETTINGS).place["note"]
    refused = answers.paint(visitor, "here", **SETTINGS)
    assert "has not ended" in refused.refusal["note"]
    assert refused.on
    visitor.stop()
    assert visitor.job.result is None
    given_up = answers.look(visitor)
    assert given_up.place["note"] == "The run left the queue."
    assert not given_up.on
    assert not given_up.refusal
    assert answers.look(visitor).place["note"] == "The run left the queue."
    end.set()


def test_time_that_is_over(networks, visitor):
    answers = Answers(networks, type(SMALL)(side=64, seconds=1e-3))
    last = paint(answers, visitor)[-1]
    assert "was reached" in last.place["note"]
    assert last.files["picture"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"network": "other"}, "The network is unknown"),
        ({"size": 4096}, "The size is out of range"),
        ({"strength": 2}, "strength is out of range"),
        ({"weights": [0, 0, 0]}, "weights of all styles are 0"),
        ({"keep_colors": "all"}, "all"),
        ({"network": ["compact"]}, "The network is unknown"),
        ({"size": None}, "The size is not a whole number"),
        ({"steps": [3]}, "The number of steps is not a whole number"),
        ({"strength": "much"}, "strength is not a number"),
        ({"strength": 10**400}, "strength is out of range"),
        ({"weights": ["1", 1, 1]}, "is not a number"),
        ({"weights": [{}, 1, 1]}, "is not a number"),
        ({"style_scale": []}, "style_scale"),
        ({"preset": "other"}, "The preset is unknown"),
        ({"preset": ["other"]}, "The preset is unknown"),
    ],
)
def test_settings_that_no_page_sends(answers, visitor, settings, words):
    last = paint(answers, visitor, **settings)[-1]
    told = last.place | last.refusal
    assert told["problem"]
    assert words in told["note"]
    assert not last.files


@pytest.mark.slow
def test_a_run_that_breaks_off_names_no_file_of_the_server(answers, visitor, monkeypatch):
    answers.paint(visitor, "here", **SETTINGS)
    result = visitor.job.result
    answers.look(visitor)
    for error, note, kept in (
        (TransferError("in /srv/a.py", result), "The run failed at step 3. The picture", True),
        (ValueError("<a at 0x7f>"), "The run failed. The log of the server has", False),
    ):
        monkeypatch.setattr(
            Recipe, "run", lambda *_, error=error, **__: (_ for _ in ()).throw(error)
        )
        last = paint(answers, visitor)[-1]
        assert last.place["note"].startswith(note)
        assert bool(last.files) is kept
        assert not last.on


def test_nothing_stays_in_the_temporary_folder(answers, visitor, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert paint(answers, visitor)[-1].files
    assert list(Path(tmp_path).iterdir()) == []


@pytest.mark.slow
def test_two_visitors_at_once_do_not_mix(networks, photo):
    answers = Answers(networks, dataclasses.replace(SMALL, jobs=2))
    visitors = [Visitor(), Visitor()]
    pictures = photo, photo[:, ::-1] * 0.5
    for visitor, picture in zip(visitors, pictures, strict=True):
        answers.photo(visitor, upload(answers, encoded(picture)))
        answers.style(visitor, 0, upload(answers, encoded(picture[::-1])))
    for visitor in visitors:
        answers.paint(visitor, "here", **SETTINGS)
    together = [visitor.job.result.image for visitor in visitors]
    for visitor, image in zip(visitors, together, strict=True):
        answers.look(visitor)
        answers.paint(visitor, "here", **SETTINGS)
        np.testing.assert_array_equal(visitor.job.result.image, image)
    assert np.abs(together[0] - together[1]).mean() > 0.05
