"""`StyleTransfer`: optimises an image for a list of losses, over the levels of a pyramid."""

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
    """Optimises an image to minimise a weighted sum of losses.

    Parameters
    ----------
    losses : sequence of Loss
        The terms of the objective.
    extractor : FeatureExtractor, optional
        The network. Default: `VGG19` with ImageNet weights.
    optimizer : LBFGS, keras.optimizers.Optimizer or Optimizer, optional
        `LBFGS` (default), any Keras optimizer, or a custom subclass of `Optimizer`.
    parameters : Parameters, optional
        The variables that are optimised: `Pixels` (default), `LaplacianPyramid`, `FourierPixels`,
        or a custom subclass of `Parameters`.
    precision : {"float32", "mixed_float16", "mixed_bfloat16"}
        Precision of the network; see `Objective`.
    plan : Plan, optional
        How memory is used. `Recompute` and `Tiles` need less memory and more time than the default,
        `Plan`, which computes everything at once. `FitMemory` chooses the fastest plan that fits
        into memory.
    jit_compile : bool
        Whether XLA compiles a step. This is not possible with tiles. On a CPU a compiled step takes
        about twice as long as one that is not compiled. On a GPU, measure both.
    seed : int
        Seed of everything that is random in a run, at least 0.

    Raises
    ------
    InputError, InputTypeError
        If there are no losses, two have the same name, or an argument has the wrong type.
    SetupError
        If Keras does not run on TensorFlow, or eager execution is disabled.

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
                    "`plan` must be a plan",
                    expected="Plan(), Recompute(), Tiles() or FitMemory()",
                    received=repr(plan),
                ),
                argument="plan",
            )
        self.jit_compile = bool(jit_compile)
        self.seed = integer(seed, "seed", low=0)
        self._ready: tuple[Any, Objective] | None = None

    def objective(self, initial: StartLike) -> Objective:
        """Return the objective at the size of an initial image; see `run` for `initial`."""
        image, picture = start_of(initial, self.terms.values(), self.seed, self.extractor.tile)
        shape = image.shape[1:3]
        plan, _ = self._settle(shape, len(image), self.optimizer)
        objective = self._planned(plan, shape, shape, picture, Record(self, 0)).objective
        objective.begin(image)
        return objective

    def prepare(self, initial: StartLike) -> None:
        """Prepare the losses at the size of an initial image, for the next run at that size.

        Invalid arguments raise the same errors as in `run`.

        Parameters
        ----------
        initial : path, PIL image, array or Start
            See `run`.
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
        """Optimise an image, and return the result.

        Parameters
        ----------
        initial : path, PIL image, array or Start
            The initial image: a picture, a batch ``[B, H, W, 3]``, or a `Start` such as `Noise()`,
            whose default shape is the shape of the reference of the first `ContentLoss`.
        steps : int
            Number of evaluations of the gradient, summed over all levels, at least 0.
        update_mask : array [H, W], path, PIL image or callable, optional
            Where the image may change, in [0, 1]. Pixels where the mask is 0 stay bit-identical to
            the initial image. Default: everywhere.
        pyramid : Pyramid, optional
            Levels from coarse to fine. Default: one level, with the size of the initial image.
        callbacks : iterable of Callback or callable
            Each callback is called with every `Step`. A true return value stops the run.
        checkpoint : path or Checkpoint, optional
            A folder that keeps the state of the run. The state is written every 50 steps, and when
            the run is stopped or interrupted. A run with the same arguments continues from this
            state, and its result is bit-identical to that of an uninterrupted run. The state is
            removed after the last step.

        Returns
        -------
        Result
            The result is also returned if the run is interrupted (Ctrl-C, or the stop button of a
            notebook). A second interrupt skips writing the checkpoint; the result is still
            returned.

        Raises
        ------
        InputError
            If a picture, a mask or a size cannot be used, or the checkpoint belongs to another run.
            These errors are raised before the first step.
        FileError
            If the checkpoint is damaged, or its folder is in use by another run or cannot be
            written to.
        NonFiniteLossError
            If a loss becomes NaN or infinite. The attribute `image` of the error is the last image
            with finite losses.
        TransferError
            If a callback or the device fails. The attribute `result` of the error holds the image
            so far.

        Warns
        -----
        UserWarning
            If a callback fails in `close`, an optimizer or a parametrisation keeps state in an
            attribute, where it is lost, or no gradient passes through a loss.
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
            except KeyboardInterrupt:  # a second one: skip the checkpoint, but return the image
                record.check()
                record.notes.append("interrupted before the last checkpoint was written")
            return record.result(record.stopped_by)
        except TransferError:
            raise
        except Exception as error:
            if out_of_memory(error) and not record.rows:
                raise SetupError(
                    explain(
                        "the run does not fit into memory",
                        hint="set `plan` to recompute or tiles, use an `optimizer` with less "
                        "memory, such as Adam, use a smaller size or style, or set `precision` to "
                        "mixed_float16 on a GPU",
                    )
                ) from error
            if not record.rows:
                raise
            record.check()
            message = f"the run failed at step {record.steps}: {error}"
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
        """Yield the initial image and every step of a run, ``steps + 1`` items in all.

        This is the loop of `run`. The caller handles each step, and may leave the loop at any time.
        ``steps=2`` yields three items: step 0, the initial image with its losses, and steps 1 and
        2, the images after one and two evaluations of the gradient. `run` returns the image of the
        last step.

        The parameters and errors are the same as for `run`. The checkpoint is only written every
        few steps. A resumed run begins with the step after the last one that was written.

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
                    "`pyramid` must be a Pyramid",
                    expected="a Pyramid, such as Pyramid.halving(size, levels)",
                    received=described(pyramid),
                    hint="`size` is the longer side of the picture",
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
        # A resumed run uses the plans and the optimizer with which it began, whatever fits into
        # memory now.
        settled = {"optimizer": "", "plans": {}} if state is None else state.settled
        kept = settled["optimizer"], settled["plans"]
        plan, optimizer = self._settle(base_shape, batch, self.optimizer, kept, pyramid=pyramid)
        record.optimizer = repr(as_optimizer(optimizer))
        if plan is not self.plan:
            record.notes.append(f"plan: {plan}, {record.optimizer}")

        def plan_at(shape):
            # A coarse level may use a faster plan. The optimizer is the same for the whole run.
            final = tuple(shape) == tuple(base_shape)
            return plan if final else self._settle(shape, batch, optimizer, kept, tell=False)[0]

        if not steps:  # the coarse levels have nothing to do
            levels = levels[-1:]
        last = len(levels) - 1
        # Prepare all sizes before the first step, so that invalid arguments raise before it.
        shapes = [tuple(shape) for shape, _ in levels]
        rounds = [shapes[:level].count(shape) for level, shape in enumerate(shapes)]
        objectives: dict[int, Planned] = {}
        for level, (shape, count) in enumerate(levels):
            if (count or level == last) and (state is None or level >= state.level):
                if rounds[level] and level - 1 in objectives:  # all rounds share one trace
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
                    gc.collect()  # the trace of the previous size is part of a reference cycle
            resumed = state if state is not None and level == state.level else None
            if resumed is not None:
                image = resumed.image
            elif index and image.shape[1:3] != base.shape[1:3] and not isinstance(initial, Start):
                # Carry over the change, not the image. This brings back the fine details of a
                # picture, which a coarse level has lost. The details of noise should not be brought
                # back.
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
            # The last row of the last level holds the losses of the returned image.
            for row in run.rows(count + (level == last), record):
                yield record.step(index, level, row)
                record.seen()
                index += 1

    def _in_whole_cells(self, levels):
        """Return the levels, with coarse sizes that have whole cells along the axes that tile."""
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
        """Return the plan and the optimizer: those of the checkpoint, if there is one."""
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
                del ready  # free its memory first
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
                    "`update_mask` can only be callable if `initial` is a picture",
                    hint="give the mask as an array",
                    argument="update_mask",
                )
            mask = operations.made_of(mask, picture)
        if mask is None:
            return None
        with caused_by("update_mask"):
            return operations.as_mask(mask, shape, name="update mask")


def as_extractor(extractor: Any) -> FeatureExtractor:
    """Return an extractor, `VGG19` for None; raise `InputTypeError` for any other type."""
    if extractor is None:
        return VGG19()
    if not isinstance(extractor, FeatureExtractor):
        raise InputTypeError(
            explain(
                "`extractor` must be a FeatureExtractor",
                expected="a network such as VGG19()",
                received=described(extractor),
                hint="pass an object, such as CompactVGG(), and not its name"
                if isinstance(extractor, str)
                else "wrap a Keras model in KerasExtractor",
            ),
            argument="extractor",
        )
    return extractor
