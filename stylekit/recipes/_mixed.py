"""A run whose last steps use another network."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterable

from stylekit._checks import name_of
from stylekit.transfer import Pyramid, Result, StyleTransfer, TransferError
from stylekit.transfer.callbacks import Callback, as_callbacks, close
from stylekit.transfer.checkpoint import as_checkpoint


def run_mixed(
    first: StyleTransfer,
    last: tuple[StyleTransfer, int] | None,
    start,
    steps: int,
    *,
    update_mask=None,
    pyramid=None,
    callbacks: Iterable = (),
    checkpoint=None,
) -> Result:
    """Run one transfer, then another from its image, and return one result.

    Parameters
    ----------
    first : StyleTransfer
    last : (StyleTransfer, int), optional
        The second transfer and its number of steps, in [0, steps], at the full size. The first
        transfer takes the other steps. If the pyramid has rounds at the full size, the second
        transfer is one more round.
    start, update_mask, pyramid, callbacks, checkpoint
        See `StyleTransfer.run`.
    steps : int
        Number of steps of both transfers together.

    Returns
    -------
    Result
        The result with the losses and steps of both runs, in order. Each row of losses has the
        names of the losses of the transfer that took the step. The manifest is that of the second
        run, and contains the manifest of the first run under "before".
    """
    if last is None or not last[1]:
        return first.run(
            start,
            steps,
            update_mask=update_mask,
            pyramid=pyramid,
            callbacks=callbacks,
            checkpoint=checkpoint,
        )
    transfer, taken = last
    # Raise before the first run if weights, sizes or masks do not suit the second network.
    transfer.prepare(start)
    callbacks = as_callbacks(callbacks)
    before = steps - taken
    whole = None if checkpoint is None else as_checkpoint(checkpoint)
    files = (None, None) if whole is None else whole.parts()
    with contextlib.ExitStack() as held:
        held.callback(close, callbacks)
        if whole is not None:
            held.enter_context(whole.locked())
        # The image after the last step of the first run is step 0 of the second run, with the
        # losses of the second run.
        parts = [_Part(one, steps, ends=before) for one in callbacks]
        options = {"update_mask": update_mask, "callbacks": parts, "checkpoint": files[0]}
        earlier = first.run(start, before, pyramid=pyramid, **options)
        if earlier.stopped_by != "steps":
            return earlier
        # With a first level of 0 steps, the second transfer starts as another round at full size.
        again = pyramid is not None and pyramid.sizes[-2:] == pyramid.sizes[-1:] * 2
        pyramid = Pyramid(pyramid.sizes[-2:], [0, 1]) if again else None
        level = len(earlier.manifest["levels"]) - again
        parts = [_Part(one, steps, before, level, earlier.seconds) for one in callbacks]
        options |= {"callbacks": parts, "checkpoint": files[1], "pyramid": pyramid}
        try:
            later = transfer.run(earlier.image, taken, **options)
        except KeyboardInterrupt:  # before the first step of the second run
            return dataclasses.replace(earlier, stopped_by="interrupted")
        except TransferError as error:
            error.result = _joined(earlier, error.result, level)
            raise
        if whole is not None and not whole.keep and later.stopped_by == "steps":
            whole.remove()
        return _joined(earlier, later, level)


class _Part(Callback):
    """A callback that passes on the steps of one of two runs as steps of the whole run.

    Closing it does not close the callback that it wraps.
    """

    def __init__(self, callback, steps, index=0, level=0, seconds=0.0, ends=math.inf) -> None:
        self._callback, self._steps, self._ends = callback, steps, ends
        self._index, self._level, self._seconds = index, level, seconds
        self.__name__ = name_of(callback)

    def __call__(self, step):
        if step.index == self._ends:
            return False
        return self._callback(self._whole(step))

    def resume(self, steps):
        """Pass on the steps of this run that were taken before it was resumed."""
        shown = [self._whole(step) for step in steps if step.index != self._ends]
        return bool(shown) and self._callback.resume(shown)

    def _whole(self, step):
        whole = {
            "steps": self._steps,
            "index": step.index + self._index,
            "level": step.level + self._level,
            "seconds": step.seconds + self._seconds,
        }
        return dataclasses.replace(step, **whole)


def _joined(earlier: Result, later: Result, level: int) -> Result:
    return dataclasses.replace(
        later,
        losses=earlier.losses[:-1] + later.losses,
        levels=earlier.levels[:-1] + [level + one for one in later.levels],
        times=earlier.times[:-1] + [earlier.seconds + seconds for seconds in later.times],
        steps=earlier.steps + later.steps,
        seconds=earlier.seconds + later.seconds,
        manifest=later.manifest | {"before": earlier.manifest},
    )
