import numpy as np
import pytest
from painted import painted
from skimage.color import rgb2yiq

import stylekit as sk
from stylekit._checks import InputError
from stylekit.image import (
    match_color,
    match_histogram,
    original_colors,
    palette_colors,
    picture_hash,
)
from stylekit.recipes import recipe

BEFORE = {"match": match_color, "histogram": match_histogram}


def style_hash(result):
    return result.manifest["terms"]["gram_style"]["style"]


class TestLuminance:
    def test_the_result_is_the_runs_in_the_contents_colours(self, options, photo, coffee):
        seen = []
        watch = {"callbacks": [lambda step: seen.append(step.image) and None]}
        plain = sk.stylize(photo, coffee, **options)
        kept = sk.stylize(photo, coffee, keep_colors="luminance", **watch, **options)
        np.testing.assert_array_equal(kept.image, original_colors(plain.image, photo))
        np.testing.assert_array_equal(kept.best, original_colors(plain.best, photo))
        luma = rgb2yiq(plain.image)[..., 0]
        np.testing.assert_allclose(rgb2yiq(kept.image)[..., 0], luma, atol=1e-5)
        assert np.abs(kept.image - plain.image).max() > 0.02
        # Losses, and what callbacks see, are of the image before.
        np.testing.assert_array_equal(seen[-1], plain.image)
        assert kept.losses == plain.losses
        assert kept.manifest["keep_colors"] == "luminance"
        assert "keep_colors" not in plain.manifest
        assert style_hash(kept) == style_hash(plain)

    def test_a_protected_region_stays_bit_identical(self, options, photo, coffee, rocket, left):
        for initial in (None, rocket[:24].repeat(2, axis=1)[:, :32]):
            result = sk.stylize(
                photo, coffee, mask=left, initial=initial, keep_colors="luminance", **options
            )
            start = photo if initial is None else initial
            np.testing.assert_array_equal(result.image[:, 16:], start[:, 16:])
            np.testing.assert_array_equal(result.best[:, 16:], start[:, 16:])
            assert (result.image[:, :16] != start[:, :16]).any()

    def test_at_strength_zero_the_content_stays_bit_identical(self, options, photo, coffee):
        result = sk.stylize(photo, coffee, strength=0, keep_colors="luminance", **options)
        np.testing.assert_array_equal(result.image, photo)

    def test_another_start_gets_the_contents_colours(self, options, photo, coffee):
        result = sk.stylize(
            photo, coffee, initial=sk.Noise(), keep_colors="luminance", **(options | {"steps": 0})
        )
        expected = original_colors(result.image, photo)
        np.testing.assert_allclose(result.image, expected, rtol=0, atol=1e-6)

    def test_a_run_that_breaks_off_has_its_colours_too(self, options, photo, coffee, monkeypatch):
        painted = coffee[:24, :32]
        so_far = sk.Result(painted, painted, [], 1, 1.0, "non-finite loss", {})

        def broken(*run, **given):
            raise sk.transfer.TransferError("It broke.", so_far)

        monkeypatch.setattr(recipe, "run_mixed", broken)
        with pytest.raises(sk.transfer.TransferError) as caught:
            sk.stylize(photo, coffee, keep_colors="luminance", **options)
        expected = original_colors(painted, photo)
        np.testing.assert_array_equal(caught.value.result.image, expected)

    @pytest.mark.slow
    def test_with_a_finish_and_a_pyramid(self, options, photo, coffee, vgg):
        others = {"finish": (vgg, 2), "pyramid": 2, "keep_colors": "luminance"}
        result = sk.stylize(photo, coffee, **(options | others))
        np.testing.assert_allclose(
            result.image, original_colors(result.image, photo), rtol=0, atol=1e-5
        )
        assert result.manifest["keep_colors"] == "luminance"
        assert "keep_colors" not in result.manifest["before"]


@pytest.mark.parametrize("way", BEFORE)
class TestBefore:
    def test_the_style_gets_the_contents_colours(self, way, options, photo, coffee):
        kept = sk.stylize(photo, coffee, keep_colors=way, **(options | {"steps": 0}))
        style = BEFORE[way](sk.image.as_image(coffee, size=32), photo)
        assert style_hash(kept) == picture_hash(style)
        assert kept.manifest["keep_colors"] == way

    def test_colours_count_where_the_masks_say(self, way, options, photo, coffee, left):
        # The style's own half, on the result's other half.
        source = np.zeros((26, 32), np.float32)
        source[:13] = 1
        masks = {"mask": left, "style_mask": source}
        kept = sk.stylize(photo, coffee, keep_colors=way, **masks, **(options | {"steps": 0}))
        painting = sk.image.as_image(coffee, size=32)
        expected = BEFORE[way](painting, photo, source, left)
        (term,) = (t for t in kept.manifest["terms"].values() if "style" in t)
        assert term["style"] == picture_hash(expected)

    def test_every_style_of_several(self, way, options, photo, coffee, rocket, left):
        kept = sk.stylize(
            photo,
            [coffee, rocket],
            mask=[left, 1 - left],
            keep_colors=way,
            **(options | {"steps": 0}),
        )
        hashes = [t["style"] for t in kept.manifest["terms"].values() if "style" in t]
        assert hashes == [
            picture_hash(BEFORE[way](sk.image.as_image(style, size=32), photo, None, mask))
            for style, mask in ((coffee, left), (rocket, 1 - left))
        ]


