import keras
import pytest

import stylekit as sk
from stylekit._checks import InputError
from stylekit.recipes import presets

LAYERS = {"style_layers": ["conv1_1", "conv2_1"], "content_layers": "conv3_1"}
LBFGS = "LBFGS(history=10, first_step=0.02, max_step=0.03)"


def test_gatys2016(photo, painting, golden, compact):
    recipe = presets.gatys2016(photo, painting, size=64, **LAYERS)
    assert recipe.extractor.pooling == "average"
    assert {name: loss.weight for name, loss in recipe.losses.items()} == {
        "content_conv3_1": 1e-3,
        "style_conv1_1": 1,
        "style_conv2_1": 1,
    }
    golden(
        recipe,
        steps=500,
        optimizer=LBFGS,
        levels=[64],
        losses={"content_conv3_1": 2.00315, "style_conv1_1": 0.67857, "style_conv2_1": 0.447683},
        total=3.71953,
    )


def test_gatys2016_weighs_the_layers_of_the_paper_by_a_fifth(photo, painting):
    losses = presets.gatys2016(photo, painting, size=64).losses
    assert [name for name in losses if name.startswith("style")] == [
        f"style_conv{block}_1" for block in range(1, 6)
    ]
    assert losses["style_conv5_1"].weight == 0.2
    assert losses["content_conv4_2"].layers == ("conv4_2",)


def test_gatys2016_does_not_depend_on_the_scale_of_the_features(photo, painting, compact):
    recipe = presets.gatys2016(photo, painting, size=64, **LAYERS)

    class Louder(sk.CompactVGG):
        def model(self, layers, dtype="float32"):
            inner = compact.model(layers, dtype)
            outputs = {name: 3.0 * output for name, output in inner.output.items()}
            return keras.Model(inner.input, outputs)

    totals = [recipe.run(0, extractor=one).losses[0]["total"] for one in (compact, Louder())]
    assert totals[0] == pytest.approx(totals[1], rel=1e-4)


def test_layers_that_the_network_lacks(photo, painting, compact):
    with pytest.raises(InputError, match=r"no layer 'conv5_2'.*block5_conv1 for conv5_2") as caught:
        presets.gatys2016(photo, painting, size=64, style_layers=["conv1_1", "conv5_2"]).run(
            3, extractor=compact
        )
    assert caught.value.argument == "style_layers"
