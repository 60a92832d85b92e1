"""`Reuse`: a plan for many similar runs, which traces their objective only once."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Sequence
from typing import Any

import numpy as np

from stylekit._checks import InputTypeError, explain, integer
from stylekit.features import FeatureExtractor
from stylekit.losses import Loss, TileableLoss
from stylekit.transfer.memory.plan import Plan
from stylekit.transfer.objective import Objective, assign, form, named_terms


@dataclasses.dataclass(frozen=True)
class Reuse(Plan):
    """A plan for many runs: a run with the same kind of losses as an earlier run is not traced.

    Losses are of the same kind if they have the same names and classes in the same order, and
    differ only in their weights and in what `TileableLoss.only_prepared` names (pictures, masks,
    layer weights). The network, the precision and the size of the picture must also be the same.
    One object may be used for runs that follow one another, but not for two runs at the same time.

    Parameters
    ----------
    plan : Plan
        The plan that chooses for each run, such as `FitMemory`. If it does not choose `Plan()`, the
        kept objectives are freed, and it chooses again. If it still does not choose `Plan()`, the
        run is traced again with the chosen plan.
    most : int, optional
        Maximum number of objectives to keep, at least 1. The most recently used are kept. A run
        needs one objective for each size of its pyramid. Default: all are kept.

    Raises
    ------
    InputError, InputTypeError
        If an argument cannot be used.

    Notes
    -----
    Each objective also keeps the features of a content. Runs with an update mask, or with an
    optimizer other than `LBFGS`, are traced again.

    Examples
    --------
    >>> plan = sk.Reuse()  # doctest: +SKIP
    >>> for weight in (2, 8, 32):  # doctest: +SKIP
    ...     terms = [sk.ContentLoss(photo), sk.GramStyleLoss(style, weight=weight)]
    ...     sk.StyleTransfer(terms, plan=plan).run(photo, 50).save(f"{weight}.png")
    """

    # These fields are not part of the repr, by which checkpoints compare runs, because they change
    # neither value nor gradient.
    plan: Plan = dataclasses.field(default=Plan(), repr=False)
    most: int | None = dataclasses.field(default=None, repr=False)
    _kept: list[_ReusedObjective] = dataclasses.field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not isinstance(self.plan, Plan):
            raise InputTypeError(
                explain(
                    "`plan` must be a plan",
                    expected="Plan(), Recompute(), Tiles() or FitMemory()",
                    received=repr(self.plan),
                ),
                argument="plan",
            )
        if self.most is not None:
            integer(self.most, "most", low=1)

    def __getstate__(self):
        return vars(self) | {"_kept": []}  # traces can be neither copied nor pickled

    def settle(
        self,
        losses: Sequence[Loss],
        extractor: FeatureExtractor,
        shape: tuple[int, int],
        *,
        known: tuple[str, str] | None = None,
        **options: Any,
    ) -> tuple[Plan, Any]:
        """Return this object if `plan` chooses `Plan()`, else the chosen plan; see `Plan.settle`.

        Parameters
        ----------
        known : (str, str), optional
            See `FitMemory.settle`.
        """
        if known is not None and known[0] == repr(self):
            known = repr(Plan()), known[1]
        how = {"known": known, **options}
        plan, optimizer = self.plan.settle(losses, extractor, shape, **how)
        if plan != Plan() and self._kept:
            self._kept.clear()
            gc.collect()  # a trace is part of a reference cycle
            plan, optimizer = self.plan.settle(losses, extractor, shape, **how)
        return (self if plan == Plan() else plan), optimizer

    def drop(self, objective: Objective | None) -> bool:
        """Free all objectives; see `Plan.drop`."""
        others = any(kept is not objective for kept in self._kept)
        self._kept.clear()
        return others

    def objective(
        self,
        losses: Sequence[Loss],
        extractor: FeatureExtractor,
        shape: tuple[int, int],
        **options: Any,
    ) -> Objective:
        """Return an earlier objective for these losses, or a new one; see `Plan.objective`."""
        for kept in self._kept:
            if kept.take(losses, extractor, shape, **options):
                self._kept.remove(kept)
                break
        else:
            if self.most is not None:
                del self._kept[: max(0, len(self._kept) + 1 - self.most)]
            kept = _ReusedObjective(losses, extractor, shape, **options)
        self._kept.append(kept)
        return kept


class _ReusedObjective(Objective):
    """`Objective` whose targets are variables, so that its trace can serve other targets."""

    serves_others = True

    def take(
        self,
        losses: Sequence[Loss],
        extractor: FeatureExtractor,
        shape: tuple[int, int],
        *,
        base_shape: tuple[int, int] | None = None,
        picture: np.ndarray | None = None,
        precision: str = "float32",
        round: int = 0,
    ) -> bool:
        """Take other losses and return True, or return False if the trace does not fit."""
        terms = named_terms(losses)
        canvas = self.canvas
        same = (
            extractor == canvas.extractor
            and tuple(shape) == canvas.shape
            and tuple(base_shape or shape) == canvas.base_shape
            and precision == self.precision
            and list(terms) == list(self.terms)
            and all(map(_alike, terms.values(), self.terms.values()))
        )
        if not same:
            return False
        canvas.picture = picture
        canvas.notes.clear()
        canvas.begin(None, round)
        targets, following = self._known(terms)
        if following != self._following:
            return False
        # The targets of the other losses are compared and assigned when the level begins.
        targets = {name: new for name, new in targets.items() if name not in following}
        # A small region may be skipped at a layer, which changes the computation.
        if not all(form(self.targets[name]) == form(new) for name, new in targets.items()):
            return False
        for name, new in targets.items():
            assign(self.targets[name], new)
        self.terms = terms
        self._fitted = precision != "mixed_float16"
        return True


def _alike(one: Loss, other: Loss) -> bool:
    """Return whether two losses compute the same function of their targets."""
    free = one.only_prepared if isinstance(one, TileableLoss) else ()
    settings = [
        {k: v for k, v in vars(term).items() if k not in ("_weight", *free)}
        for term in (one, other)
    ]
    return (
        type(one) is type(other)
        and settings[0].keys() == settings[1].keys()
        and all(_same(value, settings[1][key]) for key, value in settings[0].items())
    )


def _same(one, other) -> bool:
    """Return whether two settings are equal; objects other than plain values must be identical."""
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        return all(map(_same, one, other))
    plain = isinstance(one, str | int | float) and isinstance(other, str | int | float)
    return one is other or (plain and one == other)
