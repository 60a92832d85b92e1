import json
import re

import numpy as np
import pytest
from PIL import Image

import stylekit as sk
from stylekit.recipes import presets

SMALL = ("-o", "out.png", "--steps", "2", "--no-progress", "--extractor", "compact")
LAYERS = ("--style-layers", "conv1_1", "--content-layers", "conv2_1")


@pytest.fixture
def preset(pictures, run):
    """Run ``stylekit transfer --preset NAME`` and return what it said and its status."""

    def invoke(name, *arguments, styles=("starry.jpg",)):
        line = ("transfer", "photo.jpg", *styles, "--preset", name, *SMALL, *LAYERS, *arguments)
        done = run(*line)
        return done.output, done.exit_code

    return invoke


def manifest():
    return json.loads(Image.open("out.png").text["stylekit"])


def test_a_preset_has_settings_of_its_own(preset):
    output, status = preset("neural_style_pt", "--size", "32", "--style-scale", "0.5")
    assert status == 0, output
    made = manifest()
    assert list(made["terms"]) == ["content", "gram_style", "total_variation"]
    assert made["terms"]["gram_style"]["normalize"] == "neural-style"
    assert made["start"].startswith("Noise(")
    assert made["optimizer"].startswith("LBFGS(history=10")
    assert made["size"] == [32, 20]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "start", "optimizer"),
    [
        (("--init", "noise"), "Noise(0.1)", "LBFGS"),
        (("--optimizer", "adam", "--learning-rate", "0.5"), "Noise(", "Adam(learning_rate=0.5)"),
    ],
)
def test_options_of_the_run_change_a_preset(preset, options, start, optimizer):
    output, status = preset("neural_style_pt", "--size", "32", *options)
    assert status == 0, output
    assert manifest()["start"].startswith(start)
    assert manifest()["optimizer"].startswith(optimizer)


@pytest.mark.slow
@pytest.mark.parametrize(("options", "pooling"), [((), "average"), (("--pooling", "max"), "max")])
def test_the_network_pools_as_the_preset_does_unless_it_is_told(preset, options, pooling):
    arrays = {}
    for layer in sk.VGG19(weights=None).model(["block2_conv1"]).layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            arrays |= {f"{layer.name}/kernel": kernel, f"{layer.name}/bias": bias}
    np.savez("vgg19.npz", **arrays)
    network = ("--extractor", "vgg19", "--weights-file", "vgg19.npz", "--optimizer", "adam")
    output, status = preset("gatys2016", "--size", "32", "--steps", "1", *network, *options)
    assert status == 0, output
    assert manifest()["extractor"] == f"VGG19(weights='vgg19.npz', pooling='{pooling}')"
    output, status = preset("gatys2016", "--content-layers", "conv4_2", *network)
    assert status == 2
    assert (
        "VGG19, whose weights end at block2_conv1, has no layer 'conv4_2'. Set --content-layers "
        "to the nearest: block2_conv1 for conv4_2." in output
    )


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("neural_style_tp", (), r"Did you mean neural_style_pt\?"),
        (
            "neural_style_pt",
            ("--strength", "0.5"),
            "--preset neural_style_pt cannot be combined with --strength",
        ),
        ("neural_style_pt", ("--mask", "photo_map.png"), "cannot be combined with --mask"),
        ("neural_style_pt", ("--init", "mix"), "cannot be combined with --init mix"),
        ("neural_style_pt", ("--learning-rate", "1"), "expected --optimizer adam"),
    ],
)
def test_what_a_preset_cannot_do_is_one_sentence(preset, name, options, message):
    output, status = preset(name, *options)
    said = output.splitlines()[-1]
    assert status == 2
    assert said.startswith("stylekit: --")
    assert re.search(message, said), said


def test_an_unknown_name_lists_those_that_there_are(preset):
    output, _ = preset("vangogh")
    assert "gatys2016" in output
    assert "neural_style_pt" in output


def test_a_preset_takes_one_style(preset):
    output, status = preset("gatys2016", styles=("starry.jpg", "wave.jpg"))
    assert status == 2
    assert "--preset gatys2016 takes one style: expected one STYLE, received 2." in output


def test_a_preset_for_other_pictures_says_what_it_takes(pictures, run):
    line = ("regions", "photo.jpg", "photo_map.png", "starry.jpg", "starry_map.png")
    done = run(*line, "--preset", "gatys2016", *SMALL)
    assert done.exit_code == 2
    assert "--preset gatys2016 is for commands with content, style" in done.output


def test_every_preset_is_a_function_of_pictures():
    for name in presets.__all__:
        assert getattr(presets, name).__name__ == name
