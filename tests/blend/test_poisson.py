import importlib

import numpy as np
import pytest
from scipy import ndimage

from stylekit import blend
from stylekit.blend import multigrid

module = importlib.import_module("stylekit.blend.poisson")


def laplacian(picture):
    """The sum of the differences to the neighbours within the picture."""
    total = np.zeros_like(picture)
    for axis in (0, 1):
        step = np.diff(picture, axis=axis)
        pad = [(0, 0)] * picture.ndim
        pad[axis] = (0, 1)
        total += np.pad(step, pad)
        pad[axis] = (1, 0)
        total -= np.pad(step, pad)
    return total


@pytest.fixture
def soft(rng):
    """Two smooth pictures, with room so that nothing is clipped."""
    smooth = ndimage.gaussian_filter(rng.random((2, 48, 64, 3)), (0, 3, 3, 0))
    photo, stylised = np.float32(0.4 + 0.2 * (smooth - 0.5) / smooth.std() / 4)
    return photo, stylised


@pytest.mark.parametrize("where", ["disc", "border"])
def test_keeps_gradients_inside_and_the_photograph_outside(where, soft, disc):
    photo, stylised = soft
    mask = disc if where == "disc" else (np.indices(disc.shape)[1] < 20).astype(np.float32)
    result = blend.poisson(photo, stylised, mask)
    np.testing.assert_array_equal(result[mask == 0], photo[mask == 0])
    inside = mask == 1
    np.testing.assert_allclose(
        laplacian(result.astype(float))[inside],
        laplacian(stylised.astype(float))[inside],
        atol=1e-5,
    )
    assert abs(result - stylised)[inside].max() > 0.01


def test_a_shifted_picture_comes_back(photo, disc):
    photo = 0.3 + 0.4 * photo
    result = blend.poisson(photo, photo + np.float32(0.2), disc)
    np.testing.assert_allclose(result, photo, atol=1e-5)


def test_soft_mask_splits_at_one_half(photo, stylised, disc):
    soft = np.where(disc > 0, 0.5, 0.4)
    np.testing.assert_array_equal(
        blend.poisson(photo, stylised, soft), blend.poisson(photo, stylised, disc)
    )


def test_mixed_keeps_the_longer_gradients(disc):
    photo = np.full((48, 64, 3), 0.5, np.float32)
    photo[:, 32:] = 0.7
    flat = np.full_like(photo, 0.2)
    np.testing.assert_allclose(blend.poisson(photo, flat, disc, mixed=True), photo, atol=1e-4)
    smeared = blend.poisson(photo, flat, disc)[disc == 1]
    assert abs(smeared - photo[disc == 1]).max() > 0.05
    other = blend.poisson(flat, photo, disc, mixed=True)
    np.testing.assert_allclose(other, blend.poisson(flat, photo, disc), atol=1e-4)


def test_feather_fades_in(photo, stylised, disc):
    hard = blend.poisson(photo, stylised, disc)
    result = blend.poisson(photo, stylised, disc, feather=3)
    np.testing.assert_array_equal(result[disc == 0], photo[disc == 0])
    np.testing.assert_allclose(result[22:27, 28:33], hard[22:27, 28:33], atol=1e-3)
    edge = (disc == 1) & (ndimage.minimum_filter(disc, 3) == 0)
    assert abs(result - photo)[edge].mean() < 0.8 * abs(hard - photo)[edge].mean()


def test_what_does_not_converge_is_factorised(monkeypatch, photo, stylised, disc):
    exact = blend.poisson(photo, stylised, disc)
    monkeypatch.setattr(multigrid, "DIRECT", 100)
    monkeypatch.setattr(module, "_ITERATIONS", 1)
    np.testing.assert_allclose(blend.poisson(photo, stylised, disc), exact, atol=1e-6)


@pytest.mark.parametrize("mixed", [False, True])
def test_multigrid_finds_what_a_factorisation_finds(mixed, monkeypatch, rng):
    height, width = 97, 130
    photo, stylised = rng.random((2, height, width, 3), dtype=np.float32)
    mask = ndimage.gaussian_filter(rng.random((height, width)), 3) > 0.49  # borders, holes, isles
    mask[40:] = True
    mask[70, ::9] = False
    monkeypatch.setattr(multigrid, "DIRECT", 10**6)
    exact = blend.poisson(photo, stylised, mask, mixed=mixed)
    monkeypatch.setattr(multigrid, "DIRECT", 300)
    np.testing.assert_allclose(
        blend.poisson(photo, stylised, mask, mixed=mixed), exact, atol=0.3 / 255
    )
