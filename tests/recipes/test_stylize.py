import warnings

import numpy as np
import pytest
from PIL import Image

import stylekit as sk
from stylekit._checks import FileError, InputError, InputTypeError
from stylekit._defaults import GRAM_FACTOR
from stylekit.image import as_image, picture_hash
from stylekit.recipes._paint import CHROMA, sized_style

SHAPE = (24, 32)
FULL = 8 * GRAM_FACTOR
"""Weight of all style at strength 1."""


@pytest.fixture
def quick(options):
    """`stylize` by Gram matrices of a random network, at the content's size."""

    def run(content, style, **others):
        return sk.stylize(content, style, **(options | others))

    return run


def weights(result):
    return [term["weight"] for term in result.manifest["terms"].values()]


def types(result):
    return [term["type"] for term in result.manifest["terms"].values()]


STYLE_LAYERS = [f"block{block}_conv1" for block in (1, 2, 3, 4)]


def by_strength(data_dir, strengths, **options):
    """Runs of pictures and weights that are real, one a strength."""
    vgg = sk.VGG19(data_dir / "weights" / "vgg19_conv1_1_to_conv4_1.npz")
    shared = sk.Reuse()
    return [
        sk.stylize(
            data_dir / "images" / "content" / "tubingen.jpg",
            data_dir / "images" / "style" / "starry_night.jpg",
            strength=strength,
            size=32,
            steps=12,
            extractor=vgg,
            optimizer=sk.LBFGS(history=2),
            plan=shared,
            style_layers=STYLE_LAYERS,
            content_layers=["block4_conv1"],
            **options,
        )
        for strength in strengths
    ]


class TestStrength:
    def test_zero_returns_the_start_exactly(self, quick, photo, coffee, left, either):
        for options in ({}, {"mask": left, "pyramid": 2, "variation": 1.0}):
            result = quick(photo, coffee, strength=0, **options, **either)
            np.testing.assert_array_equal(result.image, photo)
            assert result.steps == 0

    def test_zero_returns_any_start(self, quick, photo, coffee):
        result = quick(photo, coffee, strength=0, initial=coffee[:24, :32])
        np.testing.assert_array_equal(result.image, coffee[:24, :32])

    def test_one_is_style_alone(self, quick, photo, coffee):
        result = quick(photo, coffee, strength=1, variation=0.5)
        variations = ["TotalVariationLoss"] * 2  # of the colours, and of their chroma
        assert types(result) == ["ContentLoss", "GramStyleLoss", *variations]
        assert weights(result) == [0, FULL, 0.5, 0.5 * CHROMA]
        assert result.losses[-1]["total"] < 0.5 * result.losses[0]["total"]

    def test_between(self, quick, photo, coffee):
        result = quick(photo, coffee, strength=0.25, steps=0, variation=2)
        assert weights(result) == [0.75, FULL / 4, 0.5, 0.5 * CHROMA]

    def test_the_extractor_has_its_own_factor(self, quick, photo, coffee):
        vgg = sk.VGG19(weights=None)
        vgg.style_factor = 3
        own = quick(photo, coffee, strength=0.5, steps=0, extractor=vgg)
        assert weights(own) == [0.5, 1.5 * GRAM_FACTOR]

    @pytest.mark.slow
    def test_more_strength_is_more_style_and_less_content(self, data_dir):
        results = by_strength(data_dir, (0.1, 0.4, 0.8), style_loss="gram")
        styles = [result.losses[-1]["gram_style"] for result in results]
        contents = [result.losses[-1]["content"] for result in results]
        assert styles == sorted(styles, reverse=True)
        assert contents == sorted(contents)
        assert styles[-1] < 0.7 * styles[0]

    @pytest.mark.slow
    def test_more_strength_is_nearer_to_the_style(self, data_dir):
        # Each run has matches of its own, so that their losses do not compare.
        results = by_strength(data_dir, (0, 0.2, 0.8), style_loss="neighbors")
        style = as_image(data_dir / "images" / "style" / "starry_night.jpg", size=32)
        network = sk.VGG19(data_dir / "weights" / "vgg19_conv1_1_to_conv4_1.npz")
        judged = {"extractor": network, "layers": STYLE_LAYERS}
        styles = [sk.metrics.style_distance(style, one.image, **judged) for one in results]
        contents = [result.losses[-1]["content"] for result in results]
        assert styles == sorted(styles, reverse=True)
        assert contents == sorted(contents)
        assert styles[-1] < 0.5 * styles[0]


