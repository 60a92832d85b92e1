"""Fast convolutions on a processor. A reader may skip them: ``VGG19(fast=False)`` does without.

Layers that compute what Keras's own do, with faster gradients with respect to the picture, and the
Winograd algorithm for wide layers. Time of a gradient evaluation as a share of that with Keras's
layers, at 256 and 512 pixels, in turns in one process on two cores of an AMD EPYC:

- VGG19 with oneDNN (AVX-512): 0.84 and 0.63, by the Winograd algorithm.
- VGG19 without oneDNN (as on processors with AVX2 only): 0.77 and 0.63; 0.87 and 0.86 by the
  gradient alone.
- `CompactVGG` with oneDNN: 1.04 and 1.04; there Keras's layers would do.
- `CompactVGG` without oneDNN: 0.75 and 0.61, by the gradients of convolution and pooling.

``python tests/benchmarks/gradient.py --plain --sizes 256 512`` repeats this; ``docs/benchmarks.md``
has the details.
"""
