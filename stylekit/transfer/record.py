"""The record of a run, from which the result is made when the run ends."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
import warnings
from typing import Any

import numpy as np
import tensorflow as tf

from stylekit._checks import settings_of
from stylekit.image import picture_hash
from stylekit.transfer.checkpoint import State, as_checkpoint
from stylekit.transfer.objective import read_by
from stylekit.transfer.optimizers import as_optimizer
from stylekit.transfer.plugin import named
from stylekit.transfer.result import Result, Step, device, unbatched, versions
from stylekit.transfer.starts import resized


class Record:
    """The losses of a run so far, its last image, and its manifest.

    Parameters
    ----------
    transfer : StyleTransfer
    steps : int
        Steps of the whole run.
    checkpoint : path or Checkpoint, optional
        See `StyleTransfer.run`.

    Attributes
    ----------
    rows : list of dict
        ``total`` and ``terms`` of each step, as tensors or arrays ``[B]``, and
        ``gradient_finite``, ``image_finite``, ``level`` and ``seconds``.
    image : tensor [B, H, W, 3] or None
        The last image.
    level : Level or None
        The current level.
    notes : list of str
        See `Canvas.notes`.
    stopped_by : str
        See `Result`.
    optimizer : str
        The `repr` of the optimizer that the run uses.
    plans : dict of str
        The `repr` of the plan that was last used for each size, by ``"WxH"``.
    """

    def __init__(self, transfer, steps: int, checkpoint=None) -> None:
        self._began = time.perf_counter()
        self._transfer = transfer
        self._steps = steps
        self._manifest: dict[str, Any] = {}
        self._start: Any = None
        self._mask: Any = None
        self.rows: list[dict[str, Any]] = []
        self.image: Any = None
        self.level: Any = None
        self.notes: list[str] = []
        self.stopped_by = "steps"
        self.optimizer = repr(as_optimizer(transfer.optimizer))
        self.plans: dict[str, str] = {}
        self._checkpoint = None if checkpoint is None else as_checkpoint(checkpoint)
        self._run: dict[str, Any] = {}
        self._lock = contextlib.ExitStack()
        # The next checkpoint: a number of rows, and the state of the level after these rows.
        self._kept: tuple[int, dict[str, Any]] | None = None
        self._written = 0

    @property
    def steps(self) -> int:
        """Number of steps that were taken so far."""
        return max(0, len(self.rows) - 1)

    @property
    def plan(self) -> str:
        """The `repr` of the plan for the final size."""
        return self.plans[size_name(self._start.shape[1:3])]

    def begin(self, start, mask, levels, start_name: str | None) -> State | None:
        """Record the initial state of the run; return the state of its checkpoint, or None."""
        self._start, self._mask = start, mask
        transfer = self._transfer
        self._manifest = {
            "start": start_name or picture_hash(start),
            "update_mask": None if mask is None else picture_hash(mask),
            "size": list(start.shape[1:3]),
            "levels": [{"size": list(shape), "steps": count} for shape, count in levels],
            "terms": {
                name: {
                    "type": type(term).__name__,
                    **_layers(term, transfer),
                    **settings_of(term, f"loss {name!r}"),
                }
                for name, term in transfer.terms.items()
            },
            "extractor": repr(transfer.extractor),
            "tile": transfer.extractor.tile,
            "optimizer": self.optimizer,
            "parameters": repr(transfer.parameters),
            "precision": transfer.precision,
            "plan": repr(transfer.plan),
            "jit_compile": transfer.jit_compile,
            "seed": transfer.seed,
            "versions": versions(),
            "device": device(),
        }
        if self._checkpoint is None:
            return None
        self._run = _identity(self._manifest, transfer, start)
        self._lock.enter_context(self._checkpoint.locked())
        sizes = [size for size, _ in levels][0 if self._steps else -1 :]
        return self._checkpoint.read(self._run, [(len(start), *size, 3) for size in sizes])

    def close(self) -> None:
        """Unlock the checkpoint's folder."""
        self._lock.close()

    def resume(self, state: State, level) -> list[Step]:
        """Continue from a state whose level is restored; return the earlier steps (no images)."""
        rows = state.rows
        names = list(self._transfer.terms)
        self.rows = [
            {
                "total": rows["total"][i],
                "terms": dict(zip(names, rows["terms"][i], strict=True)),
                "gradient_finite": rows["gradient_finite"][i],
                "image_finite": True,
                "level": int(rows["level"][i]),
                "seconds": float(rows["seconds"][i]),
            }
            for i in range(len(rows["total"]))
        ]
        self.image, self.level = level.seen, level
        self._began -= state.seconds
        self._written = len(self.rows)
        self.notes[:0] = state.notes
        now = self._setup()
        others = {name: was for name, was in state.setup.items() if now.get(name) != was}
        if others:
            was = ", ".join(f"{name} {value}" for name, value in others.items())
            here = ", ".join(f"{name} {now.get(name)}" for name in others)
            note = (
                f"the first {self.steps} steps were computed with {was}, the others with {here}: "
                "the result may differ in its last bits from that of an uninterrupted run"
            )
            self._warn(note)
        return [
            Step(i, self._steps, row["level"], row["seconds"], row)
            for i, row in enumerate(self.rows)
        ]

    def seen(self) -> None:
        """Record that all callbacks have handled the last step.

        A checkpoint only contains such steps. A step that was interrupted is taken again.
        """
        if self._checkpoint is None:
            return
        # A single assignment, so that an interrupt leaves either the old state or the new one.
        self._kept = len(self.rows), self.level.state()
        if self._checkpoint.is_due(self.steps):
            self.check()
            self._write()

    def end(self) -> None:
        """Write the checkpoint if the run can be continued, or remove it if the run is finished."""
        if self._checkpoint is None:
            return
        if self.stopped_by == "steps" and not self._checkpoint.keep:
            self._checkpoint.remove()
        else:
            self._write()

    def _setup(self) -> dict[str, str]:
        """Return the settings of the machine that affect the last bits of the result."""
        threads = tf.config.threading.get_intra_op_parallelism_threads() or _processors()
        return versions() | {"device": device(), "threads": str(threads), "plan": self.plan}

    def _write(self) -> None:
        if self._checkpoint is None or self._kept is None or self._kept[0] == self._written:
            return
        count, state = self._kept
        rows = [row | {"terms": [*row["terms"].values()]} for row in self.rows[:count]]
        columns = {name: np.array([np.array(row[name]) for row in rows]) for name in rows[0]}
        self._checkpoint.write(
            self._run,
            State(
                level=rows[-1]["level"],
                settled={"optimizer": self.optimizer, "plans": self.plans},
                notes=list(dict.fromkeys(self.notes)),
                seconds=time.perf_counter() - self._began,
                setup=self._setup(),
                rows=columns,
                **state,
            ),
        )
        self._written = count

    def step(self, index: int, level: int, row: dict[str, Any]) -> Step:
        """Record a row, and return it as a `Step`."""
        if index == 0 and row["stuck"]:
            self._warn(
                "the gradient is zero everywhere at the first step, although the total is "
                f"{float(np.mean(row['total'])):.3g}, so that the image cannot change: look in the "
                "network and the losses for operations without a gradient, such as a cast to "
                "integers"
            )
        elif index == 0 and (silent := self.level.without_gradient):
            self._warn(
                f"no gradient passes through {', '.join(f'the loss {name!r}' for name in silent)}, "
                "so that its weight has no effect: look in compute for a constant, NumPy, "
                "stop_gradient, rounding or a cast to integers, or set the weight to 0 to only "
                "record the loss"
            )
        self.rows.append(self.kept(level, row))
        self.image = row["image"]
        return Step(index, self._steps, level, self.rows[-1]["seconds"], row)

    def _warn(self, note: str) -> None:
        self.notes.append(note)
        warnings.warn(f"{note[0].upper()}{note[1:]}.", stacklevel=4)

    def kept(self, level: int, row: dict[str, Any]) -> dict[str, Any]:
        """Return the part of a row that is recorded, with its level and its time."""
        seconds = time.perf_counter() - self._began
        keys = ("total", "terms", "gradient_finite", "image_finite")
        kept = {key: row[key] for key in keys}
        return {**kept, "level": level, "seconds": seconds}

    def check(self) -> None:
        """Raise `NonFiniteLossError` if any value computed so far is not finite."""
        if self.level is not None:
            self.level.check(self, self.rows)

    def result(self, stopped_by: str) -> Result:
        """Return the result so far. No step can be taken after it."""
        self._kept = None
        self.level.release()
        seconds = time.perf_counter() - self._began
        losses = [
            {name: unbatched(np.array(value)) for name, value in row.items()}
            for row in ({"total": row["total"], **row["terms"]} for row in self.rows)
        ]
        ending = {
            "optimizer": self.optimizer,
            "plan": self.plan,
            "steps": self.steps,
            "stopped_by": stopped_by,
            "seconds": round(seconds, 2),
            "notes": list(dict.fromkeys(self.notes)),
        }
        return Result(
            image=self._full_size(self.image),
            best=self._full_size(self.level.best()),
            losses=losses,
            levels=[row["level"] for row in self.rows],
            times=[row["seconds"] for row in self.rows],
            steps=self.steps,
            seconds=seconds,
            stopped_by=stopped_by,
            manifest=self._manifest | ending,
        )

    def _full_size(self, images):
        """Return a coarse level's images at the final size, unchanged outside the mask."""
        images = images.numpy()  # a copy
        shape = self._start.shape[1:3]
        if images.shape[1:3] != shape:
            images = resized(images, shape, self._manifest["tile"])
            if self._mask is not None:
                images = self._start + self._mask[..., None] * (images - self._start)
        return unbatched(images)


