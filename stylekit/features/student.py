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
from stylekit.features.compact import PLAIN, TAPS, build, trunk_name


def image_gradient(function: Callable, image, *arguments):
    """Return the gradient of a scalar function with respect to its first argument."""
    image = ops.convert_to_tensor(image)
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(image)
            value = function(image, *arguments)
        return tape.gradient(value, image)
    if backend == "jax":
        import jax

        return jax.grad(function)(image, *arguments)
    image = image.detach().requires_grad_(True)
    function(image, *arguments).backward()
    return image.grad


class Student(keras.Model):
    """The compact network's trunk, and at each tap a projection to the teacher's features.

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
        self.trunk = build(tuple(TAPS), "float32", keras.layers.Conv2D, taps=False)
        self.projections = {
            name: self.add_weight(
                shape=(self.trunk.output[name].shape[-1], width),
                initializer=keras.initializers.Orthogonal(seed=0),
                name=f"{name}_projection",
            )
            for name, width in channels.items()
        }
        self.feature_weight = feature_weight
        self.gram_weight = gram_weight
        self.change_weight = change_weight
        self.built = True

    def call(self, image):
        """Return the trunk's features by tap."""
        return self.trunk(image)

    def gram(self, name: str, feature):
        """Return the Gram matrix of the predicted teacher features, ``P^T G P``."""
        projection = self.projections[name]
        own = functional.gram_matrix(feature)
        return ops.matmul(ops.transpose(projection), ops.matmul(own, projection))

    def errors(self, features, targets) -> dict[str, tuple]:
        """Return by tap the relative errors of features and of Gram matrices, scalars."""
        result = {}
        for name, projection in self.projections.items():
            target = ops.cast(targets[name], "float32")
            seen = ops.sum(ops.square(ops.matmul(features[name], projection) - target))
            goal = functional.gram_matrix(target)
            result[name] = (
                seen / ops.sum(ops.square(target)),
                ops.mean(functional.relative_error(self.gram(name, features[name]), goal)),
            )
        return result

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return what is minimised; see the module."""
        total = 0.0
        for seen, gram in self.errors(y_pred, y).values():
            # The root keeps a tap that is nearly right from being forgotten beside the others.
            total = total + self.feature_weight * seen + self.gram_weight * ops.sqrt(gram + 1e-4)
        for name in PLAIN:  # such a tap keeps only the diagonal of P P^T
            metric = ops.matmul(self.projections[name], ops.transpose(self.projections[name]))
            diagonal = ops.sum(ops.square(ops.diagonal(metric)))
            total = total + 0.1 * (ops.sum(ops.square(metric)) / diagonal - 1)
        for style, content in self.changes(y_pred, y).values():
            total = total + self.change_weight * (style + content)
        return total

    def changes(self, features, targets) -> dict[str, tuple]:
        """Return by tap the errors of what a style loss and a content loss compare, scalars.

        A loss is made of a difference: of two Gram matrices, or of two feature maps. What the
        student gets wrong in both cancels, and where both are near each other, as late in a run,
        an error small beside either is large beside their difference.

        Parameters
        ----------
        features, targets : dict of str to tensor [3 n, h, w, C]
            Of n painted images, then of their styles, then of their photographs.

        Returns
        -------
        dict of str to (style, content)
            Squared errors of the differences, relative to the teacher's.
        """
        result = {}
        for name, projection in self.projections.items():
            target = ops.cast(targets[name], "float32")
            own = ops.split(self.gram(name, features[name]), 3)
            goal = ops.split(functional.gram_matrix(target), 3)
            style = _relative(own[0] - own[1], goal[0] - goal[1], goal[1])
            own = ops.split(ops.matmul(features[name], projection), 3)
            goal = ops.split(target, 3)
            result[name] = style, _relative(own[0] - own[2], goal[0] - goal[2], goal[2])
        return result

    def style(self, features, goals):
        """Return the sum over taps of the relative distances of Gram matrices: ``[B]``."""
        return sum(functional.relative_error(self.gram(n, features[n]), goals[n]) for n in goals)

    def kept(self, features):
        """Return the predicted features in which content is compared."""
        feature = features["block4_conv1"]
        projection = self.projections.get("block4_conv1")
        return feature if projection is None else ops.matmul(feature, projection)

    def painting_loss(self, image, goals, content, strength):
        """Return style and content losses at VGG19's balance, summed over images."""
        features = self(image)
        kept = functional.relative_error(self.kept(features), content)
        style = self.style(features, goals) / len(goals)
        return ops.sum((1 - strength) * kept + 8 * strength * style)


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
        if tap in student.projections:
            projection = ops.convert_to_numpy(student.projections[tap]).astype("float64")
            values, vectors = np.linalg.eigh(projection @ projection.T)
            root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        if tap in PLAIN:  # ReLU commutes with positive factors: the next kernel takes them back
            root = np.diag(np.sqrt(np.diag(root @ root)))
        root /= np.sqrt(np.mean((flat @ root) ** 2))
        if tap in PLAIN:
            name, after = trunk_name(*place), layers[[x.name for x in layers].index(tap) + 1].name
            weights[name] = [w * np.diag(root) for w in weights[name]]
            weights[after][0] = weights[after][0] / np.diag(root)[:, None]
        else:
            weights[tap] = [root[None, None], np.zeros(len(root))]
    return {
        f"{name}/{part}": values.astype("float16")
        for name, pair in weights.items()
        for part, values in zip(("kernel", "bias"), pair, strict=True)
    }
