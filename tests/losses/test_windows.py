import json
import re

import numpy as np
import pytest
import tensorflow as tf

from stylekit import MaskedGramStyleLoss, functional
from stylekit._checks import InputError
from stylekit.losses import windows
from stylekit.losses.window_match import count_windows
from stylekit.losses.windows import (
    WindowGramStyleLoss,
    window_gram_matrices,
    window_starts,
    window_weights,
)

LAYERS = ("block1_conv1", "block2_conv1")
SHAPE, STYLE_SHAPE = (48, 40), (32, 52)
RED, BLUE, BLACK = (1, 0, 0), (0, 0, 1), (0, 0, 0)


def flat(color, shape):
    return np.broadcast_to(np.float32(color), (*shape, 3)).copy()


def halves(first, second, shape):
    """A map that is of one colour on the left, of another on the right."""
    result = flat(first, shape)
    result[:, shape[1] // 2 :] = second
    return result


@pytest.fixture
def canvas(photo, canvas_of):
    return canvas_of(photo)


@pytest.fixture
def term(style):
    """A function that returns a term on maps of one colour, unless others are given."""

    def make(content_map=None, style_map=None, *, style=style, **options):
        content_map = flat(RED, SHAPE) if content_map is None else content_map
        style_map = flat(RED, style.shape[:2]) if style_map is None else style_map
        options = {"layers": LAYERS, "patch": 24} | options
        return WindowGramStyleLoss(style, content_map, style_map, **options)

    return make


# The grid


@pytest.mark.parametrize(
    ("length", "count", "size"), [(48, 1, 48), (48, 3, 24), (47, 4, 17), (13, 3, 5), (101, 9, 16)]
)
def test_the_weights_of_windows_sum_to_one_everywhere(length, count, size):
    weights, total = window_weights(length, count, size), np.zeros(length)
    assert weights.shape == (count, size)
    assert (weights > 0).all()
    for start, one in zip(window_starts(length, count, size), weights, strict=True):
        total[start : start + size] += one
    np.testing.assert_allclose(total, 1)


def test_a_rim_counts_nothing_and_all_else_as_before():
    inner, whole = window_weights(20, 3, 9, rim=2), window_weights(20, 3, 9)
    assert (inner[0][:2] == 0).all()
    assert (inner[-1][-2:] == 0).all()
    np.testing.assert_array_equal(inner[0][2:], whole[0][2:])
    np.testing.assert_array_equal(inner[1], whole[1])


def test_weights_fall_smoothly_to_the_edges_of_windows():
    weights = window_weights(96, 5, 32)
    assert np.abs(np.diff(weights[2])).max() < 0.1
    assert weights[2][[0, -1]].max() < 0.01
    assert weights[0][0] == weights[-1][-1] == 1


@pytest.mark.parametrize("overlap", [0.25, 0.5, 0.7])
@pytest.mark.parametrize("stride", [1, 8, 16])
def test_windows_leave_no_gap_at_any_layer(overlap, stride):
    for patch in (64, 96, 128):
        for side in (128, 131, 320, 509):
            cells = side // stride
            size = round(cells * patch / side)
            starts = window_starts(cells, count_windows(side, patch, overlap), size)
            assert starts[0] == 0
            assert starts[-1] == cells - size
            assert (np.diff(starts) <= size).all()


# Gram matrices of windows


def test_a_windows_gram_matrix_is_that_of_its_mask(rng):
    feature = tf.constant(rng.normal(size=(2, 13, 10, 4)))
    rows, columns = window_weights(13, 3, 6), window_weights(10, 2, 7)
    found = window_gram_matrices(feature, rows, columns)
    assert found.shape == (2, 3, 2, 4, 4)
    for i, top in enumerate(window_starts(13, 3, 6)):
        for j, left in enumerate(window_starts(10, 2, 7)):
            mask = np.zeros((1, 13, 10, 1))
            mask[0, top : top + 6, left : left + 7, 0] = np.outer(rows[i], columns[j])
            expected = functional.masked_gram_matrix(feature, tf.constant(mask))
            np.testing.assert_allclose(found[:, i, j], expected, rtol=1e-9)


def test_the_windows_of_a_picture_weighed_by_their_shares_sum_to_its_gram_matrix(rng):
    feature = tf.constant(rng.normal(size=(1, 21, 17, 5)))
    rows, columns = window_weights(21, 4, 8), window_weights(17, 3, 8)
    shares = np.outer(rows.sum(1), columns.sum(1)) / (21 * 17)
    assert shares.sum() == pytest.approx(1)
    total = np.einsum("nm,bnmij->bij", shares, window_gram_matrices(feature, rows, columns))
    np.testing.assert_allclose(total, functional.gram_matrix(feature), rtol=1e-9)


@pytest.mark.parametrize("grid", [((6, 3, 3), (5, 2, 3)), ((6, 1, 6), (5, 3, 4))])
def test_the_gradient_of_window_gram_matrices_is_numeric(grid, rng):
    x = rng.normal(size=(1, 6, 5, 3))
    rows, columns = (window_weights(*axis) for axis in grid)
    weights = rng.normal(size=window_gram_matrices(tf.constant(x), rows, columns).shape)

    def projected(x):
        return tf.reduce_sum(window_gram_matrices(x, rows, columns) * weights)

    numeric = np.empty_like(x)
    for index in np.ndindex(x.shape):
        shift = np.zeros_like(x)
        shift[index] = 1e-5
        ends = [float(projected(tf.constant(x + s * shift))) for s in (1, -1)]
        numeric[index] = (ends[0] - ends[1]) / 2e-5
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = projected(x)
    found = tape.gradient(value, x).numpy()
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, numeric, rtol=1e-6, atol=1e-6 * np.abs(numeric).max())


