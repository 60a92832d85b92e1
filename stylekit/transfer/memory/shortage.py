"""Detection of out-of-memory errors, and release of the memory that they hold."""

from __future__ import annotations

import re
import traceback

import tensorflow as tf

SIGNS = re.compile(r"out of memory|RESOURCE_EXHAUSTED|_ALLOC_FAILED", re.IGNORECASE)
"""Error messages by which CUDA libraries report that memory ran out."""


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, on the device or in Python.

    On a GPU the error can have another type: if no algorithm of cuDNN has enough memory for a
    convolution, TensorFlow raises `NotFoundError`, "No algorithm worked!".
    """
    if isinstance(error, (tf.errors.ResourceExhaustedError, MemoryError)):
        return True
    return isinstance(error, tf.errors.OpError) and SIGNS.search(str(error)) is not None


def release(error: Exception) -> None:
    """Free the local variables of the functions that an out-of-memory error has ended.

    While an error is handled, its traceback keeps these variables alive. They hold all feature maps
    that were computed before memory ran out, and the next attempt needs that memory. If the error
    is of another kind, it is raised again.
    """
    if not out_of_memory(error):
        raise error
    link: BaseException | None = error
    while link is not None:
        # Go from the innermost frame outwards. Keras removes its own functions from tracebacks.
        *_, innermost = (None, *(frame for frame, _ in traceback.walk_tb(link.__traceback__)))
        for frame, _ in list(traceback.walk_stack(innermost)) if innermost else ():
            try:
                frame.clear()
            except RuntimeError:  # the frame, and the frames that called it, are still running
                break
        link = link.__cause__ or link.__context__
