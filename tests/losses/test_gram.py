import json

import numpy as np
import pytest
import tensorflow as tf

from stylekit import GradientMaskStyleLoss, GramStyleLoss, MaskedGramStyleLoss, functional
from stylekit._checks import InputError, InputTypeError
from stylekit._defaults import STYLE_LAYERS
from stylekit.image import picture_hash, resize

LAYERS = ("block1_conv1", "block2_conv1")
SHAPE, STYLE_SHAPE = (48, 40), (32, 52)


def ramp(shape=SHAPE):
    return np.tile(np.linspace(0, 1, shape[1], dtype="float32"), (shape[0], 1))


def square(side, shape=SHAPE, corner=8):
    mask = np.zeros(shape, "float32")
    mask[corner : corner + side, corner : corner + side] = 1
    return mask


@pytest.fixture
def canvas(photo, canvas_of):
    return canvas_of(photo)


def gram(extractor, picture, layer, mask=None):
    """The masked Gram matrix by NumPy, with the mask averaged over the layer's cells."""
    feature = np.asarray(extractor.model([layer])(picture[None])[layer], "float64")[0]
    mask = np.ones(picture.shape[:2]) if mask is None else mask
    height, width = feature.shape[:2]
    side = len(mask) // height
    mask = mask[: height * side, : width * side].reshape(height, side, width, side).mean((1, 3))
    return np.einsum("hw,hwi,hwj->ij", mask, feature, feature) / mask.sum()


def relative(G, A):
    return ((G - A) ** 2).sum() / (A**2).sum()


def assert_close(found, expected, rtol=1e-4):
    """Values and gradients are alike."""
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max())


# Whole pictures


def test_the_value_is_the_mean_relative_error_of_gram_matrices(
    photo, style, canvas, extractor, evaluate
):
    value, gradient = evaluate(GramStyleLoss(style, layers=LAYERS), canvas, photo)
    errors = [relative(gram(extractor, photo, n), gram(extractor, style, n)) for n in LAYERS]
    np.testing.assert_allclose(value, [np.mean(errors)], rtol=1e-4)
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("normalize", functional.GRAM_SCALINGS)
def test_the_scaling_of_the_distance_is_that_of_the_function(
    normalize, photo, style, canvas, extractor, evaluate
):
    term = GramStyleLoss(style, layers=LAYERS, normalize=normalize)
    value, _ = evaluate(term, canvas, photo)
    errors = [
        functional.gram_distance(*(gram(extractor, x, n)[None] for x in (photo, style)), normalize)
        for n in LAYERS
    ]
    np.testing.assert_allclose(value, [np.mean(errors)], rtol=1e-4)


def test_a_style_keeps_its_own_size_and_aspect(style, canvas, extractor):
    # Peers stretch it to the content's shape.
    targets = GramStyleLoss(style, layers=LAYERS).prepare(canvas)
    stretched = resize(style, SHAPE)
    for layer in LAYERS:
        found, own = targets[layer]["statistic"][0], gram(extractor, style, layer)
        np.testing.assert_allclose(found, own, rtol=1e-3, atol=1e-4 * own.max())
        assert relative(gram(extractor, stretched, layer), own) > 1e-4


def test_a_style_is_scaled_where_that_is_asked_for(style, canvas, extractor):
    term = GramStyleLoss(style, layers=LAYERS, style_scale=0.5)
    found = term.prepare(canvas)["block2_conv1"]["statistic"][0]
    expected = gram(extractor, resize(style, (16, 26)), "block2_conv1")
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * expected.max())


def test_a_coarse_level_sees_a_style_reduced_alike(photo, style, canvas_of, extractor):
    term = GramStyleLoss(style, layers=LAYERS)
    found = term.prepare(canvas_of(photo, (24, 20)))["block2_conv1"]["statistic"][0]
    expected = gram(extractor, resize(style, (16, 26)), "block2_conv1")
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * expected.max())


def test_a_style_that_is_the_picture_costs_nothing(photo, canvas, evaluate):
    for term in (GramStyleLoss(photo), MaskedGramStyleLoss(photo, ramp(), ramp())):
        value, gradient = evaluate(term, canvas, photo)
        np.testing.assert_allclose(value, [0], atol=1e-8)
        assert np.isfinite(gradient).all()
        np.testing.assert_allclose(gradient, 0, atol=1e-5)


