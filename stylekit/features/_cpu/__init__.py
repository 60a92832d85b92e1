"""Fast convolutions on a CPU. Nothing else needs them: ``VGG19(fast=False)`` does without.

Seconds of a gradient evaluation, divided by those with Keras's layers (style and content, random
pictures, medians of five that took turns in one process; AMD EPYC with AVX-512, two cores that
were shared). ``python tests/benchmarks/gradient.py --plain`` compares them in separate processes.

========================================  ======  ======
Network and CPU                           256 px  512 px
========================================  ======  ======
VGG19, with oneDNN (AVX-512)                0.85    0.61
VGG19, without it (as with AVX2)            0.70    0.63
compact network, with oneDNN                1.04    1.03
compact network, without it                 0.71    0.61
========================================  ======  ======

With oneDNN all that is gained comes from `winograd`, which only VGG19's layers are wide enough for;
without it the gradient in `convolution` gains more. ``TF_ENABLE_ONEDNN_OPTS=0`` turns oneDNN off.
"""
