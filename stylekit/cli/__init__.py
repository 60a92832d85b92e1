"""The command line. Options and files are checked before TensorFlow loads.

An error prints one message to standard error and exits with status 2.
"""

from collections.abc import Callable

from stylekit.cli._app import app, main
from stylekit.cli._help import Chapter, examples
from stylekit.cli.commands.batch import batch
from stylekit.cli.commands.convert import convert_weights
from stylekit.cli.commands.demo import demo
from stylekit.cli.commands.evaluate import evaluate
from stylekit.cli.commands.feedforward import apply, train_style
from stylekit.cli.commands.info import info
from stylekit.cli.commands.maps import doodle, patches, photoreal, regions
from stylekit.cli.commands.page import page
from stylekit.cli.commands.segment import portrait, segment
from stylekit.cli.commands.sweep import sweep
from stylekit.cli.commands.techniques import gradient_mask, localized
from stylekit.cli.commands.texture import texture
from stylekit.cli.commands.transfer import transfer
from stylekit.cli.commands.video import video


def _add(
    chapter: Chapter, command: Callable[..., None], *lines: str, name: str | None = None
) -> None:
    """Register a command with the examples of its help; ``stylekit -h`` lists in this order."""
    app.command(name, rich_help_panel=chapter, epilog=examples(*lines))(command)


_add(
    Chapter.first,
    transfer,
    "transfer photo.jpg starry.jpg",
    "transfer photo.jpg starry.jpg -o out.png --strength 0.7 --size 1024",
    "transfer photo.jpg starry.jpg --keep-colors match",
    "transfer photo.jpg starry.jpg wave.jpg --mask sky.png --mask me.png",
)
_add(Chapter.first, demo, "demo", "demo -o pictures --size 480")
_add(
    Chapter.paint,
    localized,
    "localized photo.jpg starry.jpg --box 40,10,300,400",
    "localized photo.jpg starry.jpg -o out.png --class person",
    "localized me.jpg wave.jpg -o out.png --mask me.png --keep background",
)
_add(
    Chapter.paint,
    regions,
    "regions photo.jpg photo_map.png starry.jpg starry_map.png -o out.png",
)
_add(
    Chapter.paint,
    gradient_mask,
    "gradient-mask photo.jpg starry.jpg wave.jpg -o out.png --angle 0",
    "gradient-mask photo.jpg starry.jpg wave.jpg -o out.png --mask sky.png",
)
_add(
    Chapter.paint,
    patches,
    "patches photo.jpg starry.jpg -o out.png",
    "patches photo.jpg starry.jpg -o out.png --patch 96",
)
_add(Chapter.make, texture, "texture gravel.jpg -o more.png --size 1024 --aspect 1.5")
_add(Chapter.make, doodle, "doodle doodle.png starry.jpg starry_map.png -o out.png")
_add(
    Chapter.make,
    photoreal,
    "photoreal photo.jpg dusk.jpg -o out.png",
    "photoreal photo.jpg dusk.jpg -o out.png --restore",
)
_add(
    Chapter.many,
    batch,
    "batch photos starry.jpg wave.jpg -o painted",
    "batch 'photos/*.jpg' starry.jpg -o painted --name '{index:03d}.jpg'",
    "batch jobs.csv -o painted",
)
_add(
    Chapter.many,
    video,
    "video in.mp4 starry.jpg -o out.mp4",
    "video in.mp4 starry.jpg -o out.mp4 --size 640 --earlier 1,4",
)
_add(
    Chapter.many,
    sweep,
    "sweep photo.jpg starry.jpg -o tuning --strength 0.3,0.5,0.7",
    "sweep photo.jpg starry.jpg wave.jpg --variation 0.5,4 --size 160",
)
_add(
    Chapter.fast,
    train_style,
    "train-style starry.jpg photos -o starry.keras",
    "train-style starry.jpg photos -o starry.keras --preview photo.jpg",
)
_add(
    Chapter.fast,
    apply,
    "apply starry.keras photo.jpg",
    "apply starry.keras photos -o painted --size 1024",
)
_add(
    Chapter.masks,
    segment,
    "segment photo.jpg",
    "segment photo.jpg --class person -o person.png",
    "segment photo.jpg --box 40,10,300,400 -o subject.png",
)
_add(Chapter.masks, portrait, "portrait photo.jpg -o out.jpg --box 40,10,300,400")
_add(
    Chapter.other,
    evaluate,
    "evaluate out.png --content photo.jpg --style starry.jpg",
    "evaluate out.png --content photo.jpg --style starry.jpg --csv out.csv",
)
_add(Chapter.other, page, "app", "app --port 8000 --model deeplab.tflite", name="app")
_add(Chapter.other, info, "info")
_add(
    Chapter.other,
    convert_weights,
    "convert-weights vgg19-dcbb9e9d.pth -o vgg19.npz",
    "convert-weights imagenet-vgg-verydeep-19.mat -o vgg19.npz",
)

__all__ = ["app", "main"]
