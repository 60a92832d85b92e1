import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from stylekit._checks import InputError, InputTypeError
from stylekit.image import resize
from stylekit.losses import Canvas

LAYER = "block2_conv1"


@pytest.fixture
def canvas(photo, canvas_of):
    return canvas_of(photo)


# Sizes


def test_a_canvas_is_final_unless_a_larger_base_is_given(extractor):
    canvas = Canvas(extractor, (48, 40))
    assert canvas.base_shape == canvas.mask_shape == canvas.shape == (48, 40)
    assert canvas.is_final
    coarse = Canvas(extractor, (24, 20), base_shape=[48, 40])
    assert not coarse.is_final
    assert coarse.mask_shape == (48, 40)


def test_the_image_is_the_picture_at_this_size(photo, canvas_of):
    np.testing.assert_array_equal(canvas_of(photo).image, photo[None])
    coarse = canvas_of(photo, (24, 20))
    np.testing.assert_allclose(coarse.image, resize(photo, (24, 20))[None])
    assert coarse.image.dtype == tf.float32


def test_the_image_of_a_run_without_a_picture_is_an_error_with_the_way_out(extractor):
    with pytest.raises(InputError, match=r"no content picture.*ContentLoss"):
        _ = Canvas(extractor, (48, 40)).image


def test_a_reference_beside_keeps_its_own_size_and_aspect(style, canvas):
    beside = canvas.beside(style)
    assert beside.shape == beside.base_shape == beside.mask_shape == (32, 52)
    assert beside.is_final
    assert beside.picture is style


def test_a_reference_beside_is_scaled_as_it_is_asked_to(style, canvas):
    beside = canvas.beside(style, 1.5)
    assert beside.shape == beside.base_shape == (48, 78)
    assert beside.is_final
    assert beside.mask_shape == (32, 52)  # a mask has the size of the reference as it was given


def test_a_reference_beside_is_reduced_as_the_canvas_is(photo, style, canvas_of):
    beside = canvas_of(photo, (24, 20)).beside(style)
    assert beside.shape == (16, 26)
    assert beside.base_shape == (32, 52)
    assert not beside.is_final


def test_notes_are_those_of_the_canvas_beside_it(style, canvas):
    beside = canvas.beside(style)
    beside.notes.append("something")
    assert canvas.notes == ["something"]


def test_a_canvas_beside_computes_in_the_same_precision(photo, style, canvas_of):
    beside = canvas_of(photo, dtype="mixed_bfloat16").beside(style)
    assert beside.extract(beside.image, [LAYER])[LAYER].dtype == tf.bfloat16


# Features


def test_features_answer_to_the_names_that_were_asked_for(photo, canvas, extractor):
    features = canvas.extract(photo[None], ["conv2_1", "block1_pool", "relu2_1"])
    assert list(features) == ["conv2_1", "block1_pool", "relu2_1"]
    expected = extractor.model([LAYER])(photo[None])[LAYER]
    np.testing.assert_array_equal(features["conv2_1"], expected)
    np.testing.assert_array_equal(features["relu2_1"], expected)


def test_no_layers_need_no_network(photo):
    assert Canvas(None, (48, 40)).extract(photo[None], []) == {}


def test_an_image_without_a_cell_at_a_layer_is_an_error_that_says_so(canvas):
    wanted = (
        r"too small for layer block5_conv1: expected at least 16 pixels per side, received 40x15"
    )
    with pytest.raises(InputError, match=wanted):
        canvas.extract(tf.zeros((1, 15, 40, 3)), ["block1_conv1", "block5_conv1"])
    canvas.check_size(["block5_conv1"])
    with pytest.raises(InputError, match="block5_pool"):
        canvas.check_size(["block5_pool"], (31, 31))


# Masks


def test_no_mask_is_none(canvas):
    assert canvas.mask(None, LAYER) is None


def test_a_mask_follows_the_network_to_its_layer(canvas, rng):
    mask = rng.random((48, 40)).astype("float32")
    pooled = canvas.mask(mask, "conv3_1")
    assert pooled.shape == (1, 12, 10, 1)
    expected = mask.reshape(12, 4, 10, 4).mean((1, 3))
    np.testing.assert_allclose(pooled[0, ..., 0], expected, rtol=1e-5)