class TestPalette:
    def test_the_result_is_the_runs_in_the_styles_palette(self, options, photo, coffee):
        seen = []
        watch = {"callbacks": [lambda step: seen.append(step.image) and None]}
        plain = sk.stylize(photo, coffee, **options)
        kept = sk.stylize(photo, coffee, keep_colors="palette", **watch, **options)
        style = sk.image.as_image(coffee, size=32)
        np.testing.assert_array_equal(kept.image, palette_colors(plain.image, photo, style))
        np.testing.assert_array_equal(kept.best, palette_colors(plain.best, photo, style))
        assert np.abs(kept.image - plain.image).max() > 0.02
        np.testing.assert_array_equal(seen[-1], plain.image)
        assert kept.losses == plain.losses
        assert kept.manifest["keep_colors"] == "palette"
        assert style_hash(kept) == style_hash(plain)

    @pytest.mark.slow
    def test_what_is_outside_the_mask_stays_bit_identical(self, options, photo, coffee, left):
        soft = left.copy()
        soft[:, 14:16] = 0.6, 0.2
        plain = sk.stylize(photo, coffee, mask=soft, **options)
        kept = sk.stylize(photo, coffee, mask=soft, keep_colors="palette", **options)
        np.testing.assert_array_equal(kept.image[:, 16:], photo[:, 16:])
        np.testing.assert_array_equal(kept.best[:, 16:], photo[:, 16:])
        style = sk.image.as_image(coffee, size=32)
        full = palette_colors(plain.image, photo, style, mask=soft)
        for column, share in ((5, 1), (14, 0.6), (15, 0.2)):
            moved = (kept.image - plain.image)[:, column]
            expected = share * (full - plain.image)[:, column]
            np.testing.assert_allclose(moved, expected, atol=1e-6)

    def test_at_strength_zero_the_content_stays_bit_identical(self, options, photo, coffee):
        result = sk.stylize(photo, coffee, strength=0, keep_colors="palette", **options)
        np.testing.assert_array_equal(result.image, photo)

    def test_styles_count_by_weight_and_area(self, options, photo, coffee, rocket, left):
        few = options | {"steps": 1}
        wide = np.ones_like(left)
        given = {"mask": [left, wide], "style_weights": [1, 3], "protect": False}
        plain = sk.stylize(photo, [coffee, rocket], **given, **few)
        kept = sk.stylize(photo, [coffee, rocket], keep_colors="palette", **given, **few)
        styles = [sk.image.as_image(style, size=32) for style in (coffee, rocket)]
        expected = palette_colors(plain.image, photo, styles, weights=[0.5, 3])
        np.testing.assert_allclose(kept.image, expected, atol=1e-5)
        others = palette_colors(plain.image, photo, styles, weights=[1, 3])
        assert np.abs(kept.image - others).max() > 1e-3

    def test_the_styles_colours_count_where_the_masks_say(self, options, photo, coffee):
        source = np.zeros((26, 32), np.float32)
        source[:13] = 1
        few = options | {"steps": 1, "style_mask": source}
        plain = sk.stylize(photo, coffee, **few)
        kept = sk.stylize(photo, coffee, keep_colors="palette", **few)
        style = sk.image.as_image(coffee, size=32)
        expected = palette_colors(plain.image, photo, style, style_masks=[source])
        np.testing.assert_array_equal(kept.image, expected)

    def test_no_style_that_counts(self, options, photo, coffee, left, either):
        few = options | either | {"steps": 1, "keep_colors": "palette"}
        kept = painted(sk.recipes.gradient_mask, photo, [(coffee, left, None, 0)], **few)
        np.testing.assert_allclose(kept.image, photo, atol=1e-6)

    def test_a_run_that_breaks_off_has_its_palette_too(self, options, photo, coffee, monkeypatch):
        painted = coffee[:24, :32]
        so_far = sk.Result(painted, painted, [], 1, 1.0, "non-finite loss", {})

        def broken(*run, **given):
            raise sk.transfer.TransferError("It broke.", so_far)

        monkeypatch.setattr(recipe, "run_mixed", broken)
        with pytest.raises(sk.transfer.TransferError) as caught:
            sk.stylize(photo, coffee, keep_colors="palette", **options)
        style = sk.image.as_image(coffee, size=32)
        expected = palette_colors(painted, photo, style)
        np.testing.assert_array_equal(caught.value.result.image, expected)


