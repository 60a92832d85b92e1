"""What the dimensionless defaults are for: no layer drowns the others."""

import numpy as np
import pytest

import stylekit as sk

PAIRS = (
    ("tubingen", "starry_night"),
    ("golden_gate", "wave"),
    ("brad_pitt", "woman-with-hat-matisse"),
    ("chicago", "wave"),
    ("chicago", "composition_vii"),
)
LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1")


@pytest.mark.slow
@pytest.mark.parametrize(("content", "style"), PAIRS)
def test_no_style_layer_carries_under_5_or_over_60_percent(data_dir, content, style):
    photo = sk.read_image(data_dir / "images" / "content" / f"{content}.jpg", 256)
    painting = sk.read_image(data_dir / "images" / "style" / f"{style}.jpg", 256)
    terms = [sk.GramStyleLoss(painting, layers=layer, name=layer) for layer in LAYERS]
    extractor = sk.VGG19(data_dir / "weights" / "vgg19_conv1_1_to_conv4_1.npz")
    objective = sk.StyleTransfer(terms, extractor=extractor).objective(photo)
    gradients = objective.term_gradients(photo)
    norms = np.array([np.linalg.norm(gradients[layer]) for layer in LAYERS])
    shares = norms / norms.sum()
    assert shares.min() > 0.05
    assert shares.max() < 0.60
