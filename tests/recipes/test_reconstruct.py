import numpy as np
import pytest
from painted import painted

import stylekit as sk
from stylekit._checks import FileError, InputError
from stylekit.recipes import reconstruct


@pytest.fixture
def quick(vgg, optimizer, plan):
    def run(content, **options):
        defaults = {"size": None, "steps": 8, "extractor": vgg, "layers": "conv1_1"}
        defaults |= {"optimizer": optimizer, "plan": plan}
        return painted(reconstruct, content, **defaults | options)

    return run


def test_a_first_layer_gives_the_picture_back(quick, photo):
    result = quick(photo, steps=60, variation=0)
    assert result.manifest["start"] == "Noise(0.1)"
    assert [term["type"] for term in result.manifest["terms"].values()] == ["ContentLoss"]
    before = np.abs(sk.Noise().image(photo.shape[:2], np.random.default_rng(0)) - photo).mean()
    assert np.abs(result.image - photo).mean() < 0.2 * before


def test_a_deeper_layer_keeps_less_of_the_colours(photo):
    network = sk.CompactVGG()
    photo = np.kron(photo, np.ones((2, 2, 1), np.float32))
    errors = []
    for layer in ("conv1_1", "conv3_1"):
        image = painted(
            reconstruct, photo, layers=layer, size=None, steps=40, extractor=network
        ).image
        errors.append(np.abs(image - photo).mean())
    assert errors[0] < 0.5 * errors[1]


def test_terms_follow_the_extractor_unless_told(photo):
    network = sk.CompactVGG()
    terms = painted(reconstruct, photo, size=32, steps=0, extractor=network).manifest["terms"]
    assert terms["content"]["layers"] == list(network.content_layers)
    assert terms["content"]["weight"] == 1
    assert terms["total_variation"]["weight"] == 1
    told = painted(
        reconstruct,
        photo,
        size=32,
        steps=0,
        extractor=network,
        layers=["conv1_1", "conv2_1"],
        variation=0.5,
    ).manifest["terms"]
    assert told["content"]["layers"] == ["conv1_1", "conv2_1"]
    assert told["total_variation"]["weight"] == 0.5


@pytest.mark.slow
def test_size_start_levels_and_seed(quick, photo):
    result = quick(photo, size=48, pyramid=2, steps=3, seed=4)
    assert result.image.shape == (36, 48, 3)
    assert [level["size"] for level in result.manifest["levels"]] == [[18, 24], [36, 48]]
    assert result.manifest["seed"] == 4
    other = quick(photo, size=48, pyramid=2, steps=3, seed=5)
    assert np.abs(result.image - other.image).mean() > 1e-3
    np.testing.assert_array_equal(quick(photo, initial=photo, steps=0).image, photo)


def test_options_reach_the_run(quick, photo, tmp_path):
    seen = []
    result = quick(
        photo,
        optimizer=sk.LBFGS(history=4),
        precision="mixed_bfloat16",
        plan=sk.Recompute(),
        callbacks=[seen.append, lambda step: step.index == 2],
        checkpoint=tmp_path / "run",
    )
    assert len(seen) == 3
    assert result.manifest["optimizer"].startswith("LBFGS(history=4,")
    assert result.manifest["precision"] == "mixed_bfloat16"
    assert result.manifest["plan"].startswith("Recompute(")
    assert list((tmp_path / "run").iterdir())


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"steps": -1}, InputError, "steps"),
        ({"size": 0}, InputError, "size"),
        ({"variation": -1}, InputError, "variation"),
        ({"pyramid": 0}, InputError, "levels"),
        ({"layers": "conv9_1"}, InputError, "no layer"),
        ({"content": "gone.png"}, FileError, "gone.png"),
    ],
)
def test_unfit_arguments(options, error, words, quick, photo):
    with pytest.raises(error, match=words):
        quick(**{"content": photo} | options)
