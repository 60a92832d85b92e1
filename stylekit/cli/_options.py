"""The options that the painting commands share, and what is done with them, once."""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import tempfile
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._checks import FileError, InputError, integer, number
from stylekit._defaults import SIZE, STEPS, STRENGTH
from stylekit.cli._app import load_tensorflow, plain_errors
from stylekit.cli._network import (
    ExtractorName,
    check_weights_file,
    network,
    parsed_finish,
    parsed_layers,
)
from stylekit.cli._plan import parsed_plan, plan


class OptimizerName(enum.StrEnum):
    """What moves the pixels."""

    lbfgs = "lbfgs"
    adam = "adam"


class Pooling(enum.StrEnum):
    """How the network reduces."""

    max = "max"
    average = "average"


class Precision(enum.StrEnum):
    """The network's precision."""

    float32 = "float32"
    mixed_float16 = "mixed_float16"
    mixed_bfloat16 = "mixed_bfloat16"


class KeepColors(enum.StrEnum):
    """How the content's colours are kept."""

    luminance = "luminance"
    match = "match"
    histogram = "histogram"


@dataclasses.dataclass(kw_only=True)
class RunOptions:
    """Options of every command that runs a transfer."""

    out: Annotated[Path, typer.Option("--out", "-o", help=".png, .jpg, .webp or .tif.")]
    size: Annotated[
        int, typer.Option(help="Longer side in pixels; 0 is the first picture's own.")
    ] = SIZE
    steps: Annotated[int, typer.Option(help="Evaluations of the gradient.")] = STEPS
    style_scale: Annotated[float, typer.Option(help="Above 1 the strokes grow.")] = 1.0
    style_layers: Annotated[
        str | None,
        typer.Option(help="Such as conv1_1,conv2_1,conv3_1; with weights conv1_1:2,conv2_1:1."),
    ] = None
    variation: Annotated[
        float | None,
        typer.Option(help="Weight of the total variation; 0 keeps every grain. Default: light."),
    ] = None
    optimizer: Annotated[OptimizerName, typer.Option(help="What moves the pixels.")] = (
        OptimizerName.lbfgs
    )
    learning_rate: Annotated[float, typer.Option(help="Of adam.")] = 0.02
    extractor: Annotated[
        ExtractorName,
        typer.Option(help="The network; auto: VGG19 if its weights are there, else the bundled."),
    ] = ExtractorName.auto
    weights_file: Annotated[
        Path | None,
        typer.Option(help="VGG19's .h5 or .npz; default: STYLEKIT_WEIGHTS, or a download."),
    ] = None
    pooling: Annotated[Pooling, typer.Option(help="How the network reduces.")] = Pooling.max
    precision: Annotated[
        Precision, typer.Option(help="The network's; the mixed ones are for GPUs.")
    ] = Precision.float32
    plan: Annotated[
        str,
        typer.Option(
            help="plain; recompute: less memory; tiles:512: any size; auto: what fits in it."
        ),
    ] = "auto"
    max_memory: Annotated[
        str | None,
        typer.Option(help="Such as 4GB, beside 0.6 GB for the libraries. Default: what is free."),
    ] = None
    seed: Annotated[int, typer.Option(help="Of all that is random.")] = 0
    losses_csv: Annotated[Path | None, typer.Option(help="Write the losses there.")] = None
    save_every: Annotated[int, typer.Option(help="Steps between pictures OUT-00050.png.")] = 0
    timelapse: Annotated[
        Path | None, typer.Option(help="Write the run as an animation: .gif, .webp or .mp4.")
    ] = None
    bits: Annotated[int, typer.Option(help="8, or 16 for TIFF.")] = 8
    metadata: Annotated[
        bool,
        typer.Option(
            help="Carry the first picture's alpha channel and EXIF data (position too) over."
        ),
    ] = True
    progress: Annotated[bool, typer.Option(help="Show a progress bar.")] = True
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="A folder for the run's state; started again, it goes on from there."),
    ] = None
    checkpoint_every: Annotated[int, typer.Option(help="Steps between writings of it.")] = 50

    def check(self) -> None:
        """Refuse what can be refused before a picture is read."""
        from stylekit.image import check_animation, check_writable

        integer(self.steps, "--steps", low=0)
        integer(self.size, "--size", low=0)
        integer(self.save_every, "--save-every", low=0)
        integer(self.checkpoint_every, "--checkpoint-every", low=1)
        integer(self.seed, "--seed", low=0)
        number(self.style_scale, "--style-scale", low=0, open_low=True)
        number(self.learning_rate, "--learning-rate", low=0, open_low=True)
        if self.variation is not None:
            number(self.variation, "--variation", low=0)
        check_weights_file(self.weights_file, *self.networks())
        self.layers(style_layers=self.style_layers)
        parsed_plan(self.plan, self.max_memory)
        check_writable(self.out, bits=self.bits)
        if self.timelapse:
            check_animation(self.timelapse)

    def networks(self) -> tuple[ExtractorName, ...]:
        """Return the names of the networks of the run."""
        return (self.extractor,)

    def arguments(self) -> dict[str, Any]:
        """Return the options as the recipes take them; this loads TensorFlow."""
        load_tensorflow()
        import keras

        import stylekit as sk

        callbacks: list[Any] = [sk.ProgressBar()] if self.progress else []
        if self.losses_csv:
            callbacks.append(sk.CSVLogger(self.losses_csv))
        if self.save_every:
            callbacks.append(sk.SaveEvery(self.out, self.save_every))
        if self.timelapse:
            callbacks.append(sk.Timelapse(self.timelapse))
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
            "callbacks": callbacks,
        }
        if self.variation is not None:  # else the network's own, or the recipe's
            given["variation"] = self.variation
        if self.checkpoint:
            callbacks.append(_Resumption())
            given["checkpoint"] = self.kept_state()
        return given | self.layers(style_layers=self.style_layers)

    def kept_state(self) -> Any:
        """Return where the run's state is kept, until its picture is written; for `checkpoint`."""
        from stylekit.transfer.checkpoint import Checkpoint

        return Checkpoint(self.checkpoint, self.checkpoint_every, keep=True)

    def network(self, name: ExtractorName) -> Any:
        """Return the network of a name."""
        return network(name, self.weights_file, self.pooling.value)

    @staticmethod
    def layers(**named: str | None) -> dict[str, Any]:
        """Return the lists of layers that were given."""
        return {key: parsed_layers(value) for key, value in named.items() if value}

    def complete(self, run: Callable[[], Any], like: Path | None) -> None:
        """Run, and write the result, or what a broken run has come to.

        `like` is the picture whose alpha channel and EXIF data the result carries over.
        """
        import stylekit as sk

        if self.progress:
            size = f"{self.size} pixels" if self.size else "its own size"
            typer.echo(f"{size}, {self.steps} steps on {sk.transfer.device()}", err=True)
        problem = ""
        try:
            result = run()
        except sk.transfer.TransferError as error:
            result, problem = error.result, str(error)
        saved = self._save(result, like if self.metadata else None)
        for name, share in result.manifest.get("unmatched", {}).items():
            if share > 0.005:
                typer.echo(
                    f"{share:.1%} of the {name}'s map had no region's colour and went to the "
                    "region beside it",
                    err=True,
                )
        if problem:
            raise InputError(f"{problem} The image so far is in {saved}.")
        stop = "" if result.stopped_by == "steps" else f" ({result.stopped_by})"
        if self.checkpoint and stop:
            stop += f"; the same command goes on from {self.checkpoint}"
        elif self.checkpoint:
            self.kept_state().remove()
        typer.echo(f"{saved}: {result.steps} steps in {result.seconds:.0f} s{stop}")

    def _save(self, result: Any, like: Path | None) -> Path:
        """Write a result where it was asked for, or else in the temporary folder, and say so."""
        try:
            return result.save(self.out, like=like, bits=self.bits)
        except FileError as error:
            spare = Path(tempfile.mkdtemp(prefix="stylekit-")) / self.out.name
            saved = result.save(spare, bits=self.bits)
            raise FileError(f"{error} The picture was written to {saved} instead.") from error


