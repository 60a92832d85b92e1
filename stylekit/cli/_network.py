"""The network that a command uses: VGG19, or the bundled compact network."""

from __future__ import annotations

import enum
import math
import os
from pathlib import Path
from typing import Any

import typer

from stylekit._checks import InputError, explain, fail, integer, vgg19_file


class ExtractorName(enum.StrEnum):
    """Networks."""

    auto = "auto"
    vgg19 = "vgg19"
    compact = "compact"


def network(name: ExtractorName, weights_file: Path | None, pooling: str) -> Any:
    """Return an extractor; for ``auto``, print which and why. TensorFlow must be loaded."""
    import stylekit as sk

    if name is ExtractorName.auto:
        name, why = _best_there(weights_file)
        typer.echo(why, err=True)
    if name is ExtractorName.vgg19:
        return sk.VGG19(weights_file or "imagenet", pooling=pooling)
    check_pooling(pooling, name)
    return sk.CompactVGG()


def _best_there(weights_file: Path | None) -> tuple[ExtractorName, str]:
    reason = reason_for_vgg19(weights_file)
    if reason:
        return ExtractorName.vgg19, f"Network: VGG19 ({reason})"
    return ExtractorName.compact, (
        "Network: compact (the VGG19 weights are not on this machine; --extractor vgg19 downloads "
        "them, 80 MB)"
    )


def reason_for_vgg19(weights_file: Path | None) -> str | None:
    """Return why VGG19 is available without a download, or None if it is not."""
    from stylekit.features.vgg19 import IMAGENET
    from stylekit.features.weights import ENVIRONMENT_VARIABLE

    reasons = (
        (weights_file, f"--weights-file {weights_file}"),
        (os.environ.get(ENVIRONMENT_VARIABLE), f"{ENVIRONMENT_VARIABLE} names its weights"),
        (IMAGENET.cached.is_file(), "its weights are on this machine"),
    )
    return next((reason for holds, reason in reasons if holds), None)


def parsed_finish(given: str, steps: int | None) -> tuple[ExtractorName, int]:
    """Return the network and the steps of ``--finish NETWORK:STEPS``.

    Raises
    ------
    InputError
        If the text does not have this form, or if it has more steps than `steps`, if not None.
    """
    name, colon, count = given.partition(":")
    if name not in ("vgg19", "compact") or not colon or not count.isdecimal():
        raise InputError(
            explain(
                "--finish cannot be read",
                expected="NETWORK:STEPS, such as vgg19:50",
                received=given,
            )
        )
    integer(int(count), "the steps of --finish", low=0, high=math.inf if steps is None else steps)
    return ExtractorName(name), int(count)


def check_pooling(pooling: str, *names: ExtractorName) -> None:
    """Raise `InputError` if ``--pooling`` is given, but only the compact network is used."""
    if pooling != "max" and set(names) == {ExtractorName.compact}:
        fail(
            "--pooling is for VGG19; the pooling of the compact network is fixed",
            expected="--extractor vgg19",
            received=f"--pooling {pooling} for the compact network",
            hint="leave --pooling out, or choose --extractor vgg19",
        )


def check_weights_file(path: Path | None, *names: ExtractorName) -> None:
    """Raise an error if a file of VGG19 weights does not exist, or if VGG19 is not used."""
    if path is None:
        return
    if set(names) == {ExtractorName.compact}:
        fail(
            "--weights-file is given, but VGG19 is not used",
            expected="--extractor vgg19",
            received=f"--extractor {names[0].value}",
            hint="leave --weights-file out for the compact network",
        )
    vgg19_file(path, "--weights-file")
