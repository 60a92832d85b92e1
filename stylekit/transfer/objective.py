"""The objective at one size: losses, prepared once, and the gradient of their weighted sum.

Apart from the plans that save memory, only this module has traced functions and gradient tapes.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from stylekit._checks import InputTypeError, SetupError, choice, explain, fail, naming, renamed
from stylekit.features import FeatureExtractor
from stylekit.functional import Tensor
from stylekit.image import as_batch
from stylekit.losses import Canvas, Loss
from stylekit.losses.base import layer_tuple
from stylekit.losses.canvas import LevelNotBegunError
from stylekit.transfer.optimizers import LBFGS, Optimizer
from stylekit.transfer.parameters import clip, shown
from stylekit.transfer.plugin import described, tracing

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
"""Precisions that a run accepts."""

CUTS = {
    *("Ceil", "Floor", "Rint", "Round", "Sign"),
    *("OnesLike", "PyFunc", "PyFuncStateless", "StopGradient", "ZerosLike"),
}
"""TensorFlow operations on floats that pass no gradient."""

EXACT = "float64"
"""Precision for gradient checks by finite differences, which are too inexact in float32."""


class Objective:
    """The weighted sum of losses at one size, and its gradient.

    It can also be used with other optimizers, such as those of SciPy::

        def total_and_gradient(x):
            total, _, gradient = objective(x.reshape(1, height, width, 3))
            return float(total[0]), gradient.numpy().ravel().astype("float64")

    Parameters
    ----------
    losses : sequence of Loss
        The terms of the sum. A change of a loss's weight takes effect at the next call.
    extractor : FeatureExtractor
    shape : (int, int)
        (H, W) of the image.
    base_shape : (int, int), optional
        (H, W) at the final size of a pyramid. Default: `shape`.
    picture : ndarray [H, W, 3], optional
        The picture that is passed to callable masks.
    precision : {"float32", "mixed_float16", "mixed_bfloat16", "float64"}
        Precision of the network. In mixed precision, Gram matrices and losses are float32. With
        ``"float64"`` they are float64, too. `StyleTransfer` does not accept ``"float64"``; use it
        to compare the gradient of a loss with finite differences.
    round : int
        See `Canvas.round`.
    start : array or tensor [B, H, W, 3], optional
        See `Canvas.start`. If it is not given, losses that read it are prepared by `begin`.

    Attributes
    ----------
    terms : dict of str to Loss
        The losses, by name.
    canvas : Canvas
    targets : dict of str
        What the method `prepare` of each loss returned, by name of the loss.
    without_gradient : set of str
        Names of the losses, of those traced so far, that pass no gradient to the image.

    Raises
    ------
    InputError
        If there are no losses, two have the same name, the image is too small for a layer, or a
        mask cannot be used.
    SetupError
        If Keras does not run on TensorFlow.
    """

    can_compile = True
    keeps_trace = True
    serves_others = False

    def __init__(
        self,
        losses: Sequence[Loss],
        extractor: FeatureExtractor,
        shape: tuple[int, int],
        *,
        base_shape: tuple[int, int] | None = None,
        picture: np.ndarray | None = None,
        precision: str = "float32",
        round: int = 0,
        start: Tensor | None = None,
    ) -> None:
        check_backend()
        self.terms = named_terms(losses)
        self.precision = choice(precision, "precision", (*PRECISIONS, EXACT))
        self.dtype = keras.DTypePolicy(precision).variable_dtype
        self.canvas = self._canvas(
            extractor, shape, base_shape=base_shape, picture=picture, dtype=precision, round=round
        )
        if start is not None:
            self.canvas.begin(start, round)
        self._reads = {name: layers_read(term, extractor) for name, term in self.terms.items()}
        self._layers = read_by(self.terms.values(), extractor)
        self.canvas.check_size(self._layers)
        # Build the network here. Inside a traced function, setting its weights would be part of the
        # trace, and the network would stay random.
        if self._layers:
            extractor.network(self._layers, precision)
        self.targets, self._following = self._known(self.terms)
        for name in self.targets.keys() if self.serves_others else self._following:
            if name in self.targets:
                self.targets[name] = as_variables(self.targets[name])
        # The smallest positive float16 is 6e-8, and the gradient of a mean over a picture is about
        # as small. Inside the tape the total is multiplied by a power of two, which is exact.
        exponent = (
            int(math.log2(shape[0] * shape[1]) + 0.5) + 8 if precision == "mixed_float16" else 0
        )
        self._scale = tf.Variable(2.0**exponent, trainable=False, dtype=self.dtype)
        self._fitted = precision != "mixed_float16"
        self._trace()

    def _trace(self) -> None:
        self.without_gradient: set[str] = set()
        self._steppers: dict[str, Callable] = {}
        self._traced = tf.function(_separate(self._evaluate), autograph=False)
        self._traced_terms = tf.function(_separate(self._term_gradients), autograph=False)

    def begin(self, image: Tensor, round: int | None = None) -> None:
        """Prepare the losses that read `Canvas.start` or `Canvas.round`.

        Parameters
        ----------
        image : array or tensor [B, H, W, 3]
            See `Canvas.start`.
        round : int, optional
            See `Canvas.round`. Default: unchanged.
        """
        if not self._following:
            return
        self.canvas.begin(image, self.canvas.round if round is None else round)
        for name in self._following:
            targets, known = self._prepare(self.terms[name]), self.targets.get(name)
            if known is not None and self.keeps_trace and form(known) == form(targets):
                assign(known, targets)
            else:
                self.targets[name] = as_variables(targets)
                self._trace()
        self._prepared()

    def _known(self, terms: Mapping[str, Loss]) -> tuple[dict[str, Any], list[str]]:
        """Return the targets that are known before the level begins, and the losses for `begin`.

        The targets are a dict by loss name. A loss that only reads the round is in both.
        """
        targets, following = {}, []
        for name, term in terms.items():
            self.canvas.follows = False
            with contextlib.suppress(LevelNotBegunError):
                targets[name] = self._prepare(term)
            if self.canvas.follows:
                following.append(name)
        return targets, following

    def _prepared(self) -> None:
        """Do nothing. Called when targets are known or have changed; subclasses override it."""

    def _canvas(self, extractor, shape, **options) -> Canvas:
        return Canvas(extractor, shape, **options)

    def _prepare(self, term: Loss):
        with naming(f"in method {type(term).__name__}.prepare"), renamed(layer="layers"):
            return term.prepare(self.canvas)

    @property
    def weights(self) -> Tensor:
        """The current weights of the losses, as a tensor."""
        return tf.constant([term.weight for term in self.terms.values()], self.dtype)

    def __call__(self, image: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Evaluate the objective at an image.

        Parameters
        ----------
        image : array or tensor [B, H, W, 3]
            RGB in [0, 1]. Values outside this range are not clipped.

        Returns
        -------
        total : tensor [B]
            The weighted sum of the losses.
        values : dict of str to tensor [B]
            The unweighted losses.
        gradient : tensor [B, H, W, 3]
            Gradient of the total with respect to the image.
        """
        image = self._checked(image)
        self.fit_scale(image)
        return self._traced(image, self.weights)

    def term_gradients(self, image: Tensor) -> dict[str, Any]:
        """Return each weighted loss's gradient ``[B, H, W, 3]``. The total's is their sum."""
        image = self._checked(image)
        self.fit_scale(image)
        return self._traced_terms(image, self.weights)

    def stepper(
        self,
        optimizer: Optimizer,
        render: Callable | None = None,
        bounds: tuple[float, float] | None = None,
        *,
        jit_compile: bool = False,
    ) -> Callable:
        """Return one step of an optimizer as a traced function.

        Parameters
        ----------
        optimizer : Optimizer
        render : callable, optional
            Takes the values and returns the image. By default the values are the image itself, in
            [0, 1].
        bounds : (float, float), optional
            Limits of the values.
        jit_compile : bool
            Whether XLA compiles the step, if it can.

        Returns
        -------
        callable
            Takes (carry, weights) and returns (carry, row). The carry holds ``values``, ``state``,
            ``finite`` (whether everything so far was finite), ``good`` (the last image whose losses
            were finite), and ``best`` with ``best_total``. The row describes the given values:
            ``image``, ``total``, ``terms``, ``gradient_finite``, ``image_finite`` and ``stuck``.
            ``stuck`` is true if the total is above 0 and its gradient is 0 everywhere. Images are
            clipped to [0, 1]. Losses and gradients are those of the unclipped image.
        """
        # Only steps of LBFGS on pixels are kept: any other render captures its mask, and Keras
        # optimizers hold state.
        key = None
        if render is None and type(optimizer) is LBFGS:
            key = f"{optimizer} {optimizer.get_config()} {optimizer.bounds} {bounds} {jit_compile}"
            if key in self._steppers:
                return self._steppers[key]

        def step(carry, weights):
            row: dict[str, Any] = {}
            others: list[Exception] = []  # errors of the losses or the parametrisation
            graph, given = tf.compat.v1.get_default_graph(), carry["values"]

            def evaluate(values):
                values = _shaped(values, given, "`evaluate` was given")
                if not row and tf.compat.v1.get_default_graph() is not graph:
                    fail(
                        "`step` calls `evaluate` for the first time within a loop or a condition",
                        hint="call `evaluate(x)` once before tf.while_loop or tf.cond",
                        argument="optimizer",
                    )
                try:
                    total, terms, gradient = self._evaluate(values, weights, render)
                    if row:  # a further evaluation of a line search is not recorded
                        return total, gradient
                    row["image"] = shown(values, render)
                except Exception as error:
                    others.append(error)
                    raise
                row["total"], row["terms"] = total, terms
                row["gradient_finite"] = tf.reduce_all(tf.math.is_finite(gradient))
                row["stuck"] = tf.reduce_all(gradient == 0) & tf.reduce_all(total > 0)
                return total, gradient

            advice = "Keep state in the tensors that `init` returns and `step` takes and returns."
            with tracing(optimizer, "step", advice, others):
                made = optimizer.step(evaluate, given, carry["state"])
                if not isinstance(made, tuple | list) or len(made) != 2:
                    fail(
                        "`step` must return the next values and the state",
                        expected="a tuple (values, state)",
                        received=type(made).__name__,
                        argument="optimizer",
                    )
                values, state = made
                if not row:
                    fail(
                        "`step` must evaluate its values",
                        hint="call `evaluate(x)` in each step",
                        argument="optimizer",
                    )
                values = _shaped(values, given, "`step` returned")
                try:
                    tf.nest.assert_same_structure(carry["state"], state, check_types=False)
                except (TypeError, ValueError):
                    fail(
                        "`step` must return a state with the structure of the state it received",
                        expected=f"the structure from `init`, {_structure(carry['state'])}",
                        received=_structure(state),
                        argument="optimizer",
                    )
                leaves = tf.nest.flatten(carry["state"]), tf.nest.flatten(state)
                for before, after in zip(*leaves, strict=True):
                    if before.shape != (now := tf.convert_to_tensor(after)).shape:
                        fail(
                            "`step` must return a state with the shapes of the state it received",
                            expected=str(list(before.shape)),
                            received=list(now.shape),
                            argument="optimizer",
                        )
            # A network may hide NaN in the image: its ReLU can turn it into 0.
            row["image_finite"] = tf.reduce_all(tf.math.is_finite(row["image"]))
            loss_finite = tf.reduce_all(tf.math.is_finite(row["total"])) & row["image_finite"]
            loss_finite &= carry["finite"]
            better = row["total"] < carry["best_total"]
            return {
                "values": clip(values, bounds),
                "state": state,
                "finite": loss_finite & row["gradient_finite"],
                "good": either(loss_finite, row["image"], carry["good"]),
                "best": either(better, row["image"], carry["best"]),
                "best_total": tf.where(better, row["total"], carry["best_total"]),
            }, row

        compiled = jit_compile and self.can_compile
        traced = tf.function(_separate(step), autograph=False, jit_compile=compiled or None)
        if key is not None:
            self._steppers[key] = traced
        return traced

    def fit_scale(self, image: Tensor) -> None:
        """Lower the scale of the half-precision gradient until it does not overflow at `image`.

        This is done once, in the first evaluation if it was not called before.
        """
        if self._fitted:
            return
        self._fitted = True
        for _ in range(8):
            if tf.reduce_all(tf.math.is_finite(self._traced(image, self.weights)[2])):
                return
            self._scale.assign(self._scale / 64)

    def _evaluate(self, values, weights, render=None):
        with tf.GradientTape(watch_accessed_variables=False) as tape_of_image:
            tape_of_image.watch(values)
            image = values if render is None else render(values)
        seen = self._seen(image)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch((image, seen))
            terms = self._terms(image, seen)
            weighed = zip(tf.unstack(weights), terms.values(), strict=True)
            total = tf.add_n([weight * value for weight, value in weighed])
            scaled = total * self._scale
        gradient = self._pulled(image, seen, *tape.gradient(scaled, (image, seen)))
        if render is not None:
            zero = {"unconnected_gradients": "zero"}
            gradient = tape_of_image.gradient(image, values, gradient, **zero)
        return total, terms, gradient / self._scale

    def _term_gradients(self, image, weights):
        seen = self._seen(image)
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch((image, seen))
            terms = self._terms(image, seen)
            scaled = {
                name: value * weight * self._scale
                for (name, value), weight in zip(terms.items(), tf.unstack(weights), strict=True)
            }
        return {
            name: self._pulled(image, seen, *tape.gradient(value, (image, seen))) / self._scale
            for name, value in scaled.items()
        }

    def _seen(self, image) -> dict[str, Any]:
        """Return what is computed from an image outside of the tape. By default it is empty."""
        return {}

    def _pulled(self, image, seen, gradient, slopes):
        """Return the sum of the tape's gradient and the gradient that passes through `seen`.

        `gradient` is None if the losses do not depend on the image directly, and `slopes`, the
        gradient with respect to `seen`, if they do not depend on `seen`.
        """
        return tf.zeros_like(image) if gradient is None else gradient

    def _terms(self, image, seen) -> dict[str, Any]:
        features = self.canvas.extract(image, self._layers)
        values = {}
        for name in self.terms:
            read = {layer: features[layer] for layer in self._reads[name]}
            values[name] = self._computed(name, image, read, self.targets[name])
        return values

    def _computed(self, name: str, image, features, targets):
        """Return the value of a loss after checking it."""
        term = self.terms[name]
        with naming(f"in loss {name!r}, method {type(term).__name__}.compute"):
            value = term.compute(image, features, targets)
            value = self._checked_value(name, value, image.shape[0])
        if not tf.executing_eagerly() and not passes_gradient(value, [image, *features.values()]):
            self.without_gradient.add(name)
        return value

    def _checked_value(self, name: str, value, batch: int):
        try:
            number = tf.convert_to_tensor(value)
        except (TypeError, ValueError):  # such as None
            number = None
        if number is None or not (number.dtype.is_floating or number.dtype.is_integer):
            kind = type(value).__name__ if number is None else number.dtype.name
            problem = f"the loss {name!r} must compute real numbers"
            hint = "" if number is not None else "does it end without a return statement?"
            raise InputTypeError(
                explain(problem, expected=f"one per picture, [{batch}]", received=kind, hint=hint)
            )
        value = tf.cast(number, self.dtype)
        if value.shape != (batch,) and not (batch == 1 and value.shape == ()):
            fail(
                f"the loss {name!r} must compute one value per picture",
                expected=f"the shape [{batch}]",
                received=list(value.shape),
            )
        return tf.reshape(value, (batch,))

    def _checked(self, image):
        if self.targets.keys() != self.terms.keys():
            fail(
                f"the loss {self._following[0]!r} needs the image at which its level starts",
                hint="call begin(image) first, or give start= to Objective",
            )
        if isinstance(image, np.ndarray) and image.dtype.kind == "f" and image.ndim == 4:
            image = tf.convert_to_tensor(image)  # may be outside [0, 1]
        elif not tf.is_tensor(image):
            image = as_batch(image, "image")
        image = tf.cast(image, self.dtype)
        if len(image.shape) != 4 or tuple(image.shape[1:]) != (*self.canvas.shape, 3):
            height, width = self.canvas.shape
            fail(
                "`image` must have the shape of the objective",
                expected=f"[B, {height}, {width}, 3]",
                received=list(image.shape),
                argument="image",
            )
        return image


