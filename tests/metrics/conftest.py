import pytest

import stylekit as sk


@pytest.fixture(scope="session")
def network():
    return sk.CompactVGG()


@pytest.fixture(scope="session")
def pictures():
    """A photograph, and another one."""
    from skimage import data

    return [sk.image.as_image(one, size=64) for one in (data.astronaut(), data.coffee())]
