"""How the values are moved: L-BFGS, and an adaptor for Keras's optimizers."""

from __future__ import annotations

import copy
from typing import Any, Protocol

import keras
import tensorflow as tf

from stylekit._checks import InputTypeError, explain, integer, number
from stylekit.transfer.parameters import Pixels, clip

TINY = 1e-30
"""Keeps quotients by a zero gradient finite."""


class Optimizer(Protocol):
    """What moves the values. The state is returned, never stored.

    `step` runs inside a traced function; a state is nested dicts and tuples of tensors of constant
    shapes.
    """

    def init(self, x) -> Any:
        """Return the state before the first step at values ``[B, ...]``."""

    def step(self, evaluate, x, state) -> tuple[Any, Any]:
        """Return the next values and state.

        Parameters
        ----------
        evaluate : callable
            From values to (total ``[B]``, gradient ``[B, ...]``); to be called once, at `x`.
        x : tensor [B, ...]
            What the last step returned, clipped to the parameters' bounds.
        state
            What the last step returned.
        """


class LBFGS:
    """Limited-memory BFGS within bounds, one evaluation a step, each picture of a batch its own.

    A step accepts the point it evaluates if it satisfies the Armijo condition, else goes back to
    the last accepted one and tries a shorter way; the pair of differences is learnt from in both
    cases. Bounds are kept by projection: pixels at a bound whose gradient points outwards are left
    out of the direction, and differences are taken between the points that were evaluated, so that
    the curvature is true.

    Parameters
    ----------
    history : int
        Pairs kept, at least 1; each holds twice the image's memory.
    first_step : float
        Mean change of the values that have a gradient in the first step, which has no curvature
        to go by.
    max_step : float
        Largest mean change of the values that have a gradient in a step.
    bounds : (float, float) or None
        Limits of the values. Default: those of the parameters that are optimised.

    References
    ----------
    Nocedal and Wright, Numerical Optimization, 2006, eq. 7.24: the inverse as products with the
    stacked pairs (Byrd, Nocedal and Schnabel 1994). Bertsekas 1982 for the projection.

    Notes
    -----
    Gradients are divided by a power of two near their first largest entry, so that a loss scaled
    by 1e-12 or 1e12 takes the same steps. There is no tolerance at which it stops.
    """

    def __init__(
        self,
        history: int = 10,
        *,
        first_step: float = 0.02,
        max_step: float = 0.03,
        bounds: tuple[float, float] | str | None = "parameters",
    ) -> None:
        self.history = integer(history, "history", low=1)
        self.first_step = number(first_step, "first_step", low=0, open_low=True)
        self.max_step = number(max_step, "max_step", low=0, open_low=True)
        self.takes_bounds = bounds == "parameters"
        self.bounds = Pixels.bounds if self.takes_bounds else bounds

    def __repr__(self) -> str:
        steps = f"first_step={self.first_step:g}, max_step={self.max_step:g}"
        return f"LBFGS(history={self.history}, {steps})"

    def get_config(self) -> dict[str, Any]:
        """Return all settings, by which a resumed run knows its own."""
        bounds = "parameters" if self.takes_bounds else self.bounds
        steps = {"first_step": self.first_step, "max_step": self.max_step}
        return {"history": self.history, **steps, "bounds": bounds}

    def init(self, x):
        """Return the state before the first step; see `Optimizer.init`."""
        batch, size, pairs = x.shape[0], x.shape[1:].num_elements(), self.history
        flat = tf.reshape(x, (batch, size))
        ones = tf.ones((batch,), x.dtype)
        return {
            # The accepted point, its total (none yet: anything is better) and its gradient.
            "x": flat,
            "total": ones * float("inf"),
            "gradient": tf.zeros_like(flat),
            "unit": 0 * ones,
            "length": ones,
            "gamma": 0 * ones,
            # s and y in turn, oldest first, and the product of each with each.
            "pairs": tf.zeros((batch, 2 * pairs, size), x.dtype),
            "products": tf.zeros((batch, 2 * pairs, 2 * pairs), tf.float64),
        }

    def step(self, evaluate, x, state):
        """Take one step; see `Optimizer.step`."""
        total, gradient = evaluate(x)
        shape, x = x.shape, tf.reshape(x, state["x"].shape)
        known = state["unit"] > 0
        unit = tf.where(known, state["unit"], _power_of_two(gradient))
        divisor = tf.where(unit > 0, unit, 1.0)
        gradient = tf.reshape(gradient, x.shape) / divisor[:, None]
        total = total / divisor

        # Before the first gradient that is not zero there is no point to compare with.
        s = tf.where(known[:, None], x - state["x"], 0.0)
        y = gradient - state["gradient"]
        # 1e-6: what rounding does to a float32 total.
        ceiling = state["total"] + 1e-4 * _dot(state["gradient"], s) + 1e-6 * tf.abs(state["total"])
        accept = (total <= ceiling) | ~known
        length = tf.where(accept, 1.0, 0.5 * state["length"])
        x = tf.where(accept[:, None], x, state["x"])
        total = tf.where(accept, total, state["total"])
        gradient = tf.where(accept[:, None], gradient, state["gradient"])

        free = self._free(x, gradient)
        steepest = free * gradient
        pairs = tf.concat([state["pairs"][:, 2:], tf.stack([s, y], axis=1)], axis=1)
        products, slopes = _products(pairs, steepest, state["products"])
        gamma = tf.where(
            _curved(products)[:, -1],
            tf.cast(products[:, -2, -1] / products[:, -1, -1], x.dtype),
            state["gamma"],
        )
        # Where an update mask is 0 there is no gradient: such values do not count.
        count = tf.maximum(tf.math.count_nonzero(steepest, 1, dtype=x.dtype), 1.0)
        first = self.first_step / tf.maximum(tf.reduce_sum(tf.abs(steepest), 1) / count, TINY)
        scale = tf.where(gamma > 0, gamma, first)
        correction = tf.matmul(_correction(products, slopes, scale)[:, None], pairs)[:, 0]
        direction = -free * (scale[:, None] * steepest + correction)
        # Rounding may turn a direction uphill; the steepest descent never is.
        uphill = _dot(direction, gradient) >= 0
        direction = tf.where(uphill[:, None], -scale[:, None] * steepest, direction)
        mean = tf.reduce_sum(tf.abs(direction), axis=1) / count
        reach = tf.minimum(length, self.max_step / tf.maximum(mean, TINY))
        following = clip(x + reach[:, None] * direction, self.bounds)
        return tf.reshape(following, shape), {
            "x": x,
            "total": total,
            "gradient": gradient,
            "unit": unit,
            "length": length,
            "gamma": gamma,
            "pairs": pairs,
            "products": products,
        }

    def forget(self, state):
        """Return the state after the objective itself has changed: its totals compare no more."""
        return {name: tf.zeros_like(value) for name, value in state.items()} | {
            "x": state["x"],
            "total": tf.fill(state["total"].shape, float("inf")),
            "length": tf.ones_like(state["length"]),
        }

    def _free(self, x, gradient):
        """Return 0 where a value is at a bound and descent would leave it, else 1."""
        if self.bounds is None:
            return tf.ones_like(x)
        low, high = self.bounds
        held = ((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0))
        return tf.cast(~held, x.dtype)


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
        return f"{type(self._optimizer).__name__}(learning_rate={rate})"

    def get_config(self) -> dict[str, Any]:
        """Return all settings but the name, in which Keras counts its optimizers."""
        config = self._optimizer.get_config()
        return {key: value for key, value in config.items() if key != "name"}

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


