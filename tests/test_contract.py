"""The code that the design promises runs as written."""

import re

import numpy as np
import pytest
from PIL import Image
from skimage import data, transform

import stylekit as sk
from stylekit._defaults import NEIGHBOR_FACTOR

BASIC = """
import stylekit as sk

photo, starry = sk.read_image("photo.jpg", size=512), sk.read_image("starry.jpg", size=512)

terms = [sk.ContentLoss(photo), sk.GramStyleLoss(starry, weight=8), sk.TotalVariationLoss(weight=0.1)]
result = sk.StyleTransfer(terms, extractor=sk.VGG19()).run(photo, steps=300)
result.save("out.png")
"""  # noqa: E501

RAMP = """
ramp = sk.masks.linear_gradient(photo.shape[:2], angle=0)
terms = [sk.ContentLoss(photo), sk.GradientMaskStyleLoss([(starry, ramp), (wave, 1 - ramp)], weight=8)]
"""  # noqa: E501

OWN_LOSS = """
class ChannelMean(sk.losses.StatisticLoss):
    def statistic(self, feature, mask):
        return sk.functional.masked_mean(feature, mask)
"""

ONE_CALL = """
sk.stylize("photo.jpg", "starry.jpg", strength=0.6).save("out.png")
"""


def executed(code, **names):
    """Run code with its sizes and steps made small; return its names."""
    code = re.sub(r"size=512", "size=64", re.sub(r"steps=300", "steps=4", code))
    exec(code, names)
    return names


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A file of weights for all that the defaults read."""
    model = sk.VGG19(weights=None).model(("block5_conv1",))
    arrays = {}
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            arrays |= {f"{layer.name}/kernel": kernel, f"{layer.name}/bias": bias}
    path = tmp_path_factory.mktemp("weights") / "vgg19.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path, weights, monkeypatch):
    """A working folder with the pictures, and no way to the network."""
    for name, picture in {"photo": data.astronaut(), "starry": data.coffee()}.items():
        small = transform.resize(picture[:300, :400], (60, 80), anti_aliasing=True)
        Image.fromarray(np.uint8(255 * small)).save(tmp_path / f"{name}.jpg", quality=95)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STYLEKIT_WEIGHTS", str(weights))
    return tmp_path


@pytest.fixture
def pictures():
    wave = np.float32(transform.resize(data.rocket(), (64, 64), anti_aliasing=True))
    return {
        "sk": sk,
        "photo": sk.read_image("photo.jpg", size=64),
        "starry": sk.read_image("starry.jpg", size=64),
        "wave": wave,
    }


def assert_saved(path, image):
    with Image.open(path) as saved:
        np.testing.assert_array_equal(np.asarray(saved), np.uint8(image * 255 + 0.5))


def fell(result):
    return result.losses[-1]["total"] < result.losses[0]["total"]


def test_basic(folder):
    result = executed(BASIC)["result"]
    assert result.image.shape == (48, 64, 3)
    assert result.steps == 4
    assert fell(result)
    assert list(result.losses[0]) == ["total", "content", "gram_style", "total_variation"]
    assert_saved(folder / "out.png", result.image)


def test_two_styles_along_a_ramp(pictures):
    names = executed(RAMP, **pictures)
    photo, ramp = names["photo"], names["ramp"]
    np.testing.assert_array_equal(ramp[:, 0], 0)
    np.testing.assert_array_equal(ramp[:, -1], 1)
    result = sk.StyleTransfer(names["terms"]).run(photo, steps=3)
    assert fell(result)
    assert np.abs(result.image - photo).mean() > 1e-3


def test_ones_own_loss(pictures):
    mean = executed(OWN_LOSS, **pictures)["ChannelMean"]
    photo, starry = pictures["photo"], pictures["starry"]
    left = np.zeros(photo.shape[:2])
    left[:, :32] = 1
    terms = [sk.ContentLoss(photo), mean(starry, weight=2), mean(starry, mask=left)]
    result = sk.StyleTransfer(terms).run(photo, steps=3)
    assert fell(result)
    assert list(result.losses[0]) == ["total", "content", "channel_mean", "channel_mean_2"]
    # A mean is linear in the features: that of the picture itself is no distance away.
    assert sk.StyleTransfer([mean(photo)]).run(photo, 0).losses[0]["total"] < 1e-9


def test_one_call(folder, monkeypatch):
    results = []
    save = sk.Result.save
    monkeypatch.setattr(
        sk.Result, "save", lambda self, path: results.append(self) or save(self, path)
    )
    # As written it takes its defaults; these alone are made small.
    monkeypatch.setitem(sk.stylize.__kwdefaults__, "size", 64)
    monkeypatch.setitem(sk.stylize.__kwdefaults__, "steps", 3)
    executed(ONE_CALL, sk=sk)
    [result] = results
    assert fell(result)
    assert result.image.shape == (48, 64, 3)
    terms = result.manifest["terms"]
    np.testing.assert_allclose(terms["content"]["weight"], 0.4)
    np.testing.assert_allclose(terms["neighbor_style"]["weight"], 0.6 * NEIGHBOR_FACTOR)
    assert_saved(folder / "out.png", result.image)
