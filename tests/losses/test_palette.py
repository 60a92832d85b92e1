import numpy as np
import pytest
from skimage import data, transform

import stylekit as sk
from stylekit.image import picture_hash
from stylekit.losses import Canvas, PaletteLoss

SHAPE, STYLE_SHAPE = (32, 48), (40, 36)


@pytest.fixture(scope="module")
def vgg():
    return sk.VGG19(weights=None)


@pytest.fixture(scope="module")
def style():
    """Dark above and light below, with a texture."""
    picture = np.float32(transform.resize(data.coffee(), STYLE_SHAPE, anti_aliasing=True))
    picture[:20] *= 0.3
    picture[20:] = 0.6 + 0.4 * picture[20:]
    return picture


@pytest.fixture
def regions():
    masks = [np.zeros(SHAPE, "float32") for _ in range(2)]
    sources = [np.zeros(STYLE_SHAPE, "float32") for _ in range(2)]
    masks[0][:16], masks[1][16:] = 1, 1
    sources[0][20:], sources[1][:20] = 1, 1
    return list(zip(masks, sources, strict=True))


def value_of(term, image, vgg):
    targets = term.prepare(Canvas(vgg, SHAPE))
    return np.array(term.compute(image, {}, targets))


def test_equals_the_formula(style, regions, vgg, rng):
    images = rng.random((2, *SHAPE, 3), dtype="float32")
    regions = [(style, *pair) for pair in regions]
    expected = np.zeros(2)
    for _, mask, source in regions:
        target = style[source > 0].mean(axis=0)
        means = np.array([image[mask > 0].mean(axis=0) for image in images])
        energy = max(np.sum(target**2), 0.3)
        expected += 0.5 * np.sum((means - target) ** 2, axis=1) / energy
    value = value_of(PaletteLoss(regions), images, vgg)
    np.testing.assert_allclose(value, expected, rtol=1e-4)


def test_is_zero_where_the_means_agree(style, regions, vgg):
    image = np.empty((1, *SHAPE, 3), "float32")
    image[:, :16], image[:, 16:] = style[20:].mean((0, 1)), style[:20].mean((0, 1))
    regions = [(style, *pair) for pair in regions]
    assert value_of(PaletteLoss(regions), image, vgg) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("level", [0.0, 0.02, 0.3])
def test_black_does_not_outweigh_all_else(level, regions, vgg):
    """White where all is to be dark costs no more than ten, whatever the dark."""
    style = np.full((*STYLE_SHAPE, 3), level, "float32")
    white = np.ones((1, *SHAPE, 3), "float32")
    value = value_of(PaletteLoss([(style, *pair) for pair in regions]), white, vgg)
    assert value == pytest.approx((1 - level) ** 2 / max(level**2, 0.1), rel=1e-4)
    assert value <= 10.001


def test_its_configuration(style, regions):
    config = PaletteLoss([(style, *pair) for pair in regions], weight=2).get_config()
    assert config["masks"] == [picture_hash(mask) for mask, _ in regions]
    assert config["weight"] == 2
    np.testing.assert_allclose(config["colors"][0], style[20:].mean((0, 1)), rtol=1e-5)