def as_optimizer(optimizer, bounds: tuple[float, float] | None = (0.0, 1.0)) -> Optimizer:
    """Return an `Optimizer` for one level: a new adaptor for a Keras one, `LBFGS` for None."""
    if optimizer is None:
        return LBFGS(bounds=bounds)
    if isinstance(optimizer, LBFGS) and optimizer.takes_bounds:
        optimizer = copy.copy(optimizer)
        optimizer.bounds = bounds
        return optimizer
    if isinstance(optimizer, KerasOptimizer):  # its variables are of one level
        optimizer = optimizer._optimizer
    if isinstance(optimizer, keras.optimizers.Optimizer):
        return KerasOptimizer(optimizer)
    if callable(getattr(optimizer, "init", None)) and callable(getattr(optimizer, "step", None)):
        return optimizer
    raise InputTypeError(
        explain(
            "the optimizer cannot be used",
            expected="LBFGS(), a keras.optimizers.Optimizer, or an object with init and step",
            received=type(optimizer).__name__,
        )
    )


def _dot(a, b):
    return tf.reduce_sum(a * b, axis=1)


def _power_of_two(gradient):
    """Return a power of two near the largest entry of each picture's gradient; 0 for zero."""
    largest = tf.reduce_max(tf.abs(gradient), axis=list(range(1, len(gradient.shape))))
    two = tf.constant(2, gradient.dtype)
    return tf.where(largest > 0, two ** tf.round(tf.math.log(largest) / tf.math.log(two)), 0.0)


def _products(pairs, steepest, old):
    """Return the products of all pairs ``[B, 2m, 2m]``, and with the gradient ``[B, 2m]``.

    All but the newest pair's are known: the old ones move up by one pair.
    """
    new = tf.concat([pairs[:, -2:], steepest[:, None]], axis=1)
    rows = tf.cast(tf.matmul(new, pairs, transpose_b=True), tf.float64)
    above = tf.concat([old[:, 2:, 2:], tf.linalg.matrix_transpose(rows[:, :2, :-2])], axis=2)
    return tf.concat([above, rows[:, :2]], axis=1), rows[:, 2]


def _curved(products):
    """Return which pairs ``[B, m]`` have a curvature that is safely positive."""
    diagonal = tf.linalg.diag_part(products)
    curvature = tf.linalg.diag_part(products[:, ::2, 1::2])
    return curvature > 1e-4 * tf.sqrt(diagonal[:, ::2] * diagonal[:, 1::2])


def _correction(products, slopes, scale):
    """Return the factors of the pairs in ``H g - scale g``, ``[B, 2m]`` (s and y in turn).

    Nocedal and Wright, eq. 7.24, with the rows and columns of pairs without curvature taken out.
    """
    valid = tf.cast(_curved(products), tf.float64)
    both = valid[:, :, None] * valid[:, None, :]
    sy = products[:, ::2, 1::2] * both
    yy = products[:, 1::2, 1::2] * both
    gamma = tf.cast(scale, tf.float64)[:, None]
    triangle = tf.linalg.band_part(sy, 0, -1) + tf.linalg.diag(1 - valid)
    sg, yg = valid * slopes[:, ::2], valid * slopes[:, 1::2]
    p = tf.linalg.triangular_solve(triangle, sg[..., None], lower=False)[..., 0]
    curvature = tf.linalg.diag_part(sy) * p + gamma * tf.linalg.matvec(yy, p)
    right = (curvature - gamma * yg)[..., None]
    along_s = tf.linalg.triangular_solve(triangle, right, lower=False, adjoint=True)[..., 0]
    factors = tf.stack([along_s, -gamma * p], axis=2)
    return tf.cast(tf.reshape(factors, tf.shape(slopes)), scale.dtype)
