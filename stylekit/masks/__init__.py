"""Masks: where in a picture something is to happen.

A mask is ``float32 [H, W]`` in [0, 1]; 1 means "here".
"""

from stylekit.masks.colors import ColorMasks, from_colors
from stylekit.masks.operations import (
    as_mask,
    combine,
    dilate,
    erode,
    feather,
    from_image,
    invert,
    partition,
    resize,
    threshold,
)
from stylekit.masks.ramps import linear_gradient, radial_gradient

__all__ = [
    "ColorMasks",
    "as_mask",
    "combine",
    "dilate",
    "erode",
    "feather",
    "from_colors",
    "from_image",
    "invert",
    "linear_gradient",
    "partition",
    "radial_gradient",
    "resize",
    "threshold",
]
