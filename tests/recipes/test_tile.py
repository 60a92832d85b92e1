"""Pictures whose copies fit without a seam."""

import numpy as np
import pytest
from painted import painted
from skimage import data

import stylekit as sk
from stylekit._checks import InputError
from stylekit.metrics import tile_seam

LAYERS = ("block1_conv1", "block2_conv1")


@pytest.fixture(scope="module")
def gravel():
    return sk.image.as_image(data.gravel()[:80, :80], size=64)


@pytest.fixture(scope="module")
def compact():
    return sk.CompactVGG()


@pytest.fixture
def quick(compact, optimizer, plan):
    def run(recipe, *pictures, **options):
        defaults = {"size": (32, 48), "steps": 12, "style_layers": LAYERS, "extractor": compact}
        defaults |= {"optimizer": optimizer, "plan": plan}
        return painted(recipe, *pictures, **defaults | options)

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("style_loss", "tile"), [("gram", "x"), ("gram", "y"), ("neighbors", "both")]
)
def test_a_texture(style_loss, tile, quick, gravel):
    result = quick(sk.recipes.texture, gravel, style_loss=style_loss, tile=tile)
    assert result.manifest["tile"] == tile
    for axis in ("x", "y"):
        assert (tile_seam(result.image, axis) < 1.4) == (tile in (axis, "both"))


@pytest.mark.parametrize("keep_colors", [None, "luminance", "palette"])
def test_a_painting_of_a_photograph_that_does_not_tile(keep_colors, quick, photo, coffee):
    photo = sk.image.resize(photo, (32, 48))
    how = {"size": None, "style_loss": "gram", "steps": 6, "keep_colors": keep_colors}
    how |= {"content_layers": LAYERS[1:], "pyramid": 1}
    assert tile_seam(photo) > 4
    assert tile_seam(quick(sk.recipes.basic, photo, coffee, **how, tile="both").image) < 1.5


def test_what_is_kept_of_the_photograph_fits_too(quick, photo, coffee):
    photo = sk.image.resize(photo, (32, 48))
    subject = np.zeros((32, 48), np.float32)
    subject[:, :20] = subject[:8] = 1
    how = {"size": None, "style_loss": "gram", "steps": 2, "content_layers": LAYERS[1:]}
    how |= {"subject": subject, "method": "superimpose", "pyramid": 1}
    result = quick(sk.recipes.localized, photo, coffee, **how, tile="both")
    kept = subject == 1
    kept[:, [0, 18, 19, 20]] = kept[[0, 6, 7]] = False  # where a blend puts the edge
    expected = sk.image.periodic(photo)
    np.testing.assert_allclose(result.image[kept], expected[kept], atol=1e-6)
    assert np.abs(expected - photo).max() > 0.05


@pytest.mark.slow
def test_coarse_levels_have_whole_cells_and_tile(quick, gravel):
    how = {"size": (36, 104), "pyramid": 3, "callbacks": [lambda step: step.index == 3]}
    result = quick(sk.recipes.texture, gravel, **how, tile="y")
    # A quarter of the size is 9 x 26, where 9 is no multiple of the stride.
    sizes = [one["size"] for one in result.manifest["levels"]]
    assert sizes == [[8, 26], [18, 52], [36, 104]]
    assert result.levels[-1] == 0
    assert tile_seam(result.image, "y") < 1.4
    assert tile_seam(result.image, "x") > 1.4


def test_a_size_of_no_whole_cells_is_refused(quick, gravel):
    with pytest.raises(
        InputError,
        match=r"must have a height that is a multiple of 2 pixels.*32 or 34, received 33",
    ):
        quick(sk.recipes.texture, gravel, size=(33, 48), tile="both")


def test_an_axis_that_there_is_not(quick, gravel):
    with pytest.raises(InputError, match="tile is unknown") as caught:
        quick(sk.recipes.texture, gravel, tile="z")
    assert caught.value.argument == "tile"
