import keras
import numpy as np
import pytest
import tensorflow as tf

from stylekit._checks import InputError
from stylekit.losses import patch as patches
from stylekit.losses.patch import PatchStyleLoss, best_matches, feature_patches

LAYERS = {"layers": ("block2_conv1", "block3_conv1")}


def scores_of(queries, keys):
    return np.einsum("bnd,md->bnm", queries, keys)


def halves(shape, vertical=False):
    """Two regions of one size, stacked: the left and the right half, or the upper and the lower."""
    first = np.zeros(shape, "float32")
    if vertical:
        first[: shape[0] // 2] = 1
    else:
        first[:, : shape[1] // 2] = 1
    return np.stack([first, 1 - first], axis=-1)


class TestFeaturePatches:
    @pytest.mark.parametrize(("side", "stride"), [(1, 1), (3, 1), (3, 2), (2, 3), (6, 6)])
    def test_equal_windows_of_the_map(self, side, stride, rng):
        feature = rng.random((2, 7, 6, 3), dtype="float32")
        windows = np.lib.stride_tricks.sliding_window_view(feature, (side, side), axis=(1, 2))
        rows, columns = (sorted({*range(0, n - side, stride), n - side}) for n in (7, 6))
        windows = windows[:, rows][:, :, columns].transpose(0, 1, 2, 4, 5, 3)
        expected = windows.reshape(2, -1, side * side * 3)
        np.testing.assert_array_equal(feature_patches(feature, side, stride), expected)

    @pytest.mark.parametrize("shape", [(8, 9), (9, 8), (8, 8), (3, 4)])
    @pytest.mark.parametrize("stride", [2, 3])
    def test_every_cell_has_a_gradient(self, shape, stride):
        feature = tf.ones((1, *shape, 2))
        with tf.GradientTape() as tape:
            tape.watch(feature)
            total = tf.reduce_sum(feature_patches(feature, 3, stride))
        assert tape.gradient(total, feature).numpy().min() >= 1

    def test_a_map_smaller_than_a_patch(self):
        with pytest.raises(InputError, match=r"at least 3x3 cells.*received 5x2 cells"):
            feature_patches(np.zeros((1, 2, 5, 4), "float32"), 3)


class TestBestMatches:
    @pytest.mark.parametrize("count", [1, patches.BLOCK, 3 * patches.BLOCK + 5])
    def test_without_a_penalty_they_are_the_highest_scores(self, count, rng):
        queries = rng.normal(size=(2, count, 8)).astype("float32")
        keys = rng.normal(size=(50, 8)).astype("float32")
        found = keras.ops.convert_to_numpy(best_matches(queries, keys))
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, scores_of(queries, keys).argmax(-1))

    def test_equal_the_rule_one_query_at_a_time(self, rng, monkeypatch):
        monkeypatch.setattr(patches, "BLOCK", 1)
        queries = rng.normal(size=(2, 40, 4)).astype("float32")
        keys = rng.normal(size=(15, 4)).astype("float32")
        found = keras.ops.convert_to_numpy(best_matches(queries, keys, 0.5, seed=3))
        scores, price = scores_of(queries, keys), 0.5 * 15 / 40
        for b in range(2):
            uses = np.zeros(15)
            for i in np.random.default_rng(3).permutation(40):
                best = np.argmax(scores[b, i] - price * uses)
                assert found[b, i] == best
                uses[best] += 1

    def test_a_penalty_spreads_equal_queries_over_equal_keys(self, rng):
        queries = np.ones((1, 6 * patches.BLOCK, 4), "float32")
        keys = np.ones((32, 4), "float32") + rng.normal(0, 1e-3, (32, 4)).astype("float32")
        alone = keras.ops.convert_to_numpy(best_matches(queries, keys))
        assert np.unique(alone).size == 1
        spread = keras.ops.convert_to_numpy(best_matches(queries, keys, 1.0))
        # Each of 32 blocks takes a key that no other has.
        np.testing.assert_array_equal(np.bincount(spread[0]), 6 * patches.BLOCK // 32)

    def test_each_picture_of_a_batch_counts_its_own_uses(self, rng):
        queries = rng.normal(size=(3, 100, 4)).astype("float32")
        keys = rng.normal(size=(9, 4)).astype("float32")
        together = best_matches(queries, keys, 0.3, seed=1)
        apart = [best_matches(queries[b : b + 1], keys, 0.3, seed=1) for b in range(3)]
        np.testing.assert_array_equal(together, np.concatenate(apart))

    def test_the_seed_decides_the_order(self, rng):
        queries = rng.normal(size=(1, 150, 4)).astype("float32")
        keys = rng.normal(size=(20, 4)).astype("float32")
        first, again, other = (best_matches(queries, keys, 0.5, seed=s) for s in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert np.any(np.not_equal(first, other))


def test_the_style_itself_has_no_loss(style, canvas_of, evaluate):
    value, gradient = evaluate(
        PatchStyleLoss(style, usage_penalty=0, stride=1, **LAYERS), canvas_of(style), style
    )
    assert value == pytest.approx(0, abs=1e-9)
    assert np.abs(gradient).max() < 1e-6


def test_the_value_is_the_distance_to_the_nearest_of_all(photo, style, canvas_of, evaluate):
    term = PatchStyleLoss(style, layers="block2_conv1", usage_penalty=0)
    canvas = canvas_of(photo)
    value, gradient = evaluate(term, canvas, photo)
    of_photo = canvas.extract(photo[None], term.layers)["block2_conv1"]
    of_style = canvas.extract(style[None], term.layers)["block2_conv1"]
    p, q = np.array(feature_patches(of_photo, 3, 2))[0], np.array(feature_patches(of_style, 3))[0]
    cosines = (p / np.linalg.norm(p, axis=1)[:, None]) @ (q / np.linalg.norm(q, axis=1)[:, None]).T
    expected = np.mean((p - q[cosines.argmax(1)]) ** 2) / np.mean(q**2)
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_published_scaling_has_the_gradient_of_the_program(photo, style, canvas_of, stride):
    """Each cell is drawn to the mean of what the patches that hold it have matched there."""
    options = {"stride": stride, "usage_penalty": 0, "normalize": "li_wand2016"}
    term = PatchStyleLoss(style, layers="block3_conv1", **options)
    canvas = canvas_of(photo)
    target = term.prepare(canvas)
    feature = canvas.extract(photo[None], term.layers)["block3_conv1"]
    with tf.GradientTape() as tape:
        tape.watch(feature)
        value = term.compute(photo[None], {"block3_conv1": feature}, target)
    gradient = tape.gradient(value, feature).numpy()[0]

    height, width, channels = gradient.shape
    found = term.nearest(feature_patches(feature, 3, stride), target["block3_conv1"])
    layer = target["block3_conv1"]
    matched = (layer["keys"] * layer["length"]).numpy()[found[0]].reshape(-1, 3, 3, channels)
    rows, columns = (sorted({*range(0, n - 2, stride), n - 3}) for n in (height, width))
    total, count = np.zeros_like(gradient), np.zeros((height, width, 1))
    for patch, (y, x) in zip(matched, [(y, x) for y in rows for x in columns], strict=True):
        total[y : y + 3, x : x + 3] += patch
        count[y : y + 3, x : x + 3] += 1
    expected = feature.numpy()[0] - total / count
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_layers_are_averaged_by_their_weights(photo, style, canvas_of, evaluate):
    canvas = canvas_of(photo)
    one, two = (
        evaluate(PatchStyleLoss(style, layers=n), canvas, photo)[0] for n in LAYERS["layers"]
    )
    both = evaluate(PatchStyleLoss(style, layer_weights=[1, 3], **LAYERS), canvas, photo)[0]
    np.testing.assert_allclose(both, (one + 3 * two) / 4, rtol=1e-5)


def test_a_batch_is_its_pictures(photo, style, canvas_of, evaluate, rng):
    other = rng.random(photo.shape, dtype="float32")
    canvas, term = canvas_of(photo), PatchStyleLoss(style, **LAYERS)
    both = evaluate(term, canvas, np.stack([photo, other]))[0]
    apart = [evaluate(term, canvas, image)[0][0] for image in (photo, other)]
    np.testing.assert_allclose(both, apart, rtol=1e-4)


def nearest_columns(term, canvas, image, layer):
    """The rows and columns of the style's patches that the image's are drawn to."""
    target = term.prepare(canvas)[layer]
    feature = canvas.extract(image[None], [layer])[layer]
    found = term.nearest(feature_patches(feature, term.patch, term.stride), target)
    width = canvas.beside(term.style).extract(term.style[None], [layer])[layer].shape[2] - 2
    return np.divmod(np.array(found)[0], width), feature.shape[1:3]


def test_patches_keep_to_their_region(photo, style, canvas_of):
    options = {"layers": "block2_conv1", "stride": 1, "usage_penalty": 0}
    # The left half of the picture is to look like the upper half of the style.
    maps = halves(photo.shape[:2]), halves(style.shape[:2], vertical=True)
    term = PatchStyleLoss(style, *maps, **options)
    (rows, _), (height, width) = nearest_columns(term, canvas_of(photo), photo, "block2_conv1")
    rows = rows.reshape(height - 2, width - 2)
    middle, edge = width // 2, style.shape[0] // 4
    assert np.all(rows[:, : middle - 2] + 2 < edge)  # wholly in the upper half
    assert np.all(rows[:, middle:] >= edge)
    free = PatchStyleLoss(style, **options)
    (rows, _), _ = nearest_columns(free, canvas_of(photo), photo, "block2_conv1")
    assert np.any(rows.reshape(height - 2, width - 2)[:, : middle - 2] + 2 >= edge)


def test_black_of_a_colour_map_is_a_region_like_any_other(photo, style, canvas_of):
    """Maps of black and red find the same as one-hot masks of them."""
    found = []
    for channels in ([1, 0], [0]):
        maps = [halves(p.shape[:2])[..., channels] for p in (photo, style)]
        weight = 4.0 / len(channels)
        term = PatchStyleLoss(
            style, *maps, layers="block2_conv1", map_weight=weight, usage_penalty=0
        )
        found.append(nearest_columns(term, canvas_of(photo), photo, "block2_conv1")[0])
    np.testing.assert_array_equal(found[0], found[1])


def test_without_weight_a_map_changes_nothing(photo, style, canvas_of, evaluate):
    maps = halves(photo.shape[:2]), halves(style.shape[:2], vertical=True)
    canvas = canvas_of(photo)
    with_maps = evaluate(PatchStyleLoss(style, *maps, map_weight=0, **LAYERS), canvas, photo)[0]
    without = evaluate(PatchStyleLoss(style, **LAYERS), canvas, photo)[0]
    np.testing.assert_allclose(with_maps, without, rtol=1e-5)


def test_a_uniform_picture_gives_numbers(style, canvas_of, evaluate):
    black = np.zeros((24, 24, 3), "float32")
    for image, reference in ((black, style), (style, black)):
        value, gradient = evaluate(
            PatchStyleLoss(reference, layers="block2_conv1"), canvas_of(image), image
        )
        assert np.isfinite(value).all()
        assert np.isfinite(gradient).all()


def test_a_coarser_level_takes_a_coarser_style_and_map(photo, style, canvas_of, evaluate):
    maps = halves(photo.shape[:2]), halves(style.shape[:2])
    term = PatchStyleLoss(style, *maps, layers="block2_conv1")
    canvas = canvas_of(photo, (24, 20))
    target = term.prepare(canvas)["block2_conv1"]
    assert target["keys"].shape == (6 * 11, 9 * 128)
    assert target["map"].shape == (6 * 5, 9 * 2)
    assert np.isfinite(evaluate(term, canvas, photo[::2, ::2])[0]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_map": np.ones((48, 40, 2))}, "must be given together"),
        (
            {"image_map": np.ones((48, 40, 2)), "style_map": np.ones((32, 52, 3))},
            "the same channels: .* 2 and 3",
        ),
        (
            {"image_map": np.ones((48, 40, 2)), "style_map": np.ones((30, 52, 2))},
            r"`style_map` must have the size of its picture: .*\(32, 52\).*\(30, 52\)",
        ),
        (
            {"image_map": np.ones((48, 40)), "style_map": np.ones((32, 52))},
            "`image_map` must be a semantic map",
        ),
        (
            {"image_map": np.full((48, 40, 1), 255), "style_map": np.ones((32, 52, 1))},
            r"`image_map` must have values in \[0, 1\]",
        ),
        ({"stride": 4}, "stride is out of range: .*from 1 to 3"),
        ({"patch": 0}, "patch is out of range"),
        ({"usage_penalty": -1}, "usage_penalty is out of range"),
        ({"normalize": "gatys2016"}, "normalize"),
        ({"map_weight": -1}, "map_weight is out of range"),
    ],
)
def test_bad_options(options, message, style):
    with pytest.raises(InputError, match=message):
        PatchStyleLoss(style, **options)


def test_a_map_of_another_size_than_the_picture(photo, style, canvas_of):
    term = PatchStyleLoss(style, np.ones((40, 48, 1)), np.ones((32, 52, 1)), **LAYERS)
    with pytest.raises(
        InputError, match=r"`image_map` must have the size .*\(48, 40\).*\(40, 48\)"
    ):
        term.prepare(canvas_of(photo))


def test_the_configuration_tells_what_matters(style):
    maps = [np.repeat(halves(shape), 3, axis=-1) for shape in ((48, 40), style.shape[:2])]
    config = PatchStyleLoss(style, *maps, layer_weights=[1, 2]).get_config()
    other = PatchStyleLoss(style, 1 - maps[0], maps[1]).get_config()
    assert config["style"] == other["style"]
    assert config["image_map"] != other["image_map"]
    assert config["layer_weights"] == [1, 2]
    assert config["patch"] == 3
    assert "PatchStyleLoss(style=" in repr(PatchStyleLoss(style))
