"""What the recipes make of `style_loss`: the terms, their weights, layers, levels and steps."""

import dataclasses

import numpy as np
import pytest
from painted import painted

import stylekit as sk
from stylekit._checks import InputError, InputTypeError
from stylekit._defaults import GRAM_FACTOR, NEIGHBOR_FACTOR, NEIGHBOR_VARIATION
from stylekit.image import as_image
from stylekit.losses import NeighborStyleLoss
from stylekit.recipes import recipe as recipes
from stylekit.recipes._paint import CHROMA
from stylekit.recipes._styles import neighbor_pyramid

SHAPE = (24, 32)


@dataclasses.dataclass
class Asked:
    """What a recipe asks of a run."""

    transfer: sk.StyleTransfer
    steps: int
    pyramid: sk.Pyramid
    update_mask: np.ndarray | None

    @property
    def terms(self):
        return list(self.transfer.terms.values())

    @property
    def style(self):
        """The one style term."""
        (term,) = (one for one in self.terms if isinstance(one, NeighborStyleLoss))
        return term

    @property
    def masks(self):
        return [region.mask for region in self.style.regions]

    @property
    def style_masks(self):
        return [region.mask for region in self.style.style_regions]


@pytest.fixture
def ask(monkeypatch, photo, vgg):
    """Call a recipe without the run that it ends in, and return what it asks of it."""
    asked = []

    def run_mixed(transfer, last, start, steps, *, update_mask, pyramid, **options):
        asked.append(Asked(transfer, steps, pyramid, update_mask))
        return sk.Result(photo, photo, [], 0, 0.0, "steps", {})

    monkeypatch.setattr(recipes, "run_mixed", run_mixed)

    def call(recipe, *pictures, **options):
        painted(recipe, *pictures, **({"size": None, "extractor": vgg} | options))
        return asked[-1]

    return call


@pytest.fixture
def maps():
    """Colour maps of the photo and of the coffee, of two halves each."""
    content, style = np.zeros((*SHAPE, 3), "uint8"), np.zeros((40, 50, 3), "uint8")
    content[:, 16:] = style[20:] = 255, 0, 0
    return content, style


