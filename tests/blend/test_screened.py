import numpy as np
import pytest
from scipy import ndimage

from stylekit import blend
from stylekit._checks import InputError


def energy(result, photo, stylised, radius):
    """What the result is to minimise, in float64."""
    value = np.sum((result - stylised.astype(float)) ** 2)
    for axis in (0, 1):
        value += radius**2 * np.sum(np.diff(result - photo.astype(float), axis=axis) ** 2)
    return value


@pytest.fixture
def soft(photo, stylised):
    """Two pictures with room so that nothing is clipped."""
    return 0.3 + 0.3 * photo, 0.3 + 0.3 * stylised


@pytest.mark.parametrize("radius", [0.7, 3])
def test_the_result_is_the_minimum(radius, soft, rng):
    result = blend.screened_poisson(*soft, radius=radius).astype(float)
    least = energy(result, *soft, radius)
    for change in rng.normal(size=(4, *result.shape)):
        for step in (1e-3, -1e-3):
            assert energy(result + step * change, *soft, radius) > least
    assert least < min(energy(one, *soft, radius) for one in soft)


def test_texture_goes_and_the_photographs_drawing_comes_back(photo, rng):
    dusk = 0.3 * photo + np.float32([0.4, 0.1, 0.1])  # the drawing is weaker, too
    ripples = 0.1 * np.sin(2.5 * np.indices(photo.shape[:2]).sum(0))[..., None]
    result = blend.screened_poisson(0.4 * photo, dusk + ripples, radius=4)
    drawn = result - ndimage.uniform_filter(result, (9, 9, 1))
    expected = 0.4 * (photo - ndimage.uniform_filter(photo, (9, 9, 1)))
    assert np.abs(drawn - expected)[8:-8, 8:-8].std() < 0.02
    np.testing.assert_allclose(result.mean((0, 1)), dusk.mean((0, 1)), atol=0.01)


def test_no_radius_and_a_large_one(soft):
    photo, stylised = soft
    np.testing.assert_array_equal(blend.screened_poisson(photo, stylised, radius=0), stylised)
    shifted = photo + (stylised - photo).mean((0, 1))
    result = blend.screened_poisson(photo, stylised, radius=1e5)
    np.testing.assert_allclose(result, shifted, atol=1e-4)


def test_the_default_follows_the_size(soft):
    result = blend.screened_poisson(*soft)
    np.testing.assert_array_equal(result, blend.screened_poisson(*soft, radius=64 / 48))
    assert result.dtype == np.float32


def test_a_picture_stays_within_its_range(photo, stylised):
    result = blend.screened_poisson(photo, np.zeros_like(stylised))
    assert result.min() == 0
    assert result.max() <= 1
    np.testing.assert_allclose(blend.screened_poisson(photo, photo), photo, atol=1e-6)


def test_refusals(photo):
    with pytest.raises(InputError, match="radius is out of range"):
        blend.screened_poisson(photo, photo, radius=-1)
    with pytest.raises(InputError, match="`stylised` must have the size of `photo`"):
        blend.screened_poisson(photo, photo[:9])
