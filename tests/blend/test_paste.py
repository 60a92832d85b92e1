import numpy as np
import pytest
from PIL import Image

from stylekit import blend, masks
from stylekit._checks import InputError, InputTypeError

BLENDS = {
    "paste": blend.paste,
    "paste, feathered": lambda *a: blend.paste(*a, feather=2),
    "seam": lambda *a: blend.seam(*a, radius=4),
    "seam, feathered": lambda *a: blend.seam(*a, radius=4, feather=2),
    "poisson": blend.poisson,
    "poisson, mixed": lambda *a: blend.poisson(*a, mixed=True),
    "poisson, feathered": lambda *a: blend.poisson(*a, feather=2),
    "portrait": lambda photo, _, mask: blend.portrait(photo, mask, radius=3),
}


@pytest.mark.parametrize("blending", BLENDS.values(), ids=BLENDS)
@pytest.mark.parametrize("kind", ["disc", "half", "none", "all", "soft"])
def test_every_blend_returns_a_picture_and_leaves_its_arguments_alone(
    blending, kind, photo, stylised, disc, rng
):
    mask = {
        "disc": disc,
        "half": np.indices(disc.shape)[1] < 20,
        "none": np.zeros_like(disc),
        "all": np.ones_like(disc),
        "soft": rng.random(disc.shape),
    }[kind]
    before = [photo.copy(), stylised.copy(), mask.copy()]
    result = blending(photo, stylised, mask)
    assert result.dtype == np.float32
    assert result.shape == photo.shape
    assert result.min() >= 0
    assert result.max() <= 1
    assert not any(np.shares_memory(result, a) for a in (photo, stylised))
    for array, copy in zip((photo, stylised, mask), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("name", [n for n in BLENDS if n != "portrait"])
def test_masks_of_one_value_choose_a_picture(name, photo, stylised, disc):
    blending = BLENDS[name]
    np.testing.assert_array_equal(blending(photo, stylised, np.zeros_like(disc)), photo)
    np.testing.assert_array_equal(blending(photo, stylised, np.ones_like(disc)), stylised)


@pytest.mark.parametrize("name", [n for n in BLENDS if n != "portrait"])
def test_bad_pictures_and_masks_are_named(name, photo, stylised, disc):
    blending = BLENDS[name]
    with pytest.raises(InputError, match=r"`stylised` must have the size.*\(48, 64\)"):
        blending(photo, stylised[:-1], disc)
    with pytest.raises(InputError, match="mask has the wrong size"):
        blending(photo, stylised, disc[:-1])
    with pytest.raises(InputTypeError, match="photo"):
        blending({}, stylised, disc)
    with pytest.raises(InputError, match="mask must have values in"):
        blending(photo, stylised, disc * 3)


@pytest.mark.parametrize("blending", BLENDS.values(), ids=BLENDS)
def test_a_callable_mask_is_given_the_photograph(blending, photo, stylised):
    photo[:, 20:, 0] = 0
    result = blending(photo, stylised, lambda picture: picture[..., 0] > 0)
    np.testing.assert_array_equal(result, blending(photo, stylised, photo[..., 0] > 0))
    with pytest.raises(InputError, match="mask has the wrong size"):
        blending(photo, stylised, lambda picture: picture[1:, :, 0])


def test_paste_is_a_weighted_mean(photo, stylised, rng):
    mask = rng.random(photo.shape[:2])
    share = mask[..., np.newaxis]
    expected = share * stylised + (1 - share) * photo
    np.testing.assert_allclose(blend.paste(photo, stylised, mask), expected, atol=1e-6)


def test_paste_is_exact_where_the_mask_is_sure(photo, stylised, disc):
    result = blend.paste(photo, stylised, disc, feather=3)
    outside, inside = masks.dilate(disc, 6) == 0, masks.erode(disc, 6) == 1
    np.testing.assert_array_equal(result[outside], photo[outside])
    np.testing.assert_allclose(result[inside], stylised[inside], atol=1e-6)
    changed = (result != photo).all(axis=-1) & (result != stylised).all(axis=-1)
    assert changed[masks.dilate(disc, 1) != masks.erode(disc, 1)].all()


def test_files_and_pil_images_are_pictures(tmp_path, photo, stylised, disc):
    eight = np.uint8(photo * 255)
    Image.fromarray(eight).save(tmp_path / "photo.png")
    mask = Image.fromarray(np.uint8(disc * 255))
    result = blend.paste(tmp_path / "photo.png", stylised, mask)
    np.testing.assert_array_equal(result, blend.paste(eight, stylised, disc))


@pytest.mark.parametrize("name", ["paste", "seam", "poisson"])
def test_feather_below_zero_is_an_error(name, photo, stylised, disc):
    with pytest.raises(InputError, match="out of range"):
        getattr(blend, name)(photo, stylised, disc, feather=-1)
