import json

import numpy as np
import pytest

from stylekit import TotalVariationLoss, functional
from stylekit._checks import InputError, InputTypeError


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


@pytest.mark.parametrize("exponent", [0, -1, float("inf")])
def test_an_exponent_is_above_zero(exponent):
    with pytest.raises(InputError, match="exponent is out of range: expected a number above 0"):
        TotalVariationLoss(exponent)
    with pytest.raises(InputTypeError, match="exponent is not a number"):
        TotalVariationLoss("2")


def test_its_configuration():
    config = TotalVariationLoss(2.5, isotropic=False, weight=0.1).get_config()
    assert config == {"exponent": 2.5, "isotropic": False, "weight": 0.1}
    assert config == json.loads(json.dumps(config))
    assert (
        repr(TotalVariationLoss()) == "TotalVariationLoss(exponent=2.0, isotropic=True, weight=1.0)"
    )
