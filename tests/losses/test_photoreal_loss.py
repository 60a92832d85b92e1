import json

import numpy as np
import pytest
import tensorflow as tf

from stylekit import VGG19, MattingLaplacianLoss, functional
from stylekit._checks import InputError, InputTypeError
from stylekit.features import CircularPadding
from stylekit.image import resize
from stylekit.losses import Canvas


def smooth(shape, rng):
    """A picture whose windows are neither flat nor noise."""
    waves = np.indices(shape).sum(0)[..., None] * rng.random(3) / 3
    return (0.5 + 0.4 * np.sin(waves + rng.random(3))).astype("float32")


def test_the_value_is_that_of_the_function_at_each_size(photo, canvas_of, evaluate, rng):
    term = MattingLaplacianLoss(photo, epsilon=1e-5, weight=7)
    for shape in (photo.shape[:2], (24, 20)):
        images = rng.random((2, *shape, 3), dtype="float32")
        value, gradient = evaluate(term, canvas_of(photo, shape), images)
        guide = resize(photo, shape)[None]
        precision = functional.window_precision(guide, 1e-5)
        np.testing.assert_allclose(
            value, functional.matting_energy(images, guide, precision), rtol=1e-5
        )
        assert gradient.shape == images.shape
        assert np.abs(gradient).max() > 0


def test_each_picture_of_a_batch_has_its_own_content(photo, canvas_of, evaluate):
    contents = np.stack([photo, photo[::-1]])
    value, _ = evaluate(MattingLaplacianLoss(contents), canvas_of(photo), contents)
    np.testing.assert_allclose(value, 0, atol=1e-5)
    value, _ = evaluate(MattingLaplacianLoss(contents), canvas_of(photo), contents[::-1].copy())
    assert (value > 1e-2).all()
    with pytest.raises(InputError, match="must have one reference, or one per picture"):
        evaluate(MattingLaplacianLoss(contents), canvas_of(photo), photo[None].repeat(3, axis=0))


def test_a_step_against_the_gradient_takes_out_texture_and_leaves_colours(canvas_of, evaluate, rng):
    content = smooth((24, 24), rng)
    tinted = content @ np.float32([[0.5, 0.2, 0], [0, 0.6, 0.1], [0.1, 0, 0.4]]) + 0.1
    stroke = 0.05 * rng.normal(size=content.shape).astype("float32")
    term, image = MattingLaplacianLoss(content), tinted + stroke
    for _ in range(30):
        image = image - 1500 * evaluate(term, canvas_of(content), image)[1][0]
    assert (image - tinted).std() < 0.6 * stroke.std()
    np.testing.assert_allclose(image.mean((0, 1)), tinted.mean((0, 1)), atol=0.01)


def test_a_constant_content_gives_numbers(photo, canvas_of, evaluate):
    flat = np.full_like(photo, 0.4)
    value, gradient = evaluate(MattingLaplacianLoss(flat), canvas_of(photo), photo)
    assert value > 1e-3
    assert np.isfinite(gradient).all()


def test_a_pixel_sees_its_neighbours(photo):
    class Rooted(MattingLaplacianLoss):
        def compute(self, image, features, targets):
            return super().compute(image, features, targets) ** 0.5

    assert MattingLaplacianLoss(photo).reach == 1
    assert Rooted(photo).reach is None


def test_a_level_too_small_for_a_window(photo, canvas_of):
    with pytest.raises(InputError, match=r"3 x 3 pixels.*at least 3.*received 2x3 pixels"):
        MattingLaplacianLoss(photo).prepare(canvas_of(photo, (3, 2)))


@pytest.mark.parametrize(
    ("options", "error"), [({"epsilon": 0}, InputError), ({"epsilon": "1"}, InputTypeError)]
)
def test_a_ridge_is_above_zero(photo, options, error):
    with pytest.raises(error, match="epsilon"):
        MattingLaplacianLoss(photo, **options)


def test_its_configuration(photo):
    config = MattingLaplacianLoss(photo, epsilon=1e-5, weight=3).get_config()
    assert (config["epsilon"], config["weight"]) == (1e-5, 3)
    assert config == json.loads(json.dumps(config))
    assert MattingLaplacianLoss(photo).layers == ()


def test_half_precision_gives_float32(photo, canvas_of):
    term = MattingLaplacianLoss(photo)
    value = term.compute(tf.cast(photo[None], "float16"), {}, term.prepare(canvas_of(photo)))
    assert value.dtype == tf.float32


def test_where_pictures_tile_no_window_ends_at_an_edge(evaluate, rng):
    content, image = rng.random((2, 16, 24, 3), dtype="float32")
    network = CircularPadding(VGG19(weights=None))
    found = []
    for by in ((0, 0), (3, 10)):
        one, other = (np.roll(x, by, (0, 1)) for x in (content, image))
        canvas = Canvas(network, (16, 24), picture=one)
        found.append(evaluate(MattingLaplacianLoss(one), canvas, other))
    (value, gradient), (rolled_value, rolled) = found
    np.testing.assert_allclose(rolled_value, value, rtol=1e-5)
    np.testing.assert_allclose(rolled, np.roll(gradient, (3, 10), (1, 2)), atol=1e-7)