@pytest.mark.parametrize("normalize", functional.GRAM_SCALINGS)
@pytest.mark.parametrize("constant", [0, 0.5, 1])
def test_flat_pictures_give_finite_values_and_gradients(
    constant, normalize, photo, canvas, evaluate
):
    flat = np.full(photo.shape, constant, "float32")
    layers = STYLE_LAYERS if (normalize, constant) == ("relative", 0.5) else LAYERS
    for image, style in ((photo, flat), (flat, photo), (flat, flat)):
        for term in (
            GramStyleLoss(style, normalize=normalize, layers=layers),
            MaskedGramStyleLoss(style, ramp(), ramp(), normalize=normalize, layers=layers),
        ):
            assert all(np.isfinite(x).all() for x in evaluate(term, canvas, image))


def test_half_precision_features_give_float32(photo, style, canvas_of, evaluate):
    for term in (GramStyleLoss(style), MaskedGramStyleLoss(style, ramp())):
        half, full = (
            evaluate(term, canvas_of(photo, dtype=dtype), photo)[0]
            for dtype in ("mixed_bfloat16", "float32")
        )
        assert half.dtype == np.float32
        np.testing.assert_allclose(half, full, rtol=0.05)


# Regions


@pytest.mark.parametrize("exponent", [0, 0.5, 1])
@pytest.mark.parametrize("mask", [ramp(), square(16), 0.25 * ramp()], ids=["ramp", "hard", "faint"])
def test_a_region_is_weighed_by_its_share_to_a_power(
    mask, exponent, photo, style, canvas, extractor, evaluate
):
    style_mask = ramp(STYLE_SHAPE)
    term = MaskedGramStyleLoss(
        style, mask, style_mask, layers=LAYERS, area_exponent=exponent, intensity=3
    )
    value, _ = evaluate(term, canvas, photo)
    errors = [
        relative(gram(extractor, photo, n, mask), gram(extractor, style, n, style_mask))
        for n in LAYERS
    ]
    expected = 3 * mask.mean() ** exponent * np.mean(errors)
    np.testing.assert_allclose(value, [expected], rtol=1e-4)


def test_the_default_exponent_is_one_and_half_a_mask_is_half_a_weight(
    photo, style, canvas, evaluate
):
    plain = evaluate(GramStyleLoss(style, layers=LAYERS), canvas, photo)
    half = MaskedGramStyleLoss(style, np.full(SHAPE, 0.5), layers=LAYERS)
    assert_close(evaluate(half, canvas, photo), [x / 2 for x in plain])


@pytest.mark.parametrize("exponent", [0, 1])
def test_masks_of_ones_are_no_masks(exponent, photo, style, canvas, evaluate):
    plain = evaluate(GramStyleLoss(style), canvas, photo)
    ones = MaskedGramStyleLoss(style, np.ones(SHAPE), np.ones(STYLE_SHAPE), area_exponent=exponent)
    assert_close(evaluate(ones, canvas, photo), plain, rtol=1e-3)


def test_the_force_on_a_pixel_does_not_depend_on_the_regions_area(style, canvas, evaluate):
    # On a flat picture every region has the same Gram matrix: the force is that of the weights.
    flat, inside = np.full((*SHAPE, 3), 0.5, "float32"), (0, 12, 12)

    def force(side, exponent):
        mask = square(side)
        term = MaskedGramStyleLoss(style, mask, layers="block1_conv1", area_exponent=exponent)
        return evaluate(term, canvas, flat)[1][inside]

    np.testing.assert_allclose(force(8, 1), force(24, 1), rtol=1e-3)
    np.testing.assert_allclose(force(8, 0), 9 * force(24, 0), rtol=1e-3)


def test_along_a_soft_border_two_masks_lose_no_force(style, canvas, evaluate):
    # Of two complementary masks each pixel bears the force of one mask of ones: squared masks
    # would leave a gap of one half. A little is left, for the edge of the picture is not flat.
    flat = np.full((*SHAPE, 3), 0.5, "float32")

    def force(mask):
        term = MaskedGramStyleLoss(style, mask, layers="block1_conv1")
        return evaluate(term, canvas, flat)[1][:, 2:-2, 2:-2]

    whole = force(np.ones(SHAPE))
    assert np.abs(whole).min() > 0
    np.testing.assert_allclose(force(ramp()) + force(1 - ramp()), whole, rtol=0.05)


