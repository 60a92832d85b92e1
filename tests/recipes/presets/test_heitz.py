import numpy as np
import pytest

from stylekit.recipes import presets

pytestmark = pytest.mark.slow  # steps of whole recipes

LAYERS = ["conv1_1", "conv2_1"]


def test_heitz2021(painting, golden):
    recipe = presets.heitz2021(painting, style_layers=LAYERS)
    assert recipe.losses["sliced_wasserstein"].weight == len(LAYERS)
    assert recipe.extractor.pooling == "average"
    result = golden(
        recipe,
        steps=64 * 64,
        optimizer="LBFGS(history=10, first_step=0.02, max_step=0.03)",
        levels=[64] * 64,
        losses={"sliced_wasserstein": 0.573232},
        total=0.12251,
    )
    assert result.manifest["start"].startswith("Noise(0.01, color=(0.62")


def test_heitz2021_enlarges_a_texture(painting, compact):
    recipe = presets.heitz2021(painting, scaling_factor=1.5, style_layers="conv1_1")
    start = recipe.run(0, extractor=compact).image
    assert start.shape == (72, 96, 3)
    np.testing.assert_allclose(start.mean((0, 1)), painting.mean((0, 1)), atol=1e-3)


def test_heitz2021_reads_every_convolution_of_four_blocks(painting):
    layers = presets.heitz2021(painting).losses["sliced_wasserstein"].layers
    assert len(layers) == 12
    assert layers[0] == "conv1_1"
    assert layers[-1] == "conv4_4"
