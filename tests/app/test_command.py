import importlib
import importlib.util
import socket

import pytest
from typer.testing import CliRunner

from stylekit import cli

module = importlib.import_module("stylekit.cli.commands.page")


def run(*arguments):
    return CliRunner().invoke(cli.app, ["app", *map(str, arguments)])


def test_a_missing_gradio_names_the_command(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = run("--port", 0)
    assert done.exit_code == 2
    assert "Run pip install 'stylekit-nst[app]'" in done.output
    assert len(done.output.strip().splitlines()) == 1


def test_a_port_that_is_taken_is_a_plain_error(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("--port", taken.getsockname()[1])
    assert done.exit_code == 2
    assert "cannot be served at 127.0.0.1" in done.output
    assert "--port" in done.output


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--jobs", 0),
        ("--max-waiting", 0),
        ("--max-runs-each", 0),
        ("--max-visitors", 0),
        ("--max-size", 10),
        ("--max-steps", 0),
        ("--max-seconds", 0),
        ("--max-upload", 0),
        ("--max-pixels", 0),
    ],
)
def test_limits_are_checked_first(monkeypatch, option, value):
    monkeypatch.setattr(module, "load_tensorflow", lambda: pytest.fail("work has begun"))
    done = run(option, value)
    assert done.exit_code == 2
    assert "is out of range" in done.output


def test_who_may_ask_for_the_page(monkeypatch):
    server = pytest.importorskip("stylekit.app.server", reason="the page needs Gradio")
    served = []
    monkeypatch.setattr(server, "application", lambda *given: served.append(given))
    monkeypatch.setattr(server, "serve", lambda *_: None)
    monkeypatch.setattr(server, "warm_up", lambda answers: None)
    hosts = ("--allow-host", "Example.org", "--allow-host", "b.org")
    assert run("--port", 0, *hosts, "--proxy", "10.0.0.1").exit_code == 0
    assert run("--port", 0).exit_code == 0
    (_, _, named, proxy), (_, _, plain, nobody) = served
    assert plain == {"localhost", "127.0.0.1", "::1"}
    assert nobody is None
    assert named == plain | {"Example.org", "b.org"}
    assert proxy == "10.0.0.1"


def test_the_help_tells_the_defaults():
    text = CliRunner().invoke(cli.app, ["app", "--help"]).output
    assert "127.0.0.1" in text
    assert "stylekit app --port" in text
