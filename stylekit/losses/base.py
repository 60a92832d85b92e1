"""The base class of all losses, and helpers for layers and layer weights."""

from __future__ import annotations

import abc
import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keras import ops

from stylekit._checks import InputTypeError, explain, fail, number, settings_of
from stylekit.functional import Tensor
from stylekit.losses.canvas import Canvas

if TYPE_CHECKING:
    from stylekit.features import FeatureExtractor

LayersLike = Sequence[str] | Mapping[str, float] | str | None
"""Layer names, or a mapping of layer name to weight. None: the extractor's default layers."""

LayerWeightsLike = Sequence[float] | Mapping[str, float] | None
"""One weight per layer, in order or by name. None: equal weights."""

Targets = Any
"""What `Loss.prepare` returns for `Loss.compute`: nested dicts and tuples of tensors, or None."""


@dataclasses.dataclass(frozen=True)
class Needs:
    """Memory that a loss uses, in bytes, not counting its feature maps and reference pictures.

    Attributes
    ----------
    compute : float
        Peak memory per image of the batch while `Loss.compute` and its gradient are evaluated.
    prepare : float
        Peak memory while `Loss.prepare` runs, not counting the network.
    targets : float
        Size of the targets, which are kept between steps.
    """

    compute: float = 0.0
    prepare: float = 0.0
    targets: float = 0.0


class Loss(abc.ABC):
    """Base class of losses: one term of the objective.

    A subclass implements `compute` and, if it has references, `prepare`. It must not store any
    state of a run, because one loss may be used at several sizes and in several transfers.

    Parameters
    ----------
    weight : float
        Factor of the loss in the objective, at least 0. It may be changed between steps.
    name : str, optional
        Name in histories and manifests. Default: `default_name`, with a number if several losses
        share it.

    Attributes
    ----------
    layers : tuple of str or None
        Layers whose features `compute` receives. It may be empty, or a single name. None: the
        extractor's default style layers, so that the loss works with any network. See `layers_of`.
    """

    layers: tuple[str, ...] | None = ()

    def __init__(self, *, weight: float = 1.0, name: str | None = None) -> None:
        self.weight = weight
        self.name = name

    @property
    def weight(self) -> float:
        """Factor of the loss in the objective."""
        return self._weight

    @weight.setter
    def weight(self, value: float) -> None:
        name = f"`weight` of {type(self).__name__}"
        self._weight = number(value, name, low=0, argument="weight")

    @property
    def default_name(self) -> str:
        """The class name in snake case, without "Loss": ``"gram_style"`` for `GramStyleLoss`."""
        stem = type(self).__name__.removesuffix("Loss") or "loss"
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", stem).lower()

    def layers_of(self, extractor: FeatureExtractor) -> tuple[str, ...]:
        """Return the names of the layers that the loss reads from an extractor."""
        if self.layers is None:
            return extractor.default_layers("style_layers")
        return layer_tuple(self.layers) if self.layers else ()

    def prepare(self, canvas: Canvas) -> Targets:
        """Return the targets that `compute` compares the image with. Called once per size.

        Parameters
        ----------
        canvas : Canvas
            The size, and methods to extract features and to resize masks at that size.

        Returns
        -------
        nested dicts and tuples of tensors, or None
        """
        return None

    @abc.abstractmethod
    def compute(self, image: Tensor, features: Mapping[str, Any], targets: Targets) -> Tensor:
        """Return the unweighted loss of each picture.

        Parameters
        ----------
        image : tensor [B, H, W, 3]
            The images that are optimised, RGB in [0, 1].
        features : mapping of str to tensor [B, h, w, C]
            Features of the images by layer name, for each name in `layers`.
        targets
            What `prepare` returned.

        Returns
        -------
        tensor [B]
        """

    def needs(self, shape: tuple[int, int], maps: Mapping[str, tuple[int, int, int]]) -> Needs:
        """Return the memory that the loss uses, for `estimate_memory`. Default: negligible.

        Parameters
        ----------
        shape : (int, int)
            (H, W) of the picture in pixels.
        maps : mapping of str to (int, int, int)
            (h, w, C) of the feature map of each layer.
        """
        return Needs()

    def get_config(self) -> dict[str, Any]:
        """Return the settings for `repr` and for the manifest of a run, with hashes of pictures."""
        config: dict[str, Any] = {"layers": [*layer_tuple(self.layers)]} if self.layers else {}
        config["weight"] = self.weight
        if self.name is not None:
            config["name"] = self.name
        return config

    def __repr__(self) -> str:
        config = settings_of(self, f"loss {type(self).__name__}")
        settings = ", ".join(f"{key}={value!r}" for key, value in config.items())
        return f"{type(self).__name__}({settings})"


