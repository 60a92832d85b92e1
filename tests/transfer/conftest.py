import numpy as np
import pytest
from skimage import data, transform

import stylekit as sk
from stylekit.transfer.memory import plan

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


@pytest.fixture(scope="module")
def compact():
    return sk.CompactVGG()


@pytest.fixture
def compact_terms(photo, style, compact):
    return [
        sk.ContentLoss(photo, layers=compact.content_layers),
        sk.GramStyleLoss(style, layers=compact.style_layers),
        sk.TotalVariationLoss(),
    ]


@pytest.fixture
def small_tiles(monkeypatch):
    """Let `Recompute` take pictures as small as the tests' in several tiles."""
    monkeypatch.setattr(plan, "TILE", 16)
