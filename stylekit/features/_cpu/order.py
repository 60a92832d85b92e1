"""Control the order of computation in a graph, to limit memory."""

from __future__ import annotations

import contextlib

import keras


def after(tensor):
    """Return a context whose operations run after a tensor has been computed.

    A graph runs operations as soon as their inputs are available. Operations on weights would
    therefore run first, for all layers, and their results would be kept until they are used.
    """
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    import tensorflow as tf

    return tf.control_dependencies([tensor])
