"""Defaults that the library's one call and the command line share; no TensorFlow behind them."""

SIZE = 512
STEPS = 300
STRENGTH = 0.5

VARIATION = 3.0
"""Weight of the total variation at strength 1. At 320 px it takes the fine ripples of max pooling
out of flat skies and raises the style loss by under 1 %; 10 begins to soften brush strokes."""
