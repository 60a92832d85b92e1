"""The fastest plan that fits in the memory there is."""

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
"""From the fastest to the one that needs least."""

MARGIN = 1.15
"""By how much an estimate may be too low."""

SHARE = 0.9
"""Of the free memory, which other programs use as well."""


@dataclasses.dataclass(frozen=True)
class FitMemory(Plan):
    """The fastest plan that is estimated to fit in some memory, chosen once for a run.

    The optimizer stays as it was given. Where no plan fits, one that leaves its memory open, such
    as `LBFGS` without a `history`, settles on less before the first step; see `Optimizer.less`.

    Parameters
    ----------
    limit : int, str or None
        Bytes beside the imported libraries, such as ``4_000_000_000`` or ``"4GB"``, of which the
        estimate leaves a margin free. None: nine tenths of what is free when the run begins, for
        the machine, its container or service, and the process's own limits; where that is not
        known, as on a GPU, all is taken at once.
    say : callable, optional
        Told in a sentence what was chosen, before the first step, unless it is the fastest plan.

    Raises
    ------
    InputError
        If the limit cannot be read.

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
            The `repr` of the plan and of the optimizer that a checkpoint names: these are returned,
            whatever memory is free.

        Raises
        ------
        SetupError
            If nothing fits in a limit that was given.
        """
        movers = [optimizer, *_frugal(as_optimizer(optimizer))]
        for mover in movers:
            for plan in (*PLANS, *downwards(PLANS[-1])):
                if known == (repr(plan), repr(as_optimizer(mover))):
                    return plan, mover
        if self.limit is not None:
            limit: float = in_bytes(self.limit)
        elif (free := free_memory()) is not None:
            limit = SHARE * free
        else:
            return Plan(), optimizer
        found: list[tuple[Memory, Plan, Any]] = []
        refused = ""
        for mover in movers:
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
                    optimizer=mover,
                    precision=precision,
                    **options,
                )
                found.append((need, plan, mover))
                if MARGIN * need.total <= limit:
                    if tell:
                        self._tell(need, plan, mover, optimizer)
                    return plan, mover
        need, plan, mover = min(found, key=lambda one: one[0].total)
        if self.limit is not None:
            height, width = shape
            raise SetupError(
                explain(
                    "the run does not fit in the memory",
                    expected=f"{in_units(MARGIN * need.total)} or more for {width}x{height} pixels",
                    received=in_units(limit),
                    hint="give it more, take a smaller size, or an `optimizer` with less memory, "
                    f"such as LBFGS(history=3) or Adam{refused}",
                ),
                argument="limit",
            )
        if tell:
            self._tell(need, plan, mover, optimizer, ", more than is free")
        return plan, mover

    def _tell(self, need, plan: Plan, mover, given, but: str = "") -> None:
        if self.say is None or (plan == Plan() and mover is given and not but):
            return
        changed = "" if mover is given else f" and {as_optimizer(mover)}"
        self.say(f"Memory: about {in_units(need.total)}{but}, with {plan}{changed}")


def _frugal(optimizer: Optimizer) -> Iterator[Optimizer]:
    """Yield the optimizers to take where the memory does not suffice, by `less`, checked."""
    with naming(f"in {named(optimizer)}, method less"):
        while (other := optimizer.less()) is not None:
            # Else it could go on without end.
            if not isinstance(other, Optimizer) or not other.memory() < optimizer.memory():
                fail(
                    "`less` returned something else than an optimizer that needs less",
                    expected=f"None, or an Optimizer whose `memory` is below {optimizer.memory()}",
                    received=f"{other.memory()}" if isinstance(other, Optimizer) else repr(other),
                    argument="optimizer",
                )
            yield other
            optimizer = other


def free_memory() -> int | None:
    """Return the bytes that this process can take; None where unknown, as on a GPU."""
    if tf.config.list_physical_devices("GPU"):
        return None
    tf.zeros(())  # starts TensorFlow's threads, which count against a limit of the address space
    return free_on_host()
