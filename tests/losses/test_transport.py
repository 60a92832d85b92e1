import json

import numpy as np
import pytest
import tensorflow as tf

import stylekit as sk
from stylekit import functional
from stylekit._checks import InputError, InputTypeError
from stylekit.image import picture_hash
from stylekit.losses import MomentStyleLoss, SlicedWassersteinLoss, WassersteinStyleLoss
from stylekit.losses.transport import random_directions

LAYERS = ("block1_conv1", "block2_conv1")
SHAPE, STYLE_SHAPE = (48, 40), (32, 52)
LOSSES = [WassersteinStyleLoss, SlicedWassersteinLoss, MomentStyleLoss]


def ramp(shape=SHAPE):
    return np.tile(np.linspace(0, 1, shape[1], dtype="float32"), (shape[0], 1))


def square(side, shape=SHAPE):
    mask = np.zeros(shape, "float32")
    mask[8 : 8 + side, 8 : 8 + side] = 1
    return mask


@pytest.fixture
def canvas(photo, canvas_of):
    return canvas_of(photo)


@pytest.fixture(params=LOSSES, ids=lambda loss: loss.__name__)
def loss(request):
    return request.param


@pytest.fixture
def histograms():
    """A function that returns the moments' term with histograms."""
    return lambda *args, **options: MomentStyleLoss(*args, histogram_weight=1, **options)


def feature(canvas, picture, layer):
    return canvas.extract(picture[None], [layer])[layer]


# Values


def test_the_value_of_the_gaussians(photo, style, canvas, evaluate):
    value, gradient = evaluate(WassersteinStyleLoss(style, layers=LAYERS), canvas, photo)
    expected = [
        functional.gaussian_distance(
            *(functional.joint_moments(feature(canvas, x, layer)) for x in (photo, style))
        )
        for layer in LAYERS
    ]
    np.testing.assert_allclose(value, np.mean(expected, axis=0), rtol=1e-4)
    assert np.abs(gradient).max() > 0


def test_the_value_along_directions(photo, style, canvas, evaluate):
    term = SlicedWassersteinLoss(style, layers="conv2_1", directions=20)
    directions = term.prepare(canvas)["conv2_1"]["directions"]
    assert directions.shape == (128, 20)
    a, b = (np.asarray(feature(canvas, x, "conv2_1"), "float64") for x in (photo, style))
    quantiles = functional.sliced_quantiles(b, directions, 24 * 20)
    expected = functional.sliced_distance(a, quantiles, directions)
    np.testing.assert_allclose(evaluate(term, canvas, photo)[0], expected, rtol=1e-4)


def test_a_style_that_is_the_picture_costs_nothing(loss, photo, canvas, evaluate):
    for term in (loss(photo, layers=LAYERS), loss(photo, ramp(), ramp(), layers=LAYERS)):
        value, gradient = evaluate(term, canvas, photo)
        np.testing.assert_allclose(value, [0], atol=1e-4)
        np.testing.assert_allclose(gradient, 0, atol=1e-4)


def test_a_larger_picture_of_the_same_has_the_same_value(loss, style, canvas_of, evaluate):
    rng = np.random.default_rng(3)
    patch = np.tile(rng.random((16, 16, 3)).astype("float32"), (2, 2, 1))
    larger = np.tile(patch, (3, 3, 1))
    values = [evaluate(loss(style, layers=LAYERS), canvas_of(x), x)[0] for x in (patch, larger)]
    np.testing.assert_allclose(values[0], values[1], rtol=0.05)  # their borders differ


def test_a_batch_gives_the_values_of_its_pictures(loss, photo, style, canvas, evaluate):
    pictures = np.stack([photo, photo[::-1]])
    term = loss(style, ramp(), layers="conv1_1")
    values, gradients = evaluate(term, canvas, pictures)
    for k, picture in enumerate(pictures):
        value, gradient = evaluate(term, canvas, picture)
        np.testing.assert_allclose(values[k], value[0], rtol=1e-3)
        scale = np.abs(gradient).max()
        np.testing.assert_allclose(gradients[k], gradient[0], atol=0.02 * scale)


def test_layers_are_weighed(loss, photo, style, canvas, evaluate):
    one, two = (evaluate(loss(style, layers=layer), canvas, photo)[0] for layer in LAYERS)
    both = loss(style, layers=LAYERS, layer_weights=[1, 3], weight=5)
    found = evaluate(both, canvas, photo)[0]
    np.testing.assert_allclose(found, (one + 3 * two) / 4, rtol=1e-4)


