"""The compact network during training, and its conversion for use.

After training, the projection P is folded into a smaller matrix. Let R be the symmetric square root
of ``P P^T``. Then ``|R D R| = |P^T D P|`` for every D. A 1 x 1 convolution with R at a tap
therefore gives features with the same distances as the predicted teacher features. The distances of
their Gram matrices are the same, too. R has only as many channels as the student.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
import numpy as np
from keras import ops

from stylekit import functional
from stylekit.features.compact import PLAIN, TAPS, CompactVGG, build, trunk_name

USED = {*CompactVGG.style_layers, *CompactVGG.content_layers}
"""Taps that a style transfer reads by default."""

ASIDE = 0.25
"""Training weight of the other taps. It is low, so that these taps hardly influence the trunk."""


def gradient_of(function: Callable) -> Callable:
    """Return a function for the gradient of a scalar function with respect to its first argument.

    On TensorFlow and JAX the gradient is compiled once for each combination of shapes.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.function(autograph=False)
        def gradient(image, *arguments):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(image)
                value = function(image, *arguments)
            return tape.gradient(value, image)

    elif backend == "jax":
        import jax

        gradient = jax.jit(jax.grad(function))
    else:

        def gradient(image, *arguments):
            image = image.detach().requires_grad_(True)
            function(image, *arguments).backward()
            return image.grad

    return lambda image, *arguments: gradient(ops.convert_to_tensor(image), *arguments)


