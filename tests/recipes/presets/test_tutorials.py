import numpy as np
import pytest

from stylekit._checks import InputError
from stylekit.recipes import presets

pytestmark = pytest.mark.slow  # steps of whole recipes

STYLE, CONTENT = ("block1_conv1", "block2_conv1"), "block3_conv1"
LAYERS = {"style_layers": STYLE, "content_layers": CONTENT}


@pytest.fixture(scope="module")
def maps(compact, photo, painting):
    """Features ``[h, w, C]`` by layer: those of the photo turned upside down, photo and style."""
    network = compact.network([*STYLE, CONTENT])
    pictures = {"image": photo[::-1], "content": photo, "style": painting}
    return {
        name: {layer: np.float64(one[0]) for layer, one in network(picture[None]).items()}
        for name, picture in pictures.items()
    }


def grams(maps, layer):
    flat = (
        maps[name][layer].reshape(-1, maps[name][layer].shape[-1]) for name in ("image", "style")
    )
    return [one.T @ one for one in flat]


def total(recipe, photo, compact):
    return recipe.run(0, extractor=compact, initial=photo[::-1]).losses[0]["total"]


def test_keras_example(photo, painting, golden):
    recipe = presets.keras_example(photo, painting, size=64, style_weight=1.0, **LAYERS)
    golden(
        recipe,
        steps=4000,
        optimizer="SGD(learning_rate=ExponentialDecay)",
        levels=[64],
        losses={
            "content": 0,
            "total_variation": 0.0146291,
            "style_block1_conv1": 5.26977,
            "style_block2_conv1": 13.3322,
        },
        total=142.978,
    )


def test_keras_examples_total_is_the_examples(photo, painting, compact, maps):
    """By the formulas of the example, for an image that is neither content nor style."""
    recipe = presets.keras_example(
        photo,
        painting,
        size=64,
        style_weight=1e2,
        content_weight=1e-2,
        style_layers=STYLE,
        content_layers=CONTENT,
    )
    size = photo.shape[0] * photo.shape[1]
    expected = 1e-2 * ((maps["image"][CONTENT] - maps["content"][CONTENT]) ** 2).sum()
    for layer in STYLE:
        image, style = grams(maps, layer)
        expected += 1e2 / 2 * ((image - style) ** 2).sum() / (4.0 * 3**2 * size**2)
    pixels = 255.0 * photo[::-1]
    down = (pixels[:-1, :-1] - pixels[1:, :-1]) ** 2
    right = (pixels[:-1, :-1] - pixels[:-1, 1:]) ** 2
    variation = 1e-6 * ((down + right) ** 1.25).sum()
    # Ours has a difference more in each row and column.
    assert 0.5 * variation < expected
    assert total(recipe, photo, compact) == pytest.approx(expected + variation, rel=0.01)


def test_keras_examples_sizes(photo, painting):
    wide = np.tile(photo, (1, 2, 1))
    assert presets.keras_example(wide, painting).shape == (400, 1067)
    tall = np.tile(photo, (3, 1, 1))
    recipe = presets.keras_example(tall, painting)
    assert recipe.shape == (400, 178)
    assert recipe.styles[0].shape == (400, 178, 3)


def test_keras_examples_step_is_the_examples(photo, painting, compact):
    """One step moves the pixels, in 0-255, by the example's rate times its slope."""
    recipe = presets.keras_example(photo, painting, size=64, **LAYERS)
    for name in [name for name in recipe.losses if name != "total_variation"]:
        recipe.remove(name)
    image = 255.0 * recipe.run(1, extractor=compact).image
    pixels = 255.0 * photo
    base = np.pad(pixels, ((0, 1), (0, 1), (0, 0)), mode="edge")
    down, right = base[1:, :-1] - pixels, base[:-1, 1:] - pixels
    outer = 1.25e-6 * (down**2 + right**2) ** 0.25
    slope = -2 * outer * (down + right)
    slope[1:] += (2 * outer * down)[:-1]
    slope[:, 1:] += (2 * outer * right)[:, :-1]
    changed = np.abs(slope) > 1e-3 * np.abs(slope).max()
    inside = (image > 0) & (image < 255) & changed
    assert inside.mean() > 0.5
    moved = (image - pixels)[inside]
    rate = 100 * (48 / 400) ** 2
    np.testing.assert_allclose(moved, -rate * slope[inside], rtol=0.02, atol=1e-4)


def test_tensorflow_tutorial(photo, painting, golden):
    recipe = presets.tensorflow_tutorial(photo, painting, size=64, **LAYERS)
    golden(
        recipe,
        steps=1000,
        optimizer="Adam(learning_rate=0.02)",
        levels=[64],
        losses={"content": 0, "gram_style": 0.268838, "total_variation": 0.130836},
        total=29796.7,
    )


def test_tensorflow_tutorials_total_is_the_tutorials(photo, painting, compact, maps):
    recipe = presets.tensorflow_tutorial(
        photo,
        painting,
        size=64,
        style_weight=1e3,
        content_weight=1e3,
        total_variation_weight=0.3,
        **LAYERS,
    )
    expected = 1e3 * ((maps["image"][CONTENT] - maps["content"][CONTENT]) ** 2).mean()
    for layer in STYLE:
        cells = maps["image"][layer][..., 0].size
        image, style = grams(maps, layer)
        expected += 1e3 / 2 * ((image / cells - style / cells) ** 2).mean()
    variation = 0.3 * sum(np.abs(np.diff(photo, axis=axis)).sum() for axis in (0, 1))
    assert total(recipe, photo, compact) == pytest.approx(expected + variation, rel=5e-3)


def test_realtime_tutorial(photo, painting, golden):
    # The gradient of VGG19 is that much larger than the compact network's beside epsilon.
    weights = {"style_weight": 1e6, "content_weight": 1e5}
    recipe = presets.realtime_tutorial(photo, painting, size=64, **weights, **LAYERS)
    golden(
        recipe,
        steps=1000,
        optimizer="Adam(learning_rate=0.0196078)",
        levels=[64],
        losses={"content": 0, "gram_style": 0.268838},
        total=161531,
    )
    config = recipe.optimizer.get_config()
    assert (config["beta_1"], config["epsilon"]) == (0.99, 25.5)
    own = presets.realtime_tutorial(photo, painting, size=64).losses
    assert (own["content"].weight, own["gram_style"].weight) == (1e3, 1e-2)


@pytest.mark.parametrize(
    "preset", [presets.keras_example, presets.tensorflow_tutorial, presets.realtime_tutorial]
)
def test_a_layer_that_the_bundled_network_lacks(preset, photo, painting, compact):
    with pytest.raises(InputError, match="block5_conv1 for block5_conv2") as caught:
        preset(photo, painting, size=64).run(1, extractor=compact)
    assert caught.value.argument == "content_layers"
