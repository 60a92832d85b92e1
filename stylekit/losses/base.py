"""The terms of an objective: what a loss is, and the statistic losses among them."""

from __future__ import annotations

import abc
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keras import ops

from stylekit import functional
from stylekit._checks import InputTypeError, explain, fail, number
from stylekit._defaults import STYLE_LAYERS
from stylekit.image import as_image, picture_hash
from stylekit.losses.canvas import Canvas, MaskLike
from stylekit.losses.region import Region

Targets = Any
"""Nested dicts and tuples of tensors, or None: what `Loss.prepare` hands to `Loss.compute`."""


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
    layers : tuple of str
        What the term reads from the extractor; may be empty.
    is_mean : bool
        Whether the value follows from mask-weighted means over the cells of its layers, which the
        tiles of a picture combine by mass. Such a term has two methods more, with ``compute ==
        value(means)``: ``means(features, targets)`` returns what is a mean, by layer, for the
        layers that are in `features`, nested dicts of tensors ``[B, ...]``, and
        ``value(means, targets)`` the value. Its targets are a dict by layer.
    reach : int or None
        Of a term without layers whose value is a mean over pixels: how many pixels away lies what
        a pixel's own entry depends on. With tiles `compute` is then given bands of rows, one by
        one, as if each were a picture. The targets are None or a dict. None: it is given the
        whole picture.
    per_cell : tuple of str
        Which targets of a layer, or of the picture, have an entry a cell, or pixel:
        ``[1 or B, h, w, C]``. The one that is called ``"mask"``, unless it is None, weighs the
        means; of an empty one they are zero.
    only_prepared : tuple of str
        Attributes that `prepare` alone reads. Of another run's term they may differ, and what was
        traced for the one serves the other; see `stylekit.transfer.Reuse`.
    """

    layers: tuple[str, ...] = ()
    is_mean = False
    reach: int | None = None
    per_cell: tuple[str, ...] = ("mask",)
    only_prepared: tuple[str, ...] = ()

    def __init_subclass__(cls, **options) -> None:
        super().__init_subclass__(**options)
        # What a class says of its own mathematics does not hold for another's.
        if vars(cls).keys() & {"compute", "means", "statistic"}:
            cls.is_mean = vars(cls).get("is_mean", False)
            cls.reach = vars(cls).get("reach")
        if vars(cls).keys() & {"compute", "means", "value"}:
            cls.only_prepared = vars(cls).get("only_prepared", ())

    def __init__(self, *, weight: float = 1.0, name: str | None = None) -> None:
        self.weight = weight
        self.name = name

    @property
    def weight(self) -> float:
        """Factor of the term in the total."""
        return self._weight

    @weight.setter
    def weight(self, value: float) -> None:
        self._weight = number(value, f"the weight of {type(self).__name__}", low=0)

    @property
    def default_name(self) -> str:
        """The class's name in the style of Python's variables, without "Loss"."""
        stem = type(self).__name__.removesuffix("Loss") or "loss"
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", stem).lower()

    @property
    def parts(self) -> tuple[Loss, ...]:
        """The terms whose sum it is: itself, unless it takes several in one pass."""
        return (self,)

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
    def compute(self, image, features: Mapping[str, Any], targets: Targets):
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

    def get_config(self) -> dict[str, Any]:
        """Return the settings that matter, for `repr` and a run's record; pictures by hash."""
        config: dict[str, Any] = {"layers": list(self.layers)} if self.layers else {}
        config["weight"] = self.weight
        if self.name is not None:
            config["name"] = self.name
        return config

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({settings})"


