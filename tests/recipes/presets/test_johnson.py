import numpy as np
import pytest

from stylekit.recipes import presets
from stylekit.recipes.presets._shared import MEAN_COLOR

pytestmark = pytest.mark.slow  # steps of whole recipes

LAYERS = {"style_layers": ["conv1_1", "conv2_1"], "content_layers": "conv3_1"}
LBFGS = "LBFGS(history=10, first_step=0.02, max_step=0.03)"


def test_johnson2016_loss(photo, painting, golden):
    recipe = presets.johnson2016_loss(photo, painting, size=64, **LAYERS)
    golden(
        recipe,
        steps=500,
        optimizer=LBFGS,
        levels=[64],
        losses={"content": 0, "gram_style": 3.31111e-4, "total_variation": 0.0259433},
        total=2.09421,
        start=f"Noise({1 / 255}, color={MEAN_COLOR})",
        initial=photo,
    )


def test_johnson2016_loss_reads_the_layers_of_the_program(photo, painting):
    losses = presets.johnson2016_loss(photo, painting, size=64).losses
    assert losses["gram_style"].layers == ("conv1_2", "conv2_2", "conv3_3", "conv4_3")
    assert losses["content"].layers == ("conv3_3",)
    assert losses["gram_style"].weight == 20  # 5 a layer


def test_the_variation_is_half_the_squared_differences_of_8_bit_pixels(photo, painting):
    loss = presets.johnson2016_loss(photo, painting, size=64).losses["total_variation"]
    value = loss.weight * float(loss.compute(photo[None], {}, None)[0])
    squares = sum((np.diff(255 * photo, axis=axis) ** 2).sum() for axis in (0, 1))
    assert value == pytest.approx(1e-6 / 2 * squares, rel=1e-4)
