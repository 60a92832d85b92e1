"""The training targets of a compact network, and the initialisation of the network."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import keras
import numpy as np
import scipy.linalg
from keras import ops

from stylekit._checks import FileError, weights_file
from stylekit.features.compact import COUNTERPARTS, PLAIN, TAPS
from stylekit.features.distillation.collaborative import collaborative_student
from stylekit.features.distillation.student import Student
from stylekit.features.extractor import FeatureExtractor
from stylekit.features.vgg19 import VGG19
from stylekit.features.weights import read_convolutions

Features = dict[str, np.ndarray]


class Teacher:
    """The features that the student learns.

    The features of each layer are scaled to a mean square of 1. They are projected onto
    eigenvectors of their Gram matrix: the half with the largest eigenvalues.

    Parameters
    ----------
    extractors : list of (FeatureExtractor, layer names)
        The networks, and the layers that are read from each. Several networks are needed if one of
        them lacks some layers.
    example : ndarray [B, H, W, 3]
        Pictures from which the scales and the eigenvectors are computed.
    """

    def __init__(self, extractors: list[tuple[FeatureExtractor, tuple[str, ...]]], example) -> None:
        self.extractors = [extractor for extractor, _ in extractors]
        self.models = [extractor.model(layers) for extractor, layers in extractors]
        self.bases: dict[str, np.ndarray] = {}
        for name, feature in self._features(example):
            flat = _rows(feature)
            _, vectors = np.linalg.eigh(flat.T @ flat)
            half = vectors[:, : len(vectors) // 2 - 1 : -1]
            self.bases[name] = half * np.mean(flat**2) ** -0.5
        self.channels = {name: basis.shape[1] for name, basis in self.bases.items()}

    def __call__(self, images) -> Features:
        """Return the features of pictures by layer, in float16."""
        return {n: (f @ self.bases[n]).astype("float16") for n, f in self._features(images)}

    def _features(self, images):
        for model in self.models:
            for name, feature in model.predict_on_batch(images).items():
                yield name.removesuffix("_aux"), feature


def teachers(path: str, deep: str | None) -> list[tuple[FeatureExtractor, tuple[str, ...]]]:
    """Return VGG19 for the taps in its file, and a published student for the other taps."""
    vgg, taps = VGG19(path), [tap for tap in TAPS if tap not in PLAIN]
    while True:
        try:
            vgg.model(tuple(taps))
            break
        except FileError:
            taps.pop()
            if not taps:
                raise
    found: list[tuple[FeatureExtractor, tuple[str, ...]]] = [(vgg, tuple(taps))]
    if deep and "block5_conv1" not in taps:
        found.append((collaborative_student(deep, projected=True), ("block5_conv1_aux",)))
    return found


def begin(
    student: Student, teacher: Teacher, pictures: np.ndarray, path: Path | None = None
) -> None:
    """Initialise the trunk, and initialise the projections by least squares.

    If `path` is the weights file of an earlier network, its convolutions with matching shapes are
    copied. Otherwise the trunk is initialised by `inherit`.
    """
    if path is None:
        inherit(student.trunk, teacher.extractors[0], pictures)
    else:
        weights_file(path, "--start")
        for layer in _convolutions(student.trunk):  # missing ones keep their initial values
            with contextlib.suppress(FileError):
                found = read_convolutions(path, {layer.name: tuple(layer.kernel.shape)})
                layer.set_weights(found[layer.name])
    targets, features = teacher(pictures), student.trunk.predict_on_batch(pictures)
    for name, projection in student.projections.items():
        own, target = features[name], targets[name]
        projection.assign(_least_squares(_rows(own), _rows(target)))


def inherit(trunk: keras.Model, vgg: FeatureExtractor, pictures: np.ndarray) -> None:
    """Initialise the convolutions of the trunk by pruning VGG19.

    The convolutions are processed from the picture down, as far as VGG19's file contains them. From
    each VGG19 layer, the channels are chosen that predict the other channels best: the pivots of a
    QR decomposition. Each trunk convolution is fitted by least squares: from the trunk's features
    it predicts the values of the chosen channels before the ReLU. The first convolution reads the
    picture, and its channels are copied exactly. The features of each convolution are scaled to a
    mean square of 1.

    References
    ----------
    He, Zhang, Sun: Channel Pruning for Accelerating Very Deep Neural Networks, ICCV 2017. The paper
    chooses the channels by the lasso, and fits the following layers by least squares as here.
    """
    rng = np.random.default_rng(0)
    names = [name for block in COUNTERPARTS for name in block]
    for layer, name in zip(_convolutions(trunk), names, strict=True):
        try:
            whole = vgg.model((name,))
        except FileError:
            return
        theirs = whole.get_layer(name)
        if name in PLAIN:
            # VGG19's input is BGR in [0, 255]. The trunk's input is RGB in [0, 1] times 4. The mean
            # is subtracted from both.
            kernel, bias = theirs.get_weights()
            feature = ops.convert_to_numpy(whole(pictures)[name])
            values = feature[_cells(feature.shape, rng)]
            chosen = _pivots(values, layer.filters)
            kernel, bias = kernel[:, :, ::-1, chosen] * (255 / 4), bias[chosen]
            size = np.linalg.norm(_least_squares(values[:, chosen], values), axis=1)
            size /= np.sqrt(np.mean((values[:, chosen] * size) ** 2))
        else:
            given = _outputs(trunk, layer.input, pictures)
            before = _outputs(whole, theirs.input, pictures)
            sums = theirs.convolution_op(ops.convert_to_tensor(before), theirs.kernel)
            sums = ops.convert_to_numpy(sums + theirs.bias)
            at = _cells(sums.shape, rng)
            values, rows = sums[at], _patches(given, at)
            chosen = _pivots(np.maximum(values, 0), layer.filters)
            goal = values[:, chosen]
            # The ReLU removes negative values, so that large negative values need not be fitted.
            goal = np.maximum(goal, -np.sqrt(np.mean(np.maximum(goal, 0) ** 2, axis=0)))
            rows = np.concatenate([rows, np.ones_like(rows[:, :1])], axis=1)
            fitted = _least_squares(rows, goal, 1e-4)
            kernel, bias = fitted[:-1].reshape(layer.kernel.shape), fitted[-1]
            size = np.mean(np.maximum(rows @ fitted, 0) ** 2) ** -0.5
        layer.set_weights([kernel * size, bias * size])


def _convolutions(model: keras.Model) -> list:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


def _outputs(model: keras.Model, tensor, pictures: np.ndarray) -> np.ndarray:
    return ops.convert_to_numpy(keras.Model(model.inputs[0], tensor)(pictures))


def _pivots(values: np.ndarray, count: int) -> np.ndarray:
    triangle = np.linalg.qr(values, mode="r")  # keeps the lengths and angles of the columns
    _, order = scipy.linalg.qr(triangle, mode="r", pivoting=True)
    return order[:count]


def _cells(shape, rng: np.random.Generator, count: int = 20000) -> tuple:
    flat = rng.choice(np.prod(shape[:3]), min(count, np.prod(shape[:3])), replace=False)
    return np.unravel_index(flat, shape[:3])


def _patches(feature: np.ndarray, at: tuple) -> np.ndarray:
    """Return the 3 x 3 neighbourhoods of cells, ``[n, 9 C]``."""
    padded = np.pad(feature, ((0, 0), (1, 1), (1, 1), (0, 0)))
    picture, row, column = at
    return np.concatenate(
        [padded[picture, row + i, column + j] for i in range(3) for j in range(3)], axis=1
    )


def _least_squares(own: np.ndarray, target: np.ndarray, ridge: float = 1e-3) -> np.ndarray:
    damping = ridge * np.mean(own**2) * len(own) * np.eye(own.shape[1])
    return np.linalg.solve(own.T @ own + damping, own.T @ target)


def _rows(feature: np.ndarray, most: int = 30000) -> np.ndarray:
    """Return the cells of a feature map as rows, float32. Large maps are subsampled evenly."""
    flat = feature.reshape(-1, feature.shape[-1])
    return flat[:: math.ceil(len(flat) / most)].astype("float32")
