"""A network that is trained once for a style, and then paints each photograph in one pass."""

import lazy_loader

from stylekit._checks import suggest_names

# The command line looks at files before TensorFlow loads.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
suggest_names(__name__)
