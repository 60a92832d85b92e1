"""What is kept of a run while it goes on, and made into its result when it ends."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from stylekit.image import picture_hash, resize
from stylekit.transfer.optimizers import as_optimizer
from stylekit.transfer.result import Result, Step, device, unbatched, versions


class Record:
    """The losses of a run so far, its last image, and what it was made from.

    Parameters
    ----------
    transfer : StyleTransfer
    steps : int
        Steps of the whole run.

    Attributes
    ----------
    rows : list of dict
        ``total`` and ``terms`` of each step, tensors ``[B]``, and ``gradient_finite``.
    image, best : array [B, H, W, 3] or None
        The last image, and a callable for the best of its level.
    notes : list of str
        See `Canvas.notes`.
    """

    def __init__(self, transfer, steps: int) -> None:
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

    @property
    def steps(self) -> int:
        """Steps taken so far."""
        return max(0, len(self.rows) - 1)

    def begin(self, start, mask, levels, start_name: str | None) -> None:
        """Note what the run starts from."""
        self._start, self._mask = start, mask
        transfer = self._transfer
        self._manifest = {
            "start": start_name or picture_hash(start),
            "update_mask": None if mask is None else picture_hash(mask),
            "size": list(start.shape[1:3]),
            "levels": [{"size": list(shape), "steps": count} for shape, count in levels],
            "terms": {
                name: {"type": type(term).__name__, **term.get_config()}
                for name, term in transfer.terms.items()
            },
            "extractor": repr(transfer.extractor),
            "optimizer": repr(as_optimizer(transfer.optimizer)),
            "parameters": repr(transfer.parameters),
            "precision": transfer.precision,
            "seed": transfer.seed,
            "versions": versions(),
            "device": device(),
        }

    def step(self, index: int, level: int, row: dict[str, Any]) -> Step:
        """Keep a row and return it as a `Step`."""
        self.rows.append({key: row[key] for key in ("total", "terms", "gradient_finite")})
        self.image = row["image"]
        seconds = time.perf_counter() - self._began
        return Step(index, self._steps, level, seconds, row)

    def check(self) -> None:
        """Raise `NonFiniteLossError` if what has been computed so far is not finite."""
        if self.level is not None:
            self.level.check(self, self.rows)

    def result(self, stopped_by: str) -> Result:
        """Return what has been computed so far."""
        seconds = time.perf_counter() - self._began
        losses = [
            {name: unbatched(np.array(value)) for name, value in row.items()}
            for row in ({"total": row["total"], **row["terms"]} for row in self.rows)
        ]
        ending = {
            "steps": self.steps,
            "stopped_by": stopped_by,
            "seconds": round(seconds, 2),
            "notes": list(dict.fromkeys(self.notes)),
        }
        return Result(
            image=self._full_size(self.image),
            best=self._full_size(self.level.best()),
            losses=losses,
            steps=self.steps,
            seconds=seconds,
            stopped_by=stopped_by,
            manifest=self._manifest | ending,
        )

    def _full_size(self, images):
        """Return images of a coarse level at the run's own size; outside the mask, the start."""
        images = np.array(images)  # a copy: a tensor's own memory is read-only
        shape = self._start.shape[1:3]
        if images.shape[1:3] != shape:
            images = np.stack([resize(image, shape) for image in images])
            if self._mask is not None:
                images = self._start + self._mask[..., None] * (images - self._start)
        return unbatched(images)
