import numpy as np
import pytest

from stylekit.recipes import presets

pytestmark = pytest.mark.slow  # steps of whole recipes

LAYERS = {"style_layers": {"conv1_1": 4, "conv2_1": 1}, "content_layers": "conv3_1"}


def test_crowsonkb(photo, painting, golden):
    recipe = presets.crowsonkb(photo, painting, size=64, min_scale=45, **LAYERS)
    golden(
        recipe,
        steps=1500,
        optimizer="Adam(learning_rate=0.02)",
        levels=[45, 64],
        losses={"content": 0, "wasserstein_style": 0.288932, "total_variation": 0.0385573},
        total=0.185966,
    )
    config = recipe.optimizer.get_config()
    assert (config["beta_1"], config["beta_2"]) == (0.9, 0.99)


def test_crowsonkb_takes_the_steps_of_each_size(photo, painting, compact):
    recipe = presets.crowsonkb(photo, painting, size=64, min_scale=32, **LAYERS)
    manifest = recipe.run(extractor=compact, callbacks=[lambda step: True]).manifest
    assert [(max(level["size"]), level["steps"]) for level in manifest["levels"]] == [
        (32, 1000),
        (45, 500),
        (64, 500),
    ]
    assert presets.crowsonkb(photo, painting, size=64).steps == 1000  # below 128: one size


def test_crowsonkb_weighs_the_layers_of_the_program(photo, painting):
    style = presets.crowsonkb(photo, painting, size=64).losses["wasserstein_style"]
    assert dict(zip(style.layers, style.layer_weights, strict=True)) == {
        "conv1_1": 256,
        "conv2_1": 64,
        "conv3_1": 16,
        "conv4_1": 4,
        "conv5_1": 1,
    }


def test_crowsonkb_does_not_enlarge_a_style(photo, painting):
    small = painting[:24, :32]
    sizes = [
        presets.crowsonkb(photo, style, size=64, style_scale=scale).styles[0].shape[1]
        for style, scale in ((small, 1.0), (painting, 1.0), (painting, 0.5))
    ]
    assert sizes == [32, 64, 32]


def test_the_variation_of_a_slope_is_the_programs(photo, painting):
    slope = np.broadcast_to(np.linspace(0, 0.5, 64, dtype="f")[None, :, None], (48, 64, 3))
    loss = presets.crowsonkb(photo, painting, size=64).losses["total_variation"]
    value = loss.weight * float(loss.compute(slope[None], {}, None)[0])

    def mean_square(dy, dx):  # the image's border is repeated, as in the program
        padded = np.pad(slope, ((1, 1), (1, 1), (0, 0)), mode="edge")
        moved = np.roll(padded, (-dy, -dx), axis=(0, 1))
        return ((moved - padded)[1:-1, 1:-1] ** 2).mean()

    sides = (mean_square(0, 1) + mean_square(1, 0)) / 3
    diagonals = (mean_square(1, 1) + mean_square(1, -1)) / 12
    assert value == pytest.approx(2 * 2 * (sides + diagonals), rel=0.02)
