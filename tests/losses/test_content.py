import json

import numpy as np
import pytest
import tensorflow as tf

from stylekit import ContentLoss, PixelLoss
from stylekit._checks import InputError
from stylekit.image import picture_hash, resize
from stylekit.losses.content import reference_at

LAYERS = ("block1_conv2", "block2_conv1")


@pytest.fixture
def image(rng):
    return rng.random((48, 40, 3)).astype("float32")


@pytest.fixture
def mask(rng):
    mask = rng.random((48, 40)).astype("float32")
    mask[:, :12] = 0
    return mask


def features(extractor, picture, layer):
    return np.asarray(extractor.model([layer])(picture[None])[layer], "float64")[0]


def formula(F, P, m, error, normalize):
    """The errors, written out for NumPy with the mask as weights of the positions."""
    m = np.ones(F.shape[:2]) if m is None else m
    square = ((F - P) ** 2 * m[..., None]).sum() / (m.sum() * F.shape[-1])
    energy = (P**2 * m[..., None]).sum() / (m.sum() * F.shape[-1])
    if normalize == "relative":
        return np.sqrt(square / energy) if error == "rmse" else square / energy
    half_sse = 0.5 * ((F - P) ** 2 * m[..., None]).sum()
    return {"mse": square, "rmse": np.sqrt(square), "half_sse": half_sse}[error]


