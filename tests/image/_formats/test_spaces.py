import io
import struct
import warnings

import icc_profiles
import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from skimage import data

from stylekit.image import as_image, read_image

ASTRONAUT = data.astronaut()[300:396, 20:140]
# Linear light of Display P3 to that of sRGB, as CSS Color 4 has it.
P3_TO_SRGB = np.array([[1.2249, -0.2249, 0.0], [-0.0421, 1.0421, 0.0], [-0.0196, -0.0786, 1.0983]])


def png(pixels, chunks, **options):
    """Return the content of a PNG file with chunks before its pixels."""
    info, buffer = PngImagePlugin.PngInfo(), io.BytesIO()
    for kind, content in chunks.items():
        info.add(kind, content)
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=info, **options)
    return buffer.getvalue()


def gamma(value):
    return {b"gAMA": struct.pack(">I", round(value * 100000))}


def chromaticities(*values):
    return {b"cHRM": struct.pack(">8I", *(round(value * 100000) for value in values))}


SRGB_PLACES = chromaticities(0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
ADOBE_PLACES = chromaticities(0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)


def linear(encoded):
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("value", [1.0, 1 / 1.8, 0.5])
def test_gamma_of_grey(value, dtype):
    full = np.iinfo(dtype).max
    grey = np.linspace(0, full, 256).astype(dtype).reshape(16, 16)
    image = read_image(png(grey, gamma(value)))
    exact = icc_profiles.encode_srgb((grey / full) ** (1 / value))
    np.testing.assert_allclose(image[..., 1], exact, atol=1e-4 if dtype == np.uint16 else 1 / 255)


def test_gamma_and_chromaticities():
    image = read_image(png(ASTRONAUT, gamma(256 / 563) | ADOBE_PLACES))
    exact = icc_profiles.adobe_to_srgb(ASTRONAUT / 255)
    assert np.abs(image - exact).max() < 2.5 / 255


@pytest.mark.parametrize(
    ("chunks", "options"),
    [
        (gamma(0.45455), {}),
        (gamma(0.45455) | SRGB_PLACES, {}),
        (SRGB_PLACES, {}),
        ({b"sRGB": b"\0"} | gamma(1.0), {}),
        ({b"cICP": bytes([1, 13, 0, 1])} | gamma(1.0), {"icc_profile": icc_profiles.adobe_rgb()}),
    ],
    ids=["gamma", "both", "places", "sRGB", "cICP"],
)
def test_what_is_srgb_stays_as_it_is(chunks, options):
    image = read_image(png(ASTRONAUT, chunks, **options))
    np.testing.assert_array_equal(np.round(image * 255), ASTRONAUT)


def test_a_profile_goes_before_gamma():
    with_both = png(ASTRONAUT, gamma(1.0), icc_profile=icc_profiles.adobe_rgb())
    alone = png(ASTRONAUT, {}, icc_profile=icc_profiles.adobe_rgb())
    np.testing.assert_array_equal(read_image(with_both), read_image(alone))


def test_code_points_of_display_p3():
    image = read_image(png(ASTRONAUT, {b"cICP": bytes([12, 13, 0, 1])}))
    exact = icc_profiles.encode_srgb(np.clip(linear(ASTRONAUT / 255) @ P3_TO_SRGB.T, 0, 1))
    assert np.abs(image - exact).max() < 2.5 / 255


def test_code_points_of_an_image_that_is_open(tmp_path):
    content = png(ASTRONAUT, {b"cICP": bytes([12, 13, 0, 1])})
    with Image.open(io.BytesIO(content)) as im:
        np.testing.assert_array_equal(read_image(content), as_image(im))


@pytest.mark.parametrize(
    ("chunks", "words"),
    [
        ({b"cICP": bytes([9, 16, 0, 1])}, r"\(cICP\) \(9, 16, 0, 1\) that cannot be converted"),
        ({b"cICP": bytes([1, 13, 0, 0])}, "cICP"),
        ({b"cICP": b"\1"}, "cICP"),
        (gamma(0), "colour chunks that cannot be used .gamma 0"),
        (gamma(100), "cannot be used"),
        (chromaticities(0.3, 0, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06), "cannot be used"),
        (chromaticities(*[0.3] * 8), "cannot be used"),
        ({b"cHRM": bytes(4)}, "cannot be used"),
    ],
)
def test_what_cannot_be_converted_is_a_warning(chunks, words, tmp_path):
    (tmp_path / "a.png").write_bytes(png(ASTRONAUT, chunks))
    with pytest.warns(UserWarning, match=rf"colours of .*a\.png are treated as sRGB.*{words}"):
        image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(np.round(image * 255), ASTRONAUT)


def with_exif(space, index, **options):
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[274] = 1
    details = exif.get_ifd(0x8769)
    details[0xA001] = space
    if index:
        details[0xA005] = {1: index}
    pixels = np.broadcast_to(np.uint8([100, 200, 100]), (32, 32, 3))
    Image.fromarray(pixels).save(buffer, "PNG", exif=exif, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("space", "index"), [(65535, "R03"), (2, "")])
def test_adobe_rgb_by_exif(space, index):
    image = read_image(with_exif(space, index))
    np.testing.assert_allclose(image[9, 9] * 255, [0, 201, 92], atol=1.5)
    profile = icc_profiles.adobe_rgb()
    embedded = read_image(with_exif(space, index, icc_profile=profile))
    np.testing.assert_allclose(image, embedded, atol=1.5 / 255)


@pytest.mark.parametrize(("space", "index"), [(1, ""), (1, "R98"), (65535, "R98"), (1, "R03")])
def test_srgb_by_exif(space, index):
    np.testing.assert_allclose(read_image(with_exif(space, index))[9, 9] * 255, [100, 200, 100])


def test_uncalibrated_colours_are_a_warning():
    with pytest.warns(UserWarning, match="picture are treated as sRGB.*no profile"):
        read_image(with_exif(65535, ""))
    read_image(with_exif(65535, "", icc_profile=icc_profiles.adobe_rgb()))
