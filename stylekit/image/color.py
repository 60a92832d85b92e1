"""Colours from one picture to another: kept under a new luminance, or matched before a run.

Pictures are taken as they are encoded, in sRGB, as the literature takes them; `palette_colors`
works in OKLab.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import skimage  # its own rooms load when they are first used

from stylekit._checks import caused_by, fail, integer, number
from stylekit.image.arrays import unit_values
from stylekit.image.oklab import oklab_to_srgb, srgb_to_oklab
from stylekit.image.read import PictureLike, as_image

_GRAIN = (1 / 255) ** 2  # a variance: what lies within one level of 8 bits is no colour to stretch
_HUE_GRAIN = 0.01**2  # the same of OKLab's a and b: the compression of a grey JPEG reaches it
_FLAT = 1e-3  # a variance of OKLab's L, well below which a window has no edge


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
    image, content = _of_one_size(image, content)
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
    source = _colors_of(image, mask, "image", "mask")
    target = _colors_of(reference, reference_mask, "reference", "reference_mask")
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
    source = _colors_of(image, mask, "image", "mask")
    target = _colors_of(reference, reference_mask, "reference", "reference_mask")
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


def palette_colors(
    image: PictureLike,
    content: PictureLike,
    style: PictureLike | Sequence[PictureLike],
    *,
    weights: Sequence[float] | None = None,
    style_masks: Sequence[npt.ArrayLike | None] | None = None,
    mask: npt.ArrayLike | None = None,
    radius: int | None = None,
) -> np.ndarray:
    """Give a result its content's arrangement of colours, in the palette of its style.

    Parameters
    ----------
    image : path, PIL image or array [H, W, 3]
        The result, whose lightness and fine differences of hue are kept.
    content : path, PIL image or array [H, W, 3]
        Where the hues are.
    style : path, PIL image or array, or a list of them
        Which hues they are. Of several styles the pixels are counted together.
    weights : sequence of float, optional
        One a style, at least 0. Default: equal. The number of a style's pixels does not count.
    style_masks : sequence of array_like [h, w] or None, optional
        One a style, in [0, 1]: where its colours are counted. Default: everywhere.
    mask : array_like [H, W], optional
        In [0, 1]: where the content's colours are counted. All of the image is changed.
    radius : int, optional
        Differences of hue over fewer pixels are the image's, over more the content's; at least 1.
        Default: a 24th of the longer side, at least 1.

    Returns
    -------
    ndarray, float32 [H, W, 3]
        In [0, 1]. Colours outside the gamut are paler at the same lightness.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture or a mask cannot be used, the sizes of image and content differ, or the numbers
        of styles, weights and masks.

    Notes
    -----
    In OKLab, let h be the channels (a, b) of the image, and c those of the content after they were
    given the mean and covariance of the style's, as `match_color` does it, and clipped to their
    range. The result has the image's L and ``h + S (c - h)``. S is the guided filter whose guide is
    the image's L: it smooths, but not across edges of lightness. S is linear, so this is
    ``S c + (h - S h)``: the content's low frequencies and the image's high ones. Kolkin et al.
    smooth c by a bilateral filter and take the four finest bands of a Laplacian pyramid from the
    image; their program leaves out these bands, and with them the colours of the brush strokes.

    References
    ----------
    Kolkin, Kucera, Paris, Sykora, Shechtman, Shakhnarovich: Neural Neighbor Style Transfer, 2022.
    He, Sun, Tang: Guided Image Filtering, IEEE Transactions on Pattern Analysis and Machine
    Intelligence 35(6), 2013.
    """
    image, content = _of_one_size(image, content)
    radius = max(1, round(max(image.shape[:2]) / 24)) if radius is None else radius
    radius = integer(radius, "radius", low=1)
    target = _union(style, weights, style_masks)
    source = _Colors(srgb_to_oklab(content)[..., 1:], _weights(mask, image.shape[:2], "mask"))
    counted = target.pixels[target.weights > 0]
    hues = source.moved_to(target, least=_HUE_GRAIN).astype(np.float32)
    hues = np.clip(hues, counted.min(axis=0), counted.max(axis=0))
    lab = srgb_to_oklab(image)
    lab[..., 1:] += _smoothed(hues - lab[..., 1:], lab[..., :1], radius)
    return oklab_to_srgb(lab)


class _Colors:
    """Pixels, how much each counts, and their mean and covariance."""

    def __init__(self, pixels: np.ndarray, weights: np.ndarray) -> None:
        self.pixels = pixels.astype(float)
        self.weights = weights
        self.where = weights >= weights.max() / 2
        flat = self.pixels.reshape(-1, pixels.shape[-1])
        self.mean = np.average(flat, axis=0, weights=weights.ravel())
        self.covariance = np.cov(flat, rowvar=False, ddof=0, aweights=weights.ravel())

    def moved_to(self, target: _Colors, least: float = _GRAIN) -> np.ndarray:
        """Return the pixels with the target's mean and covariance, not clipped."""
        root, inverse = (_power(self.covariance, p, least) for p in (0.5, -0.5))
        matrix = inverse @ _power(root @ target.covariance @ root, 0.5) @ inverse
        return (self.pixels - self.mean) @ matrix + target.mean