def test_nothing_beyond_the_layers_field_is_moved(photo, style, canvas, evaluate):
    term = MaskedGramStyleLoss(style, square(10, corner=4), layers=LAYERS)
    _, gradient = evaluate(term, canvas, photo)
    assert np.abs(gradient[:, 4:14, 4:14]).max() > 0
    assert np.abs(gradient[:, 20:]).max() == 0
    assert np.abs(gradient[:, :, 20:]).max() == 0


def test_the_size_of_the_styles_region_cancels(photo, style, canvas, evaluate):
    # A style of the same tile twice: the region that holds it once is as good as the whole.
    tile = np.tile(style[:16, :16], (2, 2, 1))
    flat = np.tile(style[:1, :1], (*STYLE_SHAPE, 1))
    values = [
        evaluate(term, canvas, photo)[0]
        for term in (
            MaskedGramStyleLoss(flat, ramp(), square(8, STYLE_SHAPE), layers="block1_pool"),
            MaskedGramStyleLoss(flat, ramp(), square(16, STYLE_SHAPE), layers="block1_pool"),
            MaskedGramStyleLoss(tile, ramp(), np.full((32, 32), 0.1), layers="block1_pool"),
            MaskedGramStyleLoss(tile, ramp(), layers="block1_pool"),
        )
    ]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-4)
    np.testing.assert_allclose(values[2], values[3], rtol=1e-4)


def test_only_the_masked_part_of_a_style_is_taken(photo, canvas, evaluate, rng):
    left = rng.random((32, 26, 3)) * [1, 0.2, 0.2]
    style = np.concatenate([left, rng.random((32, 26, 3)) * [0.2, 0.2, 1]], axis=1)
    style_mask = np.zeros(STYLE_SHAPE)
    style_mask[:, :24] = 1  # short of what sees the right half
    other = style.copy()
    other[:, 27:] = 0
    values = [
        evaluate(MaskedGramStyleLoss(x, ramp(), m, layers="block1_conv1"), canvas, photo)[0]
        for x, m in ((style, style_mask), (other, style_mask), (style, None))
    ]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-5)
    assert abs(values[2] / values[0] - 1) > 0.05


def test_intensity_multiplies_value_and_gradient(photo, style, canvas, evaluate):
    for make in (
        lambda **k: GramStyleLoss(style, layers=LAYERS, **k),
        lambda **k: MaskedGramStyleLoss(style, ramp(), layers=LAYERS, **k),
    ):
        one, some, none = (evaluate(make(intensity=i), canvas, photo) for i in (1, 2.5, 0))
        assert_close(some, [2.5 * x for x in one])
        assert not any(x.any() for x in none)


def test_mask_modes_change_which_cells_count(photo, style, canvas, evaluate):
    values = [
        evaluate(
            MaskedGramStyleLoss(style, square(20), layers=LAYERS, mask_mode=mode, area_exponent=1),
            canvas,
            photo,
        )[0][0]
        for mode in ("inside", "simple", "all")
    ]
    assert len(set(values)) == 3
    shares = [
        MaskedGramStyleLoss(style, square(20), layers=LAYERS, mask_mode=mode).prepare(canvas)[
            "block2_conv1"
        ]["share"]
        for mode in ("inside", "simple", "all")
    ]
    assert shares == sorted(shares)


def test_a_batch_gives_the_values_of_its_pictures(photo, style, canvas, evaluate, rng):
    pictures = np.stack([photo, photo[::-1], rng.random(photo.shape).astype("float32")])
    for term in (
        GramStyleLoss(style, layers=LAYERS),
        MaskedGramStyleLoss(style, ramp(), layers=LAYERS),
        GradientMaskStyleLoss([(style, ramp()), (photo, 1 - ramp())], layers=LAYERS),
    ):
        values, gradients = evaluate(term, canvas, pictures)
        assert values.shape == (3,)
        for k, picture in enumerate(pictures):
            value, gradient = evaluate(term, canvas, picture)
            np.testing.assert_allclose(values[k], value[0], rtol=1e-4)
            scale = np.abs(gradient).max()
            np.testing.assert_allclose(gradients[k], gradient[0], atol=1e-3 * scale)


# Callable masks


