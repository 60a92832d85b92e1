"""A trained network in use."""

from __future__ import annotations

import os
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from stylekit._checks import FileError, explain
from stylekit.feedforward.file import about
from stylekit.feedforward.network import StyleNetwork
from stylekit.image import PictureLike, as_image

MARGIN = 24
"""Pixels by which a picture is reflected at its borders, and which are cut off when it is painted.
Strokes are mirrored where each convolution reflects. Without a margin `stylekit.metrics.frame` of
three pictures rose by 0.011 to 0.030, with 16 pixels by 0.004 to 0.018, and with 24 by 0.001 to
0.004."""


class Painter:
    """Paints photographs of any size, each in one pass through a trained network.

    Parameters
    ----------
    network : StyleNetwork

    Attributes
    ----------
    network : StyleNetwork

    Examples
    --------
    >>> import stylekit as sk
    >>> painter = sk.feedforward.load("starry.keras")  # doctest: +SKIP
    >>> sk.write_image("out.png", painter("photo.jpg"))  # doctest: +SKIP
    """

    def __init__(self, network: StyleNetwork) -> None:
        self.network = network
        # One trace serves all sizes.
        signature = [tf.TensorSpec((None, None, None, 3), tf.float32)]
        self._painted = tf.function(network, input_signature=signature, autograph=False)

    def __repr__(self) -> str:
        return f"Painter({self.about.get('steps')} steps)"

    @property
    def about(self) -> dict[str, Any]:
        """What the network was trained on and how; see `stylekit.feedforward.about`."""
        return self.network.about

    def __call__(self, picture: PictureLike, size: int | None = None) -> np.ndarray:
        """Paint a picture.

        Parameters
        ----------
        picture : path, PIL image or array
        size : int, optional
            Longer side in pixels. Strokes keep their size in pixels, whatever this is. Default:
            the picture's own.

        Returns
        -------
        ndarray, float32 [H, W, 3]
            Of the picture's shape, in [0, 1].

        Raises
        ------
        InputError, InputTypeError, FileError
            If the picture cannot be used.
        """
        image = as_image(picture, "picture", size)
        height, width = image.shape[:2]
        side = (MARGIN, MARGIN)
        image = np.pad(image, (side, side, (0, 0)), mode="reflect")
        painted = self._painted(image[None])
        return painted[0, MARGIN : MARGIN + height, MARGIN : MARGIN + width].numpy()


def load(path: str | os.PathLike[str]) -> Painter:
    """Return the painter of a network that `train` wrote.

    Parameters
    ----------
    path : path
        A .keras file. It is loaded in Keras's safe mode, which runs no code from the file.

    Returns
    -------
    Painter

    Raises
    ------
    FileError
        If there is no file, or it is of another kind or damaged.
    """
    about(path)
    try:
        return Painter(keras.saving.load_model(path, compile=False, safe_mode=True))
    except Exception as error:  # Keras, HDF5 and zip each fail in many ways
        raise FileError(
            explain(
                f"the network {os.fspath(path)} is damaged",
                received=str(error).partition("\n")[0],
                hint="train it again, or copy it anew",
            ),
            argument="path",
        ) from error
