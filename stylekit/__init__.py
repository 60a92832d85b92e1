"""Neural style transfer with pluggable losses, masks and networks, on Keras and TensorFlow.

Paint a picture in the style of another in one call. Pictures are paths, PIL images or arrays. The
compact network is part of the package, so nothing is downloaded:

>>> import stylekit as sk
>>> from skimage import data
>>> content, style = data.astronaut(), data.coffee()
>>> result = sk.stylize(content, style, size=128, extractor=sk.CompactVGG())
>>> path = result.save("out.png")

The main entry points are

stylize
    Paints a picture in one call. Its options are those of `recipes.basic` and `Recipe.run`.
recipes
    Techniques that return a `Recipe`, such as ``localized``, ``regions``, ``photoreal`` and
    ``texture``. A recipe's losses can be changed before it runs.
StyleTransfer
    Optimises an image for a list of losses.
losses
    The losses, and `Loss` and `StatisticLoss`, the base classes for custom losses.
VGG19, CompactVGG, KerasExtractor
    Networks that provide the features. ``VGG19()`` downloads its weights once and gives the best
    results. ``KerasExtractor(model)`` uses any functional Keras model.
masks, blend
    Masks and their segmenters, and functions that put a painted region back into the photograph.
sweep, batch, feedforward
    `sweep` runs a grid of settings. `batch` paints folders of pictures and videos. `feedforward`
    trains networks that paint a picture in one pass.
read_image, write_image
    Read a picture file as a ``float32 [H, W, 3]`` array, RGB in [0, 1], and write one.

``help(sk.stylize)`` describes an entry point. ``docs/quickstart.md`` in the repository is an
introduction, and ``docs/reference.md`` lists every public name. ``stylekit --help`` shows the
commands of the command line.

Importing stylekit hides TensorFlow's start-up messages, unless TensorFlow is already imported: it
sets the environment variable ``TF_CPP_MIN_LOG_LEVEL`` to 3 if it is not set, and filters stderr
while TensorFlow is imported. Set the variable to 0 to see all messages.
"""

import lazy_loader

from stylekit._checks import suggest_names
from stylekit._quiet import silence_tensorflow

# A library should leave the process as it is, and only `stylekit.app` and `stylekit.cli` may
# change it. This call is the one exception: without it, every script and notebook would show the
# messages.
silence_tensorflow()

# Names load when they are first used, so that `import stylekit` and the help of the command line
# do not wait for TensorFlow. `__init__.pyi` lists the names.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
suggest_names(__name__)
