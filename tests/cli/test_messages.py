"""What a wrong line is told: one plain sentence that says what to do, and status 2."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import keras
import numpy as np
import pytest
import tensorflow as tf
import typer
from keras import ops
from PIL import Image
from typer.main import get_command

import stylekit as sk
from stylekit import cli, masks
from stylekit.cli._help import NAMES, names_of
from stylekit.features.weights import ENVIRONMENT_VARIABLE, Download, locate
from stylekit.image import check_writable, read_image

OUT = ("-o", "out.png")
TRANSFER = ("transfer", "photo.jpg", "starry.jpg", *OUT)
LOCALIZED = ("localized", "photo.jpg", "starry.jpg", *OUT)
MAPS = ("photo_map.png", "starry.jpg", "starry_map.png")
MAP_ARGUMENTS = ("CONTENT_MAP", "STYLE_MAP")
MAP_OPTIONS = ("--content-map", "photo_map.png", "--style-map", "own.png")


@pytest.fixture
def folder(pictures):
    """The pictures, and files that are none."""
    Path("letter.pdf").write_bytes(b"%PDF-1.4 no picture")
    Path("disguised.jpg").write_bytes(b"%PDF-1.4 no picture")
    Path("empty.png").touch()
    Path("folder").mkdir()
    Image.new("RGB", (1, 1)).save("dot.png")
    Image.new("L", (320, 512)).save("black.png")
    Image.new("L", (512, 320), 255).save("lying.png")
    Path("weights.txt").touch()
    Path("camera.json").write_text("{}")
    return pictures


@pytest.fixture
def no_network(monkeypatch):
    """Fail where a command would load TensorFlow, which takes seconds."""
    for module in ("_options", "_subject", *(f"commands.{one}" for one in LOADING)):
        monkeypatch.setattr(
            sys.modules[f"stylekit.cli.{module}"],
            "load_tensorflow",
            lambda: pytest.fail("TensorFlow is loaded"),
        )


LOADING = ("convert", "demo", "evaluate", "page")
"""Commands that load TensorFlow by themselves."""

WRONG = [
    # Files to read
    (("transfer", "foto.jpg", "starry.jpg", *OUT), "CONTENT: foto.jpg does not exist"),
    (("transfer", "foto.jpg", "starry.jpg", *OUT), "Did you mean photo.jpg?"),
    (("transfer", "photo.jpeg", "starry.jpg", *OUT), "Did you mean photo.jpg"),
    (("transfer", "qqq.jpg", "starry.jpg", *OUT), "Check the name."),
    (("transfer", "no/photo.jpg", "starry.jpg", *OUT), "does not exist either. Check the path."),
    (
        ("transfer", "letter.pdf", "starry.jpg", *OUT),
        "letter.pdf is not a picture that can",
    ),
    (
        ("transfer", "photo.jpg", "disguised.jpg", *OUT),
        "STYLE: disguised.jpg is not a picture that can",
    ),
    (("transfer", "folder", "starry.jpg", *OUT), "folder is a folder: expected a picture file"),
    (("transfer", "photo.jpg", "empty.png", *OUT), "empty.png is empty"),
    (("transfer", "dot.png", "starry.jpg", *OUT), "at least 2 pixels a side"),
    ((*TRANSFER, "--init", "nois"), "Did you mean noise?"),
    ((*TRANSFER, "--mask", "regoin.png"), "--mask: regoin.png does not exist"),
    ((*TRANSFER, "--mask", "black.png"), "stylekit: --mask is empty"),
    ((*TRANSFER, "--style-mask", "gone.png"), "stylekit: --style-mask: gone.png does not exist"),
    ((*TRANSFER, "--init", "letter.pdf"), "stylekit: --init: letter.pdf is not a picture"),
    (("texture", "gone.jpg", *OUT), "stylekit: SAMPLE: gone.jpg does not exist"),
    ((*TRANSFER, "--mask", "lying.png"), "must have the aspect ratio of its picture"),
    ((*LOCALIZED, "--mask", "lying.png"), "expected 320x512 pixels, received 512x320 pixels. Draw"),
    (("regions", "photo.jpg", "starry_map.png", "starry.jpg", *MAPS[:1], *OUT), "are swapped"),
    (
        ("gradient-mask", "photo.jpg", "starry.jpg", "wave.jpg", "--mask", "lying.png"),
        "--mask: the mask must have the aspect ratio",
    ),
    (
        ("gradient-mask", "photo.jpg", "starry.jpg", "gone.jpg", "--angle", "0"),
        "STYLE: gone.jpg does not exist",
    ),
    ((*TRANSFER, "--style-mask", "me.png"), "--style-mask: the style mask must have the aspect"),
    (
        ("transfer", "photo.jpg", "starry.jpg", "result.png"),
        "STYLE: result.png does not exist: expected a picture file in",
    ),
    (
        ("transfer", "photo.jpg", "starry.jpg", "result.png"),
        "Check the name. To write the result there, give -o result.png.",
    ),
    (
        ("gradient-mask", "photo.jpg", "starry.jpg", "wave.jpg", "result.jpg", "--angle", "0"),
        "give -o result.jpg.",
    ),
    (("transfer", "photo.jpg", "starry.jpg", "no/out.png"), "not exist either. Check the path."),
    (("transfer", "photo.jpg", "starry.jpg", "result"), "Check the name.\n"),
    # Files to write
    (
        ("transfer", "photo.jpg", "starry.jpg", "-o", "no/out.png"),
        "--out: no/out.png cannot be written",
    ),
    (("transfer", "photo.jpg", "starry.jpg", "-o", "folder"), "such as folder/out.png"),
    (("transfer", "photo.jpg", "starry.jpg", "-o", "out"), "Give it one, such as out.png."),
    (("transfer", "photo.jpg", "starry.jpg", "-o", "out.jgp"), "Did you mean .jpg"),
    (
        ("transfer", "photo.jpg", "starry.jpg", "-o", "photo.jpg"),
        "would overwrite the input file photo.jpg",
    ),
    (("transfer", "photo.jpg", "starry.jpg", "-o", "./starry.jpg"), "would overwrite the input"),
    (("transfer", "photo.jpg", "starry.jpg", "-o", "camera.jpg"), "camera.json would be overwrit"),
    (
        ("portrait", "photo.jpg", "-o", "photo.jpg", "--box", "1,2,30,40"),
        "would overwrite the input",
    ),
    ((*TRANSFER, "--bits", "16"), "expected a path such as out.tif"),
    ((*TRANSFER, "--losses-csv", "no/l.csv"), "--losses-csv: no/l.csv cannot be written"),
    ((*TRANSFER, "--losses-csv", "folder"), "folder is a folder"),
    ((*TRANSFER, "--timelapse", "out.gfi"), "stylekit: --timelapse: out.gfi has an unknown suffix"),
    ((*TRANSFER, "--checkpoint", "photo.jpg"), "--checkpoint is a file"),
    (("segment", "photo.jpg", "--box", "40,10,300,400"), "such as -o mask.png"),
    # Numbers and names
    (
        (*TRANSFER, "--size", "abc"),
        "--size is not a whole number: expected a whole number such as 512, received abc",
    ),
    ((*TRANSFER, "--size", "100000"), "expected 0, or from 8 to 16384, received 100000"),
    ((*TRANSFER, "--size", "7"), "--size is out of range: expected 0, or from 8 to 16384, recei"),
    (("batch", ".", "starry.jpg", "--size", "7"), "--size is out of range"),
    (("sweep", "photo.jpg", "starry.jpg", "--size", "7"), "--size is out of range"),
    (("apply", "gone.keras", "photo.jpg", "--size", "7"), "--size is out of range"),
    ((*TRANSFER, "--size", "-1"), "--size is out of range"),
    ((*TRANSFER, "--strength", "1.5"), "expected a number from 0 to 1, received 1.5"),
    ((*TRANSFER, "--strength", "nan"), "--strength is out of range"),
    ((*TRANSFER, "--strength", "much"), "--strength is not a number"),
    ((*TRANSFER, "--style-scale", "0"), "expected a number above 0 and up to 10, received 0"),
    ((*TRANSFER, "--pyramid", "0"), "--pyramid is out of range"),
    ((*TRANSFER, "--learning-rate", "0"), "--learning-rate is out of range"),
    ((*TRANSFER, "--style-weight", "a"), "--style-weight is not a number"),
    ((*TRANSFER, "--style-weight", "1", "--style-weight", "2"), "expected 1, received 2"),
    ((*TRANSFER, "--mask", "me.png", "--mask", "me.png"), "the number of --mask differs"),
    ((*TRANSFER, "--style-layers", "conv3_9"), "Did you mean conv3_"),
    ((*TRANSFER, "--content-layers", "conv4_2,blok4_conv1"), "has an unknown layer blok4_conv1"),
    ((*TRANSFER, "--weights-file", "gone.h5"), "stylekit: the weights file gone.h5, named by"),
    ((*TRANSFER, "--weights-file", "weights.txt"), "stylekit: weights.txt, named by --weights-"),
    ((*TRANSFER, "--plan", "tile"), "--plan cannot be read"),
    ((*TRANSFER, "--max-memory", "lots"), "--max-memory: the memory limit cannot be"),
    ((*TRANSFER, "--finish", "vgg16:5"), "such as vgg19:50"),
    ((*TRANSFER, "--finish", "vgg19:51"), "of --finish is out of range: expected a whole number f"),
    # Where the subject is
    (LOCALIZED, "The quickest is --box left,top,right,bottom"),
    ((*LOCALIZED, "--box", "1,2"), "--box cannot be read"),
    ((*LOCALIZED, "--box", "0,0,999,9"), "stylekit: --box must be inside the picture"),
    ((*LOCALIZED, "--class", "persn", "--model", "x.tflite"), "Did you mean person"),
    ((*LOCALIZED, "--class", "tree", "--names", "tre,sky"), "expected one of 'tre', 'sky'"),
    (
        (*LOCALIZED, "--class", "person", "--model", "gone.tflite"),
        "--model: the model gone.tflite does not",
    ),
    ((*LOCALIZED, "--box", "40,10,300,400", "--blend", "seam"), "Leave --blend out."),
    ((*LOCALIZED, "--box", "40,10,300,400", "--feather", "-1"), "--feather is out of range"),
    (("portrait", "photo.jpg", *OUT, "--box", "1,2,3,4", "--radius", "-1"), "--radius is out of"),
    # The techniques
    (("patches", "photo.jpg", "starry.jpg", *OUT, "--style-map", "starry_map.png"), "both maps"),
    (("gradient-mask", "photo.jpg", "starry.jpg", *OUT, "--angle", "0"), "two or more"),
    (("gradient-mask", "photo.jpg", "starry.jpg", "wave.jpg", *OUT), "--angle 0"),
    (
        ("doodle", "doodle.png", "starry.jpg", "starry_map.png", *OUT, "--patch-layers", "c"),
        "layer",
    ),
    (("demo", "--size", "9"), "expected a whole number from 64 to 4096, received 9"),
    # Options that cannot be combined, and names
    ((*TRANSFER, "--preset", "gatys2061"), "--preset is unknown: expected one of crowsonkb, gat"),
    ((*TRANSFER, "--preset", "gatys2061"), "Did you mean gatys2017 or gatys2016?"),
    (
        ("texture", "gravel.jpg", "--preset", "gatys2016"),
        "--preset gatys2016 is for commands with content, style: e",
    ),
    ((*TRANSFER, "--preset", "gatys2016", "--init", "mix"), "cannot be combined with --init mix"),
    ((*TRANSFER, "--learning-rate", "1"), "--learning-rate is for adam: expected --optimizer adam"),
    ((*TRANSFER, "--extractor", "compact", "--pooling", "average"), "--pooling is for VGG19"),
    ((*TRANSFER, "--add-loss", "warm"), "--add-loss cannot be read: expected MODULE:NAME"),
    ((*TRANSFER, "--add-loss", "gone.py:Warm"), "--add-loss gone.py:Warm: gone.py does not exist"),
    ((*TRANSFER, "--style-loss", "gone:Warm"), "gone cannot be imported: received No module named"),
    ((*TRANSFER, "--style-loss", "gone.py:Warm"), "--style-loss gone.py:Warm: gone.py does not"),
    ((*LOCALIZED, "--class", "cat", "--segmenter", "seen"), "--segmenter cannot be read"),
    (
        ("photoreal", "photo.jpg", "dusk.jpg", "--content-map", "photo_map.png"),
        "--style-map is mis",
    ),
    (("app", "--weights-file", "gone.h5"), "the weights file gone.h5, named by --weights-file"),
    (("app", "--model", "gone.tflite"), "--model: the model gone.tflite does not exist"),
    (
        ("convert-weights", "vgg19-dcbb9e9d.pth", "-o", "out.h5"),
        "--out: out.h5 has an unknown suffix",
    ),
    (
        ("evaluate", "photo.jpg", "--content", "no.jpg", "--style", "starry.jpg"),
        "--content: no.jpg",
    ),
]


@pytest.mark.parametrize(
    ("line", "words"), WRONG, ids=lambda one: one if isinstance(one, str) else " ".join(one)
)
def test_one_sentence_and_status_2_before_tensorflow_is_loaded(
    line, words, folder, run, no_network
):
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    done = run(*line)
    assert done.exit_code == 2, done.output
    assert words in done.output
    assert re.fullmatch(r"stylekit: .+[.?]\n", done.output), done.output
    assert not re.search(r"\.\.|,\.|: \.|\w=", done.output.replace("folder/..", "")), done.output
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("transfr",), "unknown command transfr. Did you mean transfer or train-style?"),
        (("qqq",), "unknown command qqq. Run stylekit -h for the list of commands."),
        (("--versio",), "unknown option --versio. Did you mean --version?"),
        ((*TRANSFER, "--strenght", "1"), "unknown option --strenght. Did you mean --strength"),
        ((*TRANSFER, "-q"), "unknown option -q. Run stylekit transfer -h for help."),
        (
            (*TRANSFER, "--extractor", "vgg"),
            "--extractor is unknown: expected one of auto, vgg19, compact, received vgg. Did you "
            "mean vgg19?",
        ),
        (
            ("transfer", "photo.jpg", *OUT),
            "STYLE is missing: expected stylekit transfer CONTENT STYLE [STYLE ...]. Run stylekit "
            "transfer -h for help.",
        ),
        (
            ("evaluate", "out.png", "--content", "a.png"),
            "--style is missing: expected stylekit evaluate RESULT [RESULT ...] --content FILE "
            "--style FILE. Run",
        ),
        ((*TRANSFER, "--size"), "--size has no value: expected --size PIXELS."),
        (
            (*TRANSFER, "--keep-colors"),
            "--keep-colors has no value: expected --keep-colors luminance|palette|match|histogram.",
        ),
        (
            (*LOCALIZED, "--box", "40", "10", "300", "400"),
            "unexpected argument 10: expected stylekit localized CONTENT STYLE. Write --box "
            "40,10,300,400, without spaces.",
        ),
        (
            ("segment", "--box", "40,", "10,", "300,", "400", "photo.jpg"),
            "unexpected argument 300,: expected stylekit segment PHOTO. Write --box 40,10,300,400, "
            "without spaces.",
        ),
        (
            ("localized", "my", "photo.jpg", "starry.jpg", "--box", "40,10,300,400"),
            "unexpected argument starry.jpg: expected stylekit localized CONTENT STYLE. Put a name",
        ),
        (("help", "transfr"), "unknown command transfr. Did you mean transfer"),
        (
            ("texture", "my", "wall.jpg"),
            "unexpected argument wall.jpg: expected stylekit texture SAMPLE. Put a name that has "
            "spaces in quotes, or give -o wall.jpg to write the result there.",
        ),
        (
            ("texture", "my", "wall.jpg", *OUT),
            "unexpected argument wall.jpg: expected stylekit texture SAMPLE. Put a name that has "
            "spaces in quotes.",
        ),
        (
            ("demo", "wall.jpg"),
            "unexpected argument wall.jpg: expected stylekit demo. Put a name that has spaces in "
            "quotes.",
        ),
    ],
)
def test_a_usage_error_has_the_form_of_every_error(line, message, run):
    done = run(*line)
    assert done.exit_code == 2
    assert done.output.startswith(f"stylekit: {message}")
    assert re.fullmatch(r"stylekit: .+[.?]\n", done.output)


@pytest.mark.parametrize(
    ("line", "maps"),
    [
        (("regions", "photo.jpg", "photo_map.png", "starry.jpg", "own.png"), MAP_ARGUMENTS),
        (("doodle", "doodle.png", "starry.jpg", "own.png"), ("MAP", "STYLE_MAP")),
        (("photoreal", "photo.jpg", "starry.jpg", *MAP_OPTIONS), ("--content-map", "--style-map")),
        (("patches", "photo.jpg", "starry.jpg", *MAP_OPTIONS), ("--content-map", "--style-map")),
    ],
    ids=lambda one: one[0],
)
def test_maps_that_do_not_match_are_a_list(line, maps, folder, run, no_network):
    """A colour a line, with its share and what to do, before TensorFlow is loaded."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:, :32] = 255, 0, 0
    pixels[:, 60:] = 0, 0, 255
    Image.fromarray(pixels).save("own.png")
    done = run(*line)
    assert done.exit_code == 2, done.output
    content, style = maps
    assert done.output.splitlines() == [
        "stylekit: the maps have different regions: expected each colour in both maps, within a "
        "tolerance of 40.",
        f"  #0000ff is in {style} only (6.2% of the map; nearest: #000000, 255 away): recolour it, "
        "or leave it out with --keep",
        f"  #000000 is in both maps: 50.0% of {content}, 43.8% of {style}",
        f"  #ff0000 is in both maps: 50.0% of {content}, 50.0% of {style}",
        "Recolour a map, use --merge or --keep, or name the regions to paint with --color."
        + " These options belong to the command stylekit regions." * (line[0] == "patches"),
    ]


