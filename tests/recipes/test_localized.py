import numpy as np
import pytest
from painted import painted
from PIL import Image

import stylekit as sk
from stylekit._checks import InputError, InputTypeError

SHAPE = (24, 32)


@pytest.fixture
def run(options):
    def run(content, style, subject, **others):
        return painted(sk.recipes.localized, content, style, subject, **(options | others))

    return run


@pytest.fixture
def seer(left):
    """A segmenter that finds a cat at the left of whatever it is shown."""

    def see(picture):
        height, width = picture.shape[:2]
        labels = np.zeros((height, width), int)
        labels[:, : width // 2] = 1
        return sk.masks.Segmentation(labels, ("background", "cat", "dog"))

    return see


def as_seen(picture, mask):
    return mask


def moved(result, photo):
    change = np.abs(result.image - photo).max(axis=-1)
    return change[:, :16].max(), change[:, 16:].max()


def test_the_subject_is_kept_bit_for_bit(run, photo, coffee, seer, either):
    result = run(photo, coffee, "cat", segmenter=seer, refine=as_seen, **either)
    assert moved(result, photo)[0] == 0
    assert moved(result, photo)[1] > 0.02
    assert result.manifest["localized"]["method"] == "update"


def test_or_the_background_is(run, photo, coffee, seer, either):
    seen = {"segmenter": seer, "refine": as_seen}
    result = run(photo, coffee, ["cat", "dog"], keep="background", **seen, **either)
    assert moved(result, photo)[0] > 0.02
    assert moved(result, photo)[1] == 0


def test_a_mask_is_a_subject_too(run, photo, coffee, left, seer, tmp_path):
    expected = run(photo, coffee, "cat", segmenter=seer, refine=as_seen, steps=1).image
    path = tmp_path / "left.png"
    Image.fromarray(np.uint8(255 * left)).save(path)
    for subject in (np.kron(left, np.ones((2, 2))), lambda p: left, str(path)):
        np.testing.assert_array_equal(run(photo, coffee, subject, steps=1).image, expected)


def test_update_is_stylize_under_the_mask(run, photo, coffee, left, options):
    result = run(photo, coffee, left, strength=0.7)
    expected = sk.stylize(photo, coffee, mask=1 - left, strength=0.7, **options)
    np.testing.assert_allclose(result.image, expected.image, atol=1e-5)


@pytest.mark.parametrize("method", ["superimpose", "revert"])
def test_the_ways_of_the_literature(run, photo, coffee, left, method):
    pasted = run(photo, coffee, left, method=method, blend="paste")
    assert moved(pasted, photo)[0] == 0
    assert moved(pasted, photo)[1] > 0.02
    assert pasted.manifest["localized"] == {
        "method": method,
        "keep": "subject",
        "mask": sk.image.picture_hash(1 - left),
        "blend": "paste",
    }
    assert list(pasted.manifest["terms"].values())[1]["type"] == "GramStyleLoss"
    assert pasted.manifest["update_mask"] is None
    sewn = run(photo, coffee, left, method=method)
    assert sewn.manifest["localized"]["blend"] == "seam"
    # The seam may wander by its band, and no further.
    np.testing.assert_array_equal(sewn.image[:, :10], photo[:, :10])
    np.testing.assert_array_equal(sewn.image[:, 22:], pasted.image[:, 22:])
    smooth = run(photo, coffee, left, method=method, blend="poisson")
    np.testing.assert_array_equal(smooth.image[:, :16], photo[:, :16])


def test_the_style_may_be_held_to_a_region(run, photo, left, either):
    style = np.zeros((*SHAPE, 3), np.float32)
    style[:, :16], style[:, 16:] = (0, 0.6, 0), (1, 0.5, 0)
    options = {"strength": 1, "steps": 15, "keep": "background"} | either
    same = run(photo, style, left, same_mask=True, **options)
    other = run(photo, style, left, style_subject=1 - left, **options)
    red = [(result.image[..., 0] - result.image[..., 1])[:, :16].mean() for result in (same, other)]
    assert red[1] > red[0] + 0.1


def test_refine_is_given_picture_and_mask(run, photo, coffee, left):
    given = []

    def refine(picture, mask):
        given.append((picture, mask))
        return 1 - mask

    result = run(photo, coffee, left, refine=refine)
    np.testing.assert_array_equal(given[0][0], photo)
    np.testing.assert_array_equal(given[0][1], left)
    assert moved(result, photo)[1] == 0


@pytest.mark.parametrize("blend", ["paste", "seam", "poisson"])
def test_every_blend_is_softened_where_asked(run, photo, coffee, left, blend):
    options = {"method": "superimpose", "blend": blend, "steps": 3}
    hard = run(photo, coffee, left, **options).image
    soft = run(photo, coffee, left, feather_radius=3, **options).image
    assert np.abs(soft - hard)[:, 10:24].max() > 0.01
    np.testing.assert_array_equal(soft[:, :6], photo[:, :6])


def test_soft_edges(run, photo, coffee, left):
    result = run(photo, coffee, left, feather_radius=4, steps=3)
    change = np.abs(result.image - photo).max(axis=(0, 2))
    assert change[13:16].max() > 0
    assert change[:6].max() == 0


class TestRefusals:
    def test_a_class_that_is_not_there(self, run, photo, coffee, seer):
        with pytest.raises(InputError, match=r"no dog is in the picture.*cat 50"):
            run(photo, coffee, "dog", segmenter=seer)

    def test_a_class_that_does_not_exist(self, run, photo, coffee, seer):
        with pytest.raises(InputError, match="Did you mean cat"):
            run(photo, coffee, "catt", segmenter=seer)

    def test_a_mask_file_that_is_not_there(self, run, photo, coffee):
        with pytest.raises(InputError, match=r"must be a mask or a class.*nope\.png"):
            run(photo, coffee, "nope.png")

    def test_a_segmenter_that_gives_a_mask(self, run, photo, coffee, left):
        with pytest.raises(InputTypeError, match="must return a segmentation"):
            run(photo, coffee, "cat", segmenter=lambda picture: left)

    def test_nothing_to_paint(self, run, photo, coffee):
        with pytest.raises(InputError, match="nothing is left to paint"):
            run(photo, coffee, np.ones(SHAPE))

    @pytest.mark.parametrize(
        ("others", "words"),
        [
            ({"keep": "person"}, "keep is unknown"),
            ({"method": "magic"}, "method is unknown"),
            ({"blend": "magic", "method": "revert"}, "blend is unknown"),
            ({"blend": "seam"}, "must be None with method='update'"),
            ({"same_mask": True, "style_subject": "cat"}, "cannot be combined"),
            ({"feather_radius": -1}, "feather_radius"),
        ],
    )
    def test_options(self, run, photo, coffee, left, others, words):
        with pytest.raises(InputError, match=words):
            run(photo, coffee, left, **others)


def test_a_blend_may_be_a_function(run, photo, coffee, left):
    seen = []

    def half(photo, stylised, mask, *, feather):
        seen.append((mask, feather))
        return (photo + stylised) / 2

    options = {"method": "superimpose", "feather_radius": 2.0, "steps": 1}
    painted = run(
        photo, coffee, left, blend=lambda photo, stylised, mask, feather: stylised, **options
    )
    result = run(photo, coffee, left, blend=half, **options)
    np.testing.assert_allclose(result.image, (photo + painted.image) / 2, atol=1e-6)
    assert result.manifest["localized"]["blend"] == "half"
    np.testing.assert_array_equal(seen[0][0], 1 - left)
    assert seen[0][1] == 2.0


@pytest.mark.parametrize(
    ("returned", "received"),
    [
        (lambda picture: picture[1:], r"float32 \[23, 32, 3\]"),
        (lambda picture: picture[..., 0], r"float32 \[24, 32\]"),
        (lambda picture: np.uint8(picture * 255), r"uint8 \[24, 32, 3\]"),
        (lambda picture: "photo.png", "str"),
        (lambda picture: None, "NoneType"),
        (lambda picture: 2 * picture, "to 2"),
    ],
    ids=["cropped", "grey", "levels", "path", "nothing", "values"],
)
def test_a_blend_that_returns_something_else_is_named(returned, received, run, photo, left):
    def own(photo, stylised, mask, *, feather):
        return returned(np.ones_like(stylised))

    words = rf"blend 'own' .*floats in \[0, 1\].*received .*{received}"
    with pytest.raises(sk.transfer.TransferError, match=words) as caught:
        run(photo, photo, left, method="revert", blend=own, steps=0)
    assert caught.value.__notes__ == ["in blend 'own'"]


def broken(*_):
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ({"refine": broken}, "in refine 'broken'"),
        ({"subject": broken}, "in mask 'broken'"),
        ({"subject": np.ones(SHAPE), "style_subject": broken}, "in mask 'broken'"),
    ],
)
def test_functions_of_ones_own_are_named(options, note, photo, left):
    given = {"subject": left, "method": "revert", "keep": "background"} | options
    with pytest.raises(ZeroDivisionError) as caught:
        sk.recipes.localized(photo, photo, size=None, **given)
    assert caught.value.__notes__ == [note]
