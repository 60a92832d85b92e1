"""An adaptor for Keras optimizers, and the choice of an optimizer for a run."""

from __future__ import annotations

import copy
import math
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from stylekit._checks import InputTypeError, explain
from stylekit.functional import Tensor
from stylekit.transfer.optimizers.base import Evaluate, Optimizer
from stylekit.transfer.optimizers.lbfgs import LBFGS
from stylekit.transfer.plugin import described

OptimizerLike: TypeAlias = Optimizer | keras.optimizers.Optimizer
"""Types that `as_optimizer` accepts."""


class KerasOptimizer(Optimizer):
    """Adapts a `keras.optimizers.Optimizer`. The learning rate is in the unit of the values.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        The optimizer is cloned from its configuration, and is not changed.

    Raises
    ------
    InputTypeError
        If `optimizer` is not a Keras optimizer, or is a `LossScaleOptimizer`.
    """

    def __init__(self, optimizer: keras.optimizers.Optimizer) -> None:
        if not isinstance(optimizer, keras.optimizers.Optimizer):
            raise _unusable(optimizer)
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            raise InputTypeError(
                explain(
                    "`optimizer` must not be a LossScaleOptimizer",
                    hint="use its `.inner_optimizer`; with precision='mixed_float16' the run "
                    "scales the loss itself",
                ),
                argument="optimizer",
            )
        self._optimizer = type(optimizer).from_config(optimizer.get_config())

    def __repr__(self) -> str:
        rate = self._optimizer.get_config().get("learning_rate")
        if isinstance(rate, dict):  # a schedule
            rate = rate["class_name"]
        rate = f"{rate:g}" if isinstance(rate, float) else rate  # Keras has rounded it to float32
        return f"{type(self._optimizer).__name__}(learning_rate={rate})"

    def get_config(self) -> dict[str, Any]:
        """Return all settings except the name, because Keras numbers optimizers in their names."""
        config = self._optimizer.get_config()
        return {key: value for key, value in config.items() if key != "name"}

    def memory(self) -> float:
        """Return how many float32 copies of the values a step holds at its peak.

        These are the state before and after the step, the new values, and temporaries: 7 for Adam,
        3 for plain SGD. Measurements on a CPU differed by at most one copy.
        """
        shape = (1, 64, 64, 3)  # some optimizers keep means over an axis, a fraction of a copy
        trial = type(self._optimizer).from_config(self._optimizer.get_config())
        trial.build([keras.Variable(tf.zeros(shape))])
        kept = sum(math.prod(variable.shape) for variable in trial.variables) / math.prod(shape)
        return 2 * kept + 3

    def init(self, x: Tensor) -> Any:
        """Return the optimizer's variables as tensors; see `Optimizer.init`."""
        self._variable = keras.Variable(tf.zeros_like(x), trainable=True)
        self._optimizer.build([self._variable])
        return tuple(tf.convert_to_tensor(v.value) for v in self._optimizer.variables)

    def step(self, evaluate: Evaluate, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Apply the optimizer to the gradient; see `Optimizer.step`."""
        _, gradient = evaluate(x)
        # Keras's `stateless_apply` does not support TensorFlow, so the state is put into variables.
        variables = [self._variable, *self._optimizer.variables]
        for variable, value in zip(variables, (x, *state), strict=True):
            variable.assign(value)
        self._optimizer.apply([gradient], [self._variable])
        x, *state = (tf.convert_to_tensor(v.value) for v in variables)
        return x, tuple(state)


def as_optimizer(
    optimizer: OptimizerLike | None, bounds: tuple[float, float] | None = (0.0, 1.0)
) -> Optimizer:
    """Return an `Optimizer` for one level. A Keras optimizer is adapted; None means `LBFGS`.

    Raises
    ------
    InputTypeError
        If `optimizer` is neither an `Optimizer` nor a Keras optimizer.
    """
    optimizer = LBFGS() if optimizer is None else optimizer
    if isinstance(optimizer, LBFGS) and optimizer.takes_bounds:
        optimizer = copy.copy(optimizer)
        optimizer.bounds = bounds
        return optimizer
    if isinstance(optimizer, KerasOptimizer):  # its variables belong to one level
        optimizer = optimizer._optimizer
    return optimizer if isinstance(optimizer, Optimizer) else KerasOptimizer(optimizer)


def _unusable(optimizer) -> InputTypeError:
    return InputTypeError(
        explain(
            "`optimizer` must be an optimizer",
            expected="LBFGS(), a keras.optimizers.Optimizer, or an object of a class derived from "
            "stylekit.transfer.Optimizer, with init and step",
            received=described(optimizer),
        ),
        argument="optimizer",
    )
