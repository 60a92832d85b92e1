"""What a run will need of memory, before it starts."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from stylekit._checks import caused_by, integer, naming, number
from stylekit.features import FeatureExtractor
from stylekit.losses import (
    Canvas,
    ContentLoss,
    Loss,
    NeighborStyleLoss,
    RelaxedTransportLoss,
    StatisticLoss,
    TileableLoss,
)
from stylekit.losses.base import Needs
from stylekit.losses.hypercolumns import CELL, SCORES
from stylekit.losses.region import Region
from stylekit.losses.statistic import ReferenceLoss
from stylekit.transfer.memory.piece import Piece
from stylekit.transfer.memory.plan import Plan, Tiles
from stylekit.transfer.objective import named_terms, read_by
from stylekit.transfer.optimizers import as_optimizer
from stylekit.transfer.parameters import Parameters, as_parameters
from stylekit.transfer.plugin import named
from stylekit.transfer.pyramid import Pyramid

BASE = 72e6
"""Bytes for tracing, threads and kernels, whatever the picture and the terms."""

TERM = 3e6
"""Bytes for the trace of each term."""

COPIES = 1.2
"""Of the network's weights: its own, and those of a layer turned for its gradient."""

SPREAD = 1.6
"""Bytes taken from the system for each of the feature maps kept: gradients and gaps are beside."""

WORKING = 1.5
"""Of what one convolution takes for itself, which leaves gaps between what others hold."""

MIXED = 1.35
"""Where windows are of several kinds: what one owns fits badly into the room another has left."""

PICTURES = 6.5
"""Copies of the picture beside the optimizer's: start, reference, best, last, gradient."""

BLOCKS = 3
"""Blocks of `SCORES` distances that are held while neighbours are searched: two of this block, and
one of the last."""


@dataclasses.dataclass(frozen=True)
class Memory:
    """What a run needs at its peak beside the imported libraries, in bytes.

    Attributes
    ----------
    base : int
        Whatever the picture: the network's weights, tracing, threads.
    features : int
        The network's feature maps, and their gradients; or, where it is more, what the terms take
        to prepare their targets.
    targets : int
        What the terms hold: references, masks, a content's feature maps, matched ones.
    pictures : int
        The picture, its gradient, and the optimizer's state.
    """

    base: int
    features: int
    targets: int
    pictures: int

    @property
    def total(self) -> int:
        """The sum."""
        return self.base + self.features + self.targets + self.pictures

    def __str__(self) -> str:
        parts = dataclasses.asdict(self).items()
        return f"{in_units(self.total)} (" + ", ".join(f"{k} {in_units(v)}" for k, v in parts) + ")"