def test_callable_masks_are_given_the_picture_and_the_style(photo, style, canvas, evaluate):
    given = {}

    def of(name, mask):
        def segment(picture):
            given[name] = picture
            return mask

        return segment

    masks = ramp(), ramp(STYLE_SHAPE)
    term = MaskedGramStyleLoss(style, of("image", masks[0]), of("style", masks[1]), layers=LAYERS)
    assert not given
    found = evaluate(term, canvas, photo)
    np.testing.assert_array_equal(given["image"], photo)
    np.testing.assert_array_equal(given["style"], style)
    expected = evaluate(MaskedGramStyleLoss(style, *masks, layers=LAYERS), canvas, photo)
    assert_close(found, expected, rtol=1e-5)


def test_a_callable_style_mask_is_given_the_style_whatever_its_scale(style, canvas):
    given = []

    def segment(picture):
        given.append(picture.shape)
        return ramp(STYLE_SHAPE)

    MaskedGramStyleLoss(style, ramp(), segment, style_scale=2, layers=LAYERS).prepare(canvas)
    assert given == [(*STYLE_SHAPE, 3)]


# Unfit regions


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones(STYLE_SHAPE), r"mask has the wrong size: expected 40x48 pixels"),
        (np.zeros(SHAPE), "mask is empty"),
        (np.full(SHAPE, np.nan), "NaN"),
        (-ramp(), r"values in \[0, 1\]"),
    ],
    ids=["shape", "empty", "NaN", "negative"],
)
def test_an_unfit_mask_is_an_error(mask, message, style, canvas):
    with pytest.raises(InputError, match=message):
        MaskedGramStyleLoss(style, mask, layers=LAYERS).prepare(canvas)


def test_an_unfit_style_mask_is_an_error_that_says_which(style, canvas):
    with pytest.raises(InputError, match=r"^style mask has the wrong size: .*52x32"):
        MaskedGramStyleLoss(style, ramp(), ramp(), layers=LAYERS).prepare(canvas)
    with pytest.raises(InputError, match=r"^style mask is empty"):
        MaskedGramStyleLoss(style, ramp(), np.zeros(STYLE_SHAPE))


def test_a_masked_style_without_a_mask_is_an_error(style):
    with pytest.raises(
        InputTypeError, match=r"`mask` is required.*GramStyleLoss for the whole picture"
    ):
        MaskedGramStyleLoss(style, None)


@pytest.mark.parametrize(
    "options",
    [
        {"area_exponent": -0.5},
        {"area_exponent": 2},
        {"intensity": -1},
        {"style_scale": 0},
        {"normalize": "mean"},
        {"mask_mode": "outside"},
        {"small_regions": "skip"},
        {"weight": -1},
        {"layers": LAYERS, "layer_weights": [1]},
    ],
    ids=lambda options: next(iter(options)),
)
def test_an_option_out_of_range_is_an_error_that_names_it(options, style):
    name = "layer_weights" if "layers" in options else next(iter(options))
    with pytest.raises(InputError, match=name):
        MaskedGramStyleLoss(style, ramp(), **options)
    if name != "intensity":  # which each region gives as its weight
        with pytest.raises(InputError, match=name):
            GradientMaskStyleLoss([(style, ramp())], **options)


def test_a_small_region_is_an_error_that_names_layer_region_and_a_size(style, canvas):
    with pytest.raises(InputError) as error:
        MaskedGramStyleLoss(style, square(5)).prepare(canvas)
    for word in ("the mask", "block4_conv1", "40x48", "at least", "small_regions"):
        assert word in str(error.value)
    with pytest.raises(InputError, match=r"the style mask .* block3_conv1 at 52x32 .*at least"):
        MaskedGramStyleLoss(style, ramp(), square(3, STYLE_SHAPE)).prepare(canvas)


def test_a_layer_may_be_skipped_for_a_small_region(photo, style, canvas, evaluate):
    term = MaskedGramStyleLoss(
        style, square(5), layers=(*LAYERS, "block4_conv1"), small_regions="skip_layer"
    )
    targets = term.prepare(canvas)
    assert tuple(targets) == LAYERS
    assert len(canvas.notes) == 1
    assert "block4_conv1" in canvas.notes[0]
    value, _ = evaluate(term, canvas, photo)
    # The other layers weigh what they weighed: two of three.
    two, _ = evaluate(MaskedGramStyleLoss(style, square(5), layers=LAYERS), canvas, photo)
    np.testing.assert_allclose(value, two * 2 / 3, rtol=1e-4)


