"""How a command is told where the subject is: a mask, a box, or a class to segment."""

from __future__ import annotations

import dataclasses
import enum
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._checks import InputError, SetupError, absent, choice, explain, fail, status
from stylekit.cli._app import load_tensorflow
from stylekit.cli._help import Panel
from stylekit.cli._plugin import loaded
from stylekit.cli._values import complete_classes, read_mask


class Refinement(enum.StrEnum):
    """How a mask's edge is brought to the picture's."""

    none = "none"
    guided = "guided"
    crf = "crf"
    matte = "matte"


Classes = Annotated[
    list[str] | None,
    typer.Option(
        "--class",
        metavar="CLASS",
        rich_help_panel=Panel.subject,
        autocompletion=complete_classes,
        help="A class to find with a network, such as person; may be given again.",
    ),
]
Mask = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=Panel.subject,
        help="A picture of the photograph's size, white where the subject is. Of a map of "
        "labels, FILE:LABEL.",
    ),
]
Box = Annotated[
    str | None,
    typer.Option(
        metavar="L,T,R,B",
        rich_help_panel=Panel.subject,
        help="A box around the subject: left,top,right,bottom in the photograph's pixels.",
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=Panel.subject,
        show_default="KerasHub's, a download",
        help="The network for --class, a DeepLab: .tflite, .keras, .pb or a SavedModel. A model "
        "is a program: take only one whose origin you trust.",
    ),
]
Names = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        rich_help_panel=Panel.subject,
        show_default="PASCAL VOC's",
        help="The classes that the network knows, with commas, in its order.",
    ),
]
Seer = Annotated[
    str | None,
    typer.Option(
        "--segmenter",
        metavar="MODULE:NAME",
        rich_help_panel=Panel.subject,
        help="A segmenter of your own for --class, in place of --model.",
    ),
]
Refine = Annotated[
    Refinement | None,
    typer.Option(
        rich_help_panel=Panel.subject,
        show_default="crf for --class, else none",
        help="Bring the mask's edge to the photograph's.",
    ),
]


LARGEST = 1024
"""Longer side, in pixels, at which classes are sought; the mask of a larger picture is resized."""


@dataclasses.dataclass
class Subject:
    """Where the subject is: exactly one of a mask, a box and classes."""

    mask: Path | None
    box: str | None
    classes: list[str] | None
    model: Path | None
    names: str | None
    refine: Refinement | None
    segmenter: str | None = None

    def __post_init__(self) -> None:
        given = [
            option
            for option, value in (
                ("--class", self.classes),
                ("--mask", self.mask),
                ("--box", self.box),
            )
            if value
        ]
        if len(given) != 1:
            raise InputError(
                explain(
                    "where the subject is must be told in one way",
                    expected="one of --class, --mask and --box",
                    received=" and ".join(given) or "none",
                    hint="" if given else "the quickest is --box left,top,right,bottom",
                )
            )
        if self.segmenter and not self.classes:
            fail("--segmenter has nothing to find", expected="--class with it", received="none")
        if self.segmenter and self.model:
            fail("--segmenter and --model exclude each other", hint="give one of them")
        if self.classes and not self.segmenter:
            check_network(self.model, self.names, self.classes)

    def given(self, picture: Any) -> Any:
        """Return what `recipes.localized` takes: classes, or a mask in a picture."""
        from stylekit.masks import subject

        if self.mask:
            return read_mask(self.mask, picture.shape[:2])
        return subject(picture, parse_box(self.box)) if self.box else self.classes

    def how(self) -> dict[str, Any]:
        """Return the segmenter and the refinement as `recipes.localized` takes them."""
        from stylekit import masks

        ways = {
            None: None,
            Refinement.none: lambda picture, mask: mask,
            Refinement.guided: masks.guided,
            Refinement.crf: masks.crf,
            Refinement.matte: masks.matte,
        }
        seer = segmenter(self.model, self.names, self.segmenter) if self.classes else None
        return {"segmenter": seer, "refine": ways[self.refine]}

    def find(self, picture: Any) -> Any:
        """Return the mask ``[H, W]`` in a picture, an array of its own size."""
        from stylekit import masks
        from stylekit.image import as_image

        given = self.given(picture)
        size = min(LARGEST, max(picture.shape[:2])) if self.classes else None
        small = as_image(picture, size=size)
        found = masks.find_subject(small, given, **self.how())
        if small.shape == picture.shape:
            return found
        return masks.guided(picture, masks.resize(found, picture.shape[:2]))


def check_network(model: Path | None, names: str | None, classes: Iterable[str] = ()) -> None:
    """Refuse a class that the network does not know, or one that is not there, before it loads.

    Raises
    ------
    InputError, FileError, SetupError
        If it is so.
    """
    from stylekit.masks import VOC_NAMES

    for name in classes:
        choice(name, "--class", _split(names) or VOC_NAMES)
    if model is not None and status(model) is None:
        raise absent(model, f"the model {model}", "a model", "model")
    if model is None and importlib.util.find_spec("keras_hub") is None:
        raise SetupError(
            explain(
                "--class needs a network, and KerasHub, which has one, is not installed",
                hint="run pip install keras-hub, or name a model file with --model, or tell where "
                "the subject is by --box left,top,right,bottom",
            )
        )


def _split(names: str | None) -> list[str] | None:
    return [name.strip() for name in names.split(",")] if names else None


def segmenter(model: Path | None, names: str | None, own: str | None = None) -> Any:
    """Return the segmenter or the DeepLab model that was asked for; this loads TensorFlow."""
    load_tensorflow()
    if own:
        return loaded(own, "--segmenter")
    from stylekit.masks import DeepLab

    return DeepLab(model, names=_split(names))


def parse_box(text: str) -> tuple[int, ...]:
    """Return the four numbers of ``--box``."""
    parts = text.split(",")
    try:
        box = tuple(int(part) for part in parts)
    except ValueError:
        box = ()
    if len(box) != 4:
        raise InputError(
            explain(
                "--box cannot be read",
                expected="left,top,right,bottom in whole pixels, such as 40,10,300,400",
                received=text,
            )
        )
    return box
