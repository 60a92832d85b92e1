import json

import keras
import numpy as np
import pytest
from scipy.spatial.distance import cdist

import stylekit as sk
from stylekit._checks import InputError
from stylekit.losses import RelaxedTransportLoss, SelfSimilarityLoss
from stylekit.losses.relaxed_transport import SCALE

LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1")
PLAIN = {"layers": LAYERS, "moments": 0, "palette": 0}


@pytest.fixture
def canvas(photo, canvas_of):
    return canvas_of(photo)


def half(shape, side, size=None):
    """A mask of the left or right half, or of so many columns there."""
    mask = np.zeros(shape, "float32")
    size = size or shape[1] // 2
    mask[:, :size] = 1
    return mask if side == "left" else mask[:, ::-1].copy()


def cells(picture, side):
    height, width = (one // side for one in picture.shape[:2])
    blocks = picture[: height * side, : width * side].reshape(height, side, width, side, -1)
    return np.float64(blocks).mean((1, 3)).reshape(height * width, -1)


def columns(extractor, picture, factors=None):
    maps = [
        cells(np.asarray(extractor.model([layer])(picture[None])[layer])[0], 4 // stride)
        for layer, stride in zip(LAYERS, (1, 2, 4), strict=True)
    ]
    factors = [1 / one.sum(1).mean() for one in maps] if factors is None else factors
    return np.hstack([f * one for f, one in zip(factors, maps, strict=True)]), factors


def pixel_canvas(photo):
    """A canvas whose network sees single pixels."""
    image = keras.Input((None, None, 3))
    start = keras.initializers.RandomNormal(seed=0)
    layer = keras.layers.Conv2D(6, 1, name="c", activation="softplus", kernel_initializer=start)
    extractor = sk.KerasExtractor(keras.Model(image, layer(image)))
    return sk.losses.Canvas(extractor, photo.shape[:2], picture=photo)


def transport(cost):
    return max(cost.min(0).mean(), cost.min(1).mean())


def l1(value, target):
    return np.abs(value - target).sum() / np.abs(target).sum()


def test_equals_the_formula_on_all_cells(photo, style, canvas, extractor, evaluate):
    wanted, factors = columns(extractor, style)
    own, _ = columns(extractor, photo, factors)
    remd = transport(cdist(own, wanted, "cosine"))
    moments = l1(own.mean(0), wanted.mean(0)) + l1(
        np.cov(own.T, bias=True), np.cov(wanted.T, bias=True)
    )
    colors = transport(cdist(cells(photo, 4), cells(style, 4)) / 3**0.5)
    for options, expected in (
        (PLAIN, remd),
        ({"layers": LAYERS}, (remd + moments + 0.5 * colors) / 2.5),
        ({**PLAIN, "palette": 3}, (remd + 3 * colors) / 4),
    ):
        value, gradient = evaluate(RelaxedTransportLoss(style, **options), canvas, photo)
        np.testing.assert_allclose(value, [SCALE * expected], rtol=1e-3)
        assert np.abs(gradient).max() > 0


def test_is_at_least_the_distance_from_one_side(photo, style, canvas, extractor, evaluate):
    wanted, factors = columns(extractor, style)
    own, _ = columns(extractor, photo, factors)
    cost = cdist(own, wanted, "cosine")
    value, _ = evaluate(RelaxedTransportLoss(style, **PLAIN), canvas, photo)
    assert value[0] >= SCALE * max(cost.min(0).mean(), cost.min(1).mean()) - 1e-5


def test_the_style_itself_costs_nothing(photo, canvas, evaluate):
    value, gradient = evaluate(RelaxedTransportLoss(photo, layers=LAYERS), canvas, photo)
    np.testing.assert_allclose(value, [0], atol=1e-4)
    assert np.isfinite(gradient).all()


def test_where_the_style_has_what_does_not_count(photo, style, evaluate):
    photo, style = photo[:24, :20], style[:20, :24]
    permuted = np.random.default_rng(2).permutation(style.reshape(-1, 3)).reshape(style.shape)
    values = [
        evaluate(RelaxedTransportLoss(one, layers=["c"]), pixel_canvas(photo), photo)
        for one in (style, permuted)
    ]
    assert values[0][0] > 0.01 * SCALE
    np.testing.assert_allclose(values[0][0], values[1][0], rtol=1e-4)


def test_a_region_takes_from_its_own_region_alone(photo, canvas, evaluate):
    masks = [half(photo.shape[:2], side) for side in ("left", "right")]
    term = RelaxedTransportLoss(photo, masks, masks, **PLAIN)
    value, _ = evaluate(term, canvas, photo)
    np.testing.assert_allclose(value, [0], atol=1e-4)
    crossed, _ = evaluate(RelaxedTransportLoss(photo, masks, masks[::-1], **PLAIN), canvas, photo)
    assert crossed[0] > 0.005 * SCALE


def test_several_regions_are_the_sum_of_single_ones(photo, style, canvas, evaluate):
    masks = [half(photo.shape[:2], side) for side in ("left", "right")]
    styles, sources = [style, photo], [half(style.shape[:2], "left"), None]
    together = evaluate(RelaxedTransportLoss(styles, masks, sources, layers=LAYERS), canvas, photo)
    single = [
        evaluate(RelaxedTransportLoss(*one, layers=LAYERS), canvas, photo)
        for one in zip(styles, masks, sources, strict=True)
    ]
    for k in (0, 1):
        np.testing.assert_allclose(together[k], sum(one[k] for one in single), rtol=1e-4, atol=1e-8)


def test_soft_masks_are_masses(photo, style, canvas, evaluate):
    full = evaluate(RelaxedTransportLoss(style, layers=LAYERS), canvas, photo)[0]
    third, source = np.full(photo.shape[:2], 0.3), np.full(style.shape[:2], 0.6)
    soft = evaluate(RelaxedTransportLoss(style, third, source, layers=LAYERS), canvas, photo)[0]
    np.testing.assert_allclose(soft, 0.3 * full, rtol=1e-4)


def test_outside_the_mask_there_is_no_gradient(photo, style, canvas, evaluate):
    mask = half(photo.shape[:2], "left", 16)
    _, gradient = evaluate(RelaxedTransportLoss(style, mask, layers=LAYERS), canvas, photo)
    assert np.abs(gradient[:, :, :16]).max() > 0
    assert np.abs(gradient[:, :, 32:]).max() == 0  # beyond what conv3_1 sees


def test_empty_regions_are_listed_in_pairs(photo, style, canvas):
    photo_masks = [np.ones((48, 40)), lambda picture: np.ones(picture.shape[:2]), np.ones((48, 40))]
    border = np.zeros((34, 54), "float32")
    border[-1] = 1  # beyond the last whole cell
    style = np.pad(style, ((0, 2), (0, 2), (0, 0)))
    term = RelaxedTransportLoss(style, photo_masks, [None, border, border], layers=LAYERS)
    with pytest.raises(
        InputError, match=r"(?s)at least one cell.*mask 2 with.*mask 3 with"
    ) as error:
        term.prepare(canvas)
    assert "mask 1" not in str(error.value)
    with pytest.raises(InputError, match="empty"):
        RelaxedTransportLoss(style, np.zeros((48, 40)))


def test_a_picture_that_is_too_small_is_an_error(photo, style, canvas, canvas_of):
    for small, shown, message in (
        (style[:3], canvas, "a style or reference picture is too small for layer block3_conv1"),
        (style, canvas_of(photo[:3]), "the picture is too small for layer block3_conv1"),
    ):
        with pytest.raises(InputError, match=message):
            RelaxedTransportLoss(small, layers=LAYERS).prepare(shown)


def test_numbers_of_styles_and_masks_that_differ_are_an_error(style):
    with pytest.raises(InputError, match="expected one `mask`, or 3, received 2") as error:
        RelaxedTransportLoss([style] * 3, [None] * 2)
    assert error.value.argument == "mask"


def test_the_sample_follows_the_seed_the_size_and_the_round(photo, style, canvas_of, evaluate):
    def value(canvas=None, **options):
        term = RelaxedTransportLoss(style, **PLAIN | {"samples": 20} | options)
        return evaluate(term, canvas or canvas_of(photo), photo)[0][0]

    assert value() == value()
    assert value() != value(seed=1)
    assert value() != value(canvas_of(photo, round=1))
    assert value(samples=120) == value(samples=10**6)  # all cells


@pytest.mark.parametrize("constant", [0, 0.5, 1])
def test_flat_pictures_give_finite_values_and_gradients(constant, photo, canvas, evaluate):
    flat = np.full(photo.shape, constant, "float32")
    for image, style in ((photo, flat), (flat, photo), (flat, flat)):
        found = evaluate(RelaxedTransportLoss(style, layers=LAYERS), canvas, image)
        assert all(np.isfinite(x).all() for x in found)


def test_the_gradient_is_numeric(photo, style, canvas, assert_gradient_is_numeric):
    mask = np.linspace(0.1, 1, 40) * np.ones((48, 1))
    term = RelaxedTransportLoss(style, mask, layers=LAYERS, samples=20)
    assert_gradient_is_numeric(term, canvas, photo)


def test_a_batch_gives_the_values_of_its_pictures(photo, style, canvas, evaluate, rng):
    term = RelaxedTransportLoss(style, layers=LAYERS)
    images = np.stack([photo, rng.random(photo.shape, "float32")])
    together = evaluate(term, canvas, images)[0]
    for k in range(2):
        np.testing.assert_allclose(together[k], evaluate(term, canvas, images[k])[0][0], rtol=1e-4)


def test_it_is_a_style_loss_of_the_recipes(photo, style):
    recipe = sk.recipes.basic(
        photo, style, size=None, style_loss=RelaxedTransportLoss, style_layers=["conv1_1"]
    )
    recipe.replace("content", SelfSimilarityLoss(photo, layers=["conv1_1"], weight=0.5))
    result = recipe.run(steps=3, extractor=sk.CompactVGG())
    assert result.losses[-1]["relaxed_transport"] < result.losses[0]["relaxed_transport"]


def test_tiles_are_an_error_that_names_it(photo, style):
    term = RelaxedTransportLoss(style, layers="conv1_1")
    transfer = sk.StyleTransfer([term], extractor=sk.CompactVGG(), plan=sk.Tiles(32))
    with pytest.raises(InputError, match="'relaxed_transport' cannot be evaluated in tiles"):
        transfer.run(photo, steps=1)


def test_its_configuration(style):
    mask = np.ones((48, 40), "float32")
    config = RelaxedTransportLoss(style, mask, layers=LAYERS, weight=2, seed=3).get_config()
    assert (config["moments"], config["palette"]) == (1, 0.5)
    assert (config["samples"], config["seed"], config["weight"]) == (1024, 3, 2)
    assert len(config["styles"]) == len(config["masks"]) == 1
    json.dumps(config)
