import json

import numpy as np
import pytest
import tensorflow as tf

import stylekit as sk
from stylekit import functional
from stylekit._checks import InputError, InputTypeError
from stylekit.losses import GramStyleLoss, LongRangeGramStyleLoss

LAYERS = ("block1_conv1", "block2_conv1")
SHAPE, STYLE_SHAPE = (48, 40), (32, 52)


def half(shape=SHAPE, value=1.0):
    mask = np.zeros(shape, "float32")
    mask[:, : shape[1] // 2] = value
    return mask


@pytest.fixture
def canvas(photo, canvas_of):
    return canvas_of(photo)


def shifts_of(term, canvas, layer):
    return list(term.prepare(canvas)[layer]["grams"])


def test_the_value_is_that_of_the_formula(photo, style, canvas, evaluate):
    term = LongRangeGramStyleLoss(style, layers=LAYERS, shifts=[4, 9], weight=5)
    values = []
    for layer, cells in zip(LAYERS, ((4, 9), (2, 4)), strict=True):
        shifts = [(0, 0), *((s, 0) for s in cells), *((0, s) for s in cells)]
        assert shifts_of(term, canvas, layer) == shifts
        maps = (canvas.extract(x[None], [layer])[layer] for x in (photo, style))
        image, target = (functional.shifted_gram_matrices(one, shifts) for one in maps)
        values.append(functional.relative_error(image, target))
    value, gradient = evaluate(term, canvas, photo)
    np.testing.assert_allclose(value, np.mean(values, axis=0), rtol=1e-4)
    assert np.abs(gradient).max() > 0


def test_shuffled_columns_keep_the_gram_matrix_and_cost_here(canvas, photo, rng):
    shuffled = photo[:, rng.permutation(photo.shape[1])]
    values = []
    for make in (GramStyleLoss, LongRangeGramStyleLoss):
        term = make(photo, layers="block1_conv1")
        targets = term.prepare(canvas)
        feature = canvas.extract(photo[None], ["block1_conv1"])["block1_conv1"]
        columns = rng.permutation(feature.shape[2])
        moved = {"block1_conv1": tf.gather(feature, columns, axis=2)}
        values.append(term.compute(shuffled[None], moved, targets).numpy())
    np.testing.assert_allclose(values[0], [0], atol=1e-8)
    assert values[1] > 1e-3


def test_a_style_that_is_the_picture_costs_nothing(photo, canvas, evaluate):
    for masks in ((), (half(), half())):
        term = LongRangeGramStyleLoss(photo, *masks, layers=LAYERS)
        value, gradient = evaluate(term, canvas, photo)
        np.testing.assert_allclose(value, [0], atol=1e-6)
        np.testing.assert_allclose(gradient, 0, atol=1e-5)


def test_the_gradient_is_numeric(photo, style, canvas, assert_gradient_is_numeric):
    mask = np.tile(np.linspace(0, 1, SHAPE[1], dtype="float32"), (SHAPE[0], 1))
    term = LongRangeGramStyleLoss(style, mask, layers="block1_conv1")
    assert_gradient_is_numeric(term, canvas, photo)


def test_masks_of_ones_are_no_masks_and_half_a_mask_is_half_a_weight(
    photo, style, canvas, evaluate
):
    plain, ones, soft = (
        evaluate(LongRangeGramStyleLoss(style, *masks, layers=LAYERS), canvas, photo)[0]
        for masks in (
            (),
            (np.ones(SHAPE), np.ones(STYLE_SHAPE)),
            (np.full(SHAPE, 0.5), np.full(STYLE_SHAPE, 0.25)),
        )
    )
    np.testing.assert_allclose(ones, plain, rtol=1e-4)
    np.testing.assert_allclose(soft, plain / 2, rtol=1e-4)


def test_only_pairs_inside_the_regions_count(photo, style, canvas, evaluate):
    """A region of whole columns is a picture of its own, whose pairs do not reach out of it."""
    others = [x.copy() for x in (photo, style)]
    for other in others:
        other[:, other.shape[1] // 2 + 2 :] = 0
    mask, style_mask = half(), half(STYLE_SHAPE)
    mask[:, 18:] = style_mask[:, 24:] = 0  # a convolution's reach away from what is changed
    values = [
        evaluate(LongRangeGramStyleLoss(s, mask, style_mask, layers="block1_conv1"), canvas, image)[
            0
        ]
        for image, s in ((photo, style), others)
    ]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-5)


def test_the_default_shifts_are_shares_of_the_smaller_side(style, canvas):
    term = LongRangeGramStyleLoss(style, layers=LAYERS)
    assert shifts_of(term, canvas, LAYERS[0])[1:4] == [(4, 0), (8, 0), (16, 0)]
    assert shifts_of(term, canvas, LAYERS[1])[1:4] == [(2, 0), (4, 0), (8, 0)]
    narrow = np.zeros(SHAPE, "float32")
    narrow[:, :6] = 1
    term = LongRangeGramStyleLoss(style, narrow, layers=LAYERS[0])
    assert shifts_of(term, canvas, LAYERS[0])[4:] == [(0, 4)]


def test_a_shift_larger_than_the_feature_map_is_an_error_that_says_what_works(style, canvas):
    term = LongRangeGramStyleLoss(style, layers=["conv1_1", "conv2_1"], shifts=[8, 36])
    with pytest.raises(InputError, match=r"36 pixels .* layer conv1_1: .*at least 37 pix") as error:
        term.prepare(canvas)  # of the style's height of 32
    assert error.value.argument == "shifts"
    wide = np.zeros((64, 64, 3), "float32")
    with pytest.raises(InputError, match=r"layer conv3_1: .*at least 44 pixels"):
        LongRangeGramStyleLoss(wide, layers="conv3_1", shifts=[40]).prepare(canvas)


def test_a_shift_beyond_the_region_is_an_error(style, canvas):
    term = LongRangeGramStyleLoss(style, half(), layers="conv1_1", shifts=[24])
    with pytest.raises(InputError, match="the mask has no two places 24 pixels apart"):
        term.prepare(canvas)


def test_a_coarse_level_leaves_out_a_shift_with_a_note(photo, style, canvas_of):
    coarse = canvas_of(photo, (12, 10))
    term = LongRangeGramStyleLoss(style, layers="conv1_1", shifts=[16, 36])
    assert shifts_of(term, coarse, "conv1_1") == [(0, 0), (4, 0), (0, 4), (0, 9)]
    assert coarse.notes == ["shift of 36 pixels omitted at conv1_1 of 10x12: too large"]


@pytest.mark.parametrize("shifts", [[], [0], [2.5], "8"])
def test_unfit_shifts_are_an_error(shifts, style):
    with pytest.raises((InputError, InputTypeError)) as error:
        LongRangeGramStyleLoss(style, shifts=shifts)
    assert error.value.argument == "shifts"


def test_pairs_cannot_be_taken_in_tiles(style, extractor):
    with pytest.raises(InputError, match="cannot be evaluated in tiles"):
        sk.transfer.TiledObjective([LongRangeGramStyleLoss(style)], extractor, SHAPE, tile=16)


@pytest.mark.slow
def test_a_recipe_paints_with_it(style):
    recipe = sk.recipes.texture(style, size=48, style_loss=LongRangeGramStyleLoss)
    result = recipe.run(steps=3, extractor=sk.CompactVGG())
    assert result.losses[-1]["total"] < result.losses[0]["total"]


def test_the_configuration_tells_of_shifts(style):
    config = LongRangeGramStyleLoss(style, half(), shifts=(4, 8)).get_config()
    assert config == json.loads(json.dumps(config))
    assert config["shifts"] == [4, 8]
    assert "shifts" not in LongRangeGramStyleLoss(style).get_config()
