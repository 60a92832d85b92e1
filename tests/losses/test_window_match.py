import numpy as np
import pytest

from stylekit._checks import InputError, InputTypeError
from stylekit.image import resize
from stylekit.losses.window_match import count_windows, match_windows

RED, BLUE, BLACK = (1, 0, 0), (0, 0, 1), (0, 0, 0)


def flat(color, shape):
    return np.broadcast_to(np.float32(color), (*shape, 3)).copy()


def halves(first, second, shape):
    """A map that is of one colour on the left, of another on the right."""
    result = flat(first, shape)
    result[:, shape[1] // 2 :] = second
    return result


def test_neighbours_overlap_by_the_share_asked_for():
    for overlap in (0.25, 0.5, 0.9):
        for side in (100, 101, 250):
            count = count_windows(side, 100, overlap)
            assert (side - 100) / max(1, count - 1) <= 100 * (1 - overlap) + 1e-9
            assert (
                count == 1 or (side - 100) / max(1, count - 2) > 100 * (1 - overlap) or count == 2
            )


def part(place, free, patch):
    """The pixels (top, left) where a matched window begins."""
    return np.rint(place * (np.array(free) - patch)).astype(int)


def test_a_window_takes_the_part_that_means_the_same():
    content_map = halves(RED, BLUE, (64, 64))
    style_map = halves(BLUE, RED, (48, 96))
    places = match_windows(content_map, style_map, patch=32, overlap=0.5)
    assert places.shape == (3, 3, 2)
    assert ((places >= 0) & (places <= 1)).all()
    for column, color in ((0, RED), (2, BLUE)):
        for place in places[:, column]:
            top, left = part(place, (48, 96), 32)
            np.testing.assert_array_equal(
                style_map[top : top + 32, left : left + 32], flat(color, (32, 32))
            )
    # The middle windows see red on the left and blue on the right, which the style has nowhere:
    # the least wrong is of one colour or the other.
    assert np.isfinite(places).all()


def test_a_window_on_a_border_takes_one_on_the_same_border():
    content_map = style_map = halves(BLACK, (1, 1, 1), (64, 64))
    places = match_windows(content_map, style_map, patch=32, reuse_penalty=0)
    np.testing.assert_allclose(places[:, 1, 1], 0.5)


def test_a_picture_matched_with_itself_stays_in_place(rng):
    picture = resize(rng.random((9, 11, 3)), (90, 110))
    places = match_windows(picture, picture, patch=40, overlap=0.6)
    n, m = places.shape[:2]
    expected = np.stack(
        np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, m), indexing="ij"), axis=-1
    )
    np.testing.assert_allclose(places, expected, atol=1e-9)


@pytest.mark.parametrize("color", [BLACK, (0.5, 0.5, 0.5), (1, 1, 1)])
def test_maps_of_one_colour_match_by_place(color):
    # The patch script divides by a patch's norm: 0/0 where the map is black.
    content_map, style_map = flat(color, (64, 64)), flat(BLACK, (80, 120))
    places = match_windows(content_map, style_map, patch=32, reuse_penalty=0)
    assert np.isfinite(places).all()
    assert (np.diff(places[..., 0], axis=0) >= 0).all()
    assert (np.diff(places[..., 1], axis=1) >= 0).all()
    assert places.min() == 0
    assert places.max() == 1


def test_black_is_a_colour_like_any_other():
    pairs = [(RED, BLUE), (BLACK, BLUE), (RED, BLACK)]
    found = [
        match_windows(halves(a, b, (64, 64)), halves(b, a, (64, 96)), patch=32, reuse_penalty=0)
        for a, b in pairs
    ]
    for places in found[1:]:
        np.testing.assert_array_equal(places[:, [0, 2]], found[0][:, [0, 2]])


def test_the_penalty_on_reuse_spreads_windows():
    maps = flat(RED, (160, 160)), flat(RED, (160, 160))
    options = {"patch": 32, "position_weight": 0}

    def used(penalty):
        return len(np.unique(match_windows(*maps, reuse_penalty=penalty, **options).reshape(-1, 2)))

    assert used(0) <= 2
    assert used(0.05) > 8


def test_however_often_a_part_is_taken_meaning_decides():
    # One blue window in the style, and 81 in the picture that want it.
    style_map = flat(RED, (64, 128))
    style_map[:, 96:] = BLUE
    places = match_windows(flat(BLUE, (160, 160)), style_map, patch=32, reuse_penalty=0.05)
    np.testing.assert_array_equal(places[..., 1], 1)


def test_the_seed_decides_among_equals():
    maps = flat(RED, (96, 96)), flat(RED, (96, 96))
    options = {"patch": 32, "position_weight": 0}
    first, again, other = (match_windows(*maps, seed=s, **options) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"patch": 65}, InputError, "larger than the content picture: expected at most 64 pixels"),
        ({"patch": 50}, InputError, "larger than the style picture: expected at most 48 pixels"),
        ({"patch": 1}, InputError, "patch is out of range"),
        ({"patch": 32.0}, InputTypeError, "patch is not a whole number"),
        ({"overlap": 0}, InputError, r"overlap .*from 0.25 to 0.9"),
        ({"overlap": 1}, InputError, r"overlap .*from 0.25 to 0.9"),
        ({"map_patch": 0}, InputError, "map_patch"),
        ({"map_patch": 33}, InputError, r"map_patch .*from 1 to 32"),
        ({"position_weight": -1}, InputError, "position_weight .*at least 0"),
        ({"reuse_penalty": -1}, InputError, "reuse_penalty .*at least 0"),
        ({"seed": -1}, InputError, "seed"),
    ],
)
def test_unfit_arguments_are_errors(options, error, words):
    with pytest.raises(error, match=words):
        match_windows(flat(RED, (64, 64)), flat(RED, (48, 96)), **({"patch": 32} | options))
