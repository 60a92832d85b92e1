import json

import numpy as np
import pytest

from stylekit import VGG19, TotalVariationLoss, functional
from stylekit._checks import InputError, InputTypeError
from stylekit.features import CircularPadding
from stylekit.losses import Canvas


@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize("exponent", [1, 2, 2.5])
def test_the_value_is_that_of_the_function(exponent, isotropic, photo, canvas_of, evaluate):
    term = TotalVariationLoss(exponent, isotropic=isotropic, weight=7)
    pictures = np.stack([photo, photo / 2])
    value, gradient = evaluate(term, canvas_of(photo), pictures)
    expected = functional.total_variation(pictures, exponent, isotropic=isotropic)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    assert gradient.shape == pictures.shape
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize("exponent", [1, 2, 2.5])
def test_the_value_of_the_chroma(exponent, isotropic, photo, canvas_of, evaluate):
    term = TotalVariationLoss(exponent, isotropic=isotropic, channels="chroma")
    pictures = np.stack([photo, photo / 2])
    value, gradient = evaluate(term, canvas_of(photo), pictures)
    chroma = functional.chroma(pictures)
    expected = functional.total_variation(chroma, exponent, isotropic=isotropic)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert np.abs(gradient).max() > 0
    np.testing.assert_allclose(gradient.sum(-1), 0, atol=1e-5 * np.abs(gradient).max())


def test_strokes_of_light_and_dark_cost_the_chroma_nothing(photo, canvas_of, evaluate, rng):
    term, canvas = TotalVariationLoss(channels="chroma"), canvas_of(photo)
    grey = rng.random((48, 40, 1), dtype=np.float32).repeat(3, axis=-1)
    value, gradient = evaluate(term, canvas, grey)
    np.testing.assert_allclose(value, [0], atol=1e-12)
    np.testing.assert_allclose(gradient, 0, atol=1e-8)
    with_strokes, without = (
        evaluate(term, canvas, x)[0] for x in (photo / 2 + grey / 2, photo / 2)
    )
    np.testing.assert_allclose(with_strokes, without, rtol=1e-5)


def test_coloured_noise_goes_and_strokes_of_light_and_dark_stay(canvas_of, evaluate, rng):
    strokes = np.tile(np.float32([0.3, 0.3, 0.7, 0.7]), (48, 10))[..., None].repeat(3, axis=-1)
    noise = 0.1 * rng.normal(size=strokes.shape).astype("float32")
    noise -= noise.mean(-1, keepdims=True)
    left = {}
    for channels in ("chroma", "rgb"):
        image, term = strokes + noise, TotalVariationLoss(channels=channels)
        for _ in range(60):
            image = image - 200 * evaluate(term, canvas_of(strokes), image)[1][0]
        chroma = functional.chroma(image[None]).numpy()
        contrast = np.ptp(image.mean((0, 2)).reshape(10, 4)[2:-2], axis=1).mean()
        left[channels] = chroma.std(), contrast
    assert left["chroma"][0] < 0.35 * functional.chroma(noise[None]).numpy().std()
    assert left["chroma"][1] == pytest.approx(0.4, rel=0.03)
    assert left["rgb"][1] < 0.3


def test_a_step_against_the_gradient_smooths(photo, canvas_of, evaluate):
    canvas, term = canvas_of(photo), TotalVariationLoss()
    value, gradient = evaluate(term, canvas, photo)
    smoother, _ = evaluate(term, canvas, photo - 100 * gradient[0])
    assert smoother < value


def test_a_flat_picture_costs_nothing(photo, canvas_of, evaluate):
    for exponent in (1, 2, 2.5):
        flat = np.full_like(photo, 0.4)
        value, gradient = evaluate(TotalVariationLoss(exponent), canvas_of(photo), flat)
        np.testing.assert_allclose(value, [0], atol=1e-7)
        np.testing.assert_allclose(gradient, 0, atol=1e-7)


def test_it_needs_no_network(photo, canvas_of):
    term = TotalVariationLoss()
    assert term.layers == ()
    assert term.prepare(canvas_of(photo)) is None


def test_how_far_it_sees_holds_for_what_computes_the_same_alone(photo, canvas_of, evaluate):
    class Named(TotalVariationLoss):
        default_name = "smooth"

    class Rooted(TotalVariationLoss):
        def compute(self, image, features, targets):
            return super().compute(image, features, targets) ** 0.5

    class Twice(Rooted):
        reach = 2

    assert [c.reach for c in (TotalVariationLoss, Named, Rooted, Twice)] == [1, 1, None, 2]
    changed = photo.copy()
    changed[20, 17] = 1 - changed[20, 17]
    slopes = [evaluate(TotalVariationLoss(), canvas_of(photo), x)[1] for x in (photo, changed)]
    rows, columns = np.nonzero(np.abs(slopes[1] - slopes[0])[0].max(-1))
    assert {*rows, *columns} == {16, 17, 18, 19, 20, 21}  # of the slope, on either side
    assert TotalVariationLoss(channels="chroma").reach == 1


@pytest.mark.parametrize("exponent", [0, -1, float("inf")])
def test_an_exponent_is_above_zero(exponent):
    with pytest.raises(InputError, match="exponent is out of range: expected a number above 0"):
        TotalVariationLoss(exponent)
    with pytest.raises(InputTypeError, match="exponent is not a number"):
        TotalVariationLoss("2")


def test_its_configuration():
    config = TotalVariationLoss(2.5, isotropic=False, weight=0.1).get_config()
    assert config == {"exponent": 2.5, "isotropic": False, "channels": "rgb", "weight": 0.1}
    assert config == json.loads(json.dumps(config))
    assert repr(TotalVariationLoss(channels="chroma")) == (
        "TotalVariationLoss(exponent=2.0, isotropic=True, channels='chroma', weight=1.0)"
    )


def test_other_channels():
    with pytest.raises(InputError, match="channels is unknown: expected one of 'rgb', 'chroma'"):
        TotalVariationLoss(channels="luma")


def test_where_pictures_tile_opposite_edges_are_neighbours(evaluate, rng):
    picture = rng.random((16, 24, 3), dtype=np.float32)
    for tile in ("x", "y", "both"):
        canvas = Canvas(CircularPadding(VGG19(weights=None), tile), (16, 24))
        value, gradient = evaluate(TotalVariationLoss(1), canvas, picture)
        expected = functional.total_variation(picture[None], 1, tile=tile)
        np.testing.assert_allclose(value, expected, rtol=1e-6)
        assert np.abs(gradient).max() > 0