def test_without_kerashub_a_class_names_the_other_ways(folder, run, no_network, monkeypatch):
    monkeypatch.setattr("stylekit.cli._subject.importlib.util.find_spec", lambda name: None)
    for line in ((*LOCALIZED, "--class", "person"), ("segment", "photo.jpg")):
        done = run(*line)
        assert done.exit_code == 2
        for way in ("pip install keras-hub", "--model", "--box"):
            assert way in done.output


def test_an_error_for_a_missing_file_loads_neither_tensorflow_nor_scipy(folder):
    code = (
        "import sys\n"
        "from stylekit.cli import app\n"
        "try: app(['transfer', 'gone.jpg', 'starry.jpg', '-o', 'out.png'])\n"
        "except SystemExit as left: assert left.code == 2\n"
        "print(*{'tensorflow', 'keras', 'scipy', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    assert "gone.jpg does not exist" in done.stderr


@pytest.fixture
def told(capsys):
    """Return what a command says where a call of the library fails."""

    def told(command, call):
        parser = get_command(cli.app).commands[command]
        NAMES.set(names_of(parser.params))
        with pytest.raises(typer.Exit), cli._app.plain_errors():
            call()
        return capsys.readouterr().err

    return told


def refused(*_, **__):
    raise OSError("no route to host")


FLAT = np.full((40, 60, 3), 0.5, np.float32)
NOISE = np.random.default_rng(0).random((32, 32, 3), dtype=np.float32)
SMALL = np.ones((8, 8, 3), np.float32)


def bomb():
    with patch.object(Image, "MAX_IMAGE_PIXELS", 10):
        read_image("photo.jpg")


def unknown_network():
    with patch.dict(sys.modules, {"keras_hub": None}):
        masks.DeepLab()


def absent_preset():
    network = SimpleNamespace(ImageSegmenter=SimpleNamespace(from_preset=refused))
    with patch("stylekit.masks.segmenters.deeplab.hub", lambda: SimpleNamespace(models=network)):
        masks.DeepLab()


def nobody():
    seen = masks.Segmentation(np.zeros((40, 60), int), ("background", "person"))
    masks.find_subject(FLAT, "person", lambda picture: seen)


def nineteen_classes():
    inputs = keras.Input((8, 8, 3))
    masks.DeepLab(keras.Model(inputs, keras.layers.Conv2D(19, 1)(inputs)))(SMALL)


def no_download():
    with patch("keras.utils.get_file", refused), patch.dict(os.environ):
        os.environ.pop(ENVIRONMENT_VARIABLE, None)
        locate(Download("vgg.h5", "https://example.org/vgg.h5", "0"))


def small_region():
    color_map = np.zeros((32, 32, 3), np.uint8)
    color_map[0, 0] = 255
    maps = (NOISE, color_map, NOISE, color_map)
    recipe = sk.recipes.regions(*maps, colors=["white"], style_loss="gram", size=None)
    recipe.run(steps=1, extractor=sk.CompactVGG())


def no_memory():
    class Hungry(sk.Loss):
        def prepare(self, canvas):
            raise tf.errors.ResourceExhaustedError(None, None, "out of memory")

        def compute(self, image, features, targets):
            return 0.0

    sk.StyleTransfer([Hungry()], extractor=sk.CompactVGG(), plan=sk.Plan()).run(SMALL, 1)


def not_finite():
    class Broken(sk.Loss):
        def compute(self, image, features, targets):
            return ops.sum(image, (1, 2, 3)) * float("nan")

    sk.StyleTransfer([Broken()], extractor=sk.CompactVGG()).run(SMALL, 1)


@pytest.mark.parametrize(
    ("command", "call", "words"),
    [
        ("regions", small_region, "or omit the layer with --skip-small."),
        (
            "localized",
            lambda: sk.recipes.localized(FLAT, FLAT, np.ones((40, 60)), size=None),
            "the subject covers the whole picture, and nothing is left to paint. "
            "Set --keep to background",
        ),
        ("segment", nineteen_classes, "as --names."),
        ("segment", nobody, "stylekit: --class: no person is in the picture"),
        ("segment", unknown_network, "pass the path of a model as --model ("),
        (
            "segment",
            absent_preset,
            "pass its folder as --model, or pass a model file of your own (",
        ),
        ("segment", lambda: masks.subject(FLAT, (10, 10, 50, 30)), "Draw a tighter box."),
        ("segment", lambda: masks.subject(FLAT, (0, 0, 60, 40)), "Draw a smaller box."),
        ("transfer", no_memory, "Set --plan to recompute or tiles, use an --optimizer with"),
        ("transfer", not_finite, "or set --precision to float32."),
        ("transfer", no_download, "give its path as --weights-file, or in STYLEKIT_WEIGHTS; or"),
        ("transfer", no_download, "which is part of stylekit, as --extractor."),
        ("transfer", lambda: check_writable("a.png", bits=16), "or set --bits to 8."),
        ("transfer", bomb, "Make it smaller with another program"),
        (
            "transfer",
            lambda: sk.stylize(FLAT, [FLAT], style_weights=[0]),
            "stylekit: --style-weight must hold one weight for each style",
        ),
        (
            "transfer",
            lambda: sk.stylize(FLAT, [FLAT], style_weights=[-1]),
            "stylekit: --style-weight: a style weight is out of range",
        ),
        (
            "transfer",
            lambda: masks.as_mask(np.ones((4, 6)), (40, 60)),
            "expected 60x40 pixels, received 6x4 pixels. Draw it over the picture itself",
        ),
        ("localized", lambda: masks.as_mask(np.zeros((4, 6))), "zeros only, 6x4 pixels"),
        (
            "localized",
            lambda: masks.find_subject(FLAT, np.ones((9, 9))),
            "picture itself, or",
        ),
        ("localized", lambda: masks.matte(FLAT[:3, :3], np.eye(3)), "Use the guided filter."),
        ("regions", lambda: masks.match_regions(NOISE, NOISE), "name the colours with --color"),
        (
            "regions",
            lambda: masks.match_regions(FLAT, FLAT, ["red", "#ff0000"]),
            "stylekit: --color must have distinct colours",
        ),
        (
            "doodle",
            lambda: masks.match_regions(FLAT, FLAT, keep=["crimsonish"]),
            "stylekit: --keep[0] must be a colour",
        ),
    ],
)
def test_a_message_speaks_of_options(command, call, words, told, pictures):
    said = told(command, call)
    assert words.lower() in said.lower()
    assert not re.search(r"`|\w=|\w\(\w*\)|masks\.|PIL\.", said), said


def test_a_warning_speaks_of_options(capsys):
    NAMES.set({"size": "--size"})
    cli._app.tell(UserWarning("Use a smaller `size`, or `tolerance`."), UserWarning, "file.py", 3)
    assert capsys.readouterr().err == "stylekit: warning: Use a smaller --size, or `tolerance`.\n"


@pytest.mark.parametrize(
    ("message", "argument", "told"),
    [
        ("steps is out of range.", "steps", "--steps is out of range."),
        ("steps.txt is missing.", "steps", "--steps: steps.txt is missing."),
        ("--steps cannot be read.", "steps", "--steps cannot be read."),
        ("steps_left is out of range.", "steps", "--steps: steps_left is out of range."),
        ("the run is long: lower `steps`.", "steps", "the run is long: lower --steps."),
        ("steps is out of range.", None, "steps is out of range."),
        ("tolerance is out of range.", "tolerance", "tolerance is out of range."),
    ],
)
def test_the_argument_that_caused_an_error_is_shown_as_its_option(message, argument, told):
    NAMES.set({"steps": "--steps"})
    assert cli._app.in_options(message, argument) == told


def test_a_warning_for_people_is_one_plain_line(capsys):
    cli._app.tell(UserWarning("The pot is empty."), UserWarning, "file.py", 3)
    cli._app.tell(DeprecationWarning("old"), DeprecationWarning, "file.py", 3)
    assert capsys.readouterr().err == "stylekit: warning: The pot is empty.\n"