def named_terms(losses: Sequence[Loss]) -> dict[str, Loss]:
    """Return losses by name. Unnamed losses of the same class are numbered from 2.

    Raises
    ------
    InputError, InputTypeError
        If there are no losses, one is not a `Loss`, or two have the same name.
    """
    losses = [losses] if isinstance(losses, Loss) else list(losses)
    if not losses:
        fail("`losses` must hold at least one loss, got none", argument="losses")
    for loss in losses:
        if not isinstance(loss, Loss):
            raise InputTypeError(
                explain(
                    "each of `losses` must be a Loss",
                    expected="an object of a class derived from stylekit.losses.Loss",
                    received=described(loss),
                ),
                argument="losses",
            )
    given = [loss.name for loss in losses if loss.name is not None]
    for name in given:
        if name == "total" or given.count(name) > 1:
            problem = "is reserved for the sum" if name == "total" else "is given twice"
            fail(
                f"the loss name {name!r} {problem}",
                hint="give each loss its own name",
                argument="losses",
            )
    named: dict[str, Loss] = {}
    for loss in losses:
        name, number = loss.default_name if loss.name is None else loss.name, 1
        while loss.name is None and (name in named or name in given or name == "total"):
            number += 1
            name = f"{loss.default_name}_{number}"
        named[name] = loss
    return named


