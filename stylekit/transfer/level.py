"""The loop of a run at one size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from stylekit._checks import FileError, InputTypeError, explain, naming
from stylekit.transfer.checkpoint import State
from stylekit.transfer.memory.plan import Planned
from stylekit.transfer.memory.shortage import release
from stylekit.transfer.objective import Objective
from stylekit.transfer.optimizers import as_optimizer
from stylekit.transfer.parameters import rendering, shown
from stylekit.transfer.plugin import named
from stylekit.transfer.record import Record
from stylekit.transfer.result import NonFiniteLossError

LOOK_EVERY = 5
"""Steps between checks that all values are finite. Each check waits for the device."""


class Level:
    """The loop of a run at one size.

    Parameters
    ----------
    transfer : StyleTransfer
    planned : Planned
        The objective.
    optimizer : optional
        See `StyleTransfer`.
    image : array [B, H, W, 3]
        The image that the level starts from.
    base : array [B, H, W, 3]
        The image that is kept where the mask is 0.
    mask : array [1, H, W, 1] or None
        Where the image may change, in [0, 1].
    number : int
        Number of the level, from 0.
    round : int
        See `Canvas.round`.
    """

    def __init__(
        self, transfer, planned: Planned, optimizer, image, base, mask, number: int, round: int = 0
    ) -> None:
        tensor = tf.constant
        self._bounds = transfer.parameters.bounds
        self._optimizer = as_optimizer(optimizer, self._bounds)
        values, render = rendering(
            transfer.parameters,
            tensor(image),
            tensor(base),
            None if mask is None else tensor(mask),
        )
        first = shown(values, render)
        with naming(f"in {named(self._optimizer)}, method init"):
            state = _tensors(self._optimizer.init(values))
        self._carry = {
            "values": values,
            "state": state,
            "finite": tensor(True),
            "good": first,
            "best": first,
            "best_total": _no_total(first),
        }
        self._render = render
        self._start = image
        # With a mask, `image` and `first` differ: the enlarged change of a coarse level extends
        # beyond the mask.
        self._first = image if render is None else first
        self._number, self._round = number, round
        self._taken = 0
        self._planned: Planned | None = planned
        self._objective: Objective | None = None
        self._step: Callable[..., Any] | None = None
        self._terms = transfer.terms.values()
        self._jit_compile = transfer.jit_compile
        self._used = self._weights()

    def rows(self, count: int, record: Record):
        """Yield a row for each step: ``image``, ``total`` and ``terms`` before the step.

        `count` includes the steps before the level was restored, which are not yielded again. If
        memory runs out, the step is repeated with a plan that needs less.
        """
        assert self._planned is not None
        while True:
            try:
                if self._objective is None:
                    self._take(self._planned.objective, record)
                yield from self._rows(count, record)
                return
            except Exception as error:
                release(error)
                self._objective = self._step = None  # free their memory
                self._planned.step_down(error)

    def _take(self, objective: Objective, record: Record) -> None:
        known = len(objective.canvas.notes)
        objective.begin(self._first, self._round)
        record.notes.extend(objective.canvas.notes[known:])
        objective.fit_scale(self._carry["good"])
        self._step = objective.stepper(
            self._optimizer, self._render, self._bounds, jit_compile=self._jit_compile
        )
        self._objective = objective

    def _rows(self, count: int, record: Record):
        assert self._objective is not None and self._step is not None
        for k in range(self._taken, count):
            if self._used != (now := self._weights()):
                self._begin_anew()
                self._used = now
            self._carry, row = self._step(self._carry, self._objective.weights)
            self._taken = k + 1
            if k % LOOK_EVERY == 0 or k == count - 1:
                self.check(record, [*record.rows, record.kept(self._number, row)])
            yield row

    def _begin_anew(self) -> None:
        # A changed weight makes a different objective, whose totals cannot be compared with earlier
        # ones. The carry is not changed in place, as a checkpoint may hold it.
        carry = self._carry
        with naming(f"in {named(self._optimizer)}, method reset"):
            state = self._optimizer.reset(carry["state"])
        self._carry = {**carry, "best_total": _no_total(carry["best"]), "state": state}

    def _weights(self) -> list[float]:
        return [term.weight for term in self._terms]

    def state(self) -> dict[str, Any]:
        """Return the fields of a `State` that this level knows, with arrays as tensors."""
        return {
            "taken": self._taken,
            "used": self._used,
            "weights": self._weights(),
            "image": self._start,
            "carry": tf.nest.flatten(self._carry),
        }

    def restore(self, state: State) -> None:
        """Continue from a state of this level.

        Raises
        ------
        FileError
            If the shapes in the state differ from those of the level, for example because another
            version wrote it.
        """
        own = tf.nest.flatten(self._carry)
        expected = [(tuple(tensor.shape), np.dtype(tensor.dtype.as_numpy_dtype)) for tensor in own]
        # NumPy files cannot hold bfloat16 values. The file holds their bytes instead.
        carry = [
            value.view(dtype) if value.dtype == f"V{dtype.itemsize}" else value
            for value, (_, dtype) in zip(state.carry, expected, strict=False)
        ]
        state.carry.clear()
        if [(value.shape, value.dtype) for value in carry] != expected:
            raise FileError(
                explain(
                    "the checkpoint does not match the state of the optimizer",
                    hint="delete it to start again, or resume with the version and the memory that "
                    "it was written with",
                ),
                argument="checkpoint",
            )
        # Convert one array at a time: all arrays and tensors together would need the memory of many
        # images.
        carry.reverse()
        tensors = [tf.constant(carry.pop()) for _ in own]
        self._carry = tf.nest.pack_sequence_as(self._carry, tensors)
        self._taken, self._used = state.taken, state.used
        for term, weight in zip(self._terms, state.weights, strict=True):
            term.weight = weight

    def check(self, record: Record, rows: list) -> None:
        """Raise `NonFiniteLossError` if a value in the rows is not finite."""
        if self._carry["finite"]:
            return
        record.image = self._carry["good"]
        for index, seen in enumerate(rows):
            if not seen["image_finite"]:
                what = f"the image after a step of optimizer {type(self._optimizer).__name__}"
                self._raise(record, rows[:index], what, "total", index)
            for name, value in [*seen["terms"].items(), ("total", seen["total"])]:
                if not np.isfinite(value).all():
                    self._raise(record, rows[:index], f"the loss {name!r}", name, index)
            if not seen["gradient_finite"] and self._objective is not None:
                # The losses of this row are finite, so its image is the last good image.
                gradients = self._objective.term_gradients(self._carry["good"])
                wrong = (n for n, g in gradients.items() if not np.isfinite(g).all())
                name = next(wrong, "total")
                what = f"the gradient of the loss {name!r}"
                self._raise(record, rows[: index + 1], what, name, index)

    def _raise(self, record: Record, rows: list, what: str, name: str, index: int) -> None:
        record.rows[:] = rows
        raise NonFiniteLossError(
            explain(
                f"{what} became NaN or infinite at step {index}",
                hint="the last good image is kept; lower the loss's weight or the optimizer's "
                "steps, or set `precision` to float32",
            ),
            record.result("non-finite loss"),
            name,
        )

    @property
    def image(self):
        """The image before the next step."""
        return shown(self._carry["values"], self._render).numpy()

    @property
    def without_gradient(self) -> list[str]:
        """Names of the losses that have a nonzero weight but pass no gradient."""
        if self._objective is None:
            return []
        terms = self._objective.terms
        return [name for name in self._objective.without_gradient if terms[name].weight]

    @property
    def seen(self):
        """The image of the last row, or the last image whose losses were finite."""
        return self._carry["good"]

    def best(self):
        """Return the image with the lowest total so far, as a tensor."""
        return self._carry["best"]

    def release(self) -> None:
        """Free the memory that only further steps need: many images, and the trace."""
        self._planned = self._objective = self._step = None
        self._carry = {name: self._carry[name] for name in ("finite", "good", "best")}


def _no_total(images):
    """Return totals ``[B]`` that are larger than those of any image."""
    # Not infinity, which `tf.debugging.enable_check_numerics` would report as an error.
    return tf.fill(images.shape[:1], images.dtype.max)


def _tensors(state: Any) -> Any:
    """Return the state of an optimizer with all its leaves as tensors."""
    try:
        made = tf.nest.map_structure(tf.convert_to_tensor, state)
        strings = tf.string in [one.dtype for one in tf.nest.flatten(made)]
    except (TypeError, ValueError):  # such as None
        strings = True
    if strings:
        raise InputTypeError(
            explain(
                "`init` must return tensors",
                expected="numbers and tensors in tuples, lists and dicts, which may be empty",
                received=f"{state!r:.60}",
            ),
            argument="optimizer",
        )
    return made
