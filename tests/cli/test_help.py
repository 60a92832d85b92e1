"""The help, as someone reads it who has never seen the program."""

import re
import shlex
import sys

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import stylekit as sk
from stylekit import cli
from stylekit.cli import _help, _options

FLAT = np.full((64, 64, 3), 0.5, np.float32)

PROGRAM = typer.main.get_command(cli.app)
COMMANDS = tuple(PROGRAM.commands)
PARAMETERS = [
    pytest.param(parameter, id=f"{name} {parameter.name}")
    for name, command in PROGRAM.commands.items()
    for parameter in command.params
]


def page(*command):
    """The help of a command in a terminal of 80 columns."""
    done = CliRunner().invoke(cli.app, [*command, "--help"], env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return done.output


def examples():
    """What each page says to type, as words."""
    for command in ((), *((name,) for name in COMMANDS)):
        _, _, shown = page(*command).partition("Example")
        for line in re.findall(r"^ +stylekit (.+)$", shown, re.MULTILINE):
            yield pytest.param(shlex.split(line), id=line)


EXAMPLES = list(examples())


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_a_page_fits_into_80_columns_and_nothing_is_cut_off(command):
    text = page(*command)
    assert max(map(len, text.splitlines())) <= 80
    assert "..." not in re.sub(r"\[[A-Z]+ \.\.\.\]|\[ARGS\]\.\.\.", "", text)
    assert "\N{HORIZONTAL ELLIPSIS}" not in text


def test_the_first_page_lists_the_commands_by_how_often_they_are_needed():
    text = page()
    assert re.findall(r"^  ([a-z][a-z-]+)  +[A-Z]", text, re.MULTILINE) == [
        *("transfer", "demo", "localized", "regions", "gradient-mask", "patches"),
        *("texture", "doodle", "photoreal", "batch", "video", "sweep", "train-style", "apply"),
        *("segment", "portrait", "evaluate", "app", "info", "convert-weights"),
    ]
    assert text.index("Start here:") < text.index("  transfer ") < text.index("Parts of a picture:")
    assert text.index("  convert-weights ") < text.index("Options:") < text.index("--version")


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_h_is_help(command):
    assert CliRunner().invoke(cli.app, [*command, "-h"], env={"COLUMNS": "80"}).output == page(
        *command
    )


def test_without_arguments_the_first_page_is_shown():
    assert "Start here:" in CliRunner().invoke(cli.app, []).output


@pytest.mark.parametrize("command", [(), ("transfer",), ("convert-weights",)])
def test_the_word_help_is_help(command):
    done = CliRunner().invoke(cli.app, ["help", *command], env={"COLUMNS": "80"})
    assert done.exit_code == 0
    assert done.output == page(*command)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_has_an_example(command):
    assert [line for line in EXAMPLES if line.values[0][0] == command]


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_is_read_as_it_is_written(line):
    if line[-1] == "-h":
        assert CliRunner().invoke(cli.app, line).exit_code == 0
        return
    command = PROGRAM.commands[line[0]]
    command.make_context(line[0], line[1:])  # raises what is wrong with it


@pytest.mark.parametrize(
    "line",
    [line for line in EXAMPLES if line.values[0][0] in ("portrait", "info")]
    + [line for line in EXAMPLES if line.values[0][0] == "segment" and "--box" in line.values[0]],
)
def test_a_quick_example_runs(line, pictures, run):
    done = run(*line)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("line", [line for line in EXAMPLES if "-o" in line.values[0]])
def test_the_pictures_of_an_example_pass_what_is_checked_before_a_network_loads(
    line, pictures, run, monkeypatch
):
    def load():
        raise RuntimeError("TensorFlow would load")

    for module in (
        "_options",
        "_subject",
        "commands.convert",
        "commands.demo",
        "commands.feedforward",
        "commands.sweep",
    ):
        monkeypatch.setattr(sys.modules[f"stylekit.cli.{module}"], "load_tensorflow", load)
    monkeypatch.setattr("stylekit.cli._subject.importlib.util.find_spec", lambda name: name)
    done = run(*line)
    if line[0] in ("portrait", "segment") and "--box" in line:
        assert done.exit_code == 0, done.output
    else:
        assert isinstance(done.exception, RuntimeError), done.output


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_every_option_says_what_it_is_in_a_sentence(parameter):
    assert re.match(r"[A-Z\d.]|plain;|update ", parameter.help), parameter.help
    assert parameter.help.endswith(".")
    if parameter.param_type_name == "option":
        kind = parameter.get_help_record(typer.Context(PROGRAM))[0]
        assert not re.search(r"list\[|<(int|float|str|path)>", kind)


def test_the_options_of_a_painting_command_come_in_groups_in_one_order():
    groups = re.findall(r"^([A-Z].*):$", page("localized"), re.MULTILINE)
    assert groups == [
        "Arguments",
        "Main options",
        "Masks and regions",
        "Appearance",
        "Output files",
        "Network",
        "Optimization",
        "Memory and processes",
        "Help",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_first_option_is_the_most_needed_and_the_last_is_help(command):
    text = page(command)
    options = re.findall(r"^  (?:-\w, )?(--[a-z-]+)", text, re.MULTILINE)
    assert options[-1] == "--help"
    if command in ("transfer", "regions", "patches", "photoreal", "gradient-mask", "localized"):
        assert options[:6] == [
            *("--out", "--strength", "--size", "--style-loss", "--keep-colors", "--steps")
        ]
    if command == "evaluate":  # what is required comes first
        assert options[:3] == ["--content", "--style", "--mask"]


def test_limits_and_defaults_are_shown():
    text = " ".join(page("transfer").split())
    assert "1 is style only. From 0 to 1. [default: 0.5]" in text
    assert "[default: 512]" in text
    assert "At least 0. [default: 50; 300 with --style-loss gram]" in text
    assert "[default: neighbors]" in text
    assert "Above 0 and up to 10. [default: 1.0]" in text


def test_what_the_help_says_of_the_largest_size_is_so(pictures, run):
    largest = _options.declared.LARGEST
    assert f"Otherwise from {_options.declared.SMALLEST} to {largest}." in " ".join(
        page("transfer").split()
    )
    done = run("transfer", "photo.jpg", "starry.jpg", "-o", "out.png", "--size", largest + 1)
    assert done.exit_code == 2
    assert f"expected 0, or from 8 to {largest}, received {largest + 1}" in done.output


@pytest.mark.parametrize(
    ("command", "line", "written"),
    [
        ("transfer", ("photo.jpg", "starry.jpg"), "photo-starry.png"),
        ("texture", ("gravel.jpg",), "gravel-texture.png"),
        ("portrait", ("photo.jpg", "--box", "40,10,300,400"), "photo-portrait.png"),
    ],
)
def test_the_default_name_in_the_help_is_so(command, line, written, pictures, run, monkeypatch):
    assert f"suchas{written}]" in "".join(page(command).split())  # wrapped, also at hyphens
    monkeypatch.setattr(_options.RunOptions, "complete", lambda run, *_, **__: print(run.out))
    assert written in run(command, *line).output


def test_the_help_of_texture_names_its_own_argument():
    text = page("texture")
    assert "similar place of SAMPLE" in " ".join(text.split())
    assert not re.search(r"CONTENT|STYLE\b", text)


def test_the_help_of_evaluate_has_a_line_for_each_metric():
    numbers = sk.metrics.evaluate(FLAT, content=FLAT, style=FLAT, extractor=sk.CompactVGG())
    text = page("evaluate")
    for name in (*numbers, "seam", "leakage"):
        assert re.search(f"^  {name}  +[a-z]", text, re.MULTILINE), name


@pytest.mark.parametrize(
    ("typed", "found", "called"),
    [
        ("/usr/bin/stylekit", "/usr/bin/stylekit", "stylekit"),
        (".venv/bin/stylekit", None, ".venv/bin/stylekit"),
        ("my env/bin/stylekit", "/usr/bin/stylekit", "'my env/bin/stylekit'"),
        ("/lib/stylekit/__main__.py", None, "python3 -m stylekit"),
        ("pytest", None, "stylekit"),
    ],
)
def test_a_command_to_type_is_called_as_this_one_was(typed, found, called, monkeypatch):
    monkeypatch.setattr(sys, "argv", [typed])
    monkeypatch.setattr(sys, "orig_argv", ["python3", "-m", "stylekit"])
    monkeypatch.setattr("shutil.which", lambda name: found)
    assert _help.called() == called


@pytest.mark.parametrize("command", ["localized", "portrait", "segment"])
def test_the_help_of_a_box_says_how_the_subject_is_found(command):
    assert "Finds the subject in the box by its colours." in " ".join(page(command).split())
