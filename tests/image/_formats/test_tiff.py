import icc_profiles
import numpy as np
import pytest
import tifffile
from orientations import UPRIGHT
from PIL import Image

from stylekit._checks import FileError
from stylekit.image import read_image, write_image
from stylekit.image._formats.decode import decode_file
from stylekit.image._formats.tiff import read_deep


@pytest.fixture
def deep(rng):
    return rng.integers(0, 65536, (12, 15, 3), dtype=np.uint16)


def save(path, array, **options):
    options = {"photometric": "rgb", "metadata": None, **options}
    tifffile.imwrite(path, array, **options)
    return path


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"compression": "zlib", "predictor": True},
        {"tile": (16, 16)},
        {"rowsperstrip": 5},
    ],
    ids=str,
)
def test_rgb_of_16_bits_keeps_them(tmp_path, deep, options):
    image = read_image(save(tmp_path / "a.tif", deep, **options))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(np.round(image * 65535), deep)


def test_planar_samples(tmp_path, deep):
    path = save(tmp_path / "a.tif", np.moveaxis(deep, -1, 0), planarconfig="separate")
    np.testing.assert_array_equal(np.round(read_image(path) * 65535), deep)


def test_grey_and_white_is_zero(tmp_path, deep):
    grey = deep[..., 0]
    black = read_image(save(tmp_path / "b.tif", grey, photometric="minisblack"))
    white = read_image(save(tmp_path / "w.tif", grey, photometric="miniswhite"))
    np.testing.assert_array_equal(np.round(black[..., 1] * 65535), grey)
    np.testing.assert_allclose(black + white, 1, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats(tmp_path, rng, dtype):
    values = rng.random((6, 7, 3)).astype(dtype)
    image = read_image(save(tmp_path / "a.tif", values))
    np.testing.assert_allclose(image, values, atol=1e-7)


def test_32_bit_integers(tmp_path):
    values = np.array([[0, 2**31, 2**32 - 1]], np.uint32)
    image = read_image(save(tmp_path / "a.tif", values, photometric="minisblack"))
    np.testing.assert_allclose(image[0, :, 0], [0, 0.5, 1], atol=1e-6)


def test_extra_samples(tmp_path, deep):
    rgba = np.dstack([deep, deep[..., :1], deep[..., 1:2]])
    path = save(tmp_path / "a.tif", rgba, extrasamples=["unassalpha", "unspecified"])
    picture = decode_file(path)
    np.testing.assert_array_equal(np.round(picture.pixels * 65535), deep)
    np.testing.assert_array_equal(np.round(picture.alpha * 65535), deep[..., 0])
    other = decode_file(save(tmp_path / "b.tif", rgba[..., :4], extrasamples=["unspecified"]))
    np.testing.assert_array_equal(np.round(other.pixels * 65535), deep)
    assert other.alpha is None


def test_premultiplied_colours_become_straight(tmp_path):
    colour, alpha = np.array([0.8, 0.4, 0.2]), np.array([[0.0, 0.25, 1.0]])[..., np.newaxis]
    stored = np.round(np.dstack([colour * alpha, alpha]) * 65535).astype(np.uint16)
    image = read_image(save(tmp_path / "a.tif", stored, extrasamples=["assocalpha"]))
    np.testing.assert_allclose(image[0, 1:], [colour, colour], atol=1e-4)
    np.testing.assert_array_equal(image[0, 0], 0)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_orientation(tmp_path, orientation):
    values = np.array(UPRIGHT[1], np.uint16) * 1000
    path = save(
        tmp_path / "a.tif",
        values,
        photometric="minisblack",
        extratags=[(274, "H", 1, orientation, True)],
    )
    expected = np.array(UPRIGHT[orientation]) * 1000
    np.testing.assert_array_equal(np.round(read_image(path)[..., 0] * 65535), expected)


def test_profile_is_converted_at_full_depth(tmp_path):
    ramp = np.repeat(np.arange(20000, 30000, dtype=np.uint16)[np.newaxis, :, np.newaxis], 3, -1)
    path = save(tmp_path / "a.tif", ramp, iccprofile=icc_profiles.adobe_rgb())
    image = read_image(path)
    assert np.abs(image - icc_profiles.adobe_to_srgb(ramp / 65535)).max() < 1e-3
    assert len(np.unique(image[..., 1])) > 9900


def test_first_page(tmp_path, deep):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(deep, photometric="rgb", metadata=None)
        tiff.write(255 - deep, photometric="rgb", metadata=None)
    np.testing.assert_array_equal(np.round(read_image(path) * 65535), deep)


def test_what_pillow_reads_is_left_to_it(tmp_path, deep):
    save(tmp_path / "a.tif", (deep // 256).astype(np.uint8))
    Image.fromarray(deep[..., 0]).save(tmp_path / "a.png")
    for name in ("a.tif", "a.png"):
        with (tmp_path / name).open("rb") as file:
            assert read_deep(file, name) is None


def test_grey_lzw_keeps_16_bits_without_imagecodecs(tmp_path, deep):
    Image.fromarray(deep[..., 0]).save(tmp_path / "a.tif", compression="tiff_lzw")
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(np.round(image[..., 0] * 65535), deep[..., 0])


@pytest.fixture
def no_codec(monkeypatch):
    """As without the package imagecodecs, for any compression."""

    def refuse(self, *args, **kwargs):
        raise ValueError(f"{self.compression!r} requires the 'imagecodecs' package")

    monkeypatch.setattr(tifffile.TiffPage, "asarray", refuse)


def test_rgb_of_unknown_compression_is_read_at_8_bits(tmp_path, deep, no_codec):
    path = save(tmp_path / "a.tif", deep, compression="zlib")
    with pytest.warns(UserWarning, match=r"a\.tif is read at 8 of its 16 bits.*pip install"):
        image = read_image(path)
    assert np.abs(image - deep / 65535).max() < 1.01 / 255


def test_floats_of_unknown_compression_are_an_error(tmp_path, no_codec):
    path = save(tmp_path / "a.tif", np.zeros((4, 4, 3), np.float32), compression="zlib")
    with pytest.raises(
        FileError, match=r"a\.tif is a TIFF file of an unsupp.*pip install imagecodecs"
    ):
        read_image(path)


def test_zstd_without_its_codec(tmp_path, deep):
    Image.fromarray(deep[..., 0]).save(tmp_path / "a.tif", compression="zstd")
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(np.round(image[..., 0] * 65535), deep[..., 0])


def test_samples_are_bounded(tmp_path):
    cube, options = np.zeros((50, 60, 9), np.uint16), {"planarconfig": "contig"}
    path = save(tmp_path / "cube.tif", cube, photometric="minisblack", **options)
    with pytest.raises(
        FileError,
        match=r"cube\.tif is a TIFF.*from 1 to 8, received 9 samples",
    ):
        read_image(path)


def changed(path, tag, value):
    """Change the value of a tag of the first page."""
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[0].tags[tag].overwrite(value)
    return path


@pytest.mark.parametrize(
    ("tag", "value", "words"),
    [
        ("PhotometricInterpretation", 2, "from 3 to 8, received 1 samples"),
        ("ImageWidth", 0, "damaged"),
        ("ImageWidth", 9000, "damaged"),
        ("SamplesPerPixel", 4, "damaged"),
        ("BitsPerSample", 12, "damaged|of a kind"),
        ("Compression", 34925, "damaged"),  # LZMA
        ("Compression", 1234, "damaged|of a kind"),
    ],
)
def test_damaged_headers(tmp_path, tag, value, words):
    values = np.full((12, 15), 0x7E00, np.uint16)
    path = save(tmp_path / "a.tif", values, photometric="minisblack", compression="zlib")
    with pytest.raises(FileError, match=words):
        read_image(changed(path, tag, value))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_missing_strips_are_not_left_black(tmp_path, dtype, compression):
    path = save(tmp_path / "a.tif", np.ones((20, 15, 3), dtype), compression=compression)
    with pytest.raises(FileError, match=r"a\.tif is damaged"):
        read_image(changed(path, "ImageLength", 200))


@pytest.mark.parametrize("compression", ["zlib", "lzma"])
def test_a_strip_that_inflates_beyond_its_pixels(tmp_path, compression, monkeypatch):
    monkeypatch.setattr("stylekit.image._formats.tiff._SMALL", 2**10)
    values = np.zeros((2000, 2000), np.uint16)
    options = {"photometric": "minisblack", "compression": compression, "rowsperstrip": 2000}
    path = save(tmp_path / "bomb.tif", values, **options)
    assert not read_image(path).any()
    changed(path, "ImageLength", 10)
    changed(path, "RowsPerStrip", 10)
    with pytest.raises(FileError, match="decompresses to more data"):
        read_image(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiles_that_are_larger_than_the_picture(tmp_path, dtype):
    path = save(tmp_path / "a.tif", np.zeros((20, 20, 3), dtype), tile=(16, 16))
    assert read_image(path).shape == (20, 20, 3)
    changed(path, "TileWidth", 60000)
    changed(path, "TileLength", 60000)
    with pytest.raises(FileError, match=r"tiles that are much larger.*60000x60000"):
        read_image(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "description", ['{"shape": [12, 15, 3]}', "shape=(12, 15, 3)", "ImageJ=1.53\nimages=9", "A cat"]
)
def test_a_description_of_the_layout_is_not_carried_over(tmp_path, deep, dtype, description):
    path = save(tmp_path / "a.tif", deep.astype(dtype), description=description)
    for bits in (8, 16):
        other = write_image(tmp_path / f"{bits}.tif", np.zeros((4, 4, 3)), like=path, bits=bits)
        with tifffile.TiffFile(other) as tiff:
            assert tiff.pages[0].description == (description if description == "A cat" else "")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (
            np.full((4, 4, 3), 3.5, np.float32),
            r"floats in \[0, 1\], received 3\.5 to 3\.5\. Scale it",
        ),
        (np.full((4, 4, 3), np.nan, np.float32), "not finite"),
        (np.zeros((4, 4, 3), np.int16), "samples of type int16"),
    ],
)
def test_bad_values_are_file_errors(tmp_path, array, words):
    with pytest.raises(FileError, match=words) as caught:
        read_image(save(tmp_path / "bad.tif", array))
    assert "bad.tif" in str(caught.value)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_truncated(tmp_path, rng, share, compression):
    array = rng.integers(0, 65536, (60, 70, 3), dtype=np.uint16)
    path = save(tmp_path / "half.tif", array, compression=compression)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(FileError, match=r"half\.tif is damaged"):
        read_image(path)


def test_the_pixel_limit_holds(tmp_path, deep, monkeypatch):
    path = save(tmp_path / "bomb.tif", deep)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(FileError, match=r"bomb\.tif has too many pixels.*100, received 180"):
        read_image(path)
