import pytest

from stylekit import InputError
from stylekit.app.limits import Limits
from stylekit.app.line import Line

LIMITS = Limits(jobs=2, waiting=3, runs_each=2)


def test_a_few_may_run_and_the_others_know_how_many_are_before_them():
    line = Line(LIMITS)
    places = [line.join(str(number)) for number in range(5)]
    assert [place.ahead for place in places] == [0, 0, 1, 2, 3]
    assert places[0].begin()
    places[0].leave()
    assert [place.ahead for place in places] == [0, 0, 0, 1, 2]
    places[3].cancel()
    assert [place.ahead for place in places] == [0, 0, 0, 0, 1]
    assert not places[3].begin()


def test_a_run_that_is_on_keeps_its_place_until_it_ends():
    line = Line(LIMITS)
    place = line.join("a")
    assert place.begin()
    place.cancel()
    assert line.places == [place]
    place.leave()
    place.leave()
    assert line.places == []


def test_the_line_is_bounded():
    line = Line(LIMITS)
    for number in range(5):
        line.join(str(number))
    with pytest.raises(InputError, match="Too many runs are waiting"):
        line.join("5")


def test_nobody_fills_the_line_alone():
    line = Line(LIMITS)
    first, _ = line.join("a"), line.join("a")
    with pytest.raises(InputError, match=r"from your address.*at most 2"):
        line.join("a")
    line.join("b")
    first.leave()
    line.join("a")