def test_flat_pictures_give_finite_values_and_gradients(loss, histograms, photo, canvas, evaluate):
    black, grey = (np.full(photo.shape, x, "float32") for x in (0, 0.5))
    for image, style in ((photo, grey), (grey, photo), (grey, grey), (black, black)):
        for make in (loss, histograms) if loss is MomentStyleLoss else (loss,):
            term = make(style, ramp(), ramp(), layers="conv1_1")
            assert all(np.isfinite(x).all() for x in evaluate(term, canvas, image))


@pytest.mark.slow
def test_half_precision_features_give_float32(loss, photo, style, canvas_of, evaluate):
    half, full = (
        evaluate(loss(style, ramp(), layers=LAYERS), canvas_of(photo, dtype=dtype), photo)[0]
        for dtype in ("mixed_bfloat16", "float32")
    )
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, full, rtol=0.05)


# Regions


def test_masks_of_ones_are_no_masks_and_half_a_mask_is_half_a_weight(
    loss, histograms, photo, style, canvas, evaluate
):
    for make in (loss, histograms) if loss is MomentStyleLoss else (loss,):
        plain, ones, half = (
            evaluate(make(style, *masks, layers="conv1_1"), canvas, photo)[0]
            for masks in (
                (),
                (np.ones(SHAPE), np.ones(STYLE_SHAPE)),
                (np.full(SHAPE, 0.5), np.full(STYLE_SHAPE, 0.25)),
            )
        )
        np.testing.assert_allclose(ones, plain, rtol=1e-3)
        # Half of the mass is half as many quantiles, too, which are coarser.
        np.testing.assert_allclose(half, plain / 2, rtol=0.02)


def test_only_the_masked_part_of_a_style_is_taken(loss, histograms, photo, canvas, evaluate, rng):
    style = rng.random((*STYLE_SHAPE, 3)).astype("float32")
    style_mask = np.zeros(STYLE_SHAPE)
    style_mask[:, :24] = 1
    other = style.copy()
    other[:, 27:] = 0
    for make in (loss, histograms) if loss is MomentStyleLoss else (loss,):
        one, two, whole = (
            evaluate(make(x, ramp(), m, layers="block1_conv1"), canvas, photo)[0]
            for x, m in ((style, style_mask), (other, style_mask), (other, None))
        )
        np.testing.assert_allclose(one, two, rtol=1e-4)
        assert abs(whole / one - 1) > 0.05


def test_nothing_beyond_the_layers_field_is_moved(loss, photo, style, canvas, evaluate):
    _, gradient = evaluate(loss(style, square(10), layers=LAYERS), canvas, photo)
    assert np.abs(gradient[:, 8:18, 8:18]).max() > 0
    assert np.abs(gradient[:, 24:]).max() == 0


@pytest.mark.parametrize(
    ("masks", "argument"),
    [((np.zeros(SHAPE),), "mask"), ((ramp(), np.zeros(STYLE_SHAPE)), "style_mask")],
)
def test_an_empty_region_is_an_error_that_says_which(masks, argument, loss, style):
    name = argument.replace("_", " ")
    with pytest.raises(InputError, match=f"^{name} is empty") as error:
        loss(style, *masks)
    assert error.value.argument == argument


@pytest.mark.parametrize(
    ("masks", "argument"),
    [((square(5),), "mask"), ((ramp(), square(5, STYLE_SHAPE)), "style_mask")],
)
def test_a_small_region_is_an_error_that_names_layer_and_size(masks, argument, loss, style, canvas):
    with pytest.raises(InputError, match=r"covers less than one cell of layer .*at least") as error:
        loss(style, *masks, layers=["conv1_1", "conv4_1"]).prepare(canvas)
    assert error.value.argument == argument


def test_a_coarse_level_leaves_out_a_layer_with_a_note(loss, photo, style, canvas_of, evaluate):
    coarse = canvas_of(photo, (24, 20))
    term = loss(style, square(9), layers=["conv1_1", "conv4_1"])
    assert list(term.prepare(coarse)) == ["conv1_1"]
    assert coarse.notes == ["mask omitted at conv4_1 of 20x24: less than one cell"]


