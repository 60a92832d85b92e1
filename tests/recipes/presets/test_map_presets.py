import numpy as np
import pytest

from stylekit._checks import InputError
from stylekit.recipes import presets

pytestmark = pytest.mark.slow  # steps of whole recipes

LAYERS = {"style_layers": ["conv1_1", "conv2_1"], "content_layers": "conv3_1"}
LBFGS = "LBFGS(history=10, first_step=0.02, max_step=0.03)"


@pytest.fixture
def maps(photo):
    """The left half is red, the right one blue."""
    colors = np.zeros_like(photo)
    colors[:, :32, 0] = colors[:, 32:, 2] = 1
    return colors


def test_luan2017(photo, painting, maps, golden):
    recipe = presets.luan2017(photo, maps, painting, maps, size=64, **LAYERS)
    weights = {name: loss.weight for name, loss in recipe.losses.items()}
    assert weights == pytest.approx(
        {
            "content": 5,
            "gradient_mask_style": 100 * 2,  # the sum over two layers
            "total_variation": 1e-3 * 255**2 * photo.size / 2,
            "matting_laplacian": 1e4 * 9 * photo.size,
        }
    )
    assert repr(recipe.start).startswith("Noise(3.92")  # 1e-4 of 255
    result = golden(
        recipe,
        steps=2000,
        optimizer=LBFGS,
        levels=[64],
        losses={
            "content": 2.60994,
            "gradient_mask_style": 0.000401257,
            "total_variation": 0.0259433,
            "matting_laplacian": 0.00450557,
        },
        total=413669,
        initial=photo[::-1],  # noise so faint has hardly a loss
    )
    assert len(result.manifest["regions"]) == 2


def test_region_scripts(photo, painting, maps, golden):
    recipe = presets.region_scripts(photo, maps, painting, maps, **LAYERS)
    weights = {name: loss.weight for name, loss in recipe.losses.items()}
    assert weights == {"content": 5, "gradient_mask_style": 25, "total_variation": 1}
    assert recipe.losses["total_variation"].exponent == 2.5
    golden(
        recipe,
        steps=200,
        optimizer=LBFGS,
        levels=[64],
        losses={"content": 0, "gradient_mask_style": 0.656154, "total_variation": 0.0146291},
        total=4.946,
    )


@pytest.mark.parametrize("preset", [presets.luan2017, presets.region_scripts])
def test_the_layers_of_the_programs(preset, photo, painting, maps):
    losses = preset(photo, maps, painting, maps, size=64).losses
    assert losses["content"].layers == ("conv4_2",)
    numbers = range(1, 6) if preset is presets.luan2017 else (2, 3)
    assert losses["gradient_mask_style"].layers == tuple(f"conv{n}_1" for n in numbers)


@pytest.mark.parametrize(
    "name", ["content_weight", "style_weight", "tv_weight", "matting_weight", "tolerance"]
)
def test_an_error_carries_the_argument(name, photo, painting, maps):
    with pytest.raises(InputError) as caught:
        presets.luan2017(photo, maps, painting, maps, size=64, **{name: -1})
    assert caught.value.argument == name
