"""Hide the messages that TensorFlow writes to stderr when it starts.

By default, TensorFlow writes messages about oneDNN, the instruction set of the CPU and missing CUDA
libraries in every process. `silence_tensorflow` runs when stylekit is imported. It changes the
process: it sets an environment variable, and it redirects stderr while TensorFlow is imported.
Apart from `app` and `cli`, no other part of stylekit changes process-wide state.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from typing import Any

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
"""Environment variable with the lowest severity that TensorFlow's native code logs."""

NATIVE_LOG = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog|To enable the following instructions"
    rb"|([IWEF])\d{4} \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: ([IWEF]) "
)
"""Start of a line that TensorFlow's native code logs, with the letter of its severity."""


def silence_tensorflow() -> None:
    """Hide the start-up messages, unless the user asked for them or imported TensorFlow.

    If the user has set a level, that level decides which messages are hidden. The default of 3
    hides errors too, because a machine without a GPU logs "failed call to cuInit" as an error.
    Errors that stop a computation are also raised as exceptions. With ``TF_CPP_MIN_LOG_LEVEL=0``
    this function does nothing, so that messages before a crash of the import are shown.
    """
    if "tensorflow" not in sys.modules and os.environ.setdefault(LEVEL, "3") != "0":
        sys.meta_path.insert(0, _TensorFlowFinder())


class _TensorFlowFinder(MetaPathFinder):
    """Import hook that holds stderr back while TensorFlow is imported.

    The environment variable alone is not sufficient, because TensorFlow writes the first messages
    before it reads the variable.
    """

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        spec = PathFinder.find_spec(fullname, path) if fullname == "tensorflow" else None
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module):
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                with _filtered_stderr():
                    run(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


@contextmanager
def _filtered_stderr() -> Iterator[None]:
    """Hold back stderr during a block, and then write the lines that the level does not hide.

    If the block fails, all lines are written.
    """
    try:
        terminal = os.dup(2)
    except OSError:  # a process without stderr, such as pythonw
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            held.seek(0)
            for line in held:
                native = NATIVE_LOG.match(line)
                severity = b"IWEF".find((native[1] or native[2] or b"I") if native else b"F")
                if failed or str(severity) >= os.environ[LEVEL]:
                    os.write(2, line)
