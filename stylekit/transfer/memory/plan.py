"""Plans: how an objective is evaluated, either at once, or with less memory in more time."""

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
"""Side in pixels of the smallest useful tile. Below it, halos need more memory than smaller tiles
save."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Evaluates an objective at once. This keeps all activations, and is the fastest plan.

    All plans compute the same value and gradient, up to rounding errors.
    """

    def objective(
        self,
        losses: Sequence[Loss],
        extractor: FeatureExtractor,
        shape: tuple[int, int],
        **options: Any,
    ) -> Objective:
        """Return the objective of some losses at one size; see `Objective` for `options`."""
        return Objective(losses, extractor, shape, **options)

    def less(self) -> Plan | None:
        """Return the next plan, which needs less memory, or None if no plan needs less."""
        return Recompute()

    def drop(self, objective: Objective | None) -> bool:
        """Free all kept objectives; return whether others than `objective` were freed."""
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
        """Return the plan and the optimizer that a run uses. Here both are unchanged.

        A plan may only change an optimizer by calling the method `less` of the optimizer.

        Parameters
        ----------
        losses, extractor
            As in the run.
        shape : (int, int)
            (H, W) of the picture at the final size.
        optimizer
            As it was given to `StyleTransfer`.
        tell : bool
            Whether to report the choice, if the plan reports one.
        **options
            Precision, batch, pyramid and parameters; see `stylekit.estimate_memory`.
        """
        return self, optimizer

    def check(
        self, losses: Sequence[Loss], extractor: FeatureExtractor, precision: str = "float32"
    ) -> None:
        """Raise `InputError` if the plan does not support some losses or the network."""

    def pieces(
        self,
        extractor: FeatureExtractor,
        layers: Sequence[str],
        shape: tuple[int, int],
        precision: str = "float32",
    ) -> tuple[Piece, ...]:
        """Return the parts of the network that are evaluated one at a time, to estimate memory."""
        return (Piece(extractor.network(layers, precision), (shape[0], shape[1])),)


@dataclasses.dataclass(frozen=True)
class Recompute(Plan):
    """Gradient checkpointing: computes the first layers in tiles, and again for the gradient.

    The first layers are the largest. A picture that is not larger than a tile of 256 x 256 pixels
    is evaluated at once, because tiles would not save any memory.

    Parameters
    ----------
    layer : True or str
        The layer up to which activations are not kept; see `RecomputedObjective`.

    Raises
    ------
    InputTypeError
        If `layer` is neither True nor a name.
    """

    layer: Literal[True] | str = True

    def __post_init__(self) -> None:
        if self.layer is not True and not isinstance(self.layer, str):
            raise InputTypeError(
                explain(
                    "`layer` must be True or the name of a layer",
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
        """Raise `InputError` if the network cannot be split at the layer, or tiled up to it."""
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
        """Return the window of a tile for the first layers, and the rest of the network."""
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
    """Evaluates the picture in tiles, one at a time. Memory hardly grows with the picture.

    A picture that is not larger than a tile, such as that of a coarse level, is evaluated at once.

    Parameters
    ----------
    size : int
        Largest side of a tile in pixels, at least 1; see `TiledObjective`.

    Raises
    ------
    InputError
        If `size` is below 1.
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
        """Raise `InputError` if a loss or a layer of the network does not support tiles."""
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
        """Return the window of a tile; see `Plan.pieces`."""
        if max(shape) <= self.size:
            return super().pieces(extractor, layers, shape, precision)
        tiling = Tiling(extractor, layers, shape, self.size)
        return (_windows(tiling, extractor.network(layers, precision)),)

    def less(self) -> Plan | None:
        """Return smaller tiles; see `Plan.less`."""
        return Tiles(self.size // 2) if self.size // 2 >= SMALLEST_TILE else None


def _windows(tiling: Tiling, network) -> Piece:
    """Return the part of the work that evaluates a network on the largest window of some tiles."""
    down, along = ([span.length for span in spans] for spans in tiling.spans)
    return Piece(network, (max(down), max(along)), kinds=len(down) * len(along))


def downwards(plan: Plan | None) -> Iterator[Plan]:
    """Yield a plan, and the plans that a run tries next if memory runs out."""
    while plan is not None:
        yield plan
        plan = plan.less()


class Planned:
    """An objective with a plan, or with the next plan of less memory that fits.

    Parameters
    ----------
    plan : Plan
    make : callable
        Takes a plan and returns the objective.
    note : callable
        Called with a sentence for each change of plan.
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
        """The plan that is used."""
        return self._plan

    @property
    def objective(self) -> Objective:
        """The objective with the plan that is used."""
        assert self._objective is not None
        return self._objective

    def step_down(self, shortage: Exception) -> None:
        """Change to the next plan that fits, or raise `shortage` again if there is none.

        If the plan has kept objectives for other runs, they are freed first, and the plan is tried
        again.

        Raises
        ------
        SetupError
            If the plans that need less memory do not support a loss or the network. The message
            names it.
        """
        dropped = self._plan.drop(self._objective)
        self._objective = None  # free its memory
        if dropped:
            gc.collect()  # a trace is part of a reference cycle
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
            kept = " and the objectives of earlier runs, which were freed"
            used = f"{self._plan}{kept if plan is self._plan else ''}"
            self._note(f"out of memory with {used}; continuing with {plan}")
            self._plan = plan
            return
        if refused:
            problem = f"the run does not fit into memory with {self._plan}, and {refused}"
            raise SetupError(problem) from shortage
        raise shortage
