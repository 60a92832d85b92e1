from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from PIL import Image

from stylekit._checks import FileError, InputError, InputTypeError
from stylekit.image import contact_sheet, resize

WIDE = np.full((30, 60, 3), (1.0, 0.0, 0.0), np.float32)
HIGH = np.full((80, 20, 3), (0.0, 1.0, 0.0), np.float32)
SQUARE = np.full((8, 8, 3), (0.0, 0.0, 1.0), np.float32)


def extent(sheet, color):
    """The height and width of what has a colour, which must be a full rectangle."""
    here = np.all(np.isclose(sheet, color), axis=-1)
    rows, columns = np.flatnonzero(here.any(1)), np.flatnonzero(here.any(0))
    assert here[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    return len(rows), len(columns)


def test_pictures_are_whole_and_never_stretched():
    sheet = contact_sheet([WIDE, HIGH, SQUARE], columns=2, size=40, gap=4)
    assert sheet.dtype == np.float32
    assert sheet.shape == (4 + 40 + 4 + 40 + 4, 4 + 40 + 4 + 10 + 4, 3)
    assert extent(sheet, (1, 0, 0)) == (20, 40)
    assert extent(sheet, (0, 1, 0)) == (40, 10)
    assert extent(sheet, (0, 0, 1)) == (40, 40)
    assert np.isclose(sheet.sum(), 3 * (sheet[..., 0].size - 800 - 400 - 1600) + 2800)


def test_the_order_is_by_rows(rng):
    pictures = rng.random((5, 16, 16, 3), np.float32)
    sheet = contact_sheet(pictures, columns=3, size=16, gap=2)
    assert sheet.shape == (2 + 2 * 18, 2 + 3 * 18, 3)
    for index, picture in enumerate(pictures):
        top, left = (2 + 18 * k for k in divmod(index, 3))
        np.testing.assert_array_equal(sheet[top : top + 16, left : left + 16], picture)
    assert (sheet[20:, 38:] == 1).all()


def test_a_small_picture_lies_in_the_middle_of_its_cell():
    sheet = contact_sheet([WIDE, HIGH], columns=2, size=40, gap=4)
    np.testing.assert_allclose(sheet[14:34, 4:44], resize(WIDE, (20, 40)))
    assert (sheet[:14, :44] == 1).all()
    assert (sheet[34:, :44] == 1).all()


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (4, 2), (5, 3), (9, 3)])
def test_columns_by_themselves(count, columns):
    assert contact_sheet([SQUARE] * count, size=16, gap=0).shape[1] == 16 * columns


def test_no_more_columns_than_pictures():
    assert contact_sheet([SQUARE, SQUARE], columns=7, size=16, gap=0).shape == (16, 32, 3)


@pytest.mark.parametrize("background", [0.0, 0.4, 1.0])
def test_labels_are_below_their_pictures_and_can_be_read(background):
    grey = np.full((64, 64), 0.5)
    plain = contact_sheet([grey, grey], columns=2, size=64, gap=8, background=background)
    sheet = contact_sheet(
        [grey, grey], ["", "one"], columns=2, size=64, gap=8, background=background
    )
    assert len(sheet) > len(plain)
    np.testing.assert_array_equal(sheet[: len(plain) - 8], plain[: len(plain) - 8])
    below = sheet[72:]
    assert (below[:, :76] == np.float32(background)).all()
    ink = np.flatnonzero((below[:, 76:] != np.float32(background)).any(axis=(0, 2)))
    assert abs(ink[0] + ink[-1] - 72) <= 4  # in the middle below the second, from 80 to 144
    assert abs(below - background).max() > 0.5


def test_a_long_label_stays_in_its_column():
    sheet = contact_sheet([SQUARE, SQUARE], ["W" * 90, ""], columns=2, size=48, gap=6)
    below = sheet[54:]
    assert (below[:, :48] != 1).any()
    assert (below[:, 55:] == 1).all()
    other = contact_sheet([SQUARE, SQUARE], ["W" * 70, ""], columns=2, size=48, gap=6)
    np.testing.assert_array_equal(sheet, other)  # both end in an ellipsis


