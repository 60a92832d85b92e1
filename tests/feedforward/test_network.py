import numpy as np
import pytest
from keras import ops

from stylekit.feedforward import StyleNetwork
from stylekit.feedforward.network import InstanceNormalization, ReflectedConvolution


@pytest.mark.parametrize("shape", [(5, 5), (5, 9), (6, 7), (33, 50), (64, 31)])
def test_a_painting_has_the_shape_of_its_photograph(network, shape, rng):
    painted = network(rng.random((2, *shape, 3), "float32"))
    assert painted.shape == (2, *shape, 3)
    assert 0 <= ops.min(painted) <= ops.max(painted) <= 1


def test_a_flat_photograph_is_painted_flat(network):
    """Neither the borders nor the enlargement leave a mark: no frame, and no checkerboard."""
    painted = ops.convert_to_numpy(network(np.full((1, 21, 30, 3), 0.3, "float32")))
    assert np.ptp(painted, axis=(0, 1, 2)).max() < 1e-5


def test_pictures_of_a_batch_are_painted_alone(network, rng):
    pictures = rng.random((2, 16, 20, 3), "float32")
    both = ops.convert_to_numpy(network(pictures))
    np.testing.assert_allclose(both[:1], network(pictures[:1]), atol=1e-5)


def test_each_channel_of_each_picture_is_normalised(rng):
    layer = InstanceNormalization()
    x = rng.normal(3, 5, (2, 8, 9, 4)).astype("float32")
    layer.build(x.shape)
    layer.shift.assign([0, 1, 2, 3])
    y = ops.convert_to_numpy(layer(x))
    np.testing.assert_allclose(y.mean((1, 2)), [[0, 1, 2, 3]] * 2, atol=1e-5)
    np.testing.assert_allclose(y.std((1, 2)), np.ones((2, 4)), atol=1e-4)


def test_layers_come_back_from_their_settings():
    layer = ReflectedConvolution(6, 5, strides=2)
    again = ReflectedConvolution.from_config(layer.get_config())
    assert (again.filters, again.size, again.strides) == (6, 5, 2)


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"widths": (4, 4)}, "widths"),
        ({"widths": (4, 4, 10**9)}, "widths"),
        ({"widths": 4}, "widths"),
        ({"blocks": -1}, "blocks"),
    ],
)
def test_what_is_no_network(options, argument):
    with pytest.raises(ValueError) as raised:
        StyleNetwork({}, **options)
    assert raised.value.argument == argument