class StatisticLoss(Loss):
    """Compares one statistic of the image's features with that of a reference.

    A subclass writes `statistic` alone, and sets ``is_mean = True`` if that is a mask-weighted mean
    over positions, zero for an empty mask, so that it can be taken tile by tile. The value is the
    mean over layers, by their weights, of ``distance``; with a mask, each is multiplied by the
    region's share of the picture, so that the force on a pixel does not grow as the region shrinks.

    Parameters
    ----------
    reference : path, PIL image or array
        It keeps its own size and aspect ratio.
    layers : sequence of str, or mapping of str to float
        Default: conv1_1 to conv5_1 of each block. A mapping holds the layers' weights, too.
    layer_weights : sequence of float or mapping, optional
        One a layer, at least 0. Default: equal.
    mask, reference_mask : array [H, W], path, PIL image or callable, optional
        Where the statistic is taken in the image and in the reference; of their sizes.
    reference_scale : float
        Size of the reference on the canvas, relative to its own.
    weight, name
        See `Loss`.
    """

    area_exponent = 1.0
    only_prepared = (
        "reference",
        "reference_scale",
        "region",
        "reference_region",
        "layer_weights",
        "area_exponent",
    )
    _reference_name = "reference"

    def __init__(
        self,
        reference,
        *,
        layers: Sequence[str] = STYLE_LAYERS,
        layer_weights: Sequence[float] | Mapping[str, float] | None = None,
        mask: MaskLike | None = None,
        reference_mask: MaskLike | None = None,
        reference_scale: float = 1.0,
        weight: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(weight=weight, name=name)
        self.reference = as_image(reference, self._reference_name)
        self.layers = layer_tuple(layers)
        self.layer_weights = weight_tuple(layer_weights, layers)
        self.region = Region(mask)
        self.reference_region = Region(reference_mask, f"{self._reference_name} mask")
        self.reference_scale = number(
            reference_scale, f"{self._reference_name}_scale", low=0, open_low=True
        )

    @abc.abstractmethod
    def statistic(self, feature, mask):
        """Return the statistic of a feature map over a region.

        Parameters
        ----------
        feature : tensor [B, h, w, C]
        mask : tensor [1, h, w, 1] or None
            None is the whole map.

        Returns
        -------
        tensor [B, ...]
        """

    def distance(self, statistic, target):
        """Return the distance ``[B]`` of two statistics: `functional.relative_error`."""
        return functional.relative_error(statistic, target)

    def prepare(self, canvas):
        """Return by layer the reference's statistic, the image's mask, its share, and a weight."""
        beside = canvas.beside(self.reference, self.reference_scale)
        masks = self.region.prepare(canvas, self.layers)
        reference_masks = self.reference_region.prepare(beside, masks)
        statistics = beside.statistics(self.statistic, reference_masks)
        weights = weight_shares(self.layers, self.layer_weights)
        targets = {}
        for layer, statistic in statistics.items():
            mask = masks[layer]
            share = 1.0 if mask is None else float(ops.mean(mask)) ** self.area_exponent
            targets[layer] = {
                "statistic": statistic,
                "mask": mask,
                "share": ops.convert_to_tensor(share, "float32"),
                "weight": weights[layer],
            }
        return targets

    def compute(self, image, features, targets):
        """Return the weighted mean over layers of the distances; see `Loss.compute`."""
        value = self.value(self.means(features, targets), targets)
        return per_picture(value, ops.shape(image)[0])

    def means(self, features, targets):
        """Return the statistics by layer, as far as the features go; see `Loss`."""
        return {
            layer: self.statistic(features[layer], targets[layer]["mask"])
            for layer in self.layers
            if layer in targets and layer in features
        }

    def value(self, means, targets):
        """Return the weighted mean over layers of the distances; see `Loss`."""
        value = 0.0
        for layer, statistic in means.items():
            distance = self.distance(statistic, targets[layer]["statistic"])
            distance = functional.full_precision(distance)
            factor = targets[layer]["weight"] * targets[layer]["share"]
            value += ops.cast(factor, distance.dtype) * distance
        return value

    def get_config(self):
        """Return the settings; see `Loss.get_config`."""
        config: dict[str, Any] = {self._reference_name: picture_hash(self.reference)}
        if len(set(self.layer_weights)) > 1:
            config["layer_weights"] = list(self.layer_weights)
        if self.reference_scale != 1:
            config[f"{self._reference_name}_scale"] = self.reference_scale
        config |= self.region.get_config("mask")
        config |= self.reference_region.get_config(f"{self._reference_name}_mask")
        return config | super().get_config()


def weight_shares(layers: Sequence[str], weights: Sequence[float]) -> dict[str, Any]:
    """Return by layer its share of the weights, a tensor: in targets, another needs no trace."""
    shares = [ops.convert_to_tensor(weight / sum(weights), "float32") for weight in weights]
    return dict(zip(layers, shares, strict=True))


def weighted_mean(values: Mapping[str, Any], layers: Sequence[str], weights: Sequence[float]):
    """Return the mean over layers by their weights; a layer without a value counts as zero."""
    weight = dict(zip(layers, weights, strict=True))
    return sum((weight[layer] * value for layer, value in values.items()), 0.0) / sum(weights)


def per_picture(value, batch):
    """Return a value for each picture of a batch; of references alone there may be but one."""
    value = ops.convert_to_tensor(value)
    return value + ops.zeros((batch,), dtype=value.dtype)


def layer_tuple(layers: Sequence[str] | str) -> tuple[str, ...]:
    """Return layer names as a tuple; one name may be given as it is."""
    one = isinstance(layers, str) or not isinstance(layers, Iterable)
    layers = (layers,) if one else tuple(layers)
    if not layers or not all(isinstance(layer, str) for layer in layers):
        raise InputTypeError(
            explain("layers are wrong", expected="one layer name or more", received=repr(layers))
        )
    if len(set(layers)) < len(layers):
        fail("a layer is named twice", expected="each layer once", received=", ".join(layers))
    return layers


def weight_tuple(weights, layers) -> tuple[float, ...]:
    """Return a weight for each layer from a sequence, a mapping or None (those of `layers`)."""
    if weights is None:
        weights = layers if isinstance(layers, Mapping) else (1.0,) * len(layer_tuple(layers))
    layers = layer_tuple(layers)
    if isinstance(weights, Mapping):
        if set(weights) != set(layers):
            fail(
                "layer_weights do not match the layers",
                expected=", ".join(layers),
                received=", ".join(map(str, weights)),
            )
        weights = [weights[layer] for layer in layers]
    weights = weights if isinstance(weights, Iterable) else (weights,)
    values = tuple(number(w, "a layer weight", low=0) for w in weights)
    if len(values) != len(layers):
        fail(
            "layer_weights do not match the layers", expected=str(len(layers)), received=len(values)
        )
    if not sum(values):
        fail("every layer weight is zero", hint="give at least one layer a weight")
    return values
