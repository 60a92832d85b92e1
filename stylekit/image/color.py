"""Colours from one picture to another: kept under a new luminance, or matched before a run.

Pictures are taken as they are encoded, in sRGB, as the literature takes them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import skimage  # its own rooms load when they are first used

from stylekit._checks import fail
from stylekit.image.arrays import unit_values
from stylekit.image.read import PictureLike, as_image

_GRAIN = (1 / 255) ** 2  # a variance: what lies within one level of 8 bits is no colour to stretch


def original_colors(image: PictureLike, content: PictureLike) -> np.ndarray:
    """Return a picture's luminance in the colours of another, such as a result in its content's.

    Parameters
    ----------
    image : path, PIL image or array [H, W, 3]
        Whose luminance is kept.
    content : path, PIL image or array [H, W, 3]
        Whose colours are, pixel by pixel.

    Returns
    -------
    ndarray, float32 [H, W, 3]
        In [0, 1]. A pixel of equal luminance in both is the content's, bit for bit.

    Raises
    ------
    FileError, InputError, InputTypeError
        If one cannot be used, or their sizes differ.

    Notes
    -----
    With Y of YIQ, and c the content's pixel, the result is ``c + Y(image) - Y(c)``: I and Q are
    those of c. Where that leaves the gamut, the papers' programs clip, which moves Y and the hue;
    here I and Q are multiplied by the largest number that stays within, so that Y and the hue
    remain and the colour is paler.

    References
    ----------
    Hertzmann, Jacobs, Oliver, Curless, Salesin: Image Analogies, SIGGRAPH 2001.
    Gatys, Ecker, Bethge, Hertzmann, Shechtman: Controlling Perceptual Factors in Neural Style
    Transfer, CVPR 2017, section 5.1. There the style's luminance is also given the content's mean
    and deviation before the run: use `match_color` for it.
    """
    image = as_image(image, "image")
    content = as_image(content, "content")
    if image.shape != content.shape:
        fail(
            "the content has another size than the image",
            expected=f"{image.shape[1]}x{image.shape[0]} pixels",
            received=f"{content.shape[1]}x{content.shape[0]}",
            hint="resize it with stylekit.image.resize",
        )
    luma, own = skimage.color.rgb2yiq(image)[..., :1], skimage.color.rgb2yiq(content)[..., :1]
    chroma = content - own
    room = np.where(chroma > 0, 1 - luma, luma)
    share = np.ones_like(chroma)
    size = np.abs(chroma)
    np.divide(room, size, out=share, where=size > 1e-6)
    share = np.maximum(share.min(axis=-1, keepdims=True), 0)
    # Within the gamut not luma + chroma: where the luminances are equal nothing may be rounded.
    result = np.where(share < 1, luma + share * chroma, content + (luma - own))
    return np.clip(result, 0, 1)


def match_color(
    image: PictureLike,
    reference: PictureLike,
    mask: npt.ArrayLike | None = None,
    reference_mask: npt.ArrayLike | None = None,
) -> np.ndarray:
    """Give a picture the mean colour and the covariance of colours of another.

    Parameters
    ----------
    image : path, PIL image or array [H, W, 3]
        Such as a style, before a run.
    reference : path, PIL image or array [h, w, 3]
        Whose colours it is to have, such as the content.
    mask, reference_mask : array_like [H, W] and [h, w], optional
        In [0, 1]: where the colours are counted in each. All of the image is changed.

    Returns
    -------
    ndarray, float32 [H, W, 3]
        Clipped to [0, 1].

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture or a mask cannot be used, or a mask is 0 everywhere.

    Notes
    -----
    ``x' = A (x - m) + n`` with m, S of the image and n, R of the reference, where ``A S A^T = R``.
    Such A differ by a rotation. Gatys et al. take ``L_R L_S^-1`` of Cholesky, which depends on the
    order of the channels, or ``R^1/2 S^-1/2``, which may turn hues. Here it is the symmetric
    ``S^-1/2 (S^1/2 R S^1/2)^1/2 S^-1/2``, the one that moves the colours least. S has in each
    direction at least the variance of one level of 8 bits: a grey picture, or one of a single
    colour, has a result, too, and its noise is not stretched into colours.

    References
    ----------
    Gatys, Ecker, Bethge, Hertzmann, Shechtman: Controlling Perceptual Factors in Neural Style
    Transfer, CVPR 2017, section 5.2.
    Pitié, Kokaram: The Linear Monge-Kantorovitch Linear Colour Mapping for Example-Based Colour
    Transfer, CVMP 2007.
    Reinhard, Ashikhmin, Gooch, Shirley: Color Transfer between Images, 2001, for each channel by
    itself.
    """
    source = _Colors(image, mask, "image", "mask")
    target = _Colors(reference, reference_mask, "reference", "reference_mask")
    return _unit(source.moved_to(target))


def match_histogram(
    image: PictureLike,
    reference: PictureLike,
    mask: npt.ArrayLike | None = None,
    reference_mask: npt.ArrayLike | None = None,
) -> np.ndarray:
    """Give a picture the histograms of another: `match_color`, and what mean and covariance miss.

    Parameters
    ----------
    image, reference, mask, reference_mask
        As for `match_color`; for the histograms a pixel counts where its mask is at least half of
        the mask's largest value.

    Returns
    -------
    ndarray, float32 [H, W, 3]
        Clipped to [0, 1].

    Raises
    ------
    FileError, InputError, InputTypeError
        As `match_color`.

    Notes
    -----
    After `match_color` each principal axis of the reference's colours is matched by
    `skimage.exposure.match_histograms`. Red, green and blue, matched each by itself, make colours
    that are in neither picture, for they are not independent; along the axes they are
    uncorrelated. An axis along which the picture varies less, such as all but one of a grey
    picture's, keeps its narrower range.
    """
    source = _Colors(image, mask, "image", "mask")
    target = _Colors(reference, reference_mask, "reference", "reference_mask")
    _, axes = np.linalg.eigh(target.covariance)
    values = source.moved_to(target) @ axes
    counted, wanted = values[source.where], (target.pixels @ axes)[target.where]
    # Where the picture has less to tell apart, as a grey one has, there is only noise to stretch.
    spread = np.minimum(counted.std(axis=0) / np.maximum(wanted.std(axis=0), 1e-9), 1)
    middle = wanted.mean(axis=0)
    wanted = middle + spread * (wanted - middle)
    matched = skimage.exposure.match_histograms(counted, wanted, channel_axis=-1)
    for axis in range(3):
        # What is not counted follows the same curve; beyond its ends it stays at them.
        known, index = np.unique(counted[:, axis], return_index=True)
        values[..., axis] = np.interp(values[..., axis], known, matched[index, axis])
    return _unit(values @ axes.T)


class _Colors:
    """The pixels of a picture, where they count, and their mean and covariance."""

    def __init__(self, picture, mask, name: str, mask_name: str) -> None:
        self.pixels = as_image(picture, name).astype(float)
        weights = _weights(mask, self.pixels.shape[:2], mask_name)
        self.where = weights >= weights.max() / 2
        flat = self.pixels.reshape(-1, 3)
        self.mean = np.average(flat, axis=0, weights=weights.ravel())
        self.covariance = np.cov(flat, rowvar=False, ddof=0, aweights=weights.ravel())

    def moved_to(self, target: _Colors) -> np.ndarray:
        """Return the pixels with the target's mean and covariance, not clipped."""
        root, inverse = (_power(self.covariance, p, least=_GRAIN) for p in (0.5, -0.5))
        matrix = inverse @ _power(root @ target.covariance @ root, 0.5) @ inverse
        return (self.pixels - self.mean) @ matrix + target.mean


def _weights(mask, shape: tuple[int, int], name: str) -> np.ndarray:
    if mask is None:
        return np.ones(shape)
    weights = unit_values(mask, name).astype(float)
    if weights.shape != shape:
        fail(
            f"{name} has not its picture's shape", expected=str(shape), received=str(weights.shape)
        )
    if not weights.any():
        fail(f"{name} is 0 everywhere", expected="a pixel at least whose colour counts")
    return weights


def _power(matrix: np.ndarray, exponent: float, least: float = 0.0) -> np.ndarray:
    """Return a power of a symmetric matrix whose eigenvalues are raised to the least."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, least) ** exponent) @ vectors.T


def _unit(values: np.ndarray) -> np.ndarray:
    return np.clip(values, 0, 1).astype(np.float32)
