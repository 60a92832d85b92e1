import pytest
from uploading import SMALL

from stylekit import InputError
from stylekit.app.visitors import Visitors


@pytest.fixture
def visitors():
    return Visitors(type(SMALL)(visitors=3))


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_session_has_one_visitor(visitors):
    visitor = visitors.of("abc")
    assert visitors.of("abc") is visitor
    assert visitors.of("abd") is not visitor


@pytest.mark.parametrize("session", [None, 7, "", "a/b", "x" * 65, ["a"], {}])
def test_what_is_no_session(visitors, session):
    with pytest.raises(InputError, match="session is unknown"):
        visitors.of(session)


def test_who_has_no_heartbeat_is_dropped_after_a_while(visitors, clock, photo):
    visitor = visitors.of("forged")
    visitor.take_photo(photo)
    clock[0] += 59
    visitors.sweep()
    assert visitors.of("forged") is visitor  # by which it stays for another minute
    clock[0] += 59
    visitors.sweep()
    assert len(visitors) == 1
    clock[0] += 2
    visitors.sweep()
    assert len(visitors) == 0
    assert visitor.photo is None


def test_a_heartbeat_keeps_a_visitor(visitors, clock):
    with visitors.heartbeat("abc"), visitors.heartbeat("abc"):
        visitor = visitors.of("abc")
        clock[0] += 10_000
    with visitors.heartbeat("abc"):  # opened again
        clock[0] += 10_000
        visitors.sweep()
        assert visitors.of("abc") is visitor
    clock[0] += 59
    visitors.sweep()
    assert len(visitors) == 1
    clock[0] += 2
    visitors.sweep()
    assert len(visitors) == 0


def test_a_run_ends_with_the_last_heartbeat(visitors, monkeypatch):
    visitor, ended = visitors.of("abc"), []
    monkeypatch.setattr(visitor, "stop", lambda: ended.append(True))
    with visitors.heartbeat("abc"):
        with visitors.heartbeat("abc"):
            pass
        assert not ended
    assert ended


def test_the_total_is_bounded_and_nobody_is_pushed_out(visitors):
    first = [visitors.of(name) for name in ("a", "b", "c")]
    with pytest.raises(InputError, match="The page is full"):
        visitors.of("d")
    assert [visitors.of(name) for name in ("a", "b", "c")] == first


def test_no_heartbeat_is_remembered(visitors, clock):
    for number in range(100):
        with visitors.heartbeat(str(number)):
            pass
    clock[0] += 61
    visitors.sweep()
    assert not visitors._heartbeats
    assert not visitors._absent


def test_a_file_is_found_while_its_visitor_is_there(visitors):
    name = visitors.of("abc").files.put("photo", b"content", "image/png")
    visitors.of("abd")
    assert visitors.file(name).content == b"content"
    assert visitors.file("other") is None
    visitors.close()
    assert visitors.file(name) is None
