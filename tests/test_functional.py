import numpy as np
import pytest
import tensorflow as tf
from scipy import linalg
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from skimage.color import rgb2yiq

from stylekit import functional
from stylekit._checks import InputError


def soft_mask(rng, shape=(1, 6, 5, 1)):
    return rng.random(shape)


def features(rng, shape=(2, 6, 5, 3)):
    return rng.normal(size=shape)


def plain_gram(feature, mask=None):
    """The formula, written out for NumPy: sum_p m_p f_p f_p^T / sum_p m_p."""
    mask = np.ones((1, *feature.shape[1:3], 1)) if mask is None else mask
    mask = np.broadcast_to(mask, (*feature.shape[:3], 1))
    outer = np.einsum("bhwi,bhwj->bhwij", feature, feature)
    return (mask[..., None] * outer).sum((1, 2)) / mask.sum((1, 2))[..., None]


def partition(rng, kind, shape=(1, 6, 5, 1)):
    """Three masks that sum to 1 everywhere."""
    if kind == "hard":
        labels = rng.integers(0, 3, shape)
        labels.ravel()[:3] = range(3)
        return [(labels == k).astype(float) for k in range(3)]
    parts = rng.random((3, *shape))
    return list(parts / parts.sum(0))


def gradient(function, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return tape.gradient(value, x).numpy()


def assert_gradient_is_numeric(function, x, step=1e-5, rtol=1e-6):
    """The gradient of a random projection of the result has its central differences."""
    rng = np.random.default_rng(1)
    weights = rng.normal(size=np.shape(function(tf.constant(x))))

    def projected(x):
        return tf.reduce_sum(function(x) * weights)

    found = gradient(projected, x)
    assert found.dtype == np.float64
    for direction in rng.normal(size=(8, *x.shape)):
        ends = [float(projected(tf.constant(x + s * step * direction))) for s in (1, -1)]
        numeric = (ends[0] - ends[1]) / (2 * step)
        scale = np.linalg.norm(found) * np.linalg.norm(direction) / x.size**0.5
        np.testing.assert_allclose(np.sum(found * direction), numeric, rtol=0, atol=rtol * scale)


# Gram matrices


def test_gram_matrix_is_the_formula(rng):
    feature = features(rng)
    flat = feature.reshape(2, -1, 3)
    expected = flat.swapaxes(1, 2) @ flat / 30
    np.testing.assert_allclose(functional.gram_matrix(feature), expected, rtol=1e-12)
    np.testing.assert_allclose(functional.gram_matrix(feature), plain_gram(feature), rtol=1e-12)


@pytest.mark.parametrize("batch", [1, 2])
def test_masked_gram_matrix_is_the_formula(batch, rng):
    feature, mask = features(rng), soft_mask(rng, (batch, 6, 5, 1))
    result = functional.masked_gram_matrix(feature, mask)
    np.testing.assert_allclose(result, plain_gram(feature, mask), rtol=1e-12)


def test_no_mask_is_all_ones(rng):
    feature, ones = features(rng), np.ones((1, 6, 5, 1))
    for function in (functional.masked_gram_matrix, functional.masked_mean):
        np.testing.assert_allclose(function(feature, None), function(feature, ones), rtol=1e-12)
    np.testing.assert_allclose(
        functional.moments(feature), functional.moments(feature, ones), rtol=1e-12
    )
    np.testing.assert_allclose(
        functional.gram_matrix(feature),
        functional.masked_gram_matrix(feature, None),
        rtol=1e-12,
    )


@pytest.mark.parametrize("mass", [1, 1e-3, 0.5 / 30])
@pytest.mark.parametrize("kind", ["soft", "one pixel", "all"])
def test_constant_features_have_the_same_statistics_under_any_mask(kind, mass, rng):
    feature = np.broadcast_to(rng.normal(size=3), (1, 6, 5, 3)).copy()
    mask = soft_mask(rng) if kind == "soft" else np.full((1, 6, 5, 1), float(kind == "all"))
    mask[0, 2, 3] = 1
    mask *= mass
    np.testing.assert_allclose(
        functional.masked_gram_matrix(feature, mask), functional.gram_matrix(feature), rtol=1e-10
    )
    np.testing.assert_allclose(functional.masked_mean(feature, mask), feature[:, 0, 0], rtol=1e-10)
    deviation = functional.moments(feature, mask)[1]
    np.testing.assert_allclose(deviation, np.full((1, 3), functional.EPSILON**0.5), rtol=1e-4)


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_the_grams_of_a_partition_sum_to_the_full_gram(kind, rng):
    feature = features(rng)
    masks = partition(rng, kind)
    total = sum(m.mean() * functional.masked_gram_matrix(feature, m) for m in masks)
    np.testing.assert_allclose(total, functional.gram_matrix(feature), rtol=1e-12)


def test_along_a_soft_border_each_pixel_weighs_one_in_sum():
    # One channel of impulses: the Gram matrix is the weight of the impulse's pixel.
    ramp = np.linspace(0, 1, 9).reshape(1, 1, 9, 1)
    for column in range(9):
        impulse = np.zeros((1, 1, 9, 1))
        impulse[0, 0, column] = 1
        weights = [
            mask.mean() * functional.masked_gram_matrix(impulse, mask) for mask in (ramp, 1 - ramp)
        ]
        np.testing.assert_allclose(np.ravel(weights), np.ravel([ramp, 1 - ramp])[column::9] / 9)

    # And so is the force: half the gradient of the sum of squares at features of one.
    def force(mask):
        return gradient(
            lambda x: mask.mean() * functional.masked_gram_matrix(x, mask), np.ones((1, 1, 9, 1))
        )

    np.testing.assert_allclose(force(ramp) + force(1 - ramp), np.full((1, 1, 9, 1), 2 / 9))


def test_a_soft_mask_weighs_once_not_squared(rng):
    feature = features(rng)
    half = np.ones((1, 6, 5, 1))
    half[:, :3] = 0.5
    result = functional.masked_gram_matrix(feature, half)
    np.testing.assert_allclose(result, plain_gram(feature, half), rtol=1e-12)
    squared = functional.masked_gram_matrix(feature, half**2)
    assert np.abs(result - squared).max() > 1e-3
    np.testing.assert_allclose(
        functional.masked_gram_matrix(feature, np.full_like(half, 0.5)),
        functional.gram_matrix(feature),
        rtol=1e-12,
    )


def test_a_small_region_is_not_starved_by_the_picture_around_it(rng):
    feature = features(rng, (1, 40, 40, 3))
    mask = np.zeros((1, 40, 40, 1))
    mask[:, 5:8, 5:8] = 1
    np.testing.assert_allclose(
        functional.masked_gram_matrix(feature, mask),
        functional.gram_matrix(feature[:, 5:8, 5:8]),
        rtol=1e-12,
    )
    np.testing.assert_allclose(
        functional.masked_mean(feature, mask), feature[:, 5:8, 5:8].mean((1, 2)), rtol=1e-12
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_empty_mask_gives_zeros_and_no_nan(dtype, rng):
    feature, empty = features(rng).astype(dtype), np.zeros((1, 6, 5, 1), dtype)
    for function in (
        functional.masked_gram_matrix,
        functional.masked_mean,
        lambda f, m: functional.moments(f, m)[0],
    ):
        assert not np.any(function(tf.constant(feature), empty))
        assert not gradient(lambda x, function=function: function(x, empty), feature).any()
    assert np.isfinite(functional.moments(feature, empty)[1]).all()


def test_statistics_of_a_batch_are_those_of_its_pictures(rng):
    feature, mask = features(rng, (3, 6, 5, 4)), soft_mask(rng, (3, 6, 5, 1))
    target = features(rng, (3, 4, 4, 1))[..., 0]
    functions = {
        "gram": lambda f, m, t: functional.gram_matrix(f),
        "masked gram": lambda f, m, t: functional.masked_gram_matrix(f, m),
        "mean": lambda f, m, t: functional.masked_mean(f, m),
        "moments": lambda f, m, t: functional.moments(f, m)[1],
        "distance": lambda f, m, t: functional.gram_distance(functional.gram_matrix(f), t),
        "variation": lambda f, m, t: functional.total_variation(f, 2.5),
    }
    for name, function in functions.items():
        together = function(feature, mask, target)
        for k in range(3):
            alone = function(feature[k : k + 1], mask[k : k + 1], target[k : k + 1])
            np.testing.assert_allclose(together[k : k + 1], alone, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("batch", [0, 1, 2], ids=["no mask", "one mask", "a mask a picture"])
def test_the_gradient_of_gram_matrices_is_numeric(batch, rng):
    mask = soft_mask(rng, (batch, 6, 5, 1)) if batch else None
    assert_gradient_is_numeric(lambda x: functional.masked_gram_matrix(x, mask), features(rng))


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("batch", [0, 1, 2], ids=["no mask", "one mask", "a mask a picture"])
def test_the_written_gradient_is_that_of_the_plain_formula(batch, traced, rng):
    feature = features(rng)
    mask = soft_mask(rng, (batch, 6, 5, 1)) if batch else np.ones((1, 6, 5, 1))
    weights = rng.normal(size=(2, 3, 3))  # not symmetric

    def plain(x):
        x = tf.reshape(x, (2, 30, 3))
        m = tf.reshape(mask, (-1, 30, 1))
        gram = tf.matmul(x * m, x, transpose_a=True) / tf.reduce_sum(m, axis=1, keepdims=True)
        return tf.reduce_sum(gram * weights)

    def ours(x):
        return tf.reduce_sum(functional.masked_gram_matrix(x, mask if batch else None) * weights)

    ours = tf.function(ours) if traced else ours
    np.testing.assert_allclose(gradient(ours, feature), gradient(plain, feature), rtol=1e-10)


def test_sizes_unknown_to_a_traced_function_are_no_obstacle(rng):
    feature, mask = features(rng).astype("float32"), soft_mask(rng).astype("float32")
    unknown = [tf.TensorSpec([None, None, None, n]) for n in (3, 1)]
    traced = tf.function(functional.masked_gram_matrix, input_signature=unknown)
    np.testing.assert_allclose(traced(feature, mask), plain_gram(feature, mask), rtol=1e-5)
    traced = tf.function(functional.gram_matrix, input_signature=unknown[:1])
    np.testing.assert_allclose(traced(feature), plain_gram(feature), rtol=1e-5, atol=1e-6)


# Gram matrices of pairs

SHIFTS = [(0, 0), (2, 0), (0, 3)]


def plain_shifted_gram(feature, shift, mask):
    """The formula, pair by pair."""
    total, mass = 0.0, 0.0
    for y in range(feature.shape[1] - shift[0]):
        for x in range(feature.shape[2] - shift[1]):
            there = y + shift[0], x + shift[1]
            weight = min(mask[0, y, x, 0], mask[0, *there, 0])
            total = total + weight * feature[:, y, x, :, None] * feature[:, *there, None, :]
            mass += weight
    return total / mass


@pytest.mark.parametrize("traced", [False, True])
def test_shifted_gram_matrices_are_the_formula(traced, rng):
    feature, mask = features(rng), soft_mask(rng)
    for m in (None, mask):

        def matrices(x, m=m):
            return functional.shifted_gram_matrices(x, SHIFTS, m)

        found = (tf.function(matrices) if traced else matrices)(tf.constant(feature))
        for number, shift in enumerate(SHIFTS):
            expected = plain_shifted_gram(feature, shift, np.ones_like(mask) if m is None else m)
            np.testing.assert_allclose(found[:, number], expected, rtol=1e-10)
        gram = functional.masked_gram_matrix(feature, m)
        np.testing.assert_allclose(found[:, 0], gram, rtol=1e-10)


@pytest.mark.parametrize("batch", [0, 1, 2], ids=["no mask", "one mask", "a mask a picture"])
def test_the_gradient_of_shifted_gram_matrices_is_numeric(batch, rng):
    mask = soft_mask(rng, (batch, 6, 5, 1)) if batch else None
    assert_gradient_is_numeric(
        lambda x: functional.shifted_gram_matrices(x, SHIFTS, mask), features(rng)
    )


def test_shuffled_columns_change_shifted_gram_matrices_alone(rng):
    feature = features(rng)
    shuffled = feature[:, :, [3, 0, 4, 1, 2]]
    before, after = (functional.shifted_gram_matrices(x, SHIFTS) for x in (feature, shuffled))
    np.testing.assert_allclose(after[:, :2], before[:, :2], rtol=1e-10)
    assert np.abs(after[:, 2] - before[:, 2]).max() > 0.01


# Means, moments, errors


def test_moments_are_those_of_numpy(rng):
    feature, mask = features(rng), soft_mask(rng)
    mean = np.average(feature, axis=(1, 2), weights=np.broadcast_to(mask, feature.shape))
    square = (feature - mean[:, None, None]) ** 2
    variance = np.average(square, axis=(1, 2), weights=np.broadcast_to(mask, feature.shape))
    found = functional.moments(feature, mask)
    np.testing.assert_allclose(found[0], mean, rtol=1e-12)
    np.testing.assert_allclose(found[1], np.sqrt(variance), rtol=1e-6)
    np.testing.assert_allclose(functional.moments(feature)[1], feature.std((1, 2)), rtol=1e-6)


@pytest.mark.parametrize("with_mask", [False, True])
def test_the_gradient_of_moments_is_numeric(with_mask, rng):
    mask = soft_mask(rng) if with_mask else None
    assert_gradient_is_numeric(lambda x: functional.masked_mean(x, mask), features(rng))
    assert_gradient_is_numeric(lambda x: tf.stack(functional.moments(x, mask)), features(rng))


def test_the_gradient_of_moments_is_finite_on_constant_features():
    found = gradient(lambda x: functional.moments(x)[1], np.ones((1, 4, 4, 2)))
    assert np.isfinite(found).all()


def test_relative_error_is_the_quotient_of_squared_norms(rng):
    value, target = rng.normal(size=(2, 3, 4)), rng.normal(size=(1, 3, 4))
    expected = ((value - target) ** 2).sum((1, 2)) / (target**2).sum()
    np.testing.assert_allclose(functional.relative_error(value, target), expected, rtol=1e-6)
    assert_gradient_is_numeric(lambda x: functional.relative_error(x, target), value)


def test_relative_error_has_no_dimension(rng):
    value, target = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 4))
    errors = [functional.relative_error(s * value, s * target) for s in (1, 1e3)]
    np.testing.assert_allclose(*errors, rtol=1e-6)
    np.testing.assert_allclose(functional.relative_error(0 * target, target), [1, 1], rtol=1e-6)
    assert not np.any(functional.relative_error(target, target))


def test_relative_error_against_zero_and_of_one_number_a_picture():
    assert np.isfinite(functional.relative_error(np.ones((1, 3)), np.zeros((1, 3)))).all()
    assert functional.relative_error(np.array([1.0, 3.0]), np.array([2.0])).shape == (2,)


# Scalings of Gram distances, against the papers' own formulas


@pytest.fixture
def maps(rng):
    """Feature maps of image and style with equal numbers of positions, and C, h, w."""
    return rng.normal(size=(2, 1, 6, 5, 3)), (3, 6, 5)


def distance_of(maps, normalize):
    image, style = (functional.gram_matrix(x) for x in maps[0])
    return functional.gram_distance(image, style, normalize)[0]


def sums(maps):
    """F^T F of image and style, as the papers define G and A."""
    return [f.reshape(-1, f.shape[-1]).T @ f.reshape(-1, f.shape[-1]) for f in maps[0]]


def test_gatys2016_is_equation_4(maps):
    G, A = sums(maps)
    C, h, w = maps[1]
    expected = ((G - A) ** 2).sum() / (4 * C**2 * (h * w) ** 2)
    np.testing.assert_allclose(distance_of(maps, "gatys2016"), expected, rtol=1e-10)


def test_pixels_is_johnson_2016_and_the_mean_square_of_gatys_code(maps):
    G, A = sums(maps)
    C, h, w = maps[1]
    johnson = np.linalg.norm(G / (C * h * w) - A / (C * h * w)) ** 2
    code = np.mean((G / (h * w) - A / (h * w)) ** 2)
    np.testing.assert_allclose(johnson, code, rtol=1e-10)
    np.testing.assert_allclose(distance_of(maps, "pixels"), johnson, rtol=1e-10)


def test_neural_style_is_the_mean_square_of_grams_over_their_elements(maps):
    G, A = sums(maps)
    C, h, w = maps[1]
    expected = np.mean((G / (C * h * w) - A / (C * h * w)) ** 2)
    np.testing.assert_allclose(distance_of(maps, "neural-style"), expected, rtol=1e-10)


def test_keras_is_its_examples_distance_but_for_the_cells_of_a_pixel(maps):
    G, A = sums(maps)
    _, h, w = maps[1]
    pixels = 4 * h * w  # as of a layer behind one pooling
    expected = ((G - A) ** 2).sum() / (4.0 * 3**2 * pixels**2)
    value = distance_of(maps, "keras") * (h * w / pixels) ** 2
    np.testing.assert_allclose(value, expected, rtol=1e-10)


def test_relative_is_the_quotient_of_frobenius_norms_and_has_no_scale(maps):
    G, A = sums(maps)
    expected = np.linalg.norm(G - A) ** 2 / np.linalg.norm(A) ** 2
    scaled = (100 * maps[0], maps[1])
    for which in (maps, scaled):
        np.testing.assert_allclose(distance_of(which, "relative"), expected, rtol=1e-6)
    ratio = distance_of(scaled, "pixels") / distance_of(maps, "pixels")
    np.testing.assert_allclose(ratio, 1e8, rtol=1e-6)


@pytest.mark.parametrize("normalize", functional.GRAM_SCALINGS)
def test_the_gradient_of_gram_distances_is_numeric(normalize, rng):
    target = functional.gram_matrix(features(rng))

    def distance(x):
        return functional.gram_distance(functional.gram_matrix(x), target, normalize)

    assert_gradient_is_numeric(distance, features(rng))


def test_an_unknown_scaling_is_an_error_that_names_those_known(maps):
    with pytest.raises(InputError, match=r"normalize is unknown.*relative.*'pixel'.*mean pixels"):
        distance_of(maps, "pixel")


# Total variation


@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize("exponent", [1, 2, 2.5])
def test_the_gradient_of_total_variation_is_numeric(exponent, isotropic, rng):
    image = rng.random((2, 5, 4, 3))
    assert_gradient_is_numeric(
        lambda x: functional.total_variation(x, exponent, isotropic=isotropic),
        image,
        rtol=1e-5,
    )


def test_chroma_is_what_differs_from_the_luma(rng):
    image = rng.random((2, 5, 4, 3))
    luma = rgb2yiq(image)[..., :1]
    np.testing.assert_allclose(functional.chroma(image), image - luma, atol=1e-12)
    grey = np.repeat(image[..., :1], 3, axis=-1)
    np.testing.assert_allclose(functional.chroma(grey), 0, atol=1e-12)
    assert functional.chroma(image.astype("float16")).dtype == "float32"


@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize("exponent", [1, 2, 2.5])
def test_the_gradient_of_the_chromas_variation_is_numeric(exponent, isotropic, rng):
    def variation(x):
        return functional.total_variation(functional.chroma(x), exponent, isotropic=isotropic)

    assert_gradient_is_numeric(variation, rng.random((2, 5, 4, 3)), rtol=1e-5)


def test_anisotropic_l1_is_tensorflows_total_variation(rng):
    image = rng.random((2, 9, 7, 3))
    expected = tf.image.total_variation(tf.constant(image)) / (9 * 7 * 3)
    found = functional.total_variation(image, 1, isotropic=False)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_exponent_two_is_the_mean_squared_difference(rng):
    image = rng.random((1, 9, 7, 3))
    expected = (np.diff(image, axis=1) ** 2).sum() + (np.diff(image, axis=2) ** 2).sum()
    for isotropic in (True, False):
        found = functional.total_variation(image, isotropic=isotropic)
        np.testing.assert_allclose(found, expected / image.size, rtol=1e-12)


def test_exponent_two_and_a_half_is_the_keras_examples_power(rng):
    # Keras's example leaves out the last row and column: here nothing varies along them.
    interior, frame = rng.random((1, 8, 6, 3)), ((0, 0), (0, 1), (0, 1), (0, 0))
    image = np.pad(interior, frame, constant_values=0.5)
    a = np.square(image[:, :-1, :-1] - image[:, 1:, :-1])
    b = np.square(image[:, :-1, :-1] - image[:, :-1, 1:])
    expected = np.power(a + b, 1.25).sum() / image.size
    np.testing.assert_allclose(functional.total_variation(image, 2.5), expected, rtol=1e-12)


@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize("exponent", [0.5, 1, 2, 2.5])
def test_a_flat_picture_has_no_variation_and_a_finite_gradient(exponent, isotropic):
    flat = np.full((1, 5, 4, 3), 0.3)

    def variation(x):
        return functional.total_variation(x, exponent, isotropic=isotropic)

    np.testing.assert_allclose(variation(flat), [0], atol=1e-12)
    found = gradient(variation, flat)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, 0, atol=1e-12)


