"""What the page answers to programs that send what no page sends."""

import json
import re

import pytest
from uploading import SMALL, encoded

pytest.importorskip("gradio", reason="the page needs Gradio")

from starlette.testclient import TestClient

from stylekit.app import server
from stylekit.app.answers import Answers
from stylekit.app.server import application

WRONG = [None, [], {}, "x", -1, 1e99, True, [[1]], {"a": "b"}, "x" * 10_000, 10**400]


class Program:
    """A client that calls events by their numbers, as the page's script does."""

    def __init__(self, networks, limits=SMALL):
        self.answers = Answers(networks, limits)
        self.client = TestClient(application(self.answers), raise_server_exceptions=False)
        config = self.client.get("/config").json()
        names = {one["id"]: one["props"].get("elem_id") for one in config["components"]}
        self.events = {
            (names.get(target), event): one["id"]
            for one in config["dependencies"]
            for target, event in one["targets"]
        }
        self.inputs = {one["id"]: len(one["inputs"]) for one in config["dependencies"]}

    def call(self, event, data, told=None, session="abc"):
        body = {"data": data, "event_data": told, "fn_index": event, "session_hash": session}
        content = json.dumps(body)
        headers = {"Content-Type": "application/json"}
        return self.client.post("/gradio_api/run/predict", content=content, headers=headers)

    def do(self, place, event, data=(), told=None, **options):
        answer = self.call(self.events[place, event], list(data), told, **options)
        return answer.json()["data"]


def test_each_network_is_warmed_up(networks, monkeypatch):
    used = []
    monkeypatch.setattr(server, "stylize", lambda *_, extractor, **__: used.append(extractor))
    server.warm_up(Answers(networks, SMALL))
    assert used == [networks["compact"]]


@pytest.fixture(scope="module")
def program(networks):
    return Program(networks)


def test_a_picture_is_sent_and_fetched(program, photo):
    name = program.client.post("/upload", content=encoded(photo)).text
    place, board, _ = program.do("photo", "upload", ["Everywhere"], {"file": name})
    assert place["note"] == "64 x 48 pixels"
    for field in (place, board):
        answer = program.client.get(f"/{field['show']}")
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.content.startswith(b"\xff\xd8")
    assert program.client.get("/pictures/other").status_code == 404


def test_two_sessions_do_not_share_pictures(program):
    program.do("photo", "upload", ["Everywhere"], {"example": "cat"})
    (board,) = program.do("board", "region", ["Box"], {"box": [0, 0, 1, 1]}, session="other")
    assert "There is no photo yet" in board["note"]


@pytest.mark.slow
def test_values_of_the_wrong_kind_end_in_a_plain_message(program):
    program.do("photo", "upload", ["Everywhere"], {"example": "cat"})
    for event, number in program.events.items():
        for wrong in WRONG:
            data = [wrong] * program.inputs[number]
            for told in (
                wrong,
                {"file": wrong, "example": wrong},
                {"box": wrong},
                {"points": wrong},
                ["strokes"],
            ):
                answer = program.call(number, data, told)
                assert answer.status_code == 200, (event, wrong, told)
                assert not re.search(r" at 0x|Traceback|/site-packages|/stylekit", answer.text)
                assert len(answer.text) < 5000


@pytest.mark.parametrize("session", [None, 7, ["a"], "../a", "x" * 1000])
def test_sessions_that_no_page_has(program, session):
    answer = program.call(program.events["paint", "click"], [1] * 12, session=session)
    assert answer.status_code in (400, 422, 500)
    assert len(answer.text) < 2000
    assert " at 0x" not in answer.text


@pytest.mark.parametrize("number", [-1, 999, None, "x", [1]])
def test_events_that_there_are_not(program, number):
    answer = program.call(number, [])
    assert answer.status_code >= 400
    assert not re.search(r" at 0x|Traceback|/site-packages|/stylekit", answer.text)


def test_many_sessions_that_were_made_up_keep_little(networks):
    program = Program(networks, type(SMALL)(side=64, visitors=5))
    for number in range(20):
        answer = program.call(
            program.events["photo", "upload"], ["x" * 900], {"example": "cat"}, f"s{number}"
        )
        assert answer.status_code == (200 if number < 5 else 500)
    assert "The page is full" in answer.json()["error"]
    assert len(program.answers.visitors) == 5
    program.answers.visitors.sweep(0)
    assert len(program.answers.visitors) == 0
    assert program.do("photo", "upload", ["x"], {"example": "cat"})[0]["show"]


def test_uploads_that_nobody_reads_are_bounded(program):
    for _ in range(20):
        assert program.client.post("/upload", content=b"x").status_code == 200
    assert len(program.answers.uploads._files) <= 2  # of one address
    assert program.client.post("/upload", content=bytes(SMALL.upload_bytes + 1)).status_code == 413
