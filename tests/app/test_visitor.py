import dataclasses
import threading
import time

import numpy as np
import pytest
from uploading import SMALL

from stylekit import InputError, InputTypeError
from stylekit.app.line import Line
from stylekit.app.presets import available
from stylekit.app.visitor import Visitor
from stylekit.masks import Segmentation
from stylekit.recipes import Recipe

SETTINGS = {"weights": [1, 1, 1], "size": 64, "steps": 3, "strength": 0.8}


@pytest.fixture
def visitor(photo, rng):
    visitor = Visitor()
    visitor.take_photo(photo)
    visitor.take_style(0, np.float32(rng.random((48, 48, 3))))
    return visitor


def halves(picture):
    labels = np.zeros(picture.shape[:2], np.int32)
    labels[:, picture.shape[1] // 2 :] = 2
    return Segmentation(labels, ["background", "cat", "sky"])


def begin(visitor, networks, limits=SMALL, **settings):
    return visitor.paint(ordered(visitor, networks, limits, **settings), Line(limits), "here")


def ordered(visitor, networks, limits=SMALL, **settings):
    network, most = ("compact", networks["compact"]), (limits.side, limits.steps)
    return visitor.order(network, most, **SETTINGS | settings)


def painted(visitor, networks, limits=SMALL, **settings):
    return begin(visitor, networks, limits, **settings).result


def test_paints(visitor, networks, photo):
    result = painted(visitor, networks)
    assert result.image.shape == (48, 64, 3)
    assert (result.steps, result.stopped_by) == (3, "steps")
    assert np.abs(result.image - photo).mean() > 0.005


@pytest.mark.slow
def test_the_side_of_the_region_is_painted_alone(visitor, networks, photo):
    visitor.mask = np.zeros(photo.shape[:2], np.float32)
    visitor.mask[:, 32:] = 1
    for side, kept, changed in (
        ("inside", np.s_[:, :32], np.s_[:, 32:]),
        ("around", np.s_[:, 32:], np.s_[:, :32]),
    ):
        image = painted(visitor, networks, side=side).image
        np.testing.assert_array_equal(image[kept], (visitor.photo / np.float32(255))[kept])
        assert np.abs(image - photo)[changed].mean() > 0.005


@pytest.mark.slow
def test_weights_are_those_of_the_places_with_a_style(visitor, networks, rng):
    visitor.take_style(2, np.float32(rng.random((32, 32, 3))))

    def terms(**chosen):
        result = painted(visitor, networks, weights=[0.3, 0.5, 0.9], steps=1, **chosen)
        return result.manifest["terms"].values()

    weights = [t["weight"] for t in terms(style_loss="gram") if t["type"] == "GramStyleLoss"]
    assert weights[1] == pytest.approx(3 * weights[0])
    (both,) = [t for t in terms() if t["type"] == "NeighborStyleLoss"]
    assert both["style_weights"] == pytest.approx([0.25, 0.75])


@pytest.mark.slow
def test_a_run_ends_when_its_time_is_over(visitor, networks):
    brief = type(SMALL)(side=64, seconds=1e-3)
    result = painted(visitor, networks, brief, steps=30)
    assert result.stopped_by == "TimeLimit"
    assert result.steps < 30


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"size": 65}, InputError, r"size is out of range.*from 32 to 64"),
        ({"steps": 31}, InputError, r"number of steps is out of range.*from 1 to 30"),
        ({"steps": "many"}, InputTypeError, "number of steps is not a whole number"),
        ({"side": "inside"}, InputError, "no region yet"),
        ({"side": "there"}, InputError, "side of the region is unknown"),
        ({"weights": [0, 1, 1]}, InputError, "weights of all styles are 0"),
    ],
)
def test_limits_hold_before_the_run(visitor, networks, settings, error, words):
    with pytest.raises(error, match=words):
        begin(visitor, networks, **settings)
    assert visitor.job is None


def test_the_picture_that_is_missing_is_named(visitor, networks):
    photo, visitor.photo = visitor.photo, None
    with pytest.raises(InputError, match=r"^Choose a photo first"):
        begin(visitor, networks)
    visitor.photo, visitor.styles[0] = photo, None
    with pytest.raises(InputError, match=r"^Choose a style first"):
        begin(visitor, networks)
    with pytest.raises(InputError, match=r"^Choose a photo and a style first"):
        begin(Visitor(), networks)


@pytest.mark.slow
def test_a_preset_runs_with_its_own_losses(visitor, networks):
    preset = available(networks)["style-transfer-pytorch"]
    terms = painted(visitor, networks, preset=preset).manifest["terms"].values()
    assert "WassersteinStyleLoss" in {term["type"] for term in terms}


def test_a_preset_refuses_what_it_cannot_do(visitor, networks):
    preset = available(networks)["style-transfer-pytorch"]
    visitor.mask = np.ones(visitor.photo.shape[:2], np.float32)
    with pytest.raises(InputError, match="paints the whole photo"):
        begin(visitor, networks, preset=preset, side="inside")
    visitor.take_style(1, visitor.photo / np.float32(255))
    with pytest.raises(InputError, match="takes one style"):
        begin(visitor, networks, preset=preset)
    other = dataclasses.replace(preset, networks=("VGG19",))
    visitor.styles[1] = None
    with pytest.raises(InputError, match="Choose VGG19 under Network"):
        begin(visitor, networks, preset=other)


@pytest.mark.slow
def test_one_run_a_visitor(visitor, networks):
    job = begin(visitor, networks, steps=30)
    with pytest.raises(InputError, match="has not ended"):
        begin(visitor, networks)
    until_it_runs(job)
    visitor.stop()
    assert job.result.stopped_by == "Job"
    assert painted(visitor, networks).steps == 3


def until_it_runs(job):
    while not job._place._begun:
        time.sleep(0.005)


def test_one_run_a_visitor_whose_requests_come_at_the_same_time(visitor, networks, monkeypatch):
    on, end = threading.Barrier(8), threading.Event()
    monkeypatch.setattr(Recipe, "run", lambda *_, **__: end.wait(20))
    order = ordered(visitor, networks)
    line = Line(type(SMALL)(side=64, steps=30, jobs=8, runs_each=8))
    refused, join = [], line.join
    monkeypatch.setattr(line, "join", lambda address: time.sleep(0.05) or join(address))

    def ask():
        on.wait(20)
        try:
            visitor.paint(order, line, "here")
        except InputError:
            refused.append(True)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(line.places) == 1
    assert len(refused) == 7
    end.set()


def test_classes(photo):
    visitor = Visitor()
    assert visitor.take_photo(photo, halves) == ["sky"]
    mask = visitor.take_class("sky")
    assert mask is visitor.mask
    assert mask.shape == photo.shape[:2]
    assert visitor.classes_at([[0.9, 0.5], [0.8, 0.1]]) == ["sky"]
    assert visitor.classes_at([[0.9, 0.5], [0.1, 0.1]]) == []  # one is in the background
    visitor.take_photo(photo)
    assert visitor.mask is visitor.seen is None
    assert visitor.classes_at([[0.9, 0.5]]) == []
    with pytest.raises(InputError, match="no photo"):
        visitor.take_class("sky")


def test_leaving_forgets_everything_and_ends_the_run(visitor, networks):
    name = visitor.files.put("photo", b"", "")
    job = begin(visitor, networks, steps=30)
    until_it_runs(job)
    visitor.leave()
    assert job.result.stopped_by == "Job"
    assert visitor.photo is visitor.job is visitor.file(name) is None
    assert visitor.styles == [None, None, None]
    with pytest.raises(InputError, match="Choose a photo"):
        begin(visitor, networks)
