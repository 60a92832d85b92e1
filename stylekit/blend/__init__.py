"""Blend a stylised picture with the photograph it was made from, without TensorFlow.

Every function takes pictures of the same size and returns ``float32 [H, W, 3]`` in [0, 1]. All
functions except `screened_poisson` take a mask. `seam_mask` returns a mask instead of a picture.
"""

from stylekit._checks import suggest_names
from stylekit.blend.paste import paste
from stylekit.blend.poisson import poisson
from stylekit.blend.portrait import portrait
from stylekit.blend.screened import screened_poisson
from stylekit.blend.seam import seam, seam_mask

__all__ = ["paste", "poisson", "portrait", "screened_poisson", "seam", "seam_mask"]

suggest_names(__name__)
