import pytest

from stylekit.recipes import presets

pytestmark = pytest.mark.slow  # steps of whole recipes


def test_li_wand2016(photo, painting, golden):
    recipe = presets.li_wand2016(photo, painting, size=64)
    losses = recipe.losses
    assert losses["patch_style"].layers == ("block3_conv1", "block4_conv1")
    assert losses["patch_style"].weight == 2e-4
    assert losses["content"].layers == ("conv4_2",)
    assert losses["content"].weight == 20
    assert losses["total_variation"].weight == 1e-3 * 255**2 * photo.size / 2
    golden(
        recipe,
        steps=300,
        optimizer="LBFGS(history=25, first_step=0.02, max_step=0.03)",
        levels=[64],
        losses={"content": 0, "patch_style": 12480, "total_variation": 0.0259433},
        total=1492.98,
        pyramid=1,  # at 16 pixels the layers have no patch
    )


def test_li_wand2016_takes_a_hundred_steps_at_three_sizes(photo, painting):
    pyramid = presets.li_wand2016(photo, painting, size=64)._levels(384)
    assert pyramid.levels((288, 384), 300) == [
        ((72, 96), 100),
        ((144, 192), 100),
        ((288, 384), 100),
    ]
