import numpy as np
import pytest

from stylekit.image import oklab_to_srgb, srgb_to_oklab

KNOWN = {
    # Ottosson's article and CSS Color 4, to four digits.
    "black": ((0, 0, 0), (0, 0, 0)),
    "white": ((1, 1, 1), (1, 0, 0)),
    "red": ((1, 0, 0), (0.6280, 0.2249, 0.1258)),
    "green": ((0, 1, 0), (0.8664, -0.2339, 0.1795)),
    "blue": ((0, 0, 1), (0.4520, -0.0325, -0.3115)),
    "mid-grey": ((0.5, 0.5, 0.5), (0.5982, 0, 0)),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_colours(name):
    rgb, lab = (np.array(color, float) for color in KNOWN[name])
    np.testing.assert_allclose(srgb_to_oklab(rgb), lab, atol=6e-5)
    np.testing.assert_allclose(oklab_to_srgb(srgb_to_oklab(rgb)), rgb, atol=1e-5)


# A cube root, its cube and two products with matrices err by some 4 roundings of terms that sum to
# 8 times white, and sRGB is 12.92 times as steep at black.
ROUNDING = 4 * 8 * 12.92 * np.finfo("float32").eps


@pytest.mark.parametrize(("dtype", "error"), [(np.float32, ROUNDING), (np.float64, 1e-6)])
def test_there_and_back(dtype, error):
    steps = np.linspace(0, 1, 18)
    rgb = np.stack(np.meshgrid(steps, steps, steps), axis=-1).astype(dtype)
    lab = srgb_to_oklab(rgb)
    assert lab.dtype == dtype
    assert lab[..., 0].min() >= 0
    assert lab[..., 0].max() <= 1 + 1e-6
    back = oklab_to_srgb(lab)
    assert back.dtype == dtype
    np.testing.assert_allclose(back, rgb, atol=error)


def test_other_numbers_become_float32():
    assert srgb_to_oklab([1, 0, 0]).dtype == np.float32
    assert oklab_to_srgb(np.float16([0.5, 0, 0])).dtype == np.float32


def test_outside_the_gamut_colours_pale_and_lightness_and_hue_stay():
    rng = np.random.default_rng(0)
    lab = rng.uniform((0.05, -0.4, -0.4), (0.95, 0.4, 0.4), (2000, 3))
    rgb = oklab_to_srgb(lab)
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    found = srgb_to_oklab(rgb)
    np.testing.assert_allclose(found[:, 0], lab[:, 0], atol=1e-4)
    cross = found[:, 1] * lab[:, 2] - found[:, 2] * lab[:, 1]
    np.testing.assert_allclose(cross, 0, atol=1e-4)
    old, new = (np.linalg.norm(values[:, 1:], axis=1) for values in (lab, found))
    assert (new <= old + 1e-4).all()
    # No paler than it must be: then one channel is near its limit.
    paler = new < old - 1e-3
    assert 0.5 < paler.mean() < 0.99
    limit = np.minimum(rgb, 1 - rgb).min(axis=1)[paler]
    assert limit.max() < 1e-3
    np.testing.assert_allclose(oklab_to_srgb(found), rgb, atol=1e-4)


def test_lightness_beyond_white_and_black_is_clipped():
    rgb = oklab_to_srgb([[1.3, 0.1, 0.0], [-0.2, 0.1, 0.0], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(rgb, [[1, 1, 1], [0, 0, 0], [1, 1, 1]], atol=1e-3)


def test_the_argument_is_not_changed():
    lab = np.float32([[1.3, 0.4, 0.0]])
    oklab_to_srgb(lab)
    np.testing.assert_array_equal(lab, np.float32([[1.3, 0.4, 0.0]]))
