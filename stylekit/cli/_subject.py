"""Options that select the subject: a mask, a box, or a class to segment."""

from __future__ import annotations

import dataclasses
import enum
import importlib.util
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._checks import InputError, SetupError, absent, choice, explain, fail, status
from stylekit.cli._app import load_tensorflow
from stylekit.cli._help import Panel, called
from stylekit.cli._plugin import check_named, loaded
from stylekit.cli._values import complete_classes, read_mask


class Refinement(enum.StrEnum):
    """Refinements of the edge of a mask."""

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
        help="Class to find with a segmentation network, such as person. Repeat for several.",
    ),
]
Mask = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=Panel.subject,
        help="Mask with the size of the photograph, white where the subject is. FILE:LABEL selects "
        "one label of a label map.",
    ),
]
Box = Annotated[
    str | None,
    typer.Option(
        metavar="L,T,R,B",
        rich_help_panel=Panel.subject,
        help="Box around the subject in pixels: left,top,right,bottom, such as 40,10,300,400. "
        "Finds the subject in the box by its colours.",
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=Panel.subject,
        show_default="a model that is downloaded from KerasHub",
        help="DeepLab model for --class: .tflite, .keras, .pb or a SavedModel folder. A model can "
        "run code: use only files that you trust.",
    ),
]
Names = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        rich_help_panel=Panel.subject,
        show_default="the classes of PASCAL VOC",
        help="Names of the classes of --model, comma-separated, in the order of its outputs.",
    ),
]
Seer = Annotated[
    str | None,
    typer.Option(
        "--segmenter",
        metavar="MODULE:NAME",
        rich_help_panel=Panel.subject,
        help="Custom segmenter for --class, used instead of --model.",
    ),
]
Refine = Annotated[
    Refinement | None,
    typer.Option(
        rich_help_panel=Panel.subject,
        show_default="crf with --class, otherwise none",
        help="Refine the edge of the mask.",
    ),
]


LARGEST = 1024
"""Longer side, in pixels, to which larger pictures are reduced before a network segments them. The
mask is then enlarged to the size of the picture."""


@dataclasses.dataclass
class Subject:
    """The subject, given by exactly one of these: a mask, a box or classes."""

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
                    "the subject must be given in exactly one way",
                    expected="one of --class, --mask and --box",
                    received=" and ".join(given) or "none",
                    hint="" if given else "the quickest is --box left,top,right,bottom",
                )
            )
        if self.segmenter and not self.classes:
            fail("--segmenter needs --class", expected="--class NAME", received="no --class")
        if self.segmenter and self.model:
            fail("--segmenter and --model cannot be combined", hint="give only one of them")
        if self.segmenter:
            check_named(self.segmenter, "--segmenter")
        if self.box:
            parse_box(self.box)
        if self.classes and not self.segmenter:
            check_network(self.model, self.names, self.classes)

    def given(self, picture: Any) -> Any:
        """Return the subject for `recipes.localized`: classes, or a mask of the picture."""
        from stylekit.masks import subject

        if self.mask:
            return read_mask(self.mask, picture.shape[:2])
        return subject(picture, parse_box(self.box)) if self.box else self.classes

    def tell(self, photo: Path, found: Any) -> None:
        """Print the share of a subject that was found in a box, and how to check its mask.

        Parameters
        ----------
        photo : Path
            File of the photograph.
        found : array or list
            The mask ``[H, W]`` of the subject, or its classes, for which nothing is printed.
        """
        if self.box:
            check = ["segment", str(photo), "--box", self.box, "--plot", "seen.png"]
            typer.echo(
                f"subject: {found.mean():.1%} of the picture, found by its colours; check it with "
                f"{called()} {shlex.join(check)}",
                err=True,
            )

    def how(self) -> dict[str, Any]:
        """Return the segmenter and the refinement for `recipes.localized`."""
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
        """Return the mask of the subject, ``[H, W]`` as `picture`."""
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
    """Check a segmentation network before TensorFlow loads.

    Raises
    ------
    InputError, FileError, SetupError
        If the network does not know a class, does not exist, or needs a package that is missing.
    """
    from stylekit.masks import VOC_NAMES

    for name in classes:
        choice(name, "--class", _split(names) or VOC_NAMES)
    if model is not None:
        check_model(model)
    elif importlib.util.find_spec("keras_hub") is None:
        raise SetupError(
            explain(
                "--class needs a segmentation network, but KerasHub, which provides one, is not "
                "installed",
                hint="run pip install keras-hub, or name a model file with --model, or mark the "
                "subject with --box left,top,right,bottom",
            )
        )


def check_model(model: Path) -> None:
    """Raise `FileError` if a model does not exist."""
    if status(model) is None:
        raise absent(model, f"the model {model}", "a model", "model")


def _split(names: str | None) -> list[str] | None:
    return [name.strip() for name in names.split(",")] if names else None


def segmenter(model: Path | None, names: str | None, own: str | None = None) -> Any:
    """Load TensorFlow and return the user's own segmenter or a DeepLab model."""
    load_tensorflow()
    if own:
        return loaded(own, "--segmenter")
    from stylekit.masks import DeepLab

    return DeepLab(model, names=_split(names))


def parse_box(text: str) -> tuple[int, ...]:
    """Return the four integers of ``--box``."""
    parts = text.split(",")
    try:
        box = tuple(int(part) for part in parts)
    except ValueError:
        box = ()
    if len(box) != 4:
        raise InputError(
            explain(
                "--box cannot be read",
                expected="left,top,right,bottom in pixels, such as 40,10,300,400",
                received=text,
            )
        )
    return box
