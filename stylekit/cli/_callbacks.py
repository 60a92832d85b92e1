"""Callbacks of the runs of the command line."""

from __future__ import annotations

from typing import Any

import typer


class Latest:
    """A callback that keeps the latest step."""

    def __init__(self) -> None:
        self.step: Any = None

    def __call__(self, step: Any) -> None:
        """Keep the step; the previous step and its image are released."""
        self.step = step

    def result(self) -> Any:
        """Return the picture of the step as the result of an interrupted run."""
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
    """Load TensorFlow and return a callback that prints the step from which a run resumes."""
    import stylekit as sk

    class Resumption(sk.transfer.Callback):
        """Prints the step from which a run resumes."""

        def resume(self, steps: list[Any]) -> None:
            """Print the step."""
            typer.echo(f"Resuming after step {steps[-1].index} of {steps[-1].steps}", err=True)

    return Resumption()
