import numpy as np
import pytest
from painted import painted

import stylekit as sk
from stylekit._checks import InputError

RED, BLACK, BLUE = (255, 0, 0), (0, 0, 0), (0, 0, 255)


def halves(shape, first, second):
    """A map whose left half is of one colour and the right of another."""
    color_map = np.empty((*shape, 3), np.uint8)
    color_map[:, : shape[1] // 2], color_map[:, shape[1] // 2 :] = first, second
    return color_map


@pytest.fixture
def run(options):
    def run(*pictures, **others):
        return painted(sk.recipes.regions, *pictures, **(options | others))

    return run


@pytest.fixture
def two_tone():
    """A style that is orange at the left and green at the right."""
    return halves((40, 50), (255, 128, 0), (0, 160, 0))


def test_each_region_takes_its_own(run, photo, two_tone, either):
    # The style's left, which is orange, belongs to the content's right.
    maps = halves(photo.shape[:2], BLACK, RED), halves((40, 50), RED, BLACK)
    image = run(photo, maps[0], two_tone, maps[1], strength=0.95, steps=12, **either).image
    before, after = ((one[..., 0] - one[..., 1]).mean(axis=0) for one in (photo, image))
    assert before[18:].mean() < before[:14].mean() + 0.1
    assert after[18:].mean() > after[:14].mean() + 0.1


def test_the_manifest_tells_the_shares(run, photo, two_tone):
    style_map = halves((40, 50), RED, BLACK)
    style_map[:, 20:25] = BLACK
    result = run(photo, halves(photo.shape[:2], RED, BLACK), two_tone, style_map, steps=1)
    assert result.manifest["regions"] == {
        "#ff0000": {"content": 0.5, "style": pytest.approx(0.4)},
        "#000000": {"content": 0.5, "style": pytest.approx(0.6)},
    }
    assert result.manifest["unmatched"] == {"content": 0, "style": 0}


@pytest.mark.slow
def test_small_and_merged_colours_are_in_the_manifest(run, photo, two_tone):
    content_map, style_map = halves(photo.shape[:2], RED, BLACK), halves((40, 50), RED, BLACK)
    style_map[:4, :5] = BLUE  # 1 % of the style map, and nothing in the other
    maps = photo, content_map, two_tone, style_map
    with pytest.raises(InputError, match="#0000ff is in the style map only"):
        run(*maps)
    share = {"#0000ff": {"content": 0, "style": 0.01}}
    manifest = run(*maps, merge=[BLUE], steps=1).manifest
    assert (manifest["merged"], manifest["small"]) == (share, {})
    assert manifest["regions"]["#ff0000"] == {"content": 0.5, "style": 0.5}
    manifest = run(*maps, min_share=0.02, steps=1).manifest
    assert (manifest["merged"], manifest["small"]) == ({}, share)


@pytest.mark.parametrize("how", [{"keep": ["#0000ff"]}, {"colors": ["#ff0000"]}])
def test_kept_regions_stay_bit_identical(run, photo, two_tone, how, either):
    maps = halves(photo.shape[:2], RED, BLUE), halves((40, 50), RED, BLACK)
    if "keep" in how:
        how = {"keep": ["#0000ff", "#000000"]}
    result = run(photo, maps[0], two_tone, maps[1], **how, **either)
    np.testing.assert_array_equal(result.image[:, 16:], photo[:, 16:])
    assert np.abs(result.image - photo)[:, :16].max() > 0.02


class TestRefusals:
    def test_a_region_in_one_map_only(self, run, photo, two_tone):
        maps = halves(photo.shape[:2], RED, BLUE), halves((40, 50), RED, BLACK)
        with pytest.raises(InputError, match="#0000ff is in the content map only"):
            run(photo, maps[0], two_tone, maps[1])

    def test_a_map_of_another_size(self, run, photo, two_tone):
        good = halves((40, 50), RED, BLACK)
        with pytest.raises(InputError, match=r"content map has another size.*32x24.*50x40"):
            run(photo, good, two_tone, good)
        with pytest.raises(InputError, match="style map has another size"):
            run(photo, halves(photo.shape[:2], RED, BLACK), two_tone, good[:30])

    def test_a_small_region_is_named(self, run, photo, two_tone):
        small = np.zeros((*photo.shape[:2], 3), np.uint8)
        small[:3, :3] = RED  # less than one cell of a layer that sees 8 pixels
        options = {"style_layers": ("block1_conv1", "block4_conv1"), "steps": 2}
        maps = small, halves((40, 50), RED, BLACK)
        with pytest.raises(InputError, match=r"mask of region #ff0000.*block4_conv1.*at least"):
            run(photo, maps[0], two_tone, maps[1], **options)
        result = run(photo, maps[0], two_tone, maps[1], small_regions="skip_layer", **options)
        assert any(
            "#ff0000" in note and "block4_conv1" in note for note in result.manifest["notes"]
        )
