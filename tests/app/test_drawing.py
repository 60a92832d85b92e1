import time

import numpy as np
import pytest

from stylekit import InputError, InputTypeError
from stylekit.app.drawing import (
    MOST_POINTS,
    MOST_TAPS,
    WIDEST,
    box_mask,
    brush_mask,
    tap_mask,
    tinted,
)


def test_a_box_finds_the_subject_in_it(photo):
    mask = box_mask(photo, [0.2, 0.05, 0.8, 0.95], subject_only=True)
    assert mask[24, 32] > 0.9
    assert mask[3, 3] == 0
    assert 0.15 < mask.mean() < 0.25  # the disc has a fifth of the picture


@pytest.mark.parametrize(
    ("box", "error", "words"),
    [
        ([0.5, 0.5, 0.505, 0.9], InputError, "too small"),
        ([0.9, 0.1, 0.1, 0.9], InputError, "too small"),
        ([-1, 0, 1, 1], InputError, "out of range"),
        ([0, 0, 1], InputTypeError, "4 numbers"),
        ("everything", InputTypeError, "4 numbers"),
        ([0, 0, 1, "1"], InputTypeError, "not a number"),
        ([0, 0, 1, 1], InputError, "some background must be known"),
    ],
)
def test_a_wrong_box(photo, box, error, words):
    with pytest.raises(error, match=words):
        box_mask(photo, box, subject_only=True)


def test_a_plain_box_is_covered_completely(photo):
    mask = box_mask(photo, [0.25, 0.5, 1, 1])
    assert mask[24:, 16:].min() == 1
    assert mask.sum() == 24 * 48
    assert box_mask(photo, [0, 0, 1, 1]).min() == 1


def test_a_tap_finds_the_subject_at_the_point(photo):
    mask = tap_mask(photo, [[0.5, 0.5]])
    assert mask[24, 32] > 0.9
    assert mask[3, 3] == 0
    assert 0.12 < mask.mean() < 0.28  # the disc has a fifth of the picture


@pytest.mark.parametrize(
    ("points", "error", "words"),
    [
        ([], InputTypeError, "no points"),
        ("all", InputTypeError, "no points"),
        ([[0.5]], InputTypeError, "2 numbers"),
        ([[0.5, 2]], InputError, "outside the photo"),
        ([[0.5, 0.5]] * (MOST_TAPS + 1), InputError, "too many points"),
    ],
)
def test_wrong_points(photo, points, error, words):
    with pytest.raises(error, match=words):
        tap_mask(photo, points)


def test_a_stroke_covers_what_it_passes():
    mask = brush_mask((40, 80), [{"radius": 0.05, "points": [[0.25, 0.5], [0.75, 0.5]]}])
    assert mask.shape == (40, 80)
    assert mask[20, 20:60].min() == 1
    assert mask[20, 17] == 1  # round ends
    assert mask[:14].max() == mask[27:].max() == mask[:, :14].max() == 0


def test_a_dot_is_a_disc():
    mask = brush_mask((100, 100), [{"radius": 0.1, "points": [[0.5, 0.5]]}])
    assert abs(mask.sum() - np.pi * 10**2) < 40


def test_strokes_add_up():
    left, right = ({"radius": 0.1, "points": [[x, 0.5]]} for x in (0.2, 0.8))
    both = brush_mask((50, 50), [left, right])
    np.testing.assert_array_equal(
        both, np.maximum(brush_mask((50, 50), [left]), brush_mask((50, 50), [right]))
    )


def test_a_stroke_of_as_many_points_as_may_be_sent_takes_no_longer_than_a_glance(rng):
    points = rng.random((MOST_POINTS, 2)).tolist()
    begun = time.process_time()
    mask = brush_mask((1024, 1024), [{"radius": WIDEST, "points": points}])
    assert time.process_time() - begun < 0.8
    assert mask.mean() == 1


@pytest.mark.parametrize(
    ("strokes", "error", "words"),
    [
        ([], InputError, "empty"),
        ("all", InputTypeError, "a list of strokes"),
        ([[0.5, 0.5]], InputTypeError, "a list of strokes"),
        ([{"radius": 0.1, "points": []}], InputTypeError, "no points"),
        ([{"radius": 0.1}], InputTypeError, "no points"),
        ([{"points": [[0, 0]]}], InputTypeError, "radius"),
        ([{"radius": 0.2, "points": [[0, 0]]}], InputError, "radius"),
        ([{"radius": 0.1, "points": [[0, 2]]}], InputError, "point"),
        ([{"radius": 0.1, "points": [[0, float("nan")]]}], InputError, "point"),
        ([{"radius": 0.1, "points": [[0, "1"]]}], InputTypeError, "2 numbers"),
        ([{"radius": 0.1, "points": [[0, True]]}], InputTypeError, "2 numbers"),
        ([{"radius": 0.1, "points": [[0, 10**999]]}], InputError, "point"),
        ([{"radius": 0.1, "points": [[0]]}], InputTypeError, "2 numbers"),
        ([{"radius": 0.1, "points": [7]}], InputTypeError, "2 numbers"),
        ([{"radius": 0.1, "points": [[0.5, 0.5]] * (MOST_POINTS + 1)}], InputError, "too many"),
    ],
)
def test_wrong_strokes(strokes, error, words):
    with pytest.raises(error, match=words):
        brush_mask((50, 50), strokes)


def test_a_region_is_shown_in_colour_and_the_rest_in_grey(photo):
    mask = np.zeros(photo.shape[:2], np.float32)
    mask[:, 32:] = 1
    seen = tinted(photo, mask)
    assert np.ptp(seen[:, :32], axis=-1).max() < 1e-6
    assert np.ptp(seen[:, 32:], axis=-1).mean() > 0.1
    assert seen.min() >= 0
    assert seen.max() <= 1
