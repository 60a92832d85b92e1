"""Fast convolutions on CPUs. They are optional: ``VGG19(fast=False)`` uses Keras's layers instead.

The layers compute the same values as Keras's layers. They have faster gradients with respect to the
picture, and use the Winograd algorithm for wide layers. The table gives the time of a gradient
evaluation at 256 and at 512 pixels, divided by the time with Keras's layers. Both were measured
alternately in one process on two cores of an AMD EPYC:

- VGG19 with oneDNN (AVX-512): 0.84 and 0.63, due to the Winograd algorithm.
- VGG19 without oneDNN (as on CPUs with AVX2 only): 0.77 and 0.63. With the faster gradient alone:
  0.87 and 0.86.
- `CompactVGG` with oneDNN: 1.04 and 1.04, which is no gain.
- `CompactVGG` without oneDNN: 0.75 and 0.61, due to the gradients of convolution and pooling.

``python tests/benchmarks/gradient.py --plain --sizes 256 512`` repeats the measurement.
``docs/benchmarks.md`` has the details.
"""
