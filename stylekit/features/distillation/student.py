"""The compact network while it is trained, and how it is made ready for use.

At the end P is folded. With R the symmetric root of ``P P^T``, ``|R D R| = |P^T D P|`` for every D:
distances of Gram matrices, and of features, after the tap's 1 x 1 convolution R are those of the
predicted teacher features, at the student's width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
import numpy as np
from keras import ops

from stylekit import functional
from stylekit.features.compact import PLAIN, TAPS, CompactVGG, build, trunk_name

USED = {*CompactVGG.style_layers, *CompactVGG.content_layers}
"""Taps that a transfer compares unless it is told otherwise."""

ASIDE = 0.25
"""Weight of the other taps: they are to learn from the trunk, and hardly to bend it."""


def gradient_of(function: Callable) -> Callable:
    """Return the gradient, a function too, of a scalar function with respect to its first argument.

    On TensorFlow and JAX it is compiled, and made once for many calls with the same shapes.
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
    """The compact network's trunk, and at each tap a projection to the teacher's features.

    A tap of `PLAIN` has none: it is some of the teacher's own filters, and stays as it is.

    Parameters
    ----------
    channels : mapping of str to int
        The teacher's channels at the taps that it has.
    feature_weight, gram_weight, change_weight : float
        Of the errors of features and of Gram matrices, the same for every tap, and of those of the
        changes that style transfer makes; see `changes`.
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
        """Return the trunk's features by tap."""
        return self.trunk(image)

    def predicted(self, features) -> dict:
        """Return the teacher's features as far as the trunk's tell them, by tap."""
        # Not `matmul`, which multiplies the projection for every row of cells.
        return {n: ops.tensordot(features[n], p, 1) for n, p in self.projections.items()}

    def errors(self, predicted, targets) -> dict[str, tuple]:
        """Return by tap the relative errors of features and of Gram matrices, scalars."""
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
        """Return what is minimised; see the module."""
        total, predicted = 0.0, self.predicted(y_pred)
        errors, changes = self.errors(predicted, y), self.changes(predicted, y)
        for name, (seen, gram) in errors.items():
            # The root keeps a tap that is nearly right from being forgotten beside the others.
            here = self.feature_weight * seen + self.gram_weight * ops.sqrt(gram + 1e-4)
            here = here + self.change_weight * sum(changes[name])
            total = total + (here if name in USED else ASIDE * here)
        return total

    def changes(self, predicted, targets) -> dict[str, tuple]:
        """Return by tap the errors of what a style loss and a content loss compare, scalars.

        A loss is made of a difference: of two Gram matrices, or of two feature maps. What the
        student gets wrong in both cancels, and where both are near each other, as late in a run,
        an error small beside either is large beside their difference.

        Parameters
        ----------
        predicted, targets : dict of str to tensor [3 n, h, w, C]
            Of n painted images, then of their styles, then of their photographs.

        Returns
        -------
        dict of str to (style, content)
            Squared errors of the differences, relative to the teacher's.
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
        """Return the Gram matrices, and the features of content, that a transfer compares."""
        features = self(image)
        seen = {name: features[name] for name in PLAIN} | self.predicted(features)
        styles, contents = (
            {name: seen[name] for name in layers if name in seen}
            for layers in (CompactVGG.style_layers, CompactVGG.content_layers)
        )
        return {name: functional.gram_matrix(x) for name, x in styles.items()}, contents

    def painting_loss(self, image, goals, kept, strength):
        """Return what a transfer with `CompactVGG` minimises, summed over images."""
        error = functional.relative_error
        grams, seen = self.painting(image)
        style = sum(error(grams[name], goals[name]) for name in goals) / len(goals)
        content = sum((error(seen[name], kept[name]) for name in kept), 0.0) / max(len(kept), 1)
        return ops.sum((1 - strength) * content + CompactVGG.style_factor * strength * style)


def _relative(change, target, whole):
    """Return the squared error of a change relative to its target, or to 1 % of the whole."""
    axes = tuple(range(1, len(target.shape)))
    error, size, most = (
        ops.sum(ops.square(x), axis=axes) for x in (change - target, target, whole)
    )
    return ops.mean(error / (size + 1e-2 * most))


def folded(student: Student, pictures: np.ndarray) -> dict[str, np.ndarray]:
    """Return float16 weights of `CompactVGG`: the trunk, and what is left of the projections.

    Every tap is scaled to a mean square of 1 on `pictures`.
    """
    layers = [x for x in student.trunk.layers if isinstance(x, keras.layers.Conv2D)]
    weights = {x.name: [ops.convert_to_numpy(w) for w in (x.kernel, x.bias)] for x in layers}
    features = student.trunk.predict_on_batch(pictures)
    for tap, place in TAPS.items():
        flat = features[tap].reshape(-1, features[tap].shape[-1])
        root = np.eye(flat.shape[1])
        # An untaught tap takes what was learned for another at the same place, if anything was.
        taught = [t for t in (tap, *TAPS) if t in student.projections and TAPS[t] == place]
        if taught:
            projection = ops.convert_to_numpy(student.projections[taught[0]]).astype("float64")
            values, vectors = np.linalg.eigh(projection @ projection.T)
            root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        scale = np.mean((flat @ root) ** 2) ** -0.5
        if tap in PLAIN:  # ReLU commutes with a positive factor: the next kernel takes it back
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
