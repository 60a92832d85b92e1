"""Reflection padding: a wrapper of extractors that avoids artifacts of zero padding."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

import keras
from keras import ops

from stylekit._checks import fail, integer
from stylekit.features.extractor import FeatureExtractor, WrappingExtractor
from stylekit.features.geometry import Grid, Window
from stylekit.functional import Tensor

_MARGIN = ":margin"


class ReflectPadding(WrappingExtractor):
    """A wrapper that pads pictures with their mirror image before an extractor reads them.

    The zero padding of convolutions changes the features at the border. A style loss treats this as
    a part of the style and paints a frame. Here the picture is extended by its mirror image, and
    the feature maps are cropped to the cells of the picture.

    Parameters
    ----------
    extractor : FeatureExtractor
        The extractor to wrap.
    pixels : int
        Width of the reflection in pixels, at least 1. Must be a multiple of the stride of every
        layer that is read. The time of a step grows by the factor ``(1 + 2 pixels / side)^2``,
        where ``side`` is the side of the picture. With VGG19 up to conv4_1, 16 pixels are enough to
        remove the visible frame, although the receptive field of conv4_1 is larger.

    Notes
    -----
    Layers keep the names that they have in the wrapped extractor. ``"NAME:margin"`` is the feature
    map of layer NAME before it is cropped. Later layers read this uncropped feature map, and
    `Recompute` starts from it.
    """

    def __init__(self, extractor: FeatureExtractor, pixels: int = 16) -> None:
        super().__init__(extractor)
        self.pixels = integer(pixels, "pixels", low=1)
        side = (self.pixels, self.pixels)
        self._border = Window(1, border=(side, side))
        self.layer_names = tuple(
            name for own in extractor.layer_names for name in (own + _MARGIN, own)
        )

    def __repr__(self) -> str:
        return f"ReflectPadding({self.extractor!r}, pixels={self.pixels})"

    def __eq__(self, other) -> bool:
        return (
            isinstance(other, ReflectPadding)
            and self.extractor is other.extractor
            and self.pixels == other.pixels
        )

    def __hash__(self) -> int:
        return hash((id(self.extractor), self.pixels))

    def resolve(self, layer: str) -> str:
        """Return the network's name of a layer; see `FeatureExtractor.resolve`."""
        if isinstance(layer, str) and layer.endswith(_MARGIN):
            return self.extractor.resolve(layer.removesuffix(_MARGIN)) + _MARGIN
        return self.extractor.resolve(layer)

    def model(self, layers: Iterable[str], dtype: str = "float32") -> keras.Model:
        """Return the network with reflection padding; see `FeatureExtractor.model`."""
        names = self._ordered(layers)
        if (names, dtype) not in self._models:
            network = self.extractor.network(_inner(names), dtype)
            image = keras.Input(network.input_shape[1:], dtype=network.inputs[0].dtype)
            side = (self.pixels, self.pixels)
            padded = ops.pad(image, ((0, 0), side, side, (0, 0)), mode="reflect")
            self._models[names, dtype] = keras.Model(
                image, self._cut(names, network(padded), network)
            )
        return self._models[names, dtype]

    def stages(
        self, layers: Iterable[str], cuts: Iterable[str], dtype: str = "float32"
    ) -> tuple[keras.Model, ...]:
        """Return the network in stages; see `FeatureExtractor.stages`.

        Raises
        ------
        InputError
            If the name of a cut does not end in ``":margin"``. Such names are required because
            later layers also read the margin.
        """
        names, cuts = self._ordered((*layers, *cuts)), self._ordered(cuts)
        for cut in cuts:
            if not cut.endswith(_MARGIN):
                fail(
                    f"the network cannot be cut at {cut!r}",
                    expected=f"{cut + _MARGIN!r}",
                    argument="cuts",
                )
        first, *rest = self.extractor.stages(_inner(names), _inner(cuts), dtype)
        parts = [[name for name in names if name.removesuffix(_MARGIN) in _outputs(first)]]
        stages = [self.model(parts[0], dtype)]
        network = self.extractor.network(_inner(names), dtype)
        for stage in rest:
            own = [name for name in names if name.removesuffix(_MARGIN) in _outputs(stage)]
            feature = keras.Input(stage.input_shape[1:], dtype=stage.inputs[0].dtype)
            stages.append(keras.Model(feature, self._cut(own, stage(feature), network)))
        return tuple(stages)

    def windows(self, layer: str) -> tuple[Window, ...]:
        """Return the spatial operations; see `FeatureExtractor.windows`."""
        name = self.resolve(layer)
        inner = self.extractor.checked_windows(name.removesuffix(_MARGIN))
        return (self._border, *inner) if name.endswith(_MARGIN) else inner

    def pool_mask(self, mask: Tensor, layer: str) -> Tensor:
        """Return a mask pooled to a layer; see `FeatureExtractor.pool_mask`."""
        name = self.resolve(layer)
        if name.endswith(_MARGIN):
            return super().pool_mask(mask, name)
        return self.extractor.pool_mask(mask, name)

    def grid(self, layer: str, length: int, axis: int) -> Grid:
        """Return the geometry of the cells along an axis; see `FeatureExtractor.grid`."""
        name = self.resolve(layer)
        inner = name.removesuffix(_MARGIN)
        if name == inner:
            return self.extractor.grid(inner, length, axis)
        grid = self.extractor.grid(inner, length + 2 * self.pixels, axis)
        return dataclasses.replace(
            grid, before=grid.before + self.pixels, after=grid.after - self.pixels
        )

    def check_windows(self, layer: str) -> None:
        """Raise `InputError` if tiles would be wrong; see `FeatureExtractor.check_windows`."""
        self.extractor.check_windows(self.resolve(layer).removesuffix(_MARGIN))

    def smallest_size(self, layer: str) -> int:
        """Return the smallest side of a picture that is large enough for the reflection."""
        return max(self.pixels + 1, self.extractor.smallest_size(_inner([layer])[0]))

    def _ordered(self, layers: Iterable[str]) -> tuple[str, ...]:
        names = {self.resolve(layer) for layer in layers}
        return tuple(sorted(names, key=self.layer_names.index))

    def _cut(self, names: Iterable[str], features, network: keras.Model):
        """Return the features by name, cropped unless the name ends in ``":margin"``.

        The number of cells of the margin is computed from the output shapes of the network, because
        windows do not describe operations that enlarge feature maps.
        """
        inner_names = _inner(names)
        step = math.lcm(*(side for name in inner_names for side in self.extractor.stride(name)))
        side = -(-max(map(self.extractor.smallest_size, inner_names)) // step) * step
        plain, wide = (
            network.compute_output_shape((1, length, length, 3))
            for length in (side, side + 2 * self.pixels)
        )
        result = {}
        for name in names:
            inner = name.removesuffix(_MARGIN)
            feature = features[inner]
            if name == inner:
                strides = self.extractor.stride(inner)
                both = [wide[inner][axis] - plain[inner][axis] for axis in (1, 2)]
                if any(self.pixels % stride for stride in strides) or any(n % 2 for n in both):
                    fail(
                        f"`pixels` does not match the stride of layer {inner!r}",
                        expected=f"a multiple of {math.lcm(*strides)} pixels",
                        received=self.pixels,
                        argument="pixels",
                    )
                rows, columns = (cells // 2 for cells in both)
                feature = feature[:, rows : -rows or None, columns : -columns or None]
            result[name] = feature
        return result


def _inner(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the layers in the wrapped extractor, without duplicates."""
    return tuple(dict.fromkeys(name.removesuffix(_MARGIN) for name in names))


def _outputs(stage: keras.Model) -> set[str]:
    return set(stage.output)
