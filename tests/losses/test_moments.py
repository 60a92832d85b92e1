"""What `MomentStyleLoss` shares with the other distances of distributions: test_transport.py."""

import numpy as np

from stylekit import functional
from stylekit.losses import MomentStyleLoss

LAYERS = ("block1_conv1", "block2_conv1")


def test_the_value_of_the_moments(photo, style, canvas_of, evaluate):
    canvas, moments, histogram = canvas_of(photo), [], []
    for layer in LAYERS:
        a, b = (canvas.extract(x[None], [layer])[layer] for x in (photo, style))
        moments.append(functional.moment_distance(*map(functional.raw_moments, (a, b))))
        quantiles = functional.sliced_quantiles(b, None, a.shape[1] * a.shape[2])
        histogram.append(functional.sliced_distance(a, quantiles, None))
    plain, both = (
        evaluate(MomentStyleLoss(style, layers=LAYERS, histogram_weight=w), canvas, photo)[0]
        for w in (0, 1)
    )
    np.testing.assert_allclose(plain, np.mean(moments, axis=0), rtol=1e-4)
    np.testing.assert_allclose(both - plain, np.mean(histogram, axis=0), rtol=1e-3)


def test_the_configuration_tells_of_histograms(style):
    config = MomentStyleLoss(style, histogram_weight=0.5).get_config()
    assert config["histogram_weight"] == 0.5
    assert "histogram_weight" not in MomentStyleLoss(style).get_config()


def test_histograms_alone_keep_it_from_tiles(style):
    assert MomentStyleLoss(style).is_mean
    assert not MomentStyleLoss(style, histogram_weight=0.5).is_mean
