"""Paints one picture of a batch from its description, and returns its row of the table."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import os
import re
import shutil
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stylekit._checks import InputError, InputTypeError, StylekitError, explain, unusable
from stylekit.batch.listing import Job
from stylekit.features import VGG19, CompactVGG, FeatureExtractor
from stylekit.image import as_image, read_image, resize
from stylekit.image.tiling import tileable_shape
from stylekit.recipes import Recipe
from stylekit.recipes.recipe import divided
from stylekit.transfer import Checkpoint, Plan, Start, Step
from stylekit.transfer.callbacks import Callback
from stylekit.transfer.optimizers import as_optimizer
from stylekit.transfer.parameters import as_parameters

HIDDEN = ".stylekit"
"""Name of the subfolder of a batch's folder that holds the checkpoints of unfinished pictures."""

LOCK = "batch.lock"
"""Name of the file in the hidden folder that is locked while a batch runs."""

SHARED = frozenset({"callbacks", "checkpoint", "extractor", "plan"})
"""Options of `Recipe.run` that cannot differ between pictures."""


@dataclasses.dataclass(frozen=True)
class Work:
    """The recipe and the options that the pictures of a batch share. It can be pickled.

    Attributes
    ----------
    recipe : callable
        A function ``(content, style, **options) -> Recipe``. Content and style are paths; the
        content of a picture that tiles is an array.
    extractor : FeatureExtractor or None
        The network. None uses the network of the recipe.
    plan : Plan
        A `Reuse` plan, so that pictures of the same size share a trace.
    options : mapping of str
        Options of the recipe and of `Recipe.run`.
    every : int
        Number of steps between writes of a checkpoint.
    bits : int
        See `Result.save`.
    metadata : bool
        Whether a picture gets its content's alpha channel and EXIF data.
    """

    recipe: Callable[..., Recipe]
    extractor: FeatureExtractor | None
    plan: Plan
    options: Mapping[str, Any]
    every: int
    bits: int
    metadata: bool
    _hashes: dict[tuple[str, ...], str] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _networks: dict[Any, FeatureExtractor] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def made_from(self, job: Job) -> dict[str, Any]:
        """Return a description of all inputs of a picture, which can be stored as JSON.

        Files are represented by hashes of their content, not by their names or times.
        """
        given = {**self.options, **job.options}
        for name, checked in (("optimizer", as_optimizer), ("parameters", as_parameters)):
            if given.get(name) is not None:
                given[name] = checked(given[name])
        own = inspect.signature(self.recipe).parameters.values()
        defaults = {one.name: one.default for one in own if one.default is not one.empty}
        return {
            "content": _of_file(job.content, "content"),
            "style": _of_file(job.style, "style"),
            "recipe": _unaddressed(self.recipe),
            "options": {
                name: _plain(value, name)
                for name, value in sorted({**defaults, **given}.items())
                if name not in SHARED
            },
            "extractor": self.extractor and _unaddressed(self.extractor),
            "saved": {"bits": self.bits, "metadata": self.metadata},
        }

    def weights(self, layers: Iterable[str]) -> str:
        """Return the hash of the network's weights up to some layers; "" for a recipe's network."""
        layers = tuple(layers)
        if self.extractor is None or not layers:
            return ""
        if layers not in self._hashes:
            weights = self.extractor.network(layers).weights
            self._hashes[layers] = _digest(np.asarray(one).tobytes() for one in weights)
        return self._hashes[layers]

    def network(self, own: FeatureExtractor | None) -> FeatureExtractor:
        """Return the network to use for a recipe that has a network `own`, or None.

        Equal networks of several recipes are loaded once.
        """
        if self.extractor is not None:
            return self.extractor
        own = VGG19() if own is None else own
        # Equal settings mean equal networks for these classes, but not for subclasses.
        if isinstance(own, VGG19 | CompactVGG) and type(own) in (VGG19, CompactVGG):
            return self._networks.setdefault((repr(own), own.weights), own)
        return own


@dataclasses.dataclass(frozen=True)
class Row:
    """The outcome of one picture. It can be pickled.

    Attributes
    ----------
    job : Job
    seconds : float or None
        Time that the run took, including the time before an interruption.
    steps : int or None
    losses : dict of str to float
        Losses of the last step. ``total`` is weighted; the other losses are not.
    error : str
        The reason why the picture failed; "" if it did not fail.
    argument : str or None
        Name of the argument that caused the error; see `StylekitError`.
    """

    job: Job
    seconds: float | None = None
    steps: int | None = None
    losses: Mapping[str, float] = dataclasses.field(default_factory=dict)
    error: str = ""
    argument: str | None = None

    @property
    def cells(self) -> dict[str, Any]:
        """The row of the table."""
        return {
            "content": str(self.job.content),
            "style": str(self.job.style),
            "output": self.job.output.name,
            "seconds": None if self.seconds is None else f"{self.seconds:.2f}",
            "steps": self.steps,
            **{f"loss_{name}": f"{value:.6g}" for name, value in self.losses.items()},
            "error": self.error,
        }


