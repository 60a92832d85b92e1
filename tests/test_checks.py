import pickle

import numpy as np
import pytest

import stylekit as sk
from stylekit import _checks
from stylekit._checks import (
    FileError,
    InputError,
    InputTypeError,
    SetupError,
    StylekitError,
    choice,
    did_you_mean,
    explain,
    fail,
    grid_size,
    integer,
    number,
)
from stylekit.image.write import prepare_folder
from stylekit.masks.segmenters.models import open_network


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (InputError, ValueError),
        (InputTypeError, TypeError),
        (FileError, OSError),
        (SetupError, RuntimeError),
    ],
)
def test_errors_are_ours_and_the_builtin_that_callers_expect(error, builtin):
    assert issubclass(error, StylekitError)
    assert issubclass(error, builtin)


def test_a_message_says_what_is_wrong_expected_received_and_to_do():
    message = explain("the pot is empty", expected="tea", received=0, hint="boil some water")
    assert message == "the pot is empty: expected tea, received 0. Boil some water."


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({}, "it broke."),
        ({"expected": "glue"}, "it broke: expected glue."),
        ({"received": "tape"}, "it broke: received tape."),
        ({"received": None}, "it broke: received None."),
        ({"hint": "buy a new one"}, "it broke. Buy a new one."),
    ],
)
def test_what_is_not_known_is_left_out_of_a_message(facts, message):
    assert explain("it broke", **facts) == message


def test_fail_raises_an_input_error_with_the_message():
    with pytest.raises(InputError, match=r"^it broke: expected glue, received tape\. Try\.$"):
        fail("it broke", expected="glue", received="tape", hint="try")


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int64(2), True + 1])
def test_a_number_becomes_a_float(value):
    result = number(value, "x")
    assert result == 2
    assert type(result) is float


@pytest.mark.parametrize("value", ["2", None, True, np.ones(2), [1], 1j])
def test_what_is_no_number_is_a_type_error_that_names_the_argument(value):
    with pytest.raises(InputTypeError, match=r"^x is not a number: expected a finite number, rec"):
        number(value, "x")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 10**400])
def test_a_number_is_finite(value):
    with pytest.raises(InputError, match=r"x is out of range: expected a finite number, received"):
        number(value, "x")


@pytest.mark.parametrize(
    ("limits", "right", "wrong", "expected"),
    [
        ({"low": 0}, 0, -0.1, "a number of at least 0"),
        ({"low": 0, "open_low": True}, 0.1, 0, "a number above 0"),
        ({"low": 0, "high": 1}, 1, 1.1, "a number from 0 to 1"),
        ({"low": 0, "high": 1, "open_low": True}, 1, 0, "a number above 0 and up to 1"),
        ({"low": 0, "high": 1}, 0, -1, "a number from 0 to 1"),
    ],
)
def test_a_number_lies_in_its_range(limits, right, wrong, expected):
    assert number(right, "x", **limits) == right
    with pytest.raises(InputError, match=f"x is out of range: expected {expected}, rec.* {wrong}"):
        number(wrong, "x", **limits)


@pytest.mark.parametrize("value", [3, np.int32(3), np.uint8(3), np.array(3)])
def test_an_integer_becomes_an_int(value):
    result = integer(value, "n", low=1)
    assert result == 3
    assert type(result) is int


@pytest.mark.parametrize("value", [3.0, "3", None, True, np.float32(3), np.array([3, 4])])
def test_what_is_no_integer_is_a_type_error_that_names_the_argument(value):
    with pytest.raises(InputTypeError, match=r"n is not a whole number: expected .* at least 1, r"):
        integer(value, "n", low=1)


@pytest.mark.parametrize(("value", "high"), [(0, float("inf")), (11, 10), (-5, 10)])
def test_an_integer_lies_in_its_range(value, high):
    with pytest.raises(InputError, match=f"n is out of range.*received {value}"):
        integer(value, "n", low=1, high=high)