def test_a_style_region_that_is_too_small_skips_the_layer_as_well(style, canvas):
    term = MaskedGramStyleLoss(
        style,
        ramp(),
        square(5, STYLE_SHAPE),
        layers=(*LAYERS, "block4_conv1"),
        small_regions="skip_layer",
    )
    assert tuple(term.prepare(canvas)) == LAYERS
    assert canvas.notes == ["style mask omitted at block4_conv1 of 52x32: less than one cell"]


def test_a_region_that_no_layer_sees_is_worth_nothing(photo, style, canvas, evaluate):
    term = MaskedGramStyleLoss(style, square(2), layers=["conv4_1"], small_regions="skip_layer")
    value, gradient = evaluate(term, canvas, photo)
    assert value == [0]
    assert not gradient.any()


def test_a_coarse_level_skips_a_layer_with_a_note(photo, style, canvas_of, evaluate):
    layers = ("block1_conv1", "block4_conv1")
    term = MaskedGramStyleLoss(style, square(9), layers=layers)
    assert tuple(term.prepare(canvas_of(photo))) == layers
    coarse = canvas_of(photo, (24, 20))
    value, _ = evaluate(term, coarse, resize(photo, (24, 20)))
    assert value > 0
    assert coarse.notes == ["mask omitted at block4_conv1 of 20x24: less than one cell"]


# Several styles


def test_a_gradient_mask_is_the_sum_of_its_regions(photo, style, canvas, evaluate, rng):
    wave = rng.random((40, 30, 3)).astype("float32")
    regions = [
        (style, ramp()),
        (wave, 1 - ramp(), ramp((40, 30))),
        (photo, square(20), None, 0.5),
    ]
    together = GradientMaskStyleLoss(regions, layers=LAYERS, layer_weights=[1, 2])
    terms = [
        MaskedGramStyleLoss(*region[:3], layers=LAYERS, layer_weights=[1, 2], intensity=weight)
        for region, weight in zip(regions, (1, 1, 0.5), strict=True)
    ]
    found = evaluate(together, canvas, photo)
    parts = [evaluate(term, canvas, photo) for term in terms]
    assert_close(found, [sum(values) for values in zip(*parts, strict=True)])


def test_every_option_reaches_every_region(photo, style, canvas, evaluate):
    options = {
        "layers": LAYERS,
        "normalize": "gatys2016",
        "style_scale": 0.75,
        "mask_mode": "all",
        "area_exponent": 0.5,
    }
    together = GradientMaskStyleLoss([(style, ramp()), (style, 1 - ramp())], **options)
    parts = [
        evaluate(MaskedGramStyleLoss(style, m, **options), canvas, photo)
        for m in (ramp(), 1 - ramp())
    ]
    expected = [sum(values) for values in zip(*parts, strict=True)]
    assert_close(evaluate(together, canvas, photo), expected)


def test_one_style_under_complementary_masks_is_nearly_that_style(style, canvas, evaluate, rng):
    # Exactly so only where the halves have one Gram matrix: here a picture of even texture.
    even = rng.random((*SHAPE, 3)).astype("float32")
    together = GradientMaskStyleLoss([(style, ramp()), (style, 1 - ramp())], layers=LAYERS)
    whole = GramStyleLoss(style, layers=LAYERS)
    found, expected = (evaluate(term, canvas, even) for term in (together, whole))
    np.testing.assert_allclose(found[0], expected[0], rtol=0.02)
    difference = np.linalg.norm(found[1] - expected[1]) / np.linalg.norm(expected[1])
    assert difference < 0.2


def test_masks_need_not_sum_to_one(photo, style, canvas, evaluate):
    term = GradientMaskStyleLoss([(style, square(16)), (style, 0.5 * square(16))], layers=LAYERS)
    value, gradient = evaluate(term, canvas, photo)
    one, force = evaluate(MaskedGramStyleLoss(style, square(16), layers=LAYERS), canvas, photo)
    assert_close((value, gradient), (1.5 * one, 1.5 * force))


@pytest.mark.parametrize(
    ("regions", "received"),
    [
        (lambda s, m: [(s,)], "tuple of 1"),
        (lambda s, m: [(s, m, None, 1, 2)], "tuple of 5"),
        (lambda s, m: [s, m], "ndarray of 32"),  # a pair that is not in a list
        (lambda s, m: [None], "NoneType"),
    ],
)
def test_a_region_that_is_no_pair_is_an_error(regions, received, style):
    with pytest.raises(InputTypeError, match=rf"\(style, mask\[, .*received {received}"):
        GradientMaskStyleLoss(regions(style, ramp()))


