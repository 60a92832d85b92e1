"""What a visitor may ask for: every limit of the page, and its default.

Gradio applies `jobs`, `waiting` and `visitors` (`concurrency_limit`, `max_size` and
`state_session_capacity`); the others it does not have, or not for pictures in messages.
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
        Requests that may wait; further ones are refused.
    visitors : int
        Whose pictures are kept at the same time; beyond, those of the longest idle are dropped.

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
    visitors: int = 100

    def __post_init__(self) -> None:
        integer(self.upload_bytes, "upload_bytes", low=1)
        integer(self.pixels, "pixels", low=1)
        integer(self.side, "side", low=2 * SMALLEST)
        integer(self.steps, "steps", low=2)
        number(self.seconds, "seconds", low=0, open_low=True)
        integer(self.jobs, "jobs", low=1)
        integer(self.waiting, "waiting", low=1)
        integer(self.visitors, "visitors", low=1)
