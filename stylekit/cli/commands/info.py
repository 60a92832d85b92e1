"""``stylekit info``: versions, the device, and the weights on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import typer

from stylekit.cli._app import load_tensorflow


def info() -> None:
    """Print the versions, the device and the network weights.

    Include the output in bug reports.
    """
    load_tensorflow()
    from stylekit.features.compact import WEIGHTS
    from stylekit.features.vgg19 import IMAGENET
    from stylekit.features.weights import ENVIRONMENT_VARIABLE
    from stylekit.transfer.result import device, versions

    for package, version in versions().items():
        typer.echo(f"{package:14} {version}")
    typer.echo(f"{'device':14} {device()}")
    if device().startswith("CPU") and (flag := bfloat16_flag()):
        typer.echo(f"{'bfloat16':14} fast on this CPU ({flag}): see --precision mixed_bfloat16")
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    typer.echo(f"{'VGG19 weights':14} {weights_state(named, IMAGENET)}")
    typer.echo(f"{'compact':14} {WEIGHTS} ({WEIGHTS.stat().st_size / 1e6:.1f} MB, bundled)")


def bfloat16_flag(about: Path = Path("/proc/cpuinfo")) -> str | None:
    """Return the CPU flag for bfloat16 arithmetic, or None if it is absent or unknown."""
    try:
        words = about.read_text(encoding="utf-8", errors="replace").split()
    except OSError:  # not Linux
        return None
    return next((flag for flag in ("amx_bf16", "avx512_bf16") if flag in words), None)


def weights_state(named: str | None, download: Any) -> str:
    """Return one line that says where the weights are."""
    if named:
        present = "present" if Path(named).is_file() else "MISSING"
        return f"{named} (from STYLEKIT_WEIGHTS, {present})"
    if download.cached.is_file():
        return f"{download.cached} ({download.cached.stat().st_size / 1e6:.0f} MB)"
    return f"not downloaded yet: the first use downloads {download.url} to {download.cached.parent}"