def paint(job: Job, work: Work, callbacks: Iterable[Callback | Callable[[Step], Any]] = ()) -> Row:
    """Paint a picture, write it, and return its row.

    A run that was interrupted continues from its checkpoint. Errors, including errors in custom
    code, are reported in the row. The function depends only on its arguments, the files that they
    name, and the checkpoints in ``.stylekit`` beside the output, so that several processes can
    paint jobs of one batch.

    Parameters
    ----------
    job : Job
    work : Work
    callbacks : iterable of Callback or callable
        See `StyleTransfer.run`.

    Raises
    ------
    KeyboardInterrupt
        If the run is interrupted. The checkpoint holds its state.
    """
    try:
        return _painted(job, work, callbacks)
    except StylekitError as error:
        notes = getattr(error, "__notes__", ())  # which plug-in raised it
        text = " ".join([str(error), *(f"Raised {note}." for note in notes)])
        return Row(job, error=_one_line(text), argument=error.argument)
    except Exception as error:  # from custom code
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} ({place.filename}, line {place.lineno})"
        return Row(job, error=_one_line(text))


def finished(job: Job, work: Work) -> Row | None:
    """Return the row of a picture that was painted from the same files and options, or None.

    The picture must be complete, and its manifest, in the file or beside it, must match.
    """
    held = _manifest(job.output)
    try:
        about = held["batch"]
        same = about["made_from"] == work.made_from(job)
        same = same and about["weights"] == work.weights(about["layers"])
        return Row(job, held["seconds"], held["steps"], about["losses"]) if same else None
    except (KeyError, TypeError, StylekitError):  # not a manifest of a batch, or a missing file
        return None


def _painted(job: Job, work: Work, callbacks) -> Row:
    made_from = work.made_from(job)
    technique, how = divided(work.recipe, {**work.options, **job.options})
    content: Any = job.content
    size = inspect.signature(work.recipe).parameters.get("size")
    if how.get("tile") is not None and size is not None:
        photo = as_image(job.content, "content", technique.get("size", size.default))
        content = resize(photo, tileable_shape(photo.shape[:2], how["tile"]))
        technique["size"] = None
    made = work.recipe(content, job.style, **technique)
    if not isinstance(made, Recipe):
        raise InputTypeError(
            explain(
                "the recipe of a batch must return a Recipe",
                expected="a Recipe, which has not been run",
                received=type(made).__name__,
                hint="return the recipe without calling its run",
            ),
            argument="recipe",
        )
    name = _digest([json.dumps(made_from).encode()])
    own = job.output.parent / HIDDEN / job.output.name
    # `keep` keeps the checkpoint until the picture is written.
    checkpoint = Checkpoint(own / name, work.every, keep=True)
    how |= {"extractor": work.network(made.extractor), "plan": work.plan}
    try:
        result = made.run(callbacks=callbacks, checkpoint=checkpoint, **how)
    except InputError as error:
        if error.argument != "checkpoint":
            raise
        shutil.rmtree(own)  # the state is from other weights, or another version of a loss
        result = made.run(callbacks=callbacks, checkpoint=checkpoint, **how)
    if result.stopped_by == "interrupted":
        raise KeyboardInterrupt
    losses = {name: float(value) for last in result.losses[-1:] for name, value in last.items()}
    terms = result.manifest.get("before", result.manifest)["terms"].values()
    layers = list(dict.fromkeys(layer for term in terms for layer in term.get("layers", ())))
    about = {"made_from": made_from, "layers": layers, "weights": work.weights(layers)}
    manifest = result.manifest | {"batch": about | {"losses": losses}}
    like = job.content if work.metadata else None
    dataclasses.replace(result, manifest=manifest).save(job.output, like=like, bits=work.bits)
    shutil.rmtree(own)  # including checkpoints of other options
    return Row(job, result.seconds, result.steps, losses)


def _manifest(path: Path) -> Any:
    """Return the manifest of a picture, or None if the picture is missing or damaged."""
    try:
        read_image(path)
        if path.suffix.lower() != ".png":
            return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        with Image.open(path) as image:
            return json.loads(image.info["stylekit"])
    except Exception:  # a damaged file, which can raise anything: the picture is painted again
        return None


def _plain(value: Any, name: str) -> Any:
    """Return a description of an option for JSON, which is the same in every process."""
    if isinstance(value, str | os.PathLike):
        return {"file": _of_file(value, name)} if os.path.isfile(value) else str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(one, name) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, name) for one in value]
    if isinstance(value, np.ndarray | Image.Image):
        array = np.asarray(value)
        return [list(array.shape), str(array.dtype), _digest([array.tobytes()])]
    if isinstance(value, Start):  # the repr does not show which picture the object holds
        return [_unaddressed(type(value)), _plain(vars(value), name)]
    if hasattr(value, "get_config") and not isinstance(value, type):
        return [_unaddressed(type(value)), _plain(value.get_config(), name)]
    return _unaddressed(value)


def _unaddressed(value: Any) -> str:
    """Return the repr of an object without the parts that differ between processes."""
    text = re.sub(r" at 0x[0-9a-f]+", "", repr(value))
    return re.sub(r"_\d+(?=')", "", text)  # Keras numbers models of one class


def _of_file(path: str | os.PathLike[str], argument: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unusable(f"{path}", "read", error, argument) from error


def _digest(contents: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()[:16]


def _one_line(text: str) -> str:
    return " ".join(text.split())
