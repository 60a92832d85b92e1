import numpy as np
import pytest
from painted import painted
from skimage import data, transform

import stylekit as sk
from stylekit._checks import FileError, InputError, InputTypeError
from stylekit._defaults import GRAM_FACTOR
from stylekit.image import as_image
from stylekit.recipes._paint import CHROMA
from stylekit.recipes.patches import patches

LAYERS = {"style_layers": ("block1_conv1", "block2_conv1"), "content_layers": ("block2_conv1",)}
SHAPE, STYLE_SHAPE = (32, 40), (50, 40)


@pytest.fixture(scope="module")
def photo():
    return np.float32(transform.resize(data.astronaut(), SHAPE, anti_aliasing=True))


@pytest.fixture(scope="module")
def coffee():
    return np.float32(transform.resize(data.coffee(), STYLE_SHAPE, anti_aliasing=True))


@pytest.fixture(scope="module")
def maps():
    content_map, style_map = np.zeros((*SHAPE, 3), "uint8"), np.zeros((*STYLE_SHAPE, 3), "uint8")
    content_map[:, 20:] = style_map[25:] = 255, 0, 0
    return content_map, style_map


@pytest.fixture
def quick(vgg, optimizer, plan):
    """`patches` by Gram matrices of a random network, at the content's size."""

    def run(content, style, *maps, **options):
        defaults = {"size": None, "steps": 5, "variation": 0, "patch": 20, "extractor": vgg}
        defaults |= {"optimizer": optimizer, "plan": plan, "style_loss": "gram"}
        return painted(patches, content, style, *maps, **(defaults | LAYERS | options))

    return run


def test_composes_content_windows_and_variation(quick, photo, coffee, maps):
    result = quick(photo, coffee, *maps, strength=0.25, variation=2, steps=0)
    terms = result.manifest["terms"].values()
    assert [term["type"] for term in terms] == [
        "ContentLoss",
        "WindowGramStyleLoss",
        "TotalVariationLoss",
        "TotalVariationLoss",
    ]
    assert [term["weight"] for term in terms] == [0.75, 2 * GRAM_FACTOR, 0.5, 0.5 * CHROMA]


def test_lowers_the_total_and_keeps_the_size(quick, photo, coffee, maps):
    result = quick(photo, coffee, *maps)
    assert result.image.shape == photo.shape
    assert result.losses[-1]["total"] < 0.7 * result.losses[0]["total"]


def test_a_strength_of_zero_returns_the_start_exactly(quick, photo, coffee, maps, either):
    result = quick(photo, coffee, *maps, strength=0, **either)
    np.testing.assert_array_equal(result.image, photo)


