"""An adaptor for Keras's optimizers."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf


class KerasOptimizer:
    """Any `keras.optimizers.Optimizer`, with its own learning rate in the unit of the values.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Cloned from its configuration: the one given is never changed.
    """

    def __init__(self, optimizer: keras.optimizers.Optimizer) -> None:
        self._optimizer = type(optimizer).from_config(optimizer.get_config())

    def __repr__(self) -> str:
        rate = self._optimizer.get_config()["learning_rate"]
        rate = f"{rate:g}" if isinstance(rate, float) else rate  # Keras has rounded it to float32
        return f"{type(self._optimizer).__name__}(learning_rate={rate})"

    def get_config(self) -> dict[str, Any]:
        """Return all settings but the name, in which Keras counts its optimizers."""
        config = self._optimizer.get_config()
        return {key: value for key, value in config.items() if key != "name"}

    def pictures(self) -> float:
        """Return how many float32 copies of the values the optimizer holds at a step's peak.

        Its state before and after, the values after, and temporaries; not the values given: 7 for
        Adam, 3 for plain SGD. Measured on a CPU it was between one less and one more.
        """
        shape = (1, 64, 64, 3)  # some optimizers keep means over an axis: a share of a copy
        trial = type(self._optimizer).from_config(self._optimizer.get_config())
        trial.build([keras.Variable(tf.zeros(shape))])
        kept = sum(math.prod(variable.shape) for variable in trial.variables) / math.prod(shape)
        return 2 * kept + 3

    def init(self, x):
        """Return the optimizer's variables as tensors; see `Optimizer.init`."""
        self._variable = keras.Variable(tf.zeros_like(x), trainable=True)
        self._optimizer.build([self._variable])
        return tuple(tf.convert_to_tensor(v.value) for v in self._optimizer.variables)

    def step(self, evaluate, x, state):
        """Apply the optimizer to the gradient; see `Optimizer.step`."""
        _, gradient = evaluate(x)
        # Keras's `stateless_apply` refuses TensorFlow: the state passes through its variables.
        variables = [self._variable, *self._optimizer.variables]
        for variable, value in zip(variables, (x, *state), strict=True):
            variable.assign(value)
        self._optimizer.apply([gradient], [self._variable])
        x, *state = (tf.convert_to_tensor(v.value) for v in variables)
        return x, tuple(state)