def test_a_label_of_several_lines():
    one = contact_sheet([SQUARE], ["a"], size=99)
    three = contact_sheet([SQUARE], [["a", "b", "c"]], size=99)
    line = (len(three) - len(one)) // 2
    assert line > 8
    np.testing.assert_array_equal(three[: len(one) - 12], one[:-12])
    letters = three[12 + 99 :].min(axis=(1, 2)) < 0.5
    assert np.count_nonzero(np.diff(letters.astype(int)) == 1) == 3  # one below the other


def test_rows_are_as_high_as_their_own_labels():
    height = len(contact_sheet([SQUARE] * 2, size=48, columns=1))
    first = len(contact_sheet([SQUARE] * 2, [["a", "b"], ""], size=48, columns=1))
    second = len(contact_sheet([SQUARE] * 2, ["", ("a", "b")], size=48, columns=1))
    assert first == second > height


def test_a_label_is_one_line():
    one, two = (contact_sheet([SQUARE], [text], size=99) for text in ("a b", " a\nb "))
    np.testing.assert_array_equal(one, two)


def test_paths_and_pil_images_and_grey_arrays(tmp_path):
    Image.new("RGB", (9, 9), "red").save(tmp_path / "red.png")
    pictures = [tmp_path / "red.png", Image.new("RGB", (9, 9), "lime"), np.zeros((9, 9))]
    sheet = contact_sheet(iter(pictures), size=16, gap=0, columns=3)
    assert [sheet[8, x].tolist() for x in (8, 24, 40)] == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_results_and_a_mapping_of_labels():
    results = {name: SimpleNamespace(image=one) for name, one in {"a": WIDE, "b": SQUARE}.items()}
    expected = contact_sheet([WIDE, SQUARE], ["a", "b"], size=48)
    np.testing.assert_array_equal(contact_sheet(results, size=48), expected)
    other = contact_sheet(results, ["b", "c"], size=48)
    np.testing.assert_array_equal(other, contact_sheet([WIDE, SQUARE], ["b", "c"], size=48))
    plain = contact_sheet(results.values(), size=48)
    np.testing.assert_array_equal(plain, contact_sheet([WIDE, SQUARE], size=48))


def test_a_batch_result_is_no_picture():
    with pytest.raises(InputError, match=r"pictures\[0\].*one picture of the batch"):
        contact_sheet([SimpleNamespace(image=np.zeros((2, 8, 8, 3)))])


def test_a_font_of_ones_own_has_other_letters(tmp_path):
    """Pillow's has a box for each letter that it has not; matplotlib brings one that has them."""
    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    own, other = (contact_sheet([SQUARE], [text]) for text in ("é", "ü"))
    np.testing.assert_array_equal(own, other)
    own, other = (contact_sheet([SQUARE], [text], font=font) for text in ("é", "ü"))
    assert (own != other).any()
    for name, words in (("gone.ttf", "gone.ttf"), ("no.ttf", "is not a font")):
        (tmp_path / "no.ttf").write_text("no font")
        with pytest.raises(FileError, match=words):
            contact_sheet([SQUARE], ["a"], font=tmp_path / name)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (([],), {}, InputError, "there are no pictures"),
        ((SQUARE,), {}, InputTypeError, "Put a single picture into a list"),
        (("a.png",), {}, InputTypeError, "Put a single picture into a list"),
        ((5,), {}, InputTypeError, "received int"),
        ((["gone.png"],), {}, FileError, "gone.png"),
        (([SQUARE, SQUARE * 300],), {}, InputError, r"pictures\[1\]"),
        (([SQUARE], ["a", "b"]), {}, InputError, "expected 1, received 2"),
        (([SQUARE], "a"), {}, InputTypeError, "`labels` is not a list"),
        (([SQUARE],), {"columns": 0}, InputError, "columns"),
        (([SQUARE],), {"size": 8}, InputError, "size"),
        (([SQUARE],), {"gap": -1}, InputError, "gap"),
        (([SQUARE],), {"background": 2}, InputError, "background"),
    ],
)
def test_bad_arguments(arguments, options, error, words):
    with pytest.raises(error, match=words):
        contact_sheet(*arguments, **options)
