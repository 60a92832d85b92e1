"""Many runs over a grid of parameters, side by side, so that weights are tuned by looking."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from stylekit._checks import (
    InputTypeError,
    StylekitError,
    check_options,
    explain,
    fail,
    grid_size,
    integer,
)
from stylekit._defaults import MOST_CELLS, PREVIEW_SIZE, PREVIEW_STEPS
from stylekit.features import VGG19, FeatureExtractor
from stylekit.image import PictureLike, as_image
from stylekit.losses.base import optional_layers
from stylekit.metrics import content_distance, style_distance
from stylekit.recipes.basic import basic
from stylekit.recipes.recipe import RUN, Recipe, check_layers, divided
from stylekit.recipes.sweep.grid import Axis, axes_of, points
from stylekit.recipes.sweep.result import Cell, Sweep
from stylekit.transfer import NonFiniteLossError, Reuse, Step, TransferError
from stylekit.transfer.callbacks import tqdm


def sweep(
    content: PictureLike,
    style: PictureLike | Sequence[PictureLike] | None,
    grid: Mapping[str, Any],
    *,
    size: int | None = PREVIEW_SIZE,
    steps: int = PREVIEW_STEPS,
    extractor: FeatureExtractor | None = None,
    judge: FeatureExtractor | None = None,
    recipe: Callable[..., Recipe] = basic,
    max_cells: int = MOST_CELLS,
    callbacks: Iterable = (),
    on_cell: Callable[[Sweep], Any] | None = None,
    progress: bool = True,
    **options: Any,
) -> Sweep:
    """Paint a picture with every combination of some parameters, small, and judge each alike.

    Parameters
    ----------
    content : path, PIL image or array
    style : path, PIL image or array, or a list of them that are painted together
        None where the grid has an axis ``"style"``.
    grid : mapping of str to list
        Values of parameters of the recipe and of `Recipe.run`, such as
        ``{"strength": [0.3, 0.6], "style_layers": [("conv1_1", "conv2_1"), {"conv1_1": 1,
        "conv3_1": 4}]}``; a mapping of layers holds their weights. The last parameter varies
        fastest. A mapping in a list's place names the values:
        ``{"style": {"night": starry, "sea": wave}}``.
    size : int, optional
        Longer side of the pictures in pixels. Default: 192; None keeps the content's own.
    steps : int
        Of each run, at least 0; the grid may have them, too.
    extractor : FeatureExtractor, optional
        The network of all runs. Default: `VGG19` with ImageNet weights.
    judge : FeatureExtractor, optional
        The network that measures style and content. Default: that of the runs.
    recipe : callable
        What is run: a function of a content, a style, `size` and parameters, to a `Recipe`.
        Default: `recipes.basic`.
    max_cells : int
        More combinations than this are an error. Default: 64.
    callbacks : iterable of callables
        They see every step of every run; see `StyleTransfer.run`.
    on_cell : callable, optional
        Given the sweep so far after every run; a true return value ends it.
    progress : bool
        Whether a bar is shown.
    **options
        What all runs have in common, of the same parameters.

    Returns
    -------
    Sweep
        Also when it is interrupted (Ctrl-C, the notebook's stop button): what has been run. A run
        that breaks off, such as by a loss that becomes NaN, is told as such in its cell.

    Raises
    ------
    InputError, InputTypeError, FileError
        If the grid is unfit or has too many cells, or a picture or layer cannot be used; before
        the first run. If every run fails, the first one's error.

    Notes
    -----
    Style and content are those of `stylekit.metrics`, with the judge's own layers, the same for
    every cell: they compare runs whose losses do not. `Cell` says in what unit. All runs are traced
    once for each set of layers (`stylekit.Reuse`), unless a mask protects a part of the picture.

    Examples
    --------
    >>> import stylekit as sk
    >>> grid = {"variation": [0.5, 4], "strength": [0.3, 0.5, 0.7]}
    >>> sk.sweep("photo.jpg", "starry.jpg", grid).save("tuning")  # doctest: +SKIP
    """
    own = inspect.signature(recipe).parameters
    if not any(one.kind is one.VAR_KEYWORD for one in own.values()):
        check_options("sweep", options, (*inspect.signature(sweep).parameters, *own, *RUN))
    axes = axes_of(grid, recipe, (*options, *(() if style is None else ("style",))))
    grid_size({axis.name: len(axis.values) for axis in axes}, max_cells)
    integer(steps, "steps", low=0)
    network = VGG19() if extractor is None else extractor
    for name in ("style_layers", "content_layers"):
        for layers in (options.get(name), *_values(axes, name)):
            check_layers(network, optional_layers(layers) or (), name)
    photo = as_image(content, "content", size)
    judging = _Judge(photo, _styles(style, axes), network if judge is None else judge)

    cells, callbacks = list(points(axes)), list(callbacks)
    shared = {"size": size, "extractor": network, "plan": Reuse(), **options}
    swept = Sweep(axes, photo, judging.styles, len(cells))
    errors: list[StylekitError] = []
    with _Progress([given.get("steps", steps) for given, _ in cells], progress) as bar:
        try:
            for number, (parameters, labels) in enumerate(cells, 1):
                bar.begin(number, ", ".join(swept.described(labels)))
                given = {"style": style, "steps": steps, **shared, **parameters}
                cell = Cell(number, parameters, labels)
                try:
                    technique, how = divided(recipe, given)
                    made = _made(recipe, photo, technique)
                    cell.result = made.run(callbacks=[bar, *callbacks], **how)
                except StylekitError as error:
                    errors.append(error)
                    cell.result = error.result if isinstance(error, TransferError) else None
                    cell.problem = _problem(error)
                else:
                    _measure(cell, judging)
                swept.cells.append(cell)
                if cell.result is not None and cell.result.stopped_by == "interrupted":
                    raise KeyboardInterrupt
                if on_cell is not None and on_cell(swept):
                    break
        except KeyboardInterrupt:
            if not swept.cells:
                raise
            swept.interrupted = True
    if len(errors) == len(swept.cells):
        raise errors[0]
    return swept


def _made(recipe: Callable[..., Recipe], photo: np.ndarray, options: dict[str, Any]) -> Recipe:
    made = recipe(photo, **options)
    if not isinstance(made, Recipe):
        raise InputTypeError(
            explain(
                "the recipe of a sweep returned something else",
                expected="a Recipe, which the sweep runs",
                received=type(made).__name__,
                hint="return the recipe without calling its run",
            ),
            argument="recipe",
        )
    return made


def _measure(cell: Cell, judge: _Judge) -> None:
    """Measure a cell's result, unless it was cut off."""
    result: Any = cell.result
    if result.stopped_by == "interrupted":
        cell.problem = f"interrupted at step {result.steps}"
    else:
        cell.style, cell.content = judge(cell.labels.get("style"), result.image)


def _problem(error: StylekitError) -> str:
    """Return in a few words what became of a run."""
    if isinstance(error, NonFiniteLossError):
        return f"{error.term} became NaN or infinite at step {error.result.steps}"
    return str(error)


def _values(axes: Iterable[Axis], name: str) -> tuple[Any, ...]:
    return next((axis.values for axis in axes if axis.name == name), ())


def _styles(style, axes: Iterable[Axis]) -> dict[str | None, Any]:
    """Return what is painted with, by the axis's labels; under None what all cells share."""
    for axis in axes:
        if axis.name == "style":
            return dict(zip(axis.labels, axis.values, strict=True))
    if style is None:
        fail(
            "there is no style",
            expected="a style, or an axis 'style' in the grid",
            received="neither",
            argument="style",
        )
    return {None: style}


class _Judge:
    """What measures every cell alike.

    Attributes
    ----------
    styles : dict of str to list of ndarray
        The style pictures at the result's size, by their axis's labels, or under None.
    """

    def __init__(self, photo: np.ndarray, styles: dict[str | None, Any], network) -> None:
        longer = max(photo.shape[:2])
        self._photo, self._network = photo, network
        self.styles = {
            label: [
                as_image(one, "style", longer)
                for one in (style if isinstance(style, (list, tuple)) else [style])
            ]
            for label, style in styles.items()
        }
        # A picture in its own style is at 0 from the start.
        self._of_photo = {label: self._style(label, photo) or 1.0 for label in self.styles}

    def __call__(self, label: str | None, image: np.ndarray) -> tuple[float, float]:
        """Return the style and the content of an image; see `Cell`."""
        content = content_distance(self._photo, image, extractor=self._network)
        return self._style(label, image) / self._of_photo[label], content

    def _style(self, label: str | None, image: np.ndarray) -> float:
        styles = self.styles[label]
        return float(
            np.mean([style_distance(one, image, extractor=self._network) for one in styles])
        )


class _Progress:
    """A callback that shows one bar for all runs."""

    def __init__(self, steps: list[int], shown: bool) -> None:
        self._steps = steps
        self._before = 0
        self._bar = tqdm(total=sum(steps), unit="step", disable=not shown)

    def begin(self, number: int, told: str) -> None:
        """Tell of a run that begins."""
        self._before = sum(self._steps[: number - 1])
        self._bar.set_description(f"{number}/{len(self._steps)}", refresh=False)
        self._bar.set_postfix_str(told, refresh=False)
        self._advance(0)

    def __call__(self, step: Step) -> None:
        """Advance to a step of this run."""
        self._advance(step.index)

    def _advance(self, steps: int) -> None:
        self._bar.update(self._before + steps - self._bar.n)

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()
