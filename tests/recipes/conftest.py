from types import MappingProxyType

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


@pytest.fixture(scope="session")
def optimizer():
    """L-BFGS that remembers little: of the default's ten pairs most of a short run's tracing is."""
    return sk.LBFGS(history=2)


@pytest.fixture(scope="module")
def plan():
    """One trace for all runs of a module that differ in pictures and weights alone."""
    return sk.Reuse()


@pytest.fixture(scope="module")
def options(vgg, optimizer, plan):
    """Gram matrices of shallow layers of a random network, the content's own size, few steps."""
    return MappingProxyType(
        {
            "size": None,
            "style_loss": "gram",
            "steps": 6,
            "variation": 0,
            "extractor": vgg,
            "plan": plan,
            "optimizer": optimizer,
            "style_layers": ("block1_conv1", "block2_conv1"),
            "content_layers": ("block2_conv1",),
        }
    )


@pytest.fixture(params=["gram", pytest.param("neighbors", marks=pytest.mark.slow)])
def either(request):
    """The option that chooses the style loss: a test that takes it holds for both."""
    return {"style_loss": request.param}


@pytest.fixture
def left():
    mask = np.zeros(SHAPE, np.float32)
    mask[:, :16] = 1
    return mask
