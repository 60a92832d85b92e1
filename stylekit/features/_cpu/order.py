"""The order in which a graph computes, where memory depends on it."""

from __future__ import annotations

import contextlib

import keras


def after(tensor):
    """Return a context whose operations wait for a tensor.

    A graph begins with all that it has the inputs for: with what is made of a network's weights,
    for all layers, and holds it until it is used.
    """
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    import tensorflow as tf

    return tf.control_dependencies([tensor])
