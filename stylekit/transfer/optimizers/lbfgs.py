"""L-BFGS with bounds."""

from __future__ import annotations

import copy
import math
from typing import Any

import tensorflow as tf

from stylekit._checks import choice, integer, number
from stylekit.functional import Tensor
from stylekit.transfer.optimizers.base import Evaluate, Optimizer
from stylekit.transfer.parameters import Pixels, check_bounds, clip

TINY = 1e-30
"""Keeps quotients by a zero gradient finite."""

HISTORIES = (10, 5, 3)
"""Default numbers of pairs. A run uses the first number, or with `FitMemory` the first that fits
into memory."""

HISTORY_DTYPES = (None, "float32", "bfloat16")


class LBFGS(Optimizer):
    """Limited-memory BFGS with bounds, and one evaluation in each step.

    Each picture of a batch is optimised independently. A step evaluates one point. It accepts the
    point if it satisfies the Armijo condition, and otherwise returns to the last accepted point and
    tries half the length. The pair of differences is kept in both cases. Bounds are enforced by
    projection: the direction is 0 for values at a bound that the step would cross. Differences are
    taken between the evaluated points, so that the curvature is correct.

    Parameters
    ----------
    history : int, optional
        Number of pairs of differences, at least 1. Each pair needs twice the memory of the image.
        Default: 10. If 10 pairs do not fit, `FitMemory` reduces the number to 5 or 3, and finally
        stores the pairs in bfloat16. The manifest of the run records the choice.
    first_step : float
        Mean change in the first step, over the values that have a gradient. Must be above 0. Later
        steps are scaled by the curvature.
    max_step : float
        Largest mean change in a step, over the values that have a gradient. Must be above 0.
    bounds : (float, float) or None
        Limits of the values. Default: the limits of the parametrisation.
    history_dtype : {"float32", "bfloat16"}, optional
        Data type of the pairs. Default: the type of the values. bfloat16 halves the memory of the
        pairs. Products are computed from the rounded pairs, so that they remain consistent.

    References
    ----------
    Nocedal and Wright, Numerical Optimization, 2006, eq. 7.24: the inverse Hessian as products with
    the stacked pairs (Byrd, Nocedal and Schnabel 1994). Bertsekas 1982 for the projection.

    Notes
    -----
    Gradients are divided by a power of two near the largest entry of the first gradient that is not
    zero. A loss scaled by 1e-12 or 1e12 therefore leads to the same steps. There is no tolerance at
    which the optimizer stops.
    """

    def __init__(
        self,
        history: int | None = None,
        *,
        first_step: float = 0.02,
        max_step: float = 0.03,
        bounds: tuple[float, float] | str | None = "parameters",
        history_dtype: str | None = None,
    ) -> None:
        self._open = history is None
        self.history = HISTORIES[0] if history is None else integer(history, "history", low=1)
        self.first_step = number(first_step, "first_step", low=0, open_low=True)
        self.max_step = number(max_step, "max_step", low=0, open_low=True)
        self.takes_bounds = isinstance(bounds, str) and bounds == "parameters"
        self.bounds = (
            Pixels.bounds if self.takes_bounds else check_bounds(bounds, "the bounds of LBFGS")
        )
        self.history_dtype = choice(history_dtype, "history_dtype", HISTORY_DTYPES)

    def __repr__(self) -> str:
        steps = f"first_step={self.first_step:g}, max_step={self.max_step:g}"
        kept = f", history_dtype={self.history_dtype!r}" if self.history_dtype else ""
        return f"LBFGS(history={self.history}, {steps}{kept})"

    def get_config(self) -> dict[str, Any]:
        """Return all settings; a resumed run must have the same."""
        bounds = "parameters" if self.takes_bounds else self.bounds
        steps = {"first_step": self.first_step, "max_step": self.max_step}
        kept = {"history_dtype": self.history_dtype} if self.history_dtype else {}
        history = None if self._open else self.history
        return {"history": history, **steps, "bounds": bounds, **kept}

    def memory(self) -> float:
        """Return how many float32 copies of the values a step holds at its peak.

        These are the state before the step, the new part of the next state, the new values, and
        temporaries. The numbers are the largest measured on a CPU. Depending on the scheduling of
        threads, a step can take up to 1.5 copies less. While the gradient is evaluated, only the
        state is held: 2 history copies, or history + 1 in bfloat16.
        """
        rounded = self.history_dtype == "bfloat16"
        return self.history + 8.0 if rounded else 2 * self.history + 6.5

    def less(self) -> LBFGS | None:
        """Return a copy with fewer pairs, if `history` was not given; see `Optimizer.less`."""
        shorter = copy.copy(self)
        if self._open and self.history != HISTORIES[-1]:
            shorter.history = HISTORIES[HISTORIES.index(self.history) + 1]
        elif self._open and self.history_dtype is None:
            shorter.history_dtype = "bfloat16"
        else:
            return None
        return shorter

    def init(self, x: Tensor) -> Any:
        """Return the state before the first step; see `Optimizer.init`."""
        batch, size, pairs = x.shape[0], x.shape[1:].num_elements(), self.history
        # The shape is nearly square, so that sums over rows are short and lose little precision in
        # float32.
        rows = next(n for n in range(math.isqrt(size), 0, -1) if size % n == 0)
        x = tf.reshape(x, (batch, rows, size // rows))
        ones = tf.ones((batch,), x.dtype)
        zeros = tf.zeros_like(x)
        none = tf.zeros(x.shape, self.history_dtype or x.dtype)
        square = tf.zeros((batch, pairs, pairs), tf.float64)
        return {
            # The accepted point, its total and its gradient. There is no accepted point while the
            # unit is 0.
            "x": x,
            "total": 0 * ones,
            "gradient": zeros,
            "unit": 0 * ones,
            "length": ones,
            "gamma": 0 * ones,
            # The pairs are stored with s and y alternating, oldest first. The next step adds the
            # last pair.
            "pairs": (none,) * (2 * pairs - 2),
            "products": {"ss": square[:, 0], "sy": square, "yy": square},
        }

    def step(self, evaluate: Evaluate, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Take one step; see `Optimizer.step`."""
        total, gradient = evaluate(x)
        shape, x = x.shape, tf.reshape(x, state["x"].shape)
        known = state["unit"] > 0
        unit = tf.where(known, state["unit"], _power_of_two(gradient))
        divisor = tf.where(unit > 0, unit, 1.0)
        gradient = tf.reshape(gradient, x.shape) / _wide(divisor)
        total = total / divisor

        with tf.control_dependencies([gradient]):  # after the evaluation, which needs the memory
            difference = x - state["x"]
        # Until the first nonzero gradient there is no point to compare with.
        s = _wide(tf.cast(known, x.dtype)) * difference
        y = gradient - state["gradient"]
        slope = tf.cast(_dot(state["gradient"], s), x.dtype)
        # 1e-6 is the rounding error of a float32 total.
        ceiling = state["total"] + 1e-4 * slope + 1e-6 * tf.abs(state["total"])
        accept = (total <= ceiling) | ~known
        length = tf.where(accept, tf.ones_like(total), 0.5 * state["length"])
        x = tf.where(_wide(accept), x, state["x"])
        total = tf.where(accept, total, state["total"])
        gradient = tf.where(_wide(accept), gradient, state["gradient"])

        steepest = self._free(gradient, x, gradient)
        kept = self.history_dtype or x.dtype
        pairs = (*state["pairs"], tf.cast(s, kept), tf.cast(y, kept))
        products, slopes = _products(pairs, steepest, _dot(s, s), state["products"])
        newest = tf.math.divide_no_nan(products["sy"][:, -1, -1], products["yy"][:, -1, -1])
        newest = tf.cast(newest, x.dtype)
        gamma = tf.where(_curved(products)[:, -1], newest, state["gamma"])
        # Values where the update mask is 0 have no gradient, and are not counted.
        with tf.control_dependencies([slopes]):  # one temporary after the other
            count = tf.maximum(_sum(tf.cast(steepest != 0, x.dtype)), 1.0)
        with tf.control_dependencies([count]):
            first = self.first_step / tf.maximum(_sum(tf.abs(steepest)) / count, TINY)
        scale = tf.where(gamma > 0, gamma, first)
        factors = _correction(products, slopes, scale)
        # Because of rounding errors, a direction may point uphill. Then use the steepest descent.
        descent = tf.cast(scale, tf.float64) * _dot(steepest, steepest)
        uphill = descent + tf.reduce_sum(factors * slopes, axis=1) <= 0
        factors = tf.where(uphill[:, None], tf.zeros_like(factors), factors)
        direction = self._free(_sum_of(pairs, factors, _wide(scale) * steepest), x, gradient)
        mean = _sum(tf.abs(direction)) / count
        reach = tf.minimum(length, self.max_step / tf.maximum(mean, TINY))
        following = clip(x - _wide(reach) * direction, self.bounds)
        accepted = {"x": x, "total": total, "gradient": gradient, "unit": unit, "length": length}
        learnt = {"gamma": gamma, "pairs": pairs[2:], "products": products}
        return tf.reshape(following, shape), accepted | learnt

    def reset(self, state: Any) -> Any:
        """Return the state without its accepted point and curvature; see `Optimizer.reset`."""
        return state | {
            "unit": tf.zeros_like(state["unit"]),
            "length": tf.ones_like(state["length"]),
            "gamma": tf.zeros_like(state["gamma"]),
            # Pairs whose products are 0 have no curvature, and are left out.
            "products": tf.nest.map_structure(tf.zeros_like, state["products"]),
        }

    def _free(self, direction, x, gradient):
        """Return a direction, set to 0 for values at a bound that a descent would cross."""
        if self.bounds is None:
            return direction
        low, high = self.bounds
        held = ((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0))
        return tf.where(held, tf.zeros((), x.dtype), direction)


def _wide(values):
    """Return values ``[B]`` as ``[B, 1, 1]``."""
    return tf.reshape(values, (-1, 1, 1))


def _sum(values):
    return tf.reduce_sum(values, axis=(1, 2))


def _dot(a, b):
    """Return the products ``[B]`` of ``[B, R, C]``, summed over rows in float64.

    A single float32 sum has an error of 2e-3 at 4096 x 4096 pixels.
    """
    # An index such as a[:, :, None] takes several times as long to trace, and there are hundreds.
    rows = tf.matmul(tf.expand_dims(a, 2), tf.expand_dims(b, 2), transpose_b=True)
    return tf.reduce_sum(tf.cast(rows, tf.float64), axis=(1, 2, 3))


def _power_of_two(gradient):
    """Return a power of two near the largest entry of each picture's gradient, or 0 for zeros."""
    axes = list(range(1, len(gradient.shape)))
    largest = tf.maximum(tf.reduce_max(gradient, axes), -tf.reduce_min(gradient, axes))
    two = tf.constant(2, gradient.dtype)
    power = tf.math.log(tf.where(largest > 0, largest, 1.0)) / tf.math.log(two)
    return tf.where(largest > 0, two ** tf.round(power), 0.0)


def _products(pairs, steepest, ss, old):
    """Return the products of the pairs with one another, and with the gradient, ``[B, 2m]``.

    In ``[B, 2m]`` the products with s and with y alternate. Only the products of the newest pair
    are computed; the older products move up by one. In the products of s with y, ``[B, m, m]``,
    only the upper triangle is correct, and only this triangle is used.
    """
    y = tf.cast(pairs[-1], steepest.dtype)
    with_y: list[Any] = []
    slopes: list[Any] = []
    for kept in pairs:
        # Process one pair after the other, so that only one bfloat16 pair has a float32 copy at a
        # time.
        with tf.control_dependencies([*with_y[-1:], *slopes[-1:]]):
            value = tf.cast(tf.identity(kept), steepest.dtype)
        with_y.append(_dot(value, y))
        slopes.append(_dot(value, steepest))
    products = {
        "ss": tf.concat([old["ss"][:, 1:], ss[:, None]], axis=1),
        "sy": _appended(old["sy"], tf.stack(with_y[::2], axis=1)),
        "yy": _appended(old["yy"], tf.stack(with_y[1::2], axis=1)),
    }
    return products, tf.stack(slopes, axis=1)


def _appended(matrix, newest):
    """Return a symmetric matrix, its first row and column dropped and `newest` appended."""
    above = tf.concat([matrix[:, 1:, 1:], tf.expand_dims(newest[:, :-1], 2)], axis=2)
    return tf.concat([above, tf.expand_dims(newest, 1)], axis=1)


def _curved(products):
    """Return which pairs, ``[B, m]``, have a positive curvature, with a margin."""
    ss, sy, yy = products["ss"], *map(tf.linalg.diag_part, (products["sy"], products["yy"]))
    return sy > 1e-4 * tf.sqrt(ss * yy)


def _correction(products, slopes, scale):
    """Return the factors of the pairs in ``H g - scale g``, ``[B, 2m]``, s and y alternating.

    This is eq. 7.24 of Nocedal and Wright, without the rows and columns of pairs that have no
    curvature.
    """
    valid = tf.cast(_curved(products), tf.float64)
    both = valid[:, :, None] * valid[:, None, :]
    sy, yy = products["sy"] * both, products["yy"] * both
    gamma = tf.cast(scale, tf.float64)[:, None]
    triangle = tf.linalg.band_part(sy, 0, -1) + tf.linalg.diag(1 - valid)
    sg, yg = valid * slopes[:, ::2], valid * slopes[:, 1::2]
    p = tf.linalg.triangular_solve(triangle, sg[..., None], lower=False)[..., 0]
    curvature = tf.linalg.diag_part(sy) * p + gamma * tf.linalg.matvec(yy, p)
    right = (curvature - gamma * yg)[..., None]
    along_s = tf.linalg.triangular_solve(triangle, right, lower=False, adjoint=True)[..., 0]
    return tf.reshape(tf.stack([along_s, -gamma * p], axis=2), tf.shape(slopes))


def _sum_of(pairs, factors, start):
    """Return `start` plus the pairs times their factors, added one after the other."""
    total = start
    for kept, factor in zip(pairs, tf.unstack(factors, axis=1), strict=True):
        # If the pairs were added in parallel, there would be one temporary image for each.
        with tf.control_dependencies([total]):
            value = tf.cast(tf.identity(kept), total.dtype)
        total = total + _wide(tf.cast(factor, total.dtype)) * value
    return total
