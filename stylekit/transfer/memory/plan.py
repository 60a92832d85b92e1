"""How an objective is evaluated: in one go, or with less memory for more time."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from stylekit._checks import InputError, InputTypeError, SetupError, explain, integer
from stylekit.features import FeatureExtractor
from stylekit.losses import Loss
from stylekit.transfer.memory.piece import Piece
from stylekit.transfer.memory.recompute import TILE, RecomputedObjective, cut_of, split
from stylekit.transfer.memory.shortage import release
from stylekit.transfer.memory.tiles import Tiling
from stylekit.transfer.memory.tiling import TiledObjective, check_term
from stylekit.transfer.objective import Objective, named_terms, read_by
from stylekit.transfer.optimizers import OptimizerLike

SMALLEST_TILE = 128
"""Side in pixels below which halos cost more than they save."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """How an objective is evaluated; this one keeps all activations, and is the fastest.

    The others compute the same value and gradient, but for rounding.
    """

    def objective(
        self,
        losses: Sequence[Loss],
        extractor: FeatureExtractor,
        shape: tuple[int, int],
        **options: Any,
    ) -> Objective:
        """Return the objective of some terms at one size; see `Objective` for `options`."""
        return Objective(losses, extractor, shape, **options)

    def less(self) -> Plan | None:
        """Return the next plan that needs less memory, or None if this one needs least."""
        return Recompute()

    def drop(self, objective: Objective | None) -> bool:
        """Let go of what is kept beyond a run; return whether more than `objective` was kept."""
        return False

    def settle(
        self,
        losses: Sequence[Loss],
        extractor: FeatureExtractor,
        shape: tuple[int, int],
        *,
        optimizer: OptimizerLike | None = None,
        **options: Any,
    ) -> tuple[Plan, Any]:
        """Return the plan of a run, here itself, and its optimizer with the memory settled.

        A plan changes the optimizer only as that allows by its `less`; this one does not.

        Parameters
        ----------
        losses, extractor
            Of the run.
        shape : (int, int)
            (H, W) at its final size.
        optimizer
            As it was given to `StyleTransfer`.
        tell : bool
            Whether to say what was chosen, where something is said.
        **options
            Precision, batch, pyramid and parameters; see `stylekit.estimate_memory`.
        """
        return self, optimizer

    def check(
        self, losses: Sequence[Loss], extractor: FeatureExtractor, precision: str = "float32"
    ) -> None:
        """Raise `InputError` if the plan cannot take some terms, or the network."""

    def pieces(
        self,
        extractor: FeatureExtractor,
        layers: Sequence[str],
        shape: tuple[int, int],
        precision: str = "float32",
    ) -> tuple[Piece, ...]:
        """Return what is evaluated at once, one piece after the other: for an estimate."""
        return (Piece(extractor.network(layers, precision), (shape[0], shape[1])),)


@dataclasses.dataclass(frozen=True)
class Recompute(Plan):
    """The network's first layers, the largest, are taken in tiles and again for their gradient.

    A picture that is no larger than a tile, of 256 pixels, is taken as a whole: there is nothing to
    be saved.

    Parameters
    ----------
    layer : True or str
        Up to which nothing is kept; see `RecomputedObjective`.

    Raises
    ------
    InputTypeError
        If the layer is neither True nor a name.
    """

    layer: Literal[True] | str = True

    def __post_init__(self) -> None:
        if self.layer is not True and not isinstance(self.layer, str):
            raise InputTypeError(
                explain(
                    "the layer to recompute to is wrong",
                    expected="True, or a name such as block2_pool",
                    received=self.layer,
                ),
                argument="layer",
            )

    def objective(
        self,
        losses: Sequence[Loss],
        extractor: FeatureExtractor,
        shape: tuple[int, int],
        **options: Any,
    ) -> Objective:
        """Return the objective; see `Plan.objective`."""
        if max(shape) <= TILE:
            return super().objective(losses, extractor, shape, **options)
        return RecomputedObjective(
            losses, extractor, shape, recompute=self.layer, tile=TILE, **options
        )

    def less(self) -> Plan | None:
        """Return tiles; see `Plan.less`."""
        return Tiles()

    def check(
        self, losses: Sequence[Loss], extractor: FeatureExtractor, precision: str = "float32"
    ) -> None:
        """Raise `InputError` if the network cannot be cut, or tiled up to there."""
        cut = cut_of(extractor, self.layer)
        first, behind = split(extractor, read_by(losses, extractor), cut)
        for layer in (*first, *((cut,) if behind else ())):
            extractor.check_windows(layer)
        if behind:
            extractor.stages(behind, (cut,), precision)

    def pieces(
        self,
        extractor: FeatureExtractor,
        layers: Sequence[str],
        shape: tuple[int, int],
        precision: str = "float32",
    ) -> tuple[Piece, ...]:
        """Return a tile's window of the first layers, and all that follows; see `Plan.pieces`."""
        if max(shape) <= TILE:
            return super().pieces(extractor, layers, shape, precision)
        cut = cut_of(extractor, self.layer)
        first, behind = split(extractor, layers, cut)
        seen = tuple(dict.fromkeys((*first, cut))) if behind else first
        tiling = Tiling(extractor, seen, shape, TILE)
        pieces = [_windows(tiling, extractor.network(seen, precision))]
        if behind:
            whole = extractor.network((*layers, cut), precision)
            known = frozenset(pieces[0].maps().keys() - {cut})
            pieces.append(Piece(whole, (shape[0], shape[1]), known))
        return tuple(pieces)


