"""What a command does at the steps of a run."""

from __future__ import annotations

from typing import Any

import typer


class Latest:
    """A callback that holds the latest step."""

    def __init__(self) -> None:
        self.step: Any = None

    def __call__(self, step: Any) -> None:
        """Hold it; an earlier step's image is let go."""
        self.step = step

    def result(self) -> Any:
        """Return the picture of the step as an interrupted run's."""
        import stylekit as sk

        image = self.step.image
        return sk.Result(
            image=image,
            best=image,
            losses=[self.step.losses],
            steps=self.step.index,
            seconds=self.step.seconds,
            stopped_by="interrupted",
            manifest={"stopped_by": "interrupted before the result was put together"},
        )


class Resumption:
    """A callback that says from where a run goes on."""

    def __call__(self, step: Any) -> None:
        """Do nothing: a step that is taken now is no news."""

    def resume(self, steps: list[Any]) -> None:
        """Say which steps need not be taken again."""
        typer.echo(f"Goes on after step {steps[-1].index} of {steps[-1].steps}", err=True)
