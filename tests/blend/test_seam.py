import itertools

import numpy as np
import pytest
from scipy import ndimage

from stylekit import blend
from stylekit._checks import InputError
from stylekit.blend.cut import minimum_cut
from stylekit.blend.seam import Band, seam_field


def energy(labels, photo, stylised, mask, radius, attachment=0.5):
    """The definition, pixel by pixel, of stacks of labels [..., H, W]."""
    inside = mask >= 0.5
    height, width = inside.shape
    band = Band(mask, radius).pixels
    difference = ((stylised.astype(float) - photo) ** 2).sum(axis=-1)
    typical = np.median(difference[band])
    total = np.zeros(labels.shape[:-2])
    for i, j in itertools.product(range(height), range(width)):
        if band[i, j]:
            near = [np.hypot(*(np.argwhere(k & ~band) - (i, j)).T).min() for k in (~inside, inside)]
            total += attachment * np.where(labels[..., i, j], near[1], near[0]) / (2 * radius)
        for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
            k, m = i + down, j + right
            if k < height and 0 <= m < width and (band[i, j] or band[k, m]):
                both = (difference[i, j] + difference[k, m]) / 2
                cost = both / (np.hypot(down, right) * typical + 0.5e-4)
                total += cost * (labels[..., i, j] != labels[..., k, m])
    return total


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["half", "corner"])
def test_equals_exhaustive_search_on_4x4(seed, kind):
    rng = np.random.default_rng(seed)
    photo, stylised = rng.random((2, 4, 4, 3), dtype=np.float32)
    mask = np.zeros((4, 4), np.float32)
    if kind == "half":
        mask[:, 2:] = 1
    else:
        mask[1:, 1:] = 1
    band = Band(mask, 1).pixels
    every = np.array(list(itertools.product([False, True], repeat=int(band.sum()))))
    labels = np.repeat(mask[np.newaxis] > 0.5, len(every), axis=0)
    labels[:, band] = every
    best = energy(labels, photo, stylised, mask, 1).min()
    found = blend.seam_mask(photo, stylised, mask, radius=1) > 0
    np.testing.assert_array_equal(found[~band], mask[~band] > 0.5)
    assert energy(found, photo, stylised, mask, 1) == pytest.approx(best, rel=1e-6)


def test_field_has_the_energy_of_the_definition(rng):
    photo, stylised = rng.random((2, 9, 11, 3), dtype=np.float32)
    mask = np.zeros((9, 11), np.float32)
    mask[3:, 4:] = 1
    band = Band(mask, 2)
    difference = ((stylised.astype(float) - photo) ** 2).sum(axis=-1)
    field = seam_field(band, difference, 0.4, 1.0)
    for _ in range(5):
        labels = mask > 0.5
        labels[band.pixels] = rng.random(band.pixels.sum()) < 0.5
        expected = energy(labels, photo, stylised, mask, 2, attachment=0.4)
        assert field.energy(labels[band.pixels]) == pytest.approx(expected)


@pytest.mark.parametrize("attachment", [0.05, 0.25, 2.0])
def test_is_at_least_as_good_as_the_mask_and_as_the_attachment_alone(
    attachment, photo, stylised, disc
):
    stylised = ndimage.gaussian_filter(stylised, (2, 2, 0))
    band = Band(disc, 5)
    difference = ((stylised.astype(float) - photo) ** 2).sum(axis=-1)
    field = seam_field(band, difference, attachment, smoothness=1.0)
    best = field.energy(minimum_cut(*field))
    alone = seam_field(band, difference, attachment, smoothness=0)
    assert best < field.energy(band.inside[band.pixels])
    assert best < field.energy(minimum_cut(*alone))
    found = blend.seam_mask(photo, stylised, disc, radius=5, attachment=attachment)
    assert field.energy(found[band.pixels] > 0) == pytest.approx(best)


def test_of_equal_pictures_the_mask_stands(photo, disc):
    square = np.zeros_like(disc)
    square[10:30, 20:50] = 1
    for mask in (disc, square):
        np.testing.assert_array_equal(blend.seam_mask(photo, photo, mask, radius=5), mask)


def test_attachment_alone_returns_a_straight_edge(photo, stylised):
    mask = (np.indices(photo.shape[:2])[1] < 25).astype(np.float32)
    found = blend.seam_mask(photo, stylised, mask, radius=6, smoothness=0)
    np.testing.assert_array_equal(found, mask)


