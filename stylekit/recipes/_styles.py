"""What the recipes paint with: styles and their places, and the loss that is chosen for them."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence

import numpy as np

from stylekit._checks import InputTypeError, choice, explain, naming
from stylekit._defaults import (
    GRAM_FACTOR,
    NEIGHBOR_FACTOR,
    NEIGHBOR_STEPS,
    NEIGHBOR_VARIATION,
    STEPS,
)
from stylekit.losses import Loss, NeighborStyleLoss, StatisticLoss
from stylekit.losses.base import LayersLike
from stylekit.recipes.recipe import Factor, Levels, coarse_to_fine, levels_of
from stylekit.transfer import Pyramid

SIGNATURE = "(style, *, mask, style_mask, layers, weight) -> Loss"
"""How a style loss of the user's own is called."""

ROUNDS = 3
"""Rounds at full size in which each layer is matched on its own."""

LEVEL_SHARE, LAST_SHARE = 2.0, 1.0
"""Shares of the steps of each coarse level, and of the full size and each round there."""


@dataclasses.dataclass(frozen=True)
class StylePart:
    """A style picture, and where it goes.

    Attributes
    ----------
    style : ndarray [h, w, 3]
    mask : ndarray [H, W], optional
        Where the style goes. None: everywhere.
    style_mask : ndarray [h, w], optional
        Where the style is taken. None: everywhere.
    weight : float
        Share of the style's weight.
    name : str
        What messages call it.
    """

    style: np.ndarray
    mask: np.ndarray | None = None
    style_mask: np.ndarray | None = None
    weight: float = 1.0
    name: str = ""

    @property
    def area(self) -> float:
        """Share of the picture that the mask covers."""
        return 1.0 if self.mask is None else float(self.mask.mean())


Terms = Callable[[Sequence[StylePart], float, LayersLike], list[Loss]]
"""From the parts, the weight of all style, which is the strength where a recipe has one, and its
layers, or None, to the style terms."""


StyleLossLike = str | Callable[..., Loss]
"""A style loss by name, or a class or function; see `method`."""


@dataclasses.dataclass(frozen=True)
class Method:
    """A style loss, and how a recipe runs it where the caller leaves it open.

    Attributes
    ----------
    terms : callable
        See `Terms`.
    steps : int
    pyramid : callable
        From the longer side in pixels and a number of levels, or None, to a `Pyramid`.
    factor, variation : callable
        From an extractor to what the weights of style and total variation are multiplied with.
    """

    terms: Terms
    steps: int
    pyramid: Levels
    factor: Factor
    variation: Factor


def method(style_loss: StyleLossLike, gram: Terms) -> Method:
    """Return the method of a recipe's `style_loss`.

    Parameters
    ----------
    style_loss : str or callable
        ``"neighbors"``, ``"gram"``, or a class or function that takes ``(style, *, mask,
        style_mask, layers, weight)`` and returns a `Loss`; it is called once a style. A class
        derived from `StatisticLoss` is given the style as its reference.
    gram : callable
        The recipe's own Gram terms.

    Raises
    ------
    InputError, InputTypeError
        If it is none of these.
    """
    if style_loss == "neighbors":
        return Method(
            neighbor_terms,
            NEIGHBOR_STEPS,
            neighbor_pyramid,
            lambda network: NEIGHBOR_FACTOR,
            lambda network: NEIGHBOR_VARIATION,
        )
    if callable(style_loss):
        gram = _terms_of(style_loss)
    elif isinstance(style_loss, str):
        choice(style_loss, "style_loss", ("neighbors", "gram"))
    else:
        raise InputTypeError(
            explain(
                "`style_loss` cannot be used",
                expected=f"'neighbors', 'gram', or a class or function {SIGNATURE}",
                received=repr(style_loss),
            ),
            argument="style_loss",
        )
    return Method(
        gram,
        STEPS,
        coarse_to_fine,
        lambda network: GRAM_FACTOR * network.style_factor,
        lambda network: network.variation,
    )


def neighbor_terms(parts: Sequence[StylePart], weight: float, layers: LayersLike) -> list[Loss]:
    """Return the one term in which each place takes its nearest neighbour of all styles.

    The stronger the style, the less its matches are held to the photograph. The query's share of
    the image so far is the weight squared: the paper's 0.25 at a weight of 0.5, and 1 at most.
    """
    parts = [part for part in parts if part.weight]
    if not parts:
        return []
    return [
        NeighborStyleLoss(
            [part.style for part in parts],
            [part.mask for part in parts],
            [part.style_mask for part in parts],
            style_weights=[part.weight for part in parts],
            names=[part.name for part in parts] if all(part.name for part in parts) else None,
            layers=layers,
            alpha=min(1.0, weight**2),
            weight=weight,
        )
    ]


def neighbor_pyramid(longer: int, levels: int | None = None) -> Pyramid:
    """Return the levels for neighbours: from 64 to 127 pixels up, and three rounds at full size."""
    count = levels_of(longer) if levels is None else levels
    sizes = coarse_to_fine(longer, count).sizes
    shares = [LEVEL_SHARE] * (count - 1) + [LAST_SHARE] * (1 + ROUNDS)
    return Pyramid([*sizes, *(longer,) * ROUNDS], shares)


def _terms_of(loss: Callable[..., Loss]) -> Terms:
    """Return the terms of a user's own loss, one a style."""
    own = isinstance(loss, type) and issubclass(loss, StatisticLoss)
    parameters = inspect.signature(loss).parameters if own else {}
    name = getattr(loss, "__name__", loss)
    source = "reference_mask" if "reference_mask" in parameters else "style_mask"

    def terms(parts, weight, layers):
        made = []
        for part in parts:
            with naming(f"in style_loss {name!r}, called as {SIGNATURE}"):
                one = loss(
                    part.style,
                    mask=part.mask,
                    **{source: part.style_mask},
                    layers=layers,
                    weight=weight * part.weight,
                )
            if not isinstance(one, Loss):
                raise InputTypeError(
                    explain(
                        f"`style_loss` {name!r} returned no loss",
                        expected="an object of a class derived from stylekit.losses.Loss",
                        received=type(one).__name__,
                    ),
                    argument="style_loss",
                )
            made.append(one)
        return made

    return terms
