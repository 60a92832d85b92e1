"""A term of the objective, and its layers and weights."""

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
"""Layer names, with their weights in a mapping; None: the extractor's own."""

LayerWeightsLike = Sequence[float] | Mapping[str, float] | None
"""A weight a layer, in order or by name; None: equal."""

Targets = Any
"""Nested dicts and tuples of tensors, or None: what `Loss.prepare` hands to `Loss.compute`."""


@dataclasses.dataclass(frozen=True)
class Needs:
    """Bytes that a loss takes, beside the feature maps that it reads and its reference pictures.

    Attributes
    ----------
    compute : float
        Of each picture of a batch, while `Loss.compute` and its gradient are taken.
    prepare : float
        At most while `Loss.prepare` is at work, beside the network.
    targets : float
        Held from one step to the next.
    """

    compute: float = 0.0
    prepare: float = 0.0
    targets: float = 0.0


class Loss(abc.ABC):
    """A term of the objective.

    A subclass writes `compute` and, if it has references, `prepare`; it stores nothing of a run, so
    that one term may serve several sizes and several transfers.

    Parameters
    ----------
    weight : float
        Factor of the term in the total, at least 0. It may be changed between steps.
    name : str, optional
        Name in records. Default: the class's, without "Loss", numbered where several share it.

    Attributes
    ----------
    layers : tuple of str or None
        What the term reads from the extractor; may be empty, or one name as it is. None: the
        extractor's own style layers, so that the term serves any network; see `layers_of`.
    """

    layers: tuple[str, ...] | None = ()

    def __init__(self, *, weight: float = 1.0, name: str | None = None) -> None:
        self.weight = weight
        self.name = name

    @property
    def weight(self) -> float:
        """Factor of the term in the total."""
        return self._weight

    @weight.setter
    def weight(self, value: float) -> None:
        name = f"the weight of {type(self).__name__}"
        self._weight = number(value, name, low=0, argument="weight")

    @property
    def default_name(self) -> str:
        """The class's name in the style of Python's variables, without "Loss"."""
        stem = type(self).__name__.removesuffix("Loss") or "loss"
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", stem).lower()

    def layers_of(self, extractor: FeatureExtractor) -> tuple[str, ...]:
        """Return the layers that the term reads of an extractor."""
        if self.layers is None:
            return extractor.default_layers("style_layers")
        return layer_tuple(self.layers) if self.layers else ()

    def prepare(self, canvas: Canvas) -> Targets:
        """Return what `compute` compares with, once a size.

        Parameters
        ----------
        canvas : Canvas

        Returns
        -------
        nested dicts and tuples of tensors, or None
        """
        return None

    @abc.abstractmethod
    def compute(self, image: Tensor, features: Mapping[str, Any], targets: Targets) -> Tensor:
        """Return the unweighted value of each picture.

        Parameters
        ----------
        image : tensor [B, H, W, 3]
            RGB in [0, 1].
        features : mapping of str to tensor [B, h, w, C]
            Under the names in `layers`.
        targets
            What `prepare` returned.

        Returns
        -------
        tensor [B]
        """

    def needs(self, shape: tuple[int, int], maps: Mapping[str, tuple[int, int, int]]) -> Needs:
        """Return what the loss takes of memory, for `estimate_memory`. Default: nothing of note.

        Parameters
        ----------
        shape : (int, int)
            (H, W) of the picture.
        maps : mapping of str to (int, int, int)
            (h, w, C) of its feature maps, by layer.
        """
        return Needs()

    def get_config(self) -> dict[str, Any]:
        """Return the settings that matter, for `repr` and a run's record; pictures by hash."""
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
    """Return each layer's weight; None: 1.

    Raises
    ------
    InputError
        If the numbers of layers and weights differ.
    """
    weights = (1.0,) * len(layers) if weights is None else weights
    if len(weights) != len(layers):
        fail(
            "layer_weights do not match the layers",
            expected=f"{len(layers)}, for {', '.join(layers)}",
            received=len(weights),
            argument="layer_weights",
        )
    return dict(zip(layers, weights, strict=True))


def weight_shares(layers: Sequence[str], weights: Sequence[float] | None) -> dict[str, Any]:
    """Return by layer its share of the weights, a tensor: in targets, another needs no trace."""
    named = weights_by_layer(layers, weights)
    total = sum(named.values())
    return {layer: ops.convert_to_tensor(one / total, "float32") for layer, one in named.items()}


def weight_config(weights: Sequence[float] | None) -> dict[str, Any]:
    """Return the entry of a configuration for layer weights that differ."""
    return {"layer_weights": list(weights)} if weights and len(set(weights)) > 1 else {}


def per_picture(value, batch):
    """Return a value for each picture of a batch; of references alone there may be but one."""
    value = ops.convert_to_tensor(value)
    return value + ops.zeros((batch,), dtype=value.dtype)


def optional_layers(layers) -> tuple[str, ...] | None:
    """Return `layer_tuple`, or None, which stands for the extractor's own."""
    return None if layers is None else layer_tuple(layers)


def layer_tuple(layers: Any) -> tuple[str, ...]:
    """Return layer names as a tuple; one name may be given as it is."""
    one = isinstance(layers, str) or not isinstance(layers, Iterable)
    names = (layers,) if one else tuple(layers)
    if not names or not all(isinstance(layer, str) for layer in names):
        raise InputTypeError(
            explain("layers are wrong", expected="one layer name or more", received=repr(names)),
            argument="layers",
        )
    if len(set(names)) < len(names):
        fail(
            "a layer is named twice",
            expected="each layer once",
            received=", ".join(names),
            argument="layers",
        )
    return names


def weight_tuple(weights, layers) -> tuple[float, ...] | None:
    """Return a weight for each layer from a sequence, a mapping or None (those of `layers`).

    None where the layers are the extractor's own, and as much as any other.
    """
    if layers is None:
        if isinstance(weights, Mapping):
            fail(
                "layer_weights name layers, and `layers` does not",
                hint="give the mapping as `layers`",
                argument="layer_weights",
            )
        return None if weights is None else _layer_weights(weights)
    if weights is None:
        weights = layers if isinstance(layers, Mapping) else (1.0,) * len(layer_tuple(layers))
    layers = layer_tuple(layers)
    if isinstance(weights, Mapping):
        if set(weights) != set(layers):
            fail(
                "layer_weights do not match the layers",
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
            "every layer weight is zero",
            hint="give at least one layer a weight",
            argument="layer_weights",
        )
    return values
