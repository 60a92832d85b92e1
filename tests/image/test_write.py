import io
import os
import stat
import sys

import icc_profiles
import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageCms
from skimage import data

from stylekit._checks import FileError, InputError, InputTypeError
from stylekit.image import as_image, check_writable, read_image, write_image
from stylekit.image._formats.decode import decode_file
from stylekit.image._formats.tiff import read_deep
from stylekit.image.write import prepare_folder

SUFFIXES = ["png", "jpg", "jpeg", "jfif", "webp", "avif", "tif", "tiff", "PNG"]
CAT = as_image(data.chelsea()[40:140, 120:250])  # 100 x 130
EXIF_IFD, GPS_IFD = 0x8769, 0x8825


@pytest.fixture
def source(tmp_path):
    """A photo turned by its EXIF data, with a thumbnail, GPS and another colour space."""
    exif = Image.Exif()
    exif[274] = 6
    exif[315] = "Ada"
    exif[33432] = "© Ada".encode()
    exif[306] = "2024:05:06 07:08:09"
    exif[EXIF_IFD] = {0xA001: 65535, 0xA002: 130, 0xA003: 100, 0xA005: {1: "R03"}}
    exif[EXIF_IFD] |= {0x829A: 0.01, 0x9003: "2024:05:06 07:08:09"}
    exif[GPS_IFD] = {1: "N", 2: (52.0, 30.0, 0.0)}
    path = tmp_path / "source.jpg"
    turned = np.rot90(np.round(CAT * 255).astype(np.uint8))
    Image.fromarray(turned).save(path, exif=exif, icc_profile=icc_profiles.adobe_rgb())
    return path


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    assert write_image(str(path), CAT) == path
    back = read_image(path)
    if suffix in ("jpg", "jpeg", "jfif", "webp", "avif"):
        assert -10 * np.log10(np.mean((back - CAT) ** 2)) > 35
    else:
        np.testing.assert_allclose(back, CAT, atol=1e-6)
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_file_is_srgb_and_upright(tmp_path, suffix, source):
    with Image.open(write_image(tmp_path / f"a.{suffix}", CAT, like=source)) as im:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(im.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(profile)
        assert im.size == (130, 100)
        assert im.getexif().get(274, 1) == 1


def test_values_are_rounded_and_clipped(tmp_path):
    values = np.array([[0, 0.49 / 255, 0.51 / 255, 254.49 / 255, 254.51 / 255, 1.00005]])
    with Image.open(write_image(tmp_path / "a.png", values)) as im:
        np.testing.assert_array_equal(np.asarray(im)[0, :, 1], [0, 0, 1, 254, 255, 255])


def test_equal_pictures_are_equal_files(tmp_path):
    for suffix in ("png", "tif"):
        first, second = (write_image(tmp_path / f"{n}.{suffix}", CAT) for n in "ab")
        assert first.read_bytes() == second.read_bytes()


def test_16_bit_tiff(tmp_path, rng):
    deep = rng.integers(0, 65536, (20, 30, 3), dtype=np.uint16)
    path = write_image(tmp_path / "a.tif", deep, bits=16)
    np.testing.assert_array_equal(tifffile.imread(path), deep)
    with path.open("rb") as file:
        assert read_deep(file, "a.tif") is not None
    np.testing.assert_array_equal(np.round(read_image(path) * 65535), deep)
    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages[0].tags
        assert tags.valueof(274) == 1
        assert "sRGB".encode("utf-16-be") in tags.valueof(34675)
        assert 305 not in tags  # no trace of the library that wrote it


def test_16_bit_tiff_carries_alpha_and_text(tmp_path, source):
    rgba = Image.fromarray(np.full((20, 30, 4), 100, np.uint8))
    path = write_image(tmp_path / "a.tif", CAT, like=rgba, bits=16)
    picture = decode_file(path)
    np.testing.assert_allclose(picture.alpha, 100 / 255, atol=1e-4)
    np.testing.assert_allclose(picture.pixels, CAT, atol=1e-5)

    path = write_image(tmp_path / "b.tif", CAT, like=source, bits=16)
    assert decode_file(path).exif[315] == "Ada"
    assert decode_file(path).exif[33432] == "© Ada"
    with Image.open(write_image(tmp_path / "b.jpg", CAT, like=path)) as im:
        assert im.getexif()[315] == "Ada"


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_16_bits_elsewhere_is_an_error_that_says_tiff(tmp_path, suffix):
    for call in (lambda p: write_image(p, CAT, bits=16), lambda p: check_writable(p, bits=16)):
        with pytest.raises(InputError, match=r"only be written to TIFF.*a\.tif"):
            call(tmp_path / f"a.{suffix}")
    assert names(tmp_path) == []


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_like_carries_alpha(tmp_path, suffix):
    alpha = np.linspace(0, 255, 100 * 130).reshape(100, 130).astype(np.uint8)
    rgba = np.dstack([np.zeros((100, 130, 3), np.uint8), alpha])
    Image.fromarray(rgba).save(tmp_path / "source.png")
    path = write_image(tmp_path / f"a.{suffix}", CAT, like=tmp_path / "source.png")
    picture = decode_file(path)
    np.testing.assert_array_equal(np.round(picture.alpha * 255), alpha)
    tolerance = 0.15 if suffix == "webp" else 1e-6
    np.testing.assert_allclose(picture.pixels, CAT, atol=tolerance)  # under transparency too


def test_like_resizes_and_turns_alpha(tmp_path):
    alpha = np.zeros((50, 40), np.uint8)
    alpha[:10] = 255  # once turned, the right fifth
    source = Image.fromarray(np.dstack([np.zeros((50, 40, 3), np.uint8), alpha]))
    source.getexif()[274] = 6
    result = decode_file(write_image(tmp_path / "a.png", CAT, like=source)).alpha
    assert result.shape == (100, 130)
    assert result[:, 110:].min() > 0.95
    assert result[:, :98].max() < 0.05


def test_jpeg_is_laid_over_white(tmp_path):
    rgba = np.zeros((100, 130, 4), np.uint8)
    rgba[:, :64, 3] = 255
    rgba[:, 64:80, 3] = 128
    image = read_image(write_image(tmp_path / "a.jpg", CAT * 0, like=Image.fromarray(rgba)))
    assert image[:, :60].max() < 0.05
    assert image[:, 84:].min() > 0.95
    np.testing.assert_allclose(image[:, 68:76], 127 / 255, atol=0.05)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_like_carries_exif_that_is_true_of_the_new_file(tmp_path, source, suffix):
    with Image.open(write_image(tmp_path / f"a.{suffix}", CAT[:50, :60], like=source)) as im:
        exif = im.getexif()
        assert exif[274] == 1
        assert exif[315] == "Ada"
        assert exif[306] == "2024:05:06 07:08:09"
        assert exif[33432].encode("latin-1").decode() == "© Ada"
        details = exif.get_ifd(EXIF_IFD)
        assert (details[0xA002], details[0xA003]) == (60, 50)
        assert details[0xA001] == 1  # sRGB now
        assert 0xA005 not in details
        assert details[0x9003] == "2024:05:06 07:08:09"
        assert float(details[0x829A]) == pytest.approx(0.01)
        assert exif.get_ifd(GPS_IFD)[1] == "N"
        assert not exif.get_ifd(ExifTags.IFD.IFD1)


def test_thumbnail_is_dropped(tmp_path):
    thumbnail = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(thumbnail, "JPEG")
    exif = Image.Exif()
    exif[315] = "Ada"
    block = exif.tobytes()  # Pillow writes no second directory: chain one on by hand
    tiff = bytearray(block[6:])
    end = 8 + 2 + 12 * int.from_bytes(tiff[8:10], "little" if tiff[:2] == b"II" else "big")
    order = "little" if tiff[:2] == b"II" else "big"
    start = len(tiff)
    tiff[end : end + 4] = start.to_bytes(4, order)
    content, where = thumbnail.getvalue(), start + 2 + 24 + 4
    tiff += (2).to_bytes(2, order)
    for tag, value in ((0x201, where), (0x202, len(content))):
        tiff += tag.to_bytes(2, order) + (4).to_bytes(2, order) + (1).to_bytes(4, order)
        tiff += value.to_bytes(4, order)
    tiff += bytes(4) + content
    path = tmp_path / "source.jpg"
    Image.new("RGB", (20, 20)).save(path, exif=b"Exif\0\0" + bytes(tiff))
    with Image.open(path) as im:
        assert im.getexif().get_ifd(ExifTags.IFD.IFD1)[0x202] == len(content)
    result = write_image(tmp_path / "a.jpg", CAT, like=path)
    assert content not in result.read_bytes()
    with Image.open(result) as im:
        assert im.getexif()[315] == "Ada"


def test_exif_of_a_tiff_leaves_its_layout_behind(tmp_path):
    exif = Image.Exif()
    exif[315] = "Ada"
    Image.new("CMYK", (9, 8)).save(tmp_path / "s.tif", exif=exif, compression="tiff_lzw")
    result = write_image(tmp_path / "a.tif", CAT, like=tmp_path / "s.tif")
    np.testing.assert_allclose(read_image(result), CAT, atol=1e-6)
    with Image.open(write_image(tmp_path / "a.jpg", CAT, like=tmp_path / "s.tif")) as im:
        assert set(im.getexif()) <= {315, 274, 282, 283, 296, EXIF_IFD}


def test_exif_that_cannot_be_carried_is_a_warning(tmp_path):
    source = Image.new("RGB", (9, 8))
    source.getexif()[282] = "no resolution"
    with pytest.warns(UserWarning, match="EXIF data cannot be copied"):
        write_image(tmp_path / "a.png", CAT, like=source)
    large = Image.new("RGB", (9, 8))
    large.getexif()[EXIF_IFD] = {0x927C: bytes(70000)}
    with pytest.warns(UserWarning, match="too many for JPEG"):
        write_image(tmp_path / "a.jpg", CAT, like=large)
    assert names(tmp_path) == ["a.jpg", "a.png"]


def test_like_may_be_content(tmp_path):
    Image.fromarray(np.full((4, 4, 4), 128, np.uint8)).save(tmp_path / "source.png")
    content = (tmp_path / "source.png").read_bytes()
    for like in (content, io.BytesIO(content)):
        picture = decode_file(write_image(tmp_path / "a.png", CAT, like=like))
        np.testing.assert_allclose(picture.alpha, 128 / 255, atol=1e-6)


def test_like_is_checked(tmp_path):
    with pytest.raises(InputTypeError, match=r"`like` is not a picture.*ndarray"):
        write_image(tmp_path / "a.png", CAT, like=CAT)
    with pytest.raises(FileError, match="does not exist"):
        write_image(tmp_path / "a.png", CAT, like=tmp_path / "missing.png")
    assert names(tmp_path) == []


def test_writing_over_its_own_source(tmp_path, source):
    write_image(source, CAT, like=source)
    with Image.open(source) as im:
        assert im.getexif()[315] == "Ada"
        assert im.size == (130, 100)


@pytest.mark.parametrize(("quality", "sampling"), [(95, 0), (90, 0), (89, 2), (40, 2)])
def test_jpeg_subsampling(tmp_path, quality, sampling):
    from PIL import JpegImagePlugin

    with Image.open(write_image(tmp_path / "a.jpg", CAT, quality=quality)) as im:
        assert JpegImagePlugin.get_sampling(im) == sampling


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_quality_counts(tmp_path, suffix):
    sizes = [
        write_image(tmp_path / f"{q}.{suffix}", CAT, quality=q).stat().st_size for q in (20, 60, 95)
    ]
    assert sizes == sorted(sizes)
    assert sizes[2] > 2 * sizes[0]


def test_text_chunks(tmp_path):
    text = {"Title": "The cat", "manifest": '{"name": "Größe 🐈"}' * 1000}
    with Image.open(write_image(tmp_path / "a.png", CAT, text=text)) as im:
        assert im.text == text


def test_text_is_checked(tmp_path):
    with pytest.raises(InputError, match=r"only be embedded in PNG"):
        write_image(tmp_path / "a.jpg", CAT, text={"a": "b"})
    with pytest.raises(InputTypeError, match="not a string"):
        write_image(tmp_path / "a.png", CAT, text={"a": 3})
    for key in ("", "x" * 80, "größe"):
        with pytest.raises(InputError, match="key that PNG does not allow"):
            write_image(tmp_path / "a.png", CAT, text={key: "b"})
    assert names(tmp_path) == []


class BrokenError(RuntimeError):
    pass


def break_off(error):
    """A stand-in for the encoder that writes something and fails."""

    def save(self, file, **options):
        file.write(b"half a picture")
        file.flush()
        raise error

    return save


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(28, "No space left on device"), FileError),
        (BrokenError("a defect"), BrokenError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_failure_half_way_leaves_the_old_file(tmp_path, monkeypatch, error, raised):
    path = write_image(tmp_path / "a.png", CAT)
    before = path.read_bytes()
    monkeypatch.setattr(Image.Image, "save", break_off(error))
    with pytest.raises(raised) as caught:
        write_image(path, 1 - CAT)
    if raised is FileError:
        assert "a.png cannot be written" in str(caught.value)
        assert "No space left on device" in str(caught.value)
    assert path.read_bytes() == before
    assert names(tmp_path) == ["a.png"]


def test_a_failure_of_16_bits_half_way_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_image(tmp_path / "a.tif", CAT, bits=16)
    before = path.read_bytes()

    def fail(file, *args, **kwargs):
        break_off(OSError("full"))(None, file)

    monkeypatch.setattr(tifffile, "imwrite", fail)
    with pytest.raises(FileError, match="full"):
        write_image(path, 1 - CAT, bits=16)
    assert path.read_bytes() == before
    assert names(tmp_path) == ["a.tif"]


def test_sides_too_long_for_the_format(tmp_path):
    with pytest.raises(FileError, match=r"a\.webp cannot be written.*another folder or format"):
        write_image(tmp_path / "a.webp", np.zeros((1, 17000)))
    assert names(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_mode_follows_the_umask(tmp_path, mask):
    old = os.umask(mask)
    try:
        path = write_image(tmp_path / "a.png", CAT)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_are_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "real" / "a.png")
    write_image(tmp_path / "link.png", CAT)
    assert (tmp_path / "link.png").is_symlink()
    assert names(tmp_path / "real") == ["a.png"]


def both(path):
    """The two calls that must agree."""
    return [lambda: check_writable(path), lambda: write_image(path, CAT)]


def test_unknown_suffix(tmp_path):
    for call in both(tmp_path / "a.pgn"):
        with pytest.raises(FileError, match=r"\.png, \.jpg.*'\.pgn'.*Did you mean \.png"):
            call()
    for call in both(tmp_path / "a"):
        with pytest.raises(FileError, match="suffix"):
            call()
    assert names(tmp_path) == []


def test_missing_folder(tmp_path):
    for call in both(tmp_path / "out" / "a.png"):
        with pytest.raises(FileError) as caught:
            call()
        assert str(tmp_path / "out") in str(caught.value)
        assert "Create the folder first" in str(caught.value)


def test_folder_in_place_of_the_file(tmp_path):
    (tmp_path / "a.png").mkdir()
    for call in both(tmp_path / "a.png"):
        with pytest.raises(FileError, match="is a folder"):
            call()


def test_a_place_of_which_the_system_does_not_tell(tmp_path):
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    for path in ("a" * 300 + ".png", "nul\0.png", tmp_path / "loop.png"):
        for call in both(path):
            with pytest.raises(FileError, match=r"cannot be written.*received"):
                call()
    with pytest.raises(FileError, match=r"cannot be created.*received embedded null"):
        prepare_folder("nul\0")


def test_unwritable_folder(tmp_path, monkeypatch):
    """As root may write anywhere, the refusal is simulated where the file system would give it."""
    from pathlib import Path

    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    for call in both(tmp_path / "a.png"):
        with pytest.raises(FileError) as caught:
            call()
        assert f"permission to write in {tmp_path}, received Permission denied" in str(caught.value)


def test_check_writable_leaves_nothing_behind(tmp_path):
    check_writable(tmp_path / "a.png")
    assert names(tmp_path) == []
    path = write_image(tmp_path / "a.tif", CAT)
    before = path.read_bytes(), path.stat().st_mtime_ns
    check_writable(str(path), bits=16)
    assert names(tmp_path) == ["a.tif"]
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_arguments_are_checked_before_anything_is_written(tmp_path):
    path = tmp_path / "a.png"
    for options in ({"quality": 0}, {"quality": 101}, {"bits": 12}):
        with pytest.raises(InputError):
            write_image(path, CAT, **options)
    with pytest.raises(InputError, match=r"^image has values out of range"):
        write_image(path, CAT * 255)
    with pytest.raises(InputTypeError, match="path comes first"):
        write_image(CAT, path)
    assert names(tmp_path) == []


def test_a_folder_is_made_and_left_empty(tmp_path):
    for _ in range(2):
        assert prepare_folder(tmp_path / "new", ["a.png", "b.tif"]) == tmp_path / "new"
    assert not list((tmp_path / "new").iterdir())


def test_a_folder_that_cannot_take_the_pictures(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "taken" / "a.png").mkdir(parents=True)
    for folder, message in (
        ("file", "file is a file: expected a folder, or the path of a new folder. Name another."),
        ("no/where", "make the folder above it first"),
        ("taken", "a.png is a folder"),
    ):
        with pytest.raises(FileError, match=f"(?i){message}"):
            prepare_folder(tmp_path / folder, ["a.png"])
