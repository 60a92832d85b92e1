"""What a run will need of memory, before it starts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from stylekit._checks import caused_by, integer, naming, number
from stylekit.features import FeatureExtractor
from stylekit.losses import Canvas, ContentLoss, Loss, NeighborStyleLoss, TileableLoss
from stylekit.losses.hypercolumns import CELL, SCORES
from stylekit.transfer.memory.piece import Piece
from stylekit.transfer.memory.plan import Plan
from stylekit.transfer.objective import named_terms, read_by
from stylekit.transfer.optimizers import as_optimizer
from stylekit.transfer.parameters import Parameters, as_parameters
from stylekit.transfer.plugin import named
from stylekit.transfer.pyramid import Pyramid

BASE = 76e6
"""Bytes for tracing, threads and kernels, whatever the picture."""

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

GRIDS = 5.0
"""Grids of hypercolumns while neighbours are matched: of picture and style their layers and the
columns, and the matched ones."""


@dataclasses.dataclass(frozen=True)
class Memory:
    """What a run needs at its peak beside the imported libraries, in bytes.

    Attributes
    ----------
    base : int
        Whatever the picture: the network's weights, tracing, threads.
    features : int
        The network's feature maps, and their gradients.
    targets : int
        What the terms hold: a content's feature maps, references.
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
    largest piece. The constants were fitted to runs on a CPU. What a term that is no mean over
    positions, such as `PatchStyleLoss`, makes of its features is not known, and not counted.
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
    features, targets, weights = 0.0, 0.0, 0
    if layers:
        Canvas(extractor, shape).check_size(layers)
        network = extractor.network(layers, precision)
        weights = sum(math.prod(weight.shape) * 4 for weight in network.weights)
        pieces = plan.pieces(extractor, layers, shape, precision)
        features = batch * max(map(_held, pieces))
    for term in terms:
        if isinstance(term, ContentLoss):
            read = term.layers_of(extractor)
            maps = Piece(extractor.network(read, precision), shape).maps()
            targets += batch * sum(maps.get(extractor.resolve(name), 0) for name in read)
        parts = term.parts if isinstance(term, TileableLoss) else (term,)
        targets += sum(getattr(part, "reference", np.empty(0)).nbytes for part in parts)
        if isinstance(term, NeighborStyleLoss):
            targets += batch * _matching(term, extractor, shape)
    if pyramid is not None:
        areas = [
            math.prod(level) for level in dict.fromkeys(s for s, _ in pyramid.levels(shape, 0))
        ]
        pictures *= sum(areas) / areas[-1]
    return Memory(
        base=round(BASE + COPIES * weights),
        features=round(features),
        targets=round(targets),
        pictures=round(pictures * picture),
    )


def _matching(term: NeighborStyleLoss, extractor: FeatureExtractor, shape) -> float:
    """Return the bytes that a level's matches take: two grids of hypercolumns and the search.

    The candidates' grid is as large as the picture's where the style is as large.
    """
    layers = term.layers_of(extractor)
    network = extractor.network(layers)
    depth = sum(network.output[extractor.resolve(name)].shape[-1] for name in layers)
    cells = math.prod(shape) / CELL**2
    return GRIDS * 4 * depth * cells + 4 * SCORES


def _held(piece: Piece) -> float:
    """Return the bytes that are held of one picture while a piece is evaluated."""
    held = SPREAD * (sum(piece.maps().values()) + WORKING * piece.working())
    return MIXED * held if piece.kinds > 1 else held


def in_units(size: float) -> str:
    """Return bytes as text: ``"340 MB"``, ``"2.4 GB"``."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
