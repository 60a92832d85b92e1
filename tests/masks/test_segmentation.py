import dataclasses

import numpy as np
import pytest

from stylekit._checks import InputError, InputTypeError
from stylekit.masks.segmentation import Segmentation, Segmenter

NAMES = ("background", "cat", "dog", "person")


@pytest.fixture
def labels():
    """Two cats, 200 and 100 pixels, a speck of two; a person; no dog. 40 x 50."""
    values = np.zeros((40, 50), int)
    values[:10, :20] = 1
    values[20:30, :10] = 1
    values[35, 45:47] = 1
    values[10:40, 30:40] = 3
    return values


@pytest.fixture
def scores(labels, rng):
    raw = rng.random((*labels.shape, 4)) + 2 * np.eye(4)[labels]
    return raw / raw.sum(axis=-1, keepdims=True)


def test_masks_are_a_partition(labels):
    seen = Segmentation(labels, NAMES)
    masks = seen.masks()
    assert list(masks) == ["background", "cat", "person"]
    np.testing.assert_array_equal(sum(masks.values()), 1)
    for name, mask in masks.items():
        assert mask.dtype == np.float32
        np.testing.assert_array_equal(mask, labels == NAMES.index(name))


def test_shares_are_sorted_and_sum_to_one(labels):
    shares = Segmentation(labels, NAMES).names_present
    assert shares == {"background": 1398 / 2000, "cat": 302 / 2000, "person": 300 / 2000}
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_several_names_are_a_union(labels):
    seen = Segmentation(labels, NAMES)
    union = seen.mask(["cat", "person"])
    np.testing.assert_array_equal(union, seen.mask("cat") + seen.mask("person"))
    np.testing.assert_array_equal(seen.mask(["dog", "cat"]), seen.mask("cat"))


def test_soft_masks_are_the_scores(labels, scores):
    seen = Segmentation(labels, NAMES, scores)
    np.testing.assert_allclose(seen.mask("cat", soft=True), scores[..., 1], atol=1e-6)
    both = seen.mask(["cat", "person", "cat"], soft=True)
    np.testing.assert_allclose(both, scores[..., 1] + scores[..., 3], atol=1e-6)
    assert both.dtype == np.float32
    np.testing.assert_allclose(seen.masks(soft=True)["person"], scores[..., 3], atol=1e-6)


def test_instances_are_connected_areas_without_specks(labels):
    seen = Segmentation(labels, NAMES)
    cats = seen.instances("cat", min_share=0.01)
    assert [cat.sum() for cat in cats] == [200, 100]
    np.testing.assert_array_equal(seen.largest("cat"), cats[0])
    assert [cat.sum() for cat in seen.instances("cat", min_share=0)] == [200, 100, 2]
    assert [cat.sum() for cat in seen.instances("cat", min_share=0.5)] == [200]


def test_areas_that_touch_by_a_corner_are_one():
    seen = Segmentation(np.eye(4, dtype=int), ("background", "line"))
    assert len(seen.instances("line")) == 1


def test_parts_split_what_touches(labels):
    parts = np.zeros_like(labels)
    parts[10:40, 30:34], parts[10:40, 34:40] = 1, 2
    seen = Segmentation(labels, NAMES, parts=parts)
    people = seen.instances("person")
    assert [person.sum() for person in people] == [180, 120]
    np.testing.assert_array_equal(sum(people), seen.mask("person"))
    assert seen.parts.dtype == np.int32
    # A class without parts falls into its areas.
    assert [cat.sum() for cat in seen.instances("cat")] == [200, 100, 2]
    assert seen.largest("background").sum() == 1398


def test_a_class_that_is_absent_lists_those_present(labels):
    seen = Segmentation(labels, NAMES)
    for ask in (seen.mask, seen.instances, seen.largest):
        with pytest.raises(InputError, match=r"no dog.*background 69.9%, cat 15.1%, person 15.0%"):
            ask("dog")


def test_a_name_that_does_not_exist_gets_the_nearest(labels):
    with pytest.raises(InputError, match=r"Did you mean person\?"):
        Segmentation(labels, NAMES).mask("persn")
    with pytest.raises(InputError, match="`names` must have at least one class"):
        Segmentation(labels, NAMES).mask([])


def test_soft_without_scores_names_the_way_out(labels):
    with pytest.raises(InputError, match=r"masks\.feather"):
        Segmentation(labels, NAMES).mask("cat", soft=True)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"labels": np.zeros((4, 4, 2), int)}, InputError, "two dimensions"),
        ({"labels": np.zeros((0, 4), int)}, InputError, "two dimensions"),
        ({"labels": np.zeros((4, 4))}, InputTypeError, "argmax"),
        ({"labels": np.full((40, 50), 4)}, InputError, "0 to 3 for 4 names.*4 to 4"),
        ({"labels": np.full((40, 50), -1)}, InputError, "must have a name"),
        ({"names": ("a", "b", "c", "a")}, InputError, "a twice"),
        ({"names": ("a", "b", "c", 3)}, InputTypeError, "must be nonempty strings"),
        ({"names": ()}, InputError, "none"),
        ({"names": "abcd"}, InputTypeError, "must be a list"),
        ({"scores": np.zeros((40, 50, 3))}, InputError, r"shape \(40, 50, 4\)"),
        ({"scores": np.full((40, 50, 4), 3.0)}, InputError, "softmax"),
        ({"scores": np.full((40, 50, 4), np.nan)}, InputError, "probabilities"),
        ({"parts": np.zeros((4, 5), int)}, InputError, "must match the labels"),
        ({"parts": np.ones((40, 50), int)}, InputError, "must have one label: part 1"),
    ],
)
def test_what_does_not_fit_is_refused(change, error, match, labels):
    with pytest.raises(error, match=match):
        Segmentation(**({"labels": labels, "names": NAMES} | change))


def test_it_is_frozen_and_briefly_shown(labels):
    seen = Segmentation(labels, list(NAMES))
    assert seen.names == NAMES
    assert repr(seen) == "Segmentation(40x50: background 69.9%, cat 15.1%, person 15.0%)"
    with pytest.raises(dataclasses.FrozenInstanceError):
        seen.names = ()


def test_any_callable_is_a_segmenter(labels):
    def bright(image) -> Segmentation:
        return Segmentation(np.mean(image, axis=-1) > 0.5, ("dark", "bright"))

    segmenter: Segmenter = bright
    picture = np.zeros((4, 6, 3))
    picture[:, 3:] = 1
    assert segmenter(picture).names_present == {"dark": 0.5, "bright": 0.5}


def test_plot_colours_the_classes_and_leaves_the_background_clear(labels):
    seen = Segmentation(labels, NAMES)
    picture = np.full((*labels.shape, 3), 0.25)
    figure = seen.plot(picture)
    drawn = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(drawn[labels == 0], 0.25)
    colors = {tuple(np.round(np.mean(drawn[labels == i], axis=0), 4)) for i in (0, 1, 3)}
    assert len(colors) == 3
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["background 69.9%", "cat 15.1%", "person 15.0%"]
    parts = np.where(labels == 3, 1, 0)
    outlined = Segmentation(labels, NAMES, parts=parts).plot(picture).axes[0].images[0].get_array()
    np.testing.assert_allclose(outlined[10, 30], 1)
    with pytest.raises(InputError, match="wrong size"):
        seen.plot(picture[:-1])
