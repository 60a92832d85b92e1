"""Options that the painting commands share: their checks, and the run that they configure."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import tempfile
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from stylekit._checks import (
    FileError,
    InputError,
    absent,
    caused_by,
    check_place,
    fail,
    is_folder,
    manifest_beside,
    renamed,
    status,
)
from stylekit._defaults import NEIGHBOR_STEPS, SIZE, STEPS, STRENGTH, STYLE_LOSS
from stylekit.cli import _declared as declared
from stylekit.cli._app import in_options, load_tensorflow
from stylekit.cli._callbacks import Latest, resumption
from stylekit.cli._declared import OptimizerName, PoolingName, PrecisionName
from stylekit.cli._help import GIVEN
from stylekit.cli._interrupt import finish, on_interrupt, once
from stylekit.cli._network import (
    ExtractorName,
    check_pooling,
    check_weights_file,
    network,
    parsed_finish,
)
from stylekit.cli._plan import parsed_plan, plan
from stylekit.cli._plugin import check_named, checked, extended, resolved
from stylekit.cli._values import check_out, default_out, layer_names


@dataclasses.dataclass(kw_only=True)
class HowOptions:
    """Options of commands that paint one or more pictures."""

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
        """Check the options, before pictures are read and TensorFlow loads."""
        check_weights_file(self.weights, *self.networks())
        check_pooling(self.pooling.value, *self.networks())
        if self.optimizer is not OptimizerName.adam and "--learning-rate" in GIVEN.get():
            fail(
                "--learning-rate is for adam",
                expected="--optimizer adam",
                received=f"--optimizer {self.optimizer.value}",
                hint="give --optimizer adam, too, or leave --learning-rate out",
            )
        for name in self.add_loss or ():
            check_named(name, "--add-loss")
        self.layers(style_layers=self.style_layers)
        parsed_plan(self.plan, self.max_memory)

    def networks(self) -> tuple[ExtractorName, ...]:
        """Return the names of the networks of the run."""
        return (self.extractor,)

    def arguments(self) -> dict[str, Any]:
        """Load TensorFlow and return the options as arguments of the recipes."""
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
        if self.variation is not None:  # otherwise the recipe chooses it
            given["variation"] = self.variation
        return given | self.layers(style_layers=self.style_layers)

    def network(self, name: ExtractorName) -> Any:
        """Return the network with a name."""
        return network(name, self.weights, self.pooling.value)

    @staticmethod
    def layers(**named: str | None) -> dict[str, Any]:
        """Return the lists of layers that are not None, parsed."""
        return {
            key: layer_names(value, f"--{key.replace('_', '-')}")
            for key, value in named.items()
            if value
        }


@dataclasses.dataclass(kw_only=True)
class RunOptions(HowOptions):
    """Options of every command that paints one picture."""

    out: declared.Out = None
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
        self._inputs: list[Any] = []

    def settle(self, command: str, given: Mapping[str, Any]) -> None:
        """Store the input files, and choose an output name if ``--out`` is not given.

        Parameters
        ----------
        command : str
            Name of the command, which is part of the output name if there is one input file.
        given : mapping
            Arguments of the command.
        """
        self._inputs = list(given.values())
        if self.out is None:
            if len(given.get("styles", [])) > 1:
                _check_last(given["styles"][-1])
            names = ("doodle_map", "content", "style")
            files = [given[name] for name in names if name in given] + given.get("styles", [])
            if len(files) == 1:
                files.append(Path(command))
            self.out = default_out(*files, suffix=".tif" if self.bits == 16 else ".png")

    def check(self) -> None:
        """Check the options, before pictures are read and TensorFlow loads."""
        from stylekit.image import check_animation

        super().check()
        check_out(self.path, self._inputs, self.bits)
        if self.path.suffix.lower() != ".png":
            with renamed(path="out"):
                manifest_beside(self.path)
        if self.timelapse:
            with caused_by("timelapse"):
                check_animation(self.timelapse)
        if self.losses_csv:
            check_place(self.losses_csv, "losses_csv")
        if self.checkpoint and status(self.checkpoint) and not is_folder(self.checkpoint):
            fail(
                "--checkpoint is a file",
                expected="a folder, or the path of a new one",
                received=self.checkpoint,
                hint="name a folder for the state of this run alone",
            )

    @property
    def path(self) -> Path:
        """Path of the picture to write."""
        assert self.out is not None, "settle was not called"
        return self.out

    def arguments(self) -> dict[str, Any]:
        """Load TensorFlow and return the options as arguments of the recipes."""
        given = super().arguments() | {"tile": self.tile and self.tile.value}
        import stylekit as sk

        callbacks: list[Any] = [self._latest]
        if self.progress:
            callbacks.append(sk.ProgressBar())
        if self.losses_csv:
            callbacks.append(sk.CSVLogger(self.losses_csv))
        if self.save_every:
            callbacks.append(sk.SaveEvery(self.path, self.save_every))
        if self.timelapse:
            callbacks.append(sk.Timelapse(self.timelapse))
        if self.checkpoint:
            callbacks.append(resumption())
            given["checkpoint"] = self.kept_state(self.checkpoint)
        return given | {"callbacks": callbacks}

    def tiled(self, shape: Sequence[int]) -> tuple[int, int]:
        """Return a height and width, rounded to whole network cells along the axes that tile."""
        from stylekit.image.tiling import tileable_shape

        return tileable_shape(shape, self.tile and self.tile.value)

    def kept_state(self, folder: Path) -> Any:
        """Return a checkpoint that keeps its state after the run, until the picture is written."""
        from stylekit.transfer.checkpoint import Checkpoint

        return Checkpoint(folder, self.checkpoint_every, keep=True)

    def complete(
        self, like: Path | None, recipe: Callable[..., Any], *pictures: Any, **options: Any
    ) -> None:
        """Run a recipe and write the result. If the run fails, write the picture so far.

        Parameters
        ----------
        like : Path or None
            Picture whose alpha channel and EXIF data are copied.
        recipe : callable
            Recipe function.
        *pictures, **options
            Arguments of the recipe function. The options may also be arguments of `Recipe.run`.
        """
        from stylekit.recipes.recipe import check_default_layers, divided
        from stylekit.transfer import device

        technique, how = divided(recipe, options)
        recipe = extended(recipe, self.add_loss or ())

        def run() -> Any:
            made = recipe(*pictures, **technique)
            for own in (how.get("extractor") or made.extractor, *how.get("finish", ())[:1]):
                check_default_layers(own, made.losses.values())
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
            notes = getattr(error, "__notes__", ())  # the object whose code raised it
            result, problem = error.result, ", ".join([str(error).rstrip("."), *notes])
        except KeyboardInterrupt:  # after the last step, such as in a blend
            if self._latest.step is None:
                raise
            result = self._latest.result()
        saved = self._save(result, like)
        for name, share in result.manifest.get("unmatched", {}).items():
            if share > 0.005:
                typer.echo(
                    f"{share:.1%} of {_map_of(name)} has no region's colour and was added to the "
                    "nearest region.",
                    err=True,
                )
        _tell_colors("Colours merged", result.manifest.get("merged", {}))
        _tell_colors(
            "Colours too small for a region, merged",
            result.manifest.get("small", {}),
            "To keep them, lower --min-share, or name all regions with --color.",
        )
        if problem:
            raise InputError(f"{problem}. The picture so far is in {saved}.")
        steps = f"{result.steps} step{'s' * (result.steps != 1)}"
        told = f"{saved}: {steps} in {result.seconds:.0f} s"
        interrupted = result.stopped_by == "interrupted"
        if result.stopped_by == "steps":
            if self.checkpoint:
                self.kept_state(self.checkpoint).remove()
        elif not interrupted:
            told += f" ({result.stopped_by})"
        finish(told, interrupted=interrupted, resumes=self.checkpoint is not None)

    def _save(self, result: Any, like: Path | None) -> Path:
        """Write a result; if that fails, write it to a temporary folder and raise `FileError`."""
        try:
            return result.save(self.path, like=like, bits=self.bits)
        except FileError as error:
            spare = Path(tempfile.mkdtemp(prefix="stylekit-")) / self.path.name
            saved = result.save(spare, bits=self.bits)
            message = f"{error} The picture was written to {saved} instead."
            raise FileError(message, argument="out") from error


def _check_last(style: Path) -> None:
    """Raise `FileError` if the last of several styles is missing: it may be meant as the output."""
    from stylekit.image import check_writable

    if status(style) is None:
        try:
            check_writable(style)
        except FileError:
            return  # not meant as the output; reported when the styles are read
        missing = absent(style, str(style), "a picture file")
        hint = f"To write the result there, give -o {style}."
        raise FileError(f"{missing} {hint}", argument="styles")


def _map_of(picture: str) -> str:
    """Return the command's argument for the map of a picture; a doodle is its own map."""
    return in_options(f"the {'content' if picture == 'map' else picture} map")