@dataclasses.dataclass(frozen=True)
class Tiles(Plan):
    """The picture is taken in windows, one after the other: memory does not grow with it.

    A picture, such as a coarse level's, that is no larger than a tile is taken as a whole.

    Parameters
    ----------
    size : int
        Most pixels of a tile's side; see `TiledObjective`.

    Raises
    ------
    InputError
        If the size is below 1.
    """

    size: int = 512

    def __post_init__(self) -> None:
        integer(self.size, "a tile's size", low=1, argument="size")

    def objective(
        self,
        losses: Sequence[Loss],
        extractor: FeatureExtractor,
        shape: tuple[int, int],
        **options: Any,
    ) -> Objective:
        """Return the objective; see `Plan.objective`."""
        if max(shape) <= self.size:
            return super().objective(losses, extractor, shape, **options)
        return TiledObjective(losses, extractor, shape, tile=self.size, **options)

    def check(
        self, losses: Sequence[Loss], extractor: FeatureExtractor, precision: str = "float32"
    ) -> None:
        """Raise `InputError` if a term is no mean, or a layer sees the whole picture."""
        for name, term in named_terms(losses).items():
            check_term(name, term)
        for layer in read_by(losses, extractor):
            extractor.check_windows(layer)

    def pieces(
        self,
        extractor: FeatureExtractor,
        layers: Sequence[str],
        shape: tuple[int, int],
        precision: str = "float32",
    ) -> tuple[Piece, ...]:
        """Return a tile's window; see `Plan.pieces`."""
        if max(shape) <= self.size:
            return super().pieces(extractor, layers, shape, precision)
        tiling = Tiling(extractor, layers, shape, self.size)
        return (_windows(tiling, extractor.network(layers, precision)),)

    def less(self) -> Plan | None:
        """Return smaller tiles; see `Plan.less`."""
        return Tiles(self.size // 2) if self.size // 2 >= SMALLEST_TILE else None


def _windows(tiling: Tiling, network) -> Piece:
    """Return what a network makes of the largest window of some tiles."""
    down, along = ([span.length for span in spans] for spans in tiling.spans)
    return Piece(network, (max(down), max(along)), kinds=len(down) * len(along))


def downwards(plan: Plan | None) -> Iterator[Plan]:
    """Yield a plan, and those that a run takes where its memory does not suffice."""
    while plan is not None:
        yield plan
        plan = plan.less()


class Planned:
    """An objective under a plan, or under the first one below it for which the memory suffices.

    Parameters
    ----------
    plan : Plan
    make : callable
        From a plan to the objective.
    note : callable
        Told, in a sentence, of every plan that is taken instead.
    """

    def __init__(
        self, plan: Plan, make: Callable[[Plan], Objective], note: Callable[[str], None]
    ) -> None:
        self._plan, self._make, self._note = plan, make, note
        self._objective: Objective | None = None
        try:
            self._objective = make(plan)
        except Exception as error:
            release(error)
            self.step_down(error)

    @property
    def plan(self) -> Plan:
        """The plan that is in use."""
        return self._plan

    @property
    def objective(self) -> Objective:
        """The objective under the plan that is in use."""
        assert self._objective is not None
        return self._objective

    def step_down(self, shortage: Exception) -> None:
        """Take the next plan that suffices, or raise what was raised if there is none.

        Where the plan has kept something for other runs, that goes first, and the plan is tried
        again.

        Raises
        ------
        SetupError
            If a plan that needs less memory cannot take the terms or the network; it names them.
        """
        dropped = self._plan.drop(self._objective)
        self._objective = None  # it would be in the way
        if dropped:
            gc.collect()  # a trace refers to itself
        refused = ""
        for plan in downwards(self._plan if dropped else self._plan.less()):
            try:
                self._objective = self._make(plan)
            except InputError as error:
                refused = f"{plan} cannot be used: {error}"
                continue
            except Exception as error:
                release(error)
                continue
            went_on = "what it kept, which was dropped" if plan is self._plan else f"{self._plan}"
            self._note(f"the memory did not suffice for {went_on}: went on with {plan}")
            self._plan = plan
            return
        if refused:
            problem = f"the memory does not hold the run with {self._plan}, and {refused}"
            raise SetupError(problem) from shortage
        raise shortage
