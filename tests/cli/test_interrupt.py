"""Ctrl-C: what was computed is kept, the status is 130, and there is no traceback."""

import os
import signal
import subprocess
import sys
import time

import pytest

import stylekit as sk
from stylekit.cli import _interrupt

LINE = ("transfer", "photo.jpg", "starry.jpg", "-o", "out.png", "--size", "48", "--steps", "4")
LINE += ("--extractor", "compact", "--style-layers", "conv1_1", "--content-layers", "conv1_1")


@pytest.fixture(autouse=True)
def heard():
    """A test run in a shell's background ignores Ctrl-C, and so would its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def press(monkeypatch):
    """Press Ctrl-C after the last step: where a picture is blended, say."""
    run = sk.Recipe.run

    def pressed(self, **options):
        run(self, **options)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(sk.Recipe, "run", pressed)


def test_a_picture_that_is_painted_is_kept_when_what_follows_is_cut_off(pictures, run, press):
    done = run(*LINE, "--no-progress")
    assert done.exit_code == 130, done.output
    assert "out.png: 4 steps" in done.output
    assert "(interrupted)" in done.output
    assert sk.read_image("out.png").shape == (48, 30, 3)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_does_not_lose_the_picture(pictures, run, press, monkeypatch):
    save = sk.Result.save

    def pressed(self, *arguments, **options):
        signal.raise_signal(signal.SIGINT)
        return save(self, *arguments, **options)

    monkeypatch.setattr(sk.Result, "save", pressed)
    done = run(*LINE, "--no-progress")
    assert done.exit_code == 130, done.output
    assert sk.read_image("out.png").shape == (48, 30, 3)


@pytest.mark.parametrize(
    "command", [LINE, ("portrait", "photo.jpg", "-o", "out.png", "--box", "40,10,300,400")]
)
def test_before_there_is_a_picture_it_says_so(command, pictures, run, monkeypatch):
    def read(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("stylekit.image.as_image", read)
    done = run(*command)
    assert done.exit_code == 130
    assert done.output == "stylekit: interrupted before there was a picture to keep.\n"


def test_while_tensorflow_loads_the_process_ends_at_once():
    """And its handler is there only as long."""
    code = (
        "import signal\n"
        "from stylekit.cli._interrupt import leave, on_interrupt\n"
        "with on_interrupt(leave):\n"
        "    try: signal.raise_signal(signal.SIGINT)\n"
        "    finally: print('not reached')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stdout == done.stderr == ""


def test_another_s_way_with_the_signal_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)
    monkeypatch.setattr(signal, "signal", lambda *_: pytest.fail("it is changed"))
    with _interrupt.on_interrupt(_interrupt.once):
        pass


@pytest.mark.slow
def test_at_any_moment_of_the_start_there_is_no_traceback(pictures):
    environment = {
        name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"
    }
    for delay in (0.6, 2, 4):
        process = subprocess.Popen(
            [sys.executable, "-m", "stylekit", *LINE[:-8], "--steps", "100000"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
        assert "Traceback" not in errors or "stylekit" not in errors, errors
        assert process.returncode in (130, -signal.SIGINT)
