import numpy as np
import pytest
from uploading import SMALL

from stylekit import InputError, InputTypeError
from stylekit.app.visitor import Visitor
from stylekit.masks import Segmentation

SETTINGS = {"weights": [1, 1, 1], "size": 64, "steps": 3, "strength": 0.8}


@pytest.fixture
def visitor(photo, rng):
    visitor = Visitor()
    visitor.take_photo(photo)
    visitor.styles[0] = np.float32(rng.random((48, 48, 3)))
    return visitor


def halves(picture):
    labels = np.zeros(picture.shape[:2], np.int32)
    labels[:, picture.shape[1] // 2 :] = 2
    return Segmentation(labels, ["background", "cat", "sky"])


def finished(job):
    list(job)
    return job.result


def test_paints(visitor, networks, photo):
    result = finished(visitor.paint(networks["compact"], SMALL, **SETTINGS))
    assert result.image.shape == (48, 64, 3)
    assert (result.steps, result.stopped_by) == (3, "steps")
    assert np.abs(result.image - photo).mean() > 0.005


def test_the_side_of_the_region_is_painted_alone(visitor, networks, photo):
    visitor.mask = np.zeros(photo.shape[:2], np.float32)
    visitor.mask[:, 32:] = 1
    for side, kept, painted in (
        ("inside", np.s_[:, :32], np.s_[:, 32:]),
        ("around", np.s_[:, 32:], np.s_[:, :32]),
    ):
        image = finished(visitor.paint(networks["compact"], SMALL, side=side, **SETTINGS)).image
        np.testing.assert_array_equal(image[kept], photo[kept])
        assert np.abs(image - photo)[painted].mean() > 0.005


def test_weights_are_those_of_the_places_with_a_style(visitor, networks, rng):
    visitor.styles[2] = np.float32(rng.random((32, 32, 3)))
    settings = SETTINGS | {"weights": [1, 0.5, 3], "steps": 1}

    def terms(**chosen):
        job = visitor.paint(networks["compact"], SMALL, **settings, **chosen)
        return finished(job).manifest["terms"].values()

    weights = [t["weight"] for t in terms(style_loss="gram") if t["type"] == "GramStyleLoss"]
    assert weights[1] == pytest.approx(3 * weights[0])
    (both,) = [t for t in terms() if t["type"] == "NeighborStyleLoss"]
    assert both["style_weights"] == pytest.approx([0.25, 0.75])


def test_a_run_ends_when_its_time_is_over(visitor, networks):
    brief = type(SMALL)(side=64, seconds=1e-3)
    result = finished(visitor.paint(networks["compact"], brief, **SETTINGS | {"steps": 30}))
    assert result.stopped_by == "TimeLimit"
    assert result.steps < 30


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"size": 65}, InputError, r"size is out of range.*from 32 to 64"),
        ({"steps": 31}, InputError, r"steps is out of range.*from 1 to 30"),
        ({"steps": "many"}, InputTypeError, "steps is not a whole number"),
        ({"side": "inside"}, InputError, "no region yet"),
        ({"side": "there"}, InputError, "side of the region is unknown"),
    ],
)
def test_limits_hold_before_the_run(visitor, networks, settings, error, words):
    with pytest.raises(error, match=words):
        visitor.paint(networks["compact"], SMALL, **SETTINGS | settings)
    assert visitor.job is None


def test_a_photo_and_a_style_are_needed(visitor, networks):
    visitor.styles[0] = None
    for one in (visitor, Visitor()):
        with pytest.raises(InputError, match="a photo and at least one style"):
            one.paint(networks["compact"], SMALL, **SETTINGS)


def test_one_run_a_visitor(visitor, networks):
    job = visitor.paint(networks["compact"], SMALL, **SETTINGS | {"steps": 30})
    with pytest.raises(InputError, match="still on"):
        visitor.paint(networks["compact"], SMALL, **SETTINGS)
    visitor.stop()
    assert finished(job).stopped_by == "Job"
    assert finished(visitor.paint(networks["compact"], SMALL, **SETTINGS)).steps == 3


def test_classes(photo):
    visitor = Visitor()
    assert visitor.take_photo(photo, halves) == ["sky"]
    mask = visitor.take_class("sky")
    assert mask is visitor.mask
    assert mask.shape == photo.shape[:2]
    visitor.take_photo(photo)
    assert visitor.mask is visitor.seen is None
    with pytest.raises(InputError, match="no photo"):
        visitor.take_class("sky")


def test_leaving_forgets_everything_and_ends_the_run(visitor, networks):
    job = visitor.paint(networks["compact"], SMALL, **SETTINGS | {"steps": 30})
    visitor.leave()
    assert finished(job).stopped_by == "Job"
    assert vars(visitor) == vars(Visitor())
