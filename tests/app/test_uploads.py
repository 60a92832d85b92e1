import io

import numpy as np
import pytest
from PIL import Image
from uploading import FILES, SMALL, encoded

from stylekit import FileError
from stylekit.app.uploads import FORMATS, jpeg, read_picture


@pytest.mark.parametrize("name", FILES)
def test_hostile_files_end_in_a_message_or_work(name):
    content, words = FILES[name]
    if words is None:
        picture = read_picture(content, SMALL)
        assert picture.shape == (40, 50, 3)
        assert picture.dtype == np.float32
    else:
        with pytest.raises(FileError, match=words) as error:
            read_picture(content, SMALL)
        assert "/" not in str(error.value)  # no path
        assert len(str(error.value)) < 250


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_end_in_a_message_that_names_no_address(kind, photo, rng):
    whole = np.frombuffer(encoded(photo, kind), np.uint8)
    for _ in range(40):
        content = whole.copy()
        content[rng.integers(0, min(len(whole), 400), 8)] = rng.integers(0, 256, 8)
        try:
            assert read_picture(content.tobytes(), SMALL).dtype == np.float32
        except FileError as error:
            assert " at 0x" not in str(error)


def test_a_picture_arrives_as_it_was_sent(photo):
    np.testing.assert_allclose(read_picture(encoded(photo), SMALL), photo, atol=0.51 / 255)


def test_a_large_picture_is_kept_at_the_largest_size():
    content = encoded(Image.new("RGB", (300, 150)), "PNG")
    assert read_picture(content, SMALL).shape == (32, 64, 3)


def test_a_picture_is_shown_as_a_small_jpeg(photo):
    with Image.open(io.BytesIO(jpeg(photo, 32))) as picture:
        assert picture.format == "JPEG"
        assert picture.size == (32, 24)
    with Image.open(io.BytesIO(jpeg(photo))) as picture:
        np.testing.assert_allclose(
            np.asarray(picture).mean((0, 1)) / 255, photo.mean((0, 1)), atol=0.02
        )