def test_a_mask_is_reduced_with_the_canvas(photo, canvas_of, rng):
    mask = rng.random((48, 40)).astype("float32")
    pooled = canvas_of(photo, (24, 20)).mask(mask, "conv2_1")
    assert pooled.shape == (1, 12, 10, 1)
    expected = mask.reshape(12, 4, 10, 4).mean((1, 3))
    np.testing.assert_allclose(pooled[0, ..., 0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    "convert",
    [
        lambda m: m > 0,
        lambda m: m.astype("int64"),
        lambda m: (255 * m).astype("uint8"),
        lambda m: m.tolist(),
        lambda m: m[..., None],
        lambda m: Image.fromarray((255 * m).astype("uint8")),
    ],
    ids=["bool", "int", "uint8", "list", "one channel", "PIL"],
)
def test_whatever_stands_for_a_mask_is_taken(convert, canvas):
    mask = np.zeros((48, 40))
    mask[8:20, 4:36] = 1
    np.testing.assert_allclose(
        canvas.mask(convert(mask), LAYER), canvas.mask(mask.astype("f"), LAYER), atol=1e-6
    )


def test_a_mask_from_a_file(canvas, tmp_path):
    mask = np.zeros((48, 40), "uint8")
    mask[8:20] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    np.testing.assert_allclose(
        canvas.mask(tmp_path / "mask.png", LAYER), canvas.mask(mask, LAYER), atol=1e-6
    )


def ones_but(value):
    mask = np.ones((48, 40))
    mask[3, 4] = value
    return mask


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((40, 48)), r"the wrong size: expected 40x48 pixels, received 48x40 pixels"),
        (np.zeros((48, 40)), "mask is empty"),
        (ones_but(np.nan), "NaN"),
        (ones_but(-0.5), r"values in \[0, 1\].*-0.5"),
        (ones_but(3), r"values in \[0, 1\].*3"),
        (np.ones((48, 40, 3)), "two dimensions"),
    ],
    ids=["shape", "empty", "NaN", "negative", "above 1", "colour"],
)
def test_an_unfit_mask_is_an_error_that_says_so(mask, message, canvas):
    with pytest.raises(InputError, match=message):
        canvas.mask(mask, LAYER)
    with pytest.raises(InputError, match=message):
        canvas.mask(lambda picture: mask, LAYER)


def test_what_is_no_mask_is_a_type_error(canvas):
    with pytest.raises(InputTypeError, match="must be an array of numbers"):
        canvas.mask(np.array([["a"]]), LAYER)


def test_a_mask_is_called_what_the_caller_calls_it(canvas):
    with pytest.raises(InputError, match=r"^sky mask has the wrong size"):
        canvas.resolve_mask(np.ones((2, 2)), "sky mask")


def test_a_callable_mask_is_given_the_picture(photo, canvas):
    given = []

    def mask(picture):
        given.append(picture)
        return picture[..., 0]

    pooled = canvas.mask(mask, "block1_conv1")
    assert len(given) == 1
    np.testing.assert_array_equal(given[0], photo)
    np.testing.assert_allclose(pooled[0, ..., 0], photo[..., 0], rtol=1e-6)


def test_a_callable_mask_without_a_picture_is_an_error_with_the_way_out(extractor):
    message = r"callable mask needs a content picture.*ContentLoss.*Pass the mask as an array"
    with pytest.raises(InputError, match=message):
        Canvas(extractor, (48, 40)).mask(lambda picture: picture[..., 0], LAYER)


# How a mask follows the network


def test_an_unknown_mode_is_an_error(canvas):
    with pytest.raises(InputError, match=r"mask mode is unknown.*'simple', 'inside', 'all'.*'out'"):
        canvas.mask(np.ones((48, 40)), LAYER, mode="out")


@pytest.mark.parametrize("layer", ["block1_conv1", "block2_conv1", "block3_conv1"])
def test_inside_is_within_simple_which_is_within_all(layer, canvas, rng):
    mask = np.zeros((48, 40), "float32")
    mask[10:40, 6:] = rng.random((30, 34))
    inside, simple, all_ = (
        np.asarray(canvas.mask(mask, layer, mode=mode)) for mode in ("inside", "simple", "all")
    )
    assert (inside <= simple + 1e-6).all()
    assert (simple <= all_ + 1e-6).all()
    assert inside.sum() < simple.sum() < all_.sum()


@pytest.mark.parametrize("layer", ["block1_conv2", "block2_conv1", "block3_conv1"])
def test_modes_keep_what_they_promise_of_the_features(layer, photo, canvas, rng):
    # A square whose features are to be told from the rest, and the picture changed on one side.
    mask = np.zeros((48, 40), "float32")
    mask[10:44, :33] = 1
    noise = rng.random(photo.shape).astype("float32")
    outside = np.where(mask[..., None] == 1, photo, noise)
    inside = np.where(mask[..., None] == 1, noise, photo)

    def change(image):
        one, other = (canvas.extract(x[None], [layer])[layer] for x in (photo, image))
        return np.abs(one - other).max((0, -1))

    within = np.asarray(canvas.mask(mask, layer, mode="inside"))[0, ..., 0] == 1
    without = np.asarray(canvas.mask(mask, layer, mode="all"))[0, ..., 0] == 0
    assert within.any()
    assert change(outside)[within].max() == 0
    if layer != "block3_conv1":  # whose field leaves nothing of so small a picture
        assert without.any()
    assert change(inside)[without].max(initial=0) == 0


@pytest.mark.parametrize("mode", ["simple", "inside", "all"])
def test_a_full_mask_is_full_in_every_mode(mode, canvas):
    np.testing.assert_allclose(canvas.mask(np.ones((48, 40)), "conv4_1", mode=mode), 1, rtol=1e-6)


def test_a_statistic_of_the_pictures_features(photo, canvas):
    def both(feature, mask):
        return tf.reduce_sum(feature if mask is None else feature * mask)

    mask = canvas.mask(np.float32(photo[..., 0] > 0.5), LAYER)
    found = canvas.statistics(both, {LAYER: mask, "block1_conv1": None})
    features = canvas.extract(photo[None], [LAYER, "block1_conv1"])
    np.testing.assert_allclose(found[LAYER], np.sum(features[LAYER] * mask), rtol=1e-4)
    np.testing.assert_allclose(found["block1_conv1"], np.sum(features["block1_conv1"]), rtol=1e-4)
    assert canvas.statistics(both, {}) == {}
