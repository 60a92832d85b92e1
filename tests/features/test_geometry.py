import pytest

from stylekit._checks import InputError, InputTypeError
from stylekit.features.geometry import Grid, Window, union


def test_one_number_stands_for_both_sides():
    assert Window(3, 2) == Window((3, 3), (2, 2))
    assert Window((3, 3)).size == 3
    assert Window((1, 15)).along(0) == (1, 1, (0, 0))
    assert Window((1, 15), (2, 1), border=((1, 2), (3, 4))).along(1) == (15, 1, (3, 4))


@pytest.mark.parametrize("given", [{"size": 0}, {"stride": (1, 0)}, {"padding": "causal"}])
def test_a_window_that_is_none(given):
    with pytest.raises(InputError, match="a window's"):
        Window(**given)
    with pytest.raises(InputTypeError, match="a window's size"):
        Window(1.5)


def test_what_is_cropped_must_be_there():
    grid = Grid(20).through(Window(1, border=((-3, -2), (0, 0))), 0)
    assert (grid.cells, grid.before, grid.after, grid.field) == (15, 0, 5, 6)


def test_a_picture_that_is_too_small_has_no_cells_further_on():
    grid = Grid(4).through(Window(7, 1, "valid"), 0)
    assert grid.cells == 0
    assert grid.through(Window(1, border=((9, 9), (9, 9))), 0).cells == 0


def test_a_union_sees_what_any_of_them_sees():
    assert union([Grid(9, 2, 3, -1), Grid(9, 2, 0, 4)]) == Grid(9, 2, 3, 4)