@pytest.mark.parametrize(
    ("check", "argument"),
    [
        (lambda: number(2, "strength", high=1), "strength"),
        (lambda: number("a", "strength"), "strength"),
        (lambda: number(2, "the weight of conv1_1", high=1), None),
        (lambda: number("a", "a style weight", argument="style_weights"), "style_weights"),
        (lambda: integer(0, "steps", low=1), "steps"),
        (lambda: integer(0.5, "steps", low=1), "steps"),
        (lambda: integer(0, "the side of a tile", low=1, argument="size"), "size"),
        (lambda: choice("a", "mode", ("b", "c")), "mode"),
        (lambda: choice("a", "the mode", ("b", "c"), argument="mode"), "mode"),
        (lambda: fail("the pot is empty"), None),
        (lambda: fail("the pot is empty", argument="pot"), "pot"),
        (lambda: grid_size({"strength": 3}, 2), "max_cells"),
    ],
)
def test_an_error_carries_the_argument_that_caused_it(check, argument):
    with pytest.raises(StylekitError) as error:
        check()
    assert error.value.argument == argument
    assert pickle.loads(pickle.dumps(error.value)).argument == argument


@pytest.mark.parametrize("error", [InputError, InputTypeError, FileError, SetupError])
def test_an_error_keeps_its_message_and_argument_in_a_pickle(error):
    assert error("no tea").argument is None
    copy = pickle.loads(pickle.dumps(error("no tea", argument="pot")))
    assert (str(copy), copy.argument) == ("no tea", "pot")


def test_a_long_value_is_shortened_in_a_message():
    with pytest.raises(InputTypeError) as error:
        number("a" * 1000, "x")
    assert len(str(error.value)) < 150


def test_a_choice_is_one_of_its_options():
    assert choice("max", "pooling", ("max", "average")) == "max"
    expected = r"pooling is unknown: expected one of 'max', 'average', received 'averge'"
    with pytest.raises(InputError, match=expected + r"\. Did you mean average\?"):
        choice("averge", "pooling", ("max", "average"))
    with pytest.raises(InputError, match=r"received 3\.$"):
        choice(3, "pooling", iter(["max"]))


def test_did_you_mean_names_the_nearest_or_nothing():
    assert did_you_mean("block4_conv3x", ["block1_conv1", "block4_conv3"]).startswith(
        "did you mean block4_conv3"
    )
    assert did_you_mean("zzz", ["block1_conv1"]) == ""


def test_every_error_class_of_the_module_derives_from_the_one_base():
    classes = [
        c
        for c in vars(_checks).values()
        if isinstance(c, type) and c.__module__ == _checks.__name__
    ]
    assert len(classes) == 5
    assert all(issubclass(c, StylekitError) for c in classes)


def test_the_size_of_a_grid():
    assert grid_size({"strength": 4, "seed": 1, "variation": 3}, 12) == 12
    with pytest.raises(InputError) as caught:
        grid_size({"strength": 4, "seed": 1, "variation": 3}, 11, "--max-cells")
    assert str(caught.value) == (
        "the grid has 12 cells: expected at most 11, received 4 of strength times 3 of variation. "
        "Use fewer values, vary one parameter at a time and keep its best value, or raise "
        "--max-cells."
    )
    with pytest.raises(InputError):
        grid_size({}, 0)


@pytest.mark.parametrize("path", [None, 3, b"out.png", np.zeros((2, 2, 3))])
@pytest.mark.parametrize(
    ("function", "argument"),
    [
        (_checks.as_path, "path"),
        (lambda path: _checks.weights_file(path, "weights="), "weights"),
        (sk.CSVLogger, "path"),
        (sk.SaveEvery, "path"),
        (sk.Timelapse, "path"),
        (sk.transfer.Checkpoint, "folder"),
        (prepare_folder, "folder"),
        (open_network, "model"),
    ],
)
def test_what_is_no_path(function, argument, path):
    with pytest.raises(InputTypeError, match=f"`{argument}` is not a path: .*, received") as caught:
        function(path)
    assert caught.value.argument == argument
