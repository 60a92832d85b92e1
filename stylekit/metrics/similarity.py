"""Metrics of structure (SSIM) and of colours (a histogram distance). They need no network."""

from __future__ import annotations

import numpy as np
from skimage.metrics import structural_similarity

from stylekit.functional import LUMA
from stylekit.image import PictureLike, as_image, fit_shape, resize
from stylekit.metrics._pictures import check_side, same_size

_WINDOW = 11  # Side in pixels of the Gaussian window of Wang et al., with standard deviation 1.5.

# Values of Afifi et al.: the centres of the bins along an axis, the width of the kernel of a bin,
# and a constant that keeps the logarithm of black finite.
_BINS = np.linspace(-3, 3, 64, dtype=np.float32)
_KERNEL_WIDTH = 0.02
_DARKEST = 1e-6
_LARGEST = 256  # Longer side in pixels to which larger pictures are reduced, as in StyleID.


def ssim(photo: PictureLike, result: PictureLike) -> float:
    """Return the structural similarity (SSIM) of a result and its photograph.

    Parameters
    ----------
    photo, result : path, PIL image or array_like
        Two pictures of the same size, at least 11 pixels per side.

    Returns
    -------
    float
        The mean structural similarity of the luma (ITU-R BT.601 weights, sRGB values). The value is
        in [-1, 1], and 1 for the photograph itself. Higher values mean more similar.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture is invalid or too small, or the sizes differ.

    Notes
    -----
    The metric is from Wang, Bovik, Sheikh, Simoncelli: *Image Quality Assessment: From Error
    Visibility to Structural Similarity*, 2004, with their settings: a Gaussian window of standard
    deviation 1.5, K1 = 0.01 and K2 = 0.03. It is computed by
    `skimage.metrics.structural_similarity`. The metric compares brightness and contrast pixel by
    pixel, so strokes lower the value even if all forms are preserved.

    Examples
    --------
    >>> grey = np.full((16, 16, 3), 0.5)
    >>> ssim(grey, grey)
    1.0
    """
    photo, result = same_size(photo, result)
    check_side(photo, "photo", _WINDOW)
    one, other = (picture.astype(np.float64) @ LUMA for picture in (photo, result))
    return float(
        structural_similarity(
            one,
            other,
            data_range=1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def color_distance(style: PictureLike, result: PictureLike) -> float:
    """Return the distance between the colour histograms of a result and of a style.

    Parameters
    ----------
    style, result : path, PIL image or array_like
        Pictures of any sizes. Pictures with a longer side above 256 pixels are reduced to 256
        pixels.

    Returns
    -------
    float
        The Hellinger distance ``sqrt(sum_k (sqrt(R_k) - sqrt(S_k))^2 / 2)`` of the colour
        histograms R of the result and S of the style. The value is in [0, 1], and 0 for the style
        itself.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture is invalid.

    Notes
    -----
    The histograms are from Afifi, Brubaker, Brown: *HistoGAN: Controlling Colors of GAN-Generated
    and Real Images via Color Histograms*, CVPR 2021. The evaluation of StyleID (Chung, Hyun, Heo
    2024) uses them at 256 pixels. There is one histogram of 64 x 64 bins per channel. The axes of a
    histogram are the logarithms of the ratios between its channel and the other two channels.
    Pixels are added with an inverse quadratic kernel, and are weighted by the length of their RGB
    vector. The three histograms together sum to 1.

    Positions have no influence. Brightness is used only as a weight: dark colours have little
    influence, and all greys are treated as the same colour. Adjacent bins are treated as unrelated,
    so a slight shift of all colours can give as large a distance as a different palette.

    Examples
    --------
    >>> red, blue = np.zeros((2, 8, 8, 3))
    >>> red[..., 0] = blue[..., 2] = 1
    >>> color_distance(red, red), round(color_distance(red, blue), 2)
    (0.0, 0.95)
    """
    one, other = (
        np.sqrt(_histogram(as_image(picture, name)))
        for picture, name in ((style, "style"), (result, "result"))
    )
    return float(np.linalg.norm(one - other) / np.sqrt(2))


def _histogram(picture: np.ndarray) -> np.ndarray:
    """Return the histograms ``[3, 64, 64]`` of a picture's channels, which together sum to 1."""
    if max(picture.shape[:2]) > _LARGEST:
        picture = resize(picture, fit_shape(picture.shape, _LARGEST), "box")
    pixels = picture.reshape(-1, 3)
    length = np.sqrt(np.square(pixels).sum(axis=1, keepdims=True) + _DARKEST)
    logs = np.log(pixels + _DARKEST)
    # The bins are symmetric about 0, so the bins of an inverse ratio are in reverse order.
    rg, rb, gb = (_kernel(logs[:, one] - logs[:, other]) for one, other in ((0, 1), (0, 2), (1, 2)))
    pairs = (rg, rb), (rg[:, ::-1], gb), (rb[:, ::-1], gb[:, ::-1])
    counts = np.stack([(length * first).T @ second for first, second in pairs])
    return counts / counts.sum(dtype=np.float64)


def _kernel(ratios: np.ndarray) -> np.ndarray:
    """Return the weights ``[N, 64]`` with which N log ratios are added to the bins."""
    return 1 / (1 + np.square((ratios[:, np.newaxis] - _BINS) / np.float32(_KERNEL_WIDTH)))
