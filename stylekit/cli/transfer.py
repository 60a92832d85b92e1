"""The command line: files and options in, a picture out.

Options and files are checked before TensorFlow loads; bad input is one plain sentence and status 2.
"""

from __future__ import annotations

import enum
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from stylekit._checks import FileError, InputError, SetupError, StylekitError, integer, number
from stylekit._defaults import SIZE, STEPS, STRENGTH, VARIATION
from stylekit._version import __version__

app = typer.Typer(
    name="stylekit",
    help="Neural style transfer: paint a photograph in the style of a picture.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=True,
)


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


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn stylekit's errors into one sentence and status 2; defects keep their traceback."""
    try:
        yield
    except StylekitError as error:
        typer.echo(f"stylekit: {error}", err=True)
        raise typer.Exit(2) from None


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.")
    ] = False,
) -> None:
    """Print the version, if that is asked for."""
    if version:
        typer.echo(f"stylekit {__version__}")
        raise typer.Exit


@app.command(
    epilog="Example: stylekit transfer photo.jpg starry.jpg -o out.png --strength 0.6",
)
def transfer(
    content: Annotated[Path, typer.Argument(metavar="CONTENT", help="The photograph.")],
    styles: Annotated[list[Path], typer.Argument(metavar="STYLE", help="One or more.")],
    out: Annotated[Path, typer.Option("--out", "-o", help=".png, .jpg, .webp or .tif.")],
    size: Annotated[
        int, typer.Option(help="Longer side in pixels; 0 is the content's own.")
    ] = SIZE,
    steps: Annotated[int, typer.Option(help="Evaluations of the gradient.")] = STEPS,
    strength: Annotated[float, typer.Option(help="0 is the content, 1 is style alone.")] = STRENGTH,
    style_weight: Annotated[
        list[float] | None, typer.Option(help="One a style, in their order.")
    ] = None,
    style_scale: Annotated[float, typer.Option(help="Above 1 the strokes grow.")] = 1.0,
    mask: Annotated[
        list[Path] | None,
        typer.Option(help="Where the style goes, white is here: one, or one a style."),
    ] = None,
    style_mask: Annotated[
        list[Path] | None, typer.Option(help="Where the style is taken: one, or one a style.")
    ] = None,
    style_layers: Annotated[
        str | None, typer.Option(help="Such as conv1_1,conv2_1,conv3_1,conv4_1.")
    ] = None,
    content_layers: Annotated[str | None, typer.Option(help="Such as conv4_2.")] = None,
    variation: Annotated[
        float, typer.Option(help="Weight of the total variation; 0 keeps every grain.")
    ] = VARIATION,
    init: Annotated[
        str, typer.Option(help="content, noise, style, mix, or a picture to start from.")
    ] = "content",
    pyramid: Annotated[int, typer.Option(help="Coarse-to-fine levels, each half the next.")] = 1,
    optimizer: Annotated[OptimizerName, typer.Option()] = OptimizerName.lbfgs,
    learning_rate: Annotated[float, typer.Option(help="Of adam.")] = 0.02,
    weights_file: Annotated[
        Path | None,
        typer.Option(help="VGG19's .h5 or .npz; default: STYLEKIT_WEIGHTS, or a download."),
    ] = None,
    pooling: Annotated[Pooling, typer.Option()] = Pooling.max,
    precision: Annotated[Precision, typer.Option()] = Precision.float32,
    seed: Annotated[int, typer.Option(help="Of all that is random.")] = 0,
    losses_csv: Annotated[Path | None, typer.Option(help="Write the losses there.")] = None,
    save_every: Annotated[int, typer.Option(help="Steps between pictures OUT-00050.png.")] = 0,
    bits: Annotated[int, typer.Option(help="8, or 16 for TIFF.")] = 8,
    metadata: Annotated[
        bool,
        typer.Option(help="Carry the content's alpha channel and EXIF data (position too) over."),
    ] = True,
    progress: Annotated[bool, typer.Option(help="Show a progress bar.")] = True,
) -> None:
    """Paint CONTENT in the style of STYLE, and write it to OUT.

    With several styles each has its share of the picture's style, or with masks a part of it.
    """
    with plain_errors():
        number(strength, "--strength", low=0, high=1)
        integer(steps, "--steps", low=0)
        integer(size, "--size", low=0)
        integer(pyramid, "--pyramid", low=1)
        integer(save_every, "--save-every", low=0)
        integer(seed, "--seed", low=0)
        number(style_scale, "--style-scale", low=0, open_low=True)
        number(learning_rate, "--learning-rate", low=0, open_low=True)
        number(variation, "--variation", low=0)
        # From here pictures are read, which needs no TensorFlow.
        from stylekit.image import as_image, check_writable
        from stylekit.masks import as_mask

        check_writable(out, bits=bits)
        photo = as_image(content, "content", size or None)
        style_size = max(1, round(max(photo.shape[:2]) * style_scale))
        paintings = [as_image(style, "style", style_size) for style in styles]
        masks = [as_mask(path) for path in mask or ()]
        style_masks = [as_mask(path, name="style mask") for path in style_mask or ()]
        start: Any = None
        if init not in ("content", "noise", "style", "mix"):
            if not Path(init).is_file():
                raise InputError(
                    f"--init is neither content, noise, style or mix, nor a file: received {init}."
                )
            start = as_image(init, "start", max(photo.shape[:2]))

        load_tensorflow()
        import keras

        import stylekit as sk

        if init == "noise":
            start = sk.Noise()
        elif init == "style":
            start = sk.StyleStatistics(paintings[0])
        elif init == "mix":
            start = sk.Mix(photo)
        callbacks: list[Any] = [sk.ProgressBar()] if progress else []
        if losses_csv:
            callbacks.append(sk.CSVLogger(losses_csv))
        if save_every:
            callbacks.append(sk.SaveEvery(out, save_every))
        layers = {"style_layers": style_layers, "content_layers": content_layers}
        options = {key: tuple(value.split(",")) for key, value in layers.items() if value}
        extractor = sk.VGG19(weights_file or "imagenet", pooling=pooling.value)
        height, width = photo.shape[:2]
        if progress:
            typer.echo(
                f"{width}x{height} pixels, {steps} steps on {sk.transfer.device()}", err=True
            )
        problem = ""
        try:
            result = sk.stylize(
                photo,
                paintings,
                strength=strength,
                size=None,
                steps=steps,
                style_weights=style_weight or None,
                style_scale=style_scale,
                mask=(masks if len(masks) > 1 else masks[0]) if masks else None,
                style_mask=(style_masks if len(style_masks) > 1 else style_masks[0])
                if style_masks
                else None,
                variation=variation,
                initial=start,
                pyramid=pyramid if pyramid > 1 else None,
                extractor=extractor,
                optimizer=keras.optimizers.Adam(learning_rate)
                if optimizer is OptimizerName.adam
                else None,
                precision=precision.value,
                seed=seed,
                callbacks=callbacks,
                **options,
            )
        except sk.transfer.TransferError as error:
            result, problem = error.result, str(error)
        saved = save(result, out, like=content if metadata else None, bits=bits)
        if problem:
            raise InputError(f"{problem} The image so far is in {saved}.")
        stop = "" if result.stopped_by == "steps" else f" ({result.stopped_by})"
        typer.echo(f"{saved}: {result.steps} steps in {result.seconds:.0f} s{stop}")


