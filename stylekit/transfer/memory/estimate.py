"""An estimate of the memory that a run needs."""

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
"""Bytes for tracing, threads and kernels, independent of the picture and the losses."""

TERM = 3e6
"""Bytes for the trace of each loss."""

COPIES = 1.2
"""Number of copies of the network's weights: the weights themselves, and transposed weights for the
gradient of a layer."""

SPREAD = 1.6
"""Bytes taken from the system per byte of feature maps. The ratio exceeds 1 because of gradients
and of gaps between the arrays."""

WORKING = 1.5
"""Bytes taken from the system per byte that one convolution needs temporarily, including gaps
between the arrays."""

MIXED = 1.35
"""Factor for runs with several kinds of windows. A window does not fit well into memory freed by a
window of another kind."""

PICTURES = 6.5
"""Number of copies of the picture, not counting those of the optimizer: initial image, reference,
best image, last image, gradient."""

BLOCKS = 3
"""Number of blocks of `SCORES` distances that are held in a neighbour search: two for the current
block, and one for the previous block."""


@dataclasses.dataclass(frozen=True)
class Memory:
    """The memory that a run needs at its peak, in bytes, not counting the imported libraries.

    Attributes
    ----------
    base : int
        Memory that does not depend on the picture: the network's weights, tracing, threads.
    features : int
        The feature maps of the network and their gradients, or the memory that the losses need to
        prepare their targets, whichever is larger.
    targets : int
        The data that the losses hold: references, masks, feature maps of a content, matched
        features.
    pictures : int
        The image, its gradient, and the state of the optimizer.
    """

    base: int
    features: int
    targets: int
    pictures: int

    @property
    def total(self) -> int:
        """The sum of all attributes."""
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
    """Estimate the peak memory of a run at its final size, without evaluating the network.

    Parameters
    ----------
    size : int or (int, int)
        Side of a square picture, or (H, W), in pixels.
    extractor : FeatureExtractor
    losses : sequence of Loss
    plan, optimizer, precision
        See `StyleTransfer`.
    batch : int
        Number of pictures, at least 1.
    pyramid : Pyramid, optional
        Pyramid of the run. TensorFlow's allocator may keep the memory of coarser levels.
    parameters : Parameters, optional
        See `StyleTransfer`.

    Returns
    -------
    Memory

    Raises
    ------
    InputError
        If an argument is invalid, or the picture is too small for a layer.

    Notes
    -----
    The feature maps that are kept for the gradient are counted in the graph of the network, for the
    largest part of the work that a plan evaluates at once. Each further loss that reads a layer
    adds one feature map for its gradient. A loss declares the memory of its computations on
    features; see `Loss.needs`. The constants were fitted to runs on a CPU.
    """
    height, width = (size, size) if isinstance(size, (int, np.integer)) else size
    with caused_by("shape"):
        shape = integer(height, "the height", low=1), integer(width, "the width", low=1)
    batch = integer(batch, "batch", low=1)
    terms = list(named_terms(losses).values())
    plan = Plan() if plan is None else plan
    picture = batch * math.prod(shape) * 3 * 4
    optimizer = as_optimizer(optimizer)
    parameters = as_parameters(parameters)
    with naming(f"in {named(optimizer)}, method memory"):
        copies = number(optimizer.memory(), "what `memory` returned", low=0)
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
                # A block that is larger than all feature maps does not fit into gaps between them.
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
    """The memory that losses need, and hold, when their targets are prepared, in bytes.

    Parameters
    ----------
    extractor, plan, precision
        As in the run.
    """

    def __init__(self, extractor: FeatureExtractor, plan: Plan, precision: str) -> None:
        self._extractor, self._plan, self._precision = extractor, plan, precision

    def most(self, term: Loss, shape: tuple[int, int], batch: int) -> float:
        """Return the peak while a loss is prepared, not counting what it holds afterwards."""
        if isinstance(term, NeighborStyleLoss):
            return self._matching(term, shape, batch)
        looks = [0.0]
        for part in _parts(term):
            layers = part.layers_of(self._extractor)
            # In tiles, a statistic is a sum over the tiles.
            kept = not (isinstance(part, StatisticLoss) and isinstance(self._plan, Tiles))
            looked = max((self._look(layers, one, kept) for one in _references(part)), default=0.0)
            looks.append(looked + self.needs(part, shape, batch).prepare)
        return max(looks)

    def needs(self, part: Loss, shape: tuple[int, int], batch: int) -> Needs:
        """Return the `Needs` that a loss declares, for a batch. In tiles, a loss may use bands."""
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
        """Return the memory that the targets of a loss hold during a level."""
        if isinstance(term, NeighborStyleLoss):
            return batch * self._grids(term, shape)[0]
        if isinstance(term, ContentLoss):
            return batch * sum(self._outputs(term.layers_of(self._extractor), shape).values())
        return 0.0

    def block(self, term: NeighborStyleLoss, shape: tuple[int, int]) -> float:
        """Return the size in bytes of a block of distances."""
        rows = math.isqrt(SCORES)
        offers = self._offers(term, shape)
        return 4 * min(rows, _cells(shape)) * min(rows, max(map(_cells, offers)))

    def _matching(self, term: NeighborStyleLoss, shape: tuple[int, int], batch: int) -> float:
        """Return the peak while neighbours are matched; see `NeighborStyleLoss`."""
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
        # The candidates of several styles, and the picture's features, are concatenated.
        joined = 0.0 if alone else columns / batch + keys
        return max(
            looked + maps + sum(maps_of),  # while the network is evaluated
            maps + sum(maps_of) + 2 * max(columns_of),  # each layer enlarged, then concatenated
            keys + columns + BLOCKS * self.block(term, shape),
            keys + columns + max(joined + columns, 2 * columns),  # the matches, then their batch
        )

    def _offers(self, term: NeighborStyleLoss, shape: tuple[int, int]) -> list[tuple[int, int]]:
        """Return the shape (H, W) of each style, and of each of its copies."""
        copies = (4 if term.turned else 1) * (2 if term.mirrored else 1)
        return [_scaled(style, term.style_scale) for style in term.styles for _ in range(copies)]

    def _grids(self, term: NeighborStyleLoss, shape: tuple[int, int]) -> tuple[float, float]:
        """Return the bytes of a picture's cell means at all layers, and of its hypercolumns."""
        maps = columns = 0.0
        for layer in term.layers_of(self._extractor):
            network = self._extractor.network([layer], self._precision)
            depth = network.output[self._extractor.resolve(layer)].shape[-1]
            stride = math.prod(self._extractor.stride(layer))
            maps += 4 * depth * math.prod(shape) / max(stride, CELL**2)
            columns += 4 * depth * _cells(shape)
        return maps, columns

    def _look(self, layers: Sequence[str], shape: tuple[int, int], kept: bool) -> float:
        """Return the memory to evaluate the network on a picture without keeping activations.

        In tiles, the whole feature maps of the layers are added if they are kept.
        """
        pieces = self._plan.pieces(self._extractor, layers, shape, self._precision)
        taken = max(sum(one.maps().values()) + WORKING * one.working() for one in pieces)
        if kept and pieces[0].shape != tuple(shape):
            taken += sum(self._outputs(layers, shape).values())
        return taken

    def _outputs(self, layers: Sequence[str], shape: tuple[int, int]) -> dict[str, int]:
        return Piece(self._extractor.network(layers, self._precision), shape).outputs()


