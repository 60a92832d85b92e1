import math

import numpy as np
import pytest
from skimage.filters import gaussian

import stylekit as sk
from stylekit import metrics
from stylekit._checks import StylekitError
from stylekit.image import resize

DISTANCES = ["near", "cover", "gram", "sliced", "color", "content", "self", "cfsd"]


@pytest.fixture(scope="module")
def photo(pictures):
    return pictures[0]


@pytest.fixture(scope="module")
def judged(photo, network):
    """The photograph judged as a result, with itself as the style."""
    return metrics.evaluate(photo, content=photo, style=photo, extractor=network)


@pytest.fixture(scope="module")
def pictures():
    from skimage import data

    return [sk.image.as_image(one, size=40) for one in (data.astronaut(), data.coffee())]


def test_of_the_photograph_in_its_own_style_every_distance_is_zero(judged):
    for name in DISTANCES:
        assert judged[name] == pytest.approx(0, abs=1e-5), name
    assert judged["ssim"] == pytest.approx(1)


def test_is_what_the_functions_say(pictures, network):
    photo, style = pictures
    result = np.clip(gaussian(photo, 1, channel_axis=-1), 0, 1)
    mask = np.zeros(photo.shape[:2])
    mask[:, :20] = 1
    found = metrics.evaluate(result, content=photo, style=style, extractor=network, mask=mask)
    how = {"extractor": network}
    expected = {
        "near": metrics.style_nearness(style, result, **how),
        "cover": metrics.style_coverage(style, result, **how),
        "gram": metrics.style_distance(style, result, **how),
        "sliced": metrics.sliced_wasserstein_distance(style, result, **how),
        "color": metrics.color_distance(style, result),
        "content": metrics.content_distance(photo, result, **how),
        "self": metrics.self_similarity_distance(photo, result, **how),
        "cfsd": metrics.cfsd(photo, result, **how),
        "ssim": metrics.ssim(photo, result),
        "chroma": metrics.chroma_noise(result),
        "frame": metrics.frame(result),
        "seam": metrics.seam_score(photo, result, mask),
        "leakage": metrics.leakage(photo, result, mask),
    }
    assert list(found) == list(expected)
    assert found == pytest.approx(expected)
    assert all(type(value) is float and math.isfinite(value) for value in found.values())


def test_without_a_mask_there_is_neither_seam_nor_leakage(judged):
    assert list(judged)[-2:] == ["chroma", "frame"]


def test_photograph_and_mask_are_brought_to_the_results_size(photo, network):
    large = np.kron(photo, np.ones((3, 3, 1)))
    mask = np.zeros(large.shape[:2])
    mask[:, :60] = 1
    result = resize(large, photo.shape)
    how = {"style": photo, "extractor": network}
    found = metrics.evaluate(result, content=large, mask=mask, **how)
    assert found["content"] == found["self"] == found["leakage"] == 0
    assert found["seam"] == 1
    # A rounded side
    narrow = metrics.evaluate(result[:, :-1], content=large, **how)
    assert narrow["ssim"] > 0.5


@pytest.mark.parametrize(
    ("change", "message", "argument"),
    [
        (
            {"result": np.zeros((40, 30, 3))},
            "`result` must have the aspect ratio.*40x40.*30x40",
            "result",
        ),
        ({"result": "gone.png"}, "gone.png", "result"),
        ({"content": "gone.png"}, "gone.png", "content"),
        ({"style": "gone.png"}, "gone.png", "style"),
        ({"extractor": "vgg19"}, "`extractor` must be a feature extractor", "extractor"),
        ({"mask": np.zeros((40, 40))}, "mask is empty", "mask"),
        ({"mask": np.ones((20, 40))}, "mask has the wrong size", "mask"),
        ({"mask": np.ones((40, 40))}, "`mask` must have a border", "mask"),
        ({"result": np.zeros((10, 10, 3))}, "`result` is too small.*at least 16", "result"),
    ],
)
def test_bad_input_is_named(change, message, argument, photo, network):
    given = {"result": photo, "content": photo, "style": photo, "extractor": network} | change
    with pytest.raises(StylekitError, match=message) as caught:
        metrics.evaluate(given.pop("result"), **given)
    assert caught.value.argument == argument


def test_the_network_sees_each_picture_once(pictures, network, monkeypatch):
    photo, style = pictures
    made, seen = type(network).network, []

    def counted(self, *args):
        model = made(self, *args)
        return lambda image: seen.append(image.shape) or model(image)

    monkeypatch.setattr(type(network), "network", counted)
    metrics.evaluate(photo**2, content=photo, style=style, extractor=network)
    assert len(seen) == 3
