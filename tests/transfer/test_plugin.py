import pytest

from stylekit.transfer.plugin import Plugin, described


class Thing(Plugin):
    def __init__(self):
        self.rate, self.count, self.name, self.size = 0.1, 3, "a", (1, 2)
        self.on, self.other = True, None
        self.table, self._own = [1], 2


def test_settings_are_the_plain_public_attributes():
    expected = {"rate": 0.1, "count": 3, "name": "a", "size": (1, 2), "on": True, "other": None}
    assert Thing().get_config() == expected
    assert repr(Thing()) == "Thing(rate=0.1, count=3, name='a', size=(1, 2), on=True, other=None)"


@pytest.mark.parametrize(
    ("value", "expected"),
    [("adam", "str 'adam'"), (3, "int"), (Thing, "the class Thing itself; write Thing(...)")],
)
def test_described(value, expected):
    assert described(value) == expected
