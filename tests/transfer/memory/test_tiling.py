import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from skimage import data, transform

import stylekit as sk
from stylekit import functional
from stylekit._checks import InputError
from stylekit.features import Grid
from stylekit.losses import Canvas, PaletteLoss
from stylekit.losses.patch import PatchStyleLoss
from stylekit.transfer import objective as objective_module
from stylekit.transfer.memory.recompute import RecomputedObjective
from stylekit.transfer.memory.tiling import TiledCanvas, TiledObjective
from stylekit.transfer.parameters import rendering

SHAPE = (53, 46)
TILE = 16


def strided(dtype="float32"):
    """Strides and valid windows; what it pads depends on the size being odd or even."""
    image = x = keras.Input((None, None, 3), dtype=dtype)
    options = {"dtype": dtype, "activation": "relu", "bias_initializer": "normal"}
    for k, more in enumerate(
        [{"padding": "same"}, {"strides": 2, "padding": "same"}, {"padding": "valid"}, {}], 1
    ):
        seed = keras.initializers.HeNormal(seed=k)
        x = layers.Conv2D(8, 3, name=f"conv{k}", kernel_initializer=seed, **options, **more)(x)
        if k == 3:
            x = layers.AveragePooling2D(2, padding="valid", dtype=dtype)(x)
    return keras.Model(image, x)


def residual(dtype="float32"):
    """Branches, zero padding on one side, and a normalization of channels."""
    image = keras.Input((None, None, 3), dtype=dtype)
    options = {"dtype": dtype, "kernel_initializer": keras.initializers.HeNormal(seed=0)}
    x = layers.ZeroPadding2D(((0, 1), (1, 0)), dtype=dtype)(image)
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="stem", **options)(x)
    x = layers.BatchNormalization(dtype=dtype)(x)
    y = layers.DepthwiseConv2D(3, padding="same", dtype=dtype)(x)
    y = layers.Conv2D(8, 5, padding="same", name="branch", **options)(y)
    return keras.Model(image, layers.Add(name="sum", dtype=dtype)([x, y]))


NETWORKS = {
    "strided": (strided, ("conv1", "conv4"), "conv3"),
    "residual": (residual, ("stem", "sum"), "sum"),
    "vgg": (None, ("block1_conv1", "block3_conv1"), "block2_conv1"),
}


class ChannelMean(sk.StatisticLoss):
    is_mean = True
    computed = 0

    def statistic(self, feature, mask):
        type(self).computed += 1
        return functional.masked_mean(feature, mask)


@pytest.fixture(scope="module")
def photo():
    return np.float32(transform.resize(data.astronaut(), SHAPE, anti_aliasing=True))


@pytest.fixture(scope="module")
def masks():
    """A soft one, and one that leaves whole tiles out."""
    soft = np.tile(np.linspace(0, 1, SHAPE[1], dtype="float32"), (SHAPE[0], 1)) ** 2
    half = np.zeros(SHAPE, "float32")
    half[25:] = 1
    return soft, half


@pytest.fixture
def image(photo, rng):
    return np.clip(photo + rng.normal(0, 0.1, (2, *photo.shape)), 0, 1)


@pytest.fixture
def double(monkeypatch):
    """Let an objective be of double precision, to tell a mistake from rounding."""
    monkeypatch.setattr(objective_module, "PRECISIONS", ("float32", "float64"))


def extractor_of(network, dtype="float32"):
    make, style, content = NETWORKS[network]
    extractor = sk.VGG19(weights=None) if make is None else sk.KerasExtractor(make(dtype))
    return extractor, style, content


def terms_of(style_layers, content, photo, style, masks):
    soft, half = masks
    style_mask = np.tile(np.linspace(1, 0, style.shape[1], dtype="float32"), (style.shape[0], 1))
    on = {"layers": style_layers}
    regions = [(style, soft), (style[:, ::-1], half, style_mask, 0.5)]
    return [
        sk.ContentLoss(photo, layers=content),
        sk.ContentLoss(photo, layers=content, mask=soft, error="rmse", normalize="none"),
        sk.ContentLoss(photo, layers=content, mask=half, error="half_sse", normalize="none"),
        sk.GramStyleLoss(style, weight=8, **on),
        sk.MaskedGramStyleLoss(
            style, soft, style_mask, layer_weights=range(len(style_layers)), **on
        ),
        sk.GradientMaskStyleLoss(regions, weight=3, **on),
        ChannelMean(style, mask=half, **on),
        sk.TotalVariationLoss(weight=0.5),
        sk.PixelLoss(photo, mask=half),
    ]