def upper(shape):
    mask = np.zeros(shape, "float32")
    mask[: shape[0] // 2] = 1
    return mask


class TestNeighbors:
    def test_are_the_default_of_every_recipe_of_a_content(self, ask, photo, coffee, left, maps):
        for recipe, pictures in {
            sk.recipes.basic: (photo, coffee),
            sk.recipes.localized: (photo, coffee, left),
            sk.recipes.regions: (photo, maps[0], coffee, maps[1]),
            sk.recipes.gradient_mask: (photo, [(coffee, left)]),
            sk.recipes.patches: (photo, coffee),
        }.items():
            asked = ask(recipe, *pictures, strength=0.25)
            assert [type(term) for term in asked.terms] == [
                sk.ContentLoss,
                NeighborStyleLoss,
                *[sk.TotalVariationLoss] * 2,
            ]
            smooth = NEIGHBOR_VARIATION / 4
            expected = [0.75, NEIGHBOR_FACTOR / 4, smooth, CHROMA * smooth]
            assert [term.weight for term in asked.terms] == pytest.approx(expected)
            assert asked.style.layers is None
            assert asked.style.alpha == 0.25**2
            assert asked.steps == 50

    def test_one_style(self, ask, photo, coffee):
        asked = ask(sk.recipes.basic, photo, coffee, steps=7, variation=0)
        assert [type(term) for term in asked.terms] == [sk.ContentLoss, NeighborStyleLoss]
        np.testing.assert_array_equal(asked.style.styles, [as_image(coffee, size=32)])
        assert (asked.masks, asked.style_masks) == ([None], [None])
        assert asked.style.style_weights == (1,)
        assert asked.steps == 7

    def test_several_are_one_term(self, ask, photo, coffee, rocket, left):
        source = upper((26, 32))
        asked = ask(
            sk.recipes.basic,
            photo,
            [coffee, rocket],
            style_weights=[3, 1],
            mask=[left, None],
            style_mask=[source, None],
        )
        styles = [as_image(style, size=32) for style in (coffee, rocket)]
        for own, expected in zip(asked.style.styles, styles, strict=True):
            np.testing.assert_array_equal(own, expected)
        np.testing.assert_array_equal(asked.masks[0], left)
        np.testing.assert_array_equal(asked.style_masks[0], source)
        assert asked.masks[1] is asked.style_masks[1] is None
        assert asked.style.style_weights == (0.75, 0.25)
        assert asked.update_mask is None

    def test_a_style_of_no_weight_is_left_out(self, ask, photo, coffee, rocket, left):
        styles, masks = [rocket, coffee], [left, 1 - left]
        asked = ask(sk.recipes.basic, photo, styles, style_weights=[0, 2], mask=masks)
        np.testing.assert_array_equal(asked.style.styles, [as_image(coffee, size=32)])
        np.testing.assert_array_equal(asked.masks, [1 - left])
        assert asked.style.style_weights == (1,)
        pairs = [(rocket, left, None, 0), (coffee, 1 - left, None, 0.5)]
        asked = ask(sk.recipes.gradient_mask, photo, pairs)
        np.testing.assert_array_equal(asked.masks, [1 - left])
        assert asked.style.style_weights == (0.5,)
        np.testing.assert_array_equal(asked.update_mask, np.ones(SHAPE))

    def test_localized(self, ask, photo, coffee, left):
        options = {"style_subject": upper((26, 32))}
        asked = ask(sk.recipes.localized, photo, coffee, left, **options)
        np.testing.assert_array_equal(asked.masks, [1 - left])
        np.testing.assert_array_equal(asked.style_masks, [1 - upper((26, 32))])
        np.testing.assert_array_equal(asked.update_mask, 1 - left)
        asked = ask(sk.recipes.localized, photo, coffee, left, method="superimpose")
        assert (asked.masks, asked.update_mask) == ([None], None)

    def test_regions(self, ask, photo, coffee, maps):
        asked = ask(sk.recipes.regions, photo, maps[0], coffee, maps[1])
        right = np.repeat([[0.0, 1.0]], 16, axis=1).repeat(24, axis=0)
        np.testing.assert_array_equal(asked.masks, [1 - right, right])
        np.testing.assert_allclose(asked.style_masks[0], upper((26, 32)), atol=1e-6)
        np.testing.assert_allclose(asked.style_masks[1], 1 - upper((26, 32)), atol=1e-6)
        names = [region.what for region in asked.style.regions]
        assert names == ["mask #000000", "mask #ff0000"]

    def test_a_region_without_a_candidate_is_named(self, options, photo, coffee, maps):
        small = np.zeros((40, 50, 3), "uint8")
        small[-2:, -20:] = 255, 0, 0  # at the end, in no whole cell of 4 pixels
        few = options | {"style_loss": "neighbors", "min_share": 0}
        layers = {"style_layers": ("block1_conv1", "block3_conv1")}
        with pytest.raises(InputError, match="\n  mask #ff0000 with style mask #ff0000"):
            painted(sk.recipes.regions, photo, maps[0], coffee, small, **(few | layers))

    def test_gradient_mask(self, ask, photo, coffee, rocket, left):
        ramp, source = sk.masks.linear_gradient(SHAPE, angle=0), upper((26, 32))
        pairs = [(coffee, ramp, source, 0.5), (rocket, 1 - ramp)]
        asked = ask(sk.recipes.gradient_mask, photo, pairs)
        np.testing.assert_array_equal(asked.masks, [ramp, 1 - ramp])
        np.testing.assert_array_equal(asked.style_masks[0], source)
        assert asked.style_masks[1] is None
        assert asked.style.style_weights == (0.5, 1)

    def test_patches(self, ask, photo, coffee, maps):
        asked = ask(sk.recipes.patches, photo, coffee)
        assert (asked.masks, asked.style_masks) == ([None], [None])
        of_regions = ask(sk.recipes.regions, photo, maps[0], coffee, maps[1])
        asked = ask(sk.recipes.patches, photo, coffee, *maps)
        np.testing.assert_array_equal(asked.masks, of_regions.masks)
        np.testing.assert_array_equal(asked.style_masks, of_regions.style_masks)
        assert asked.update_mask is None

    def test_layers_and_their_weights_may_be_given(self, ask, photo, coffee):
        layers = {"block1_conv1": 1, "block5_conv1": 3}
        asked = ask(sk.recipes.basic, photo, coffee, style_layers=layers)
        assert asked.style.layers == tuple(layers)
        assert asked.style.layer_weights == (1, 3)


class TestLevels:
    @pytest.mark.parametrize(
        ("longer", "sizes"),
        [
            (1, [1]),
            (63, [63]),
            (127, [127]),
            (128, [64, 128]),
            (255, [128, 255]),
            (512, [64, 128, 256, 512]),
            (1000, [125, 250, 500, 1000]),
        ],
    )
    def test_begin_at_64_pixels_and_end_in_three_rounds(self, longer, sizes):
        pyramid = neighbor_pyramid(longer)
        assert list(pyramid.sizes) == [*sizes, longer, longer, longer]

    def test_share_the_steps(self):
        levels = neighbor_pyramid(512).levels((384, 512), 50)
        assert [steps for _, steps in levels] == [10, 10, 10, 5, 5, 5, 5]

    def test_may_be_asked_for(self, ask, photo, coffee):
        assert ask(sk.recipes.basic, photo, coffee).pyramid.sizes == (32, 32, 32, 32)
        asked = ask(sk.recipes.basic, photo, coffee, size=100, pyramid=3)
        assert asked.pyramid.sizes == (25, 50, 100, 100, 100, 100)
        gram = ask(sk.recipes.basic, photo, coffee, size=100, pyramid=3, style_loss="gram")
        assert gram.pyramid == sk.Pyramid.halving(100, 3)

    @pytest.mark.slow
    def test_are_the_runs(self, options, photo, coffee):
        few = options | {"style_loss": "neighbors", "pyramid": 2, "steps": 12}
        result = sk.stylize(photo, coffee, **few)
        levels = result.manifest["levels"]
        assert [level["size"] for level in levels] == [[12, 16], *[[24, 32]] * 4]
        assert [level["steps"] for level in levels] == [4, 2, 2, 2, 2]
        assert result.losses[-1]["total"] < result.losses[0]["total"]


class TestOwn:
    """A style loss of the user's own: a class, or a function."""

    def test_a_class_is_called_once_a_style(self, ask, photo, coffee, rocket, left):
        calls = []

        class Mean(sk.StatisticLoss):
            def __init__(self, style, *, mask, style_mask, layers, weight):
                calls.append((style, mask, style_mask, layers, weight))
                options = {"mask": mask, "reference_mask": style_mask, "layers": layers}
                super().__init__(style, weight=weight, **options)

            def statistic(self, feature, mask):
                return sk.functional.masked_mean(feature, mask)

        source = upper((32, 21))
        asked = ask(
            sk.recipes.basic,
            photo,
            [coffee, rocket],
            style_loss=Mean,
            strength=0.5,
            style_weights=[3, 1],
            mask=[None, left],
            style_mask=[None, lambda picture: source],
        )
        (style, *places, layers, weight), (_, mask, style_mask, *_) = calls
        np.testing.assert_array_equal(style, as_image(coffee, size=32))
        assert places == [None, None]
        assert layers is None
        assert weight == pytest.approx(0.75 * 0.5)
        np.testing.assert_array_equal(mask, left)
        np.testing.assert_array_equal(style_mask, source)
        assert calls[1][4] == pytest.approx(0.25 * 0.5)
        full = 0.5 * GRAM_FACTOR * sk.VGG19.style_factor
        assert [term.weight for term in asked.terms[1:3]] == pytest.approx(
            [0.75 * full, 0.25 * full]
        )
        assert [type(term) for term in asked.terms[1:3]] == [Mean, Mean]
        assert asked.steps == 300
        assert asked.pyramid.sizes == (32,)

    def test_a_statistic_of_one_method(self, ask, photo, coffee, left):
        class Mean(sk.StatisticLoss):
            def statistic(self, feature, mask):
                return sk.functional.masked_mean(feature, mask)

        source = upper((26, 32))
        asked = ask(
            sk.recipes.basic,
            photo,
            coffee,
            style_loss=Mean,
            mask=left,
            style_mask=source,
            strength=0.5,
        )
        term = asked.terms[1]
        assert type(term) is Mean
        np.testing.assert_array_equal(term.region.mask, left)
        np.testing.assert_array_equal(term.reference_region.mask, source)

    def test_of_every_recipe_of_a_content(self, ask, photo, coffee, rocket, left, maps):
        calls = []

        def loss(style, *, mask, style_mask, layers, weight):
            calls.append((mask, style_mask))
            return NeighborStyleLoss(style, mask, style_mask, layers=layers, weight=weight)

        for recipe, pictures, count in (
            (sk.recipes.localized, (photo, coffee, left), 1),
            (sk.recipes.regions, (photo, maps[0], coffee, maps[1]), 2),
            (sk.recipes.gradient_mask, (photo, [(coffee, left), (rocket, 1 - left)]), 2),
            (sk.recipes.patches, (photo, coffee), 1),
            (sk.recipes.patches, (photo, coffee, *maps), 2),
        ):
            calls.clear()
            asked = ask(recipe, *pictures, style_loss=loss)
            assert len(calls) == count
            assert [type(term) for term in asked.terms[1 : 1 + count]] == count * [
                NeighborStyleLoss
            ]
        by_maps = ask(sk.recipes.regions, photo, maps[0], coffee, maps[1])
        for (mask, style_mask), expected, source in zip(
            calls, by_maps.masks, by_maps.style_masks, strict=True
        ):
            np.testing.assert_array_equal(mask, expected)
            np.testing.assert_array_equal(style_mask, source)

    def test_runs_as_any_other(self, options, photo, coffee):
        def loss(style, *, mask, style_mask, layers, weight):
            return sk.GramStyleLoss(style, layers=layers, weight=weight)

        own = sk.stylize(photo, coffee, **(options | {"style_loss": loss, "steps": 2}))
        gram = sk.stylize(photo, coffee, **(options | {"steps": 2}))
        np.testing.assert_array_equal(own.image, gram.image)
        assert own.manifest["terms"] == gram.manifest["terms"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("given", "error", "words"),
        [
            ("gramm", InputError, r"style_loss.*'neighbors', 'gram'.*'gramm'"),
            (None, InputTypeError, r"style_loss.*'neighbors', 'gram', or a class.*None"),
            (3, InputTypeError, r"style_loss.*'neighbors', 'gram', or a class.*3"),
            (sk.TotalVariationLoss(), InputTypeError, r"style_loss.*TotalVariationLoss\("),
            (
                lambda style, **options: None,
                InputTypeError,
                r"style_loss.*must return a Loss.*NoneType",
            ),
            (
                lambda style, **options: style,
                InputTypeError,
                r"style_loss.*must return a Loss.*ndarray",
            ),
            (
                lambda style, **options: sk.PixelLoss,
                InputTypeError,
                r"style_loss.*must return a Loss",
            ),
        ],
    )
    def test_what_is_no_style_loss(self, ask, photo, coffee, left, maps, given, error, words):
        for recipe, pictures in (
            (sk.recipes.basic, (photo, coffee)),
            (sk.recipes.localized, (photo, coffee, left)),
            (sk.recipes.regions, (photo, maps[0], coffee, maps[1])),
            (sk.recipes.gradient_mask, (photo, [(coffee, left)])),
            (sk.recipes.patches, (photo, coffee)),
        ):
            with pytest.raises(error, match=words):
                ask(recipe, *pictures, style_loss=given)

    def test_the_function_is_named(self, ask, photo, coffee):
        def nothing(style, **options):
            return None

        with pytest.raises(InputTypeError, match="'nothing' must return a Loss"):
            ask(sk.recipes.basic, photo, coffee, style_loss=nothing)

    def test_an_error_in_it_names_it(self, photo, coffee):
        def short(style, mask):
            return sk.GramStyleLoss(style)

        with pytest.raises(TypeError) as caught:
            sk.recipes.basic(photo, coffee, style_loss=short, size=None)
        (note,) = caught.value.__notes__
        assert note.startswith("in style_loss 'short', called as (style, *, mask, style_mask,")
