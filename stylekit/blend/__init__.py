"""Putting a stylised picture back over the photograph. Never TensorFlow.

Every function takes pictures of one size, and but for `screened_poisson` a mask, and returns
``float32 [H, W, 3]`` in [0, 1].
"""

from stylekit._checks import suggest_names
from stylekit.blend.paste import paste
from stylekit.blend.poisson import poisson
from stylekit.blend.portrait import portrait
from stylekit.blend.screened import screened_poisson
from stylekit.blend.seam import seam, seam_mask

__all__ = ["paste", "poisson", "portrait", "screened_poisson", "seam", "seam_mask"]

suggest_names(__name__)