def _colors_of(picture, mask, name: str, mask_name: str) -> _Colors:
    pixels = as_image(picture, name)
    return _Colors(pixels, _weights(mask, pixels.shape[:2], mask_name))


def _union(style, weights, style_masks) -> _Colors:
    """Return the hues of all styles together."""
    styles = list(style) if isinstance(style, (list, tuple)) else [style]
    shares = [1.0] * len(styles) if weights is None else list(weights)
    shares = [number(share, "a style's weight", low=0, argument="weights") for share in shares]
    masks = [None] * len(styles) if style_masks is None else list(style_masks)
    if not len(styles) == len(shares) == len(masks) or not sum(shares):
        fail(
            "styles, weights and style_masks do not match",
            expected="as many of each, at least one, and weights that are not all 0",
            received=f"{len(styles)} styles, weights {weights}, {len(masks)} masks",
        )
    pixels, counts = [], []
    for one, share, where in zip(styles, shares, masks, strict=True):
        hues = srgb_to_oklab(as_image(one, "style"))[..., 1:]
        count = _weights(where, hues.shape[:2], "style mask", "style_masks").ravel()
        pixels.append(hues.reshape(-1, 2))
        counts.append(share * count / count.sum())
    return _Colors(np.concatenate(pixels), np.concatenate(counts))


def _smoothed(planes: np.ndarray, guide: np.ndarray, radius: int) -> np.ndarray:
    """Return the guided filter of planes [H, W, C] by a guide [H, W, 1]."""
    from scipy import ndimage  # an error about a file's name need not wait for it

    def mean(values: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(values, 2 * radius + 1, mode="nearest", axes=(0, 1))

    middle, level = mean(guide), mean(planes)
    slope = mean(guide * planes) - middle * level
    slope /= np.maximum(mean(guide * guide) - middle * middle, 0) + _FLAT
    return mean(slope) * guide + mean(level - slope * middle)


def _of_one_size(image: PictureLike, content: PictureLike) -> tuple[np.ndarray, np.ndarray]:
    image, content = as_image(image, "image"), as_image(content, "content")
    if image.shape != content.shape:
        fail(
            "the content has another size than the image",
            expected=f"{image.shape[1]}x{image.shape[0]} pixels",
            received=f"{content.shape[1]}x{content.shape[0]}",
            hint="resize it with stylekit.image.resize",
            argument="content",
        )
    return image, content


def _weights(mask, shape: tuple[int, int], name: str, argument: str | None = None) -> np.ndarray:
    if mask is None:
        return np.ones(shape)
    with caused_by(argument or name):
        weights = unit_values(mask, name).astype(float)
        if weights.shape != shape:
            fail(
                f"{name} has not its picture's shape",
                expected=str(shape),
                received=str(weights.shape),
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
