"""`Recipe`: a composition of losses that can be changed before it runs."""

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
"""Returns the factor of a loss's weight for an extractor."""

Levels = Callable[[int, int | None], Pyramid]
"""Returns the pyramid for a longer side in pixels, and a number of levels or None."""

COARSEST = 64
"""Least longer side of the coarsest level in pixels. At this size large forms are painted."""

REFLECTION = 16
"""Pixels by which pictures are reflected at their borders. Without it, the outer 2 pixels of a
result differ by up to 0.125 from the band 6 to 12 pixels inside. With it, they differ by as much as
those of the photograph."""


def halved(longer: int, levels: int | None = None) -> Pyramid:
    """Return levels, each half the next; by default a single one."""
    return Pyramid.halving(longer, 1 if levels is None else levels)


def coarse_to_fine(longer: int, levels: int | None = None) -> Pyramid:
    """Return levels, each half the next; by default the coarsest has 64 to 127 pixels."""
    return halved(longer, levels_of(longer) if levels is None else levels)


def levels_of(longer: int) -> int:
    """Return the number of levels with which the coarsest has 64 to 127 pixels."""
    return max(1, (longer // COARSEST).bit_length())


class Recipe:
    """A technique that can still be changed: losses, a start, and steps after the run.

    The recipe functions return one. `run` runs it.

    Parameters
    ----------
    losses : iterable of Loss
        Further ones can be added by `add`.
    content : ndarray [H, W, 3], optional
        The content picture, at the size of the result.
    styles : sequence of ndarray [h, w, 3]
        The style pictures, at the sizes at which the losses read them.
    masks, style_masks : sequence of ndarray or None, optional
        For each style, where it is applied, ``[H, W]``, and which part of it is used, ``[h, w]``,
        in [0, 1]. Default: everywhere.
    start : ndarray, Start or callable, optional
        The image at which the run starts. A callable is given the `Pyramid` of the run and returns
        an array or a `Start`. Default: the content.
    shape : (int, int), optional
        Height and width of the result in pixels. Default: those of the content.
    steps : int
        Default number of steps of `run`, each one evaluation of the gradient.
    levels : callable
        Returns the default `Pyramid`, given the longer side in pixels and a number of levels or
        None.
    update_mask : ndarray [H, W], optional
        Where the image may change, in [0, 1]. Default: everywhere.
    reflect : bool
        Whether networks see pictures that are reflected at their borders, where the reflection fits
        into the smallest picture. It prevents a visible frame around the result.
    rests : bool
        Whether `run` returns the start unchanged if only `ContentLoss` has a weight above 0.
    layers : mapping of str to layers
        The layers that the recipe function was given, by the name of its argument. If the network
        lacks one of them, the error names that argument.
    optimizer, parameters, extractor : optional
        Defaults of `run`. Without them, `run` uses those of `StyleTransfer`.

    Attributes
    ----------
    content, styles, masks, style_masks, start, shape, steps, update_mask
        As given.
    optimizer, parameters, extractor
        As given; they may be replaced.

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
                "a recipe needs a start and a size",
                expected="`content`, or both `start` and `shape`",
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

    @property
    def pyramid(self) -> Pyramid:
        """The levels of a run, unless `run` is given others."""
        return self._levels(max(self.shape), None)

    def add(self, loss: Loss, factor: Factor | None = None) -> Recipe:
        """Add a loss.

        Parameters
        ----------
        loss : Loss
        factor : callable, optional
            Returns, for the extractor of a run, the number by which the loss's weight is
            multiplied, such as ``lambda network: network.style_factor``. If it returns 0, the loss
            is left out. Default: the weight is used as it is.

        Returns
        -------
        Recipe
            The recipe itself.

        Raises
        ------
        InputError, InputTypeError
            If `loss` is not a `Loss`, or its name is taken.
        """
        named_terms([*self._losses(), loss])
        self._entries.append((loss, _checked(factor)))
        return self

    def replace(self, name: str, loss: Loss, factor: Factor | None = None) -> Recipe:
        """Replace a loss by another.

        Parameters
        ----------
        name : str
            Name of the loss to replace; see `losses`.
        loss, factor
            See `add`.

        Returns
        -------
        Recipe
            The recipe itself.

        Raises
        ------
        InputError, InputTypeError
            If there is no loss of that name, or the new one cannot be used. The recipe is then
            unchanged.
        """
        index = self._index(name)
        losses = self._losses()
        losses[index] = loss
        named_terms(losses)
        self._entries[index] = loss, _checked(factor)
        return self

    def remove(self, name: str) -> Recipe:
        """Remove a loss by its name; raise `InputError` if there is none of that name."""
        del self._entries[self._index(name)]
        return self

    def then(self, function: Callable[[Result], Result], *, partial: bool = False) -> Recipe:
        """Add a function that is applied to the result of a run.

        Parameters
        ----------
        function : callable
            Takes a `Result` and returns a `Result`. Functions are applied in the order in which
            they are added.
        partial : bool
            Whether the function is also applied to the image so far of a run that fails.

        Returns
        -------
        Recipe
            The recipe itself.
        """
        if not callable(function):
            raise InputTypeError(
                explain(
                    "`function` must be callable",
                    expected="a function that takes a Result and returns a Result",
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
        """Run the recipe, and return the result.

        Parameters
        ----------
        steps : int, optional
            Evaluations of the gradient in all levels together, at least 0. Default: the recipe's
            own, which is 50 for ``style_loss="neighbors"`` and 300 in most other cases.
        initial : path, PIL image, array or Start, optional
            The image at which the run starts. A picture is resized like the content. Default: the
            recipe's own, in most recipes the content.
        pyramid : int or Pyramid, optional
            Number of levels from coarse to fine, each half the next; or a `Pyramid`, which holds
            the sizes and the shares of the steps. Default: the recipe's own. For recipes with a
            content, it has as many levels as bring the longer side of the coarsest below 128
            pixels. With ``style_loss="neighbors"``, all coarse levels take the same number of
            steps, and three rounds at the full size follow the last level. With other losses, each
            level takes half the steps of the one before: the brush strokes are formed in the coarse
            levels, and keep their size.
        extractor : FeatureExtractor, optional
            The network. Default: the recipe's own, in most recipes `VGG19` with ImageNet weights.
        finish : (FeatureExtractor, int), optional
            A second network, and the number of last steps, at the full size, that it takes. For
            example, the bundled `CompactVGG` does most of the work and `VGG19` finishes the
            picture.
        tile : {"x", "y", "both"}, optional
            Make a picture that tiles without a seam: side by side ("x"), one above the other ("y"),
            or both. Its sides along these axes must be multiples of the stride of the deepest layer
            that is read, 16 pixels for the default layers. `image.periodic` changes a content or a
            start whose opposite edges do not match. See `CircularPadding`.
        optimizer, parameters, precision, plan, jit_compile, seed
            See `StyleTransfer`. The first two default to the recipe's own.
        callbacks : iterable of Callback or callable
            Each is called with every `Step`. A true return value stops the run.
        checkpoint : path or Checkpoint, optional
            A folder that keeps the state of the run. A run with the same arguments continues from
            it. See `StyleTransfer.run`.

        Returns
        -------
        Result
            The picture and the record of the run. An interrupted run (Ctrl-C, or the stop button of
            a notebook) also returns one.

        Raises
        ------
        InputError, InputTypeError, FileError
            If an argument, a picture or the weights cannot be used. Raised before the first step.
        TransferError
            If the run, or a function that follows it, fails. Its `result` holds the image so far.
        """
        steps = integer(self.steps if steps is None else steps, "steps", low=0)
        longer = max(self.shape)
        levels = pyramid if isinstance(pyramid, Pyramid) else self._levels(longer, pyramid)
        start: Any = self.start if initial is None else initial
        if initial is not None and not isinstance(start, Start):
            start = as_image(start, "initial", longer)
        elif not isinstance(start, Start) and callable(start):
            start = start(levels)
        pictures = [self.content, *self.styles, start]  # the start's aspect ratio is checked later
        sides = [min(one.shape[:2]) for one in pictures if isinstance(one, np.ndarray)]
        narrowest = min(sides, default=0) * levels.sizes[0] // longer

        def transfer(network: FeatureExtractor) -> StyleTransfer:
            # Check layers before calling factors, which may use any layer of the network.
            named = {x for loss in self._losses() if loss.layers for x in loss.layers_of(network)}
            for name, layers in self._layers.items():
                check_layers(network, [layer for layer in layers if layer in named], name)
            check_default_layers(network, self._losses())
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
                    share, "the number of steps of `finish`", low=0, high=steps, argument="finish"
                ),
            )
        if self._rests and not any(
            loss.weight for loss in self._losses() if not isinstance(loss, ContentLoss)
        ):
            steps, last = 0, None  # steps would only add rounding errors
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
        """Return the losses, with their weights multiplied by the factors for a network."""
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
                "`factor` must be callable",
                expected="a function that takes an extractor and returns a number, or None",
                received=repr(factor),
                hint="a constant belongs into the loss's own `weight`",
            ),
            argument="factor",
        )
    return factor


def _followed(result: Result, function: Callable[[Result], Result]) -> Result:
    """Return `function(result)`, or raise a `TransferError` that holds the result before it."""
    name = getattr(function, "__name__", type(function).__name__)
    try:
        made = function(result)
        if not isinstance(made, Result):
            raise InputTypeError(
                explain(
                    f"{name}, which follows the run, must return a Result",
                    expected="a Result",
                    received=type(made).__name__,
                    hint="does it end without a return statement?",
                ),
                argument="function",
            )
    except Exception as error:
        failure = TransferError(f"a function that follows the run failed: {error}", result)
        for note in getattr(error, "__notes__", ()):
            failure.add_note(note)
        raise failure from error
    return made


RUN = frozenset(inspect.signature(Recipe.run).parameters) - {"self"}
"""Names of the options of `Recipe.run`."""


def check_layers(network: FeatureExtractor, layers: Iterable[str], argument: str) -> None:
    """Raise `InputError` if a network lacks layers that were given as an argument.

    The message proposes the nearest layer for each.
    """
    missing, there = network.missing(layers), network.available_layers()
    if missing and there:  # reading a weights file without layers has already raised
        names = list(missing)
        whole = there[-1] == tuple(network.layer_names)[-1]
        cut = "" if whole else f", whose weights end at {there[-1]},"
        nearest = [f"{near} for {name}" for name, near in missing.items() if near]
        fail(
            f"{type(network).__name__}{cut} has no layer{'s' * (len(names) > 1)} "
            + " and ".join(map(repr, names)),
            hint=f"set `{argument}` to the nearest: {', '.join(nearest)}"
            if nearest
            else "its layers are " + ", ".join(there),
            argument=argument,
        )


def check_default_layers(network: FeatureExtractor, losses: Iterable[Loss]) -> None:
    """Raise `InputError` if a network lacks layers that losses read by default.

    That is so for a file of VGG19's weights that ends early. The message names the layers to give.
    """
    nearest: dict[str, list[str]] = {}
    lacking: list[str] = []
    for loss in losses:
        if loss.layers is not None or not network.available_layers():
            continue
        layers = loss.layers_of(network)
        if missing := network.missing(layers):
            kind = "content_layers" if isinstance(loss, ContentLoss) else "style_layers"
            nearest[kind] = [name for layer in layers if (name := missing.get(layer, layer))]
            lacking += missing
    if lacking:
        given = [f"`{kind}` {','.join(dict.fromkeys(nearest[kind]))}" for kind in sorted(nearest)]
        fail(
            f"the weights of {type(network).__name__} end at {network.available_layers()[-1]} and "
            f"lack the default layers {', '.join(dict.fromkeys(lacking))}",
            hint=f"use other weights, or give {' '.join(reversed(given))}",
            argument="weights",
        )


def divided(
    recipe: Callable[..., Recipe], options: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split options into those of a recipe function and those of `Recipe.run`.

    An option of both, such as `seed`, is in both dicts.
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
        Returned unchanged if it does not fit.
    layers : iterable of str
        The layers that are read.
    narrowest : int
        Shorter side, in pixels, of the smallest picture that the network will see.
    """
    strides = [side for layer in layers for side in network.stride(layer)]
    fits = narrowest > REFLECTION and not any(REFLECTION % stride for stride in strides)
    return ReflectPadding(network, REFLECTION) if fits else network
