"""Functions whose gradient is written out, which leave nothing behind where they were traced."""

from __future__ import annotations

import functools
import threading
import uuid
from collections.abc import Callable

import keras
from keras import ops

TRACES = 64
"""Of a function that are kept, one for each shape of its arguments: about 0.3 MB each."""


def own_gradient(slope: Callable) -> Callable:
    """Give a function of tensors a gradient of its own, with respect to its first argument.

    Parameters
    ----------
    slope : callable
        From ``(upstream, value, x, *others)`` to the gradient with respect to x, given that with
        respect to the function's value.

    Returns
    -------
    callable
        A decorator of functions ``(x, *others) -> value``. Both functions know nothing but their
        arguments, which are tensors. The others have no gradient.

    Notes
    -----
    In a graph, TensorFlow's own custom gradient registers a function for every call, for as long
    as the process lives, and with it all of the graph. So here the function is registered once,
    with no graph, and its calls go through small graphs of their own, where it is found by name.
    Those of the shapes that a thread met last are kept, so that its next graph is traced sooner.
    """

    def decorate(function: Callable) -> Callable:
        def direct(x, *others):
            @ops.custom_gradient
            def valued(x):
                value = function(x, *others)

                def gradient(*args, upstream=None):
                    return slope(args[0] if upstream is None else upstream, value, x, *others)

                return value, gradient

            return valued(x)

        call = _unregistered(function, slope, direct) if _on_tensorflow() else direct
        return functools.wraps(function)(lambda *args: call(*map(ops.convert_to_tensor, args)))

    return decorate


def _on_tensorflow() -> bool:
    return keras.backend.backend() == "tensorflow"


def _unregistered(function: Callable, slope: Callable, direct: Callable) -> Callable:
    """Return `direct`, which registers nothing where it runs at once, for graphs, too."""
    import tensorflow as tf

    # A name is taken once: a module that is loaded again has another.
    name = f"{function.__qualname__}-{uuid.uuid4().hex}"

    @tf.RegisterGradient(name)
    def gradient(op, upstream, *_):
        value, x, *others = op.inputs
        return [None, slope(upstream, value, x, *others), *(None for _ in others)]

    def marked(x, *others):
        tensors = [function(x, *others), x, *others]
        with x.graph.gradient_override_map({"IdentityN": name}):
            return tf.identity_n(tensors)[0]

    def traced(*specs):
        with tf.init_scope():  # not inside of the graph that calls it
            return tf.function(marked, autograph=False).get_concrete_function(*specs)

    class Traces(threading.local):
        """Each thread has its own: TensorFlow adds to one where its gradient is first taken."""

        def __init__(self):
            self.traced = functools.lru_cache(TRACES)(traced)

    traces = Traces()

    def call(*args):
        if tf.executing_eagerly():
            return direct(*args)
        # Without their names, which would tell tensors of one shape apart.
        return traces.traced(*(tf.TensorSpec(x.shape, x.dtype) for x in args))(*args)

    return call
