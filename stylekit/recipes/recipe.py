"""A composition of losses that can be changed before it runs."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from stylekit._checks import InputTypeError, did_you_mean, explain, fail, integer, renamed
from stylekit._defaults import STEPS
from stylekit.features import CircularPadding, FeatureExtractor, ReflectPadding
from stylekit.image import PictureLike, as_image
from stylekit.losses import ContentLoss, Loss
from stylekit.losses.base import LayersLike, optional_layers
from stylekit.recipes._mixed import run_mixed
from stylekit.transfer import (
    Parameters,
    Plan,
    Pyramid,
    Result,
    Start,
    Step,
    StyleTransfer,
    TransferError,
)
from stylekit.transfer.callbacks import Callback
from stylekit.transfer.checkpoint import Checkpoint
from stylekit.transfer.objective import named_terms
from stylekit.transfer.style_transfer import as_extractor

Factor = Callable[[FeatureExtractor], float]
Levels = Callable[[int, int | None], Pyramid]

COARSEST = 64
"""Least longer side, in pixels, of the coarsest level: there the large forms are painted."""

REFLECTION = 16
"""Pixels by which pictures are reflected at their borders. Without, the outer 2 pixels of a result
differ from the band 6 to 12 pixels in by up to 0.125; with it, by as much as the photograph's."""


def halved(longer: int, levels: int | None = None) -> Pyramid:
    """Return levels, each half the next, up to a longer side; by default that side alone."""
    return Pyramid.halving(longer, 1 if levels is None else levels)


def coarse_to_fine(longer: int, levels: int | None = None) -> Pyramid:
    """Return levels, each half the next; by default from 64 to 127 pixels up."""
    return halved(longer, levels_of(longer) if levels is None else levels)


