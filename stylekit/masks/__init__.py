"""Masks: where in a picture something is to happen.

A mask is ``float32 [H, W]`` in [0, 1]; 1 means "here".
"""

from stylekit.masks.operations import (
    ColorMasks,
    as_mask,
    combine,
    dilate,
    erode,
    feather,
    from_colors,
    from_image,
    invert,
    linear_gradient,
    partition,
    radial_gradient,
    resize,
    threshold,
)

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
