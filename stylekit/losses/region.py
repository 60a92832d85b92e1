"""A mask in a loss: where a statistic is taken."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from keras import ops

from stylekit._checks import caused_by, choice, fail
from stylekit.image import picture_hash
from stylekit.losses.canvas import Canvas
from stylekit.masks import MaskLike, operations


class Region:
    """A mask and how it follows the network.

    Parameters
    ----------
    mask : array [H, W], path, PIL image, callable or None
        None is the whole picture.
    what : str
        What messages call it.
    argument : str
        The loss's parameter that holds it.
    mode : str
        How it follows the network; see `Canvas.mask`.
    small_regions : str
        Where the mask weighs less than one cell of a layer at the final size: ``"error"``, or
        ``"skip_layer"`` to leave that layer out for this region. None, where the loss offers no
        choice, is an error, too. At a pyramid's coarser levels the layer is always left out.
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
        """Return ``{layer: mask tensor [1, h, w, 1] or None}``, without the layers left out."""
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
                    f"the {self.what} weighs less than one cell of layer {layer} "
                    f"at {width}x{height} pixels",
                    expected=f"a longer side of at least {size} pixels" if size else "",
                    hint="enlarge the picture or the region, or leave the layer out"
                    + (" with `small_regions`" if self.small_regions else ""),
                    argument=self.argument,
                )
            canvas.notes.append(f"{self.what} left out at {layer} of {width}x{height}: too small")
        return result

    def get_config(self, key: str) -> dict[str, str]:
        """Return the mask's entry of a configuration: its hash, or a callable's name."""
        if self.mask is None:
            return {}
        if callable(self.mask):
            return {key: getattr(self.mask, "__name__", type(self.mask).__name__)}
        return {key: picture_hash(self.mask)}
