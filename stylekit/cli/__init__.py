"""The command line: files and options in, a picture out.

Options and files are checked before TensorFlow loads; bad input is one plain sentence and status 2.
"""

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

app.command(rich_help_panel=Chapter.first, epilog=examples("demo", "demo -o pictures --size 480"))(
    demo
)
app.command(rich_help_panel=Chapter.first, epilog=examples("info"))(info)
app.command(
    rich_help_panel=Chapter.paint,
    epilog=examples(
        "transfer photo.jpg starry.jpg -o out.png",
        "transfer photo.jpg starry.jpg -o out.png --keep-colors match",
        "transfer photo.jpg starry.jpg -o out.png --mask region.png",
        "transfer photo.jpg starry.jpg wave.jpg -o out.png --size 1024",
    ),
)(transfer)
app.command(
    rich_help_panel=Chapter.paint,
    epilog=examples(
        "batch photos starry.jpg wave.jpg -o painted",
        "batch 'photos/*.jpg' starry.jpg -o painted --name '{index:03d}.jpg'",
        "batch jobs.csv -o painted",
    ),
)(batch)
app.command(
    "train-style",
    rich_help_panel=Chapter.paint,
    epilog=examples(
        "train-style starry.jpg photos -o starry.keras",
        "train-style starry.jpg photos -o starry.keras --preview photo.jpg",
    ),
)(train_style)
app.command(
    rich_help_panel=Chapter.paint,
    epilog=examples(
        "apply starry.keras photo.jpg -o out.png",
        "apply starry.keras photos -o painted --size 1024",
    ),
)(apply)
app.command(
    rich_help_panel=Chapter.paint,
    epilog=examples(
        "video in.mp4 starry.jpg -o out.mp4",
        "video in.mp4 starry.jpg -o out.mp4 --size 640 --earlier 1,4",
    ),
)(video)
app.command(
    rich_help_panel=Chapter.paint,
    epilog=examples(
        "localized photo.jpg starry.jpg -o out.png --box 40,10,300,400",
        "localized photo.jpg starry.jpg -o out.png --class person",
        "localized me.jpg wave.jpg -o out.png --mask me.png --keep background",
    ),
)(localized)
app.command(
    "gradient-mask",
    rich_help_panel=Chapter.paint,
    epilog=examples(
        "gradient-mask photo.jpg starry.jpg wave.jpg -o out.png --angle 0",
        "gradient-mask photo.jpg starry.jpg wave.jpg -o out.png --mask sky.png",
    ),
)(gradient_mask)
app.command(
    rich_help_panel=Chapter.paint,
    epilog=examples("texture gravel.jpg -o more.png --size 1024 --aspect 1.5"),
)(texture)
app.command(
    rich_help_panel=Chapter.paint,
    epilog=examples("regions photo.jpg photo_map.png starry.jpg starry_map.png -o out.png"),
)(regions)
app.command(
    rich_help_panel=Chapter.paint,
    epilog=examples(
        "patches photo.jpg starry.jpg -o out.png",
        "patches photo.jpg starry.jpg -o out.png --patch 96",
    ),
)(patches)
app.command(
    rich_help_panel=Chapter.paint,
    epilog=examples(
        "photoreal photo.jpg dusk.jpg -o out.png",
        "photoreal photo.jpg dusk.jpg -o out.png --restore",
    ),
)(photoreal)
app.command(
    rich_help_panel=Chapter.paint,
    epilog=examples("doodle doodle.png starry.jpg starry_map.png -o out.png"),
)(doodle)
app.command(
    rich_help_panel=Chapter.masks,
    epilog=examples(
        "segment photo.jpg",
        "segment photo.jpg --class person -o person.png",
        "segment photo.jpg --box 40,10,300,400 -o subject.png",
    ),
)(segment)
app.command(
    rich_help_panel=Chapter.masks,
    epilog=examples("portrait photo.jpg -o out.jpg --box 40,10,300,400"),
)(portrait)

app.command(
    rich_help_panel=Chapter.look,
    epilog=examples(
        "sweep photo.jpg starry.jpg -o tuning --strength 0.3,0.5,0.7",
        "sweep photo.jpg starry.jpg wave.jpg --variation 0.5,4 --size 160",
    ),
)(sweep)
app.command(
    rich_help_panel=Chapter.look,
    epilog=examples(
        "evaluate out.png --content photo.jpg --style starry.jpg",
        "evaluate out.png --content photo.jpg --style starry.jpg --csv out.csv",
    ),
)(evaluate)
app.command(
    "app",
    rich_help_panel=Chapter.look,
    epilog=examples("app", "app --port 8000 --model deeplab.tflite"),
)(page)
app.command(
    "convert-weights",
    rich_help_panel=Chapter.other,
    epilog=examples(
        "convert-weights vgg19-dcbb9e9d.pth -o vgg19.npz",
        "convert-weights imagenet-vgg-verydeep-19.mat -o vgg19.npz",
    ),
)(convert_weights)

__all__ = ["app", "main"]
