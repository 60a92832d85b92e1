import struct
import warnings

import icc_profiles as profiles
import numpy as np
import pytest
from PIL import Image

from stylekit.image._formats.profile import srgb_profile, to_srgb, values_to_srgb


def colours(shape=(24, 20, 3)):
    return np.random.default_rng(0).random(shape, np.float32)


def test_eight_bits_by_a_matrix_profile():
    levels = (colours() * 255).round().astype(np.uint8)
    result = np.asarray(to_srgb(Image.fromarray(levels), profiles.adobe_rgb(), "x")).astype(float)
    exact = profiles.adobe_to_srgb(levels / 255) * 255
    assert np.abs(result - exact).max() < 1
    assert np.abs(result - levels).max() > 50  # leaving the profile aside would not do


def test_deep_values_by_a_matrix_profile():
    values = colours()
    result = values_to_srgb(values, profiles.adobe_rgb(), "x")
    assert result.dtype == np.float32
    assert np.abs(result - profiles.adobe_to_srgb(values)).max() < 2e-3
    ramp = np.repeat(np.linspace(0, 1, 4000, dtype=np.float32)[:, np.newaxis], 3, axis=-1)
    assert (np.diff(values_to_srgb(ramp[np.newaxis], profiles.adobe_rgb(), "x")[0, :, 1]) > 0).all()


def test_deep_and_eight_bits_agree_with_each_other():
    levels = (colours() * 255).round().astype(np.uint8)
    shallow = to_srgb(Image.fromarray(levels), profiles.adobe_rgb(), "x")
    deep = values_to_srgb(levels / np.float32(255), profiles.adobe_rgb(), "x")
    assert np.abs(np.asarray(shallow) / 255 - deep).max() < 1 / 255


def test_grey_profile():
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[np.newaxis, :, np.newaxis]
    exact = np.repeat(profiles.encode_srgb(ramp), 3, axis=-1)
    assert np.abs(values_to_srgb(ramp, profiles.linear_grey(), "x") - exact).max() < 1e-3
    im = Image.fromarray(np.arange(256, dtype=np.uint8)[np.newaxis])
    shallow = np.asarray(to_srgb(im, profiles.linear_grey(), "x")) / 255
    assert np.abs(shallow - exact).max() < 1.01 / 255


def test_grey_picture_with_an_rgb_profile():
    grey = Image.fromarray((colours((5, 6)) * 255).astype(np.uint8))
    expected = to_srgb(grey.convert("RGB"), profiles.adobe_rgb(), "x")
    np.testing.assert_array_equal(to_srgb(grey, profiles.adobe_rgb(), "x"), expected)


def test_cmyk_profile():
    im = Image.new("CMYK", (2, 1))
    im.putpixel((1, 0), (0, 0, 0, 255))
    paper, ink = np.asarray(to_srgb(im, profiles.red_ink_cmyk(), "x"))[0].astype(int)
    np.testing.assert_array_equal(paper, 255)
    assert ink[0] > 180  # without its profile this ink would be black
    assert ink[1:].max() < 80


def test_lab_needs_no_profile():
    im = Image.new("LAB", (1, 1), (255, 128, 128))
    np.testing.assert_allclose(np.asarray(to_srgb(im, None, "x"))[0, 0], 255, atol=1)


def test_srgb_is_left_alone():
    values = colours()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(values_to_srgb(values, srgb_profile(), "x"), values)
        np.testing.assert_array_equal(values_to_srgb(values, None, "x"), values)


@pytest.mark.parametrize(
    "icc", [b"no profile", srgb_profile()[:200], profiles.linear_grey(), profiles.red_ink_cmyk()]
)
def test_a_useless_profile_is_a_warning(icc):
    levels = (colours() * 255).astype(np.uint8)
    with pytest.warns(UserWarning, match=r"colour profile of photo\.jpg cannot be used"):
        result = to_srgb(Image.fromarray(levels), icc, "photo.jpg")
    np.testing.assert_array_equal(result, levels)


def test_srgb_profile_is_the_same_every_time():
    assert srgb_profile()[24:36] == struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    assert b"sRGB" in srgb_profile().replace(b"\0", b"")


def s15(*values):
    return struct.pack(f">{len(values)}i", *(round(v * 65536) for v in values))


A, B, C, D = 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045


@pytest.mark.parametrize(
    ("curve", "exact"),
    [
        (b"curv\0\0\0\0" + struct.pack(">I", 0), lambda x: x),
        (b"curv\0\0\0\0" + struct.pack(">IHH", 2, 0, 65535), lambda x: x),
        (b"para\0\0\0\0\0\0\0\0" + s15(1.8), lambda x: x**1.8),
        (
            b"para\0\0\0\0\0\1\0\0" + s15(2, 1.25, -0.25),
            lambda x: np.maximum(1.25 * x - 0.25, 0) ** 2,
        ),
        (
            b"para\0\0\0\0\0\2\0\0" + s15(2, 0.618, 0.5, -0.25),
            lambda x: np.clip((0.618 * x + 0.5) ** 2 - 0.25, 0, 1),
        ),
        (
            b"para\0\0\0\0\0\3\0\0" + s15(2.4, A, B, C, D),
            lambda x: np.where(x >= D, (A * x + B) ** 2.4, C * x),
        ),
        (
            b"para\0\0\0\0\0\4\0\0" + s15(2, 0.8, 0, 0.5, 0.25, 0.1, 0.05),
            lambda x: np.where(x >= 0.25, (0.8 * x) ** 2 + 0.1, 0.5 * x + 0.05),
        ),
    ],
)
def test_every_kind_of_tone_curve(curve, exact):
    icc = profiles.grey_with(curve)
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[np.newaxis, :, np.newaxis]
    result = values_to_srgb(ramp, icc, "x")[..., :1]
    assert np.abs(result - profiles.encode_srgb(exact(ramp))).max() < 1e-3
    if exact(np.zeros(1)) > 1e-6:
        return  # the colour engine would move this black to 0
    # And so says the colour engine, at its 8 bits.
    levels = Image.fromarray(np.arange(256, dtype=np.uint8)[np.newaxis])
    assert np.abs(np.asarray(to_srgb(levels, icc, "x"))[..., :1] / 255 - result).max() < 1.5 / 255


@pytest.mark.parametrize(
    "curve",
    [
        b"para\0\0\0\0\0\0\0\0" + s15(-2),  # no number of 0
        b"para\0\0\0\0\0\7\0\0" + s15(2),
        b"curv\0\0\0\0" + struct.pack(">IH", 5, 0),
    ],
)
def test_a_curve_that_cannot_be_used_is_a_warning(curve):
    ramp = np.linspace(0, 1, 9, dtype=np.float32)[np.newaxis, :, np.newaxis]
    with pytest.warns(UserWarning, match="colour profile of x cannot be used"):
        result = values_to_srgb(ramp, profiles.grey_with(curve), "x")
    np.testing.assert_array_equal(result, np.repeat(ramp, 3, axis=-1))


def test_damaged_profiles_leave_a_picture(rng):
    values = rng.random((3, 4, 3), dtype=np.float32)
    for _ in range(200):
        icc = bytearray(profiles.adobe_rgb())
        for place in rng.integers(132, len(icc), 3):
            icc[place] = rng.choice([0, 1, 128, 255])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = values_to_srgb(values, bytes(icc), "x")
        assert result.shape == values.shape
        assert 0 <= result.min() <= result.max() <= 1
