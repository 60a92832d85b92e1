import numpy as np
import pytest

from stylekit.recipes import presets
from stylekit.recipes.presets._shared import MEAN_COLOR

LAYERS = {"style_layers": ["conv1_1", "conv2_1"], "content_layers": "conv3_1"}
LBFGS = "LBFGS(history=10, first_step=0.02, max_step=0.03)"


def test_neural_style_pt(photo, painting, golden, compact):
    recipe = presets.neural_style_pt(photo, painting, size=64, **LAYERS)
    golden(
        recipe,
        steps=1000,
        optimizer=LBFGS,
        levels=[64],
        losses={"content": 0, "gram_style": 3.31111e-4, "total_variation": 0.130836},
        total=247.440,
        start=f"Noise({0.001 / 255}, color={MEAN_COLOR})",
        initial=photo,  # near the noise a step turns on the last bits
    )


def test_neural_style_pt_is_the_programs_sum(photo, painting, compact):
    """The total at the content, by the program's own formulas."""
    recipe = presets.neural_style_pt(photo, painting, size=64, **LAYERS)
    network = compact.network(LAYERS["style_layers"])
    features = [network(one[None]) for one in (photo, painting)]
    style = 0.0
    for layer in ("block1_conv1", "block2_conv1"):
        flat = [np.reshape(one[layer], (-1, one[layer].shape[-1])) for one in features]
        image, target = (one.T @ one / one.size for one in flat)
        style += 100 * np.mean((image - target) ** 2)
    pixels = 255 * photo
    variation = np.abs(np.diff(pixels, axis=0)).sum() + np.abs(np.diff(pixels, axis=1)).sum()
    total = recipe.run(0, extractor=compact, initial=photo).losses[0]["total"]
    assert total == pytest.approx(style + 1e-3 * variation, rel=2e-3)
