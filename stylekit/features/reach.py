"""Windows of Keras's operations. Operations that are not listed here are treated as unknown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from stylekit.features.geometry import Window

# Class names of pointwise layers and functions of `keras.ops`. Operations with an axis are
# pointwise if this axis is the channel axis.
_LAYERS = """
    Activation ActivityRegularization Add AlphaDropout Average BatchNormalization Concatenate Dense
    Dropout ELU GaussianDropout GaussianNoise Identity LayerNormalization LayerScale LeakyReLU
    Maximum Minimum Multiply Normalization PReLU RMSNormalization ReLU Rescaling Softmax
    SpatialDropout2D StochasticDepth Subtract UnitNormalization
"""
_ARITHMETIC = """
    Abs Absolute Arctan Cast Cbrt Ceil Clip Copy Cos Cosh Divide DivideNoNan Equal Erf Exp Exp2
    Expm1 Floor FloorDivide Greater GreaterEqual Isfinite Isinf Isnan Less LessEqual Log Log10 Log1p
    Log2 Logaddexp LogicalAnd LogicalNot LogicalOr Mod NanToNum Negative NotEqual OnesLike Power
    Reciprocal Round Rsqrt Sign Sin Sinh Sqrt Square StopGradient Tan Tanh TrueDivide Where
    ZerosLike
"""
_ACTIVATIONS = """
    Celu Elu Gelu Glu HardShrink HardSigmoid HardSilu HardTanh LeakyRelu LogSigmoid LogSoftmax Relu
    Relu6 Selu Sigmoid Silu SoftShrink Softplus Softsign SparsePlus SparseSigmoid Sparsemax
    Squareplus TanhShrink Threshold
