import json

import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial.distance import cdist

import stylekit as sk
from stylekit._checks import InputError
from stylekit.image import picture_hash
from stylekit.losses import SelfSimilarityLoss

LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1")


@pytest.fixture
def image(rng):
    return rng.random((48, 40, 3)).astype("float32")


def columns(extractor, picture):
    """The features of all cells of 4 x 4 pixels, by layer."""
    maps = []
    for layer in LAYERS:
        feature = np.asarray(extractor.model([layer])(picture[None])[layer], "float64")[0]
        side = feature.shape[0] // 12
        maps.append(feature.reshape(12, side, 10, side, -1).mean((1, 3)).reshape(120, -1))
    return maps


def formula(one, other):
    one, other = (cdist(x, x, "cosine") for x in (one, other))
    return np.abs(one / one.sum(0) - other / other.sum(0)).sum() / len(one)


def test_equals_the_paper_on_all_cells(photo, image, canvas_of, extractor, evaluate):
    own, wanted = columns(extractor, image), columns(extractor, photo)
    factors = [1 / one.sum(1).mean() for one in wanted]
    joined = [
        np.concatenate([f * one for f, one in zip(factors, maps, strict=True)], axis=1)
        for maps in (own, wanted)
    ]
    value, gradient = evaluate(SelfSimilarityLoss(photo, layers=LAYERS), canvas_of(photo), image)
    np.testing.assert_allclose(value, [formula(*joined)], rtol=1e-3)
    assert np.abs(gradient).max() > 0


def test_a_coarse_level_may_count_more(photo, image, canvas_of, evaluate):
    values = {}
    for shape in (photo.shape[:2], (24, 20)):
        coarse = image[:: 48 // shape[0], :: 40 // shape[1]]
        plain, weighed = (
            evaluate(
                SelfSimilarityLoss(photo, layers=LAYERS, coarse_exponent=exponent),
                canvas_of(photo, shape),
                coarse,
            )[0]
            for exponent in (0, 1)
        )
        values[shape] = weighed / plain
    np.testing.assert_allclose(values[48, 40], 1)
    np.testing.assert_allclose(values[24, 20], 2, rtol=1e-6)


def test_the_content_itself_costs_nothing(photo, canvas_of, evaluate):
    value, gradient = evaluate(SelfSimilarityLoss(photo, layers=LAYERS), canvas_of(photo), photo)
    np.testing.assert_allclose(value, [0], atol=1e-6)
    assert np.isfinite(gradient).all()


def test_a_scaling_of_the_features_changes_nothing(photo, image, canvas_of):
    term, canvas = SelfSimilarityLoss(photo, layers=LAYERS), canvas_of(photo)
    targets = term.prepare(canvas)
    features = canvas.extract(tf.constant(image[None]), LAYERS)
    plain, scaled = (
        term.compute(image[None], {k: factor * one for k, one in features.items()}, targets)
        for factor in (1, 9)
    )
    assert plain[0] > 0.01
    np.testing.assert_allclose(scaled, plain, rtol=1e-3)


def test_of_many_cells_a_regular_grid_is_compared(photo, image, canvas_of, evaluate):
    canvas = canvas_of(photo)
    few = SelfSimilarityLoss(photo, layers=LAYERS, samples=30)
    targets = few.prepare(canvas)
    assert targets["similarity"].shape == (1, 30, 30)
    again = few.prepare(canvas)
    np.testing.assert_array_equal(targets["similarity"], again["similarity"])
    values = [
        evaluate(SelfSimilarityLoss(photo, layers=LAYERS, samples=n), canvas, image)[0]
        for n in (120, 10**6)
    ]
    np.testing.assert_array_equal(*values)


def test_what_the_mask_leaves_out_may_change(photo, image, canvas_of, evaluate):
    mask = np.zeros((48, 40), "float32")
    mask[:, :16] = 1
    changed = np.where(np.arange(40)[:, None] >= 20, image, photo)  # beyond what conv2_1 sees
    term = SelfSimilarityLoss(photo, layers=LAYERS[:2], mask=mask)
    value, _ = evaluate(term, canvas_of(photo), changed)
    np.testing.assert_allclose(value, [0], atol=1e-6)
    value, gradient = evaluate(term, canvas_of(photo), image)
    assert value > 0.01
    assert np.abs(gradient[:, :, 20:]).max() == 0


def test_a_mask_without_a_cell_of_the_sample_is_an_error(photo, canvas_of):
    mask = np.zeros((48, 40), "float32")
    mask[0, 0] = 1
    with pytest.raises(InputError, match=r"at least one of the sampled cells.*`samples`") as error:
        SelfSimilarityLoss(photo, layers=LAYERS, mask=mask, samples=4).prepare(canvas_of(photo))
    assert error.value.argument == "mask"


@pytest.mark.parametrize("constant", [0, 0.5, 1])
def test_flat_pictures_give_finite_values_and_gradients(constant, image, canvas_of, evaluate):
    flat = np.full((48, 40, 3), constant, "float32")
    for content, picture in ((flat, image), (image, flat), (flat, flat)):
        term = SelfSimilarityLoss(content, layers=LAYERS)
        found = evaluate(term, canvas_of(content), picture)
        assert all(np.isfinite(x).all() for x in found)


def test_a_batch_gives_the_values_of_its_pictures(photo, image, canvas_of, evaluate):
    canvas = canvas_of(photo)
    pictures, contents = np.stack([image, photo / 2]), np.stack([photo, image])
    term = SelfSimilarityLoss(contents, layers="conv2_1")  # one layer: no factors between them
    together, _ = evaluate(term, canvas, pictures)
    for k in range(2):
        term = SelfSimilarityLoss(contents[k], layers="conv2_1")
        np.testing.assert_allclose(
            together[k], evaluate(term, canvas, pictures[k])[0][0], rtol=1e-3
        )
    with pytest.raises(InputError, match="must have one reference"):
        evaluate(SelfSimilarityLoss(np.stack([photo] * 3)), canvas, pictures)


def test_the_gradient_is_numeric(photo, image, canvas_of, assert_gradient_is_numeric):
    term = SelfSimilarityLoss(photo, layers=LAYERS[:2], samples=20)
    assert_gradient_is_numeric(term, canvas_of(photo), image)


def test_tiles_are_an_error_that_names_it(photo):
    term = SelfSimilarityLoss(photo, layers="conv1_1")
    transfer = sk.StyleTransfer([term], extractor=sk.VGG19(weights=None), plan=sk.Tiles(32))
    with pytest.raises(InputError, match="'self_similarity' cannot be evaluated in tiles"):
        transfer.run(photo, steps=1)


def test_its_configuration(photo):
    mask = np.ones((48, 40), "float32")
    config = SelfSimilarityLoss(photo, layers=LAYERS, mask=mask, weight=2).get_config()
    assert config["reference"] == picture_hash(np.stack([photo]))
    assert (config["samples"], config["weight"]) == (1024, 2)
    assert config["mask"] == picture_hash(mask)
    json.dumps(config)