def test_a_gradient_mask_without_regions_is_an_error():
    with pytest.raises(
        InputError, match=r"`regions` must not be empty: expected one or more \(style, mask\) pairs"
    ):
        GradientMaskStyleLoss([])


def test_a_negative_weight_of_a_region_is_an_error(style):
    with pytest.raises(InputError, match="intensity is out of range"):
        GradientMaskStyleLoss([(style, ramp(), None, -1)])


def test_regions_may_come_from_an_iterator(photo, style, canvas, evaluate):
    masks = [ramp(), 1 - ramp()]
    one = GradientMaskStyleLoss(((style, m) for m in masks), layers=LAYERS)
    two = GradientMaskStyleLoss([[style, m] for m in masks], layers=LAYERS)
    assert_close(evaluate(one, canvas, photo), evaluate(two, canvas, photo))


# Traces and records


def test_targets_may_pass_through_a_traced_function(photo, style, canvas, evaluate):
    term = GradientMaskStyleLoss([(style, ramp()), (photo, 1 - ramp())], layers=LAYERS)
    traces = []

    @tf.function
    def compute(image, features, targets):
        traces.append(image)
        return term.compute(image, features, targets)

    for picture in (photo, photo[::-1].copy()):
        image = tf.constant(picture[None])
        targets = term.prepare(canvas)
        found = compute(image, canvas.extract(image, LAYERS), targets)
        np.testing.assert_allclose(found, evaluate(term, canvas, picture)[0], rtol=1e-4)
    assert len(traces) == 1


def test_configurations_hold_hashes_and_settings_only(style):
    term = MaskedGramStyleLoss(
        style,
        ramp(),
        np.mean,
        layers=LAYERS,
        normalize="pixels",
        intensity=2,
        style_scale=1.5,
        mask_mode="inside",
        area_exponent=0.5,
        small_regions="skip_layer",
        weight=8,
        name="sky",
    )
    config = term.get_config()
    assert config == json.loads(json.dumps(config))
    assert config == {
        "style": picture_hash(style),
        "style_scale": 1.5,
        "mask": picture_hash(ramp()),
        "style_mask": "mean",
        "layers": list(LAYERS),
        "weight": 8,
        "name": "sky",
        "normalize": "pixels",
        "intensity": 2,
        "mask_mode": "inside",
        "area_exponent": 0.5,
        "small_regions": "skip_layer",
    }
    assert "array" not in repr(term)


def test_the_configuration_of_a_gradient_mask_lists_its_regions(style, photo):
    term = GradientMaskStyleLoss([(style, ramp()), (photo, 1 - ramp(), None, 2)], weight=3)
    config = term.get_config()
    assert config == json.loads(json.dumps(config))
    assert [r["style"] for r in config["regions"]] == [picture_hash(x) for x in (style, photo)]
    assert [r["mask"] for r in config["regions"]] == [picture_hash(m) for m in (ramp(), 1 - ramp())]
    assert config["regions"][1]["intensity"] == 2
    assert config["weight"] == 3
    assert "array" not in repr(term)


def test_the_configuration_of_a_plain_style(style):
    config = GramStyleLoss(style, weight=8).get_config()
    assert config["style"] == picture_hash(style)
    assert config["normalize"] == "relative"
    assert not set(config) & {"mask", "style_mask", "intensity", "style_scale"}
    assert repr(GramStyleLoss(style)).startswith("GramStyleLoss(style='")


def test_a_gradient_mask_is_the_sum_of_its_parts(photo, style, canvas_of, evaluate):
    ramp = np.tile(np.linspace(0, 1, photo.shape[1], dtype="float32"), (photo.shape[0], 1))
    term = GradientMaskStyleLoss([(style, ramp), (style[::-1], 1 - ramp, None, 2.0)])
    canvas = canvas_of(photo)
    value, gradient = evaluate(term, canvas, photo)
    parts = [evaluate(part, canvas, photo) for part in term.parts]
    assert len(parts) == 2
    assert all(part.is_mean for part in term.parts)
    np.testing.assert_allclose(value, sum(part[0] for part in parts), rtol=1e-5)
    gap = np.abs(gradient - sum(part[1] for part in parts)).max()
    assert gap < 1e-4 * np.abs(gradient).max()