"""
_OF_CHANNELS = "Flip Max Mean Min Split Sum Take Var"
_POINTWISE = frozenset(f"{_LAYERS} {_ARITHMETIC} {_ACTIVATIONS} {_OF_CHANNELS}".split())

_WINDOWED = {
    *("AveragePool", "AveragePooling2D", "MaxPool", "MaxPooling2D", "FrozenMaxPooling2D"),
    *("Conv", "Conv2D", "DepthwiseConv", "DepthwiseConv2D", "FrozenConv2D"),
    *("SeparableConv", "SeparableConv2D"),
}

_SETTINGS = ("scale", "offset", "mean", "variance", "x_min", "x_max")
"""Attributes in which operations keep arrays that they combine with a feature map."""

_CHANNELS = {-1, 3}
"""Values that denote the channel axis of ``[B, H, W, C]``."""


def window_of(operation: keras.Operation, args: Sequence, kwargs: Mapping) -> Window | None:
    """Return the window of an operation of a network, or None if it is unknown.

    Parameters
    ----------
    operation : keras.Operation
        A layer, or a function of `keras.ops`. Only Keras's classes are known, because a subclass
        may compute anything.
    args : sequence
        Positional arguments of the call. Tensors are ``[B, H, W, C]``.
    kwargs : mapping
        Keyword arguments of the call.

    Returns
    -------
    Window or None
    """
    name = type(operation).__name__
    if not _is_keras_own(type(operation)) or kwargs.get("training"):
        return None
    if not _is_pointwise(getattr(operation, "activation", None)):
        return None
    if name in _POINTWISE:
        return Window(1) if _works_on_cells(operation, args, kwargs) else None
    if name == "GetItem":
        x, key = [*args, *kwargs.values()]
        return Window(1) if len(x.shape) == 4 and _cuts_channels(key) else None
    if name == "Stack":  # stacks single channels, [B, H, W]
        flat = all(len(x.shape) == 3 for x in keras.tree.flatten((args, dict(kwargs))))
        return Window(1) if flat and operation.axis in _CHANNELS else None
    return _spatial(name, operation, args, kwargs)


def nominal_window(operation: keras.Operation, args: Sequence, kwargs: Mapping) -> Window:
    """Return the smallest possible window of an operation that `window_of` does not know.

    If the operation's class is derived from a Keras class, such as a convolution with a custom
    activation, the result is the window of the Keras class. For other operations it is one cell.
    Masks are pooled with this window. It is not used for tiles.
    """
    names = (kind.__name__ for kind in type(operation).__mro__ if _is_keras_own(kind))
    windows = (_spatial(name, operation, args, kwargs) for name in names)
    return next(filter(None, windows), Window(1))


def _is_keras_own(kind: type) -> bool:
    return kind.__module__.split(".")[0] in ("keras", "stylekit")


def _spatial(name: str, operation, args, kwargs) -> Window | None:
    """Return the window of a convolution, pooling, padding or cropping, else None."""
    if name == "Pad":
        return _padding_of(operation)
    data_format = getattr(operation, "data_format", None) or keras.config.image_data_format()
    if data_format != "channels_last":
        return None
    if name == "ZeroPadding2D":
        return Window(1, border=operation.padding)
    if name == "Cropping2D":
        (top, bottom), (left, right) = operation.cropping
        return Window(1, border=((-top, -bottom), (-left, -right)))
    return _windowed(operation, args, kwargs) if name in _WINDOWED else None


def _windowed(operation, args, kwargs) -> Window | None:
    size = getattr(operation, "kernel_size", None) or getattr(operation, "pool_size", None)
    if size is None:  # a function of keras.ops: its second argument is the kernel
        kernel = [*args, *kwargs.values()][1]
        if isinstance(kernel, keras.KerasTensor):
            return None
        size = tuple(kernel.shape[:2])
    size, stride, dilation = (
        (value, value) if isinstance(value, int) else tuple(value)
        for value in (
            size,
            getattr(operation, "strides", None) or size,
            getattr(operation, "dilation_rate", 1),
        )
    )
    wide = tuple((side - 1) * by + 1 for side, by in zip(size, dilation, strict=True))
    return Window(wide, stride, operation.padding)


def _padding_of(operation) -> Window | None:
    widths = [tuple(width) for width in operation.pad_width]
    zero = (0, 0)
    if operation.mode != "constant" or len(widths) != 4 or {widths[0], widths[3]} != {zero}:
        return None
    return Window(1, border=(widths[1], widths[2]))


def _is_pointwise(activation) -> bool:
    if activation is None:
        return True
    if isinstance(activation, keras.Operation):
        return window_of(activation, (), {}) == Window(1)
    module, name = (str(getattr(activation, key, "")) for key in ("__module__", "__name__"))
    return module.split(".")[0] == "keras" and hasattr(keras.activations, name)


def _works_on_cells(operation, args, kwargs) -> bool:
    """Return whether an operation of a pointwise class is pointwise with its settings."""
    axes = getattr(operation, "axis", -1)
    axes = axes if isinstance(axes, (tuple, list)) else (axes,)
    shared = getattr(operation, "shared_axes", (1, 2)) or ()  # PReLU can have weights per cell
    given = [*keras.tree.flatten((args, dict(kwargs)))]
    given += [getattr(operation, key, None) for key in _SETTINGS]
    return (
        _CHANNELS.issuperset(axes)
        and {1, 2}.issubset(shared)
        and getattr(operation, "keepdims", True) is not False
        and all(_is_the_same_everywhere(value) for value in given)
    )


def _is_the_same_everywhere(value) -> bool:
    """Return whether a value that is combined with a feature map does not depend on the cell."""
    if isinstance(value, keras.KerasTensor):
        return len(value.shape) == 4
    shape = value.shape if hasattr(value, "shape") else np.shape(value)
    return math.prod(shape[:-1]) == 1


def _cuts_channels(key) -> bool:
    """Return whether the index ``x[key]`` selects channels only."""
    key = list(key) if isinstance(key, (tuple, list)) else [key]
    if not all(isinstance(one, (slice, int, type(...))) for one in key):
        return False
    if Ellipsis in key:
        place = key.index(Ellipsis)
        key[place : place + 1] = [slice(None)] * (5 - len(key))
    return all(one == slice(None) for one in key[:3])