class Student(keras.Model):
    """The trunk of the compact network, with a projection onto the teacher's features at each tap.

    The taps of `PLAIN` have no projection, because their filters are copied from the teacher and
    are not trained.

    Parameters
    ----------
    channels : mapping of str to int
        Number of the teacher's channels by tap.
    feature_weight, gram_weight, change_weight : float
        Weights of three errors in the training loss: the error of the features, the error of their
        Gram matrices, and the error of the changes that a style transfer makes; see `changes`. The
        weights are the same for every tap.
    """

    def __init__(
        self,
        channels: Mapping[str, int],
        feature_weight: float = 1.0,
        gram_weight: float = 1.0,
        change_weight: float = 1.0,
    ) -> None:
        super().__init__(name="student")
        self.trunk = build(tuple(TAPS), "float32", student=True)
        for name in PLAIN:
            self.trunk.get_layer(name).trainable = False
        self.projections = {
            name: self.add_weight(
                shape=(self.trunk.output[name].shape[-1], width),
                initializer=keras.initializers.Orthogonal(seed=0),
                name=f"{name}_projection",
            )
            for name, width in channels.items()
            if name not in PLAIN
        }
        self.feature_weight = feature_weight
        self.gram_weight = gram_weight
        self.change_weight = change_weight
        self.built = True

    def call(self, image):
        """Return the features of the trunk by tap."""
        return self.trunk(image)

    def predicted(self, features) -> dict:
        """Return the predictions of the teacher's features by tap."""
        # `matmul` would run a separate product for every row of cells.
        return {n: ops.tensordot(features[n], p, 1) for n, p in self.projections.items()}

    def errors(self, predicted, targets) -> dict[str, tuple]:
        """Return for each tap the relative errors of features and of Gram matrices, two scalars."""
        result = {}
        for name, own in predicted.items():
            target = ops.cast(targets[name], "float32")
            own_gram, gram = functional.gram_matrix(own), functional.gram_matrix(target)
            result[name] = (
                ops.sum(ops.square(own - target)) / ops.sum(ops.square(target)),
                ops.mean(functional.relative_error(own_gram, gram)),
            )
        return result

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the training loss; see the docstring of `__main__`."""
        total, predicted = 0.0, self.predicted(y_pred)
        errors, changes = self.errors(predicted, y), self.changes(predicted, y)
        for name, (seen, gram) in errors.items():
            # The square root keeps the gradient of taps with a small error from vanishing.
            here = self.feature_weight * seen + self.gram_weight * ops.sqrt(gram + 1e-4)
            here = here + self.change_weight * sum(changes[name])
            total = total + (here if name in USED else ASIDE * here)
        return total

    def changes(self, predicted, targets) -> dict[str, tuple]:
        """Return for each tap the errors of the differences that style and content losses compute.

        A loss is computed from the difference of two Gram matrices or of two feature maps. An error
        that both have in common cancels. If the two are similar, as at the end of a run, an error
        that is small relative to each of them can be large relative to their difference.

        Parameters
        ----------
        predicted, targets : dict of str to tensor [3 n, h, w, C]
            Features of n painted images, then of their styles, then of their photographs.

        Returns
        -------
        dict of str to (style, content)
            For each tap, the squared errors of the style difference and of the content difference.
            Each is a scalar, relative to the teacher's squared difference plus 1 % of the teacher's
            squared features or Gram matrices.
        """
        result = {}
        for name, feature in predicted.items():
            target = ops.cast(targets[name], "float32")
            own = ops.split(functional.gram_matrix(feature), 3)
            goal = ops.split(functional.gram_matrix(target), 3)
            style = _relative(own[0] - own[1], goal[0] - goal[1], goal[1])
            own, goal = ops.split(feature, 3), ops.split(target, 3)
            result[name] = style, _relative(own[0] - own[2], goal[0] - goal[2], goal[2])
        return result

    def painting(self, image) -> tuple[dict, dict]:
        """Return the Gram matrices by tap, and the content features by tap, of a transfer."""
        features = self(image)
        seen = {name: features[name] for name in PLAIN} | self.predicted(features)
        styles, contents = (
            {name: seen[name] for name in layers if name in seen}
            for layers in (CompactVGG.style_layers, CompactVGG.content_layers)
        )
        return {name: functional.gram_matrix(x) for name, x in styles.items()}, contents

    def painting_loss(self, image, goals, kept, strength):
        """Return the loss of a transfer with `CompactVGG`, summed over the images."""
        error = functional.relative_error
        grams, seen = self.painting(image)
        style = sum(error(grams[name], goals[name]) for name in goals) / len(goals)
        content = sum((error(seen[name], kept[name]) for name in kept), 0.0) / max(len(kept), 1)
        return ops.sum((1 - strength) * content + CompactVGG.style_factor * strength * style)


def _relative(change, target, whole):
    """Return the squared error of a change, divided by ``|target|^2 + 0.01 |whole|^2``."""
    axes = tuple(range(1, len(target.shape)))
    error, size, most = (
        ops.sum(ops.square(x), axis=axes) for x in (change - target, target, whole)
    )
    return ops.mean(error / (size + 1e-2 * most))


def folded(student: Student, pictures: np.ndarray) -> dict[str, np.ndarray]:
    """Return the weights of `CompactVGG` in float16: the trunk and the folded projections.

    The features of every tap are scaled to a mean square of 1 on `pictures`.
    """
    layers = [x for x in student.trunk.layers if isinstance(x, keras.layers.Conv2D)]
    weights = {x.name: [ops.convert_to_numpy(w) for w in (x.kernel, x.bias)] for x in layers}
    features = student.trunk.predict_on_batch(pictures)
    for tap, place in TAPS.items():
        flat = features[tap].reshape(-1, features[tap].shape[-1])
        root = np.eye(flat.shape[1])
        # A tap without a projection uses the projection of a tap at the same place, if there is
        # one.
        taught = [t for t in (tap, *TAPS) if t in student.projections and TAPS[t] == place]
        if taught:
            projection = ops.convert_to_numpy(student.projections[taught[0]]).astype("float64")
            values, vectors = np.linalg.eigh(projection @ projection.T)
            root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        scale = np.mean((flat @ root) ** 2) ** -0.5
        if tap in PLAIN:  # ReLU commutes with positive factors, so the next kernel is divided
            name, after = trunk_name(*place), layers[[x.name for x in layers].index(tap) + 1].name
            weights[name] = [w * scale for w in weights[name]]
            weights[after][0] = weights[after][0] / scale
        else:
            weights[tap] = [root[None, None] * scale, np.zeros(len(root))]
    return {
        f"{name}/{part}": values.astype("float16")
        for name, pair in weights.items()
        for part, values in zip(("kernel", "bias"), pair, strict=True)
    }
