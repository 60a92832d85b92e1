import numpy as np
import pytest
from skimage import data, transform

import stylekit as sk

SHAPE = (24, 32)


@pytest.fixture(scope="module")
def vgg():
    return sk.VGG19(weights=None)


@pytest.fixture(scope="module")
def photo():
    return np.float32(transform.resize(data.astronaut(), SHAPE, anti_aliasing=True))


@pytest.fixture(scope="module")
def coffee():
    return np.float32(transform.resize(data.coffee(), (40, 50), anti_aliasing=True))


@pytest.fixture(scope="module")
def rocket():
    return np.float32(transform.resize(data.rocket(), (45, 30), anti_aliasing=True))


@pytest.fixture
def options(vgg):
    """Shallow layers of a random network, the content's own size, few steps."""
    return {
        "size": None,
        "steps": 6,
        "variation": 0,
        "extractor": vgg,
        "style_layers": ("block1_conv1", "block2_conv1"),
        "content_layers": ("block2_conv1",),
    }


@pytest.fixture
def left():
    mask = np.zeros(SHAPE, np.float32)
    mask[:, :16] = 1
    return mask