def gap(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def agree(tiled, whole, image, tolerance):
    total, values, gradient = tiled(image)
    expected_total, expected, slope = whole(image)
    np.testing.assert_allclose(total, expected_total, rtol=tolerance)
    assert list(values) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(values[name], value, rtol=tolerance, err_msg=name)
    assert gap(gradient, slope) < tolerance


@pytest.mark.parametrize(
    ("network", "shape"),
    # Odd and even, with a last tile that is cut short and, at 32, a whole one. The residual network
    # pads one axis before and the other after: each is odd once.
    [
        ("strided", (53, 32)),
        ("residual", (52, 47)),
        pytest.param("residual", (53, 38), marks=pytest.mark.slow),
    ],
)
def test_value_and_gradient_are_those_of_the_whole(
    network, shape, double, photo, style, masks, image
):
    extractor, *layer_names = extractor_of(network, "float64")
    photo = transform.resize(photo, shape)
    masks = [transform.resize(mask, shape) for mask in masks]
    terms = terms_of(*layer_names, photo, style, masks)
    image = np.stack([transform.resize(one, shape) for one in image])[:1]
    pair = [
        sk.Objective(terms, extractor, shape, precision="float64"),
        TiledObjective(terms, extractor, shape, tile=TILE, precision="float64"),
    ]
    agree(*pair, image, 1e-12)


def wide(x, options):
    for _ in range(3):
        x = layers.Conv2D(4, (1, 15), padding="same", **options)(x)
    return x


def crossed(x, options):
    """One branch sees further up and left, the other down and right."""
    x = layers.Conv2D(4, 3, strides=(2, 1), padding="same", **options)(x)
    up = layers.ZeroPadding2D(((6, 0), (4, 0)), dtype="float64")(x)
    down = layers.ZeroPadding2D(((0, 8), (0, 2)), dtype="float64")(x)
    up, down = (layers.Conv2D(4, k, **options)(y) for k, y in (((7, 5), up), ((9, 3), down)))
    return ops.maximum(up, down) * 2 - x


def cropped(x, options):
    x = layers.Conv2D(4, 5, padding="same", **options)(x)
    x = layers.Cropping2D(((6, 3), (0, 5)), dtype="float64")(x)
    return layers.Conv2D(4, 7, padding="same", **options)(x)


def nested(x, options):
    inner = strided("float64")
    return layers.Conv2D(4, 3, padding="same", **options)(keras.ops.relu(inner(x)))


@pytest.mark.parametrize("make", [wide, crossed, cropped, nested])
def test_networks_of_every_geometry(make, double, photo, image):
    picture = keras.Input((None, None, 3), dtype="float64")
    seed = keras.initializers.HeNormal(seed=0)
    options = {"dtype": "float64", "kernel_initializer": seed, "activation": "tanh"}
    x = layers.Activation("linear", name="out", dtype="float64")(make(picture, options))
    network = sk.KerasExtractor(keras.Model(picture, x))
    terms = [sk.ContentLoss(photo, layers="out"), sk.GramStyleLoss(photo[::-1], layers="out")]
    whole = sk.Objective(terms, network, SHAPE, precision="float64")
    tiled = TiledObjective(terms, network, SHAPE, tile=TILE, precision="float64")
    agree(tiled, whole, image[:1], 1e-12)


@pytest.mark.slow
def test_vgg19_to_its_deepest_layer_needs_all_of_its_halo(double, monkeypatch):
    # conv5_1 sees 156 pixels: a long picture of few of them.
    shape = (243, 16)
    photo = transform.resize(data.astronaut()[:, :34], shape)
    ramp = np.tile(np.linspace(0, 1, shape[0])[:, None], (1, shape[1]))
    terms = [
        sk.ContentLoss(photo),
        sk.MaskedGramStyleLoss(photo[:80], ramp, weight=8),
        sk.TotalVariationLoss(weight=0.1),
    ]
    image = np.random.default_rng(0).random((1, *shape, 3))
    vgg = sk.VGG19(weights=None)
    true_grid = vgg.grid

    def tiled():
        return TiledObjective(terms, vgg, shape, tile=96, precision="float64")

    assert [span.starts for span in tiled()._tiling.spans[0]] == [(0, 80), (160,)]
    slope = sk.Objective(terms, vgg, shape, precision="float64")(image)[2]
    assert gap(tiled()(image)[2], slope) < 1e-10

    def shorter(layer, length, axis):
        found = true_grid(layer, length, axis)
        return Grid(found.cells, found.stride, min(found.before, 64), min(found.after, 64))

    monkeypatch.setattr(vgg, "grid", shorter)
    assert gap(tiled()(image)[2], slope) > 1e-9


@pytest.fixture(scope="module")
def small():
    return sk.KerasExtractor(strided())


@pytest.fixture
def terms(photo, style, masks):
    return [
        sk.ContentLoss(photo, layers="conv3"),
        sk.MaskedGramStyleLoss(style, masks[0], layers=["conv1", "conv4"], weight=8),
        sk.TotalVariationLoss(weight=0.5),
    ]


def test_the_gradient_of_each_term(terms, small, image):
    whole, tiled = (
        sk.Objective(terms, small, SHAPE),
        TiledObjective(terms, small, SHAPE, tile=TILE),
    )
    found = tiled.term_gradients(image)
    for name, expected in whole.term_gradients(image).items():
        assert gap(found[name], expected) < 1e-5, name


def test_nothing_is_traced_again(photo, style, small, image):
    term = ChannelMean(style, layers=["conv1", "conv4"])
    objective = TiledObjective([term], small, SHAPE, tile=TILE)
    first = objective(image)[0]
    computed, term.weight = ChannelMean.computed, 3.0
    np.testing.assert_allclose(objective(1 - image)[0].shape, first.shape)
    np.testing.assert_allclose(objective(image)[0], 3 * first, rtol=1e-6)
    assert ChannelMean.computed == computed


def test_many_tiles_are_traced_as_often_as_few(style, small, image):
    def computed(shape):
        objective = TiledObjective([ChannelMean(style, layers=["conv4"])], small, shape, tile=12)
        before = ChannelMean.computed
        objective(np.zeros((1, *shape, 3)))
        return ChannelMean.computed - before

    assert computed((46, 43)) == computed((94, 91))


def test_the_second_pass_waits_for_the_first(style, small, monkeypatch, ancestors):
    """A lone tile, which is no loop, would else be held beside those of the first pass."""
    shape = (53, 47)  # four tiles, of one kind each
    objective = TiledObjective([ChannelMean(style, layers=["conv1"])], small, shape, tile=30)
    first, second = [], []

    def add_means(self, sums, tile, *rest):
        first.append(means(self, sums, tile, *rest))
        return first[-1]

    def add_gradient(self, whole, tile, image, slopes):
        second.append(tile.window(image))
        return gradient(self, whole, tile, image, slopes)

    means, gradient = TiledObjective._add_means, TiledObjective._add_gradient
    monkeypatch.setattr(TiledObjective, "_add_means", add_means)
    monkeypatch.setattr(TiledObjective, "_add_gradient", add_gradient)
    traced = tf.function(objective._evaluate, autograph=False)
    traced.get_concrete_function(tf.TensorSpec((1, *shape, 3)), tf.TensorSpec(1))
    last = {tensor.op for tensor in tf.nest.flatten(first[-1])}
    assert len(first) == len(second) == 4
    assert last <= ancestors(second[0].op)


@pytest.mark.slow
def test_an_optimizer_takes_the_same_steps(terms, small, photo, masks, image):
    def steps(objective):
        optimizer = sk.LBFGS(history=2)
        start = tf.constant(image, tf.float32)
        mask = tf.constant(masks[0][None, ..., None])
        values, render = rendering(sk.Pixels(), start, start, mask)
        step = objective.stepper(optimizer, render, (0.0, 1.0))
        carry = {
            "values": values,
            "state": optimizer.init(values),
            "finite": tf.constant(True),
            "good": start,
            "best": start,
            "best_total": tf.fill((2,), float("inf")),
        }
        for _ in range(4):
            carry, row = step(carry, objective.weights)
        return row

    found = steps(TiledObjective(terms, small, SHAPE, tile=TILE))
    expected = steps(sk.Objective(terms, small, SHAPE))
    np.testing.assert_allclose(found["total"], expected["total"], rtol=1e-4)
    np.testing.assert_allclose(found["image"], expected["image"], atol=1e-3)
    assert found["gradient_finite"]
    outside = masks[0] == 0
    kept, start = found["image"].numpy()[:, outside], np.float32(image)[:, outside]
    np.testing.assert_array_equal(kept, start)


@pytest.mark.parametrize("tile", [1, 7, 1000])
def test_a_tile_of_any_size(tile, terms, small, image):
    shape = (29, 22)
    photo = transform.resize(terms[0].reference[0], shape)
    terms = [sk.ContentLoss(photo, layers="conv3"), sk.TotalVariationLoss()]
    image = image[:, : shape[0], : shape[1]]
    tiled = TiledObjective(terms, small, shape, tile=tile)
    agree(tiled, sk.Objective(terms, small, shape), image, 1e-5)


@pytest.mark.slow
def test_half_precision(photo, style, image):
    vgg, style_layers, content = extractor_of("vgg")
    terms = [
        sk.ContentLoss(photo, layers=content),
        sk.GramStyleLoss(style, layers=style_layers, weight=8),
    ]
    tiled = TiledObjective(terms, vgg, SHAPE, tile=TILE, precision="mixed_float16")
    total, _, gradient = tiled(image)
    expected, _, slope = sk.Objective(terms, vgg, SHAPE)(image)
    np.testing.assert_allclose(total, expected, rtol=0.04)
    assert gradient.dtype == "float32"
    assert gap(gradient, slope) < 0.06


def test_a_level_below_the_final_one_leaves_layers_out(style, small, image):
    tiny = np.zeros((212, 184), "float32")
    tiny[100:103, 90:93] = 1
    terms = [
        sk.MaskedGramStyleLoss(style, tiny, layers=["conv1", "conv4"]),
        sk.MaskedGramStyleLoss(style, tiny, layers=["conv4"], small_regions="skip_layer"),
    ]
    pair = [
        kind(terms, small, SHAPE, base_shape=tiny.shape, **more)
        for kind, more in ((TiledObjective, {"tile": TILE}), (sk.Objective, {}))
    ]
    assert pair[0].canvas.notes == pair[1].canvas.notes != []
    for found, expected in zip(pair[0](image)[:2], pair[1](image)[:2], strict=True):
        tf.nest.map_structure(np.testing.assert_allclose, found, expected)


# Terms that need no network


class Smooth(sk.losses.TileableLoss):
    """The distance to the mean of the pixels around."""

    reach = 2
    seen = ()

    def compute(self, image, features, targets):
        self.seen = (*self.seen, tuple(image.shape))
        around = ops.average_pool(ops.pad(image, [(0, 0), (2, 2), (2, 2), (0, 0)]), 5, 1)
        return ops.mean(ops.abs(image - around) ** 1.5, axis=(1, 2, 3))


class Range(sk.Loss):
    """No mean over pixels."""

    def compute(self, image, features, targets):
        return ops.max(image, axis=(1, 2, 3)) - ops.min(image, axis=(1, 2, 3))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [SHAPE, (64, 17), (2, 7)])
