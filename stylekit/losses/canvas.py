"""The view that a loss has of a run at one size: shapes, features and resized masks."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops

from stylekit._checks import caused_by, choice, fail, naming, renamed
from stylekit.functional import Tensor
from stylekit.image import periodic, resize
from stylekit.image.arrays import tiled_axes
from stylekit.masks import MaskLike, operations

if TYPE_CHECKING:
    from stylekit.features import FeatureExtractor

LARGEST_SOUGHT = 4096
"""Longest side, in pixels, that `Canvas.smallest_region_size` tries. A search beyond this side
takes minutes."""


class LevelNotBegunError(Exception):
    """Raised by `Canvas.start` before the level begins; `Objective` prepares the loss later."""


class Canvas:
    """A loss's view of a run at one size.

    Parameters
    ----------
    extractor : FeatureExtractor
    shape, base_shape : (int, int)
        (H, W) in pixels at this size and at the final size. Default of `base_shape`: `shape`.
    picture : ndarray [H, W, 3], optional
        The content picture, which is passed to callable masks.
    mask_shape : (int, int), optional
        The shape that masks must have. Default: `base_shape`.
    dtype : str
        The dtype policy of the extractor.
    round : int
        See the attribute.

    Attributes
    ----------
    notes : list of str
        Remarks for the manifest of the run, such as a region omitted at a layer.
    follows : bool
        Whether `start` or `round` was read. If so, `Loss.prepare` is called again when the level
        begins.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        shape: tuple[int, int],
        *,
        base_shape: tuple[int, int] | None = None,
        picture: np.ndarray | None = None,
        mask_shape: tuple[int, int] | None = None,
        dtype: str = "float32",
        round: int = 0,
    ) -> None:
        self.extractor = extractor
        self.shape = (shape[0], shape[1])
        self.base_shape = (base_shape[0], base_shape[1]) if base_shape else self.shape
        self.mask_shape = (mask_shape[0], mask_shape[1]) if mask_shape else self.base_shape
        self.picture = picture
        self.dtype = dtype
        self.notes: list[str] = []
        self._cells: dict[tuple[str, tuple[int, ...]], tuple[int, ...]] = {}
        self.follows = False
        self.begin(None, round)
        self._what = "the picture"
        self._argument: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether this is the run's final size."""
        return self.shape == self.base_shape

    @property
    def image(self) -> Tensor:
        """The content picture at this size, a tensor ``[1, H, W, 3]``."""
        if self.picture is None:
            fail(
                "this run has no content picture",
                expected="one picture as the initial image, or a ContentLoss",
                received="neither",
            )
        return ops.convert_to_tensor(self.fitted(self.picture)[None])

    def fitted(self, picture: np.ndarray) -> np.ndarray:
        """Return a picture ``[h, w, 3]`` at this size, made periodic if the run tiles."""
        tile = self.extractor.tile
        return resize(periodic(picture, tile) if tile else picture, self.shape, tile=tile)

    @property
    def start(self) -> Tensor:
        """The image that this level starts from, a tensor ``[B, H, W, 3]``.

        - At the first level it is the initial image of the run.
        - At a finer level it is the initial image of the run, resized to this size, plus the change
          that the coarser level made. If the run started from noise or another `Start`, it is the
          enlarged result of the coarser level.
        - In a further round at the same size it is the result of the last round.
        - Where the update mask is 0 it is the initial image of the run.

        `Loss.prepare` is called for all sizes before the first step, so that invalid arguments
        raise early. The image that a later level starts from is not known then. Reading `start`
        raises an exception that ends `prepare`, and `prepare` is called again when the level
        begins. An implementation should check its arguments first, read `start` next, and compute
        last.
        """
        self.follows = True
        if self._start is None:
            raise LevelNotBegunError
        return self._start

    @property
    def round(self) -> int:
        """Number of earlier levels of the same size, 0 for the first; see `Pyramid`."""
        self.follows = True
        return self._round

    def begin(self, image: Tensor | None, round: int) -> None:
        """Set the image that the level starts from; None means that the level has not begun."""
        self._start = None if image is None else ops.convert_to_tensor(image)
        self._round = round

    def beside(self, picture: np.ndarray, scale: float = 1.0, *, argument: str = "style") -> Canvas:
        """Return a canvas for a reference, which keeps its own size and aspect ratio.

        Parameters
        ----------
        picture : ndarray [h, w, 3]
        scale : float
            Factor by which the reference is resized at the final size.
        argument : str
            Name of the parameter of the loss that holds the picture, for `error.argument`.

        Returns
        -------
        Canvas
            A canvas for `picture`, reduced by the same factor as this canvas relative to the final
            one. It shares the notes of this canvas. The reference does not tile.
        """
        reduction = max(self.shape) / max(self.base_shape)

        def scaled(factor: float) -> tuple[int, int]:
            height, width = picture.shape[:2]
            return max(1, round(height * factor)), max(1, round(width * factor))

        canvas = copy.copy(self)  # keeps the class, and shares the list of notes
        canvas.base_shape = scaled(scale)
        canvas.shape = canvas.base_shape if self.is_final else scaled(scale * reduction)
        canvas.picture = picture
        canvas.extractor = self.extractor.beside
        canvas.mask_shape = picture.shape[:2]
        canvas._what, canvas._argument = "a style or reference picture", argument
        return canvas

    def extract(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Return the features of an image.

        Parameters
        ----------
        image : tensor [B, H, W, 3]
            RGB in [0, 1].
        layers : iterable of str

        Returns
        -------
        dict of str to tensor [B, h, w, C]
            Features by layer, with the names as given in `layers`.

        Raises
        ------
        InputError
            If the image is too small for a layer, or the extractor has no such layer.
        """
        layers = tuple(layers)
        if not layers:
            return {}
        self.check_size(layers, image.shape[1:3])
        network = self.extractor.network(layers, self.dtype)
        with naming(f"in extractor {type(self.extractor).__name__}, method model"):
            features = network(image)
            found = {layer: features[self.extractor.resolve(layer)] for layer in layers}
        for layer, feature in found.items():
            known = self._cells.get((layer, tuple(image.shape[1:3])))
            if known is not None:
                self.check_cells(layer, image.shape[1:3], feature.shape[1:3], known)
        return found

    def statistics(self, statistic: Callable, masks: Mapping[str, Any]) -> dict[str, Any]:
        """Return a statistic of the content picture's features at each layer.

        Parameters
        ----------
        statistic : callable
            ``statistic(feature, mask)`` returns a tensor for a feature map ``[1, h, w, C]`` and a
            mask ``[1, h, w, 1]`` or None.
        masks : mapping of str to tensor or None
            The mask of each layer.

        Returns
        -------
        dict of str to tensor
        """
        features = self.extract(self.image, masks)
        return {layer: statistic(features[layer], mask) for layer, mask in masks.items()}

    def check_size(self, layers: Iterable[str], shape: tuple[int, int] | None = None) -> None:
        """Raise `InputError` if a picture of `shape` is too small for one of the layers.

        If the picture tiles, its sides must also be multiples of the strides of the layers.
        `shape` is (H, W) in pixels. Default: the size of this canvas.
        """
        height, width = shape or self.shape
        layers = tuple(layers)
        for layer in layers:
            with renamed(layer="layers"):
                smallest = self.extractor.smallest_size(layer)
            if min(height, width) < smallest:
                fail(
                    f"{self._what} is too small for layer {layer}",
                    expected=f"at least {smallest} pixels per side",
                    received=f"{width}x{height} pixels",
                    hint="use a larger picture, shallower layers, or fewer pyramid levels",
                    argument=self._argument,
                )
        for axis, wraps in enumerate(tiled_axes(self.extractor.tile)):
            if wraps:
                self._check_whole_cells(layers, axis, (height, width))

    def _check_whole_cells(self, layers: Sequence[str], axis: int, shape: tuple[int, int]) -> None:
        side, stride = shape[axis], math.lcm(*(self.extractor.stride(x)[axis] for x in layers))
        least = max(stride, side - side % stride)
        if side % stride:
            fail(
                f"a picture that tiles must have a {('height', 'width')[axis]} that is a multiple "
                f"of {stride} pixels, the largest stride of {', '.join(layers)}",
                expected=f"{least} or {least + stride}",
                received=side,
                hint="resize or crop the picture",
                argument="tile",
            )

    def check_cells(self, layer: str, shape, found, expected) -> None:
        """Raise `InputError` if a feature map's shape differs from that given by the windows.

        Parameters
        ----------
        layer : str
        shape : (int, int)
            (H, W) of the picture in pixels.
        found, expected : (int, int)
            Height and width of the feature map, as returned by the model and as computed from the
            windows.
        """
        if tuple(found) != tuple(expected):
            with naming(f"in extractor {type(self.extractor).__name__}, method windows"):
                fail(
                    f"the windows of layer {layer!r} must match its feature map",
                    expected=f"{found[0]}x{found[1]} cells (height x width), as the model returns "
                    f"for {shape[0]}x{shape[1]} pixels",
                    received=f"{expected[0]}x{expected[1]}",
                    hint="return a `Window` for every convolution and pooling before the layer",
                    argument="extractor",
                )

    def pool(self, mask: Tensor, layer: str) -> Tensor:
        """Return a mask ``[1, H, W, 1]`` of the picture's size pooled to a layer, [1, h, w, 1]."""
        with naming(f"in extractor {type(self.extractor).__name__}, method pool_mask"):
            pooled = self.extractor.pool_mask(mask, layer)
        self._cells[layer, tuple(mask.shape[1:3])] = tuple(pooled.shape[1:3])
        return pooled

    def mask(self, mask: MaskLike | None, layer: str, *, mode: str = "simple") -> Tensor:
        """Return a mask resized to this size and pooled to a layer.

        Pooling follows the strides and padding of the network.

        Parameters
        ----------
        mask : array [H, W], path, PIL image, callable or None
            Values in [0, 1], of shape `mask_shape`. A callable is called with `picture`.
        layer : str
        mode : str
            The guide modes of Gatys et al. 2017. ``"simple"``: the mean of the mask over each cell.
            ``"inside"``: the mask is eroded first, so that a cell counts only if its receptive
            field lies inside. ``"all"``: the mask is dilated first, so that a cell counts if its
            receptive field overlaps the region.

        Returns
        -------
        tensor [1, h, w, 1] or None
            None if `mask` is None.

        Raises
        ------
        InputError
            If the mask does not have the shape `mask_shape`, is empty, or contains NaN or values
            outside [0, 1]. The error is also raised if the mask is a callable and there is no
            picture to pass to it.
        """
        if mask is None:
            return None
        return self._pooled(self.resolve_mask(mask), layer, mode, self.shape)

    def scaled_mask(self, mask: np.ndarray) -> Tensor:
        """Return a checked mask resized to this size, a tensor ``[1, H, W, 1]``."""
        return ops.convert_to_tensor(operations.resize(mask, self.shape)[None, ..., None])

    def resolve_mask(
        self, mask: MaskLike, name: str = "mask", argument: str | None = None
    ) -> np.ndarray:
        """Return a checked mask at its own size; a callable is called with `picture`."""
        if callable(mask):
            if self.picture is None:
                fail(
                    f"a callable {name} needs a content picture, and this run has none",
                    expected="one picture as the initial image, or a ContentLoss",
                    received="neither",
                    hint="pass the mask as an array",
                    argument=argument or name,
                )
            mask = operations.made_of(mask, self.picture)
        with caused_by(argument or name):
            return operations.as_mask(mask, self.mask_shape, name=name)

    def _pooled(self, mask: np.ndarray, layer: str, mode: str, shape):
        choice(mode, "mask mode", ("simple", "inside", "all"), argument="mode")
        mask = operations.resize(mask, shape)
        radius = self.extractor.receptive_field(layer) // 2
        if mode == "inside":
            mask = operations.erode(mask, radius)
        elif mode == "all":
            mask = operations.dilate(mask, radius)
        return self.pool(ops.convert_to_tensor(mask[None, ..., None]), layer)

    def smallest_region_size(self, mask: MaskLike, layer: str, *, mode: str = "simple") -> int:
        """Return a longer side, in pixels, at which a mask covers at least one cell of a layer.

        The result is at most 10% above the smallest such side. It is 0 if there is no such side up
        to `LARGEST_SOUGHT`.
        """
        mask = self.resolve_mask(mask)
        factor = 1.0
        while max(self.shape) * factor <= LARGEST_SOUGHT:
            shape = [max(1, round(side * factor)) for side in self.shape]
            big_enough = min(shape) >= self.extractor.smallest_size(layer)
            if big_enough and float(ops.sum(self._pooled(mask, layer, mode, shape))) >= 1:
                return max(shape)
            factor *= 1.1
        return 0
