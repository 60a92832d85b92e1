"""What a compact network is taught, and what it is given before it learns."""

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
    """The features to be learned.

    Each layer is scaled to a mean square of 1, and seen in the half of its dimensions that holds
    most of it: the first eigenvectors of its Gram matrix.

    Parameters
    ----------
    extractors : list of (FeatureExtractor, layer names)
        Several, where one has not all layers.
    example : ndarray [B, H, W, 3]
        Pictures from which scales and eigenvectors are taken.
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
        """Return float16 features by layer."""
        return {n: (f @ self.bases[n]).astype("float16") for n, f in self._features(images)}

    def _features(self, images):
        for model in self.models:
            for name, feature in model.predict_on_batch(images).items():
                yield name.removesuffix("_aux"), feature


def teachers(path: str, deep: str | None) -> list[tuple[FeatureExtractor, tuple[str, ...]]]:
    """Return VGG19 with the taps that its file holds, and for the rest a published student."""
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
    """Give the trunk what is known before it learns, and the projections their least squares.

    Where `path` names an earlier network, that are its convolutions, as far as they are of the same
    shape; else see `inherit`.
    """
    if path is None:
        inherit(student.trunk, teacher.extractors[0], pictures)
    else:
        weights_file(path, "--start")
        for layer in _convolutions(student.trunk):  # one that is not there is learned anew
            with contextlib.suppress(FileError):
                found = read_convolutions(path, {layer.name: tuple(layer.kernel.shape)})
                layer.set_weights(found[layer.name])
    targets, features = teacher(pictures), student.trunk.predict_on_batch(pictures)
    for name, projection in student.projections.items():
        own, target = features[name], targets[name]
        projection.assign(_least_squares(_rows(own), _rows(target)))


def inherit(trunk: keras.Model, vgg: FeatureExtractor, pictures: np.ndarray) -> None:
    """Make of each convolution a part of its counterpart in VGG19, as far as VGG19's file goes.

    From the picture down: of the counterpart's channels those are taken of which the rest can best
    be predicted (the pivots of a QR decomposition), and what goes into their ReLU is fitted to what
    the trunk has so far, by least squares. The first convolution sees the picture itself, and is
    exact. Every convolution is scaled to a mean square of 1.

    References
    ----------
    He, Zhang, Sun: Channel Pruning for Accelerating Very Deep Neural Networks, ICCV 2017, choose
    channels by the lasso, and fit their consumers in the same way.
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
            # VGG19 sees BGR in 0-255, the trunk RGB times 4, both less the mean.
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
            # How far below zero a sum lies, the ReLU does not tell.
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
    triangle = np.linalg.qr(values, mode="r")  # of the same lengths and angles as the values
    _, order = scipy.linalg.qr(triangle, mode="r", pivoting=True)
    return order[:count]


def _cells(shape, rng: np.random.Generator, count: int = 20000) -> tuple:
    flat = rng.choice(np.prod(shape[:3]), min(count, np.prod(shape[:3])), replace=False)
    return np.unravel_index(flat, shape[:3])


def _patches(feature: np.ndarray, at: tuple) -> np.ndarray:
    """Return what a 3 x 3 convolution sees at cells: ``[n, 9 C]``."""
    padded = np.pad(feature, ((0, 0), (1, 1), (1, 1), (0, 0)))
    picture, row, column = at
    return np.concatenate(
        [padded[picture, row + i, column + j] for i in range(3) for j in range(3)], axis=1
    )


def _least_squares(own: np.ndarray, target: np.ndarray, ridge: float = 1e-3) -> np.ndarray:
    damping = ridge * np.mean(own**2) * len(own) * np.eye(own.shape[1])
    return np.linalg.solve(own.T @ own + damping, own.T @ target)


def _rows(feature: np.ndarray, most: int = 30000) -> np.ndarray:
    """Return a feature map's cells as rows, float32; of very many an even sample."""
    flat = feature.reshape(-1, feature.shape[-1])
    return flat[:: math.ceil(len(flat) / most)].astype("float32")
