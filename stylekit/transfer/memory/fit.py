"""`FitMemory`: the fastest plan that fits into memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from stylekit._checks import InputError, SetupError, explain, fail, in_bytes, naming
from stylekit.features import FeatureExtractor
from stylekit.losses import Loss
from stylekit.transfer.memory.estimate import Memory, estimate_memory, in_units
from stylekit.transfer.memory.free import free_on_host
from stylekit.transfer.memory.plan import Plan, Recompute, Tiles, downwards
from stylekit.transfer.optimizers import Optimizer, OptimizerLike, as_optimizer
from stylekit.transfer.plugin import named

PLANS = (Plan(), Recompute(), Tiles(1024), Tiles(512), Tiles(256))
"""All plans, from the fastest to the one that needs the least memory."""

MARGIN = 1.15
"""Factor by which an estimate of the needed memory may be too low."""

SHARE = 0.9
"""Share of the free memory that is used; other programs use it as well."""


@dataclasses.dataclass(frozen=True)
class FitMemory(Plan):
    """Uses the fastest plan that is estimated to fit into memory, chosen once for each run.

    The optimizer is not changed if any plan fits. Otherwise, if the optimizer has settings that
    were left open, as `LBFGS` without a `history`, it is replaced before the first step by one that
    needs less memory; see `Optimizer.less`.

    Parameters
    ----------
    limit : int, str or None
        Memory in bytes, not counting the imported libraries, such as ``4_000_000_000`` or
        ``"4GB"``. The estimate leaves a margin. None uses nine tenths of the memory that is free
        when the run begins, considering the machine, the container or service, and the limits of
        the process. If the free memory is unknown, as on a GPU, everything is evaluated at once.
    say : callable, optional
        Called before the first step with a sentence about the choice, unless the fastest plan is
        chosen.

    Raises
    ------
    InputError
        If `limit` cannot be read.

    See Also
    --------
    stylekit.estimate_memory
    """

    limit: int | str | None = None
    say: Callable[[str], None] | None = dataclasses.field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.limit is not None:
            object.__setattr__(self, "limit", in_bytes(self.limit))

    def settle(
        self,
        losses: Sequence[Loss],
        extractor: FeatureExtractor,
        shape: tuple[int, int],
        *,
        optimizer: OptimizerLike | None = None,
        tell: bool = True,
        precision: str = "float32",
        known: tuple[str, str] | None = None,
        **options: Any,
    ) -> tuple[Plan, Any]:
        """Return the plan and the optimizer; see `Plan.settle`.

        Parameters
        ----------
        known : (str, str), optional
            The `repr` of the plan and of the optimizer in a checkpoint. They are returned whether
            or not they fit into the free memory.

        Raises
        ------
        SetupError
            If no plan fits into the given limit.
        """
        candidates = [optimizer, *_frugal(as_optimizer(optimizer))]
        for candidate in candidates:
            for plan in (*PLANS, *downwards(PLANS[-1])):
                if known == (repr(plan), repr(as_optimizer(candidate))):
                    return plan, candidate
        if self.limit is not None:
            limit: float = in_bytes(self.limit)
        elif (free := free_memory()) is not None:
            limit = SHARE * free
        else:
            return Plan(), optimizer
        found: list[tuple[Memory, Plan, Any]] = []
        refused = ""
        for candidate in candidates:
            for plan in PLANS:
                try:
                    plan.check(losses, extractor, precision)
                except InputError as error:
                    refused = f". {plan} cannot be used: {error}".rstrip(".")
                    continue
                need = estimate_memory(
                    shape,
                    extractor,
                    losses,
                    plan=plan,
                    optimizer=candidate,
                    precision=precision,
                    **options,
                )
                found.append((need, plan, candidate))
                if MARGIN * need.total <= limit:
                    if tell:
                        self._tell(need, plan, candidate, optimizer)
                    return plan, candidate
        need, plan, candidate = min(found, key=lambda one: one[0].total)
        if self.limit is not None:
            height, width = shape
            raise SetupError(
                explain(
                    "the run does not fit into the memory limit",
                    expected=f"{in_units(MARGIN * need.total)} or more for {width}x{height} pixels",
                    received=in_units(limit),
                    hint="raise the limit, use a smaller size, or an `optimizer` that needs less "
                    f"memory, such as LBFGS(history=3) or Adam{refused}",
                ),
                argument="limit",
            )
        if tell:
            self._tell(need, plan, candidate, optimizer, ", more than is free")
        return plan, candidate

    def _tell(self, need, plan: Plan, candidate, given, but: str = "") -> None:
        if self.say is None or (plan == Plan() and candidate is given and not but):
            return
        changed = "" if candidate is given else f" and {as_optimizer(candidate)}"
        self.say(f"Memory: about {in_units(need.total)}{but}, with {plan}{changed}")


def _frugal(optimizer: Optimizer) -> Iterator[Optimizer]:
    """Yield, by calls of `less`, optimizers that need less and less memory, after checking them."""
    with naming(f"in {named(optimizer)}, method less"):
        while (other := optimizer.less()) is not None:
            # Otherwise the loop might not end.
            if not isinstance(other, Optimizer) or not other.memory() < optimizer.memory():
                fail(
                    "`less` must return an optimizer that needs less memory",
                    expected=f"None, or an Optimizer whose `memory` is below {optimizer.memory()}",
                    received=f"{other.memory()}" if isinstance(other, Optimizer) else repr(other),
                    argument="optimizer",
                )
            yield other
            optimizer = other


def free_memory() -> int | None:
    """Return the bytes that this process can still take, or None if unknown, as on a GPU."""
    if tf.config.list_physical_devices("GPU"):
        return None
    tf.zeros(())  # start TensorFlow's threads, which count towards a limit of the address space
    return free_on_host()
