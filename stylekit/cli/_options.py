"""The options that the painting commands share, and what is done with them, once."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import tempfile
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from stylekit._checks import (
    FileError,
    InputError,
    caused_by,
    check_place,
    fail,
    is_folder,
    manifest_beside,
    renamed,
    status,
)
from stylekit._defaults import SIZE, STRENGTH, STYLE_LOSS
from stylekit.cli import _declared as declared
from stylekit.cli._app import load_tensorflow, plain_errors
from stylekit.cli._callbacks import Latest, resumption
from stylekit.cli._declared import OptimizerName, PoolingName, PrecisionName
from stylekit.cli._interrupt import INTERRUPTED, on_interrupt, once
from stylekit.cli._network import ExtractorName, check_weights_file, network, parsed_finish
from stylekit.cli._plan import parsed_plan, plan
from stylekit.cli._plugin import checked, extended, resolved
from stylekit.cli._values import keep_apart, layer_names


@dataclasses.dataclass(kw_only=True)
class HowOptions:
    """Options of how pictures are painted, however many."""

    out: declared.Out
    size: declared.Size = SIZE
    steps: declared.Steps = None
    style_scale: declared.StyleScale = 1.0
    variation: declared.Variation = None
    add_loss: declared.AddLoss = None
    extractor: declared.Extractor = ExtractorName.auto
    weights: declared.WeightsFile = None
    style_layers: declared.StyleLayers = None
    pooling: declared.Pooling = PoolingName.max
    optimizer: declared.Optimizer = OptimizerName.lbfgs
    learning_rate: declared.LearningRate = 0.02
    seed: declared.Seed = 0
    plan: declared.Plan = "auto"
    max_memory: declared.MaxMemory = None
    precision: declared.Precision = PrecisionName.float32

    def check(self) -> None:
        """Refuse what can be refused before a picture is read."""
        check_weights_file(self.weights, *self.networks())
        self.layers(style_layers=self.style_layers)
        parsed_plan(self.plan, self.max_memory)

    def networks(self) -> tuple[ExtractorName, ...]:
        """Return the names of the networks of the run."""
        return (self.extractor,)

    def arguments(self) -> dict[str, Any]:
        """Return the options as the recipes take them; this loads TensorFlow."""
        load_tensorflow()
        import keras

        given = {
            "size": self.size or None,
            "steps": self.steps,
            "style_scale": self.style_scale,
            "extractor": self.network(self.extractor),
            "optimizer": keras.optimizers.Adam(self.learning_rate)
            if self.optimizer is OptimizerName.adam
            else None,
            "precision": self.precision.value,
            "plan": plan(self.plan, self.max_memory),
            "seed": self.seed,
        }
        if self.variation is not None:  # else the network's own, or the recipe's
            given["variation"] = self.variation
        return given | self.layers(style_layers=self.style_layers)

    def network(self, name: ExtractorName) -> Any:
        """Return the network of a name."""
        return network(name, self.weights, self.pooling.value)

    @staticmethod
    def layers(**named: str | None) -> dict[str, Any]:
        """Return the lists of layers that were given."""
        return {
            key: layer_names(value, f"--{key.replace('_', '-')}")
            for key, value in named.items()
            if value
        }


@dataclasses.dataclass(kw_only=True)
class RunOptions(HowOptions):
    """Options of every command that runs a transfer."""

    tile: declared.Tile = None
    bits: declared.Bits = 8
    metadata: declared.Metadata = True
    losses_csv: declared.LossesCsv = None
    save_every: declared.SaveEvery = 0
    timelapse: declared.Timelapse = None
    checkpoint: declared.Checkpoint = None
    checkpoint_every: declared.CheckpointEvery = 50
    progress: declared.Progress = True

    def __post_init__(self) -> None:
        self._latest = Latest()

    def check(self) -> None:
        """Refuse what can be refused before a picture is read."""
        from stylekit.image import check_animation, check_writable

        super().check()
        with renamed(path="out"):
            check_writable(self.out, bits=self.bits)
            if self.out.suffix.lower() != ".png":
                manifest_beside(self.out)
        if self.timelapse:
            with caused_by("timelapse"):
                check_animation(self.timelapse)
        if self.losses_csv:
            check_place(self.losses_csv, "losses_csv")
        if self.checkpoint and status(self.checkpoint) and not is_folder(self.checkpoint):
            fail(
                "--checkpoint names a file",
                expected="a folder, or a place for one",
                received=self.checkpoint,
                hint="name a folder of its own for the run's state",
            )

    def arguments(self) -> dict[str, Any]:
        """Return the options as the recipes take them; this loads TensorFlow."""
        given = super().arguments() | {"tile": self.tile and self.tile.value}
        import stylekit as sk

        callbacks: list[Any] = [self._latest]
        if self.progress:
            callbacks.append(sk.ProgressBar())
        if self.losses_csv:
            callbacks.append(sk.CSVLogger(self.losses_csv))
        if self.save_every:
            callbacks.append(sk.SaveEvery(self.out, self.save_every))
        if self.timelapse:
            callbacks.append(sk.Timelapse(self.timelapse))
        if self.checkpoint:
            callbacks.append(resumption())
            given["checkpoint"] = self.kept_state(self.checkpoint)
        return given | {"callbacks": callbacks}

    def tiled(self, shape: Sequence[int]) -> tuple[int, int]:
        """Return a height and width, rounded so that the network's cells fit along what tiles."""
        from stylekit.image.tiling import tileable_shape

        return tileable_shape(shape, self.tile and self.tile.value)

    def kept_state(self, folder: Path) -> Any:
        """Return where the run's state is kept, until its picture is written; for `checkpoint`."""
        from stylekit.transfer.checkpoint import Checkpoint

        return Checkpoint(folder, self.checkpoint_every, keep=True)

    def complete(
        self, like: Path | None, recipe: Callable[..., Any], *pictures: Any, **options: Any
    ) -> None:
        """Run a recipe, and write the result, or what a broken run has come to.

        Parameters
        ----------
        like : Path or None
            The picture whose alpha channel and EXIF data the result carries over.
        recipe : callable
            A recipe function.
        *pictures, **options
            What it is given, and in the options also what `Recipe.run` is given.
        """
        from stylekit.recipes.recipe import divided
        from stylekit.transfer import device

        technique, how = divided(recipe, options)
        recipe = extended(recipe, self.add_loss or ())

        def run() -> Any:
            made = recipe(*pictures, **technique)
            if self.progress:
                height, width = made.shape
                steps = made.steps if self.steps is None else self.steps
                plural = "s" * (steps != 1)
                typer.echo(f"{width}x{height} pixels, {steps} step{plural} on {device()}", err=True)
            return made.run(**how)

        with on_interrupt(once):
            self._write(run, like if self.metadata else None)

    def _write(self, run: Callable[[], Any], like: Path | None) -> None:
        import stylekit as sk

        problem = ""
        try:
            result = run()
        except sk.transfer.TransferError as error:
            notes = getattr(error, "__notes__", ())  # in whose code it was raised
            result, problem = error.result, ", ".join([str(error).rstrip("."), *notes])
        except KeyboardInterrupt:  # between the last step and the result, which a blend may fill
            if self._latest.step is None:
                raise
            result = self._latest.result()
        saved = self._save(result, like)
        for name, share in result.manifest.get("unmatched", {}).items():
            if share > 0.005:
                of = "map" if name == "map" else f"{name}'s map"
                typer.echo(
                    f"{share:.1%} of the {of} had no region's colour and went to the region "
                    "beside it",
                    err=True,
                )
        _tell_colors("Merged", result.manifest.get("merged", {}))
        _tell_colors(
            "Too small for a region, and merged",
            result.manifest.get("small", {}),
            ". To keep them, lower --min-share, or name all regions with --color.",
        )
        if problem:
            raise InputError(f"{problem}. The image so far is in {saved}.")
        stop = "" if result.stopped_by == "steps" else f" ({result.stopped_by})"
        if self.checkpoint and stop:
            stop += f"; the same command goes on from {self.checkpoint}"
        elif self.checkpoint:
            self.kept_state(self.checkpoint).remove()
        steps = f"{result.steps} step{'s' * (result.steps != 1)}"
        typer.echo(f"{saved}: {steps} in {result.seconds:.0f} s{stop}")
        if result.stopped_by == "interrupted":
            raise typer.Exit(INTERRUPTED)

    def _save(self, result: Any, like: Path | None) -> Path:
        """Write a result where it was asked for, or else in the temporary folder, and say so."""
        try:
            return result.save(self.out, like=like, bits=self.bits)
        except FileError as error:
            spare = Path(tempfile.mkdtemp(prefix="stylekit-")) / self.out.name
            saved = result.save(spare, bits=self.bits)
            message = f"{error} The picture was written to {saved} instead."
            raise FileError(message, argument="out") from error


