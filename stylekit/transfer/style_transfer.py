"""The transfer: terms, an extractor and an optimizer, run over a pyramid's levels."""

from __future__ import annotations

import contextlib
import gc
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from stylekit._checks import (
    InputTypeError,
    SetupError,
    caused_by,
    choice,
    explain,
    fail,
    integer,
    renamed,
)
from stylekit.features import VGG19, FeatureExtractor
from stylekit.image.arrays import tiled_axes
from stylekit.losses import Loss
from stylekit.masks import MaskLike, operations
from stylekit.transfer.callbacks import Callback, as_callbacks, close, resume, show
from stylekit.transfer.checkpoint import Checkpoint
from stylekit.transfer.level import Level
from stylekit.transfer.memory.plan import Plan, Planned, downwards
from stylekit.transfer.memory.shortage import out_of_memory
from stylekit.transfer.objective import (
    PRECISIONS,
    Objective,
    check_backend,
    named_terms,
    read_by,
)
from stylekit.transfer.optimizers import OptimizerLike, as_optimizer
from stylekit.transfer.parameters import Parameters, as_parameters
from stylekit.transfer.plugin import described
from stylekit.transfer.pyramid import Pyramid
from stylekit.transfer.record import Record, size_name
from stylekit.transfer.result import Result, Step, TransferError
from stylekit.transfer.starts import Start, StartLike, resized, start_of


