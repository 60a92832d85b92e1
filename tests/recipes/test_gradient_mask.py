import numpy as np
import pytest
from painted import painted

import stylekit as sk
from stylekit._checks import InputError, InputTypeError
from stylekit._defaults import GRAM_FACTOR
from stylekit.features import ReflectPadding
from stylekit.recipes.recipe import REFLECTION

SHAPE = (24, 32)


@pytest.fixture
def run(options):
    def run(content, styles, **others):
        return painted(sk.recipes.gradient_mask, content, styles, **(options | others))

    return run


def test_each_style_has_its_side(run, photo):
    ramp = sk.masks.linear_gradient(SHAPE, angle=0)
    red, blue = np.zeros((2, 20, 20, 3), np.float32)
    red[..., 0] = blue[..., 2] = 1
    result = run(photo, [(red, ramp), (blue, 1 - ramp)], strength=1, steps=15)
    weight = result.manifest["terms"]["gradient_mask_style"]["weight"]
    assert weight == pytest.approx(8 * GRAM_FACTOR)
    change = (result.image - photo).mean(axis=0)
    assert change[-8:, 0].mean() > change[:8, 0].mean()
    assert change[:8, 2].mean() > change[-8:, 2].mean()


def test_is_the_loss_of_the_same_name(run, photo, coffee, rocket, vgg, optimizer):
    ramp = sk.masks.linear_gradient(SHAPE, angle=90)
    coffee, rocket = sk.image.as_image(coffee, "c", 32), sk.image.as_image(rocket, "r", 32)
    result = run(photo, [(coffee, ramp), (rocket, 1 - ramp, None, 0.5)], strength=0.5)
    layers = ("block1_conv1", "block2_conv1")
    terms = [
        sk.ContentLoss(photo, layers=layers[1:], weight=0.5),
        sk.GradientMaskStyleLoss(
            [(coffee, ramp), (rocket, 1 - ramp, None, 0.5)], layers=layers, weight=4 * GRAM_FACTOR
        ),
    ]
    same = sk.StyleTransfer(terms, extractor=ReflectPadding(vgg, REFLECTION), optimizer=optimizer)
    expected = same.run(photo, 6).image
    np.testing.assert_allclose(result.image, expected, atol=2e-3)


def test_what_no_mask_covers_stays(run, photo, coffee, left, either):
    result = run(photo, [(coffee, left)], **either)
    np.testing.assert_array_equal(result.image[:, 16:], photo[:, 16:])
    assert np.abs(result.image - photo)[:, :16].max() > 0.02
    free = run(photo, [(coffee, left)], protect=False, **either)
    assert np.abs(free.image - photo)[:, 16:].max() > 0


@pytest.mark.slow
def test_masks_of_other_sizes_and_callables(run, photo, coffee, left):
    expected = run(photo, [(coffee, left)]).image
    large = np.kron(left, np.ones((2, 2)))
    for mask in (large, lambda picture: left):
        np.testing.assert_array_equal(run(photo, [(coffee, mask)]).image, expected)


@pytest.mark.parametrize(
    ("styles", "error", "words"),
    [
        ([], InputError, "at least one .style, mask., got none"),
        (["coffee.jpg"], InputTypeError, r"\(style, mask"),
        ([(np.zeros((20, 20, 3)), np.zeros(SHAPE))], InputError, "mask is empty"),
    ],
)
def test_refusals(run, photo, styles, error, words):
    with pytest.raises(error, match=words):
        run(photo, styles)
