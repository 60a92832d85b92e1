import numpy as np
import pytest
from scipy.spatial.distance import cdist

from stylekit._checks import InputError
from stylekit.masks.refine.bilateral import BilateralKernel


def exact(picture, position_deviation, color_deviation):
    rows, columns = np.indices(picture.shape[:2]).reshape(2, -1) / position_deviation
    colors = picture.reshape(-1, 3) / color_deviation
    features = np.column_stack([rows, columns, colors])
    return np.exp(-cdist(features, features, "sqeuclidean") / 2)


def dense(kernel, size):
    return np.stack([kernel(unit) for unit in np.eye(size, dtype=np.float32)])


@pytest.fixture(params=["noise", "flat", "ramp"])
def picture(request, rng):
    values = rng.random((9, 12, 3), dtype=np.float32)
    if request.param == "flat":
        values[:] = 0.3
    if request.param == "ramp":
        values = 0.05 * values + np.linspace(0, 0.5, 12, dtype=np.float32)[:, np.newaxis]
    return values


def test_is_near_the_exact_kernel(picture):
    result = dense(BilateralKernel(picture, 3.3, 0.25), picture.shape[0] * picture.shape[1])
    wanted = exact(picture, 3.3, 0.25)
    np.testing.assert_allclose(result, wanted, atol=0.04)
    np.testing.assert_allclose(result.sum(axis=1), wanted.sum(axis=1), rtol=0.08)
    assert result.sum() == pytest.approx(wanted.sum(), rel=0.02)


def test_a_pixel_sees_itself_with_exactly_one(picture):
    result = dense(BilateralKernel(picture, 3.3, 0.25), picture.shape[0] * picture.shape[1])
    np.testing.assert_allclose(np.diag(result), 1, atol=1e-5)
    np.testing.assert_allclose(result, result.T, atol=1e-6)


def test_the_variance_is_that_asked_for():
    # In a flat picture all that is left is a Gaussian over positions.
    flat = np.zeros((61, 61, 3), np.float32)
    point = np.zeros((61, 61), np.float32)
    point[30, 30] = 1
    spread = BilateralKernel(flat, 5, 0.05)(point.ravel()).reshape(61, 61).astype(float)
    along = spread.sum(axis=0) / spread.sum()
    assert along @ (np.arange(61) - 30) ** 2 == pytest.approx(25, rel=0.05)


def test_colours_far_apart_do_not_hear_each_other():
    halves = np.zeros((8, 8, 3), np.float32)
    halves[:, 4:] = 0.5
    left = (halves[..., 0] == 0).astype(np.float32)
    heard = BilateralKernel(halves, 4, 0.05)(left.ravel()).reshape(8, 8)
    assert heard[:, :4].min() > 1
    assert heard[:, 4:].max() == 0


def test_a_grid_beyond_memory_is_refused_before_it_is_made(rng):
    noise = rng.random((128, 128, 3), dtype=np.float32)
    with pytest.raises(
        InputError, match=r"too small.*million vertices.*Raise `position_deviation`"
    ):
        BilateralKernel(noise, 0.2, 0.02)
