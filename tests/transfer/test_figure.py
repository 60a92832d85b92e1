import dataclasses
import warnings

import numpy as np
import pytest

import stylekit as sk
from stylekit.transfer.result import DECADES

SHAPE = (24, 32)


@pytest.fixture(scope="module")
def result():
    """A run over two levels, with a term that begins at nothing."""
    photo, style = np.random.default_rng(0).random((2, *SHAPE, 3), dtype=np.float32)
    terms = [sk.PixelLoss(photo), sk.GramStyleLoss(style, layers="conv1_1", weight=8)]
    transfer = sk.StyleTransfer(terms, extractor=sk.VGG19(weights=None))
    return transfer.run(photo, 5, pyramid=sk.Pyramid([16, 32], [2, 3]))


def curves(axis):
    return {line.get_label(): line.get_ydata() for line in axis.lines}


def test_the_image_the_losses_and_the_time(result):
    figure = result.plot()
    picture, losses, times = figure.axes
    np.testing.assert_array_equal(picture.images[0].get_array(), result.image)
    assert "5 steps" in picture.get_title()
    drawn = curves(losses)
    assert list(drawn) == ["total (weighted)", "pixel", "gram_style"]
    expected = [row["total"] for row in result.losses]
    np.testing.assert_allclose(drawn["total (weighted)"], expected)
    assert losses.get_yscale() == "log"
    [seconds] = curves(times).values()
    assert list(seconds) == result.times
    assert len(seconds) == len(result.losses) == 6
    assert np.all(np.diff(seconds) >= 0)
    assert seconds[-1] <= result.seconds
    figure.canvas.draw()


def test_levels_are_marked_with_their_sizes(result):
    assert result.levels == [0, 0, 1, 1, 1, 1]
    _, losses, times = result.plot().axes
    assert [text.get_text() for text in losses.texts] == ["16 x 12", "32 x 24"]
    for axis in (losses, times):
        [band] = axis.patches  # the second level's
        assert band.get_x() == 2
        assert band.get_x() + band.get_width() == 5
    one_level = dataclasses.replace(result, levels=[0] * 6)
    _, losses, _ = one_level.plot().axes
    assert not losses.texts
    assert not losses.patches


def test_what_is_nothing_does_not_press_the_rest_together(result):
    losses = [{"total": 10.0, "a": 0.0}, {"total": 5.0, "a": 1e-12}]
    axis = dataclasses.replace(result, losses=losses, levels=[], times=[]).plot().axes[1]
    np.testing.assert_array_equal(curves(axis)["a"], [np.nan, 1e-12])
    assert axis.get_ylim()[0] == pytest.approx(10 * 10.0**-DECADES)


def test_two_networks_of_other_terms(result):
    """As a mixed run has them: the second's levels follow the first's."""
    before = {"levels": [{"size": [12, 16]}, {"size": [24, 32]}]}
    manifest = {"levels": [{"size": [48, 64]}], "before": before}
    losses = [{"total": 3.0, "a": 1.0}] * 4 + [{"total": 2.0, "b": 1.0}] * 2
    levels = [0, 0, 1, 1, 2, 2]
    mixed = dataclasses.replace(result, losses=losses, levels=levels, manifest=manifest)
    _, axis, _ = mixed.plot().axes
    assert [text.get_text() for text in axis.texts] == ["16 x 12", "32 x 24", "64 x 48"]
    assert list(curves(axis)) == ["total (weighted)", "a", "b"]
    np.testing.assert_array_equal(curves(axis)["b"], [np.nan] * 4 + [1, 1])


def test_a_batch_has_all_its_images_and_the_mean_losses(result):
    images = np.stack([result.image, 1 - result.image])
    losses = [{"total": np.array([3.0, 1.0])}, {"total": np.array([1.0, 0.5])}]
    batch = dataclasses.replace(result, image=images, losses=losses, levels=[0, 0], times=[0, 1])
    picture, axis, _ = batch.plot().axes
    assert picture.images[0].get_array().shape == (24, 64, 3)
    np.testing.assert_allclose(curves(axis)["total (weighted)"], [2, 0.75])


@pytest.mark.parametrize("losses", [[], [{"total": 2.0}], [{"total": 0.0, "a": 0.0}] * 2])
def test_hardly_anything_to_draw(losses, result):
    count = len(losses)
    few = dataclasses.replace(
        result, losses=losses, levels=[0] * count, times=[0.5] * count, stopped_by="interrupted"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = few.plot()
        figure.canvas.draw()
    assert "stopped by interrupted" in figure.axes[0].get_title()
