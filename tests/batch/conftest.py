import functools

import pytest
from PIL import Image
from skimage import data

import stylekit as sk

# One trace of one size: what is computed does not matter here.
QUICK = {"size": 48, "steps": 4, "style_loss": "gram", "pyramid": 1, "progress": False}
QUICK |= {"style_layers": ("conv1_1",), "content_layers": ("conv2_1",)}


def save(name, picture, size=(48, 40)):
    Image.fromarray(picture).convert("RGB").resize(size).save(name)


@pytest.fixture(scope="session")
def network():
    return sk.CompactVGG()


@pytest.fixture(scope="session")
def plan():
    """It holds the trace of all runs that are alike."""
    return sk.Reuse()


@pytest.fixture
def run(network, plan):
    """Run jobs with few steps."""
    return functools.partial(sk.batch.run, extractor=network, plan=plan, **QUICK)


@pytest.fixture
def work(network, plan):
    """What `run` makes of its options."""
    options = {name: value for name, value in QUICK.items() if name != "progress"}
    return sk.batch.Work(sk.recipes.basic, network, plan, options, 20, 8, True)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with two photographs, one more file, and two styles."""
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "styles"):
        (tmp_path / name).mkdir()
    save("photos/astronaut.png", data.astronaut())
    save("photos/cat.jpg", data.chelsea())
    save("styles/coffee.png", data.coffee())
    save("styles/rocket.png", data.rocket())
    return tmp_path
