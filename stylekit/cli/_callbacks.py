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


def resumption() -> Any:
    """Return a callback that says after which step a run goes on; this loads TensorFlow."""
    import stylekit as sk

    class Resumption(sk.transfer.Callback):
        """Says which steps need not be taken again."""

        def resume(self, steps: list[Any]) -> None:
            """Say it."""
            typer.echo(f"Goes on after step {steps[-1].index} of {steps[-1].steps}", err=True)

    return Resumption()
