import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from stylekit.transfer.memory.shortage import out_of_memory, release

CUDNN = """Exception encountered when calling FrozenConv2D.call().
No algorithm worked!  Error messages:
  Profiling failure on CUDNN engine eng0{}: RESOURCE_EXHAUSTED: Out of memory while trying to
  allocate 16.00MiB. [Op:Conv2D] name:"""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
        tf.errors.NotFoundError(None, None, CUDNN),
        tf.errors.InternalError(None, None, "CUBLAS_STATUS_ALLOC_FAILED"),
    ],
)
def test_what_says_that_the_memory_did_not_suffice(error):
    assert out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.NotFoundError(None, None, "No algorithm worked!"),
        tf.errors.InvalidArgumentError(None, None, "shapes do not match"),
        ValueError("out of memory"),  # a user's own
    ],
)
def test_what_says_something_else(error):
    assert not out_of_memory(error)


def test_what_the_functions_held_is_released():
    held = []

    def inner():
        feature = np.zeros(8)
        held.append(weakref.ref(feature))
        raise MemoryError

    def outer():
        feature = np.zeros(8)
        held.append(weakref.ref(feature))
        try:
            inner()
        except MemoryError as error:
            raise RuntimeError("wrapped") from error

    def other():
        feature = np.zeros(8)
        held.append(weakref.ref(feature))
        try:
            outer()
        finally:
            raise MemoryError

    try:
        other()
    except MemoryError as error:
        assert all(one() is not None for one in held)
        release(error)
        gc.collect()
        assert [one() for one in held] == [None] * 3


def test_so_is_what_keras_held_whose_functions_no_traceback_shows():
    held = []

    class Kept(keras.layers.Layer):
        def call(self, x):
            if tf.executing_eagerly() and len(held) == 2:
                raise MemoryError
            y = 2 * x
            if tf.executing_eagerly():
                held.append(weakref.ref(y))
            return y

    inputs = keras.Input((4,))
    a = Kept()(inputs)
    b = Kept()(a)
    model = keras.Model(inputs, [a, b, Kept()(b)])
    held.clear()  # building is not what is watched
    try:
        model(tf.ones((1, 4)))
    except MemoryError as error:
        assert [one() is not None for one in held] == [True, True]
        release(error)
        gc.collect()
        assert [one() for one in held] == [None, None]
    else:
        pytest.fail("the third layer did not raise")


def test_an_error_that_was_never_raised():
    release(MemoryError())


def test_what_says_something_else_is_raised_again_and_holds_what_it_held():
    def fails():
        feature = np.zeros(8)
        held.append(weakref.ref(feature))
        raise ValueError("no shortage")

    held = []
    with pytest.raises(ValueError, match="no shortage"):
        try:
            fails()
        except ValueError as error:
            try:
                release(error)
            finally:
                assert held[0]() is not None
