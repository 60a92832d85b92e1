"""Functions with a custom gradient that do not keep traced graphs alive."""

from __future__ import annotations

import functools
import threading
import uuid
from collections.abc import Callable

import keras
from keras import ops

TRACES = 64
"""Largest number of traces that are kept of one function. Each combination of argument shapes has a
trace of about 0.3 MB."""


def custom_gradient(slope: Callable) -> Callable:
    """Decorate a function of tensors with a custom gradient with respect to its first argument.

    Parameters
    ----------
    slope : callable
        Maps ``(upstream, value, x, *others)`` to the gradient with respect to `x`. `upstream` is
        the gradient with respect to the function's value.

    Returns
    -------
    callable
        A decorator of functions ``(x, *others) -> value``. The decorated function and `slope` may
        use only their arguments, which are tensors. `others` have no gradient.

    Notes
    -----
    In a graph, `tf.custom_gradient` registers a function for every call. The function lives as long
    as the process and keeps the whole graph alive. Here the gradient is registered once, outside
    any graph. Each call runs a small graph that finds the gradient by its name. A thread keeps the
    graphs of the most recent shapes, so that its next trace is faster.
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
    """Return `direct` in eager mode, and a version for graphs that does not register the graph."""
    import tensorflow as tf

    # A name can be registered once. A module that is reloaded gets another name.
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
        with tf.init_scope():  # outside the calling graph
            return tf.function(marked, autograph=False).get_concrete_function(*specs)

    class Traces(threading.local):
        """The traces of one thread. TensorFlow changes a trace when it first differentiates it."""

        def __init__(self):
            self.traced = functools.lru_cache(TRACES)(traced)

    traces = Traces()

    def call(*args):
        if tf.executing_eagerly():
            return direct(*args)
        # The specs have no names, so that all tensors of one shape and dtype share a trace.
        return traces.traced(*(tf.TensorSpec(x.shape, x.dtype) for x in args))(*args)

    return call