def estimate_memory(
    size: int | tuple[int, int],
    extractor: FeatureExtractor,
    losses: Sequence[Loss],
    *,
    plan: Plan | None = None,
    optimizer: Any = None,
    precision: str = "float32",
    batch: int = 1,
    pyramid: Pyramid | None = None,
    parameters: Parameters | None = None,
) -> Memory:
    """Estimate the peak of a run's memory at its final size. Nothing of that size is computed.

    Parameters
    ----------
    size : int or (int, int)
        Side of a square picture, or (H, W), in pixels.
    extractor : FeatureExtractor
    losses : sequence of Loss
    plan, optimizer, precision
        See `StyleTransfer`.
    batch : int
        Pictures.
    pyramid : Pyramid, optional
        Of the run; TensorFlow's allocator may keep what the pictures of coarser levels took.
    parameters : Parameters, optional
        What is optimised; see `StyleTransfer`.

    Returns
    -------
    Memory

    Raises
    ------
    InputError
        If an argument is unfit, or the picture is too small for a layer.

    Notes
    -----
    Feature maps that are kept for the gradient are counted from the network's graph, of a plan's
    largest piece, and one more for each further term that reads a layer: its gradient waits to be
    added. What a term makes of its features is what it declares; see `Loss.needs`. The constants
    were fitted to runs on a CPU.
    """
    height, width = (size, size) if isinstance(size, (int, np.integer)) else size
    with caused_by("shape"):
        shape = integer(height, "the height", low=1), integer(width, "the width", low=1)
    batch = integer(batch, "batch", low=1)
    terms = list(named_terms(losses).values())
    plan = Plan() if plan is None else plan
    picture = batch * math.prod(shape) * 3 * 4
    mover = as_optimizer(optimizer)
    parameters = as_parameters(parameters)
    with naming(f"in {named(mover)}, method memory"):
        copies = number(mover.memory(), "what `memory` returned", low=0)
    with naming(f"in {named(parameters)}, method pictures"):
        size_of_values = number(parameters.pictures(shape), "what `pictures` returned", low=0)
    working = number(parameters.working, f"`working` of {named(parameters)}", low=0)
    pictures = PICTURES + size_of_values * copies + working

    layers = read_by(terms, extractor)
    if layers:
        Canvas(extractor, shape).check_size(layers)
    parts = [part for term in terms for part in _parts(term)]
    counted = _Preparing(extractor, plan, precision)
    needs = [counted.needs(part, shape, batch) for part in parts]
    features, weights = sum(one.compute for one in needs), 0
    if layers:
        network = extractor.network(layers, precision)
        weights = sum(math.prod(weight.shape) * 4 for weight in network.weights)
        readers = collections.Counter(
            extractor.resolve(layer) for term in terms for layer in term.layers_of(extractor)
        )
        masked = {
            extractor.resolve(layer)
            for part in parts
            if isinstance(part, StatisticLoss) and part.region.mask is not None
            for layer in part.layers_of(extractor)
        }
        pieces = plan.pieces(extractor, layers, shape, precision)
        features += batch * max(_held(piece, readers, masked) for piece in pieces)
        largest = max(max(piece.maps().values(), default=0) for piece in pieces)
        for term in terms:
            if isinstance(term, NeighborStyleLoss):
                block = counted.block(term, shape)
                # One that is larger than any feature map finds no room among what maps have left.
                features += BLOCKS * block if block > batch * largest else 0
    features = max(features, *(counted.most(term, shape, batch) for term in terms))
    targets = sum(counted.held(term, shape, batch) for term in terms)
    targets += sum(one.targets for one in needs)
    for part in parts:
        pictures_of = [getattr(part, "reference", None), *getattr(part, "styles", ())]
        masks = [one.mask for one in _regions(part)]
        targets += sum(one.nbytes for one in (*pictures_of, *masks) if isinstance(one, np.ndarray))
    if pyramid is not None:
        areas = [
            math.prod(level) for level in dict.fromkeys(s for s, _ in pyramid.levels(shape, 0))
        ]
        pictures *= sum(areas) / areas[-1]
    return Memory(
        base=round(BASE + TERM * len(terms) + COPIES * weights),
        features=round(features),
        targets=round(targets),
        pictures=round(pictures * picture),
    )


