import numpy as np
import pytest
from painted import painted
from skimage import data, transform

import stylekit as sk
from stylekit._checks import InputError
from stylekit.image import as_image
from stylekit.masks import from_image, match_regions, resize
from stylekit.transfer import Underpainting

RED, BLUE, GREEN = (255, 0, 0), (0, 0, 255), (0, 255, 0)
SHAPE, STYLE_SHAPE = (32, 48), (40, 36)
LAYERS = {"patch_layers": ("block2_conv1",), "style_layers": ("block1_conv1",)}


def upper_and_lower(shape, above, below):
    color_map = np.empty((*shape, 3), np.uint8)
    color_map[: shape[0] // 2], color_map[shape[0] // 2 :] = above, below
    return color_map


@pytest.fixture(scope="module")
def style():
    """Dark above and light below, with a texture."""
    picture = np.float32(transform.resize(data.coffee(), STYLE_SHAPE, anti_aliasing=True))
    picture[:20] *= 0.3
    picture[20:] = 0.6 + 0.4 * picture[20:]
    return picture


@pytest.fixture
def quick(vgg, optimizer, plan, style):
    """`doodle` on shallow layers of a random network: red above is to be light as blue below."""

    def run(color_map=None, style_map=None, **options):
        if color_map is None:
            color_map = upper_and_lower(SHAPE, RED, BLUE)
        if style_map is None:
            style_map = upper_and_lower(STYLE_SHAPE, BLUE, RED)
        defaults = {"size": None, "steps": 6, "pyramid": 1, "extractor": vgg, **LAYERS}
        defaults |= {"optimizer": optimizer, "plan": plan}
        return painted(sk.recipes.doodle, color_map, style, style_map, **(defaults | options))

    return run


@pytest.fixture
def regions():
    masks = [np.zeros(SHAPE, "float32") for _ in range(2)]
    sources = [np.zeros(STYLE_SHAPE, "float32") for _ in range(2)]
    masks[0][:16], masks[1][16:] = 1, 1
    sources[0][20:], sources[1][:20] = 1, 1
    return list(zip(masks, sources, strict=True))


@pytest.mark.slow
def test_regions_take_the_colours_of_their_like_and_the_loss_falls(quick, style):
    result = quick(steps=30, pyramid=2)
    assert result.image.shape == (*SHAPE, 3)
    above, below = result.image[:16].mean((0, 1)), result.image[16:].mean((0, 1))
    np.testing.assert_allclose(above, style[20:].mean((0, 1)), atol=0.05)
    np.testing.assert_allclose(below, style[:20].mean((0, 1)), atol=0.05)
    totals = [row["total"] for row in result.losses]
    assert totals[19] < totals[0]  # two thirds of the steps are at the coarse level
    assert totals[-1] < totals[20]


@pytest.mark.slow
def test_a_run_repeats_and_the_seed_decides(quick):
    first, again = (quick(seed=1, steps=3).image for _ in range(2))
    other = quick(seed=2, steps=0).image
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_no_steps_give_the_underpainting_and_the_record_tells_of_the_regions(quick, style, regions):
    result = quick(steps=0, seed=3, pyramid=2)
    painting = as_image(style, "style", max(SHAPE))
    # Of regions of one size the first is that of the lower colour, blue.
    pairs = [(mask, resize(source, painting.shape[:2])) for mask, source in reversed(regions)]
    start = Underpainting(painting, pairs, grain=2).image(SHAPE, np.random.default_rng(3))
    np.testing.assert_allclose(result.image, start, atol=1e-6)
    assert result.manifest["regions"] == {
        "#ff0000": {"map": 0.5, "style": 0.5},
        "#0000ff": {"map": 0.5, "style": 0.5},
    }
    assert result.manifest["unmatched"] == {"map": 0, "style": 0}


def test_a_thin_region_is_no_error_and_is_noted(quick):
    color_map, style_map = (upper_and_lower(shape, RED, BLUE) for shape in (SHAPE, STYLE_SHAPE))
    color_map[:3, :5] = style_map[:20, :20] = GREEN
    layers = ("block1_conv1", "block4_conv1")
    result = quick(color_map, style_map, size=40, steps=0, style_layers=layers)
    assert any("#00ff00 omitted at block4_conv1" in note for note in result.manifest["notes"])
    assert result.image.shape == (27, 40, 3)  # the size is the longer side


def test_regions_that_differ_are_an_error_unless_left_out(quick):
    style_map = upper_and_lower(STYLE_SHAPE, BLUE, RED)
    style_map[:10, :18] = GREEN
    with pytest.raises(InputError, match="#00ff00 is in the style map only"):
        quick(style_map=style_map)
    weights = {"gram_weight": 0, "palette_weight": 0, "variation": 0}
    result = quick(style_map=style_map, colors={"sky": RED}, steps=2, **weights)
    assert list(result.manifest["regions"]) == ["sky", "left out"]
    assert np.isfinite(result.image).all()
    # And a term of weight 0 is left out.
    assert [term["type"] for term in result.manifest["terms"].values()] == ["PatchStyleLoss"]
    with pytest.raises(InputError, match="at least one loss"):
        quick(patch_weight=0, **weights)


@pytest.mark.parametrize("steps", [0, 20])
def test_what_both_maps_leave_out_is_painted_from_its_like(quick, style, steps):
    """Not in the mean colour of all the style, which is a grey."""
    color_map, style_map = (
        upper_and_lower(SHAPE, RED, BLUE),
        upper_and_lower(STYLE_SHAPE, BLUE, RED),
    )
    color_map[20:28, 20:28] = style_map[2:12, 4:14] = GREEN
    result = quick(color_map, style_map, keep=[GREEN], steps=steps, noise=0.5)
    assert list(result.manifest["regions"]) == ["#ff0000", "#0000ff", "left out"]
    found = result.image[20:28, 20:28].mean((0, 1))
    np.testing.assert_allclose(found, style[2:12, 4:14].mean((0, 1)), atol=0.06)


@pytest.mark.slow
def test_what_the_doodle_alone_leaves_out_is_painted_as_what_is_around_it(quick):
    maps = [upper_and_lower(shape, RED, BLUE) for shape in (SHAPE, STYLE_SHAPE)]
    maps[0][:20] = RED  # the larger region, with the green and without
    expected = quick(*maps, steps=2)
    maps[0][24:30, 20:28] = GREEN
    result = quick(*maps, keep=[GREEN], steps=2)
    np.testing.assert_array_equal(result.image, expected.image)
    assert result.manifest["regions"] == expected.manifest["regions"]


def test_small_and_merged_colours_are_in_the_manifest(quick):
    style_map = upper_and_lower(STYLE_SHAPE, BLUE, RED)
    style_map[:4, :9] = GREEN
    share = {"#00ff00": {"map": 0, "style": 0.025}}
    manifest = quick(style_map=style_map, merge=[GREEN], steps=0).manifest
    assert (manifest["merged"], manifest["small"]) == (share, {})
    manifest = quick(style_map=style_map, min_share=0.03, steps=0).manifest
    assert (manifest["merged"], manifest["small"]) == ({}, share)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"style_map": np.zeros((30, 36, 3), "uint8")}, "style map has another size"),
        ({"style_scale": 0}, "style_scale is out of range"),
        ({"noise": -1}, "noise is out of range"),
        ({"usage_penalty": -1}, "usage_penalty is out of range"),
        ({"pyramid": 0}, "number of a pyramid's levels is out of range"),
        ({"pyramid": 4}, r"too small for .*fewer pyramid levels"),
        ({"steps": -1}, "steps is out of range"),
        ({"gram_weight": -1}, "gram_weight is out of range"),
    ],
)
def test_bad_input(options, message, quick):
    with pytest.raises(InputError, match=message):
        quick(**options)