@app.command()
def info() -> None:
    """Tell versions, the device, and which weights are present and where."""
    with plain_errors():
        load_tensorflow()
        from stylekit.features.vgg19 import IMAGENET
        from stylekit.features.weights import ENVIRONMENT_VARIABLE
        from stylekit.transfer.result import device, versions

        for package, version in versions().items():
            typer.echo(f"{package:14} {version}")
        typer.echo(f"{'device':14} {device()}")
        named = os.environ.get(ENVIRONMENT_VARIABLE)
        typer.echo(f"{'VGG19 weights':14} {weights_state(named, IMAGENET)}")


def weights_state(named: str | None, download: Any) -> str:
    """Return one line about where the weights are."""
    if named:
        present = "present" if Path(named).is_file() else "MISSING"
        return f"{named} (named by STYLEKIT_WEIGHTS, {present})"
    if download.cached.is_file():
        return f"{download.cached} ({download.cached.stat().st_size / 1e6:.0f} MB)"
    return f"not downloaded yet: the first use fetches {download.url} to {download.cached.parent}"


def save(result: Any, out: Path, *, like: Path | None, bits: int) -> Path:
    """Write a result where it was asked for, or else in the temporary folder, and say so."""
    try:
        return result.save(out, like=like, bits=bits)
    except FileError as error:
        spare = Path(tempfile.mkdtemp(prefix="stylekit-")) / out.name
        saved = result.save(spare, bits=bits)
        raise FileError(f"{error} The picture was written to {saved} instead.") from error


def load_tensorflow() -> None:
    """Import TensorFlow, and let it take GPU memory as it needs it."""
    with silent_start():
        try:
            import keras  # noqa: F401
            import tensorflow as tf
        except (ImportError, ValueError) as error:  # a backend that is not there
            raise SetupError(
                f"Keras cannot be loaded: {error}. Style transfer needs its TensorFlow backend: "
                "unset KERAS_BACKEND, or set it to tensorflow."
            ) from error

        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)


@contextmanager
def silent_start() -> Iterator[None]:
    """Hold back what native code writes to the terminal; show it if the block fails.

    TensorFlow greets every process with lines about CUDA and oneDNN, which no setting of its own
    turns off, for they are written before its logging begins.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with tempfile.TemporaryFile() as held:
        terminal = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(terminal, held.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def main() -> None:
    """Run the command line."""
    # Paths in messages may hold what the terminal's encoding does not.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()


if __name__ == "__main__":
    main()
