"""Presets of the commands that take maps, or a subject."""

import json

import pytest
from PIL import Image

SMALL = ("-o", "out.png", "--size", "48", "--steps", "2", "--no-progress", "--extractor", "compact")
LAYERS = ("--style-layers", "conv1_1", "--content-layers", "conv2_1")
MAPS = ("regions", "photo.jpg", "photo_map.png", "starry.jpg", "starry_map.png")
SAMPLE = ("texture", "starry.jpg", "--preset", "heitz2021", *SMALL)
SUBJECT = ("localized", "photo.jpg", "starry.jpg", "--mask", "me.png")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "name", "terms"),
    [
        (MAPS, "region_scripts", ["content", "gradient_mask_style", "total_variation"]),
        (SUBJECT, "masked_semantic", ["content", "masked_gram_style", "total_variation"]),
    ],
)
def test_a_preset_in_places(line, name, terms, pictures, run):
    done = run(*line, "--preset", name, *SMALL, *LAYERS)
    assert done.exit_code == 0, done.output
    assert list(json.loads(Image.open("out.png").text["stylekit"])["terms"]) == terms


def test_what_a_preset_of_maps_cannot_do(pictures, run):
    done = run(*MAPS, "--preset", "luan2017", "--keep-colors", "palette", *SMALL, *LAYERS)
    assert done.exit_code == 2
    assert "--preset luan2017 cannot be combined with --keep-colors" in done.output


@pytest.mark.slow
def test_a_preset_of_a_sample(pictures, run):
    done = run(*SAMPLE, "--style-layers", "conv1_1")
    assert done.exit_code == 0, done.output
    made = json.loads(Image.open("out.png").text["stylekit"])
    assert list(made["terms"]) == ["sliced_wasserstein"]
    assert max(made["size"]) == 48


@pytest.mark.parametrize("option", ["--aspect", "--style-loss"])
def test_what_a_preset_of_a_sample_cannot_do(option, pictures, run):
    done = run(*SAMPLE, option, "2" if option == "--aspect" else "gram")
    assert done.exit_code == 2
    assert f"--preset heitz2021 cannot be combined with {option}" in done.output
