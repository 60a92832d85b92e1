"""The limits of the page, and their defaults.

Gradio has limits only for files, and only for all visitors together.
"""

from __future__ import annotations

import dataclasses

from stylekit._checks import integer, number

SMALLEST = 32
"""Smallest longer side of a result in pixels."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """The limits for each visitor and for all visitors together. All of them are maximum values.

    Parameters
    ----------
    upload_bytes : int
        Size of an uploaded file.
    pixels : int
        Number of pixels of an uploaded picture. Reading it takes 16 bytes for each pixel.
    side : int
        Longer side of a result in pixels. Larger uploads are reduced to this size.
    steps : int
        Number of steps of a run.
    seconds : float
        Duration of a run. A run that reaches this limit is stopped and keeps its current image.
    jobs : int
        Number of runs at the same time. Further runs wait.
    waiting : int
        Number of runs that may wait. Further runs are refused.
    runs_each : int
        Number of runs from one network address, running or waiting. Each visitor has at most
        one run.
    visitors : int
        Number of visitors at the same time. Further visitors are refused. A visitor needs up to 100
        bytes of memory for each pixel of the largest result: 105 MB at a `side` of 1024. The scores
        of a segmenter add 4 bytes for each pixel and class.
    connections, connections_each : int
        Number of open connections, in total and per address. Further connections are closed.
    patience : float
        Seconds for which a connection may be open without a request.

    Raises
    ------
    InputError, InputTypeError
        If a limit is not a number or out of range.
    """

    upload_bytes: int = 20_000_000
    pixels: int = 24_000_000
    side: int = 1024
    steps: int = 500
    seconds: float = 600.0
    jobs: int = 1
    waiting: int = 16
    runs_each: int = 3
    visitors: int = 32
    connections: int = 200
    connections_each: int = 20
    patience: float = 10.0

    def __post_init__(self) -> None:
        least = {"side": 2 * SMALLEST, "steps": 2}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type == "float":
                number(value, field.name, low=0, open_low=True)
            else:
                integer(value, field.name, low=least.get(field.name, 1))