@dataclasses.dataclass(kw_only=True)
class PaintOptions(RunOptions):
    """Options of the commands that paint over a content picture."""

    strength: Annotated[float, typer.Option(help="0 is the content, 1 is style alone.")] = STRENGTH
    keep_colors: Annotated[
        KeepColors | None,
        typer.Option(
            help="Keep CONTENT's colours: luminance recolours the result at the end (not "
            "the pictures on the way), match and histogram recolour the styles before."
        ),
    ] = None
    content_layers: Annotated[str | None, typer.Option(help="Such as conv4_2.")] = None
    pyramid: Annotated[
        int | None,
        typer.Option(
            help="Coarse-to-fine levels, each half the next. Default: until 768 pixels suffice."
        ),
    ] = None
    finish: Annotated[
        str | None,
        typer.Option(help="A network and its steps, such as vgg19:50, which are the last ones."),
    ] = None

    def check(self) -> None:
        """Refuse what can be refused before a picture is read."""
        number(self.strength, "--strength", low=0, high=1)
        if self.finish:
            parsed_finish(self.finish, self.steps)
        if self.pyramid is not None:
            integer(self.pyramid, "--pyramid", low=1)
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
            "pyramid": self.pyramid,
            "keep_colors": self.keep_colors and self.keep_colors.value,
        }
        if self.finish:
            name, steps = parsed_finish(self.finish, self.steps)
            given["finish"] = self.network(name), steps
        return given | self.layers(content_layers=self.content_layers)


class _Resumption:
    """A callback that says from where a run goes on."""

    def __call__(self, step: Any) -> None:
        """Do nothing: a step that is taken now is no news."""

    def resume(self, steps: list[Any]) -> None:
        """Say which steps need not be taken again."""
        typer.echo(f"Goes on after step {steps[-1].index} of {steps[-1].steps}", err=True)


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
            command(**given, run=run)

    spread.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    spread.__annotations__ = {p.name: p.annotation for p in parameters}
    del spread.__wrapped__  # or the command's own signature would be read
    return spread
