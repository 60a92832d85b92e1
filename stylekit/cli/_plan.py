"""The memory plan of a run."""

from __future__ import annotations

from typing import Any

import typer

from stylekit._checks import InputError, explain, in_bytes, integer


def plan(given: str, max_memory: str | None) -> Any:
    """Return the plan of ``--plan`` and ``--max-memory``. TensorFlow must be loaded.

    Raises
    ------
    InputError
        If the memory limit cannot be read.
    """
    import stylekit as sk

    kind, size = parsed_plan(given, max_memory)
    if kind == "auto":
        return sk.FitMemory(max_memory, say=lambda text: typer.echo(text, err=True))
    return {"plain": sk.Plan, "recompute": sk.Recompute, "tiles": sk.Tiles}[kind](*size)


def parsed_plan(given: str, max_memory: str | None = None) -> tuple[str, tuple[int, ...]]:
    """Return the name of the plan and, in a tuple, the size of ``--plan tiles:SIZE`` if given.

    Raises
    ------
    InputError
        If a value cannot be read, or if a memory limit is given for a plan other than auto.
    """
    kind, colon, size = given.partition(":")
    known = kind in ("auto", "plain", "recompute", "tiles") and (not colon or kind == "tiles")
    if not known or (colon and not size.isdecimal()):
        raise InputError(
            explain(
                "--plan cannot be read",
                expected="auto, plain, recompute, tiles, or tiles with their side in pixels, such "
                "as tiles:512",
                received=given,
            )
        )
    if max_memory is not None and kind != "auto":
        raise InputError(
            explain(
                "--max-memory is for --plan auto, which chooses the plan",
                expected="--plan auto",
                received=f"--plan {given}",
                hint="leave one of the two out",
            )
        )
    if max_memory is not None:
        in_bytes(max_memory)
    return kind, (integer(int(size), "the tile size of --plan", low=1),) if colon else ()
