"""The interface of optimizers."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

from stylekit.functional import Tensor
from stylekit.transfer.plugin import Plugin

Evaluate = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Takes values, and returns the total ``[B]`` and the gradient ``[B, ...]`` at these values."""


class Optimizer(Plugin, abc.ABC):
    """Base class of optimizers, which compute new values from the gradient.

    A subclass implements `init` and `step`. It must not store anything about a run in attributes.
    Everything that changes from step to step belongs in the state, which `init` returns and `step`
    takes and returns: nested dicts and tuples of tensors of constant shapes. Checkpoints save the
    state.

    Attributes that the constructor sets are the settings; see `get_config`.
    """

    _kind = "optimizer"

    @abc.abstractmethod
    def init(self, x: Tensor) -> Any:
        """Return the state before the first step at values ``[B, ...]``; called once per size."""

    @abc.abstractmethod
    def step(self, evaluate: Evaluate, x: Tensor, state: Any) -> tuple[Any, Any]:
        """Return the next values and state.

        The method is traced: its Python code runs once for each size.

        Parameters
        ----------
        evaluate : callable
            Takes values with the shape of `x`, and returns (total ``[B]``, gradient ``[B, ...]``).
            The first call in a step must be at `x`, because the losses and the image of this call
            are recorded for the step. A line search may evaluate further values; each call takes as
            long as a step with one call.
        x : tensor [B, ...]
            The values that the last step returned, clipped to the bounds of the parametrisation.
        state
            The state that the last step returned.
        """

    def reset(self, state: Any) -> Any:
        """Return the state after the weight of a loss has changed. By default it is unchanged.

        Totals from before the change must not be compared with totals from after it.
        """
        return state

    def memory(self) -> float:
        """Return how many float32 copies of the values a step holds at its peak.

        These include the state before and after the step, the new values, and temporaries, but not
        the given values. The number is used to estimate memory. Default: 8, about the number for
        Adam.
        """
        return 8.0

    def less(self) -> Optimizer | None:
        """Return a copy of this optimizer with a setting that needs less memory, or None.

        `FitMemory` calls it before the first step of a run that does not fit otherwise. The
        `memory` of the copy must be less. Default: None, which keeps the optimizer as it is.
        """
        return None
