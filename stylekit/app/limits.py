"""What a visitor may ask for: every limit of the page, and its default.

Gradio has limits only for all visitors together, and none for what is not a file.
"""

from __future__ import annotations

import dataclasses

from stylekit._checks import integer, number

SMALLEST = 32
"""Longer side, in pixels, of the smallest picture that can be asked for."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one visitor, and all of them together, may ask for.

    Parameters
    ----------
    upload_bytes : int
        Of one picture's file.
    pixels : int
        Of one picture that is uploaded. While it is read it takes 16 bytes a pixel.
    side : int
        Longer side, in pixels, of the largest result; pictures are kept no larger.
    steps : int
        Of one run.
    seconds : float
        Of one run, from its first step; it then ends with the image so far.
    jobs : int
        Runs at the same time; further ones wait.
    waiting : int
        Runs that may wait; further ones are refused.
    runs_each : int
        Runs from one address that may be on or waiting. A visitor has one at most.
    visitors : int
        Whose pictures are kept at the same time; further ones are refused. Each takes up to 60
        bytes for every pixel of the largest result: 63 MB at a `side` of 1024.
    connections, connections_each : int
        That are open at the same time, of all and of one address; further ones are closed.
    patience : float
        Seconds that a connection may be open without a request.

    Raises
    ------
    InputError, InputTypeError
        If one is out of range or no number.
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
