"""The mask of a loss, and its values at each layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from keras import ops

from stylekit._checks import caused_by, choice, fail
from stylekit.image import picture_hash
from stylekit.losses.canvas import Canvas
from stylekit.masks import MaskLike, operations


class Region:
    """A mask, and how it is resized to the layers of a network.

    Parameters
    ----------
    mask : array [H, W], path, PIL image, callable or None
        Values in [0, 1]. None: the whole picture.
    what : str
        Name of the mask in messages.
    argument : str
        Parameter of the loss that holds the mask.
    mode : str
        How the mask is resized to a layer; see `Canvas.mask`.
    small_regions : str
        What to do if the mask covers less than one cell of a layer at the final size: ``"error"``
        raises, ``"skip_layer"`` omits the layer for this region. None also raises; it is for losses
        that have no parameter `small_regions`. At the coarser levels of a pyramid the layer is
        always omitted.
    """

    def __init__(
        self,
        mask: MaskLike | None,
        what: str = "mask",
        *,
        argument: str = "mask",
        mode: str = "simple",
        small_regions: str | None = None,
    ) -> None:
        if mask is not None and not callable(mask):
            with caused_by(argument):
                mask = operations.as_mask(mask, name=what)
        self.mask, self.what, self.argument = mask, what, argument
        self.mode = choice(mode, "mask_mode", ("simple", "inside", "all"))
        if small_regions is not None:
            choice(small_regions, "small_regions", ("error", "skip_layer"))
        self.small_regions = small_regions

    def prepare(self, canvas: Canvas, layers: Iterable[str]) -> dict[str, Any]:
        """Return a dict of layer name to mask ``[1, h, w, 1]`` or None, without omitted layers."""
        result = {}
        mask = self.mask
        if mask is not None:
            mask = canvas.resolve_mask(mask, self.what, self.argument)
        for layer in layers:
            pooled = canvas.mask(mask, layer, mode=self.mode)
            if mask is None or float(ops.sum(pooled)) >= 1:
                result[layer] = pooled
                continue
            height, width = canvas.shape
            if canvas.is_final and self.small_regions != "skip_layer":
                size = canvas.smallest_region_size(mask, layer, mode=self.mode)
                fail(
                    f"the {self.what} covers less than one cell of layer {layer} "
                    f"at {width}x{height} pixels",
                    expected=f"a longer side of at least {size} pixels" if size else "",
                    hint="enlarge the picture or the region, or omit the layer"
                    + (" with `small_regions`" if self.small_regions else ""),
                    argument=self.argument,
                )
            canvas.notes.append(
                f"{self.what} omitted at {layer} of {width}x{height}: less than one cell"
            )
        return result

    def get_config(self, key: str) -> dict[str, str]:
        """Return ``{key: hash}`` of the mask, or its name if it is a callable; empty for None."""
        if self.mask is None:
            return {}
        if callable(self.mask):
            return {key: getattr(self.mask, "__name__", type(self.mask).__name__)}
        return {key: picture_hash(self.mask)}
