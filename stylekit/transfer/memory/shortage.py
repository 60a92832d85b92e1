"""Errors that say that the memory did not suffice, and the memory that they hold."""

from __future__ import annotations

import re
import traceback

import tensorflow as tf

SIGNS = re.compile(r"out of memory|RESOURCE_EXHAUSTED|_ALLOC_FAILED", re.IGNORECASE)
"""In what a GPU's libraries say."""


def out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that the memory, the device's or Python's, did not suffice.

    On a GPU it may come under another name: a convolution for which each of cuDNN's algorithms
    lacked memory raises `NotFoundError`, "No algorithm worked!".
    """
    if isinstance(error, (tf.errors.ResourceExhaustedError, MemoryError)):
        return True
    return isinstance(error, tf.errors.OpError) and SIGNS.search(str(error)) is not None


def release(error: Exception) -> None:
    """Let go of what the functions held that a shortage of memory has ended.

    An error that is being handled keeps their variables: of a network that did not fit, all the
    feature maps so far, which would be in the way of the next attempt. One that says anything else
    is raised again.
    """
    if not out_of_memory(error):
        raise error
    link: BaseException | None = error
    while link is not None:
        # From where it was raised outwards: Keras leaves its own functions out of a traceback.
        *_, innermost = (None, *(frame for frame, _ in traceback.walk_tb(link.__traceback__)))
        for frame, _ in list(traceback.walk_stack(innermost)) if innermost else ():
            try:
                frame.clear()
            except RuntimeError:  # it is running still, as are those that called it
                break
        link = link.__cause__ or link.__context__
