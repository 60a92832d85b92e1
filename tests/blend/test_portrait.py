import numpy as np
import pytest
from scipy import ndimage

from stylekit import blend
from stylekit._checks import InputError

RED, BLUE = np.float32([0.9, 0.05, 0.05]), np.float32([0.05, 0.1, 0.8])


def decode(v):
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def encode(v):
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * v ** (1 / 2.4) - 0.055)


@pytest.fixture(params=[0.5, 3.0], ids=["sharp", "soft"])
def scene(request):
    """A red disc on blue, mixed by a matte in linear light, and the matte."""
    rows, columns = np.ogrid[:96, :120]
    distance = np.hypot(rows - 48, columns - 60)
    matte = np.float32(np.clip(0.5 + (25 - distance) / (2 * request.param), 0, 1))
    light = matte[..., np.newaxis] * decode(RED) + (1 - matte[..., np.newaxis]) * decode(BLUE)
    return np.float32(encode(light)), matte


def test_a_red_disc_on_blue_leaves_no_red_outside(scene):
    photo, matte = scene
    result = blend.portrait(photo, matte, radius=9)
    outside = matte == 0
    assert abs(result[outside] - BLUE).max() < 1 / 255
    plain = encode(ndimage.gaussian_filter(decode(photo), (5, 5, 0)))
    assert (plain[outside] - BLUE)[:, 0].max() > 0.2  # what a blur of everything would leave


def test_the_edge_has_no_rim(scene):
    """Over the same plain background, the mix is the photograph again."""
    photo, matte = scene
    assert abs(blend.portrait(photo, matte, radius=9) - photo).max() < 6 / 255


def test_the_subject_stays_bit_for_bit(scene, rng):
    photo, matte = scene
    photo = rng.random(photo.shape, dtype=np.float32)
    result = blend.portrait(photo, matte)
    np.testing.assert_array_equal(result[matte == 1], photo[matte == 1])
    assert np.isfinite(result).all()
    assert result[matte == 0].std() < 0.8 * photo[matte == 0].std()


def test_a_point_of_light_becomes_a_disc_of_its_energy():
    photo = np.zeros((41, 41, 3), np.float32)
    photo[20, 20] = 1
    result = decode(blend.portrait(photo, np.zeros((41, 41)), radius=5).astype(float))
    rows, columns = np.ogrid[:41, :41]
    distance = np.hypot(rows - 20, columns - 20)
    assert result[..., 0].sum() == pytest.approx(1, rel=1e-3)
    np.testing.assert_allclose(result[distance < 4.5], result[20, 20, 0], rtol=1e-3)
    assert abs(result[distance > 5.5]).max() < 1e-6


def test_constant_backgrounds_stay_up_to_the_border():
    photo = np.full((30, 40, 3), 0.3, np.float32)
    mask = np.zeros((30, 40))
    mask[10:, 10:20] = 1
    np.testing.assert_allclose(blend.portrait(photo, mask, radius=6), photo, atol=1e-5)


def test_a_subject_that_is_larger_than_the_disc_and_holes_without_background():
    """Half transparent deep inside, where the disc sees no background."""
    photo = np.broadcast_to(BLUE, (80, 80, 3)).copy()
    mask = np.zeros((80, 80))
    mask[5:75, 5:75] = 1
    mask[40, 40] = 0.5
    result = blend.portrait(photo, mask, radius=3)
    np.testing.assert_allclose(result[40, 40], BLUE, atol=0.02)


def test_margin_leaves_out_what_a_tight_mask_left(scene):
    photo, matte = scene
    tight = (ndimage.minimum_filter(matte, 5) > 0.99).astype(np.float32)
    far = matte == 0

    def red(margin):
        result = blend.portrait(photo, tight, radius=9, margin=margin)
        return (result[far] - BLUE)[:, 0].max()

    assert red(12) < 1 / 255 < 0.1 < red(0)


def test_radius_zero_and_a_full_mask_are_the_photograph(photo, disc):
    np.testing.assert_array_equal(blend.portrait(photo, disc, radius=0), photo)
    np.testing.assert_array_equal(blend.portrait(photo, np.ones_like(disc)), photo)


def test_a_disc_wider_than_the_picture_is_its_mean(photo):
    result = blend.portrait(photo, np.zeros(photo.shape[:2]), radius=1e4)
    mean = encode(decode(photo.astype(float)).mean(axis=(0, 1)))
    np.testing.assert_allclose(result, np.broadcast_to(mean, photo.shape), atol=0.02)


def test_bad_numbers_and_masks_are_named(photo, disc):
    with pytest.raises(InputError, match="radius is out of range"):
        blend.portrait(photo, disc, radius=-1)
    with pytest.raises(InputError, match="margin is out of range"):
        blend.portrait(photo, disc, margin=-1)
    with pytest.raises(InputError, match="mask has the wrong size"):
        blend.portrait(photo, disc[1:])