class TestPictures:
    def test_files(self, quick, photo, coffee, tmp_path):
        paths = [tmp_path / "photo.png", tmp_path / "coffee.png"]
        for path, picture in zip(paths, (photo, coffee), strict=True):
            sk.write_image(path, picture)
        result = quick(str(paths[0]), Image.open(paths[1]))
        read = quick(*map(sk.read_image, paths))
        np.testing.assert_array_equal(read.image, result.image)

    def test_size_is_the_longer_side(self, quick, photo, coffee):
        assert quick(photo, coffee, size=20, steps=0).image.shape == (15, 20, 3)

    def test_the_default_size(self, photo, coffee, vgg, monkeypatch):
        def run(self, initial, *arguments, **options):
            raise InputError(f"starts with {initial.shape}")

        monkeypatch.setattr(sk.StyleTransfer, "run", run)
        with pytest.raises(InputError, match=r"starts with \(384, 512, 3\)"):
            sk.stylize(photo, coffee, extractor=vgg)

    @pytest.mark.parametrize(("scale", "size"), [(1, 32), (0.5, 16)])
    def test_a_style_is_as_long_as_the_result_times_its_scale(
        self, scale, size, quick, photo, coffee
    ):
        result = quick(photo, coffee, steps=0, style_scale=scale)
        expected = picture_hash(as_image(coffee, size=size))
        assert result.manifest["terms"]["gram_style"]["style"] == expected

    def test_a_picture_in_its_own_style(self, quick, photo, either):
        # Every term is 0 at the start. L-BFGS takes a first step along what rounding leaves of the
        # gradient, in each of four levels, and has to come back from it.
        result = quick(photo, photo, strength=0.5, steps=16, **either)
        assert np.isfinite(result.image).all()
        assert result.losses[0]["total"] == pytest.approx(0, abs=1e-6)
        np.testing.assert_allclose(result.image, photo, atol=0.05)

    @pytest.mark.parametrize("value", [0, 0.5])
    def test_a_style_of_one_colour(self, quick, photo, value, either):
        result = quick(photo, np.full((30, 30, 3), value, np.float32), strength=0.8, **either)
        assert np.isfinite(result.image).all()
        assert result.losses[-1]["total"] < result.losses[0]["total"]

    def test_a_content_of_one_colour(self, quick, coffee, either):
        result = quick(np.zeros((*SHAPE, 3)), coffee, **either)
        assert np.isfinite(result.image).all()
        assert result.losses[-1]["total"] < result.losses[0]["total"]

    def test_a_start_of_another_size_is_brought_to_the_results(self, quick, photo, coffee, either):
        large = np.repeat(np.repeat(photo, 3, axis=0), 3, axis=1)
        result = quick(photo, coffee, initial=large, steps=2, pyramid=2, **either)
        assert result.image.shape == photo.shape

    def test_a_start_of_noise(self, quick, photo, coffee):
        images = [
            quick(photo, coffee, initial=sk.Noise(), steps=2, seed=seed).image for seed in (0, 0, 1)
        ]
        assert images[0].shape == photo.shape
        np.testing.assert_array_equal(images[0], images[1])
        assert np.abs(images[0] - images[2]).max() > 0.01


class TestStyles:
    def test_share_the_weight(self, quick, photo, coffee, rocket):
        result = quick(photo, [coffee, rocket], strength=0.5, steps=0)
        assert types(result) == ["ContentLoss", "GramStyleLoss", "GramStyleLoss"]
        assert weights(result) == [0.5, FULL / 4, FULL / 4]
        result = quick(photo, (coffee, rocket), strength=0.5, steps=0, style_weights=[3, 1])
        assert weights(result) == [0.5, 3 * FULL / 8, FULL / 8]

    def test_share_it_where_they_meet(self, quick, photo, coffee, rocket, left):
        # Side by side each has all the weight; where both cover, they share it.
        apart = quick(photo, [coffee, rocket], mask=[left, 1 - left], strength=0.5, steps=0)
        assert weights(apart) == [0.5, FULL / 2, FULL / 2]
        met = quick(photo, [coffee, rocket], mask=[left, None], strength=0.5, steps=0)
        assert weights(met) == [0.5, FULL / 4, FULL / 4]
        soft = quick(photo, [coffee, rocket], mask=[left / 2, left], strength=0.5, steps=0)
        assert weights(soft) == pytest.approx([0.5, FULL / 3, FULL / 3])

    def test_weights_decide_between_them(self, quick, photo, coffee, rocket):
        runs = [
            quick(photo, [coffee, rocket], strength=0.9, steps=12, style_weights=w)
            for w in ([1, 0], [0, 1])
        ]
        first, second = (
            [run.losses[-1][n] for run in runs] for n in ("gram_style", "gram_style_2")
        )
        assert first[0] < first[1]
        assert second[1] < second[0]

    def test_a_style_of_weight_one_alone_is_that_style(self, quick, photo, coffee, rocket, either):
        both = quick(photo, [coffee, rocket], style_weights=[1, 0], **either)
        np.testing.assert_allclose(both.image, quick(photo, coffee, **either).image, atol=1e-3)


