import pytest

from stylekit.app.outcome import spoken


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "about 1 s"),
        (7.1, "about 8 s"),
        (41, "about 45 s"),
        (90, "about 90 s"),
        (130, "about 3 min"),
    ],
)
def test_the_remaining_time_in_words(seconds, words):
    assert spoken(seconds) == words
