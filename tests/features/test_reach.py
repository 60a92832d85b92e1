import keras
import numpy as np
import pytest
from keras import layers, ops

from stylekit.features.geometry import Window
from stylekit.features.graph import Graph

ONE = Window(1)


def window_in_a_network(operation):
    """The window of the last operation of a network of 4 channels."""
    image = keras.Input((None, None, 4))
    graph = Graph(keras.Input((None, None, 4)))
    graph.extend(keras.Model(image, operation(image)), [graph.image])
    *_, node = graph.nodes.values()
    return None if node.unknown else node.window


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (layers.Conv2D(2, (3, 5), (2, 1), dilation_rate=1), Window((3, 5), (2, 1), "valid")),
        (layers.Conv2D(2, (3, 2), dilation_rate=(2, 4), padding="same"), Window((5, 5))),
        (layers.DepthwiseConv2D(3, 2), Window(3, 2, "valid")),
        (layers.SeparableConv2D(2, 3, padding="same", activation="gelu"), Window(3)),
        (layers.MaxPooling2D((2, 3)), Window((2, 3), (2, 3), "valid")),
        (layers.AveragePooling2D(3, 1, padding="same"), Window(3)),
        (layers.ZeroPadding2D(((1, 2), (3, 4))), Window(1, border=((1, 2), (3, 4)))),
        (layers.Cropping2D(((1, 2), (3, 4))), Window(1, border=((-1, -2), (-3, -4)))),
        (lambda x: ops.max_pool(x, 2), Window(2, 2, "valid")),
        (lambda x: ops.average_pool(x, (3, 1), 1, "same"), Window((3, 1))),
        (lambda x: ops.conv(x, np.ones((3, 1, 4, 2), "float32"), padding="same"), Window((3, 1))),
        (
            lambda x: ops.pad(x, ((0, 0), (1, 0), (2, 3), (0, 0))),
            Window(1, border=((1, 0), (2, 3))),
        ),
    ],
)
def test_windows(operation, expected):
    assert window_in_a_network(operation) == expected


@pytest.mark.parametrize(
    "operation",
    [
        layers.ReLU(),
        layers.Activation("softmax"),
        layers.Activation(ops.relu),
        layers.PReLU(shared_axes=(1, 2)),
        layers.BatchNormalization(),
        layers.LayerNormalization(),
        layers.Dense(3),
        layers.Rescaling([1, 2, 3, 4]),
        layers.Dropout(0.5),
        layers.Conv2D(2, 1, padding="same", activation=layers.LeakyReLU()),
        lambda x: layers.Concatenate()([x, x]),
        lambda x: layers.Average()([x, x]),
        lambda x: 1 - x * np.arange(4, dtype="float32"),
        lambda x: ops.relu(x + x),
        lambda x: x[..., ::-1],
        lambda x: x[:, :, :, 1:3],
        lambda x: x[:, :],
        lambda x: ops.stack([x[..., 2], x[..., 0]], axis=-1),
        lambda x: ops.flip(x, -1),
        lambda x: ops.mean(x, axis=-1, keepdims=True),
        lambda x: ops.concatenate([x, x], axis=3),
        lambda x: ops.split(x, 2, axis=-1)[0] * 2,
        lambda x: ops.where(x > 0, x, 0.1 * x),
        lambda x: ops.clip(ops.stop_gradient(x), 0, 1),
    ],
)
def test_what_works_on_each_cell(operation):
    assert window_in_a_network(operation) == ONE


class OwnReLU(layers.ReLU):
    pass


@pytest.mark.parametrize(
    "operation",
    [
        OwnReLU(),
        layers.Lambda(lambda x: x),
        layers.Activation(lambda x: x - ops.mean(x, axis=(1, 2), keepdims=True)),
        layers.Conv2D(2, 3, activation=lambda x: ops.roll(x, 40, 1)),
        layers.Conv2D(2, 1, activation=layers.Softmax(axis=1)),
        layers.Softmax(axis=1),
        lambda x: layers.Concatenate(axis=1)([x, x]),
        layers.GroupNormalization(2),
        layers.GlobalAveragePooling2D(keepdims=True),
        layers.UpSampling2D(),
        layers.Conv2DTranspose(2, 3, strides=2),
        layers.Permute((2, 1, 3)),
        lambda x: layers.BatchNormalization()(x, training=True),
        lambda x: ops.roll(x, 40, 1),
        lambda x: ops.flip(x, 1),
        lambda x: ops.mean(x, axis=(1, 2), keepdims=True),
        lambda x: ops.mean(x, axis=-1),
        lambda x: ops.max(x),
        lambda x: ops.softmax(x, axis=(1, 2)),
        lambda x: x[:, ::2],
        lambda x: x[:, 3:-3, 3:-3],
        lambda x: x[..., 1:, :],
        lambda x: x + np.zeros((64, 1, 4), "float32"),
        lambda x: x * ops.ones((1, 8, 8, 1)),
        lambda x: layers.Rescaling(np.ones((1, 64, 1, 4), "float32"))(x),
        lambda x: ops.clip(x, 0, np.ones((1, 64, 64, 1), "float32")),
        lambda x: layers.Rescaling([[[1.0] * 4], [[2.0] * 4]])(x),
        lambda x: x[..., None][..., 0],
        lambda x: x[:1, :] + x,
        lambda x: ops.pad(x, ((0, 0), (9, 9), (9, 9), (0, 0)), mode="reflect"),
        lambda x: ops.transpose(x, (0, 2, 1, 3)),
        lambda x: ops.image.gaussian_blur(x),
        lambda x: ops.cumsum(x, axis=1),
        lambda x: ops.sort(x, axis=1),
    ],
)
def test_what_is_not_known(operation):
    assert window_in_a_network(operation) is None
