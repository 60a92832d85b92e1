import numpy as np
import pytest
import tensorflow as tf

import stylekit as sk
from stylekit._checks import InputError
from stylekit.losses import TemporalLoss


@pytest.fixture
def image(rng):
    return rng.random((48, 40, 3)).astype("float32")


@pytest.fixture
def weights(rng):
    return (rng.random((48, 40)) * (rng.random((48, 40)) < 0.6)).astype("float32")


def test_what_is_occluded_counts_as_nothing(photo, image, weights, canvas_of, evaluate):
    """As in Ruder et al. 2016 the mean is over all pixels."""
    value, gradient = evaluate(TemporalLoss(photo, weights), canvas_of(photo), image)
    squares = weights[..., None].astype("float64") * (image - photo) ** 2
    np.testing.assert_allclose(value, [squares.mean()], rtol=1e-5)
    expected = 2 * weights[..., None] * (image - photo) / photo.size
    np.testing.assert_allclose(gradient[0], expected, rtol=1e-3, atol=1e-9)


def test_without_a_frame_before_it_is_zero(photo, image, canvas_of, evaluate):
    term = TemporalLoss(photo, np.zeros((48, 40)))
    value, gradient = evaluate(term, canvas_of(photo), image)
    assert value == [0]
    assert not gradient.any()


def test_gradient(photo, image, weights, canvas_of, assert_gradient_is_numeric):
    term = TemporalLoss(photo, weights)
    assert_gradient_is_numeric(term, canvas_of(photo), image)


def test_at_another_size_both_are_resized(photo, weights, canvas_of, evaluate):
    canvas = canvas_of(photo, (24, 20))
    value, _ = evaluate(TemporalLoss(photo, weights), canvas, canvas.image)
    np.testing.assert_allclose(value, [0], atol=1e-12)


@pytest.mark.parametrize("plan", [sk.Tiles(16), sk.Recompute()], ids=repr)
def test_in_parts_it_is_the_same(plan, photo, image, weights):
    terms = [TemporalLoss(photo, weights, weight=3)]
    transfer = sk.StyleTransfer(terms, extractor=sk.VGG19(weights=None))
    total, _, gradient = transfer.objective(image)(image)
    transfer = sk.StyleTransfer(terms, extractor=sk.VGG19(weights=None), plan=plan)
    again, _, slopes = transfer.objective(image)(image)
    np.testing.assert_allclose(again, total, rtol=1e-5)
    np.testing.assert_allclose(slopes, gradient, rtol=1e-3, atol=1e-9)


def test_frames_share_a_trace(photo, image, weights):
    plan = sk.Reuse()
    how = {"extractor": sk.VGG19(weights=None), "plan": plan}
    for term in (TemporalLoss(photo, weights), TemporalLoss(image, 0 * weights)):
        objective = sk.StyleTransfer([term], **how).objective(photo)
        expected = np.mean(term.weights[..., None] * (photo - term.previous) ** 2)
        np.testing.assert_allclose(objective(photo)[0], [expected], rtol=1e-5)
    assert len(plan._kept) == 1


def test_half_precision_pixels_give_float32(photo, canvas_of):
    term = TemporalLoss(photo, np.ones((48, 40)))
    value = term.compute(tf.cast(photo[None], "float16"), {}, term.prepare(canvas_of(photo)))
    assert value.dtype == tf.float32


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda photo: TemporalLoss("gone.png", np.ones((48, 40))), "previous"),
        (lambda photo: TemporalLoss(photo, np.ones((40, 48))), "weights"),
        (lambda photo: TemporalLoss(photo, np.full((48, 40), 2.0)), "weights"),
        (lambda photo: TemporalLoss(photo, np.full((48, 40), np.nan)), "weights"),
    ],
)
def test_what_cannot_be_used(make, argument, photo):
    with pytest.raises(sk.StylekitError) as raised:
        make(photo)
    assert raised.value.argument == argument


def test_a_frame_of_another_aspect_ratio(photo, canvas_of):
    term = TemporalLoss(photo[:20], np.ones((20, 40)))
    with pytest.raises(InputError, match="aspect ratio") as raised:
        term.prepare(canvas_of(photo))
    assert raised.value.argument == "previous"


def test_settings_name_both_by_hash(photo, weights):
    config = TemporalLoss(photo, weights, weight=2).get_config()
    assert config["weight"] == 2
    assert len(config["previous"]) == len(config["weights"]) == 16
    assert config["previous"] != TemporalLoss(1 - photo, weights).get_config()["previous"]
