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
def style():
    return np.float32(transform.resize(data.coffee(), (28, 20), anti_aliasing=True))
