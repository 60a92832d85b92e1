"""How a command fits its run into the memory."""

from __future__ import annotations

from typing import Any

from stylekit._checks import InputError, explain, integer


def plan(given: str) -> Any:
    """Return the plan of ``--plan``; TensorFlow is loaded."""
    import stylekit as sk

    kind, size = parsed_plan(given)
    return {"plain": sk.Plan, "recompute": sk.Recompute, "tiles": sk.Tiles}[kind](*size)


def parsed_plan(given: str) -> tuple[str, tuple[int, ...]]:
    """Return the kind of ``--plan KIND`` or ``--plan tiles:SIZE``, and the size if there is one.

    Raises
    ------
    InputError
        If it is written otherwise.
    """
    kind, colon, size = given.partition(":")
    known = kind in ("plain", "recompute", "tiles") and (not colon or kind == "tiles")
    if not known or (colon and not size.isdecimal()):
        raise InputError(
            explain(
                "--plan cannot be read",
                expected="plain, recompute, tiles or a tile's side in pixels, such as tiles:512",
                received=given,
            )
        )
    return kind, (integer(int(size), "the side of --plan", low=1),) if colon else ()
