"""Transfer colours between pictures: keep the content's colours, or match the style's colours.

The functions compute with sRGB-encoded values, as the literature does. `palette_colors` uses OKLab.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import skimage  # loads its subpackages when they are first used

from stylekit._checks import caused_by, fail, integer, number
from stylekit.image.arrays import unit_values
from stylekit.image.oklab import oklab_to_srgb, srgb_to_oklab
from stylekit.image.read import PictureLike, as_image

_GRAIN = (1 / 255) ** 2  # squared step of 8 bits: a smaller variance is noise
_HUE_GRAIN = 0.01**2  # the same for a and b of OKLab: the noise of a grey JPEG
_FLAT = 1e-3  # variance of OKLab's L: far below it, a window has no edge


def original_colors(image: PictureLike, content: PictureLike) -> np.ndarray:
    """Combine the luminance of one picture with the colours of another, pixel by pixel.

    Parameters
    ----------
    image : path, PIL image or array [H, W, 3]
        The picture whose luminance is kept, such as a result.
    content : path, PIL image or array [H, W, 3]
        The picture whose colours are kept. Must have the size of `image`.

    Returns
    -------
    ndarray, float32 [H, W, 3]
        Values in [0, 1]. Where both pictures have the same luminance, the result is exactly equal
        to the content.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture is invalid, or the sizes differ.

    Notes
    -----
    For a pixel c of the content the result is ``c + Y(image) - Y(c)``, where Y is the luma of YIQ.
    The result has the same I and Q as c. Where the result is outside the gamut, the programs of the
    papers clip it, which changes Y and the hue. Here I and Q are multiplied by the largest factor
    that keeps the colour inside the gamut. This keeps Y and the hue, and makes the colour paler.

    References
    ----------
    Hertzmann, Jacobs, Oliver, Curless, Salesin: Image Analogies, SIGGRAPH 2001.
    Gatys, Ecker, Bethge, Hertzmann, Shechtman: Controlling Perceptual Factors in Neural Style
    Transfer, CVPR 2017, section 5.1. The paper also matches the mean and standard deviation of the
    style's luminance to the content's before the run; `match_color` does this.
    """
    image, content = _of_one_size(image, content)
    luma, own = skimage.color.rgb2yiq(image)[..., :1], skimage.color.rgb2yiq(content)[..., :1]
    chroma = content - own
    room = np.where(chroma > 0, 1 - luma, luma)
    share = np.ones_like(chroma)
    size = np.abs(chroma)
    np.divide(room, size, out=share, where=size > 1e-6)
    share = np.maximum(share.min(axis=-1, keepdims=True), 0)
    # Inside the gamut the sum luma + chroma is not used, because its rounding would change pixels
    # of equal luminance.
    result = np.where(share < 1, luma + share * chroma, content + (luma - own))
    return np.clip(result, 0, 1)


def match_color(
    image: PictureLike,
    reference: PictureLike,
    mask: npt.ArrayLike | None = None,
    reference_mask: npt.ArrayLike | None = None,
) -> np.ndarray:
    """Return a picture recoloured to the mean and the covariance of another picture's colours.

    Parameters
    ----------
    image : path, PIL image or array [H, W, 3]
        The picture to change, such as a style before a run.
    reference : path, PIL image or array [h, w, 3]
        The picture whose colours are matched, such as the content.
    mask, reference_mask : array_like [H, W] and [h, w], optional
        Weights in [0, 1] of the pixels in the means and covariances. The colours of the whole image
        are changed, even where `mask` is 0. Default: all ones.

    Returns
    -------
    ndarray, float32 [H, W, 3]
        Clipped to [0, 1].

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture or a mask is invalid, or a mask is 0 everywhere.

    Notes
    -----
    The colours are mapped by ``x' = A (x - m) + n`` with ``A S A^T = R``. Here m and S are the mean
    and covariance of the image, and n and R are the mean and covariance of the reference. A is
    unique up to a rotation. Gatys et al. use ``L_R L_S^-1`` with Cholesky factors L, which depends
    on the order of the channels, or ``R^1/2 S^-1/2``, which can rotate hues. Here A is the
    symmetric matrix ``S^-1/2 (S^1/2 R S^1/2)^1/2 S^-1/2``, which changes the colours least.
    Eigenvalues of S below ``(1 / 255)^2``, the squared step of 8 bits, are raised to this value.
    The result is therefore also defined for pictures in grey or in one colour, and their noise is
    not amplified.

    References
    ----------
    Gatys, Ecker, Bethge, Hertzmann, Shechtman: Controlling Perceptual Factors in Neural Style
    Transfer, CVPR 2017, section 5.2.
    Pitié, Kokaram: The Linear Monge-Kantorovitch Linear Colour Mapping for Example-Based Colour
    Transfer, CVMP 2007.
    Reinhard, Ashikhmin, Gooch, Shirley: Color Transfer between Images, 2001, which treats the
    channels separately.
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
    """Return a picture recoloured to the colour histograms of another picture.

    This extends `match_color`, which matches only the mean and the covariance.

    Parameters
    ----------
    image, reference, mask, reference_mask
        As in `match_color`. The histograms use the pixels whose mask is at least half of the mask's
        maximum.

    Returns
    -------
    ndarray, float32 [H, W, 3]
        Clipped to [0, 1].

    Raises
    ------
    FileError, InputError, InputTypeError
        As raised by `match_color`.

    Notes
    -----
    After `match_color`, `skimage.exposure.match_histograms` is applied along each principal axis of
    the reference's colours. Matching red, green and blue separately would give colours that are in
    neither picture, because the channels are correlated. Along the principal axes, colours are not
    correlated. Along an axis on which the picture varies less than the reference, the smaller range
    is kept. For a grey picture this is the case on all axes except one.
    """
    source = _colors_of(image, mask, "image", "mask")
    target = _colors_of(reference, reference_mask, "reference", "reference_mask")
    _, axes = np.linalg.eigh(target.covariance)
    values = source.moved_to(target) @ axes
    counted, wanted = values[source.where], (target.pixels @ axes)[target.where]
    # On an axis with a smaller variance, as in a grey picture, stretching would amplify noise.
    spread = np.minimum(counted.std(axis=0) / np.maximum(wanted.std(axis=0), 1e-9), 1)
    middle = wanted.mean(axis=0)
    wanted = middle + spread * (wanted - middle)
    matched = skimage.exposure.match_histograms(counted, wanted, channel_axis=-1)
    for axis in range(3):
        # Pixels outside the mask are mapped by the same curve. It is constant beyond its ends.
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
    """Return a result with the spatial colour layout of its content, in the palette of its style.

    Parameters
    ----------
    image : path, PIL image or array [H, W, 3]
        The result of a run. Its lightness and its fine variations of hue are kept.
    content : path, PIL image or array [H, W, 3]
        The picture that decides where each hue is. Must have the size of `image`.
    style : path, PIL image or array, or a list of them
        The pictures that give the palette. The palettes of several styles are pooled.
    weights : sequence of float, optional
        Weights of the styles, at least 0, independent of their sizes. Default: equal.
    style_masks : sequence of array_like [h, w] or None, optional
        For each style, weights in [0, 1] of its pixels in the palette. Default: all ones.
    mask : array_like [H, W], optional
        Weights in [0, 1] of the content's pixels in the matching. The whole image is changed.
        Default: all ones.
    radius : int, optional
        Radius in pixels of the smoothing filter, at least 1. Finer variations of hue come from the
        image, and coarser ones from the content. Default: a 24th of the longer side, at least 1.

    Returns
    -------
    ndarray, float32 [H, W, 3]
        Values in [0, 1]. Colours outside the gamut become paler and keep their lightness.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture or a mask is invalid, if the sizes of image and content differ, or if the
        numbers of styles, weights and masks differ.

    Notes
    -----
    In OKLab, let h be the channels (a, b) of the image. Let c be the channels (a, b) of the
    content, matched in mean and covariance to the style as in `match_color`, and clipped to the
    style's range. The result has the L of the image and the channels ``h + S (c - h)``. S is a
    guided filter with the image's L as its guide. It smooths the channels, but not across edges of
    lightness. As S is linear, the result's channels are equal to ``S c + (h - S h)``: the low
    frequencies of the content plus the high frequencies of the image. Kolkin et al. smooth c with a
    bilateral filter, and take the four finest levels of a Laplacian pyramid from the image. Their
    program omits these levels, which removes the colours of the brush strokes.

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
    """Pixels with weights, and their weighted mean and covariance."""

    def __init__(self, pixels: np.ndarray, weights: np.ndarray) -> None:
        self.pixels = pixels.astype(float)
        self.weights = weights
        self.where = weights >= weights.max() / 2
        flat = self.pixels.reshape(-1, pixels.shape[-1])
        self.mean = np.average(flat, axis=0, weights=weights.ravel())
        self.covariance = np.cov(flat, rowvar=False, ddof=0, aweights=weights.ravel())

    def moved_to(self, target: _Colors, least: float = _GRAIN) -> np.ndarray:
        """Return the pixels mapped to the mean and covariance of the target, without clipping."""
        root, inverse = (_power(self.covariance, p, least) for p in (0.5, -0.5))
        matrix = inverse @ _power(root @ target.covariance @ root, 0.5) @ inverse
        return (self.pixels - self.mean) @ matrix + target.mean


def _colors_of(picture, mask, name: str, mask_name: str) -> _Colors:
    pixels = as_image(picture, name)
    return _Colors(pixels, _weights(mask, pixels.shape[:2], mask_name))


def _union(style, weights, style_masks) -> _Colors:
    """Return the pooled (a, b) channels of all styles."""
    styles = list(style) if isinstance(style, (list, tuple)) else [style]
    shares = [1.0] * len(styles) if weights is None else list(weights)
    shares = [number(share, "a style's weight", low=0, argument="weights") for share in shares]
    masks = [None] * len(styles) if style_masks is None else list(style_masks)
    if not len(styles) == len(shares) == len(masks) or not sum(shares):
        fail(
            "styles, weights and style_masks do not match",
            expected="the same number of each, at least one, and weights that are not all 0",
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
    """Return planes [H, W, C] after a guided filter with the guide [H, W, 1]."""
    from scipy import ndimage  # imported here, so that wrong file names raise earlier

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
                f"{name} has another shape than its picture",
                expected=str(shape),
                received=str(weights.shape),
            )
        if not weights.any():
            fail(f"{name} is 0 everywhere", expected="at least one pixel above 0")
    return weights


def _power(matrix: np.ndarray, exponent: float, least: float = 0.0) -> np.ndarray:
    """Return a power of a symmetric matrix. Eigenvalues below `least` are replaced by `least`."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, least) ** exponent) @ vectors.T


def _unit(values: np.ndarray) -> np.ndarray:
    return np.clip(values, 0, 1).astype(np.float32)