def halves(shape):
    color_map = np.zeros((*shape, 3), np.uint8)
    color_map[:, shape[1] // 2 :] = 255, 0, 0
    return color_map


def named(name, photo, coffee, rocket, left):
    """Return a recipe's function and its pictures."""
    maps = halves(photo.shape[:2]), halves(coffee.shape[:2])
    return {
        "localized": (sk.recipes.localized, (photo, coffee, left)),
        "regions": (sk.recipes.regions, (photo, maps[0], coffee, maps[1])),
        "gradient_mask": (
            sk.recipes.gradient_mask,
            (photo, [(coffee, left), (rocket, 1 - left)]),
        ),
        "patches": (sk.recipes.patches, (photo, coffee)),
    }[name]


RECIPES = ("localized", "regions", "gradient_mask", "patches")


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_of_a_content_keeps_its_luminance(
    name, options, photo, coffee, rocket, left, either
):
    recipe, pictures = named(name, photo, coffee, rocket, left)
    start = coffee[:24, :32]
    given = options | either | {"steps": 0, "initial": start, "keep_colors": "luminance"}
    kept = painted(recipe, *pictures, **given, **({"patch": 16} if name == "patches" else {}))
    expected = original_colors(start, photo)
    if name == "localized":  # the subject stays as the start has it
        expected[:, :16] = start[:, :16]
    np.testing.assert_array_equal(kept.image, expected)
    assert kept.manifest["keep_colors"] == "luminance"


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_of_a_content_keeps_its_palette(name, options, photo, coffee, rocket, left):
    recipe, pictures = named(name, photo, coffee, rocket, left)
    start = coffee[:24, :32]
    given = options | {"steps": 0, "initial": start, "keep_colors": "palette"}
    kept = painted(recipe, *pictures, **given, **({"patch": 16} if name == "patches" else {}))
    styles = [sk.image.as_image(style, size=32) for style in (coffee, rocket)]
    right, upper = 1 - left, np.ones((26, 32), np.float32)
    upper[:, 16:] = 0
    full = {
        "localized": ([styles[0]], {"mask": right}),
        "regions": (
            [styles[0]] * 2,
            {"mask": np.ones_like(left), "style_masks": [upper, 1 - upper]},
        ),
        "gradient_mask": (styles, {"mask": np.ones_like(left)}),
        "patches": ([styles[0]], {}),
    }[name]
    expected = palette_colors(start, photo, full[0], **full[1])
    if name == "localized":  # the subject stays as the start has it
        expected[:, :16] = start[:, :16]
    np.testing.assert_allclose(kept.image, expected, atol=1e-5)
    assert kept.manifest["keep_colors"] == "palette"


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_of_a_content_matches_its_styles(name, options, photo, coffee, rocket, left):
    dark = 0.1 * photo  # much darker than the styles
    recipe, pictures = named(name, dark, coffee, rocket, left)
    few = options | {"steps": 15, "strength": 1, "keep_colors": "match"}
    kept = painted(recipe, *pictures, **few, **({"patch": 16} if name == "patches" else {}))
    np.testing.assert_allclose(kept.image.mean((0, 1)), dark.mean((0, 1)), atol=0.02)
    assert coffee.mean() > dark.mean() + 0.2
    assert kept.manifest["keep_colors"] == "match"


def test_regions_are_matched_one_by_one(options, photo, coffee):
    """A region's style has that region's colours, not the whole content's."""
    content = np.concatenate([0.1 * photo[:, :16], 0.9 + 0.1 * photo[:, 16:]], axis=1)
    maps = halves(photo.shape[:2]), halves(coffee.shape[:2])
    kept = painted(
        sk.recipes.regions,
        content,
        maps[0],
        coffee,
        maps[1],
        keep_colors="match",
        **(options | {"steps": 0}),
    )
    (term,) = (t for t in kept.manifest["terms"].values() if "regions" in t)
    hashes = [region["style"] for region in term["regions"]]
    assert len(set(hashes)) == 2


@pytest.mark.parametrize("recipe", [sk.stylize, sk.recipes.patches])
def test_an_unknown_way(recipe, photo, coffee):
    message = "keep_colors is unknown: expected one of 'luminance', 'palette', 'match', 'histogram'"
    with pytest.raises(InputError, match=message):
        recipe(photo, coffee, keep_colors="luminence")
