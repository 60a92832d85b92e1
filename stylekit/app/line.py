"""The line of runs: a few at a time, the others in the order in which they came."""

from __future__ import annotations

import threading

from stylekit._checks import fail
from stylekit.app.limits import Limits


class Line:
    """Who may run, and who waits.

    Gradio's queue bounds only the requests of all visitors together, so one could fill it.

    Parameters
    ----------
    limits : Limits
        Its `jobs`, `waiting` and `runs_each`.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.moved = threading.Condition()
        self.places: list[Place] = []

    def join(self, address: str) -> Place:
        """Return a place at the end for a visitor at an address.

        Raises
        ------
        InputError
            If the line is full, or that address has its share of it.
        """
        with self.moved:
            if len(self.places) >= self.limits.jobs + self.limits.waiting:
                fail("Too many runs are waiting", hint="try again in a few minutes")
            if sum(place.address == address for place in self.places) >= self.limits.runs_each:
                fail(
                    "Too many runs from your address are on or waiting",
                    expected=f"at most {self.limits.runs_each}",
                    hint="try again when one of them has ended",
                )
            place = Place(self, address)
            self.places.append(place)
            return place


class Place:
    """One place in a line, from `Line.join` until it is left."""

    def __init__(self, line: Line, address: str) -> None:
        self.address = address
        self._line = line
        self._begun = False

    @property
    def ahead(self) -> int:
        """How many runs have to end before this one begins; 0 once it has begun or left."""
        with self._line.moved:
            if self not in self._line.places:
                return 0
            return max(0, self._line.places.index(self) + 1 - self._line.limits.jobs)

    def begin(self) -> bool:
        """Wait for the turn; return whether it has come, rather than the place been left."""
        with self._line.moved:
            self._line.moved.wait_for(lambda: self.ahead == 0)
            self._begun = self in self._line.places
            return self._begun

    def cancel(self) -> None:
        """Leave, if the turn has not come. A run that is on keeps its place until it has ended."""
        with self._line.moved:
            if not self._begun:
                self.leave()

    def leave(self) -> None:
        """Leave, and let the others move up."""
        with self._line.moved:
            if self in self._line.places:
                self._line.places.remove(self)
                self._line.moved.notify_all()