def test_pixels_in_bands(shape, double, photo, masks, image, small):
    photo, *masks = (transform.resize(x, shape) for x in (photo, *masks))
    image = np.stack([transform.resize(one, shape) for one in image])
    terms = [
        sk.TotalVariationLoss(weight=0.5),
        sk.TotalVariationLoss(1, isotropic=False),
        sk.TotalVariationLoss(2.5, weight=3),
        sk.TotalVariationLoss(channels="chroma", weight=2),
        sk.PixelLoss(photo, weight=2),
        sk.PixelLoss(np.stack([photo, 1 - photo]), mask=masks[0]),
        sk.PixelLoss(photo, mask=masks[1]),
        Range(weight=0.1),
    ]
    if min(shape) > 2:
        terms.append(sk.MattingLaplacianLoss(np.stack([1 - photo**2, photo]), epsilon=1e-3))
    options = {"precision": "float64"}
    tiled = TiledObjective(terms, small, shape, tile=TILE, **options)
    agree(tiled, sk.Objective(terms, small, shape, **options), image, 1e-12)


def test_pixels_are_not_seen_at_once(small, image):
    near, far = Smooth(), Smooth()
    far.reach = None
    tiled = TiledObjective([near, far], small, SHAPE, tile=TILE)
    _, values, _ = tiled(image)
    np.testing.assert_allclose(values["smooth"], values["smooth_2"], rtol=1e-6)
    gradients = tiled.term_gradients(image)
    assert gap(gradients["smooth"], gradients["smooth_2"]) < 1e-5
    assert max(near.seen) == (2, TILE**2 // SHAPE[1] + 4, SHAPE[1], 3)
    assert set(far.seen) == {image.shape}


def test_mean_colours_are_those_of_the_whole_picture(double, style, masks, image):
    extractor = sk.KerasExtractor(strided("float64"))
    everywhere = np.ones(style.shape[:2], "float32")
    regions = [(1 - style, masks[0], everywhere), (style, masks[1], everywhere)]
    terms = [PaletteLoss(regions, weight=4), sk.GramStyleLoss(style, layers="conv3")]
    options = {"precision": "float64"}
    tiled = TiledObjective(terms, extractor, SHAPE, tile=TILE, **options)
    whole = sk.Objective(terms, extractor, SHAPE, **options)
    agree(tiled, whole, image, 1e-12)
    assert gap(*(one.term_gradients(image)["palette"] for one in (tiled, whole))) < 1e-12


def test_a_reach_that_is_none(small):
    term = Smooth()
    term.reach = -1
    with pytest.raises(InputError, match="the reach of the loss 'smooth' is out of range"):
        TiledObjective([term], small, SHAPE, tile=TILE)


# The canvas


def test_features_are_put_together(small, photo):
    names = ["conv1", "conv3", "conv4"]
    found = TiledCanvas(small, SHAPE, tile=TILE).extract(photo[None], names)
    expected = Canvas(small, SHAPE).extract(photo[None], names)
    assert list(found) == names
    for name in names:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5)