def test_total_variation_does_not_grow_with_the_picture(rng):
    tile = rng.random((1, 6, 6, 3))
    mirrored = np.concatenate([tile, tile[:, ::-1]], axis=1)
    mirrored = np.concatenate([mirrored, mirrored[:, :, ::-1]], axis=2)
    large, small = (functional.total_variation(x, 2, isotropic=False) for x in (mirrored, tile))
    np.testing.assert_allclose(large, small, rtol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (1, 1, 5, 3), (1, 5, 1, 3)])
def test_total_variation_of_one_row_or_column(shape, rng):
    assert np.isfinite(functional.total_variation(rng.random(shape))).all()


# Precision

HALF = ["float16", "bfloat16"]


@pytest.mark.parametrize("dtype", HALF)
def test_half_precision_gives_float32_and_gradients_of_its_own_dtype(dtype, rng):
    feature = tf.cast(features(rng), dtype)
    mask = tf.cast(soft_mask(rng), "float32")
    exact = tf.cast(feature, "float64").numpy()
    expected = plain_gram(exact, mask.numpy())
    with tf.GradientTape() as tape:
        tape.watch(feature)
        result = functional.masked_gram_matrix(feature, mask)
    assert result.dtype == tf.float32
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-6)
    found = tape.gradient(result, feature)
    assert found.dtype == feature.dtype
    true = gradient(lambda x: functional.masked_gram_matrix(x, mask), exact)
    np.testing.assert_allclose(tf.cast(found, "float64"), true, rtol=0.02, atol=1e-2)


