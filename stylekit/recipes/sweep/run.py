"""Runs every combination of a grid of parameters, in this process or in others."""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from typing import Any, TypeAlias

import numpy as np

from stylekit._checks import (
    InputTypeError,
    SetupError,
    StylekitError,
    absolute_paths,
    check_options,
    explain,
    fail,
    grid_size,
    integer,
)
from stylekit._defaults import MOST_CELLS, PREVIEW_SIZE, PREVIEW_STEPS
from stylekit.features import VGG19, FeatureExtractor
from stylekit.image import PictureLike, as_image, resize
from stylekit.image.tiling import tileable_shape
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
    executor: Executor | None = None,
    **options: Any,
) -> Sweep:
    """Paint small pictures with every combination of some parameters, and compare their metrics.

    Parameters
    ----------
    content : path, PIL image or array
    style : path, PIL image or array, or a list of them
        All styles of a list are used in each cell. None if the grid has an axis ``"style"``.
    grid : mapping of str to list
        Values of parameters of the recipe and of `Recipe.run`, such as ``{"strength": [0.3, 0.6],
        "style_layers": [("conv1_1", "conv2_1"), {"conv1_1": 1, "conv3_1": 4}]}``, where a mapping
        of layers holds their weights. The last parameter varies fastest. If the values are given as
        a mapping instead of a list, the keys are the labels of the values:
        ``{"style": {"night": starry, "sea": wave}}``.
    size : int, optional
        Longer side of the pictures in pixels. None keeps the size of the content. If the pictures
        tile, the sides are rounded to multiples of 16. Default: 192.
    steps : int
        Number of steps of each run, at least 0. It may also be a parameter of the grid.
    extractor : FeatureExtractor, optional
        The network of all runs. Default: `VGG19` with ImageNet weights.
    judge : FeatureExtractor, optional
        The network that measures style and content. Default: `extractor`.
    recipe : callable
        The function to run, ``(content, *, style, size, **parameters) -> Recipe``. Default:
        `recipes.basic`.
    max_cells : int
        Maximum number of combinations. Default: 64.
    callbacks : iterable of callables
        Called at every step of every run; see `StyleTransfer.run`.
    on_cell : callable, optional
        Called with the sweep so far after every run. If it returns a true value, the sweep ends.
    progress : bool
        Whether a progress bar is shown.
    executor : concurrent.futures.Executor, optional
        Runs the cells in other processes, such as a `stylekit.batch.ClusterExecutor` on Dask. The
        recipe, the network, the callbacks and the options are pickled. Callbacks are called in
        these processes. Default: the cells run in this process.
    **options
        Further parameters of the recipe and of `Recipe.run`, which all runs share.

    Returns
    -------
    Sweep
        The result. If the sweep is interrupted (Ctrl-C, or the stop button of a notebook), the
        result has the cells so far. If a run fails, for example because a loss becomes NaN, the
        cell of the run has the reason.

    Raises
    ------
    InputError, InputTypeError, FileError
        If the grid is invalid or has too many cells, or a picture or layer cannot be used. These
        errors are raised before the first run. If every run fails, the error of the first run is
        raised.
    SetupError
        If the executor fails.

    Notes
    -----
    Style and content are measured by `stylekit.metrics` with the layers of `judge`, in the same way
    for every cell, so that runs with different losses can be compared. The scales are explained in
    `Cell`. Runs are traced once for each set of layers (`stylekit.Reuse`), unless a mask protects a
    part of the picture.

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
    if executor is not None:
        _check_executor(executor)
    integer(steps, "steps", low=0)
    network = VGG19() if extractor is None else extractor
    for name in ("style_layers", "content_layers"):
        for layers in (options.get(name), *_values(axes, name)):
            check_layers(network, optional_layers(layers) or (), name)
    photo = as_image(content, "content", size)
    for tile in (options.get("tile"), *_values(axes, "tile")):
        if tile is not None:
            photo = resize(photo, tileable_shape(photo.shape[:2], tile))
            size = None
    judging = _Judge(photo, _styles(style, axes), network if judge is None else judge)

    cells = [Cell(number, *given) for number, given in enumerate(points(axes), 1)]
    shared = {"style": style, "size": size, "steps": steps, "plan": Reuse(), **options}
    planned = [cell.parameters.get("steps", steps) for cell in cells]
    swept = Sweep(axes, photo, judging.styles, len(cells))
    errors: dict[int, StylekitError] = {}
    with _Progress(swept, planned, progress) as bar:
        told = [bar, *callbacks] if executor is None else list(callbacks)
        run = _Run(recipe, photo, judging, shared | {"extractor": network, "callbacks": told})
        ended = _here(run, cells, bar) if executor is None else _sent(run, cells, executor, bar)
        try:
            with contextlib.closing(ended):
                for cell, error in ended:
                    if error is not None:
                        errors[cell.number] = error
                    bisect.insort(swept.cells, cell, key=lambda one: one.number)
                    if cell.result is not None and cell.result.stopped_by == "interrupted":
                        raise KeyboardInterrupt
                    if on_cell is not None and on_cell(swept):
                        break
        except KeyboardInterrupt:
            if not swept.cells:
                raise
            swept.interrupted = True
    if len(errors) == len(swept.cells):
        raise errors[min(errors)]
    return swept


@dataclasses.dataclass(frozen=True, eq=False)
class _Run:
    """Runs one cell at a time. It can be pickled.

    Attributes
    ----------
    recipe : callable
    photo : ndarray [H, W, 3]
    judge : _Judge
    options : mapping of str
        Options of the recipe and of `Recipe.run` that all cells have in common.
    """

    recipe: Callable[..., Recipe]
    photo: np.ndarray
    judge: _Judge
    options: Mapping[str, Any]

    def __call__(self, cell: Cell) -> tuple[Cell, StylekitError | None]:
        """Return the cell with its result and measures, and the error if its run failed."""
        try:
            technique, how = divided(self.recipe, {**self.options, **cell.parameters})
            result = self._made(technique).run(**how)
        except StylekitError as error:
            last = error.result if isinstance(error, TransferError) else None
            return dataclasses.replace(cell, result=last, problem=_problem(error)), error
        if result.stopped_by == "interrupted":
            problem = f"interrupted at step {result.steps}"
            return dataclasses.replace(cell, result=result, problem=problem), None
        style, content = self.judge(cell.labels.get("style"), result.image)
        return dataclasses.replace(cell, result=result, style=style, content=content), None

    def _made(self, options: dict[str, Any]) -> Recipe:
        made = self.recipe(self.photo, **options)
        if not isinstance(made, Recipe):
            raise InputTypeError(
                explain(
                    "the recipe of a sweep must return a Recipe",
                    expected="a Recipe, which has not been run",
                    received=type(made).__name__,
                    hint="return the recipe without calling its run",
                ),
                argument="recipe",
            )
        return made


Ended: TypeAlias = Generator[tuple[Cell, StylekitError | None]]


def _here(run: _Run, cells: Iterable[Cell], bar: _Progress) -> Ended:
    """Run cells in this process; yield each with the error if it failed."""
    for cell in cells:
        bar.begin(cell)
        yield run(cell)


def _sent(run: _Run, cells: Iterable[Cell], executor: Executor, bar: _Progress) -> Ended:
    """Run cells by an executor; yield each when it has ended, with the error if it failed."""
    # The working folder of a worker may be different.
    run = dataclasses.replace(run, options=absolute_paths(run.options))
    futures = {}
    try:
        for cell in cells:
            sent = dataclasses.replace(cell, parameters=absolute_paths(cell.parameters))
            futures[executor.submit(run, sent)] = cell
        for future in as_completed(futures):
            cell = futures.pop(future)
            try:
                ended, error = future.result()
            except SetupError:
                raise
            except StylekitError as failure:  # the workers that ran the cell died
                ended, error = dataclasses.replace(cell, problem=str(failure)), failure
            except Exception as failure:  # an executor may raise any error
                raise SetupError(
                    explain(
                        f"the executor failed ({type(failure).__name__}: {failure})",
                        hint="check that its processes can import stylekit and have enough memory",
                    ),
                    argument="executor",
                ) from failure
            bar.end(cell)
            yield dataclasses.replace(ended, parameters=cell.parameters), error
    finally:
        for future in futures:
            future.cancel()


def _check_executor(executor: Any) -> None:
    if not isinstance(executor, Executor) or isinstance(executor, ThreadPoolExecutor):
        raise InputTypeError(
            explain(
                "`executor` cannot run a sweep",
                expected="a concurrent.futures.Executor of processes, such as a "
                "stylekit.batch.ClusterExecutor",
                received=type(executor).__name__,
            ),
            argument="executor",
        )


def _problem(error: StylekitError) -> str:
    """Return the reason why a run failed, in a few words."""
    if isinstance(error, NonFiniteLossError):
        return f"{error.term} became NaN or infinite at step {error.result.steps}"
    return str(error)


def _values(axes: Iterable[Axis], name: str) -> tuple[Any, ...]:
    return next((axis.values for axis in axes if axis.name == name), ())


def _styles(style, axes: Iterable[Axis]) -> dict[str | None, Any]:
    """Return the styles by their labels on the axis, or under None if all cells share the style."""
    for axis in axes:
        if axis.name == "style":
            return dict(zip(axis.labels, axis.values, strict=True))
    if style is None:
        fail(
            "a style is required",
            expected="`style`, or an axis 'style' in the grid",
            received="neither",
            argument="style",
        )
    return {None: style}


class _Judge:
    """Measures the style and the content of every cell in the same way.

    Attributes
    ----------
    styles : dict of str to list of ndarray
        The style pictures at the size of the result, by their labels on the axis, or under None.
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
        # If the photograph is also the style, its distance is 0, by which one cannot divide.
        self._of_photo = {label: self._style(label, photo) or 1.0 for label in self.styles}

    def __call__(self, label: str | None, image: np.ndarray) -> tuple[float, float]:
        """Return the measures of style and content of an image; see `Cell`."""
        content = content_distance(self._photo, image, extractor=self._network)
        return self._style(label, image) / self._of_photo[label], content

    def _style(self, label: str | None, image: np.ndarray) -> float:
        styles = self.styles[label]
        return float(
            np.mean([style_distance(one, image, extractor=self._network) for one in styles])
        )


class _Progress:
    """A callback that shows one progress bar for all runs."""

    def __init__(self, swept: Sweep, steps: list[int], shown: bool) -> None:
        self._swept, self._steps = swept, steps
        self._before = 0
        self._bar = tqdm(total=sum(steps), unit="step", disable=not shown)

    def begin(self, cell: Cell) -> None:
        """Show a cell whose run begins in this process."""
        self._before = sum(self._steps[: cell.number - 1])
        self._bar.set_description(f"{cell.number}/{len(self._steps)}", refresh=False)
        told = ", ".join(self._swept.described(cell.labels))
        self._bar.set_postfix_str(told, refresh=False)
        self._advance(0)

    def end(self, cell: Cell) -> None:
        """Count a cell that was run in another process."""
        self._bar.update(self._steps[cell.number - 1])

    def __call__(self, step: Step) -> None:
        """Advance to a step of the current run."""
        self._advance(step.index)

    def _advance(self, steps: int) -> None:
        self._bar.update(self._before + steps - self._bar.n)

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()
