import contextlib
import errno
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "agg")
# A GPU multiplies float32 in TF32 unless it is told not to: too coarse for what is compared here.
os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")

import numpy as np
import pytest


@pytest.fixture(scope="session")
def data_dir():
    """Folder of real weights and pictures; absent on most machines, and then the test skips."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("STYLEKIT_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no test data: STYLEKIT_TEST_DATA names no folder and {folder} is absent")
    return folder


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def ancestors():
    """The operations of a graph that one of them waits for."""

    def of(op):
        found, waiting = set(), [op]
        while waiting:
            op = waiting.pop()
            before = {tensor.op for tensor in op.inputs} | set(op.control_inputs)
            waiting += before - found
            found |= before
        return found

    return of


@pytest.fixture
def full_disk(monkeypatch):
    """A block in which nothing more reaches the disk."""

    @contextlib.contextmanager
    def full():
        def fail(number):
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            yield

    return full