def test_a_reference_is_taken_tile_by_tile(small, photo, style):
    sizes = []

    class Spy(TiledCanvas):
        def own(self, tile, window, layers):
            sizes.append(window.shape[1:3])
            return super().own(tile, window, layers)

    canvas = Spy(small, SHAPE, tile=TILE).beside(np.tile(style, (3, 3, 1)))
    canvas.statistics(functional.masked_gram_matrix, {"conv2": None})
    assert len(sizes) > 4
    assert max(max(size) for size in sizes) < 2 * TILE


# What cannot be


class Centred(layers.Layer):
    def call(self, x):
        return x - ops.mean(x, axis=(1, 2), keepdims=True)


def squeezed(x):
    return layers.Multiply()([x, layers.GlobalAveragePooling2D(keepdims=True)(x)])


def test_a_term_that_is_no_mean_is_named(photo, style, small):
    class Spread(sk.StatisticLoss):
        def statistic(self, feature, mask):
            return functional.moments(feature, mask)[1]

    class Rooted(sk.GramStyleLoss):
        def statistic(self, feature, mask):
            return ops.sqrt(super().statistic(feature, mask) + 1)

    for term, words in (
        (PatchStyleLoss(style, layers="conv4", name="mosaic"), "'mosaic'.*PatchStyleLoss.*smaller"),
        (Spread(style, layers="conv4"), "'spread'.*means over positions.*set is_mean = True"),
        (Rooted(style, layers="conv4"), "'rooted'"),
    ):
        with pytest.raises(InputError, match=words):
            TiledObjective([sk.TotalVariationLoss(), term], small, SHAPE, tile=TILE)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (squeezed, "GlobalAveragePooling2D 'global"),
        (layers.GroupNormalization(groups=1), "GroupNormalization 'group"),
        (layers.UpSampling2D(), "UpSampling2D 'up"),
        (layers.Lambda(lambda x: ops.roll(x, 40, 1), name="rolled"), "Lambda 'rolled'"),
        (Centred(name="centred"), "Centred 'centred'"),
    ],
)
def test_a_layer_of_unknown_reach_is_named(make, words, photo):
    """In every way to tiles; the whole picture is evaluated as before."""
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, padding="same")(image)
    x = layers.MaxPooling2D(4, name="out")(make(x))
    network = sk.KerasExtractor(keras.Model(image, x))
    terms = [sk.ContentLoss(photo, layers="out")]
    for make in (
        lambda: TiledObjective(terms, network, SHAPE, tile=TILE),
        lambda: RecomputedObjective(terms, network, SHAPE, tile=TILE),
        lambda: sk.Tiles(TILE).check(terms, network),
        lambda: sk.Recompute().check(terms, network),
    ):
        with pytest.raises(InputError, match=f"cannot be computed in tiles.*{words}"):
            make()
    sk.Objective(terms, network, SHAPE)


@pytest.mark.parametrize("tile", [0, 2.5])
def test_a_tile_that_is_none(tile, photo, small):
    with pytest.raises((InputError, TypeError), match="tile"):
        TiledObjective([sk.TotalVariationLoss()], small, SHAPE, tile=tile)
