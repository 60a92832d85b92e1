import numpy as np
import pytest
from PIL import Image

from stylekit._checks import FileError, InputError, InputTypeError
from stylekit.masks import Segmentation, find_subject
from stylekit.masks.finding import fitted

PICTURE = np.zeros((40, 40, 3), np.float32)
PICTURE[:, 20:] = 1
LABELS = np.zeros((40, 40), int)
LABELS[:, 23:] = 1  # three pixels off the picture's edge


def see(picture):
    return Segmentation(LABELS, ("background", "cat", "dog"))


def as_it_is(picture, mask):
    return mask


def test_classes_are_refined_by_the_picture():
    found = find_subject(PICTURE, "cat", see)
    np.testing.assert_array_equal(found[5:-5] > 0.5, PICTURE[5:-5, :, 0] > 0.5)


def test_or_not():
    np.testing.assert_array_equal(find_subject(PICTURE, "cat", see, as_it_is), LABELS)
    np.testing.assert_array_equal(find_subject(PICTURE, ["cat", "dog"], see, as_it_is), LABELS)


def test_a_class_that_refinement_takes_away_stands_as_it_was_seen():
    labels = np.zeros((40, 40), int)
    labels[10, 10] = 1
    found = find_subject(PICTURE, "cat", lambda _: Segmentation(labels, ("background", "cat")))
    np.testing.assert_array_equal(found, labels)


def test_an_error_in_a_segmenter_names_it():
    def broken(picture):
        return 1 / 0

    class Broken:
        def __call__(self, picture):
            return 1 / 0

    for segmenter, name in ((broken, "broken"), (Broken(), "Broken")):
        with pytest.raises(ZeroDivisionError) as error:
            find_subject(PICTURE, "cat", segmenter)
        assert error.value.__notes__ == [f"in segmenter '{name}'"]


def test_masks_stay_as_they_are(tmp_path):
    mask = LABELS.astype("float32")
    path = tmp_path / "mask.png"
    Image.fromarray(np.uint8(255 * LABELS)).save(path)
    for subject in (mask, LABELS, lambda picture: mask * picture[..., 0], path, str(path)):
        np.testing.assert_array_equal(find_subject(PICTURE, subject), mask)
    np.testing.assert_array_equal(
        find_subject(PICTURE, mask, refine=lambda picture, found: 1 - found), 1 - mask
    )


def test_a_mask_of_another_size_is_fitted_if_its_aspect_ratio_is_the_pictures():
    half = np.zeros((20, 20), "float32")
    half[:, 10:] = 1
    np.testing.assert_array_equal(fitted(half, PICTURE) > 0.5, PICTURE[..., 0] == 1)
    photo = np.zeros((341, 512, 3))  # of 1000 x 1500, rounded
    assert fitted(np.ones((1000, 1500)), photo).shape == (341, 512)
    with pytest.raises(InputError, match=r"the mask must have the aspect ratio.*512x341.*150x150"):
        fitted(np.ones((150, 150)), photo)


@pytest.mark.parametrize(
    ("subject", "error", "words"),
    [
        ("dog", InputError, r"no dog is in the picture.*background"),
        ("catt", InputError, "Did you mean cat"),
        ([], InputError, "must not be an empty list"),
        ("a" * 300, FileError, "cannot be read.*too long"),
        ("gone.png", InputError, r"must be a mask or a class.*gone\.png"),
        (np.zeros((40, 40)), InputError, "subject is empty"),
    ],
)
def test_refusals(subject, error, words):
    with pytest.raises(error, match=words):
        find_subject(PICTURE, subject, see)


def test_a_folder_with_the_name_of_a_class_is_no_mask(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cat").mkdir()
    np.testing.assert_array_equal(find_subject(PICTURE, "cat", see, as_it_is), LABELS)


def test_a_segmenter_must_give_a_segmentation():
    with pytest.raises(InputTypeError, match=r"must return a segmentation.*received ndarray"):
        find_subject(PICTURE, "cat", lambda picture: LABELS)