def _tell_colors(what: str, colors: dict[str, dict[str, float]], hint: str = "") -> None:
    """Say which colours of two maps were merged, and their shares of both."""
    if not colors:
        return
    told = [
        f"{name} ({', '.join(f'{share:.2%} of the {key}' for key, share in shares.items())})"
        for name, shares in colors.items()
    ]
    typer.echo(f"{what} with the regions around them: {'; '.join(told)}{hint}", err=True)


@dataclasses.dataclass(kw_only=True)
class ContentOptions(HowOptions):
    """Options of how content pictures are painted over."""

    style_loss: declared.StyleLoss = STYLE_LOSS
    strength: declared.Strength = STRENGTH
    keep_colors: declared.KeepColors = None
    content_layers: declared.ContentLayers = None
    finish: declared.Finish = None
    pyramid: declared.Pyramid = None

    def check(self) -> None:
        """Refuse what can be refused before a picture is read."""
        checked(self.style_loss, "--style-loss", declared.STYLE_LOSSES)
        if self.finish:
            parsed_finish(self.finish, self.steps)
        self.layers(content_layers=self.content_layers)
        super().check()

    def networks(self) -> tuple[ExtractorName, ...]:
        """Return the names of the networks of the run."""
        last = (parsed_finish(self.finish, self.steps)[0],) if self.finish else ()
        return (*super().networks(), *last)

    def arguments(self) -> dict[str, Any]:
        """Return the options as the recipes take them; this loads TensorFlow."""
        given = super().arguments() | {
            "strength": self.strength,
            "style_loss": resolved(self.style_loss, "--style-loss"),
            "pyramid": self.pyramid,
            "keep_colors": self.keep_colors and self.keep_colors.value,
        }
        if self.finish:
            name, steps = parsed_finish(self.finish, self.steps)
            given["finish"] = self.network(name), steps
        return given | self.layers(content_layers=self.content_layers)


@dataclasses.dataclass(kw_only=True)
class PaintOptions(ContentOptions, RunOptions):
    """Options of the commands that paint over a content picture."""


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Spread a command's ``run`` parameter, a dataclass of options, over its command line.

    Each field becomes an option of the command; they are checked, and the command is called with
    the dataclass, under `plain_errors`.
    """
    hints = typing.get_type_hints(command, include_extras=True)
    options = hints.pop("run")
    hints.pop("return")
    fields = dataclasses.fields(options)
    option_hints = typing.get_type_hints(options, include_extras=True)
    parameters = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(command).parameters.items()
        if name != "run"
    ]
    parameters += [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty
            if field.default is dataclasses.MISSING
            else field.default,
            annotation=option_hints[field.name],
        )
        for field in fields
    ]

    @functools.wraps(command)
    def spread(**given: Any) -> None:
        with plain_errors():
            run = options(**{field.name: given.pop(field.name) for field in fields})
            run.check()
            if isinstance(run, RunOptions):  # which write one picture
                keep_apart(run.out, given.values())
            command(**given, run=run)

    spread.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    spread.__annotations__ = {p.name: p.annotation for p in parameters}
    del spread.__wrapped__  # or the command's own signature would be read
    return spread
