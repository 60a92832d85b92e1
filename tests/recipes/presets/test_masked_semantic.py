import numpy as np
import pytest

from stylekit.recipes import presets

pytestmark = pytest.mark.slow  # steps of whole recipes

LAYERS = {"style_layers": ["conv1_1", "conv2_1"], "content_layers": "conv3_1"}


@pytest.fixture
def mask(photo):
    values = np.zeros(photo.shape[:2], "float32")
    values[8:40, 16:48] = 1
    return values


def test_masked_semantic(photo, painting, mask, golden):
    recipe = presets.masked_semantic(photo, painting, mask, size=64, keep="background", **LAYERS)
    weights = {name: loss.weight for name, loss in recipe.losses.items()}
    assert weights == pytest.approx(
        {
            "content": 5,
            "masked_gram_style": 100 * 2,  # the sum over two layers
            "total_variation": 1e-3 * 255 * photo.size,
        }
    )
    result = golden(
        recipe,
        steps=1000,
        optimizer="LBFGS(history=10, first_step=0.02, max_step=0.03)",
        levels=[64],
        losses={
            "content": 0,
            "masked_gram_style": 0.000139753,
            "total_variation": 0.130836,
        },
        total=247.154,
    )
    assert result.manifest["localized"]["blend"] == "seam"
    np.testing.assert_array_equal(result.image[:, :12], photo[:, :12])
    assert np.abs(result.image - photo)[16:32, 24:40].max() > 0.01
