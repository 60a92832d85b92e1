"""What a term is shown of a run: one size of the picture, and the extractor's view of it."""

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
"""Longer side up to which a size for a small region is sought; beyond, the search takes minutes."""


class LevelNotBegunError(Exception):
    """Raised by `Canvas.start` before the level has begun; `Objective` prepares the term later."""


class Canvas:
    """One size of one run, as a term sees it.

    Parameters
    ----------
    extractor : FeatureExtractor
    shape, base_shape : (int, int)
        (H, W) now, and at the final size. Default: now is final.
    picture : ndarray [H, W, 3], optional
        What a callable mask is given.
    mask_shape : (int, int), optional
        The shape that masks must have. Default: `base_shape`.
    dtype : str
        The extractor's dtype policy.
    round : int
        See the attribute.

    Attributes
    ----------
    notes : list of str
        What a reader of the run's record should know, such as a region skipped at a layer.
    follows : bool
        Whether `start` or `round` was read: then a term is prepared anew when its level begins.
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
        """The picture at this size, a tensor ``[1, H, W, 3]``."""
        if self.picture is None:
            fail(
                "this run has no picture",
                expected="one picture as the start, or a ContentLoss",
                received="neither",
            )
        return ops.convert_to_tensor(self.fitted(self.picture)[None])

    def fitted(self, picture: np.ndarray) -> np.ndarray:
        """Return a picture ``[h, w, 3]`` at this size; where this one tiles, it is made to tile."""
        tile = self.extractor.tile
        return resize(periodic(picture, tile) if tile else picture, self.shape, tile=tile)

    @property
    def start(self) -> Tensor:
        """The image that this level starts from, a tensor ``[B, H, W, 3]``.

        At the first level it is the start of the run. At a finer one it is the image so far: what
        the coarser level changed, added to the run's start at this size; or, if the run started at
        noise or another `Start`, the coarser level's image, enlarged. In a further round at one
        size it is the last round's image. Where the update mask is 0 it is the run's start.

        All sizes are prepared before the first step, so that bad arguments raise early. At that
        time the image is not known yet: reading it ends `Loss.prepare`, which is called again when
        the level begins. Check arguments first, read `start` next, and compute last.
        """
        self.follows = True
        if self._start is None:
            raise LevelNotBegunError
        return self._start

    @property
    def round(self) -> int:
        """How many levels of this size were painted before: 0 for the first. See `Pyramid`."""
        self.follows = True
        return self._round

    def begin(self, image: Tensor | None, round: int) -> None:
        """Take the image that a level starts from, or None for a level that has not begun."""
        self._start = None if image is None else ops.convert_to_tensor(image)
        self._round = round

    def beside(self, picture: np.ndarray, scale: float = 1.0, *, argument: str = "style") -> Canvas:
        """Return a canvas for a reference that keeps its own size and aspect ratio.

        Parameters
        ----------
        picture : ndarray [h, w, 3]
        scale : float
            Its size on the final canvas, relative to its own.
        argument : str
            The loss's parameter that holds it, for the `argument` of errors.

        Returns
        -------
        Canvas
            Of `picture`, reduced as much as this canvas is reduced from the final one. Notes are
            shared. A reference does not tile.
        """
        reduction = max(self.shape) / max(self.base_shape)

        def scaled(factor: float) -> tuple[int, int]:
            height, width = picture.shape[:2]
            return max(1, round(height * factor)), max(1, round(width * factor))

        canvas = copy.copy(self)  # of the same kind, and with the same notes
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
            Under the names that were asked for.

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
        """Return a statistic of the picture's features under a mask, by layer.

        Parameters
        ----------
        statistic : callable
            From a feature map ``[1, h, w, C]`` and a mask ``[1, h, w, 1]`` or None to a tensor.
        masks : mapping of str to tensor or None

        Returns
        -------
        dict of str to tensor
        """
        features = self.extract(self.image, masks)
        return {layer: statistic(features[layer], mask) for layer, mask in masks.items()}

    def check_size(self, layers: Iterable[str], shape: tuple[int, int] | None = None) -> None:
        """Raise `InputError` if a picture of `shape` (default: this) does not fit the layers.

        It has to have a cell of each, and whole cells where it tiles.
        """
        height, width = shape or self.shape
        layers = tuple(layers)
        for layer in layers:
            with renamed(layer="layers"):
                smallest = self.extractor.smallest_size(layer)
            if min(height, width) < smallest:
                fail(
                    f"{self._what} is too small for layer {layer}",
                    expected=f"at least {smallest} pixels a side",
                    received=f"{width}x{height} pixels",
                    hint="take a larger picture, shallower layers, or fewer pyramid levels",
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
                f"a picture of this {('height', 'width')[axis]} cannot tile",
                expected=f"a multiple of {stride} pixels, the largest stride of {', '.join(layers)}"
                f": {least} or {least + stride}",
                received=side,
                hint="resize or crop the picture",
                argument="tile",
            )

    def check_cells(self, layer: str, shape, found, expected) -> None:
        """Raise `InputError` if a feature map has other cells than the extractor's windows say.

        Parameters
        ----------
        layer : str
        shape : (int, int)
            (H, W) of the picture.
        found, expected : (int, int)
            Height and width of the feature map, and what the windows make of them.
        """
        if tuple(found) != tuple(expected):
            with naming(f"in extractor {type(self.extractor).__name__}, method windows"):
                fail(
                    f"the windows of layer {layer!r} do not fit its feature map",
                    expected=f"{found[0]}x{found[1]} cells of {shape[0]}x{shape[1]} pixels "
                    "(height x width), as the model makes",
                    received=f"{expected[0]}x{expected[1]}",
                    hint="return a `Window` for every convolution and pooling before the layer",
                    argument="extractor",
                )

    def pool(self, mask: Tensor, layer: str) -> Tensor:
        """Take a mask ``[1, H, W, 1]`` of a picture's size to a layer: ``[1, h, w, 1]``."""
        with naming(f"in extractor {type(self.extractor).__name__}, method pool_mask"):
            pooled = self.extractor.pool_mask(mask, layer)
        self._cells[layer, tuple(mask.shape[1:3])] = tuple(pooled.shape[1:3])
        return pooled

    def mask(self, mask: MaskLike | None, layer: str, *, mode: str = "simple") -> Tensor:
        """Take a mask to this size and through the network's geometry to a layer.

        Parameters
        ----------
        mask : array [H, W], path, PIL image, callable or None
            Of shape `mask_shape`, in [0, 1]; a callable is given `picture`.
        layer : str
        mode : str
            Gatys et al. 2017's guide modes: ``"simple"``, the mask's mean over each cell;
            ``"inside"``, eroded first, so that a cell counts only if all that it sees is inside;
            ``"all"``, dilated first, so that a cell counts if anything that it sees is.

        Returns
        -------
        tensor [1, h, w, 1] or None
            None for None.

        Raises
        ------
        InputError
            If the mask has another shape, is empty, has NaN or values outside [0, 1], or is a
            callable where there is no picture to give it.
        """
        if mask is None:
            return None
        return self._pooled(self.resolve_mask(mask), layer, mode, self.shape)

    def scaled_mask(self, mask: np.ndarray) -> Tensor:
        """Return a checked mask at this size, before any layer: ``[1, H, W, 1]``."""
        return ops.convert_to_tensor(operations.resize(mask, self.shape)[None, ..., None])

    def resolve_mask(
        self, mask: MaskLike, name: str = "mask", argument: str | None = None
    ) -> np.ndarray:
        """Return a mask, or what a callable makes of `picture`, checked, at its own size."""
        if callable(mask):
            if self.picture is None:
                fail(
                    f"a callable {name} needs a picture, and this run has none",
                    expected="one picture as the start, or a ContentLoss",
                    received="neither",
                    hint="give the mask as an array",
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
        """Return a longer side, in pixels, at which a mask weighs one cell of a layer.

        It is at most a tenth above the smallest; 0 if there is none up to `LARGEST_SOUGHT`.
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