# ContentLoss


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("normalize", ["none", "relative"])
@pytest.mark.parametrize("error", ["mse", "rmse", "half_sse"])
def test_errors_are_the_formulas(
    error, normalize, masked, photo, image, mask, canvas_of, extractor, evaluate
):
    mask = mask if masked else None
    term = ContentLoss(photo, layers=LAYERS, error=error, normalize=normalize, mask=mask)
    value, gradient = evaluate(term, canvas_of(photo), image)
    expected = []
    for layer in LAYERS:
        maps = [features(extractor, x, layer) for x in (image, photo)]
        size = 40 // maps[0].shape[1]
        pooled = mask
        if masked:
            pooled = mask.reshape(48 // size, size, 40 // size, size).mean((1, 3))
        expected.append(formula(*maps, pooled, error, normalize))
    np.testing.assert_allclose(value, [np.mean(expected)], rtol=1e-4)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("normalize", ["none", "relative"])
@pytest.mark.parametrize("error", ["mse", "rmse", "half_sse"])
def test_the_content_itself_costs_nothing(error, normalize, photo, canvas_of, evaluate):
    term = ContentLoss(photo, layers=LAYERS, error=error, normalize=normalize)
    value, gradient = evaluate(term, canvas_of(photo), photo)
    np.testing.assert_allclose(value, [0], atol=2e-4)  # the root of x + eps
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


def test_the_default_is_dimensionless_mse_of_conv4_2(photo, image, canvas_of, evaluate, extractor):
    term = ContentLoss(photo)
    assert term.layers_of(extractor) == ("block4_conv2",)
    value, _ = evaluate(term, canvas_of(photo), image)
    maps = [features(extractor, x, "block4_conv2") for x in (image, photo)]
    np.testing.assert_allclose(value, [formula(*maps, None, "mse", "relative")], rtol=1e-4)
    assert 0.01 < value[0] < 10


def test_a_mask_of_ones_changes_nothing(photo, image, canvas_of, evaluate):
    for loss, options in ((ContentLoss, {"layers": LAYERS}), (PixelLoss, {})):
        plain, masked = (
            evaluate(loss(photo, mask=m, **options), canvas_of(photo), image)
            for m in (None, np.ones((48, 40)))
        )
        for a, b in zip(plain, masked, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(a).max())


def test_a_mask_is_a_weighted_mean_and_not_a_share(photo, image, canvas_of, evaluate):
    # So that content that counts in a tenth of the picture is kept there as it is elsewhere.
    values = [
        evaluate(ContentLoss(photo, layers=LAYERS, mask=m), canvas_of(photo), image)[0]
        for m in (np.full((48, 40), 0.2), None)
    ]
    np.testing.assert_allclose(*values, rtol=1e-4)


def test_what_the_mask_leaves_out_may_change(photo, image, canvas_of, evaluate):
    mask = np.zeros((48, 40))
    mask[:, :16] = 1
    changed = np.where(np.arange(40)[:, None] >= 26, image, photo)  # beyond the field of conv2_1
    value, gradient = evaluate(
        ContentLoss(photo, layers="conv2_1", mask=mask), canvas_of(photo), changed
    )
    np.testing.assert_allclose(value, [0], atol=1e-9)
    term = ContentLoss(photo, layers="conv2_1", mask=mask)
    _, gradient = evaluate(term, canvas_of(photo), image)
    assert np.abs(gradient[:, :, :16]).max() > 0
    assert np.abs(gradient[:, :, 26:]).max() == 0


def test_layer_weights_weigh_the_mean_over_layers(photo, image, canvas_of, evaluate):
    def value(layers, weights=None):
        term = ContentLoss(photo, layers=layers, layer_weights=weights)
        return evaluate(term, canvas_of(photo), image)[0]

    one, two = (value(layer) for layer in LAYERS)
    np.testing.assert_allclose(value(LAYERS), (one + two) / 2, rtol=1e-5)
    np.testing.assert_allclose(value(LAYERS, [1, 3]), (one + 3 * two) / 4, rtol=1e-5)
    mapping = dict(zip(LAYERS, (1, 3), strict=True))
    np.testing.assert_allclose(value(LAYERS, mapping), (one + 3 * two) / 4, rtol=1e-5)


@pytest.mark.parametrize("constant", [0, 0.5, 1])
def test_a_flat_content_gives_finite_values_and_gradients(constant, image, canvas_of, evaluate):
    flat = np.full((48, 40, 3), constant, "float32")
    for error in ("mse", "rmse", "half_sse"):
        for picture in (image, flat):
            found = evaluate(ContentLoss(flat, error=error), canvas_of(flat), picture)
            assert all(np.isfinite(x).all() for x in found)


@pytest.mark.parametrize(
    "options",
    [{"error": "mae"}, {"normalize": "max"}, {"layers": ["conv4_2", "conv4_2"]}],
)
def test_an_option_that_is_unknown_is_an_error(options, photo):
    with pytest.raises(InputError, match=r"is unknown|each layer once"):
        ContentLoss(photo, **options)


def test_half_precision_features_give_float32(photo, image, canvas_of, evaluate):
    for options in ({}, {"mask": np.ones((48, 40))}):
        half, full = (
            evaluate(ContentLoss(photo, **options), canvas_of(photo, dtype=dtype), image)[0]
            for dtype in ("mixed_bfloat16", "float32")
        )
        assert half.dtype == np.float32
        np.testing.assert_allclose(half, full, rtol=0.05)


# Both: references, batches, masks

BOTH = pytest.mark.parametrize(
    "loss", [lambda *a, **k: ContentLoss(*a, layers="block1_conv1", **k), PixelLoss]
)


@BOTH
def test_a_batch_gives_the_values_of_its_pictures(loss, photo, image, mask, canvas_of, evaluate):
    references, images = np.stack([photo, image, photo / 2]), np.stack([image, image, photo])
    canvas = canvas_of(photo)
    together = evaluate(loss(references, mask=mask), canvas, images)
    shared = evaluate(loss(photo, mask=mask), canvas, images)
    for k in range(3):
        own = evaluate(loss(references[k], mask=mask), canvas, images[k])
        same = evaluate(loss(photo, mask=mask), canvas, images[k])
        for found, expected in ((together, own), (shared, same)):
            np.testing.assert_allclose(found[0][k], expected[0][0], rtol=1e-4, atol=1e-7)
            scale = max(np.abs(expected[1]).max(), 1e-6)
            np.testing.assert_allclose(found[1][k], expected[1][0], atol=1e-3 * scale)


@BOTH
@pytest.mark.parametrize("pictures", [1, 2])
def test_references_in_another_number_than_the_pictures_are_an_error(
    loss, pictures, photo, canvas_of, evaluate
):
    message = f"must have one reference, or one per picture: expected 1 or {pictures}, received 3"
    with pytest.raises(InputError, match=message):
        evaluate(loss(np.stack([photo] * 3)), canvas_of(photo), np.stack([photo] * pictures))


@BOTH
def test_a_number_of_pictures_that_is_not_known_is_no_error(loss, photo, canvas_of):
    term, canvas = loss(np.stack([photo] * 2)), canvas_of(photo)
    targets = term.prepare(canvas)

    def compute(image):
        return term.compute(image, canvas.extract(image, term.layers_of(canvas.extractor)), targets)

    traced = tf.function(compute, input_signature=[tf.TensorSpec([None, 48, 40, 3])])
    np.testing.assert_allclose(traced(np.stack([photo] * 2)), [0, 0], atol=1e-9)


@BOTH
@pytest.mark.parametrize("shape", [(40, 48), (48, 48), (20, 40)])
def test_a_reference_of_another_aspect_ratio_is_an_error(loss, shape, photo, canvas_of, rng):
    message = rf"must have the aspect ratio .* 40x48, received {shape[1]}x{shape[0]} pixels\. Crop"
    with pytest.raises(InputError, match=message):
        loss(rng.random((*shape, 3))).prepare(canvas_of(photo))


@BOTH
def test_a_reference_of_another_size_is_resized(loss, photo, image, canvas_of, evaluate):
    large = resize(photo, (96, 80))
    values = [
        evaluate(loss(x), canvas_of(photo), image)[0] for x in (large, resize(large, (48, 40)))
    ]
    np.testing.assert_allclose(*values, rtol=1e-5)


@BOTH
def test_a_coarse_level_compares_at_its_own_size(loss, photo, canvas_of, evaluate):
    coarse = canvas_of(photo, (24, 20))
    value, _ = evaluate(loss(photo), coarse, resize(photo, (24, 20)))
    np.testing.assert_allclose(value, [0], atol=1e-9)


@pytest.mark.parametrize("shape", [(600, 401), (333, 222), (75, 50), (7, 5)])
@pytest.mark.parametrize("base", [(48, 32), (512, 341), (299, 200)])
def test_rounding_to_whole_pixels_is_no_other_aspect_ratio(shape, base, canvas_of):
    reference = np.zeros((1, *shape, 3), "float32")
    canvas = canvas_of(np.zeros((*base, 3), "float32"), (24, 16))
    assert reference_at(reference, canvas).shape == (1, 24, 16, 3)


@BOTH
@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((4, 4)), "mask has the wrong size"),
        (np.zeros((48, 40)), "mask is empty"),
        (np.full((48, 40), np.nan), "NaN"),
        (np.full((48, 40), -0.5), r"values in \[0, 1\]"),
    ],
    ids=["shape", "empty", "NaN", "negative"],
)
def test_an_unfit_mask_is_an_error(loss, mask, message, photo, canvas_of):
    with pytest.raises(InputError, match=message):
        loss(photo, mask=mask).prepare(canvas_of(photo))