def _references(part: Loss) -> list[tuple[int, int]]:
    """Return the shape (H, W) at which the network sees each reference that has its own size."""
    if isinstance(part, ReferenceLoss):
        return [_scaled(part.reference, part.reference_scale)]
    if isinstance(part, RelaxedTransportLoss):
        return [_scaled(style, part.style_scale) for style in part.styles]
    return []


def _parts(term: Loss) -> Sequence[Loss]:
    return term.parts if isinstance(term, TileableLoss) else (term,)


def _regions(part: Loss) -> list[Region]:
    """Return the regions of a loss, and those of its references."""
    flat = (one if isinstance(one, tuple) else (one,) for one in vars(part).values())
    return [one for several in flat for one in several if isinstance(one, Region)]


def _scaled(picture: np.ndarray, scale: float) -> tuple[int, int]:
    """Return the shape (H, W) at which the network sees a reference; see `Canvas.beside`."""
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    return height, width


def _cells(shape: tuple[int, int]) -> float:
    """Return the number of hypercolumns of a picture."""
    return math.prod(shape) / CELL**2


def _held(piece: Piece, readers: Mapping[str, int], masked: Collection[str]) -> float:
    """Return the bytes that are held for one picture while a part of the network is evaluated.

    Parameters
    ----------
    piece : Piece
    readers : mapping of str to int
        Number of losses that read each layer.
    masked : collection of str
        Layers whose features are multiplied by a mask.
    """
    held = SPREAD * (sum(piece.maps().values()) + WORKING * piece.working())
    outputs = piece.outputs()
    held += sum((readers[name] - 1) * size for name, size in outputs.items() if readers[name])
    held += max((size for name, size in outputs.items() if name in masked), default=0)
    return MIXED * held if piece.kinds > 1 else held


def in_units(size: float) -> str:
    """Return bytes as text: ``"340 MB"``, ``"2.4 GB"``."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
