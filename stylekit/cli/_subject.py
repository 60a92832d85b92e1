"""How a command is told where the subject is: a mask, a box, or a class to segment."""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._checks import InputError, explain
from stylekit.cli._app import load_tensorflow


class Refinement(enum.StrEnum):
    """How a mask's edge is brought to the picture's."""

    none = "none"
    guided = "guided"
    crf = "crf"
    matte = "matte"


Model = Annotated[
    Path | None,
    typer.Option(
        help="A DeepLab model: .tflite, .keras, .pb or a SavedModel; default: a download."
    ),
]
Names = Annotated[
    str | None, typer.Option(help="The model's classes, with commas; default: PASCAL VOC's.")
]
Classes = Annotated[
    list[str] | None, typer.Option("--class", help="A class to find, such as person; repeatable.")
]
Box = Annotated[
    str | None, typer.Option(help="left,top,right,bottom around the subject, in its pixels.")
]
Refine = Annotated[
    Refinement | None,
    typer.Option(help="Bring the mask's edge to the picture's; default: crf for --class."),
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
                )
            )

    def given(self, picture: Any) -> Any:
        """Return what `recipes.localized` takes: classes, or a mask in a picture."""
        from stylekit.masks import as_mask, subject

        if self.mask:
            return as_mask(self.mask, picture.shape[:2])
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
        seer = segmenter(self.model, self.names) if self.classes else None
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


def segmenter(model: Path | None, names: str | None) -> Any:
    """Return the DeepLab model that was asked for; this loads TensorFlow."""
    load_tensorflow()
    from stylekit.masks import DeepLab

    classes = [name.strip() for name in names.split(",")] if names else None
    return DeepLab(model, names=classes)


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
                "--box is wrong",
                expected="left,top,right,bottom in whole pixels, such as 40,10,300,400",
                received=text,
            )
        )
    return box