@BOTH
def test_a_callable_mask_is_given_the_canvas_picture(loss, photo, image, mask, canvas_of, evaluate):
    given = []

    def segment(picture):
        given.append(picture)
        return mask

    found = evaluate(loss(photo, mask=segment), canvas_of(photo), image)
    expected = evaluate(loss(photo, mask=mask), canvas_of(photo), image)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(given[0], photo)


@BOTH
def test_a_configuration_holds_hashes_and_settings_only(loss, photo, mask):
    term = loss(photo, mask=mask, weight=5, name="keep")
    config = term.get_config()
    assert config == json.loads(json.dumps(config))
    assert config["reference"] == picture_hash(photo)
    assert config["mask"] == picture_hash(mask)
    assert config["weight"] == 5
    assert config["name"] == "keep"
    assert "array" not in repr(term)
    assert picture_hash(photo) in repr(term)
    assert term.is_mean == isinstance(term, ContentLoss)  # a PixelLoss reads no layer


def test_the_configuration_of_content_holds_its_error():
    photo = np.zeros((4, 4, 3))
    term = ContentLoss(photo, layers=LAYERS, layer_weights=[1, 2], error="rmse", normalize="none")
    config = term.get_config()
    assert config["error"] == "rmse"
    assert config["normalize"] == "none"
    assert config["layers"] == list(LAYERS)
    assert config["layer_weights"] == [1, 2]


# PixelLoss


def test_pixels_are_compared_by_mean_squared_error(photo, image, mask, canvas_of, evaluate):
    square = ((image - photo).astype("float64") ** 2).mean(-1)
    value, _ = evaluate(PixelLoss(photo), canvas_of(photo), image)
    np.testing.assert_allclose(value, [square.mean()], rtol=1e-5)
    value, gradient = evaluate(PixelLoss(photo, mask=mask), canvas_of(photo), image)
    np.testing.assert_allclose(value, [(square * mask).sum() / mask.sum()], rtol=1e-5)
    expected = 2 * (image - photo) * mask[..., None] / (3 * mask.sum())
    np.testing.assert_allclose(gradient[0], expected, rtol=1e-3, atol=1e-9)
    assert PixelLoss(photo).layers == ()


def test_pixels_that_are_right_cost_nothing(photo, mask, canvas_of, evaluate):
    for options in ({}, {"mask": mask}):
        value, gradient = evaluate(PixelLoss(photo, **options), canvas_of(photo), photo)
        assert value == [0]
        assert not gradient.any()


def test_pixels_see_themselves_alone(photo):
    class Rooted(PixelLoss):
        def compute(self, image, features, targets):
            return super().compute(image, features, targets) ** 0.5

    assert PixelLoss(photo).reach == 0
    assert Rooted(photo).reach is None


def test_half_precision_pixels_give_float32(photo, canvas_of):
    term = PixelLoss(photo)
    value = term.compute(tf.cast(photo[None], "float16"), {}, term.prepare(canvas_of(photo)))
    assert value.dtype == tf.float32
    np.testing.assert_allclose(value, [0], atol=1e-6)
