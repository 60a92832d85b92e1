import keras
import numpy as np
import pytest
import tensorflow as tf

import stylekit as sk
from stylekit.features._cpu.convolution import FrozenConv2D, FrozenMaxPooling2D

FAST = (FrozenConv2D, FrozenMaxPooling2D)


@pytest.mark.parametrize("made", [sk.CompactVGG, lambda **how: sk.VGG19(None, **how)])
def test_networks_do_without_the_fast_layers(made, rng):
    fast, plain = made(), made(fast=False)
    assert repr(plain) == repr(fast)[:-1] + ", fast=False)"
    names = ("block1_conv1", "block2_conv1")
    x = tf.constant(rng.random((1, 32, 32, 3)), "float32")
    found = []
    for extractor in (fast, plain):
        network = extractor.model(names)
        used = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
        assert all(isinstance(layer, FAST) is extractor.fast for layer in used)
        pools = [x for x in network.layers if isinstance(x, keras.layers.MaxPooling2D)]
        assert extractor.fast or not any(isinstance(layer, FAST) for layer in pools)
        with tf.GradientTape() as tape:
            tape.watch(x)
            features = network(x)
            total = sum(tf.reduce_mean(feature**2) for feature in features.values())
        found.append([*features.values(), tape.gradient(total, x)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * np.abs(other).max())