def passes_gradient(value: tf.Tensor, sources: Iterable[tf.Tensor]) -> bool:
    """Return whether a value of a graph can have a gradient with respect to any of the sources.

    This searches the operations of the graph, which is much faster than building the gradient.
    """
    sought = {source.ref() for source in sources}
    waiting, met = [value], set()
    while waiting:
        tensor = waiting.pop()
        if tensor.ref() in sought:
            return True
        operation = tensor.op
        if operation.name not in met and operation.type not in CUTS:
            met.add(operation.name)
            # Gradients pass through loops in lists, which are variants, and through variables.
            kinds = (tf.variant, tf.resource)
            waiting += [
                one
                for one in operation.inputs
                if one.dtype.is_floating or one.dtype.is_complex or one.dtype in kinds
            ]
    return False


def _separate(function: Callable) -> Callable:
    """Return a copy of a function whose traces TensorFlow counts separately.

    TensorFlow warns of repeated traces of the same code. It counts a partial object by itself, so
    that further objectives in the same process do not cause the warning.
    """
    copy = partial(function)
    copy.__name__ = function.__name__  # type: ignore[attr-defined]  # XLA needs a name
    return copy


def _shaped(values, like, who: str) -> tf.Tensor:
    """Return values from an optimizer as a tensor like `like`, after a check of their shape."""
    values = tf.convert_to_tensor(values, like.dtype)
    if not values.shape.is_compatible_with(like.shape):
        fail(
            f"{who} values with the wrong shape",
            expected=str(list(like.shape)),
            received=str(values.shape),
            argument="optimizer",
        )
    return values if values.shape == like.shape else tf.ensure_shape(values, like.shape)


