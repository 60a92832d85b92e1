import numpy as np
import pytest
from uploading import SMALL

import stylekit as sk
from stylekit.app.answers import Answers


@pytest.fixture(scope="session")
def networks():
    return {"compact": sk.CompactVGG()}


@pytest.fixture
def answers(networks):
    return Answers(networks, SMALL)


@pytest.fixture
def photo(rng):
    """A bright disc on dark ground, which is easily told from it."""
    rows, columns = np.mgrid[:48, :64]
    disc = (rows - 24) ** 2 + (columns - 32) ** 2 < 14**2
    picture = np.where(disc[..., None], [0.9, 0.6, 0.1], [0.1, 0.2, 0.4])
    return np.float32(np.clip(picture + 0.02 * rng.normal(size=picture.shape), 0, 1))
