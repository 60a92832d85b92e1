"""Completion in the shell: of commands, options, and of what an option may be."""

import pytest
from typer.testing import CliRunner

from stylekit import cli


def completed(line):
    """What a shell is offered for the last word of a line."""
    words = line.split(" ")
    environment = {
        "_STYLEKIT_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    done = CliRunner().invoke(cli.app, [], prog_name="stylekit", env=environment)
    assert done.exit_code == 0, done.output
    return done.output.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("stylekit trans", ["transfer"]),
        ("stylekit transfer --keep-c", ["--keep-colors"]),
        ("stylekit transfer --extractor ", ["auto", "vgg19", "compact"]),
        ("stylekit transfer --init n", ["noise"]),
        ("stylekit transfer --preset gatys", ["gatys2016", "gatys2017"]),
        ("stylekit texture --preset ", ["heitz2021"]),
        ("stylekit transfer --plan t", ["tiles", "tiles:512"]),
        ("stylekit transfer --finish v", ["vgg19:50"]),
        ("stylekit transfer --bits 1", ["16"]),
        ("stylekit transfer --content-layers conv5_", [f"conv5_{k}" for k in range(1, 5)]),
        ("stylekit transfer --style-layers conv1_1,conv1", ["conv1_1,conv1_2"]),
        ("stylekit doodle --patch-layers conv2_2", ["conv2_2"]),
        ("stylekit localized --class p", ["person", "pottedplant"]),
        ("stylekit localized --keep b", ["background"]),
    ],
)
def test_what_is_offered(line, offered):
    assert completed(line) == offered


def test_files_are_left_to_the_shell():
    assert completed("stylekit transfer pho") == []


def test_the_layers_are_those_of_the_networks():
    import stylekit as sk
    from stylekit.cli._values import LAYERS, layer_names

    names = [sk.VGG19(None).resolve(name) for name in LAYERS]
    assert names == [name for name in sk.VGG19.layer_names if "pool" not in name]
    everything = ",".join((*LAYERS, *sk.VGG19.layer_names, *sk.CompactVGG().layer_names))
    assert layer_names(everything, "--x") == tuple(everything.split(","))


def test_a_script_can_be_had_for_a_shell():
    environment = {"_STYLEKIT_COMPLETE": "source_bash"}
    done = CliRunner().invoke(cli.app, [], prog_name="stylekit", env=environment)
    assert "complete -o default -F" in done.output
