"""Masks: creation, operations and segmentation.

A mask is a ``float32 [H, W]`` array in [0, 1] that marks where something is applied: 1 means fully,
and 0 means not at all.
"""

from stylekit._checks import suggest_names
from stylekit.masks.color_maps.colors import ColorMasks, from_colors
from stylekit.masks.color_maps.matching import MatchedRegions, match_regions
from stylekit.masks.finding import find_subject
from stylekit.masks.operations import (
    MaskLike,
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
from stylekit.masks.overlay import overlay
from stylekit.masks.ramps import linear_gradient, radial_gradient
from stylekit.masks.refine.crf import CRFParameters, crf
from stylekit.masks.refine.matting import estimate_foreground, guided, matte
from stylekit.masks.segmentation import Segmentation, Segmenter
from stylekit.masks.segmenters.deeplab import VOC_NAMES, DeepLab
from stylekit.masks.segmenters.instances import InstanceNetwork
from stylekit.masks.subject import subject

__all__ = [
    "VOC_NAMES",
    "CRFParameters",
    "ColorMasks",
    "DeepLab",
    "InstanceNetwork",
    "MaskLike",
    "MatchedRegions",
    "Segmentation",
    "Segmenter",
    "as_mask",
    "combine",
    "crf",
    "dilate",
    "erode",
    "estimate_foreground",
    "feather",
    "find_subject",
    "from_colors",
    "from_image",
    "guided",
    "invert",
    "linear_gradient",
    "match_regions",
    "matte",
    "overlay",
    "partition",
    "radial_gradient",
    "resize",
    "subject",
    "threshold",
]

suggest_names(__name__)
