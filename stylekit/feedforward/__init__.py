"""Networks that are trained for a single style, and paint a photograph in one pass."""

import lazy_loader

from stylekit._checks import suggest_names

# The command line checks files before TensorFlow loads.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
suggest_names(__name__)