class TestMasks:
    def test_its_statistics_are_masked(self, quick, photo, coffee, left):
        assert types(quick(photo, coffee, mask=left, steps=0))[1] == "GramStyleLoss"

    def test_outside_is_bit_identical(self, quick, photo, coffee, left, either):
        result = quick(photo, coffee, mask=left, **either)
        np.testing.assert_array_equal(result.image[:, 16:], photo[:, 16:])
        assert np.abs(result.image - photo)[:, :16].max() > 0.02

    def test_a_mask_a_style(self, quick, photo, coffee, rocket, left, either):
        middle = np.zeros_like(left)
        middle[:, 16:24] = 1
        result = quick(photo, [coffee, rocket], mask=[left, middle], **either)
        np.testing.assert_array_equal(result.image[:, 24:], photo[:, 24:])
        moved = np.abs(result.image - photo)
        assert moved[:, :16].max() > 0.02
        assert moved[:, 16:24].max() > 0.02

    def test_one_mask_for_all_styles(self, quick, photo, coffee, rocket, left):
        result = quick(photo, [coffee, rocket], mask=left)
        np.testing.assert_array_equal(result.image[:, 16:], photo[:, 16:])
        assert types(result)[1:] == ["GramStyleLoss"] * 2

    def test_unprotected_pixels_may_move(self, quick, photo, coffee, left):
        result = quick(photo, coffee, mask=left, protect=False)
        assert types(result)[1] == "GramStyleLoss"
        assert result.manifest["update_mask"] is None
        moved = np.abs(result.image - photo)
        assert moved[:, 16:].max() > 0
        assert moved[:, :14].mean() > 3 * moved[:, 20:].mean()

    def test_a_style_without_a_mask_goes_everywhere(self, quick, photo, coffee, rocket, left):
        result = quick(photo, [coffee, rocket], mask=[left, None])
        assert types(result)[1:] == ["GramStyleLoss", "GramStyleLoss"]
        assert result.manifest["update_mask"] is None
        assert np.abs(result.image - photo)[:, 16:].max() > 0.02

    def test_of_another_size_or_a_callable_or_a_file(self, quick, photo, coffee, left, tmp_path):
        expected = quick(photo, coffee, mask=left, steps=1)
        large = np.repeat(np.repeat(left, 2, axis=0), 2, axis=1)
        Image.fromarray(np.uint8(255 * left)).save(tmp_path / "mask.png")
        given = []

        def callable_mask(picture):
            given.append(picture)
            return left

        for mask in (large, callable_mask, tmp_path / "mask.png"):
            np.testing.assert_array_equal(
                quick(photo, coffee, mask=mask, steps=1).image, expected.image
            )
        np.testing.assert_array_equal(given[0], photo)

    def test_of_the_style(self, quick, photo, coffee, either):
        # Of a style that is half black, half coffee, the half that is coffee is the style.
        both = np.concatenate([coffee, 0 * coffee], axis=1)
        given = []

        def coffee_half(picture):
            given.append(picture.shape)
            return np.arange(picture.shape[1]) < np.full(
                (picture.shape[0], 1), picture.shape[1] // 2
            )

        options = {"strength": 0.9, "steps": 10, "style_scale": 2} | either
        masked = quick(photo, both, style_mask=coffee_half, **options)
        whole = quick(photo, both, **options)
        assert given == [(26, 64, 3)]
        if either["style_loss"] == "gram":
            assert types(masked)[1] == "GramStyleLoss"
        # The whole picture is darker.
        assert masked.image.mean() > whole.image.mean() + 0.02
        assert (
            np.abs(masked.image - photo).max(axis=(0, 2)).min() > 0
        )  # the mask is not the image's


