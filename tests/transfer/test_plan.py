import numpy as np
import pytest

import stylekit as sk
from stylekit._checks import InputError, InputTypeError
from stylekit.transfer import RecomputedObjective, TiledObjective


@pytest.fixture
def terms(photo, style):
    layers = ["block1_conv1", "block2_conv1"]
    return [sk.ContentLoss(photo, layers=layers[1:]), sk.GramStyleLoss(style, layers=layers)]


@pytest.mark.parametrize(
    ("plan", "kind"),
    [
        (None, sk.Objective),
        (sk.Recompute(), RecomputedObjective),
        (sk.Recompute("block1_conv2"), RecomputedObjective),
        (sk.Tiles(8), TiledObjective),
        (sk.Tiles(1000), sk.Objective),  # the whole picture is no larger than a tile
    ],
)
def test_every_plan_has_the_same_run(terms, vgg, photo, plan, kind):
    transfer = sk.StyleTransfer(terms, extractor=vgg, plan=plan)
    assert type(transfer.objective(photo)) is kind
    result = transfer.run(photo, steps=3)
    plain = sk.StyleTransfer(terms, extractor=vgg).run(photo, steps=3)
    np.testing.assert_allclose(result.image, plain.image, atol=1e-3)
    assert result.manifest["plan"] == repr(plan or sk.Plan())


def test_coarse_levels_are_taken_as_a_whole(terms, vgg, photo):
    pyramid = sk.Pyramid.halving(max(photo.shape[:2]), 2)
    coarse = max(photo.shape[:2]) // 2
    options = {"steps": 4, "pyramid": pyramid}
    tiled = sk.StyleTransfer(terms, extractor=vgg, plan=sk.Tiles(coarse)).run(photo, **options)
    plain = sk.StyleTransfer(terms, extractor=vgg).run(photo, **options)
    np.testing.assert_allclose(tiled.image, plain.image, atol=1e-3)


def test_bad_plans(terms, vgg):
    with pytest.raises(InputTypeError, match="the plan cannot be used"):
        sk.StyleTransfer(terms, extractor=vgg, plan="tiles")
    with pytest.raises(InputError, match="a tile's size"):
        sk.Tiles(0)
    with pytest.raises(InputTypeError, match="layers are wrong"):
        sk.Recompute([])