def _identity(manifest: dict[str, Any], transfer, start) -> dict[str, Any]:
    """Return what identifies a run: its manifest, and everything else its result depends on."""
    layers = read_by(transfer.terms.values(), transfer.extractor)
    network = transfer.extractor.network(layers, transfer.precision).weights if layers else ()
    optimizer = as_optimizer(transfer.optimizer)
    run = {name: value for name, value in manifest.items() if name not in ("versions", "device")}
    run |= {
        "start": f"{run['start']}, {_digest([start])}",
        "order": ", ".join(run["terms"]),  # of the summation
        "network": _digest(np.asarray(variable) for variable in network),
    }
    run["optimizer settings"] = settings_of(optimizer, named(optimizer))
    run["parameters settings"] = settings_of(transfer.parameters, named(transfer.parameters))
    # The `repr` of some objects contains a memory address, and Keras numbers its models.
    text = re.sub(r" at 0x[0-9a-f]+", "", json.dumps(run, default=repr))
    return json.loads(re.sub(r"_\d+(?=')", "", text))


def size_name(shape) -> str:
    """Return a size (H, W) as text: ``"WxH"``."""
    height, width = shape
    return f"{width}x{height}"


def _digest(arrays) -> str:
    content = hashlib.sha256()
    for array in arrays:
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()[:16]


def _processors() -> int:
    """Return the number of CPU cores that this process may use, or that TensorFlow was given."""
    if told := int(os.environ.get("TF_NUM_INTRAOP_THREADS", 0)):
        return told
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _layers(term, transfer) -> dict[str, Any]:
    layers = list(term.layers_of(transfer.extractor))
    return {"layers": layers} if layers else {}
