"""Neural style transfer with pluggable losses and masks.

Names load when they are first used (their list is ``__init__.pyi``), so that a command line that
prints its help does not wait for TensorFlow.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