# The loss


def test_a_style_that_is_the_picture_costs_nothing(photo, canvas, evaluate, term):
    value, gradient = evaluate(term(photo, photo, style=photo), canvas, photo)
    np.testing.assert_allclose(value, [0], atol=1e-8)
    np.testing.assert_allclose(gradient, 0, atol=1e-5)


@pytest.mark.parametrize(("layer", "stride"), [("block1_conv1", 1), ("block2_conv1", 2)])
def test_a_window_that_covers_all_is_the_gram_loss_of_all_but_the_rim(
    layer, stride, rng, canvas_of, evaluate, term
):
    photo, style = rng.random((2, 32, 32, 3)).astype("float32")
    mask = np.zeros((32, 32), "float32")
    mask[stride:-stride, stride:-stride] = 1
    color_map = flat(RED, (32, 32))
    whole = MaskedGramStyleLoss(style, mask, mask, layers=layer, area_exponent=0)
    window = term(color_map, color_map, style=style, layers=layer, patch=32)
    found, expected = (evaluate(t, canvas_of(photo), photo) for t in (window, whole))
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-4 * np.abs(expected[1]).max())


def test_a_step_down_the_gradient_lowers_the_value(photo, canvas, evaluate, term):
    value, gradient = evaluate(term(), canvas, photo)
    lower, _ = evaluate(term(), canvas, photo - 1e-3 * gradient / np.abs(gradient).max())
    assert lower < value


def test_a_value_a_picture(photo, canvas, evaluate, term):
    both, _ = evaluate(term(), canvas, np.stack([photo, photo[::-1]]))
    each = [evaluate(term(), canvas, one)[0][0] for one in (photo, photo[::-1])]
    np.testing.assert_allclose(both, each, rtol=1e-5)


@pytest.mark.parametrize("constant", [0, 0.5, 1])
def test_flat_pictures_give_finite_values_and_gradients(constant, photo, canvas, evaluate, term):
    even = flat((constant,) * 3, SHAPE)
    for image, one in ((photo, even), (even, photo), (even, even)):
        result = evaluate(term(image, one, style=one), canvas, image)
        assert all(np.isfinite(x).all() for x in result)