def _structure(state) -> str:
    """Return the structure of tuples, lists and dicts as text, with the types of their items."""
    return str(tf.nest.map_structure(lambda one: type(one).__name__, state)).replace("'", "")


def either(condition, one, other):
    """Return the images `one` where the condition, a scalar or ``[B]``, is true, else `other`."""
    if condition.shape.num_elements() == 1:  # return one of the two, without a copy
        return tf.cond(tf.reshape(condition, ()), lambda: one, lambda: other)
    return tf.where(condition[:, None, None, None], one, other)


def read_by(losses: Iterable[Loss], extractor: FeatureExtractor) -> tuple[str, ...]:
    """Return the layers that losses read from an extractor, each once."""
    return tuple(dict.fromkeys(name for loss in losses for name in layers_read(loss, extractor)))


def layers_read(loss: Loss, extractor: FeatureExtractor) -> tuple[str, ...]:
    """Return the layers that a loss reads, after a check; errors name the class of the loss."""
    with naming(f"in method {type(loss).__name__}.layers_of"):
        layers = loss.layers_of(extractor)
        return layer_tuple(layers) if layers else ()


def check_backend() -> None:
    """Raise `SetupError` unless Keras runs on TensorFlow, with eager execution."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise SetupError(
            explain(
                "style transfer needs Keras's TensorFlow backend",
                expected="tensorflow",
                received=backend,
                hint="set the environment variable KERAS_BACKEND=tensorflow before Keras is "
                "imported, or remove the backend from ~/.keras/keras.json",
            )
        )
    if not tf.executing_eagerly():
        raise SetupError(
            explain(
                "style transfer needs TensorFlow's eager execution, which is disabled",
                hint="remove tf.compat.v1.disable_eager_execution() or disable_v2_behavior(), or "
                "call stylekit in a separate process, and outside of tf.function",
            )
        )


def as_variables(targets):
    """Return targets as variables. If `targets` is None, return None."""
    return tf.nest.map_structure(
        lambda target: None if target is None else tf.Variable(target, trainable=False), targets
    )


def assign(variables, targets) -> None:
    """Assign targets to variables of the same structure."""
    for variable, target in zip(tf.nest.flatten(variables), tf.nest.flatten(targets), strict=True):
        if target is not None:
            variable.assign(target)


def form(targets) -> Any:
    """Return the structure of nested targets, with their shapes and dtypes."""
    leaves = [
        None if leaf is None else (tuple(leaf.shape), tf.as_dtype(leaf.dtype))
        for leaf in tf.nest.flatten(targets)
    ]
    return tf.nest.map_structure(lambda leaf: None, targets), leaves