@pytest.mark.parametrize("dtype", HALF)
def test_every_statistic_of_half_precision_is_float32(dtype, rng):
    feature, mask = tf.cast(features(rng), dtype), tf.cast(soft_mask(rng), dtype)
    gram = functional.gram_matrix(feature)
    results = [
        gram,
        functional.masked_gram_matrix(feature, mask),
        functional.masked_mean(feature),
        functional.masked_mean(feature, mask),
        *functional.moments(feature, mask),
        functional.relative_error(feature, feature),
        functional.gram_distance(gram, gram),
        functional.total_variation(feature),
        functional.full_precision(feature),
    ]
    assert [x.dtype for x in results] == [tf.float32] * len(results)


def test_large_half_precision_features_do_not_overflow():
    feature = tf.fill((1, 8, 8, 2), tf.constant(300, tf.float16))  # whose squares end float16
    np.testing.assert_allclose(functional.gram_matrix(feature), np.full((1, 2, 2), 9e4))
    np.testing.assert_allclose(functional.moments(feature)[0], [[300, 300]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_full_precision_keeps_what_is_full_already(dtype):
    assert functional.full_precision(tf.ones(3, dtype)).dtype == dtype
    assert functional.gram_matrix(tf.ones((1, 2, 2, 1), dtype)).dtype == dtype


# The matting Laplacian


def matting_laplacian(guide, epsilon=1e-7):
    """The matrix, written out: Levin et al. 2008, equation 12."""
    height, width, channels = guide.shape
    matrix = np.zeros((height * width, height * width))
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            window = [(y + i) * width + x + j for i in (-1, 0, 1) for j in (-1, 0, 1)]
            colors = guide.reshape(-1, channels)[window]
            colors = colors - colors.mean(0)
            inverse = np.linalg.inv(colors.T @ colors / 9 + epsilon / 9 * np.eye(channels))
            matrix[np.ix_(window, window)] += np.eye(9) - (1 + colors @ inverse @ colors.T) / 9
    return matrix


def energy_of(guide, epsilon=1e-7):
    precision = functional.window_precision(guide, epsilon)
    return lambda x: functional.matting_energy(x, guide, precision)


@pytest.mark.parametrize("epsilon", [1e-7, 1e-3])
def test_the_matting_energy_is_the_quadratic_form_of_the_matrix(epsilon, rng):
    guide, image = rng.random((1, 9, 7, 3)), rng.random((2, 9, 7, 3))
    matrix = matting_laplacian(guide[0], epsilon)
    flat = image.reshape(2, 63, 3)
    expected = np.einsum("bpc,pq,bqc->b", flat, matrix, flat) / (9 * 63 * 3)
    energy = energy_of(guide, epsilon)
    np.testing.assert_allclose(energy(image), expected, rtol=1e-8)
    slope = gradient(lambda x: tf.reduce_sum(energy(x)), image).reshape(2, 63, 3)
    np.testing.assert_allclose(slope, 2 * (matrix @ flat) / (9 * 63 * 3), atol=1e-8 * slope.max())


@pytest.mark.slow  # the first import compiles
def test_the_matting_energy_is_that_of_pymatting(rng):
    matting = pytest.importorskip("pymatting")
    guide, image = rng.random((6, 8, 3)), rng.random((6, 8, 3))
    flat = image.reshape(-1, 3)
    expected = np.sum(flat * (matting.cf_laplacian(guide, 1e-7, 1) @ flat)) / (9 * 48 * 3)
    np.testing.assert_allclose(energy_of(guide[None])(image[None]), [expected], rtol=1e-8)


def test_the_gradient_of_the_matting_energy_is_numeric(rng):
    guide = rng.random((1, 6, 5, 3))
    assert_gradient_is_numeric(energy_of(guide, 1e-3), rng.random((2, 6, 5, 3)))
    guides = rng.random((2, 6, 5, 1))  # grey, and one a picture
    assert_gradient_is_numeric(energy_of(guides, 1e-3), rng.random((2, 6, 5, 3)))


def test_the_matting_energy_in_float32_is_that_in_float64(rng):
    # As flat as a sky: covariances of 1e-5, which E[I^2] - E[I]^2 would lose beside 0.64.
    guide = (0.8 + 3e-3 * rng.normal(size=(1, 20, 20, 3))).astype("float32")
    image = rng.random((1, 20, 20, 3), dtype="float32")
    expected = energy_of(guide.astype("float64"))(image.astype("float64"))
    np.testing.assert_allclose(energy_of(guide)(image), expected, rtol=1e-3)


def test_an_affine_change_of_colours_costs_nothing(rng):
    guide = rng.random((1, 9, 7, 3))
    changed = guide @ rng.normal(size=(3, 3)) + rng.normal(size=3)
    # The ridge remains: the mean over windows of epsilon / 9 times the slopes' mean square.
    np.testing.assert_allclose(energy_of(guide)(changed), 0, atol=1e-6)
    assert energy_of(guide)(rng.random((1, 9, 7, 3))) > 1e-3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_matting_energy_of_a_constant_guide_is_the_variance(dtype, rng):
    guide, image = np.full((1, 9, 7, 3), 0.4, dtype), rng.random((1, 9, 7, 3)).astype(dtype)
    windows = np.lib.stride_tricks.sliding_window_view(image[0], (3, 3), axis=(0, 1))
    expected = windows.var(axis=(-2, -1)).sum() / (9 * 7 * 3)
    np.testing.assert_allclose(energy_of(guide)(image), [expected], rtol=1e-4)
    assert np.isfinite(gradient(energy_of(guide), image)).all()
    assert energy_of(guide)(guide) == 0


# Optimal transport and self-similarity


def rows(rng, count=7, channels=4, batch=2):
    return rng.normal(size=(batch, count, channels))


def test_distances_equal_scipy(rng):
    a, b = rows(rng), rows(rng, 5)
    for function, metric, scale in (
        (functional.cosine_distances, "cosine", 1),
        (functional.rms_distances, "euclidean", 2),
    ):
        found = function(tf.constant(a), tf.constant(b))
        for k in range(2):
            np.testing.assert_allclose(found[k], cdist(a[k], b[k], metric) / scale, rtol=1e-10)


@pytest.mark.parametrize("weighted", [False, True])
def test_relaxed_transport_is_the_formula(weighted, rng):
    cost = rng.random((2, 7, 5))
    weights, others = (rng.random(7), rng.random(5)) if weighted else (None, None)
    expected = [
        max(
            np.average(one.min(1), weights=weights),
            np.average(one.min(0), weights=others),
        )
        for one in cost
    ]
    found = functional.relaxed_transport(tf.constant(cost), weights, others)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_relaxed_transport_lies_between_the_nearest_and_the_earth_movers_distance(rng):
    cost = cdist(rng.normal(size=(6, 3)), rng.normal(size=(6, 3)))
    places = linear_sum_assignment(cost)
    found = functional.relaxed_transport(tf.constant(cost[None]))[0]
    assert max(cost.min(1).mean(), cost.min(0).mean()) <= found + 1e-12
    assert found <= cost[places].mean()


def test_equal_masses_are_none_and_a_mass_of_zero_is_only_a_candidate(rng):
    cost = tf.constant(rng.random((1, 6, 4)))
    found = functional.relaxed_transport(cost, np.full(6, 0.3), np.full(4, 7.0))
    np.testing.assert_allclose(found, functional.relaxed_transport(cost), rtol=1e-12)
    one = functional.relaxed_transport(cost, np.eye(6)[2], np.eye(4)[1])
    np.testing.assert_allclose(one, [max(cost[0, 2].numpy().min(), cost[0, :, 1].numpy().min())])


def test_self_similarity_is_n_times_the_papers_matrix(rng):
    x, y = rows(rng), rows(rng)
    expected = []
    for pair in zip(x, y, strict=True):
        one, other = (cdist(each, each, "cosine") for each in pair)
        expected.append(np.abs(one / one.sum(0) - other / other.sum(0)).sum() / 7)
    target = functional.self_similarity(tf.constant(y))
    found = functional.self_similarity_error(tf.constant(x), target)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    np.testing.assert_allclose(np.mean(target, axis=1), np.ones((2, 7)), rtol=1e-10)


def test_rows_of_weight_two_count_as_two_rows(rng):
    x, y = (np.asarray(rows(rng, 3)) for _ in range(2))
    twice = [0, 0, 1, 2]
    weights = np.array([2.0, 1.0, 1.0])
    found = functional.self_similarity_error(
        tf.constant(x), functional.self_similarity(tf.constant(y), weights), weights
    )
    expected = functional.self_similarity_error(
        tf.constant(x[:, twice]), functional.self_similarity(tf.constant(y[:, twice]))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    for one, other in zip(
        functional.mean_and_covariance(tf.constant(x), weights),
        functional.mean_and_covariance(tf.constant(x[:, twice])),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_mean_and_covariance_equal_numpy(rng):
    x = rows(rng)
    mean, covariance = functional.mean_and_covariance(tf.constant(x))
    np.testing.assert_allclose(mean, x.mean(1), rtol=1e-12, atol=1e-14)
    for k in range(2):
        np.testing.assert_allclose(covariance[k], np.cov(x[k].T, bias=True), rtol=1e-10)


def test_relative_l1_error_is_the_formula(rng):
    x, y = rows(rng), rows(rng)
    found = functional.relative_l1_error(tf.constant(x), tf.constant(y))
    np.testing.assert_allclose(found, np.abs(x - y).sum((1, 2)) / np.abs(y).sum((1, 2)), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("constant", [0.0, 1e-3, 0.7, 50.0])
def test_equal_rows_have_finite_values_and_gradients(constant, dtype):
    flat = np.full((1, 5, 3), constant, dtype)
    other = np.linspace(0, 1, 15, dtype=dtype).reshape(1, 5, 3)
    target = functional.self_similarity(tf.constant(other))
    for function in (
        lambda x: functional.relaxed_transport(functional.cosine_distances(x, x)),
        lambda x: functional.relaxed_transport(functional.rms_distances(x, flat)),
        functional.self_similarity,
        lambda x: functional.self_similarity_error(x, target),
        lambda x: functional.relative_l1_error(functional.mean_and_covariance(x)[1], 0 * x[:, :3]),
    ):
        assert np.isfinite(function(tf.constant(flat))).all()
        assert np.isfinite(gradient(function, flat)).all()


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y, w: functional.relaxed_transport(functional.cosine_distances(x, y), w, w[:5]),
        lambda x, y, w: functional.relaxed_transport(functional.rms_distances(x, y), w, w[:5]),
        lambda x, y, w: functional.self_similarity_error(
            x, functional.self_similarity(tf.concat([y, y[:, :2]], 1), w), w
        ),
        lambda x, y, w: functional.mean_and_covariance(x, w)[1],
        lambda x, y, w: functional.relative_l1_error(x[:, :5], y),
    ],
)
def test_the_gradients_of_transport_and_similarity_are_numeric(function, rng):
    x, y, weights = rows(rng), tf.constant(rows(rng, 5)), rng.random(7)
    assert_gradient_is_numeric(lambda x: function(x, y, weights), x, step=1e-6)


# Distributions


def spread(rng, shape=(2, 6, 5, 3), mean=2.0):
    """Features whose channels are correlated and of different means."""
    mixed = rng.normal(size=shape) @ rng.normal(size=(shape[-1], shape[-1]))
    return mixed + mean * rng.random(shape[-1])


def flat(feature):
    return feature.reshape(len(feature), -1, feature.shape[-1])


def energy(feature):
    return np.sum(np.square(feature), axis=(1, 2, 3)) / np.prod(feature.shape[1:3])


def wasserstein(a, b):
    """The squared distance of Gaussians by SciPy, relative to the mean square of b."""
    (mean, S), (target, T) = ((x.mean(0), np.cov(x.T, bias=True)) for x in (a, b))
    cross = np.trace(linalg.sqrtm(S @ T).real)
    total = np.sum((mean - target) ** 2) + np.trace(S) + np.trace(T) - 2 * cross
    return total / np.mean(np.sum(b**2, axis=1))


def gaussian_distance(a, b, mask=None):
    moments = functional.joint_moments(a, mask), functional.joint_moments(b)
    return functional.gaussian_distance(*moments)


def moment_distance(a, b, mask=None):
    return functional.moment_distance(functional.raw_moments(a, mask), functional.raw_moments(b))


def sliced_distance(a, b, directions=None, mask=None, count=None):
    count = count or np.prod(np.shape(a)[1:3])
    quantiles = functional.sliced_quantiles(b, directions, count)
    return functional.sliced_distance(a, quantiles, directions, mask)


DISTANCES = [gaussian_distance, moment_distance, sliced_distance]


def distance_to(b, distance, a):
    """Return a distance to b as a function of features like a, whose gradient is sought."""
    if distance is not sliced_distance:
        return lambda x, mask=None: distance(x, b, mask=mask)
    quantiles = functional.sliced_quantiles(b, None, np.prod(a.shape[1:3]))
    return lambda x, mask=None: functional.sliced_distance(x, quantiles, None, mask)


def test_the_gaussian_distance_is_the_formula(rng):
    a, b = spread(rng), spread(rng, (1, 4, 9, 3))
    expected = [wasserstein(x, flat(b)[0]) for x in flat(a)]
    np.testing.assert_allclose(gaussian_distance(a, b), expected, rtol=1e-4)


def test_the_gaussian_distance_of_a_shift_is_its_square(rng):
    a, shift = spread(rng), np.array([0.3, -2, 0.7])
    expected = np.sum(shift**2) / energy(a)
    np.testing.assert_allclose(gaussian_distance(a + shift, a), expected, rtol=1e-7)


def test_the_gaussian_distance_of_a_scaled_picture_is_that_of_its_deviations(rng):
    a = spread(rng)
    a -= a.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(gaussian_distance(1.5 * a, a), [0.25, 0.25], rtol=1e-5)


def test_the_moment_distance_is_the_formula(rng):
    a, b = spread(rng), spread(rng, (1, 4, 9, 3))
    (mean, deviation), target = functional.moments(a), functional.moments(b)
    error = np.sum((mean - target[0]) ** 2 + (deviation - target[1]) ** 2, axis=1)
    np.testing.assert_allclose(moment_distance(a, b), error / energy(b), rtol=1e-4)


def test_the_sliced_distance_of_one_channel_is_the_exact_one(rng):
    a, b = rng.normal(size=(1, 6, 5, 1)), rng.normal(size=(1, 5, 6, 1)) + 1
    exact = np.mean((np.sort(a.ravel()) - np.sort(b.ravel())) ** 2) / np.mean(b**2)
    for sign in (1.0, -1.0):
        np.testing.assert_allclose(sliced_distance(a, b, np.array([[sign]])), [exact], rtol=1e-7)


def test_the_sliced_distance_along_a_direction_is_that_of_the_projections(rng):
    a, b, directions = spread(rng), spread(rng, (1, 5, 6, 3)), rng.normal(size=(3, 4))
    x, y = (np.sort(flat(one) @ directions, axis=1) for one in (a, b))
    expected = np.mean((x - y) ** 2, axis=(1, 2)) / np.mean(y**2)
    np.testing.assert_allclose(sliced_distance(a, b, directions), expected, rtol=1e-7)


def test_the_quantiles_of_other_sizes_have_the_exact_gradient(rng):
    """For 7 values against 10 the exact plan is that of 70 copies."""
    a, b = rng.normal(size=7), rng.normal(size=10)
    plan = np.reshape(np.repeat(np.sort(b), 7), (7, 10))
    found = functional.quantile_means(b[None], 7)[0]
    np.testing.assert_allclose(found, plan.mean(1), rtol=1e-12)
    exact = np.mean((np.sort(a)[:, None] - plan) ** 2)
    np.testing.assert_allclose(np.mean((np.sort(a) - found) ** 2), exact - np.mean(plan.var(1)))


@pytest.mark.parametrize("count", [1, 5, 6, 40])
def test_weighted_quantiles_are_those_of_copies(count, rng):
    values, copies = rng.normal(size=(3, 6)), np.array([0, 2, 1, 0, 3, 1])
    found = functional.quantile_means(values, count, copies / 3)
    expected = functional.quantile_means(np.repeat(values, copies, axis=1), count)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_distribution_knows_no_positions(distance, rng):
    a = spread(rng, (1, 6, 5, 3))
    permuted = rng.permutation(a.reshape(30, 3)).reshape(1, 6, 5, 3)
    larger = np.tile(a, (1, 2, 3, 1))
    for one, other in ((permuted, a), (larger, a), (a, larger)):
        to_other = distance_to(other, distance, one)
        np.testing.assert_allclose(to_other(one), [0], atol=1e-12)
        np.testing.assert_allclose(gradient(to_other, one), 0, atol=1e-9)


@pytest.mark.parametrize("distance", DISTANCES)
def test_features_that_are_all_zero_are_at_a_distance_of_one(distance, rng):
    b = spread(rng, (1, 6, 5, 3))
    np.testing.assert_allclose(distance(np.zeros_like(b), b), [1], rtol=5e-3)


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_distance_is_dimensionless(distance, rng):
    a, b = spread(rng), spread(rng, (1, 6, 5, 3))
    np.testing.assert_allclose(distance(7 * a, 7 * b), distance(a, b), rtol=1e-5)


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_hard_mask_takes_the_distance_of_its_region(distance, rng):
    a, b, mask = spread(rng), spread(rng, (1, 6, 5, 3)), np.zeros((1, 6, 5, 1))
    mask[:, 1:5, 2:] = 1
    options = {"count": 12} if distance is sliced_distance else {}
    found = distance(a, b, mask=mask, **options)
    np.testing.assert_allclose(found, distance(a[:, 1:5, 2:], b), rtol=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("masked", [False, True])
def test_the_gradient_of_a_distance_is_numeric(masked, distance, rng):
    a, b = spread(rng), spread(rng, (1, 4, 9, 3))
    mask = soft_mask(rng) if masked else None
    to_b = distance_to(b, distance, a)
    assert_gradient_is_numeric(lambda x: to_b(x, mask), a, rtol=1e-5)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_degenerate_features_have_finite_gradients(dtype, distance, rng):
    """Fewer positions than channels, equal variances, one colour, zero, and themselves."""
    few, ones = rng.random((1, 2, 2, 7)), np.ones((1, 2, 2, 7))
    equal = np.concatenate([np.eye(4), -np.eye(4)]).reshape(1, 2, 4, 4)
    pairs = [(few, 3 * few[:, ::-1]), (few, few), (few, ones), (ones, few), (ones, 2 * ones)]
    pairs += [(0 * ones, few), (few, 0 * ones), (0 * ones, 0 * ones), (equal, 2 * equal)]
    for a, b in pairs:
        a, b = a.astype(dtype), b.astype(dtype)
        to_b = distance_to(b, distance, a)
        found = gradient(to_b, a)
        assert np.isfinite(to_b(a)).all()
        assert np.isfinite(found).all()
        size = max(energy(b)[0], 1e-8) ** 0.5  # a move by all of the target's length
        assert np.abs(found).max() * size < 5 * (1 + np.abs(a).max() / size)


def test_the_gaussian_distance_in_float32_is_that_in_float64(rng):
    """Of a covariance whose rank is lower than its size, beside a large mean."""
    a, b = (10 + rng.random((1, 4, 5, 64)) for _ in range(2))
    single = [x.astype("float32") for x in (a, b)]
    np.testing.assert_allclose(gaussian_distance(*single), gaussian_distance(a, b), rtol=0.02)


@pytest.mark.parametrize("dtype", HALF)
def test_every_distance_of_half_precision_is_float32(dtype, rng):
    a, b, mask = (tf.cast(x, dtype) for x in (spread(rng), spread(rng), soft_mask(rng)))
    results = [distance(a, b[:1], mask=mask) for distance in DISTANCES]
    assert [x.dtype for x in results] == [tf.float32] * 3


TILED = {"x": (2,), "y": (1,), "both": (1, 2)}


class TestTiles:
    @pytest.mark.parametrize("tile", [None, *TILED])
    def test_a_picture_beyond_its_edges(self, tile, rng):
        x = rng.random((2, 5, 7, 3))
        found = functional.extended(x, (2, 3), (1, 0), tile)
        expected = x
        for axis, sides in ((1, (2, 3)), (2, (1, 0))):
            mode = "wrap" if axis in TILED.get(tile, ()) else "symmetric"
            widths = [sides if axis == one else (0, 0) for one in range(4)]
            expected = np.pad(expected, widths, mode)
        np.testing.assert_array_equal(found, expected)

    @pytest.mark.parametrize("isotropic", [True, False])
    @pytest.mark.parametrize("exponent", [1, 2, 2.5])
    def test_total_variation_is_that_of_the_picture_rolled(self, exponent, isotropic, rng):
        x = rng.random((2, 5, 7, 3))
        how = {"exponent": exponent, "isotropic": isotropic}
        expected = functional.total_variation(x, **how, tile="both")
        rolled = functional.total_variation(np.roll(x, (2, 3), (1, 2)), **how, tile="both")
        np.testing.assert_allclose(rolled, expected, rtol=1e-12)
        plain, x_alone = (functional.total_variation(x, **how, tile=one) for one in (None, "x"))
        assert (plain < x_alone).numpy().all()
        assert (x_alone < expected).numpy().all()
        steps = [np.roll(x, -1, axis) - x for axis in (1, 2)]
        if exponent == 2:
            np.testing.assert_allclose(expected, np.mean(np.square(steps), (2, 3, 4)).sum(0))
