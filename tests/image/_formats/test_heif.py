"""HEIC files, which Pillow does not read, and the colours that HEIF files tell by code points."""

import io
import struct
import sys
import warnings

import icc_profiles
import numpy as np
import pytest
from PIL import Image, features
from skimage import data

from stylekit._checks import FileError
from stylekit.image import as_image, check_writable, read_image, write_image
from stylekit.image._formats import heif
from stylekit.image._formats.decode import decode_file

ASTRONAUT = data.astronaut()[300:396, 20:140]
LIMIT = 10000  # pixels, fewer than the picture has


def psnr(a, b):
    return -10 * np.log10(np.mean((a - b) ** 2))


def heic(pixels, **info):
    """Return the content of a HEIC file."""
    pillow_heif = pytest.importorskip("pillow_heif")
    file, buffer = pillow_heif.from_pillow(Image.fromarray(pixels)), io.BytesIO()
    file[0].info.update(info)
    file.save(buffer, quality=97, chroma=444)
    return buffer.getvalue()


def box(kind, content):
    return struct.pack(">I4s", 8 + len(content), kind) + content


def avif(codes):
    """Return the content of an AVIF file of other code points."""
    buffer = io.BytesIO()
    Image.fromarray(ASTRONAUT).save(buffer, "AVIF", quality=97, subsampling="4:4:4")
    content = buffer.getvalue()
    assert content.count(b"colrnclx") == 1
    place = content.index(b"colrnclx") + 8
    return content[:place] + struct.pack(">HH", *codes) + content[place + 4 :]


def test_heic_is_read():
    image = read_image(heic(ASTRONAUT))
    assert image.dtype == np.float32
    assert psnr(image, ASTRONAUT / 255) > 35


def test_heic_with_alpha():
    alpha = np.tile(np.linspace(0, 255, 120).astype("uint8"), (96, 1))
    picture = decode_file(heic(np.dstack([ASTRONAUT, alpha])))
    assert np.abs(picture.alpha - alpha / 255).max() < 0.02
    assert psnr(picture.pixels, ASTRONAUT / 255) > 35


def test_heic_is_upright_and_keeps_its_exif_data(tmp_path):
    exif = Image.Exif()
    exif[274], exif[315] = 6, "Ada"
    picture = decode_file(heic(np.ascontiguousarray(np.rot90(ASTRONAUT)), exif=exif.tobytes()))
    assert psnr(picture.pixels, ASTRONAUT / 255) > 35
    assert picture.exif[315] == "Ada"


def test_colours_of_heic_are_converted():
    image = read_image(heic(ASTRONAUT, icc_profile=icc_profiles.adobe_rgb()))
    assert psnr(image, icc_profiles.adobe_to_srgb(ASTRONAUT / 255)) > 30


def test_damaged_and_large_heic(monkeypatch):
    content = heic(ASTRONAUT)
    for share in (0.1, 0.5, 0.9):
        with pytest.raises(FileError, match="is damaged or truncated"):
            read_image(content[: int(share * len(content))])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", LIMIT)
    with pytest.raises(FileError, match=f"too many pixels: expected at most {LIMIT}, received 115"):
        read_image(content)


def test_reading_heic_changes_nothing_in_pillow():
    before = set(Image.OPEN)
    read_image(heic(ASTRONAUT))
    assert set(Image.OPEN) == before


@pytest.mark.parametrize("brands", [b"heic....mif1", b"mif1....heicmiaf"])
def test_heic_without_its_package_says_what_to_install(tmp_path, monkeypatch, brands):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(box(b"ftyp", brands) + bytes(40))
    with pytest.raises(
        FileError, match=r"a\.heic is a HEIC picture.*pip install pillow-heif"
    ) as one:
        read_image(tmp_path / "a.heic")
    assert one.value.argument == "path"


def test_avif_without_a_codec_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "a.avif"
    write_image(path, ASTRONAUT)
    monkeypatch.setattr(features, "check", lambda name: name != "avif")
    for fails in (read_image, check_writable):
        with pytest.raises(FileError, match=r"a\.avif is an AVIF picture.*'pillow>=11\.3'") as one:
            fails(path)
        assert one.value.argument == "path"


def test_code_points_of_display_p3_in_avif():
    from test_spaces import P3_TO_SRGB, linear

    content = avif((12, 13))
    with Image.open(io.BytesIO(content)) as im:
        np.testing.assert_array_equal(read_image(content), as_image(im))
        encoded = np.asarray(im) / 255
    exact = np.clip(linear(encoded) @ P3_TO_SRGB.T, 0, 1)
    assert np.abs(linear(read_image(content)) - exact).max() < 0.02
    assert np.abs(linear(encoded) - exact).max() > 0.1


@pytest.mark.parametrize("codes", [(1, 13), (2, 2), (2, 13)])
def test_code_points_that_are_open_or_srgb(codes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = read_image(avif(codes))
    assert psnr(image, ASTRONAUT / 255) > 35


def test_code_points_that_cannot_be_converted():
    with pytest.warns(UserWarning, match=r"code points \(cICP\) \(9, 16, 0, 1\)"):
        read_image(avif((9, 16)))


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (box(b"colr", b"nclx" + bytes([0, 12, 0, 13])), bytes([12, 13, 0, 1])),
        (box(b"colr", b"prof") + box(b"colr", b"nclx\0\1\0\1"), bytes([1, 1, 0, 1])),
        (box(b"colr", b"nclx\1\0\0\1"), None),
        (box(b"colr", b"nclx"), None),
        (b"", None),
    ],
)
def test_boxes(content, codes):
    properties = box(b"iprp", box(b"ipma", b"") + box(b"ipco", box(b"ispe", bytes(12)) + content))
    inside = bytes(4) + box(b"hdlr", b"pict") + properties
    before = box(b"ftyp", b"avif")
    assert heif.code_points(before + box(b"meta", inside)) == codes
    assert heif.code_points(before + struct.pack(">I4s", 0, b"meta") + inside) == codes
    long = struct.pack(">I4sQ", 1, b"meta", 16 + len(inside)) + inside
    assert heif.code_points(before + long) == codes
    assert heif.code_points(before + struct.pack(">I4s", 3, b"meta") + inside) is None