@pytest.mark.slow
def test_the_same_seed_is_the_same_picture(quick, photo, coffee):
    plain = np.zeros((*SHAPE, 3)), np.zeros((*STYLE_SHAPE, 3))
    first, again, other = (
        quick(photo, coffee, *plain, seed=seed, position_weight=0, steps=2).image
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_maps_decide_what_goes_where(quick, photo, maps, either):
    # A style that is dark where its map is red, as the picture's is on the right, and else light.
    style = np.full((*STYLE_SHAPE, 3), 0.9)
    style[25:] = 0.1
    grey = np.full((*SHAPE, 3), 0.5)
    image = quick(grey, style, *maps, strength=1, steps=8, **either).image
    assert image[:, :10].mean() > image[:, -10:].mean() + 0.1


def test_without_maps_the_pictures_are_compared(quick, photo):
    # With itself as the style every window finds itself, and nothing is to be done.
    result = quick(photo, photo, steps=2)
    assert result.losses[0]["total"] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(result.image, photo, atol=0.02)


@pytest.mark.slow
def test_maps_follow_their_pictures_to_the_size(quick, photo, coffee, maps):
    result = quick(photo, coffee, *maps, size=48, style_scale=1.25, pyramid=2, steps=3, patch=24)
    assert result.image.shape == (38, 48, 3)
    assert [level["size"] for level in result.manifest["levels"]] == [[19, 24], [38, 48]]
    assert result.manifest["terms"]["window_gram_style"]["patch"] == 24


def test_options_reach_the_run(quick, photo, coffee, maps):
    seen = []
    result = quick(
        photo,
        coffee,
        *maps,
        initial=coffee[:32],
        optimizer=sk.LBFGS(history=4),
        precision="mixed_bfloat16",
        overlap=0.6,
        map_patch=5,
        position_weight=0.1,
        reuse_penalty=0.2,
        seed=5,
        callbacks=[seen.append],
    )
    assert len(seen) >= 5
    manifest = result.manifest
    assert manifest["optimizer"].startswith("LBFGS(history=4,")
    assert manifest["precision"] == "mixed_bfloat16"
    assert manifest["seed"] == 5
    term = manifest["terms"]["window_gram_style"]
    for name, value in (
        ("overlap", 0.6),
        ("map_patch", 5),
        ("position_weight", 0.1),
        ("reuse_penalty", 0.2),
        ("seed", 5),
    ):
        assert term[name] == value


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"strength": 2}, InputError, r"strength.*from 0 to 1"),
        ({"steps": -1}, InputError, "steps.*at least 0"),
        ({"style_scale": 0}, InputError, "style_scale.*above 0"),
        ({"variation": -1}, InputError, "variation.*at least 0"),
        ({"patch": 33}, InputError, "larger than the (content|style) picture"),
        ({"patch": 10}, InputError, "too small for layer block2_conv1.*at least 1[56] pixels"),
        ({"overlap": 0.1}, InputError, "overlap"),
        ({"style_layers": ["block9_conv1"]}, InputError, "no layer 'block9_conv1'"),
    ],
)
def test_unfit_arguments_are_errors(options, error, words, quick, photo, coffee, maps):
    with pytest.raises(error, match=words):
        quick(photo, coffee, *maps, **options)


def test_one_map_alone_is_an_error(quick, photo, coffee, maps):
    with pytest.raises(InputTypeError, match=r"`style_map` is missing\. Give both maps"):
        quick(photo, coffee, maps[0])
    with pytest.raises(InputTypeError, match="`content_map` is missing"):
        quick(photo, coffee, style_map=maps[1])


def test_maps_of_another_size_are_errors_before_anything_is_resized(quick, photo, coffee, maps):
    with pytest.raises(InputError, match=r"content map has another size.*40x32 .*received 40x50"):
        quick(photo, coffee, maps[1], maps[1], size=48)
    with pytest.raises(InputError, match=r"style map has another size.*40x50 .*received 40x32"):
        quick(photo, coffee, maps[0], maps[0], size=48)
    with pytest.raises(FileError, match=r"nowhere\.png does not exist"):
        quick(photo, coffee, maps[0], "nowhere.png")


@pytest.mark.slow
def test_parts_of_a_real_painting_take_the_style_of_their_own_part(data_dir):
    folder = data_dir / "images" / "regions"
    style, style_map = folder / "Gogh.jpg", folder / "Gogh_sem.png"
    result = painted(
        patches,
        folder / "Seth.jpg",
        style,
        folder / "Seth_sem.png",
        style_map,
        size=96,
        patch=32,
        steps=10,
        strength=0.9,
        extractor=sk.VGG19(data_dir / "weights" / "vgg19_conv1_1_to_conv4_1.npz"),
        style_loss="gram",
        style_layers=["block1_conv1", "block2_conv1", "block3_conv1"],
        content_layers=["block3_conv1"],
    )
    assert result.losses[-1]["window_gram_style"] < 0.3 * result.losses[0]["window_gram_style"]
    # The background becomes that of the painting, which is bluer than the painting's mean.
    wall = as_image(folder / "Seth_sem.png", size=96)[..., 0] > 0.9
    painting = as_image(style, size=96)
    goal = painting[as_image(style_map, size=96)[..., 0] > 0.9].mean(axis=0)
    before = as_image(folder / "Seth.jpg", size=96)[wall].mean(axis=0)
    after = result.image[wall].mean(axis=0)
    assert np.abs(after - goal).sum() < np.abs(before - goal).sum()