@pytest.mark.parametrize(
    ("make", "options"),
    [(loss, {"style_scale": 0}) for loss in LOSSES]
    + [(loss, {"weight": -1}) for loss in LOSSES]
    + [(SlicedWassersteinLoss, {"directions": 0}), (SlicedWassersteinLoss, {"directions": 2.5})]
    + [(SlicedWassersteinLoss, {"seed": -1}), (MomentStyleLoss, {"histogram_weight": -1})],
)
def test_an_option_out_of_range_is_an_error_that_names_it(make, options, style):
    with pytest.raises((InputError, InputTypeError)) as error:
        make(style, **options)
    assert error.value.argument == next(iter(options))


# Directions


@pytest.mark.parametrize("count", [3, 8, 20])
def test_directions_are_orthonormal_in_groups(count):
    found = random_directions((3, 0), 8, count)
    assert found.shape == (8, count)
    for first in range(0, count, 8):
        group = found[:, first : first + 8]
        np.testing.assert_allclose(group.T @ group, np.eye(group.shape[1]), atol=1e-6)


def test_directions_follow_seed_size_and_round(style, canvas_of, photo):
    def drawn(seed=0, **options):
        term = SlicedWassersteinLoss(style, layers="conv1_1", directions=4, seed=seed)
        return term.prepare(canvas_of(photo, **options))["conv1_1"]["directions"].numpy()

    first = drawn()
    np.testing.assert_array_equal(first, drawn())
    for other in (drawn(1), drawn(shape=(24, 20)), drawn(round=1)):
        assert np.abs(first - other).max() > 0.01


# Traces, tiles and records


def test_targets_may_pass_through_a_traced_function(loss, photo, style, canvas, evaluate):
    term, traces = loss(style, ramp(), layers="conv1_1"), []

    @tf.function
    def compute(image, features, targets):
        traces.append(image)
        return term.compute(image, features, targets)

    for picture in (photo, photo[::-1].copy()):
        image = tf.constant(picture[None])
        found = compute(image, canvas.extract(image, ["conv1_1"]), term.prepare(canvas))
        np.testing.assert_allclose(found, evaluate(term, canvas, picture)[0], rtol=1e-4)
    assert len(traces) == 1


def test_tiles_have_value_and_gradient_of_the_whole(photo, style, extractor):
    terms = [
        make(style, ramp(), ramp(STYLE_SHAPE), layers="conv2_1")
        for make in (WassersteinStyleLoss, MomentStyleLoss)
    ]
    whole = sk.Objective(terms, extractor, SHAPE)
    tiled = sk.transfer.TiledObjective(terms, extractor, SHAPE, tile=24)
    expected, found = whole(photo[None]), tiled(photo[None])
    for name, value in expected[1].items():
        np.testing.assert_allclose(found[1][name], value, rtol=1e-3)
    scale = np.abs(expected[2]).max()
    np.testing.assert_allclose(found[2], expected[2], atol=0.01 * scale)


def test_sorted_values_cannot_be_taken_in_tiles(style, histograms, extractor):
    for term in (SlicedWassersteinLoss(style), histograms(style)):
        with pytest.raises(InputError, match="cannot be evaluated in tiles"):
            sk.transfer.TiledObjective([term], extractor, SHAPE, tile=16)


@pytest.mark.parametrize(
    "make", [MomentStyleLoss, *(pytest.param(x, marks=pytest.mark.slow) for x in LOSSES[:2])]
)
def test_a_recipe_paints_with_it(make, photo, style):
    recipe = sk.recipes.basic(photo, style, size=None, style_loss=make, style_layers=["conv1_1"])
    result = recipe.run(steps=3, extractor=sk.CompactVGG())
    assert result.losses[-1]["total"] < result.losses[0]["total"]


def test_configurations_hold_hashes_and_settings_only(loss, style):
    term = loss(style, ramp(), np.mean, layers=LAYERS, style_scale=2, weight=8, name="sky")
    config = term.get_config()
    assert config == json.loads(json.dumps(config))
    own = {"directions": None, "seed": 0} if loss is SlicedWassersteinLoss else {}
    assert config == own | {
        "style": picture_hash(style),
        "style_scale": 2,
        "mask": picture_hash(ramp()),
        "style_mask": "mean",
        "layers": list(LAYERS),
        "weight": 8,
        "name": "sky",
    }