def weights_by_layer(layers: Sequence[str], weights: Sequence[float] | None) -> dict[str, float]:
    """Return a dict of layer name to weight. If `weights` is None, each weight is 1.

    Raises
    ------
    InputError
        If the numbers of layers and weights differ.
    """
    weights = (1.0,) * len(layers) if weights is None else weights
    if len(weights) != len(layers):
        fail(
            "`layer_weights` must have one weight per layer",
            expected=f"{len(layers)}, for {', '.join(layers)}",
            received=len(weights),
            argument="layer_weights",
        )
    return dict(zip(layers, weights, strict=True))


def weight_shares(layers: Sequence[str], weights: Sequence[float] | None) -> dict[str, Any]:
    """Return a dict of layer name to its share of the sum of the weights, a float32 scalar tensor.

    Shares are tensors because they are part of the targets. The step is then not retraced when a
    share changes.
    """
    named = weights_by_layer(layers, weights)
    total = sum(named.values())
    return {layer: ops.convert_to_tensor(one / total, "float32") for layer, one in named.items()}


def weight_config(weights: Sequence[float] | None) -> dict[str, Any]:
    """Return the ``"layer_weights"`` entry of a configuration; empty if all weights are equal."""
    return {"layer_weights": list(weights)} if weights and len(set(weights)) > 1 else {}


def per_picture(value, batch):
    """Broadcast to ``[B]``. A value that depends only on the references may have one entry."""
    value = ops.convert_to_tensor(value)
    return value + ops.zeros((batch,), dtype=value.dtype)


def optional_layers(layers) -> tuple[str, ...] | None:
    """Return `layer_tuple` of the layers, or None, which means the extractor's default layers."""
    return None if layers is None else layer_tuple(layers)


def layer_tuple(layers: Any) -> tuple[str, ...]:
    """Return layer names as a tuple. A single name may be given as a string."""
    one = isinstance(layers, str) or not isinstance(layers, Iterable)
    names = (layers,) if one else tuple(layers)
    if not names or not all(isinstance(layer, str) for layer in names):
        raise InputTypeError(
            explain(
                "`layers` must be layer names", expected="one or more strings", received=repr(names)
            ),
            argument="layers",
        )
    if len(set(names)) < len(names):
        fail("`layers` must name each layer once", received=", ".join(names), argument="layers")
    return names


def weight_tuple(weights, layers) -> tuple[float, ...] | None:
    """Return one weight per layer, or None for equal weights of the extractor's default layers.

    Parameters
    ----------
    weights : sequence of float, mapping of str to float, or None
        If None, the weights in `layers` are used if `layers` is a mapping, and equal weights
        otherwise.
    layers : sequence of str, mapping of str to float, str or None
        None: the extractor's default layers.
    """
    if layers is None:
        if isinstance(weights, Mapping):
            fail(
                "`layer_weights` can only be a mapping if `layers` is given",
                hint="pass the mapping as `layers`",
                argument="layer_weights",
            )
        return None if weights is None else _layer_weights(weights)
    if weights is None:
        weights = layers if isinstance(layers, Mapping) else (1.0,) * len(layer_tuple(layers))
    layers = layer_tuple(layers)
    if isinstance(weights, Mapping):
        if set(weights) != set(layers):
            fail(
                "`layer_weights` must name the same layers as `layers`",
                expected=", ".join(layers),
                received=", ".join(map(str, weights)),
                argument="layer_weights",
            )
        weights = [weights[layer] for layer in layers]
    return _layer_weights(weights, layers)


def _layer_weights(weights, layers: Sequence[str] | None = None) -> tuple[float, ...]:
    weights = weights if isinstance(weights, Iterable) else (weights,)
    values = tuple(number(w, "a layer weight", low=0, argument="layer_weights") for w in weights)
    if layers is not None:
        weights_by_layer(layers, values)
    if not sum(values):
        fail(
            "`layer_weights` must not all be 0",
            hint="give at least one layer a positive weight",
            argument="layer_weights",
        )
    return values
