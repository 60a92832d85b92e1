import keras
import numpy as np
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
        "style_conv1_1": 0.5,
        "style_conv2_1": 0.5,
    }
    golden(
        recipe,
        steps=500,
        optimizer=LBFGS,
        levels=[64],
        losses={"content_conv3_1": 2.00315, "style_conv1_1": 0.67857, "style_conv2_1": 0.447683},
        total=1.86079,
    )


def test_gatys2016_weighs_the_layers_of_the_paper_by_a_fifth(photo, painting):
    losses = presets.gatys2016(photo, painting, size=64).losses
    assert [name for name in losses if name.startswith("style")] == [
        f"style_conv{block}_1" for block in range(1, 6)
    ]
    assert losses["style_conv5_1"].weight == 0.2
    assert losses["content_conv4_2"].layers == ("conv4_2",)


@pytest.mark.slow
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


@pytest.mark.slow
def test_gatys2017(photo, painting, golden):
    recipe = presets.gatys2017(photo, painting, size=64, **LAYERS)
    golden(
        recipe,
        steps=700,
        optimizer=LBFGS,
        levels=[64],
        losses={"content": 0, "gram_style": 3.31111e-4},
        total=0.210341,
        pyramid=1,  # its sizes are below
    )


def test_gatys2017_paints_at_half_the_size_first(photo, painting, compact):
    recipe = presets.gatys2017(photo, painting, size=64, **LAYERS)
    manifest = recipe.run(extractor=compact, callbacks=[lambda step: True]).manifest
    assert [(max(level["size"]), level["steps"]) for level in manifest["levels"]] == [
        (32, 500),
        (64, 200),
    ]
    weights = {name: loss.weight for name, loss in recipe.losses.items()}
    assert weights == {"content": 1, "gram_style": 2e3}  # 1e3 a layer
    assert presets.gatys2017(photo, painting, size=64).losses["gram_style"].weight == 5e3


def test_gatys2017_keeps_colours(photo, painting, compact):
    grey = np.repeat(photo.mean(axis=-1, keepdims=True), 3, axis=-1)
    adam = keras.optimizers.Adam(0.05)
    chroma = {}
    for way in (None, "match", "luminance"):
        recipe = presets.gatys2017(grey, painting, size=64, keep_colors=way, **LAYERS)
        image = recipe.run(2, extractor=compact, pyramid=1, optimizer=adam).image
        chroma[way] = np.ptp(image, axis=-1).mean()
    assert chroma["luminance"] < 1e-6
    assert chroma["match"] < 0.8 * chroma[None]
    with pytest.raises(InputError, match="keep_colors is unknown"):
        presets.gatys2017(grey, painting, keep_colors="palette")
