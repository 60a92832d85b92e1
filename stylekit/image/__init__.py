"""Read, write, convert and resize pictures. This package does not import TensorFlow.

A picture is a ``float32 [H, W, 3]`` array of sRGB values in [0, 1].
"""

from stylekit._checks import suggest_names
from stylekit.image.animation import check_animation, write_animation
from stylekit.image.arrays import fit_shape, picture_hash, resize
from stylekit.image.color import match_color, match_histogram, original_colors, palette_colors
from stylekit.image.flow import optical_flow, read_flow, unoccluded, warp
from stylekit.image.oklab import oklab_to_srgb, srgb_to_oklab
from stylekit.image.read import PictureLike, as_batch, as_image, read_image, with_map
from stylekit.image.sheet import contact_sheet
from stylekit.image.tiling import periodic
from stylekit.image.video import Video, check_video, write_video
from stylekit.image.write import check_writable, write_image

__all__ = [
    "PictureLike",
    "Video",
    "as_batch",
    "as_image",
    "check_animation",
    "check_video",
    "check_writable",
    "contact_sheet",
    "fit_shape",
    "match_color",
    "match_histogram",
    "oklab_to_srgb",
    "optical_flow",
    "original_colors",
    "palette_colors",
    "periodic",
    "picture_hash",
    "read_flow",
    "read_image",
    "resize",
    "srgb_to_oklab",
    "unoccluded",
    "warp",
    "with_map",
    "write_animation",
    "write_image",
    "write_video",
]

suggest_names(__name__)
