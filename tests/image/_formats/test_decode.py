import warnings
import zlib

import icc_profiles
import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from skimage import data

from stylekit._checks import FileError, InputError
from stylekit.image import as_image, read_image
from stylekit.image._formats.decode import decode_file, decode_pil

ASTRONAUT = data.astronaut()[300:396, 20:140]  # the orange of the suit
SMALL = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 14


def psnr(a, b):
    return -10 * np.log10(np.mean((a - b) ** 2))


LOSSY = ("jpg", "jfif", "avif")
NEAR = {suffix: {"quality": 97, "subsampling": "4:4:4"} for suffix in LOSSY}
NEAR["webp"] = {"lossless": True}


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "webp", *LOSSY])
def test_rgb_of_every_format(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(ASTRONAUT).save(path, **NEAR.get(suffix, {}))
    image = read_image(path)
    assert image.dtype == np.float32
    if suffix in LOSSY:
        assert psnr(image, ASTRONAUT / 255) > 35
    else:
        np.testing.assert_array_equal(np.round(image * 255), ASTRONAUT)


MODES = {
    "1": ["png", "tif", "bmp"],
    "L": ["png", "tif", "bmp", "jpg"],
    "LA": ["png", "tif"],
    "P": ["png", "tif", "bmp"],
    "RGBA": ["png", "tif", "webp"],
    "CMYK": ["tif", "jpg"],
}


@pytest.mark.parametrize(("mode", "suffix"), [(m, s) for m in MODES for s in MODES[m]])
def test_every_mode_of_every_format(tmp_path, mode, suffix):
    path = tmp_path / f"a.{suffix}"
    im = Image.fromarray(ASTRONAUT).convert(mode)
    options = {"webp": {"lossless": True}, "jpg": {"quality": 97}}
    im.save(path, **options.get(suffix, {}))
    image = read_image(path)
    expected = np.asarray(im.convert("RGB")) / 255
    assert image.shape == expected.shape
    if suffix == "jpg":
        assert psnr(image, expected) > 30
    else:
        np.testing.assert_allclose(image, expected, atol=1e-6)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_alpha_is_dropped_and_straight_colours_are_kept(tmp_path, suffix):
    rgba = np.dstack([SMALL, np.array([[0, 1, 100], [200, 254, 255]], np.uint8)])
    path = tmp_path / f"a.{suffix}"
    options = {"lossless": True, "exact": True} if suffix == "webp" else {}
    Image.fromarray(rgba).save(path, **options)
    picture = decode_file(path)
    np.testing.assert_array_equal(np.round(picture.pixels * 255), SMALL)
    np.testing.assert_array_equal(np.round(picture.alpha * 255), rgba[..., 3])


def test_palette_with_transparency(tmp_path):
    im = Image.new("P", (3, 1))
    im.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    im.putdata([0, 1, 2])
    im.save(tmp_path / "a.png", transparency=bytes([0, 128, 255]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = decode_file(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.pixels[0], np.eye(3))
    np.testing.assert_array_equal(np.round(picture.alpha[0] * 255), [0, 128, 255])


def test_transparent_colour_key(tmp_path):
    Image.fromarray(SMALL).save(tmp_path / "a.png", transparency=tuple(SMALL[1, 2].tolist()))
    picture = decode_file(tmp_path / "a.png")
    np.testing.assert_array_equal(np.round(picture.pixels * 255), SMALL)
    np.testing.assert_array_equal(picture.alpha, [[1, 1, 1], [1, 1, 0]])


def test_premultiplied_image_becomes_straight():
    im = Image.new("RGBA", (1, 1), (200, 100, 50, 128)).convert("RGBa")
    np.testing.assert_allclose(decode_pil(im, "x").pixels[0, 0] * 255, [200, 100, 50], atol=1.5)


def test_grey_png_of_16_bits_keeps_them(tmp_path):
    deep = np.arange(0, 60000, 10, dtype=np.uint16).reshape(60, 100)
    Image.fromarray(deep).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(np.round(image[..., 0] * 65535), deep)
    np.testing.assert_array_equal(image[..., 0], image[..., 2])


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "RGBX", "PA", "LA", "1"])
def test_rarer_pil_modes(mode):
    im = Image.fromarray(ASTRONAUT)
    im = im.convert("P").convert(mode) if mode == "PA" else im.convert(mode)
    expected = np.asarray(im.convert("RGBA" if mode == "PA" else "RGB"))[..., :3] / 255
    np.testing.assert_allclose(decode_pil(im, "x").pixels, expected, atol=1e-6)


def test_deep_pil_modes():
    floats = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(decode_pil(Image.fromarray(floats), "x").pixels[..., 1], floats)
    integers = np.array([[0, 65535]], np.int32)
    image = decode_pil(Image.fromarray(integers), "x").pixels
    np.testing.assert_array_equal(image[0, :, 0], [0, 1])
    with pytest.raises(InputError, match=r"x has values out of range.*0 to 70000"):
        decode_pil(Image.fromarray(np.array([[0, 70000]], np.int32)), "x")
    with pytest.raises(InputError, match="Divide by 255"):
        decode_pil(Image.fromarray(floats * 255), "x")


ORIENTED = {  # how to store a picture so that the tag makes it upright again
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.transpose(1, 0, 2),
    6: np.rot90,
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg", "avif"])
@pytest.mark.parametrize("orientation", ORIENTED)
def test_orientation_is_applied(tmp_path, orientation, suffix):
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[274] = orientation
    stored = np.ascontiguousarray(ORIENTED[orientation](ASTRONAUT))
    Image.fromarray(stored).save(path, exif=exif, **NEAR.get(suffix, {}))
    image = read_image(path)
    assert image.shape == ASTRONAUT.shape
    assert psnr(image, ASTRONAUT / 255 + 1e-9) > 35
    with Image.open(path) as im:  # a PIL image given in place of its path is the same picture
        np.testing.assert_array_equal(decode_pil(im, "x").pixels, image)


def test_a_pil_image_is_not_changed():
    im = Image.fromarray(SMALL)
    im.getexif()[274] = 6
    assert decode_pil(im, "x").pixels.shape == (3, 2, 3)
    assert im.size == (3, 2)
    assert im.getexif()[274] == 6


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg", "avif"])
def test_embedded_profile_is_converted(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    icc = icc_profiles.adobe_rgb()
    Image.fromarray(ASTRONAUT).save(path, icc_profile=icc, **NEAR.get(suffix, {}))
    exact = icc_profiles.adobe_to_srgb(ASTRONAUT / 255)
    image = read_image(path)
    assert psnr(image, exact) > (30 if suffix in LOSSY else 50)
    assert psnr(ASTRONAUT / 255, exact) < 25


def test_cmyk_jpeg_with_a_profile(tmp_path):
    path = tmp_path / "a.jpg"
    im = Image.new("CMYK", (16, 16), (0, 0, 0, 255))
    im.save(path, icc_profile=icc_profiles.red_ink_cmyk(), quality=95)
    red, green, _ = read_image(path)[8, 8]
    assert red > 0.7
    assert green < 0.3


def test_broken_profile_is_a_warning_that_names_the_file(tmp_path):
    Image.fromarray(SMALL).save(tmp_path / "odd.png", icc_profile=b"nonsense" * 20)
    with pytest.warns(UserWarning, match=r"odd\.png cannot be used"):
        image = read_image(tmp_path / "odd.png")
    np.testing.assert_array_equal(np.round(image * 255), SMALL)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("exif", [b"not a directory", b"II*\0\x08\0\0\0\x02\0", b"II"])
def test_broken_exif_does_not_cost_the_picture(tmp_path, exif):
    path = tmp_path / "odd.jpg"
    Image.fromarray(ASTRONAUT).save(path, exif=b"Exif\0\0" + exif)
    assert read_image(path).shape == ASTRONAUT.shape


def test_exif_that_pillow_refuses_is_a_warning(tmp_path, monkeypatch):
    def refuse(self):
        raise SyntaxError("not a TIFF file")

    Image.fromarray(SMALL).save(tmp_path / "odd.png")
    monkeypatch.setattr(Image.Image, "getexif", refuse)
    with pytest.warns(UserWarning, match=r"EXIF data of .*odd\.png cannot be read"):
        assert read_image(tmp_path / "odd.png").shape == SMALL.shape


def test_no_picture(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("not a picture")
    with pytest.raises(FileError, match=r"a\.png is not a picture that can be read.*PNG, JPEG"):
        read_image(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_truncated_file(tmp_path, suffix, share):
    path = tmp_path / f"half.{suffix}"
    Image.fromarray(ASTRONAUT).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(FileError, match=rf"half\.{suffix} is (damaged|not a picture)"):
        read_image(path)


def test_truncated_pil_image(tmp_path):
    path = tmp_path / "half.jpg"
    Image.fromarray(ASTRONAUT).save(path)
    path.write_bytes(path.read_bytes()[:1000])
    with Image.open(path) as im, pytest.raises(FileError, match="portrait is damaged"):
        decode_pil(im, "portrait")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("suffix", ["png", "avif"])
@pytest.mark.parametrize("limit", [1000, 10000])  # Pillow raises at 2 * limit, warns at limit
def test_decompression_bomb(tmp_path, monkeypatch, limit, suffix):
    path = tmp_path / f"bomb.{suffix}"
    Image.fromarray(ASTRONAUT).save(path)  # 96 x 120 = 11520 pixels
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(FileError) as caught:
        read_image(path)
    for word in (
        f"bomb.{suffix} has too many pixels",
        str(limit),
        "11520",
        "Pillow's limit",
    ):
        assert word in str(caught.value)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert read_image(path).shape == ASTRONAUT.shape


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
def test_decompression_bomb_where_warnings_are_errors(tmp_path, monkeypatch):
    Image.fromarray(ASTRONAUT).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10000)
    with pytest.raises(FileError, match="at most 10000, received 11520"):
        read_image(tmp_path / "bomb.png")


def test_a_small_file_that_inflates_to_much_text(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2_000_000)))
    Image.fromarray(SMALL).save(tmp_path / "a.png", pnginfo=info)
    with pytest.raises(FileError, match=r"a\.png has a text or profile that is too long"):
        read_image(tmp_path / "a.png")


def test_scans_of_a_jpeg_are_bounded(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(ASTRONAUT).save(path, progressive=True)
    content = path.read_bytes()
    scan = content[content.rindex(b"\xff\xda") : -2]
    for count, follows in ((80, b""), (80, 100 * scan)):  # a film may follow the picture
        path.write_bytes(content[:-2] + count * scan + content[-2:] + follows)
        assert read_image(path).shape == ASTRONAUT.shape
    path.write_bytes(content[:-2] + 100 * scan + content[-2:])
    with Image.open(path) as im:
        for source in (path, im):
            with pytest.raises(FileError, match=r"progressive JPEG with.*at most 100 scans"):
                as_image(source)


def test_reading_changes_no_global(tmp_path):
    before = Image.MAX_IMAGE_PIXELS
    info = PngImagePlugin.PngInfo()
    info.add_text("k", "v")
    Image.fromarray(SMALL).save(tmp_path / "a.png", pnginfo=info)
    read_image(tmp_path / "a.png")
    assert before == Image.MAX_IMAGE_PIXELS


def test_image_without_pixels():
    with pytest.raises(InputError, match="x is empty"):
        decode_pil(Image.new("RGB", (0, 3)), "x")
