import numpy as np
import pytest

from stylekit.losses.relaxed_transport import SCALE
from stylekit.recipes import presets

pytestmark = pytest.mark.slow  # steps of whole recipes

LAYERS = ["conv1_1", "conv2_1"]


def test_kolkin2019(photo, painting, golden):
    recipe = presets.kolkin2019(
        photo, painting, size=64, style_layers=LAYERS, content_layers=LAYERS
    )
    # Equation 1, with an alpha of 16.
    divisor = 2 + 16 + 1 / 16
    assert recipe.losses["content"].weight == pytest.approx(16 / divisor)
    assert recipe.losses["relaxed_transport"].palette == 1 / 16
    weight = recipe.losses["relaxed_transport"].weight
    assert weight == pytest.approx((2 + 1 / 16) / divisor / SCALE)
    assert recipe.optimizer.get_config()["rho"] == 0.99
    assert recipe.parameters.levels == 6
    golden(
        recipe,
        steps=200,
        optimizer="RMSprop(learning_rate=0.002)",
        levels=[64],
        losses={"content": 0.528339, "relaxed_transport": 0.0845481},
        total=0.330947,
    )


def test_kolkin2019_halves_alpha_as_the_size_is_doubled(photo, painting):
    options = {"size": 128, "style_scale": 0.5, "content_weight": 0.5}
    losses = presets.kolkin2019(photo, painting, **options).losses
    assert losses["content"].coarse_exponent == 1
    assert losses["relaxed_transport"].palette == 1 / 4


def test_kolkin2019_starts_from_the_finest_band_and_the_mean_colour(photo, painting, compact):
    recipe = presets.kolkin2019(
        photo, painting, size=64, style_layers="conv1_1", content_layers="conv1_1"
    )
    start = recipe.run(0, extractor=compact).image
    np.testing.assert_allclose(start.mean((0, 1)), painting.mean((0, 1)), atol=0.01)
    assert (start.std((0, 1)) < photo.std((0, 1)) / 2).all()
    assert start.std((0, 1)).min() > 0.01


def test_kolkin2022(photo, painting, golden):
    recipe = presets.kolkin2022(photo, painting, size=64, style_layers=LAYERS)
    style = recipe.losses["neighbor_style"]
    assert (style.alpha, style.distance, style.turned) == (0.25, "cosine", True)
    assert recipe.optimizer.get_config()["epsilon"] == 1e-8
    assert recipe.parameters.levels == 9
    result = golden(
        recipe,
        steps=400,
        optimizer="Adam(learning_rate=0.002)",
        levels=[64] * 5,
        losses={"neighbor_style": 0.25392, "content": 0.587994},
        total=0.0715542,
    )
    assert result.manifest["start"] == "Mix(share=0.0)"
    assert result.manifest["keep_colors"] == "palette"


def test_kolkin2022_starts_without_the_three_finest_bands(photo, painting, compact):
    recipe = presets.kolkin2022(photo, painting, size=64, style_layers="conv1_1", colorize=False)
    start = recipe.run(0, extractor=compact).image
    means = [one.reshape(3, 16, 4, 16, 3).mean((1, 3)) for one in (start, photo)]
    np.testing.assert_allclose(*means, atol=0.12)
    steps = [np.abs(np.diff(one, axis=1)).mean() for one in (start, photo)]
    assert steps[0] < steps[1] / 2


@pytest.mark.parametrize(
    ("preset", "sizes"),
    [
        (presets.kolkin2019, [64, 128, 256, 512]),
        (presets.kolkin2022, [64, 128, 256, 512] + 4 * [512]),
    ],
)
def test_each_size_takes_two_hundred_steps(preset, sizes, photo, painting):
    pyramid = preset(photo, painting, size=64)._levels(512)
    levels = pyramid.levels((384, 512), 200 * (4 + (len(sizes) > 4)))
    assert [shape[1] for shape, _ in levels] == sizes
    assert [count for _, count in levels] == 4 * [200] + (len(sizes) - 4) * [50]
