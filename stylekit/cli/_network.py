"""Which network a command uses: VGG19, the bundled one, or what is there."""

from __future__ import annotations

import enum
import os
from pathlib import Path
from typing import Any

import typer

from stylekit._checks import InputError, explain, integer, number


class ExtractorName(enum.StrEnum):
    """The network."""

    auto = "auto"
    vgg19 = "vgg19"
    compact = "compact"


def network(name: ExtractorName, weights_file: Path | None, pooling: str) -> Any:
    """Return an extractor; for ``auto`` say which, and why. TensorFlow is loaded."""
    import stylekit as sk

    if name is ExtractorName.auto:
        name, why = _best_there(weights_file)
        typer.echo(why, err=True)
    if name is ExtractorName.vgg19:
        return sk.VGG19(weights_file or "imagenet", pooling=pooling)
    if pooling != "max":
        raise InputError(
            explain(
                "the compact network has a pooling of its own",
                expected="--pooling with --extractor vgg19",
                received=f"--pooling {pooling} for the compact network",
            )
        )
    return sk.CompactVGG()


def _best_there(weights_file: Path | None) -> tuple[ExtractorName, str]:
    reason = reason_for_vgg19(weights_file)
    if reason:
        return ExtractorName.vgg19, f"Network: VGG19, for {reason}"
    return ExtractorName.compact, (
        "Network: the bundled compact one, for VGG19's weights are not on this machine "
        "(--extractor vgg19 downloads them, 80 MB)"
    )


def reason_for_vgg19(weights_file: Path | None) -> str | None:
    """Return why VGG19 can be had without a download, or None."""
    from stylekit.features.vgg19 import IMAGENET
    from stylekit.features.weights import ENVIRONMENT_VARIABLE

    reasons = (
        (weights_file, f"--weights-file names {weights_file}"),
        (os.environ.get(ENVIRONMENT_VARIABLE), f"{ENVIRONMENT_VARIABLE} names its weights"),
        (IMAGENET.cached.is_file(), "its weights are on this machine"),
    )
    return next((reason for holds, reason in reasons if holds), None)


def parsed_finish(given: str, steps: int) -> tuple[ExtractorName, int]:
    """Return the network and the steps of ``--finish NETWORK:STEPS``.

    Raises
    ------
    InputError
        If it is written otherwise, or the steps are more than all.
    """
    name, colon, count = given.partition(":")
    if name not in ("vgg19", "compact") or not colon or not count.isdecimal():
        raise InputError(
            explain(
                "--finish cannot be read",
                expected="a network and its steps, such as vgg19:50",
                received=given,
            )
        )
    integer(int(count), "the steps of --finish", low=0, high=steps)
    return ExtractorName(name), int(count)


def check_weights_file(weights_file: Path | None, *names: ExtractorName) -> None:
    """Raise `InputError` if VGG19's weights are given, and none of the networks is VGG19."""
    if weights_file and set(names) == {ExtractorName.compact}:
        raise InputError(
            explain(
                "--weights-file holds VGG19's weights, and VGG19 is not used",
                expected="--extractor vgg19, or --finish vgg19:50",
                received=f"--extractor {names[0].value}",
                hint="leave --weights-file out for the compact network",
            )
        )


def parsed_layers(given: str) -> tuple[str, ...] | dict[str, float]:
    """Return layers, and their weights if there are any: ``conv1_1:2,conv2_1``; 1 by default.

    Raises
    ------
    InputError
        If a weight is no number, or negative.
    """
    parts = [layer.strip().partition(":") for layer in given.split(",")]
    if not any(colon for _, colon, _ in parts):
        return tuple(name for name, _, _ in parts)
    return {name: layer_weight(name, weight) if colon else 1.0 for name, colon, weight in parts}


def layer_weight(name: str, given: str) -> float:
    """Return the weight of a layer."""
    try:
        return number(float(given), f"the weight of {name}", low=0)
    except ValueError:
        raise InputError(
            explain(
                f"the weight of {name} cannot be read",
                expected="a layer and a number of at least 0, such as conv1_1:2",
                received=f"{name}:{given}",
            )
        ) from None