def test_what_costs_nothing_stays(photo, stylised, disc):
    found = blend.seam_mask(photo, stylised, disc, radius=6, attachment=0, smoothness=0)
    np.testing.assert_array_equal(found, disc)


def test_runs_where_the_pictures_agree(photo):
    """They are equal in two columns beside the mask's edge, and between these the cut runs."""
    columns = np.indices(photo.shape[:2])[1]
    agree = (columns == 28) | (columns == 29)
    stylised = np.where(agree[..., np.newaxis], photo, 1 - photo)
    found = blend.seam_mask(photo, stylised, columns >= 25, radius=6, attachment=0.1)
    np.testing.assert_array_equal(found, columns >= 29)


@pytest.mark.parametrize("feather", [0, 3])
def test_photograph_outside_and_stylised_inside_of_the_band(feather, photo, stylised, disc):
    result = blend.seam(photo, stylised, disc, radius=5, feather=feather)
    band = Band(disc, 5).pixels
    outside, inside = (disc == 0) & ~band, (disc == 1) & ~band
    np.testing.assert_array_equal(result[outside], photo[outside])
    np.testing.assert_array_equal(result[inside], stylised[inside])
    labels = blend.seam_mask(photo, stylised, disc, radius=5) > 0
    hard = np.where(labels[..., np.newaxis], stylised, photo)
    assert np.array_equal(result, hard) == (feather == 0)


@pytest.mark.parametrize("feather", [1, 20, 40])
@pytest.mark.parametrize("side", [64, 200, 512])
def test_no_feather_leaves_the_band(feather, side, rng):
    photo, stylised = rng.random((2, side, side, 3), dtype=np.float32)
    rows, columns = np.ogrid[:side, :side]
    mask = np.float32(np.hypot(rows - side / 2, columns - side / 2) < side / 3)
    mask[5:10, 5:10] = 1
    result = blend.seam(photo, stylised, mask, feather=feather)
    band = Band(mask).pixels
    outside, inside = (mask == 0) & ~band, (mask == 1) & ~band
    np.testing.assert_array_equal(result[outside], photo[outside])
    np.testing.assert_array_equal(result[inside], stylised[inside])
    mixed = (result != photo).any(axis=-1) & (result != stylised).any(axis=-1)
    assert mixed[band].mean() > 0.3


class TestBand:
    def test_reaches_as_far_to_both_sides(self):
        mask = np.indices((8, 40))[1] >= 20
        band = Band(mask.astype(np.float32), 6)
        np.testing.assert_array_equal(band.pixels[0].nonzero()[0], np.arange(14, 26))
        assert band.distance[0][3, 20] == 7
        assert band.distance[1][3, 20] == 6

    @pytest.mark.parametrize(("side", "expected"), [(1024, 16), (512, 8), (20, 1)])
    def test_follows_the_size(self, side, expected):
        mask = np.zeros((4, side), np.float32)
        mask[:, side // 2 :] = 1
        assert Band(mask).pixels[0].sum() == 2 * expected

    def test_thin_parts_narrow_it_and_keep_a_core(self):
        mask = np.zeros((60, 90), np.float32)
        mask[10:50, 10:50] = 1
        mask[30, 70:75] = mask[20:27, 60:67] = 1  # one pixel high, and seven
        band = Band(mask, 8)
        inside = band.pixels & band.inside
        assert inside[30, 10:18].all()
        assert not inside[30, 18]
        assert not inside[30, 70:75].any()
        np.testing.assert_array_equal(inside[23, 60:67], [1, 1, 0, 0, 0, 1, 1])

    @pytest.mark.parametrize("radius", [0, 0.5])
    def test_without_reach_the_mask_stands(self, radius, photo, stylised, disc):
        assert not Band(disc, radius).pixels.any()
        found = blend.seam_mask(photo, stylised, disc, radius=radius)
        np.testing.assert_array_equal(found, disc)


@pytest.mark.parametrize("name", ["radius", "attachment", "smoothness"])
def test_bad_numbers_are_named(name, photo, stylised, disc):
    for wrong in (-1, np.nan):
        with pytest.raises(InputError, match=f"{name} is out of range"):
            blend.seam(photo, stylised, disc, **{name: wrong})
