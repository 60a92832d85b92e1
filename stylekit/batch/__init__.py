"""Runs one recipe on many pictures, and on the frames of videos."""

import lazy_loader

from stylekit._checks import suggest_names

# The command line lists and checks the pictures before TensorFlow loads.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
suggest_names(__name__)
