"""What a wrong line is told: one plain sentence that says what to do, and status 2."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import stylekit
from stylekit import cli
from stylekit.cli._words import WORDS, spoken

OUT = ("-o", "out.png")
TRANSFER = ("transfer", "photo.jpg", "starry.jpg", *OUT)
LOCALIZED = ("localized", "photo.jpg", "starry.jpg", *OUT)
MAPS = ("photo_map.png", "starry.jpg", "starry_map.png")


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
    return pictures


@pytest.fixture
def no_network(monkeypatch):
    """Fail where a command would load TensorFlow, which takes seconds."""
    for module in ("_options", "_subject", "commands.demo"):
        monkeypatch.setattr(
            sys.modules[f"stylekit.cli.{module}"],
            "load_tensorflow",
            lambda: pytest.fail("TensorFlow is loaded"),
        )


WRONG = [
    # Files to read
    (("transfer", "foto.jpg", "starry.jpg", *OUT), "Did you mean photo.jpg?"),
    (("transfer", "photo.jpeg", "starry.jpg", *OUT), "Did you mean photo.jpg"),
    (("transfer", "qqq.jpg", "starry.jpg", *OUT), "Check the name."),
    (("transfer", "no/photo.jpg", "starry.jpg", *OUT), "does not exist either. Check the path."),
    (("transfer", "letter.pdf", "starry.jpg", *OUT), "letter.pdf is no picture that can be read"),
    (("transfer", "photo.jpg", "disguised.jpg", *OUT), "disguised.jpg is no picture that can be"),
    (("transfer", "folder", "starry.jpg", *OUT), "folder is a folder: expected a picture file"),
    (("transfer", "photo.jpg", "empty.png", *OUT), "empty.png is empty"),
    (("transfer", "dot.png", "starry.jpg", *OUT), "at least 2 pixels a side"),
    ((*TRANSFER, "--init", "nois"), "Did you mean noise?"),
    ((*TRANSFER, "--mask", "regoin.png"), "Did you mean region.png?"),
    ((*TRANSFER, "--mask", "black.png"), "mask is empty"),
    ((*TRANSFER, "--mask", "lying.png"), "has another aspect ratio than its picture"),
    ((*LOCALIZED, "--mask", "lying.png"), "expected 320x512 pixels, received 512x320 pixels. Draw"),
    (("regions", "photo.jpg", "starry_map.png", "starry.jpg", *MAPS[:1], *OUT), "is which"),
    # Files to write
    (("transfer", "photo.jpg", "starry.jpg", "-o", "no/out.png"), "Make the folder first"),
    (("transfer", "photo.jpg", "starry.jpg", "-o", "folder"), "such as folder/out.png"),
    (("transfer", "photo.jpg", "starry.jpg", "-o", "out"), "Give it one, such as out.png."),
    (("transfer", "photo.jpg", "starry.jpg", "-o", "out.jgp"), "Did you mean .jpg"),
    (("transfer", "photo.jpg", "starry.jpg", "-o", "photo.jpg"), "the picture would be lost"),
    (("transfer", "photo.jpg", "starry.jpg", "-o", "./starry.jpg"), "the picture would be lost"),
    (("portrait", "photo.jpg", "-o", "photo.jpg", "--box", "1,2,30,40"), "would be lost"),
    ((*TRANSFER, "--bits", "16"), "expected a path such as out.tif"),
    ((*TRANSFER, "--losses-csv", "no/l.csv"), "Make the folder first"),
    ((*TRANSFER, "--losses-csv", "folder"), "folder is a folder"),
    ((*TRANSFER, "--checkpoint", "photo.jpg"), "--checkpoint names a file"),
    (("segment", "photo.jpg", "--box", "40,10,300,400"), "such as -o mask.png"),
    # Numbers and names
    (
        (*TRANSFER, "--size", "abc"),
        "--size is not a whole number: expected such as 1, received abc",
    ),
    ((*TRANSFER, "--size", "100000"), "expected a whole number from 0 to 16384, received 100000"),
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
    ((*TRANSFER, "--content-layers", "conv4_2,blok4_conv1"), "names no layer 'blok4_conv1'"),
    ((*TRANSFER, "--weights-file", "gone.h5"), "named by --weights-file, does not exist"),
    ((*TRANSFER, "--weights-file", "weights.txt"), "expected a file ending in .h5 or .npz"),
    ((*TRANSFER, "--plan", "tile"), "--plan cannot be read"),
    ((*TRANSFER, "--max-memory", "lots"), "4GB or 800MB"),
    ((*TRANSFER, "--finish", "vgg16:5"), "such as vgg19:50"),
    # Where the subject is
    (LOCALIZED, "The quickest is --box left,top,right,bottom"),
    ((*LOCALIZED, "--box", "1,2"), "--box cannot be read"),
    ((*LOCALIZED, "--box", "0,0,999,9"), "box leaves the picture"),
    ((*LOCALIZED, "--class", "persn", "--model", "x.tflite"), "Did you mean person"),
    ((*LOCALIZED, "--class", "tree", "--names", "tre,sky"), "expected one of 'tre', 'sky'"),
    ((*LOCALIZED, "--class", "person", "--model", "gone.tflite"), "gone.tflite does not exist"),
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
    ("line", "words"),
    [
        (("transfr",), "Did you mean 'transfer'?"),
        ((*TRANSFER, "--strenght", "1"), "--strength"),
        ((*TRANSFER, "--extractor", "vgg"), "Invalid value for '--extractor': 'vgg' is not one of"),
        (("transfer", "photo.jpg", *OUT), "Missing argument 'STYLE'"),
        (("transfer", "photo.jpg", "starry.jpg"), "Missing option '--out' / '-o'"),
    ],
)
def test_a_line_that_cannot_be_read_is_shown_the_usage(line, words, run):
    done = run(*line)
    assert done.exit_code == 2
    assert "Usage: " in done.output
    assert "--help' for help" in done.output
    assert words in done.output


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


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("take --x, or use precision='float32'.", "take --x, or use --precision float32."),
        (
            "Name the colours with colors=, or raise it.",
            "Name the colours with --color, or raise it.",
        ),
        (
            "mask has another size: expected shape (4, 6).",
            "mask has another size: expected 6x4 pixels.",
        ),
        ("Use masks.guided.", "Use --refine guided."),
        ("nothing of the kind.", "nothing of the kind."),
    ],
)
def test_messages_speak_of_options(said, told):
    assert spoken(said) == told


def test_what_is_said_in_other_words_is_said_by_the_library():
    """A message that changes leaves no word of the table behind."""
    texts = []
    for path in Path(stylekit.__file__).parent.rglob("*.py"):
        if "cli" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):  # a shape stands for every value
                parts = (getattr(part, "value", None) for part in node.values)
                texts.append("".join(p if isinstance(p, str) else "(1, 2)" for p in parts))
            elif isinstance(node, ast.Constant):
                texts.append(str(node.value))
    for pattern, _ in WORDS:
        assert any(re.search(pattern, text) for text in texts), pattern


def test_a_warning_for_people_is_one_plain_line(capsys):
    cli._app.tell(UserWarning("The pot is empty."), UserWarning, "file.py", 3)
    cli._app.tell(DeprecationWarning("old"), DeprecationWarning, "file.py", 3)
    assert capsys.readouterr().err == "stylekit: The pot is empty.\n"