@pytest.mark.slow
def test_a_real_doodle(data_dir):
    folder = data_dir / "images" / "doodle"
    names = ("Landscape_sem.png", "Renoir.jpg", "Renoir_sem.png")
    doodle_map, style, style_map = (folder / name for name in names)
    vgg = sk.VGG19(data_dir / "weights" / "vgg19_conv1_1_to_conv4_1.npz")
    result = painted(
        sk.recipes.doodle,
        doodle_map,
        style,
        style_map,
        size=64,
        steps=8,
        pyramid=1,
        patch_layers=("block2_conv1",),
        style_layers=("block1_conv1",),
        extractor=vgg,
    )
    masks = match_regions(doodle_map, style_map)
    grey = from_image(result.image)
    light = {
        name: np.average(grey, weights=resize(mask, grey.shape))
        for name, mask in zip(masks.names, masks.content, strict=True)
    }
    # The sky is the lightest and the cypress the darkest, as Renoir has them.
    assert max(light, key=light.get) == "#ffffff"
    assert min(light, key=light.get) == "#ff331f"


@pytest.mark.parametrize("style_loss", ["neighbors", "gram"])
@pytest.mark.slow
def test_other_losses_paint_the_regions_too(quick, style, style_loss):
    result = quick(steps=30, pyramid=2, style_loss=style_loss)
    kinds = {"neighbors": "NeighborStyleLoss", "gram": "GradientMaskStyleLoss"}
    first = next(iter(result.manifest["terms"].values()))
    assert first["type"] == kinds[style_loss]
    above, below = result.image[:16].mean((0, 1)), result.image[16:].mean((0, 1))
    np.testing.assert_allclose(above, style[20:].mean((0, 1)), atol=0.08)
    np.testing.assert_allclose(below, style[:20].mean((0, 1)), atol=0.08)
