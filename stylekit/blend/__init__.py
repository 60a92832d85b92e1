"""Putting a stylised picture back over the photograph. Never TensorFlow.

Every function takes pictures and a mask of one size and returns ``float32 [H, W, 3]`` in [0, 1].
"""

from stylekit.blend.paste import paste
from stylekit.blend.poisson import poisson
from stylekit.blend.portrait import portrait
from stylekit.blend.seam import seam, seam_mask

__all__ = ["paste", "poisson", "portrait", "seam", "seam_mask"]