class TestOptions:
    def test_reach_the_run(self, quick, photo, coffee):
        seen = []
        result = quick(
            photo,
            coffee,
            steps=4,
            pyramid=2,
            precision="mixed_bfloat16",
            optimizer=sk.LBFGS(history=4),
            seed=5,
            callbacks=[seen.append],
        )
        assert [step.level for step in seen] == [0, 0, 1, 1, 1]
        assert seen[0].image.shape == (12, 16, 3)
        manifest = result.manifest
        assert manifest["optimizer"].startswith("LBFGS(history=4,")
        assert manifest["precision"] == "mixed_bfloat16"
        assert manifest["seed"] == 5
        assert [level["steps"] for level in manifest["levels"]] == [2, 2]

    def test_pyramid_levels_halve_and_their_steps_too(self, quick, photo, coffee):
        levels = quick(photo, coffee, steps=3, pyramid=2).manifest["levels"]
        assert levels == [{"size": [12, 16], "steps": 2}, {"size": [24, 32], "steps": 1}]


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"strength": -0.1}, InputError, r"strength.*from 0 to 1.*-0\.1"),
            ({"strength": 1.5}, InputError, r"strength.*from 0 to 1.*1\.5"),
            ({"strength": "half"}, InputTypeError, "strength"),
            ({"steps": -1}, InputError, r"steps.*at least 0.*-1"),
            ({"steps": 1.5}, InputTypeError, "steps"),
            ({"size": 0}, InputError, "size.*at least 1"),
            ({"style_scale": 0}, InputError, "style_scale.*above 0"),
            ({"style_weights": [1, 2]}, InputError, "1 weights, not all 0"),
            ({"style_weights": [0]}, InputError, "1 weights, not all 0"),
            ({"style_weights": [-1]}, InputError, "a style weight.*at least 0"),
            ({"style_weights": ["a"]}, InputTypeError, "a style weight"),
            (
                {"mask": [np.ones(SHAPE)] * 2},
                InputError,
                "`mask` must.*one entry, or 1.*received 2",
            ),
            ({"style_mask": []}, InputError, "`style_mask` must.*received 0"),
            ({"mask": np.zeros(SHAPE)}, InputError, "mask is empty"),
            ({"mask": np.full(SHAPE, 3.0)}, InputError, "mask"),
            ({"variation": -1}, InputError, "variation.*at least 0"),
            ({"pyramid": 0}, InputError, "pyramid's levels"),
            ({"precision": "half"}, InputError, "precision is unknown"),
            ({"style_layers": ["block9_conv1"]}, InputError, "no layer 'block9_conv1'"),
        ],
    )
    def test_arguments(self, options, error, words, quick, photo, coffee):
        with pytest.raises(error, match=words):
            quick(photo, coffee, **options)

    def test_no_style(self, quick, photo):
        with pytest.raises(InputError, match="got an empty list"):
            quick(photo, [])

    def test_missing_files(self, quick, photo, coffee, tmp_path):
        with pytest.raises(FileError, match=r"nowhere\.jpg does not exist"):
            quick(tmp_path / "nowhere.jpg", coffee)
        with pytest.raises(FileError, match=r"nowhere\.jpg does not exist"):
            quick(photo, [coffee, tmp_path / "nowhere.jpg"])

    def test_a_picture_of_one_pixel(self, coffee, vgg, either):
        pixel = np.full((1, 1, 3), 0.5)
        with pytest.raises(InputError, match=r"too small.*at least 8 pixels per side.*1x1"):
            sk.stylize(pixel, coffee, size=None, extractor=vgg, steps=1, **either)

    def test_a_start_of_another_aspect_ratio(self, quick, photo, coffee):
        with pytest.raises(InputError, match="the aspect ratio of the picture"):
            quick(photo, coffee, initial=photo[:, :12])


class TestSmallStyles:
    @pytest.mark.parametrize(("side", "size"), [(20, 64), (200, 290), (310, 640)])
    def test_one_that_is_enlarged_far_is_told(self, side, size):
        style, photo = (np.full((one, one // 2, 3), 0.5, "float32") for one in (side, size))
        with pytest.warns(
            UserWarning, match=rf"{side // 2}x{side} pixels and is enlarged to {size}"
        ):
            assert sized_style(style, photo, 1.0).shape[0] == size

    @pytest.mark.parametrize(("side", "size"), [(64, 64), (64, 20), (400, 640), (300, 400)])
    def test_others_are_not(self, side, size):
        style, photo = (np.full((one, one, 3), 0.5, "float32") for one in (side, size))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            sized_style(style, photo, 1.0)