def levels_of(longer: int) -> int:
    """Return how many levels, each half the next, bring a side to 64 to 127 pixels."""
    return max(1, (longer // COARSEST).bit_length())


class Recipe:
    """Losses, a start and what happens after the run: a technique that can still be changed.

    The recipe functions return one; `run` runs it.

    Parameters
    ----------
    losses : iterable of Loss
    content : ndarray [H, W, 3], optional
        The content, at the result's size.
    styles : sequence of ndarray [h, w, 3]
        The style pictures, at the sizes at which they are read.
    masks, style_masks : sequence of ndarray or None, optional
        Where each style goes, ``[H, W]``, and where it is taken, ``[h, w]``, in [0, 1]. Default:
        everywhere.
    start : ndarray, Start or callable, optional
        Where the run starts; a callable is given the run's `Pyramid` and returns one of the others.
        Default: the content.
    shape : (int, int), optional
        Height and width of the result in pixels. Default: the content's.
    steps : int
        Evaluations of the gradient where `run` is not told.
    levels : callable
        From the longer side in pixels, and a number of levels or None, to a `Pyramid`.
    update_mask : ndarray [H, W], optional
        Where the image may change, in [0, 1]. Default: everywhere.
    reflect : bool
        Whether networks see pictures reflected at their borders, where the reflection fits into the
        smallest of them. It prevents a frame.
    rests : bool
        Whether the start is returned as it is where only a `ContentLoss` has a weight.
    layers : mapping of str to layers
        Layers that the recipe was given, by the name of its argument, which the error for a layer
        that the network has not carries.
    optimizer, parameters, extractor : optional
        What `run` uses where it is given none. Default: those of `StyleTransfer`.

    Attributes
    ----------
    content, styles, masks, style_masks, start, shape, steps, update_mask
        As given.
    optimizer, parameters, extractor
        As given. They may be changed.

    Examples
    --------
    >>> import stylekit as sk
    >>> recipe = sk.recipes.basic("photo.jpg", "starry.jpg", strength=0.6)  # doctest: +SKIP
    >>> recipe.losses["content"].weight = 0.2  # doctest: +SKIP
    >>> recipe.add(sk.PixelLoss("photo.jpg", weight=0.1))  # doctest: +SKIP
    >>> recipe.run(steps=100, extractor=sk.CompactVGG()).save("out.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        losses: Iterable[Loss] = (),
        *,
        content: np.ndarray | None = None,
        styles: Sequence[np.ndarray] = (),
        masks: Sequence[np.ndarray | None] | None = None,
        style_masks: Sequence[np.ndarray | None] | None = None,
        start: np.ndarray | Start | Callable[[Pyramid], np.ndarray | Start] | None = None,
        shape: tuple[int, int] | None = None,
        steps: int = STEPS,
        levels: Levels = halved,
        update_mask: np.ndarray | None = None,
        reflect: bool = False,
        rests: bool = False,
        layers: Mapping[str, LayersLike] = MappingProxyType({}),
        optimizer: Any = None,
        parameters: Parameters | None = None,
        extractor: FeatureExtractor | None = None,
    ) -> None:
        self.content, self.styles = content, tuple(styles)
        self.masks, self.style_masks = (
            (None,) * len(self.styles) if one is None else tuple(one)
            for one in (masks, style_masks)
        )
        self.optimizer, self.parameters, self.extractor = optimizer, parameters, extractor
        if content is not None:
            shape = (content.shape[0], content.shape[1])
        if shape is None or (content is None and start is None):
            fail(
                "a recipe has no content, and so neither a start nor a size",
                expected="content=, or both start= and shape=",
            )
        self.shape: tuple[int, int] = shape
        self.steps = integer(steps, "steps", low=0)
        self.update_mask = update_mask
        self.start = content if start is None else start
        self._levels, self._reflect, self._rests = levels, reflect, rests
        self._layers: dict[str, tuple[str, ...]] = {}
        for name, given in layers.items():
            with renamed(layers=name):
                self._layers[name] = optional_layers(given) or ()
        self._entries: list[tuple[Loss, Factor | None]] = []
        self._after: list[tuple[Callable[[Result], Result], bool]] = []
        for loss in losses:
            self.add(loss)

    @property
    def losses(self) -> Mapping[str, Loss]:
        """The losses by name. Their weights may be changed."""
        return MappingProxyType(named_terms(losses) if (losses := self._losses()) else {})

    def add(self, loss: Loss, factor: Factor | None = None) -> Recipe:
        """Add a loss.

        Parameters
        ----------
        loss : Loss
        factor : callable, optional
            From the extractor of a run to a number that the loss's weight is multiplied with, such
            as ``lambda network: network.style_factor``. Where it is 0 the loss is left out.
            Default: the weight counts as it is.

        Returns
        -------
        Recipe
            The same.

        Raises
        ------
        InputError, InputTypeError
            If it is not a `Loss`, or its name is taken.
        """
        named_terms([*self._losses(), loss])
        self._entries.append((loss, _checked(factor)))
        return self

    def replace(self, name: str, loss: Loss, factor: Factor | None = None) -> Recipe:
        """Put a loss in the place of another.

        Parameters
        ----------
        name : str
            Of the one that goes; see `losses`.
        loss, factor
            See `add`.

        Returns
        -------
        Recipe
            The same.

        Raises
        ------
        InputError, InputTypeError
            If there is no loss of the name, or the new one cannot be used. The recipe stays as it
            was.
        """
        index = self._index(name)
        losses = self._losses()
        losses[index] = loss
        named_terms(losses)
        self._entries[index] = loss, _checked(factor)
        return self

    def remove(self, name: str) -> Recipe:
        """Take a loss out, by its name; raise `InputError` if there is none."""
        del self._entries[self._index(name)]
        return self

    def then(self, function: Callable[[Result], Result], *, partial: bool = False) -> Recipe:
        """Add a function that is applied to the result of a run.

        Parameters
        ----------
        function : callable
            From a `Result` to a `Result`. Several are applied in the order in which they are added.
        partial : bool
            Whether it is also applied to the image so far of a run that fails.

        Returns
        -------
        Recipe
            The same.
        """
        if not callable(function):
            raise InputTypeError(
                explain(
                    "what follows a run cannot be called",
                    expected="a function from a Result to a Result",
                    received=type(function).__name__,
                ),
                argument="function",
            )
        self._after.append((function, partial))
        return self

    def run(
        self,
        steps: int | None = None,
        *,
        initial: PictureLike | Start | None = None,
        pyramid: int | Pyramid | None = None,
        extractor: FeatureExtractor | None = None,
        finish: tuple[FeatureExtractor, int] | None = None,
        tile: str | None = None,
        optimizer: Any = None,
        parameters: Parameters | None = None,
        precision: str = "float32",
        plan: Plan | None = None,
        jit_compile: bool = False,
        seed: int = 0,
        callbacks: Iterable[Callback | Callable[[Step], Any]] = (),
        checkpoint: str | Checkpoint | None = None,
    ) -> Result:
        """Run the recipe.

        Parameters
        ----------
        steps : int, optional
            Evaluations of the gradient, at least 0, the total over the levels. Default: the
            recipe's own; 50 by neighbours, else 300 in most recipes.
        initial : path, PIL image, array or Start, optional
            Where the run starts. A picture is resized as the content is. Default: the recipe's own,
            in most recipes the content.
        pyramid : int or Pyramid, optional
            Number of coarse-to-fine levels, each half the next. Default: the recipe's own. In
            recipes with a content it is as many as bring the longer side of the coarsest below 128
            pixels. By neighbours each level takes the same number of steps, and three further
            rounds at the full size follow. By any other loss each level takes half the steps of the
            one before: the brush strokes are laid out in the coarse ones, and keep their size. A
            `Pyramid` has the sizes and the shares of the steps themselves.
        extractor : FeatureExtractor, optional
            Default: the recipe's own, in most recipes `VGG19` with ImageNet weights.
        finish : (FeatureExtractor, int), optional
            Another network, and how many of the steps it takes, the last ones at the full size: the
            bundled `CompactVGG` lays out the picture, and `VGG19` gives it the last touch.
        tile : {"x", "y", "both"}, optional
            Paint a picture that tiles: copies of it fit side by side ("x"), one above the other
            ("y"), or both, without a seam. Its sides along these axes are multiples of the stride
            of every layer that is read: 16 pixels. A content and a start whose edges do not fit are
            made to, by `image.periodic`. See `CircularPadding`.
        optimizer, parameters, precision, plan, jit_compile, seed
            See `StyleTransfer`. The first two default to the recipe's own.
        callbacks : iterable of Callback or callable
            Each is given every `Step`; a true return value stops the run.
        checkpoint : path or Checkpoint, optional
            A folder that keeps the run's state: started again, the run goes on from there. See
            `StyleTransfer.run`.

        Returns
        -------
        Result
            Also when the run is interrupted (Ctrl-C, the notebook's stop button).

        Raises
        ------
        InputError, InputTypeError, FileError
            If an argument, a picture or the weights cannot be used; before the first step.
        TransferError
            If the run, or what follows it, fails; it holds the image so far.
        """
        steps = integer(self.steps if steps is None else steps, "steps", low=0)
        longer = max(self.shape)
        levels = pyramid if isinstance(pyramid, Pyramid) else self._levels(longer, pyramid)
        start: Any = self.start if initial is None else initial
        if initial is not None and not isinstance(start, Start):
            start = as_image(start, "initial", longer)
        elif not isinstance(start, Start) and callable(start):
            start = start(levels)
        pictures = [self.content, *self.styles, start]  # the start's aspect is checked later
        sides = [min(one.shape[:2]) for one in pictures if isinstance(one, np.ndarray)]
        narrowest = min(sides, default=0) * levels.sizes[0] // longer

        def transfer(network: FeatureExtractor) -> StyleTransfer:
            # Before the factors, which may look through the network.
            named = {x for loss in self._losses() if loss.layers for x in loss.layers_of(network)}
            for name, layers in self._layers.items():
                check_layers(network, [layer for layer in layers if layer in named], name)
            losses = self._weighted(network)
            read = [layer for loss in losses for layer in loss.layers_of(network)]
            if tile is not None:
                network = CircularPadding(network, tile)
            elif self._reflect:
                with renamed(layer="layers"):
                    network = without_frame(network, read, narrowest)
            return StyleTransfer(
                losses,
                extractor=network,
                optimizer=self.optimizer if optimizer is None else optimizer,
                parameters=self.parameters if parameters is None else parameters,
                precision=precision,
                plan=plan,
                jit_compile=jit_compile,
                seed=seed,
            )

        last = None
        if finish is not None:
            network, share = as_extractor(finish[0]), finish[1]
            last = (
                transfer(network),
                integer(
                    share, "the number of finish's steps", low=0, high=steps, argument="finish"
                ),
            )
        if self._rests and not any(
            loss.weight for loss in self._losses() if not isinstance(loss, ContentLoss)
        ):
            steps, last = 0, None  # a run could only add rounding
        try:
            result = run_mixed(
                transfer(as_extractor(self.extractor if extractor is None else extractor)),
                last,
                start,
                steps,
                update_mask=self.update_mask,
                pyramid=levels,
                callbacks=callbacks,
                checkpoint=checkpoint,
            )
        except TransferError as error:
            for function, partial in self._after:
                if partial:
                    error.result = _followed(error.result, function)
            raise
        for function, _ in self._after:
            result = _followed(result, function)
        return result

    def __repr__(self) -> str:
        height, width = self.shape
        rows = [
            f"  {name}: {type(loss).__name__}, weight {loss.weight:g}{' x network' * bool(factor)}"
            for (name, loss), (_, factor) in zip(self.losses.items(), self._entries, strict=True)
        ]
        return "\n".join([f"Recipe of {width}x{height} pixels, {self.steps} steps", *rows])

    def _losses(self) -> list[Loss]:
        return [loss for loss, _ in self._entries]

    def _index(self, name: str) -> int:
        names = list(self.losses)
        if name not in names:
            fail(
                f"the recipe has no loss {name!r}",
                expected=f"one of {', '.join(names)}" if names else "a recipe with losses",
                hint=did_you_mean(str(name), names),
                argument="name",
            )
        return names.index(name)

    def _weighted(self, network: FeatureExtractor) -> list[Loss]:
        """Return the losses with the weights that they have for a network."""
        weighted = []
        for loss, factor in self._entries:
            if factor is not None:
                scale = factor(network)
                if not scale:
                    continue
                loss = copy.copy(loss)
                loss.weight *= scale
            weighted.append(loss)
        return weighted


def _checked(factor: Factor | None) -> Factor | None:
    if factor is not None and not callable(factor):
        raise InputTypeError(
            explain(
                "`factor` cannot be called",
                expected="a function from an extractor to a number, or None",
                received=repr(factor),
                hint="a plain weight is the loss's own: weight=...",
            ),
            argument="factor",
        )
    return factor


def _followed(result: Result, function: Callable[[Result], Result]) -> Result:
    """Return what follows a run, or raise a `TransferError` that keeps what was painted."""
    name = getattr(function, "__name__", type(function).__name__)
    try:
        made = function(result)
        if not isinstance(made, Result):
            raise InputTypeError(
                explain(
                    f"{name}, which follows the run, returned something else",
                    expected="a Result",
                    received=type(made).__name__,
                    hint="is a return missing?",
                ),
                argument="function",
            )
    except Exception as error:
        failure = TransferError(f"what follows the run failed: {error}", result)
        for note in getattr(error, "__notes__", ()):
            failure.add_note(note)
        raise failure from error
    return made


RUN = frozenset(inspect.signature(Recipe.run).parameters) - {"self"}
"""Names of the options of `Recipe.run`."""


def check_layers(network: FeatureExtractor, layers: Iterable[str], argument: str) -> None:
    """Raise `InputError` if a network lacks layers that were given as an argument.

    The message names for each the nearest layer that the network has.
    """
    missing, there = network.missing(layers), network.available_layers()
    if missing and there:  # a file of weights without a layer is refused where it is read
        names = list(missing)
        whole = there[-1] == tuple(network.layer_names)[-1]
        cut = "" if whole else f", whose weights end at {there[-1]},"
        nearest = [f"{near} for {name}" for name, near in missing.items() if near]
        fail(
            f"{type(network).__name__}{cut} has no layer{'s' * (len(names) > 1)} "
            + " and ".join(map(repr, names)),
            hint=f"give `{argument}` what is nearest: {', '.join(nearest)}"
            if nearest
            else "its layers are " + ", ".join(there),
            argument=argument,
        )


def divided(
    recipe: Callable[..., Recipe], options: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options of a recipe function and those of `Recipe.run`.

    An option that both have, such as a seed, is in both.
    """
    own = inspect.signature(recipe).parameters
    technique = {name: value for name, value in options.items() if name in own or name not in RUN}
    return technique, {name: value for name, value in options.items() if name in RUN}


def without_frame(
    network: FeatureExtractor, layers: Iterable[str], narrowest: int
) -> FeatureExtractor:
    """Return a network that sees pictures reflected at their borders, if the reflection fits.

    Parameters
    ----------
    network : FeatureExtractor
    layers : iterable of str
        That are read.
    narrowest : int
        Shorter side, in pixels, of the smallest picture that the network is to see.
    """
    strides = [side for layer in layers for side in network.stride(layer)]
    fits = narrowest > REFLECTION and not any(REFLECTION % stride for stride in strides)
    return ReflectPadding(network, REFLECTION) if fits else network