def test_each_part_is_drawn_to_its_own_part_of_the_style(photo, canvas_of, evaluate, term):
    # The style is dark where its map is red, light where it is blue; the picture is grey.
    style = halves((0.1, 0.1, 0.1), (0.9, 0.9, 0.9), (48, 96))
    grey = flat((0.5, 0.5, 0.5), (48, 96))
    loss = term(
        halves(BLUE, RED, (48, 96)), halves(RED, BLUE, (48, 96)), style=style, layers=LAYERS[:1]
    )
    _, gradient = evaluate(loss, canvas_of(grey), grey)
    left, right = gradient[0, 8:-8, 8:32].mean(), gradient[0, 8:-8, -32:-8].mean()
    assert left * right < 0


def test_half_precision_features_give_float32(photo, canvas_of, evaluate, term):
    half, full = (
        evaluate(term(), canvas_of(photo, dtype=dtype), photo)[0]
        for dtype in ("mixed_bfloat16", "float32")
    )
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, full, rtol=0.05)


def test_targets_are_tensors_and_the_term_stores_nothing(photo, canvas_of, canvas, term):
    loss = term()
    before = dict(vars(loss))
    for targets in (loss.prepare(canvas), loss.prepare(canvas_of(photo, (24, 20)))):
        assert all(tf.is_tensor(x) for layer in targets.values() for x in layer.values())
    assert vars(loss) == before


def test_windows_shrink_with_a_pyramids_level(photo, canvas_of, term):
    targets = [
        term(layers="block1_conv1").prepare(canvas_of(photo, shape))["block1_conv1"]
        for shape in (SHAPE, (24, 20))
    ]
    grams = [target["gram"].shape for target in targets]
    assert grams[0] == grams[1] == (1, 3, 3, 64, 64)
    assert [target["rows"].shape for target in targets] == [(3, 24), (3, 12)]


def test_a_layer_too_small_at_a_coarser_level_is_left_out_with_a_note(photo, canvas_of, term):
    coarse = canvas_of(photo, (12, 10))
    assert list(term().prepare(coarse)) == ["block1_conv1"]
    assert coarse.notes == ["windows omitted at block2_conv1 of 10x12: too few cells"]


def test_a_patch_too_small_for_a_layer_is_an_error_with_the_size_that_works(canvas, term):
    loss = term(layers=("block1_conv1", "block3_conv1"))
    with pytest.raises(InputError, match=r"too small for layer block3_conv1 at 40x48") as error:
        loss.prepare(canvas)
    size = int(re.search(r"at least (\d+) pixels", str(error.value))[1])
    assert size == 30
    assert "block3_conv1" in term(layers="block3_conv1", patch=size).prepare(canvas)
    with pytest.raises(InputError, match="too small"):
        term(layers="block3_conv1", patch=size - 1).prepare(canvas)


def test_sixty_four_pixels_are_enough_for_block4(rng, canvas_of, term):
    picture = rng.random((132, 72, 3)).astype("float32")
    color_map = flat(RED, picture.shape[:2])
    loss = term(color_map, color_map, style=picture, layers="block4_conv1", patch=64)
    assert loss.prepare(canvas_of(picture))["block4_conv1"]["rows"].shape[1] == windows.LEAST_CELLS


def test_maps_of_another_size_are_errors(canvas, style, term):
    with pytest.raises(InputError, match=r"`style_map` must have the size.*52x32 .*received 40x48"):
        term(style_map=flat(RED, SHAPE))
    with pytest.raises(
        InputError, match=r"`content_map` must have the size.*40x48 .*received 52x32"
    ):
        term(flat(RED, STYLE_SHAPE)).prepare(canvas)


def test_a_patch_larger_than_a_picture_is_an_error(canvas, term):
    with pytest.raises(InputError, match=r"larger than the style picture: expected at most 32"):
        term(patch=33).prepare(canvas)


def test_the_configuration_names_all_that_matters(term):
    config = term(layer_weights=(1, 2)).get_config()
    json.dumps(config)
    assert config["patch"] == 24
    assert config["layer_weights"] == [1, 2]
    others = [term(halves(RED, BLUE, SHAPE)), term(seed=1), term(overlap=0.6)]
    assert all(other.get_config() != config for other in others)
    assert "patch=24" in repr(term())