class StyleTransfer:
    """Optimises an image until its losses are low.

    Parameters
    ----------
    losses : sequence of Loss
        The terms of the objective.
    extractor : FeatureExtractor, optional
        Default: `VGG19` with ImageNet weights.
    optimizer : optional
        `LBFGS` (default), any `keras.optimizers.Optimizer`, or an `Optimizer` of your own.
    parameters : Parameters
        What is optimised: `Pixels` (default), `LaplacianPyramid`, `FourierPixels`, or a
        parametrisation of your own.
    precision : str
        ``"float32"``, ``"mixed_float16"`` or ``"mixed_bfloat16"``; see `Objective`.
    plan : Plan, optional
        `Recompute` or `Tiles` need less memory and more time, `FitMemory` takes what fits.
        Default: `Plan`, all at once.
    jit_compile : bool
        Whether XLA compiles the step; one in tiles it cannot. On a CPU a compiled step takes about
        twice the time; on a GPU, measure.
    seed : int
        Of all that is random in a run.

    Raises
    ------
    InputError, InputTypeError
        If there are no terms, two have one name, or an argument is of the wrong kind.
    SetupError
        If Keras runs on another backend than TensorFlow, or eager execution is disabled.

    Examples
    --------
    >>> import stylekit as sk
    >>> photo = sk.read_image("photo.jpg", size=512)  # doctest: +SKIP
    >>> terms = [sk.ContentLoss(photo), sk.GramStyleLoss("starry.jpg", weight=8)]  # doctest: +SKIP
    >>> sk.StyleTransfer(terms).run(photo, steps=300).save("out.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        losses: Sequence[Loss],
        *,
        extractor: FeatureExtractor | None = None,
        optimizer: OptimizerLike | None = None,
        parameters: Parameters | None = None,
        precision: str = "float32",
        plan: Plan | None = None,
        jit_compile: bool = False,
        seed: int = 0,
    ) -> None:
        check_backend()
        self.terms = named_terms(losses)
        self.extractor = as_extractor(extractor)
        as_optimizer(optimizer)
        self.optimizer = optimizer
        self.parameters = as_parameters(parameters)
        self.precision = choice(precision, "precision", PRECISIONS)
        self.plan = Plan() if plan is None else plan
        if not isinstance(self.plan, Plan):
            raise InputTypeError(
                explain(
                    "the plan cannot be used",
                    expected="Plan(), Recompute(), Tiles() or FitMemory()",
                    received=repr(plan),
                ),
                argument="plan",
            )
        self.jit_compile = bool(jit_compile)
        self.seed = integer(seed, "seed", low=0)
        self._ready: tuple[Any, Objective] | None = None

    def objective(self, initial: StartLike) -> Objective:
        """Return the objective at the size of a start; see `run` for `initial`."""
        image, picture = start_of(initial, self.terms.values(), self.seed, self.extractor.tile)
        shape = image.shape[1:3]
        plan, _ = self._settle(shape, len(image), self.optimizer)
        objective = self._planned(plan, shape, shape, picture, Record(self, 0)).objective
        objective.begin(image)
        return objective

    def prepare(self, initial: StartLike) -> None:
        """Prepare the terms at the size of a start, for the next run at that size.

        What is unfit raises now, as it would in `run`, whose parameter `initial` is.
        """
        image, picture = start_of(initial, self.terms.values(), self.seed, self.extractor.tile)
        shape = image.shape[1:3]
        plan, _ = self._settle(shape, len(image), self.optimizer, tell=False)
        planned = self._planned(plan, shape, shape, picture, Record(self, 0))
        self._ready = (planned.plan, tuple(shape), tuple(shape)), planned.objective

    def run(
        self,
        initial: StartLike,
        steps: int = 500,
        *,
        update_mask: MaskLike | None = None,
        pyramid: Pyramid | None = None,
        callbacks: Iterable[Callback | Callable[[Step], Any]] = (),
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    ) -> Result:
        """Optimise an image.

        Parameters
        ----------
        initial : path, PIL image, array or Start
            The start: a picture, a batch ``[B, H, W, 3]``, or `Noise()` and the like, which take
            the shape of the first `ContentLoss`'s reference.
        steps : int
            Evaluations of the gradient, at least 0, the total over a pyramid's levels.
        update_mask : array [H, W], path, PIL image or callable, optional
            Where the image may change, in [0, 1]; elsewhere it stays bit-identical to the start.
        pyramid : Pyramid, optional
            Coarse-to-fine levels. Default: the start's own size alone.
        callbacks : iterable of Callback or callable
            Each is given every `Step`; a true return value stops the run.
        checkpoint : path or Checkpoint, optional
            A folder that keeps the run's state, written every 50 steps and when it is stopped or
            interrupted. The same run, started again, goes on from there and ends as if it had
            not been cut off, bit for bit. Removed when all steps are taken.

        Returns
        -------
        Result
            Also when the run is interrupted (Ctrl-C, the notebook's stop button). A second
            interrupt gives up writing the checkpoint, not the result.

        Raises
        ------
        InputError
            If a picture, mask or size is unfit, or the checkpoint is another run's; before the
            first step.
        FileError
            If the checkpoint is damaged, or its folder is in use by another run or cannot be
            written to.
        NonFiniteLossError
            If a loss becomes NaN or infinite; it holds the last good image.
        TransferError
            If a callback or the device fails; it holds the image so far.

        Warns
        -----
        UserWarning
            If a callback fails in `close`, an optimizer or a parametrisation keeps state where it
            is lost, or no gradient passes through a loss.
        """
        callbacks = as_callbacks(callbacks)
        record = Record(self, steps, checkpoint)
        try:
            try:
                for step in self._steps(initial, steps, update_mask, pyramid, record, callbacks):
                    if stopper := show(callbacks, step):
                        record.stopped_by = stopper
                        record.seen()
                        break
            except KeyboardInterrupt:
                if record.image is None:
                    raise
                record.stopped_by = "interrupted"
            try:
                record.check()
                record.end()
            except KeyboardInterrupt:  # once more: the last checkpoint is given up, not the image
                record.check()
                record.notes.append("interrupted before the last checkpoint was written")
            return record.result(record.stopped_by)
        except TransferError:
            raise
        except Exception as error:
            if out_of_memory(error) and not record.rows:
                raise SetupError(
                    explain(
                        "the memory does not hold the run",
                        hint="set `plan` to recompute or tiles, use an `optimizer` with less "
                        "memory, such as Adam, use a smaller size or style, or set `precision` to "
                        "mixed_float16 on a GPU",
                    )
                ) from error
            if not record.rows:
                raise
            record.check()
            message = f"the run broke off at step {record.steps}: {error}"
            failure = TransferError(message, record.result(type(error).__name__))
            for note in getattr(error, "__notes__", ()):
                failure.add_note(note)
            raise failure from error
        finally:
            close(callbacks)
            record.close()

    def iterate(
        self,
        initial: StartLike,
        steps: int = 500,
        *,
        update_mask: MaskLike | None = None,
        pyramid: Pyramid | None = None,
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    ) -> Iterator[Step]:
        """Yield the steps of a run, one more than `steps`.

        The same loop as `run`, opened: the caller decides what is done with each step, and may
        leave the loop at any time. ``steps=2`` yields three: step 0, the start with its losses, and
        steps 1 and 2, the images after one and two evaluations of the gradient. The image of
        step `steps` is the one that `run` returns.

        Parameters and errors are those of `run`. The checkpoint is written every few steps only,
        and a resumed run begins with the step after the last one that was written.

        Yields
        ------
        Step
        """
        with contextlib.closing(Record(self, steps, checkpoint)) as record:
            yield from self._steps(initial, steps, update_mask, pyramid, record)
            record.end()

    def _steps(
        self,
        initial,
        steps,
        update_mask,
        pyramid,
        record: Record,
        callbacks: Sequence[Callback] = (),
    ) -> Iterator[Step]:
        steps = integer(steps, "steps", low=0)
        if pyramid is not None and not isinstance(pyramid, Pyramid):
            raise InputTypeError(
                explain(
                    "the pyramid cannot be used",
                    expected="a Pyramid",
                    received=described(pyramid),
                    hint="write Pyramid.halving(size, levels), where size is the longer side",
                ),
                argument="pyramid",
            )
        start, picture = start_of(initial, self.terms.values(), self.seed, self.extractor.tile)
        base_shape = start.shape[1:3]
        levels = [(base_shape, steps)] if pyramid is None else pyramid.levels(base_shape, steps)
        levels = self._in_whole_cells(levels)
        mask = self._update_mask(update_mask, base_shape, picture)
        name = repr(initial) if isinstance(initial, Start) else None
        state = record.begin(start, mask, levels, name)
        image, index, run = start, 0, None
        batch, tile = len(start), self.extractor.tile
        # A resumed run takes what it began with, whatever memory is free now.
        settled = {"optimizer": "", "plans": {}} if state is None else state.settled
        kept = settled["optimizer"], settled["plans"]
        plan, optimizer = self._settle(base_shape, batch, self.optimizer, kept, pyramid=pyramid)
        record.optimizer = repr(as_optimizer(optimizer))
        if plan is not self.plan:
            record.notes.append(f"plan: {plan}, {record.optimizer}")

        def plan_at(shape):
            # A coarse level may have one that is faster; the optimizer is the whole run's.
            final = tuple(shape) == tuple(base_shape)
            return plan if final else self._settle(shape, batch, optimizer, kept, tell=False)[0]

        if not steps:  # nothing is to change: at the coarse levels there is nothing to do
            levels = levels[-1:]
        last = len(levels) - 1
        # Every size is prepared before the first step, so that what is unfit is told at once.
        shapes = [tuple(shape) for shape, _ in levels]
        rounds = [shapes[:level].count(shape) for level, shape in enumerate(shapes)]
        objectives: dict[int, Planned] = {}
        for level, (shape, count) in enumerate(levels):
            if (count or level == last) and (state is None or level >= state.level):
                if rounds[level] and level - 1 in objectives:  # a trace serves all rounds
                    objectives[level] = objectives[level - 1]
                else:
                    objectives[level] = self._planned(
                        plan_at(shape), shape, base_shape, picture, record, rounds[level]
                    )
        for level in list(objectives):
            planned = objectives.pop(level)
            shape, count = levels[level]
            base = resized(start, shape, tile)
            if run is not None:
                image = run.image
                run.release()
                run = None
                if not rounds[level]:
                    gc.collect()  # the trace of another size, which refers to itself
            resumed = state if state is not None and level == state.level else None
            if resumed is not None:
                image = resumed.image
            elif index and image.shape[1:3] != base.shape[1:3] and not isinstance(initial, Start):
                # The change is carried to the next level, not the image: a picture's fine detail,
                # which a coarse level has lost, comes back with it. Noise is better lost.
                change = image - resized(start, image.shape[1:3], tile)
                image = np.clip(base + 2 * resized((change + 1) / 2, shape, tile) - 1, 0, 1)
            else:
                image = resized(image, shape, tile)
            level_mask = None if mask is None else operations.resize(mask, shape)[None, ..., None]
            run = Level(self, planned, optimizer, image, base, level_mask, level, rounds[level])
            if resumed is not None:
                run.restore(resumed)
                past = record.resume(resumed, run)
                index = len(past)
                if stopper := resume(callbacks, past):
                    record.stopped_by = stopper
                    return
            record.level = run
            # The last level's last row is the objective at the image returned.
            for row in run.rows(count + (level == last), record):
                yield record.step(index, level, row)
                record.seen()
                index += 1

    def _in_whole_cells(self, levels):
        """Return the levels, whose coarse sizes have whole cells along axes that tile."""
        tiled = tiled_axes(self.extractor.tile)
        if not any(tiled):
            return levels
        with renamed(layer="layers"):
            strides = map(self.extractor.stride, read_by(self.terms.values(), self.extractor))
            steps = [math.lcm(*sides) for sides in zip((1, 1), *strides, strict=True)]

        def fitted(shape):
            sides = zip(shape, steps, tiled, strict=True)
            return tuple(
                max(1, round(side / step)) * step if wraps else side for side, step, wraps in sides
            )

        last = levels[-1][0]
        return [(shape if shape == last else fitted(shape), count) for shape, count in levels]

    def _settle(self, shape, batch: int, optimizer, kept=("", {}), **options) -> tuple[Plan, Any]:
        """Return the plan and the optimizer; those that a checkpoint has kept, if it has."""
        known = kept[1].get(size_name(shape)), kept[0]
        plan, optimizer = self.plan.settle(
            list(self.terms.values()),
            self.extractor,
            tuple(shape),
            optimizer=optimizer,
            precision=self.precision,
            batch=batch,
            parameters=self.parameters,
            known=known,
            **options,
        )
        return next((one for one in downwards(plan) if repr(one) == known[0]), plan), optimizer

    def _planned(
        self, plan: Plan, shape, base_shape, picture, record: Record, round: int = 0
    ) -> Planned:
        def make(plan: Plan) -> Objective:
            key, ready = (plan, tuple(shape), tuple(base_shape)), self._ready
            self._ready = None
            if ready is not None and ready[0] == key:
                objective = ready[1]
                objective.canvas.picture = picture
            else:
                del ready  # it would be in the way
                objective = plan.objective(
                    list(self.terms.values()),
                    self.extractor,
                    tuple(shape),
                    base_shape=tuple(base_shape),
                    picture=picture,
                    precision=self.precision,
                    round=round,
                )
            record.notes.extend(objective.canvas.notes)
            record.plans[size_name(shape)] = repr(plan)
            return objective

        return Planned(plan, make, record.notes.append)

    def _update_mask(self, mask, shape, picture):
        if callable(mask):
            if picture is None:
                fail(
                    "a callable update mask needs a picture",
                    hint="give the mask as an array",
                    argument="update_mask",
                )
            mask = operations.made_of(mask, picture)
        if mask is None:
            return None
        with caused_by("update_mask"):
            return operations.as_mask(mask, shape, name="update mask")


def as_extractor(extractor: Any) -> FeatureExtractor:
    """Return an extractor, `VGG19` for None; raise `InputTypeError` if it is none."""
    if extractor is None:
        return VGG19()
    if not isinstance(extractor, FeatureExtractor):
        raise InputTypeError(
            explain(
                "the extractor cannot be used",
                expected="a FeatureExtractor, such as VGG19()",
                received=described(extractor),
                hint="wrap a Keras model in KerasExtractor",
            ),
            argument="extractor",
        )
    return extractor
