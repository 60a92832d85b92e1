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
"""Function that takes an extractor and returns the factor of a loss's weight."""

Levels = Callable[[int, int | None], Pyramid]
"""Function that takes a longer side in pixels, and a number of levels or None, and returns the
pyramid."""

COARSEST = 64
"""Minimum longer side of the coarsest level in pixels. At this size the large forms are painted."""

REFLECTION = 16
"""Number of pixels by which pictures are reflected at their borders. Without reflection, the outer
2 pixels of a result differ by up to 0.125 from the band 6 to 12 pixels inside. With reflection,
they differ as much as in the photograph."""


def halved(longer: int, levels: int | None = None) -> Pyramid:
    """Return levels, each half the next; by default a single level."""
    return Pyramid.halving(longer, 1 if levels is None else levels)


def coarse_to_fine(longer: int, levels: int | None = None) -> Pyramid:
    """Return levels, each half the next; by default the coarsest has 64 to 127 pixels."""
    return halved(longer, levels_of(longer) if levels is None else levels)


def levels_of(longer: int) -> int:
    """Return the number of levels with which the coarsest has 64 to 127 pixels."""
    return max(1, (longer // COARSEST).bit_length())


class Recipe:
    """A technique that can be changed before it runs: losses, an initial image, and further steps.

    The recipe functions return a `Recipe`. Its method `run` runs it.

    Parameters
    ----------
    losses : iterable of Loss
        The losses. Further losses can be added by `add`.
    content : ndarray [H, W, 3], optional
        The content picture, at the size of the result.
    styles : sequence of ndarray [h, w, 3]
        The style pictures, at the sizes at which the losses read them.
    masks, style_masks : sequence of ndarray or None, optional
        For each style, where the style is applied, ``[H, W]``, and which part of the style picture
        is used, ``[h, w]``, in [0, 1]. Default: everywhere.
    start : ndarray, Start or callable, optional
        The initial image. A callable receives the `Pyramid` of the run and returns an array or a
        `Start`. Default: the content.
    shape : (int, int), optional
        Height and width of the result in pixels. Default: the height and width of the content.
    steps : int
        Default number of steps of `run`. Each step is one evaluation of the gradient.
    levels : callable
        Returns the default `Pyramid`, given the longer side in pixels and a number of levels or
        None.
    update_mask : ndarray [H, W], optional
        Where the image may change, in [0, 1]. Default: everywhere.
    reflect : bool
        Whether pictures are extended by reflection at their borders before they are passed to the
        network, if the smallest picture is large enough. This prevents a visible frame around the
        result.
    rests : bool
        Whether `run` returns the initial image unchanged if only `ContentLoss` has a weight above
        0.
    layers : mapping of str to layers
        The layers that were passed to the recipe function, by the name of the argument. If the
        network lacks one of these layers, the error names the argument.
    optimizer, parameters, extractor : optional
        Defaults of `run`. If they are not given, `run` uses the defaults of `StyleTransfer`.

    Attributes
    ----------
    content, styles, masks, style_masks, start, shape, steps, update_mask
        As given.
    optimizer, parameters, extractor
        As given. These attributes may be set.

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
                "a recipe needs an initial image and a size",
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
        """The levels of a run, unless others are passed to `run`."""
        return self._levels(max(self.shape), None)

    def add(self, loss: Loss, factor: Factor | None = None) -> Recipe:
        """Add a loss.

        Parameters
        ----------
        loss : Loss
        factor : callable, optional
            Takes the extractor of a run, and returns the number by which the loss's weight is
            multiplied, such as ``lambda network: network.style_factor``. If it returns 0, the loss
            is omitted. Default: the weight is not changed.

        Returns
        -------
        Recipe
            The recipe itself.

        Raises
        ------
        InputError, InputTypeError
            If `loss` is not a `Loss`, or the recipe already has a loss of that name.
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
        """Remove a loss by its name; raise `InputError` if there is no loss of that name."""
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
            Whether, if a run fails, the function is also applied to the result so far.

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
            Number of evaluations of the gradient, summed over all levels, at least 0. Default: the
            number of the recipe, which is 50 for ``style_loss="neighbors"`` and 300 in most other
            cases.
        initial : path, PIL image, array or Start, optional
            The initial image. A picture is resized like the content. Default: the initial image of
            the recipe, in most recipes the content.
        pyramid : int or Pyramid, optional
            Number of levels from coarse to fine, each half as large as the next; or a `Pyramid`,
            which holds the sizes and the shares of the steps. Default: the pyramid of the recipe.
            For recipes with a content, the longer side of its coarsest level has 64 to 127 pixels.
            With ``style_loss="neighbors"``, all coarse levels take the same number of steps, and
            three rounds at the full size follow the last level. With other losses, each level takes
            half the steps of the level before. The brush strokes are formed in the coarse levels,
            and keep their size.
        extractor : FeatureExtractor, optional
            The network. Default: the network of the recipe, in most recipes `VGG19` with ImageNet
            weights.
        finish : (FeatureExtractor, int), optional
            A second network, and the number of steps that it takes at the end of the run, at the
            full size. For example, the bundled `CompactVGG` does most of the work and `VGG19`
            finishes the picture.
        tile : {"x", "y", "both"}, optional
            Make a picture that can be repeated without a seam side by side ("x"), one above the
            other ("y"), or both. The sides of the picture along these axes must be multiples of the
            stride of the deepest layer that is read, 16 pixels for the default layers.
            A content or an initial image whose opposite edges do not match is changed by
            `image.periodic`. See `CircularPadding`.
        optimizer, parameters, precision, plan, jit_compile, seed
            See `StyleTransfer`. The first two default to those of the recipe.
        callbacks : iterable of Callback or callable
            Each callback is called with every `Step`. A true return value stops the run.
        checkpoint : path or Checkpoint, optional
            A folder that keeps the state of the run. A run with the same arguments continues from
            it. See `StyleTransfer.run`.

        Returns
        -------
        Result
            The picture and the record of the run. A result is also returned if the run is
            interrupted (Ctrl-C, or the stop button of a notebook).

        Raises
        ------
        InputError, InputTypeError, FileError
            If an argument, a picture or the weights cannot be used. These errors are raised before
            the first step.
        TransferError
            If the run, or a function that was added by `then`, fails. The attribute `result` of the
            error holds the image so far.
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
            steps, last = 0, None  # further steps would only add rounding errors
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
                hint="set a constant factor as the `weight` of the loss",
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

    The message proposes the nearest existing layer for each missing layer.
    """
    missing, there = network.missing(layers), network.available_layers()
    if missing and there:  # a weights file without layers has already raised an error
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

    This happens if a file of VGG19's weights has only the first layers. The message lists layers to
    use instead.
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
    """Return a network that reflects pictures at their borders, if the reflection fits.

    Parameters
    ----------
    network : FeatureExtractor
        The network, which is returned unchanged if the reflection does not fit.
    layers : iterable of str
        The layers that are read.
    narrowest : int
        Shorter side, in pixels, of the smallest picture on which the network will be evaluated.
    """
    strides = [side for layer in layers for side in network.stride(layer)]
    fits = narrowest > REFLECTION and not any(REFLECTION % stride for stride in strides)
    return ReflectPadding(network, REFLECTION) if fits else network
