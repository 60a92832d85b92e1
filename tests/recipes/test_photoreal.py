import numpy as np
import pytest
from painted import painted

import stylekit as sk
from stylekit import blend
from stylekit._checks import InputError, InputTypeError
from stylekit.recipes.photoreal import MATTING, RIDGE

RED, BLACK = (255, 0, 0), (0, 0, 0)


def halves(shape):
    """A map whose left half is red and the right black."""
    color_map = np.zeros((*shape, 3), np.uint8)
    color_map[:, : shape[1] // 2] = RED
    return color_map


@pytest.fixture
def maps(photo, coffee):
    return halves(photo.shape[:2]), halves(coffee.shape[:2])


@pytest.fixture
def run(options):
    def run(*pictures, **others):
        return painted(sk.recipes.photoreal, *pictures, **(options | others))

    return run


def test_it_is_the_recipe_of_regions_and_the_matting_term(photo, coffee, maps):
    made = sk.recipes.photoreal(photo, coffee, *maps, size=None, strength=0.25, smoothness=2)
    plain = sk.recipes.regions(
        photo, maps[0], coffee, maps[1], size=None, strength=0.25, style_loss="gram"
    )
    *others, matting = made.losses.values()
    assert [repr(loss) for loss in others] == [repr(loss) for loss in plain.losses.values()]
    assert type(matting) is sk.MattingLaplacianLoss
    assert (matting.weight, matting.epsilon) == (MATTING * 0.25 * 2, RIDGE)
    assert "matting_laplacian: MattingLaplacianLoss, weight 1500 x network" in repr(made)


def test_without_maps_the_style_goes_everywhere(photo, coffee):
    made = sk.recipes.photoreal(photo, coffee, size=None)
    assert list(made.losses)[:2] == ["content", "gram_style"]
    assert made.update_mask is None
    made = sk.recipes.photoreal(photo, coffee, size=None, smoothness=0, style_loss="neighbors")
    assert list(made.losses)[:2] == ["content", "neighbor_style"]
    assert "matting_laplacian" not in made.losses


@pytest.mark.slow
def test_texture_is_kept_out(run, photo, coffee, maps):
    matting = sk.MattingLaplacianLoss(photo, epsilon=1e-3)
    how = {"strength": 0.95, "steps": 12}

    def left(image):
        targets = matting.prepare(sk.losses.Canvas(sk.CompactVGG(), photo.shape[:2]))
        return float(matting.compute(image[None], {}, targets)[0])

    painting, photograph = (
        run(photo, coffee, *maps, smoothness=smoothness, **how).image for smoothness in (0, 1)
    )
    assert left(photograph) < 0.5 * left(painting)
    assert np.abs(photograph - photo).mean() > 0.02


@pytest.mark.slow
def test_restored_gradients(run, photo, coffee, maps):
    how = {"steps": 2, "colors": ["red"]}
    plain, restored = (run(photo, coffee, *maps, restore=r, **how) for r in (False, True))
    for name in ("image", "best"):
        image, expected = (getattr(result, name) for result in (restored, plain))
        expected = blend.screened_poisson(photo, expected)
        np.testing.assert_array_equal(image[:, :16], expected[:, :16])
        np.testing.assert_array_equal(image[:, 16:], photo[:, 16:])  # a region that is kept


def test_it_starts_in_the_colours_of_each_region(photo, coffee, maps):
    recipe = sk.recipes.photoreal(photo, coffee, *maps, size=None, colors=["red"])
    left = np.s_[:, : photo.shape[1] // 2]
    expected = coffee[:, : coffee.shape[1] // 2].mean(axis=(0, 1))
    np.testing.assert_allclose(recipe.start[left].mean(axis=(0, 1)), expected, atol=0.05)
    right = np.s_[:, photo.shape[1] // 2 :]
    np.testing.assert_array_equal(recipe.start[right], photo[right])  # a region that is kept

    half = sk.recipes.photoreal(photo, coffee, size=None, strength=0.25).start
    whole = sk.recipes.photoreal(photo, coffee, size=None, strength=1).start
    np.testing.assert_allclose(half, (photo + whole) / 2, atol=1e-6)
    several = sk.recipes.photoreal(photo, [coffee, photo], size=None).start
    np.testing.assert_allclose(several, (photo + whole) / 2, atol=0.01)
    kept = sk.recipes.photoreal(photo, coffee, size=None, keep_colors="luminance")
    np.testing.assert_array_equal(kept.start, photo)


def test_no_strength_returns_the_content(run, photo, coffee):
    result = run(photo, coffee, strength=0, restore=True)
    np.testing.assert_array_equal(result.image, photo)


def test_refusals(photo, coffee, maps):
    with pytest.raises(InputTypeError, match=r"`style_map` is missing\. Give both maps"):
        sk.recipes.photoreal(photo, coffee, maps[0])
    with pytest.raises(InputTypeError, match="photoreal has no option 'merge'"):
        sk.recipes.photoreal(photo, coffee, merge=["red"])
    with pytest.raises(InputTypeError, match=r"no option 'smothness'.* Did you mean smoothness"):
        sk.recipes.photoreal(photo, coffee, smothness=1)
    with pytest.raises(InputError, match="smoothness is out of range"):
        sk.recipes.photoreal(photo, coffee, smoothness=-1)
