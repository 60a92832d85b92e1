import io
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage import data

import stylekit.image
from stylekit._checks import FileError, InputError, InputTypeError
from stylekit.image import as_batch, as_image, read_image, resize, with_map

COFFEE = data.coffee()  # 400 x 600


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(COFFEE).save(path)
    return path


def test_public_names():
    for name in stylekit.image.__all__:
        assert hasattr(stylekit.image, name)


def test_import_needs_no_tensorflow():
    code = "import sys, stylekit.image; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("size", "shape"), [(300, (200, 300)), (900, (600, 900)), (1, (1, 1))])
def test_size_is_the_longer_side(photo, size, shape):
    image = read_image(photo, size=size)
    assert image.shape == (*shape, 3)
    np.testing.assert_array_equal(image, resize(read_image(photo), shape))


def test_size_after_orientation(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(COFFEE).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg", size=60).shape == (60, 40, 3)


@pytest.mark.parametrize("size", [0, -5])
def test_bad_size(photo, size):
    for function in (read_image, lambda p, size: as_image(p, size=size)):
        with pytest.raises(InputError, match="size is out of range"):
            function(photo, size=size)


def test_bad_size_type(photo):
    with pytest.raises(InputTypeError, match="size is not a whole number"):
        read_image(photo, size=2.5)


def test_missing_file(tmp_path):
    with pytest.raises(FileError, match="does not exist"):
        read_image(tmp_path / "a.png")
    with pytest.raises(FileError, match="does not exist"):
        as_image(str(tmp_path / "a.png"))


def test_read_image_points_to_as_image():
    with pytest.raises(InputTypeError, match="Use as_image for PIL images and arrays"):
        read_image(COFFEE)


def test_every_form_is_the_same_picture(photo):
    expected = read_image(photo)
    with Image.open(photo) as im:
        for form in (photo, str(photo), im, COFFEE, COFFEE / 255, COFFEE.astype(np.int64)):
            np.testing.assert_allclose(as_image(form), expected, atol=1e-7)


def test_as_image_takes_whatever_numpy_takes():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return np.full((2, 3, 3), 0.5, np.float32)

    np.testing.assert_array_equal(as_image(Tensor()), np.full((2, 3, 3), 0.5))
    assert as_image([[0.0, 0.5], [1.0, 0.25]]).shape == (2, 2, 3)


def test_as_image_resizes_every_form(photo):
    for form in (photo, Image.fromarray(COFFEE), COFFEE):
        assert as_image(form, size=30).shape == (20, 30, 3)


def test_as_image_gives_an_array_of_its_own():
    for source in (COFFEE.astype(np.float32) / 255, np.zeros((4, 4), np.float32)):
        before = source.copy()
        image = as_image(source)
        image += 1
        np.testing.assert_array_equal(source, before)
    im = Image.fromarray(COFFEE)
    as_image(im)[:] = 0
    np.testing.assert_array_equal(im, COFFEE)


def test_messages_call_it_by_name():
    for bad in (COFFEE * 1.0, np.zeros(3), np.zeros((0, 2, 3))):
        with pytest.raises(InputError, match=r"^the style "):
            as_image(bad, "the style")
    with pytest.raises(InputTypeError, match=r"^the style .*received NoneType"):
        as_image(None, "the style")


def test_as_batch_of_one(photo):
    for form in (photo, Image.fromarray(COFFEE), COFFEE, COFFEE[np.newaxis], [COFFEE], (photo,)):
        batch = as_batch(form)
        assert batch.dtype == np.float32
        np.testing.assert_allclose(batch, read_image(photo)[np.newaxis], atol=1e-7)


def test_as_batch_of_several(photo):
    flipped = COFFEE[::-1]
    batch = as_batch([photo, flipped, Image.fromarray(COFFEE)])
    assert batch.shape == (3, 400, 600, 3)
    np.testing.assert_array_equal(batch[0], batch[1][::-1])
    np.testing.assert_array_equal(as_batch(np.stack([COFFEE, flipped])), batch[:2])
    assert as_batch(np.zeros((5, 4, 4, 1))).shape == (5, 4, 4, 3)


def test_as_batch_gives_an_array_of_its_own():
    source = np.zeros((2, 3, 3, 3), np.float32)
    as_batch(source)[:] = 1
    assert not source.any()


def test_as_batch_copies_nothing_that_cannot_change():
    picture = np.full((4, 6, 3), 0.5, "float32")
    view = picture[1:]
    view.flags.writeable = False
    assert not np.shares_memory(as_batch(view), picture)  # its owner can still be written to
    picture.flags.writeable = False
    for final in (picture, picture[np.newaxis], picture[1:]):
        batch = as_batch(final)
        assert np.shares_memory(batch, picture)
        assert batch.shape == (1, *final.shape[-3:])
    for other in (picture[..., 0], picture.astype("float64"), np.full((4, 6, 3), 2, "float32")):
        other.flags.writeable = False
        if other.max() <= 1:
            assert not np.shares_memory(as_batch(other), other)
        else:
            with pytest.raises(InputError):
                as_batch(other)


def test_as_batch_refuses():
    with pytest.raises(InputError, match=r"\(4, 4\) like x\[0\].*\(4, 5\) for x\[1\].*resize"):
        as_batch([np.zeros((4, 4)), np.zeros((4, 5))], "x")
    with pytest.raises(InputError, match="x is empty"):
        as_batch([], "x")
    with pytest.raises(InputError, match=r"x\[1\] has values"):
        as_batch([np.zeros((4, 4)), np.full((4, 4), 9.0)], "x")
    with pytest.raises(InputError, match=r"\[B, H, W, C\].*\(1, 1, 4, 4, 3\)"):
        as_batch(np.zeros((1, 1, 4, 4, 3)), "x")


def test_paths_of_every_type(photo):
    class Somewhere(os.PathLike):
        def __fspath__(self):
            return str(photo)

    assert read_image(Somewhere()).shape == as_image(Somewhere()).shape == (400, 600, 3)


def test_content_and_open_files_are_pictures_too(photo):
    content, expected = photo.read_bytes(), read_image(photo)
    with photo.open("rb") as file:
        for source in (content, bytearray(content), io.BytesIO(content), file):
            np.testing.assert_array_equal(read_image(source), expected)
            np.testing.assert_array_equal(as_image(source, size=600), expected)
            np.testing.assert_array_equal(as_batch(source), expected[np.newaxis])
            np.testing.assert_array_equal(as_batch([source])[0], expected)
    with pytest.raises(FileError, match="the style is not a picture that can be read"):
        as_image(b"photo.png", "the style")


def test_formats_that_stay_shut():
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%EOF\n"
    cards = {"SIMPLE": "T", "BITPIX": "8", "NAXIS": "2", "NAXIS1": "9", "NAXIS2": "9"}
    header = "".join(f"{name:8}= {value:>20}".ljust(80) for name, value in cards.items()) + "END"
    fits = header.ljust(2880).encode() + bytes(2880)
    for content, kind in ((postscript, "EPS"), (fits, "FITS")):
        with Image.open(io.BytesIO(content)) as im:
            assert im.format == kind
        with pytest.raises(FileError, match="is not a picture that can be read"):
            read_image(content)


def test_threads_read_alike(photo, tmp_path):
    deep = tmp_path / "deep.tif"
    tifffile.imwrite(deep, COFFEE.astype(np.uint16) * 257, photometric="rgb")
    results = []
    threads = [
        threading.Thread(target=lambda p=p: results.append(read_image(p)))
        for p in [photo, deep] * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    for result in results:
        np.testing.assert_allclose(result, COFFEE / 255, atol=1e-6)


def test_with_map_wants_one_size(photo):
    picture, color_map = with_map(photo, np.zeros(COFFEE.shape, np.uint8), "style")
    np.testing.assert_array_equal(picture, as_image(COFFEE))
    assert color_map.shape == COFFEE.shape
    with pytest.raises(InputError, match=r"the style map has another size.*600x400.*received 6x4"):
        with_map(photo, np.zeros((4, 6, 3), np.uint8), "style")
