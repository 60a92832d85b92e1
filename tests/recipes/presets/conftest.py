import numpy as np
import pytest
from skimage import data, transform

import stylekit as sk
from stylekit.transfer.optimizers import as_optimizer


@pytest.fixture(scope="session")
def photo():
    picture = transform.resize(data.astronaut()[:384], (48, 64), anti_aliasing=True)
    return np.float32(picture)


@pytest.fixture(scope="session")
def painting():
    return np.float32(transform.resize(data.coffee(), (48, 64), anti_aliasing=True))


@pytest.fixture(scope="session")
def compact():
    """The bundled network, of which each preset is given layers that it has."""
    return sk.CompactVGG()


@pytest.fixture
def golden(compact):
    """Hold the settings of a preset, and a short run of it, to what they were.

    The losses are those of the start, before weights; `total` is that of the image after three
    steps. `optimizer` and `start` are what the record of a run calls them. L-BFGS is given two
    pairs here: of its own ten most of a short run would be tracing.
    """

    def check(recipe, *, steps, optimizer, levels, losses, total, start=None, **how):
        assert recipe.steps == steps
        assert repr(as_optimizer(recipe.optimizer)) == optimizer
        if optimizer.startswith("LBFGS"):
            how["optimizer"] = sk.LBFGS(history=2)
        result = recipe.run(3, extractor=compact, **how)
        assert [max(level["size"]) for level in result.manifest["levels"]] == levels
        if start is not None:  # else the content
            assert recipe.run(0, extractor=compact).manifest["start"] == start
        first = dict(result.losses[0])
        del first["total"]
        assert first == pytest.approx(losses, rel=2e-3)
        assert result.losses[-1]["total"] == pytest.approx(total, rel=2e-3)
        return result

    return check
