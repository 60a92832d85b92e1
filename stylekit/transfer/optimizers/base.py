"""The interface of an optimizer."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

from stylekit.functional import Tensor
from stylekit.transfer.plugin import Plugin

Evaluate = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From values to their total ``[B]`` and gradient ``[B, ...]``."""


class Optimizer(Plugin, abc.ABC):
    """An optimizer: moves values, given their gradient.

    A subclass writes `init` and `step`. It stores nothing of a run: what changes from step to step
    is the state that `init` returns and `step` passes on, nested dicts and tuples of tensors of
    constant shapes. A checkpoint keeps it.

    Attributes that a constructor sets are the settings; see `get_config`.
    """

    _kind = "optimizer"

    @abc.abstractmethod
    def init(self, x: Tensor) -> Any:
        """Return the state before the first step at values ``[B, ...]``. Called once a size."""

    @abc.abstractmethod
    def step(self, evaluate: Evaluate, x: Tensor, state: Any) -> tuple[Any, Any]:
        """Return the next values and state.

        It is traced: its Python code runs once for each size.

        Parameters
        ----------
        evaluate : callable
            From values of the shape of `x` to (total ``[B]``, gradient ``[B, ...]``). The first
            call of a step is to be at `x`: its losses and image are those of the step in records.
            A line search may go on to evaluate other values; each call takes the time of a step.
        x : tensor [B, ...]
            What the last step returned, clipped to the parameters' bounds.
        state
            What the last step returned.
        """

    def reset(self, state: Any) -> Any:
        """Return the state after the weight of a loss has changed. Default: as it was.

        Totals from before and after the change must not be compared.
        """
        return state

    def memory(self) -> float:
        """Return how many float32 copies of the values are held at a step's peak.

        The state before and after, the values after, and temporaries; not the values given. Used to
        estimate memory. Default: 8, about Adam's.
        """
        return 8.0

    def less(self) -> Optimizer | None:
        """Return this optimizer with the next setting that needs less memory, or None.

        Used by `FitMemory`, before the first step of a run that does not fit otherwise; the
        `memory` of what is returned has to be below this one's. Default: None, so that an
        optimizer stays as it was given.
        """
        return None
