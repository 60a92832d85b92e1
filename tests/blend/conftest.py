import numpy as np
import pytest


@pytest.fixture
def photo(rng):
    return rng.random((48, 64, 3), dtype=np.float32)


@pytest.fixture
def stylised(rng):
    return rng.random((48, 64, 3), dtype=np.float32)


@pytest.fixture
def disc():
    rows, columns = np.ogrid[:48, :64]
    return (np.hypot(rows - 24, columns - 30) < 14).astype(np.float32)
