"""The queue of runs. Some runs are active; the others wait in the order of their arrival."""

from __future__ import annotations

import threading

from stylekit._checks import fail
from stylekit.app.limits import Limits


class Line:
    """The queue of active and waiting runs.

    Gradio's own queue limits only the total number of requests of all visitors, so that one visitor
    could fill the queue.

    Parameters
    ----------
    limits : Limits
        The limits `jobs`, `waiting` and `runs_each` are used.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.moved = threading.Condition()
        self.places: list[Place] = []

    def join(self, address: str) -> Place:
        """Return a place at the end of the queue.

        Parameters
        ----------
        address : str
            Network address of the visitor.

        Raises
        ------
        InputError
            If the queue is full, or the address has `runs_each` runs already.
        """
        with self.moved:
            if len(self.places) >= self.limits.jobs + self.limits.waiting:
                fail("Too many runs are waiting", hint="try again in a few minutes")
            if sum(place.address == address for place in self.places) >= self.limits.runs_each:
                fail(
                    "Too many runs from your address are active or waiting",
                    expected=f"at most {self.limits.runs_each}",
                    hint="try again when one of them has ended",
                )
            place = Place(self, address)
            self.places.append(place)
            return place


class Place:
    """A place in a queue, returned by `Line.join`."""

    def __init__(self, line: Line, address: str) -> None:
        self.address = address
        self._line = line
        self._begun = False

    @property
    def ahead(self) -> int:
        """Number of runs that must end before this run begins; 0 if it has begun or left."""
        with self._line.moved:
            if self not in self._line.places:
                return 0
            return max(0, self._line.places.index(self) + 1 - self._line.limits.jobs)

    def begin(self) -> bool:
        """Wait until the run may begin. Return False if it left the queue instead."""
        with self._line.moved:
            self._line.moved.wait_for(lambda: self.ahead == 0)
            self._begun = self in self._line.places
            return self._begun

    def cancel(self) -> None:
        """Leave the queue, unless the run has begun. An active run stays until it ends."""
        with self._line.moved:
            if not self._begun:
                self.leave()

    def leave(self) -> None:
        """Leave the queue, so that the runs after this one move up."""
        with self._line.moved:
            if self in self._line.places:
                self._line.places.remove(self)
                self._line.moved.notify_all()
