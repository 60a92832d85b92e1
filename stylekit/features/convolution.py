"""The convolution of a network that is not trained."""

from __future__ import annotations

import keras
from keras import ops


class FrozenConv2D(keras.layers.Conv2D):
    """A convolution whose gradient is taken with respect to its input alone.

    Strides and dilation are 1, the padding is ``"same"`` and the kernel's sides are odd. Then the
    gradient is a convolution of what comes from above, with the kernel turned by 180 degrees and
    its channels exchanged. On CPUs the library's convolution is two to three times faster, and
    needs less memory, than its own gradient of a convolution, which computes the same sums.
    """

    def convolution_op(self, inputs, kernel):
        """Return the convolution, without bias and activation."""
        # A variable would ask for its own gradient; this one has none.
        kernel = ops.stop_gradient(kernel)
        turned = ops.transpose(ops.flip(kernel, (0, 1)), (0, 1, 3, 2))

        @ops.custom_gradient
        def convolve(x):
            def gradient(*args, upstream=None):
                upstream = args[0] if upstream is None else upstream
                return _same(upstream, turned)

            return _same(x, kernel), gradient

        return convolve(inputs)


def _same(x, kernel):
    return ops.conv(x, kernel, padding="same", data_format="channels_last")
