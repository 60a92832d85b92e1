"""Many pictures, and the frames of videos, through one recipe."""

import lazy_loader

from stylekit._checks import suggest_names

# The command line lists the pictures, and refuses what cannot be read, before TensorFlow loads.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
suggest_names(__name__)
