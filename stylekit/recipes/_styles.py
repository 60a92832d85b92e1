"""How the recipes apply style: style pictures with their masks, and the choice of the loss."""

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
"""The signature of a custom style loss."""

ROUNDS = 3
"""Number of rounds at full size in which each layer is matched separately."""

LEVEL_SHARE, LAST_SHARE = 2.0, 1.0
"""Relative number of steps of each coarse level, and of the first level at full size and each
further round at full size."""


@dataclasses.dataclass(frozen=True)
class StylePart:
    """A style picture, and where it is applied.

    Attributes
    ----------
    style : ndarray [h, w, 3]
    mask : ndarray [H, W], optional
        Where the style is applied, in [0, 1]. None: everywhere.
    style_mask : ndarray [h, w], optional
        The part of the style picture that is used, in [0, 1]. None: all of it.
    weight : float
        Weight of this style relative to the total style weight.
    name : str
        Name of the style in messages.
    """

    style: np.ndarray
    mask: np.ndarray | None = None
    style_mask: np.ndarray | None = None
    weight: float = 1.0
    name: str = ""

    @property
    def area(self) -> float:
        """Share of the picture that the mask covers, in [0, 1]."""
        return 1.0 if self.mask is None else float(self.mask.mean())


Terms = Callable[[Sequence[StylePart], float, LayersLike], list[Loss]]
"""Function that takes the parts, the total weight of the style, and the layers or None, and returns
the style losses. The total weight is the strength, in recipes that have a strength."""


StyleLossLike = str | Callable[..., Loss]
"""A style loss by name, or a class or function; see `method`."""


@dataclasses.dataclass(frozen=True)
class Method:
    """A style loss, and the defaults of a recipe that uses this loss.

    Attributes
    ----------
    terms : callable
        See `Terms`.
    steps : int
        Default number of steps.
    pyramid : callable
        Returns the default `Pyramid`, given the longer side in pixels and a number of levels or
        None.
    factor, variation : callable
        Return, for an extractor, the factors of the weights of the style and of the total
        variation.
    """

    terms: Terms
    steps: int
    pyramid: Levels
    factor: Factor
    variation: Factor


def method(style_loss: StyleLossLike, gram: Terms) -> Method:
    """Return the method for a recipe's `style_loss`.

    Parameters
    ----------
    style_loss : str or callable
        ``"neighbors"``, ``"gram"``, or a class or function that takes ``(style, *, mask,
        style_mask, layers, weight)`` and returns a `Loss`. The class or function is called once for
        each style. A class derived from `StatisticLoss` receives the style as its reference.
    gram : callable
        Returns the recipe's Gram losses; see `Terms`.

    Raises
    ------
    InputError, InputTypeError
        If `style_loss` is none of these.
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
                "`style_loss` must be a name, a class or a function",
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
    """Return the loss that compares each place with its nearest neighbour in all styles.

    There is one loss for all styles, or none if all their weights are 0. The stronger the style,
    the less the matches depend on the photograph: the share of the current image in the query is
    the weight squared, at most 1. At a weight of 0.5 it is 0.25, as in the paper (Kolkin et al.
    2022).
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
    """Return levels, the coarsest with 64 to 127 pixels, and three more rounds at full size."""
    count = levels_of(longer) if levels is None else levels
    sizes = coarse_to_fine(longer, count).sizes
    shares = [LEVEL_SHARE] * (count - 1) + [LAST_SHARE] * (1 + ROUNDS)
    return Pyramid([*sizes, *(longer,) * ROUNDS], shares)


def _terms_of(loss: Callable[..., Loss]) -> Terms:
    """Return the `Terms` of a custom loss, which is called once for each style."""
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
                        f"`style_loss` {name!r} must return a Loss",
                        expected="an object of a class derived from stylekit.losses.Loss",
                        received=type(one).__name__,
                    ),
                    argument="style_loss",
                )
            made.append(one)
        return made

    return terms
