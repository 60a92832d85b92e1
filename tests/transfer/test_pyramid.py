import dataclasses
import itertools

import pytest

from stylekit._checks import InputError, InputTypeError
from stylekit.transfer import Pyramid


def test_sizes_keep_the_aspect_and_end_at_the_shape():
    levels = Pyramid([64, 100, 200]).levels((150, 200), 30)
    assert [shape for shape, _ in levels] == [(48, 64), (75, 100), (150, 200)]
    assert [steps for _, steps in levels] == [10, 10, 10]


def test_a_strip_keeps_a_pixel():
    assert Pyramid([10, 500]).levels((1, 500), 2)[0][0] == (1, 10)


@pytest.mark.parametrize("steps", [0, 1, 2, 7, 100, 101])
@pytest.mark.parametrize(
    "shares", [None, (1, 1, 1), (4, 2, 1), (0, 0, 1), (1, 0, 0), (0.1, 0.7, 0.2)]
)
def test_every_step_is_given_to_a_level(steps, shares):
    counts = [count for _, count in Pyramid([10, 20, 40], shares).levels((30, 40), steps)]
    assert sum(counts) == steps
    assert min(counts) >= 0


def test_shares_are_followed():
    counts = [count for _, count in Pyramid([10, 20, 40], [6, 3, 1]).levels((40, 40), 200)]
    assert counts == [120, 60, 20]
    assert [count for _, count in Pyramid([10, 40], [0, 2]).levels((40, 40), 7)] == [0, 7]


def test_shares_are_scaled_to_one():
    assert Pyramid([10, 20], [1, 3]).shares == (0.25, 0.75)
    assert Pyramid((10, 20, 30, 40)).shares == (0.25,) * 4


def test_halving():
    pyramid = Pyramid.halving(300, 3)
    assert pyramid.sizes == (75, 150, 300)
    assert pyramid.shares == pytest.approx((4 / 7, 2 / 7, 1 / 7))
    assert Pyramid.halving(512, 1) == Pyramid([512])
    assert Pyramid.halving(513, 2).levels((400, 513), 3)[-1][0] == (400, 513)


@pytest.mark.parametrize("sizes", [[], [20, 10], [0, 10], [-5, 10]])
def test_bad_sizes(sizes):
    with pytest.raises(InputError, match=r"from small to large|at least 1"):
        Pyramid(sizes)


def test_sizes_are_whole_numbers():
    with pytest.raises(InputTypeError, match="pyramid's size"):
        Pyramid([10.5, 20])


@pytest.mark.parametrize("shares", [[1], [1, 1, 1], [0, 0], [-1, 2]])
def test_bad_shares(shares):
    with pytest.raises(InputError, match=r"2 shares, not all zero|at least 0"):
        Pyramid([10, 20], shares)


@pytest.mark.parametrize("levels", [0, -1])
def test_bad_numbers_of_levels(levels):
    with pytest.raises(InputError, match="pyramid's levels"):
        Pyramid.halving(100, levels)


def test_more_levels_than_pixels():
    with pytest.raises(InputError, match=r"pyramid's levels is out of range.*from 1 to 2"):
        Pyramid.halving(2, 4)


def test_the_last_size_is_the_pictures():
    with pytest.raises(InputError, match=r"last size of a pyramid.*expected 50, received 40"):
        Pyramid([20, 40]).levels((30, 50), 10)


def test_a_size_that_is_given_again_is_a_level_of_its_own():
    pyramid = Pyramid([20, 40, 40, 40], [3, 1, 1, 1])
    assert pyramid.sizes == (20, 40, 40, 40)
    shape = (30, 40)
    assert pyramid.levels(shape, 12) == [((15, 20), 6), (shape, 2), (shape, 2), (shape, 2)]


def test_it_is_a_value():
    pyramid = Pyramid([10, 20])
    assert pyramid == Pyramid((10, 20), (1, 1))
    with pytest.raises(dataclasses.FrozenInstanceError):
        pyramid.sizes = (1, 2)


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        (40, (40,)),
        (768, (768,)),
        (769, (384, 769)),
        (1536, (768, 1536)),
        (4096, (512, 1024, 2048, 4096)),
    ],
)
def test_levels_of_a_size(size, sizes):
    pyramid = Pyramid.of(size)
    assert pyramid.sizes == sizes
    assert all(a == pytest.approx(3 * b) for a, b in itertools.pairwise(pyramid.shares))
