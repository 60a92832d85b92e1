"""TensorFlow's start-up messages. A fake package `tensorflow` writes similar ones."""

import os
import subprocess
import sys

import pytest

from stylekit._quiet import LEVEL

NATIVE = [
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1796067868.643722    3644 port.cc:153] oneDNN custom operations are on.",
    "2025-01-31 12:00:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] AVX2",
    "To enable the following instructions: AVX2 FMA, rebuild TensorFlow.",
    "E0000 00:00:1796067880.880643    3819 cuda_dnn.cc:8310] Unable to register cuDNN factory",
]
OTHER = "UserWarning: some package is too old"
FATAL = "F0000 00:00:1796067880.880643    3819 cpu.cc:1] needs AVX"


def stderr_of(folder, code, level=None, lines=(*NATIVE, OTHER, FATAL), end=""):
    """Return the lines that a script writes to stderr, and what it prints."""
    package = folder / "tensorflow" / "__init__.py"
    package.parent.mkdir(exist_ok=True)
    package.write_text(f"import os\nfor x in {lines!r}: os.write(2, (x + chr(10)).encode())\n{end}")
    environment = {name: value for name, value in os.environ.items() if name != LEVEL}
    environment |= {} if level is None else {LEVEL: level}
    environment["PYTHONPATH"] = os.pathsep.join((str(folder), *sys.path))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    return done.stderr.splitlines(), done.stdout.strip()


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        (None, [OTHER, FATAL]),
        ("3", [OTHER, FATAL]),
        ("1", [NATIVE[-1], OTHER, FATAL]),
        ("0", [*NATIVE, OTHER, FATAL]),
    ],
)
def test_the_level_decides_what_is_seen_of_the_import(tmp_path, level, shown):
    code = f"import os, stylekit, tensorflow; print(os.environ['{LEVEL}'])"
    assert stderr_of(tmp_path, code, level) == (shown, level or "3")


def test_looking_for_tensorflow_first_changes_nothing(tmp_path):
    code = "import importlib.util, stylekit, sys; importlib.util.find_spec('tensorflow')\n"
    code += "import tensorflow; print('stylekit._quiet' in str(sys.meta_path))"
    assert stderr_of(tmp_path, code) == ([OTHER, FATAL], "False")


def test_a_process_that_has_tensorflow_is_left_as_it_is(tmp_path):
    code = f"import tensorflow, stylekit, os, sys; print('{LEVEL}' in os.environ)"
    assert stderr_of(tmp_path, code) == ([*NATIVE, OTHER, FATAL], "False")


def test_a_failed_import_shows_everything(tmp_path):
    lines, _ = stderr_of(tmp_path, "import stylekit, tensorflow", end="raise ImportError('gone')")
    assert lines[: len(NATIVE)] == NATIVE
    assert lines[-1] == "ImportError: gone"


def test_a_process_without_stderr_can_import_it(tmp_path):
    code = "import os; os.close(2); import stylekit, tensorflow; print('done')"
    assert stderr_of(tmp_path, code, lines=()) == ([], "done")


@pytest.mark.slow
def test_a_script_with_the_real_tensorflow_is_silent():
    code = (
        "import stylekit as sk, tensorflow as tf; sk.CompactVGG(); tf.config.get_visible_devices()"
    )
    environment = {name: value for name, value in os.environ.items() if name != LEVEL}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
