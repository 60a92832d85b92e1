import numpy as np
import pytest
from painted import painted

import stylekit as sk
from stylekit._checks import FileError, InputError, InputTypeError
from stylekit._defaults import GRAM_FACTOR
from stylekit.recipes import texture


@pytest.fixture
def quick(vgg, optimizer, plan):
    def run(style, **options):
        defaults = {"size": 32, "steps": 8, "extractor": vgg, "style_layers": ["conv1_1"]}
        defaults |= {"optimizer": optimizer, "plan": plan}
        return painted(texture, style, **defaults | options)

    return run


def test_comes_to_the_statistics_of_the_sample_from_noise(quick, coffee):
    result = quick(coffee, steps=25, variation=0)
    assert result.manifest["start"] == "StyleStatistics()"
    assert [term["type"] for term in result.manifest["terms"].values()] == ["GramStyleLoss"]
    assert result.losses[-1]["gram_style"] < 0.1 * result.losses[0]["gram_style"]


@pytest.mark.parametrize(
    ("size", "shape"),
    [(32, (32, 32)), ((20, 48), (20, 48)), (None, (40, 50)), ([33, 16], (33, 16))],
)
def test_any_size(size, shape, quick, coffee):
    assert quick(coffee, size=size, steps=0).image.shape == (*shape, 3)


@pytest.mark.parametrize(
    ("size", "scale", "side"),
    [(200, 1, 50), (32, 1, 32), ((16, 40), 1, 40), (200, 0.5, 25), (32, 1.5, 48)],
)
def test_the_sample_keeps_its_grain(size, scale, side, quick, coffee):
    """A larger texture is more of it; only a sample larger than the texture is reduced."""
    expected = sk.image.picture_hash(sk.image.as_image(coffee, size=side))
    manifest = quick(coffee, size=size, style_scale=scale, steps=0).manifest
    assert manifest["terms"]["gram_style"]["style"] == expected


@pytest.mark.parametrize(
    ("size", "given", "sizes"),
    [
        (32, None, [32]),
        (64, None, [64]),
        (130, None, [65, 130]),
        (256, None, [64, 128, 256]),
        (64, 3, [16, 32, 64]),
    ],
)
def test_levels(size, given, sizes, quick, coffee):
    # With few steps only the levels are of interest.
    manifest = quick(coffee, size=size, pyramid=given, steps=0).manifest
    assert [level["size"][0] for level in manifest["levels"]] == sizes


@pytest.mark.slow
def test_terms_follow_the_extractor_unless_told(coffee):
    network = sk.CompactVGG()
    terms = painted(texture, coffee, size=32, steps=0, extractor=network).manifest["terms"]
    assert terms["gram_style"]["layers"] == list(network.style_layers)
    assert terms["gram_style"]["weight"] == GRAM_FACTOR * network.style_factor
    assert terms["total_variation"]["weight"] == network.variation
    told = painted(
        texture,
        coffee,
        size=32,
        steps=0,
        extractor=network,
        style_layers=("conv1_1", "conv2_1"),
        layer_weights=[3, 1],
        variation=2,
    ).manifest["terms"]
    assert told["gram_style"]["layers"] == ["conv1_1", "conv2_1"]
    assert told["gram_style"]["layer_weights"] == [3, 1]
    assert told["total_variation"]["weight"] == 2


@pytest.mark.slow
def test_by_neighbours(quick, coffee):
    result = quick(coffee, style_loss="neighbors", steps=None, size=64, style_layers=None)
    assert [term["type"] for term in result.manifest["terms"].values()] == [
        "NeighborStyleLoss",
        "TotalVariationLoss",
    ]
    assert (result.steps, len(result.manifest["levels"])) == (50, 4)
    assert result.losses[-1]["neighbor_style"] < result.losses[0]["neighbor_style"]


def test_by_a_loss_of_ones_own(quick, coffee):
    class Mean(sk.StatisticLoss):
        def statistic(self, feature, mask):
            return sk.functional.masked_mean(feature, mask)

    assert "mean" in quick(coffee, style_loss=Mean, steps=1).losses[-1]


def test_another_seed_is_another_texture(quick, coffee):
    first, again, other = (quick(coffee, seed=seed, steps=3).image for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.01


def test_options_reach_the_run(quick, coffee, tmp_path):
    seen = []
    result = quick(
        coffee,
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
        ({"size": 0}, InputError, "size"),
        ({"size": (3, 4, 5)}, InputTypeError, r"`size` must be.*\(height, width\)"),
        ({"size": (0, 4)}, InputError, "height"),
        ({"size": "large"}, InputTypeError, "size"),
        ({"steps": -1}, InputError, "steps"),
        ({"style_scale": 0}, InputError, "style_scale"),
        ({"variation": -1}, InputError, "variation"),
        ({"pyramid": 0}, InputError, "levels"),
        ({"style_layers": ["conv9_1"]}, InputError, "no layer"),
    ],
)
def test_unfit_arguments(options, error, words, quick, coffee):
    with pytest.raises(error, match=words):
        quick(coffee, **options)


def test_a_missing_file(quick):
    with pytest.raises(FileError, match=r"gone\.png"):
        quick("gone.png")