class _Preparing:
    """What terms take, and hold, of memory when their targets are prepared, in bytes.

    Parameters
    ----------
    extractor, plan, precision
        Of the run.
    """

    def __init__(self, extractor: FeatureExtractor, plan: Plan, precision: str) -> None:
        self._extractor, self._plan, self._precision = extractor, plan, precision

    def most(self, term: Loss, shape: tuple[int, int], batch: int) -> float:
        """Return the most that is taken at a time, beside what is held."""
        if isinstance(term, NeighborStyleLoss):
            return self._matching(term, shape, batch)
        looks = [0.0]
        for part in _parts(term):
            layers = part.layers_of(self._extractor)
            # In tiles a statistic is a sum over them.
            kept = not (isinstance(part, StatisticLoss) and isinstance(self._plan, Tiles))
            looked = max((self._look(layers, one, kept) for one in _references(part)), default=0.0)
            looks.append(looked + self.needs(part, shape, batch).prepare)
        return max(looks)

    def needs(self, part: Loss, shape: tuple[int, int], batch: int) -> Needs:
        """Return what a loss declares, for a batch of pictures; in tiles it may take bands."""
        names, maps = part.layers_of(self._extractor), {}
        if names:
            found = Piece(self._extractor.network(names, self._precision), shape).shapes()
            maps = {name: found[self._extractor.resolve(name)] for name in names}
        needs = part.needs(shape, maps)
        share = 1.0
        banded = isinstance(part, TileableLoss) and part.reach is not None
        if banded and isinstance(self._plan, Tiles):
            share = min(1.0, self._plan.size**2 / math.prod(shape))
        return dataclasses.replace(needs, compute=batch * share * needs.compute)

    def held(self, term: Loss, shape: tuple[int, int], batch: int) -> float:
        """Return what the targets of a term take as long as a size is painted."""
        if isinstance(term, NeighborStyleLoss):
            return batch * self._grids(term, shape)[0]
        if isinstance(term, ContentLoss):
            return batch * sum(self._outputs(term.layers_of(self._extractor), shape).values())
        return 0.0

    def block(self, term: NeighborStyleLoss, shape: tuple[int, int]) -> float:
        """Return the bytes of a block of distances."""
        rows = math.isqrt(SCORES)
        offers = self._offers(term, shape)
        return 4 * min(rows, _cells(shape)) * min(rows, max(map(_cells, offers)))

    def _matching(self, term: NeighborStyleLoss, shape: tuple[int, int], batch: int) -> float:
        """Return the most that is taken while neighbours are matched; see `NeighborStyleLoss`."""
        layers = term.layers_of(self._extractor)
        offers = self._offers(term, shape)
        maps, columns = (batch * size for size in self._grids(term, shape))
        maps_of, columns_of = zip(*(self._grids(term, offer) for offer in offers), strict=True)
        keys = sum(
            size * min(1, term.candidates / _cells(offer))
            for size, offer in zip(columns_of, offers, strict=True)
        )
        looked = max(self._look(layers, one, True) for one in offers)
        looked = max(looked, batch * self._look(layers, shape, True))
        alone = len(offers) == 1 and all(region.mask is None for region in term.regions)
        # Where several styles offer candidates, theirs and the picture's are put together.
        joined = 0.0 if alone else columns / batch + keys
        return max(
            looked + maps + sum(maps_of),  # of the network
            maps + sum(maps_of) + 2 * max(columns_of),  # each layer enlarged, and put together
            keys + columns + BLOCKS * self.block(term, shape),
            keys + columns + max(joined + columns, 2 * columns),  # what was found, and as a batch
        )

    def _offers(self, term: NeighborStyleLoss, shape: tuple[int, int]) -> list[tuple[int, int]]:
        """Return (H, W) of each style, and of each of its copies."""
        copies = (4 if term.turned else 1) * (2 if term.mirrored else 1)
        return [_scaled(style, term.style_scale) for style in term.styles for _ in range(copies)]

    def _grids(self, term: NeighborStyleLoss, shape: tuple[int, int]) -> tuple[float, float]:
        """Return the bytes of a picture's layers on grids of cells, and of its hypercolumns."""
        maps = columns = 0.0
        for layer in term.layers_of(self._extractor):
            network = self._extractor.network([layer], self._precision)
            depth = network.output[self._extractor.resolve(layer)].shape[-1]
            stride = math.prod(self._extractor.stride(layer))
            maps += 4 * depth * math.prod(shape) / max(stride, CELL**2)
            columns += 4 * depth * _cells(shape)
        return maps, columns

    def _look(self, layers: Sequence[str], shape: tuple[int, int], kept: bool) -> float:
        """Return what the network takes to look at a picture, of which it keeps nothing else.

        In parts, the whole feature maps of the layers are beside them, if they are kept.
        """
        pieces = self._plan.pieces(self._extractor, layers, shape, self._precision)
        taken = max(sum(one.maps().values()) + WORKING * one.working() for one in pieces)
        if kept and pieces[0].shape != tuple(shape):
            taken += sum(self._outputs(layers, shape).values())
        return taken

    def _outputs(self, layers: Sequence[str], shape: tuple[int, int]) -> dict[str, int]:
        return Piece(self._extractor.network(layers, self._precision), shape).outputs()


def _references(part: Loss) -> list[tuple[int, int]]:
    """Return (H, W) at which the network looks at each style or other reference of its own size."""
    if isinstance(part, ReferenceLoss):
        return [_scaled(part.reference, part.reference_scale)]
    if isinstance(part, RelaxedTransportLoss):
        return [_scaled(style, part.style_scale) for style in part.styles]
    return []


def _parts(term: Loss) -> Sequence[Loss]:
    return term.parts if isinstance(term, TileableLoss) else (term,)


def _regions(part: Loss) -> list[Region]:
    """Return the regions of a term, and of its references."""
    flat = (one if isinstance(one, tuple) else (one,) for one in vars(part).values())
    return [one for several in flat for one in several if isinstance(one, Region)]


def _scaled(picture: np.ndarray, scale: float) -> tuple[int, int]:
    """Return (H, W) at which a reference is looked at; see `Canvas.beside`."""
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    return height, width


def _cells(shape: tuple[int, int]) -> float:
    """Return how many hypercolumns a picture has."""
    return math.prod(shape) / CELL**2


def _held(piece: Piece, readers: Mapping[str, int], masked: Collection[str]) -> float:
    """Return the bytes that are held of one picture while a piece is evaluated.

    Parameters
    ----------
    readers : mapping of str to int
        How many terms read a layer.
    masked : collection of str
        The layers of which a statistic is taken under a mask: they are multiplied with it.
    """
    held = SPREAD * (sum(piece.maps().values()) + WORKING * piece.working())
    outputs = piece.outputs()
    held += sum((readers[name] - 1) * size for name, size in outputs.items() if readers[name])
    held += max((size for name, size in outputs.items() if name in masked), default=0)
    return MIXED * held if piece.kinds > 1 else held


def in_units(size: float) -> str:
    """Return bytes as text: ``"340 MB"``, ``"2.4 GB"``."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