def _tell_colors(what: str, colors: dict[str, dict[str, float]], hint: str = "") -> None:
    """Print the colours that were merged, one per line, with their shares of both maps."""
    if not colors:
        return
    typer.echo(f"{what} with the regions around them:", err=True)
    for name, shares in colors.items():
        told = ", ".join(f"{share:.2%} of {_map_of(picture)}" for picture, share in shares.items())
        typer.echo(f"  {name}: {told}", err=True)
    if hint:
        typer.echo(hint, err=True)


@dataclasses.dataclass(kw_only=True)
class ContentOptions(HowOptions):
    """Options of commands that paint over a content picture."""

    style_loss: declared.StyleLoss = STYLE_LOSS
    strength: declared.Strength = STRENGTH
    keep_colors: declared.KeepColors = None
    content_layers: declared.ContentLayers = None
    finish: declared.Finish = None
    pyramid: declared.Pyramid = None

    def check(self) -> None:
        """Check the options, before pictures are read and TensorFlow loads."""
        checked(self.style_loss, "--style-loss", declared.STYLE_LOSSES)
        if self.finish:
            steps = self.steps
            if steps is None and "--preset" not in GIVEN.get():
                steps = NEIGHBOR_STEPS if self.style_loss == "neighbors" else STEPS
            parsed_finish(self.finish, steps)
        self.layers(content_layers=self.content_layers)
        super().check()

    def networks(self) -> tuple[ExtractorName, ...]:
        """Return the names of the networks of the run."""
        last = (parsed_finish(self.finish, self.steps)[0],) if self.finish else ()
        return (*super().networks(), *last)

    def arguments(self) -> dict[str, Any]:
        """Load TensorFlow and return the options as arguments of the recipes."""
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
    """Options of commands that paint one picture over a content picture."""


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Turn the fields of a command's ``run`` parameter, a dataclass, into options of the command.

    The options are checked before the command is called with the dataclass.
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
        run = options(**{field.name: given.pop(field.name) for field in fields})
        if isinstance(run, RunOptions):
            run.settle(command.__name__, given)
        run.check()
        command(**given, run=run)

    spread.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    spread.__annotations__ = {p.name: p.annotation for p in parameters}
    del spread.__wrapped__  # otherwise Typer would read the command's own signature
    return spread
