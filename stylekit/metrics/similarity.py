"""Structure and colours of a result, compared without a network."""

from __future__ import annotations

import numpy as np
from skimage.metrics import structural_similarity

from stylekit.functional import LUMA
from stylekit.image import PictureLike, as_image, fit_shape, resize
from stylekit.metrics._pictures import check_side, same_size

_WINDOW = 11  # Pixels a side of a Gaussian window of deviation 1.5, as of Wang et al.

# Of Afifi et al.: bins an axis, of which the outermost are centred at +-3, the width of a bin's
# kernel, and what keeps the logarithm of black finite.
_BINS = np.linspace(-3, 3, 64, dtype=np.float32)
_KERNEL_WIDTH = 0.02
_DARKEST = 1e-6
_LARGEST = 256  # Longer side in pixels, as of StyleID.


def ssim(photo: PictureLike, result: PictureLike) -> float:
    """Measure the structural similarity of a result to its photograph.

    Parameters
    ----------
    photo, result : path, PIL image or array_like
        Two pictures of one size, at least 11 pixels a side.

    Returns
    -------
    float
        The mean structural similarity of the luma of ITU-R BT.601, as encoded in sRGB. In [-1, 1];
        1 for the photograph itself. Higher keeps more of the photograph.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture cannot be used or is too small, or their sizes differ.

    Notes
    -----
    Wang, Bovik, Sheikh, Simoncelli: *Image Quality Assessment: From Error Visibility to Structural
    Similarity*, 2004, with their settings: a Gaussian window of deviation 1.5, K1 = 0.01 and
    K2 = 0.03. `skimage.metrics.structural_similarity` computes it. It compares brightness and
    contrast pixel by pixel, so strokes lower it even where every form is kept.

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
    """Measure how far the colours of a result are from those of a style.

    Parameters
    ----------
    style, result : path, PIL image or array_like
        Of any sizes; the longer side of a larger one is reduced to 256 pixels.

    Returns
    -------
    float
        The Hellinger distance ``sqrt(sum_k (sqrt(R_k) - sqrt(S_k))^2 / 2)`` of the colour
        histograms R of the result and S of the style. In [0, 1]; 0 for the style itself.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture cannot be used.

    Notes
    -----
    Afifi, Brubaker, Brown: *HistoGAN: Controlling Colors of GAN-Generated and Real Images via Color
    Histograms*, CVPR 2021, which the evaluation of StyleID (Chung, Hyun, Heo 2024) uses at 256
    pixels. The histogram of each channel c counts the logarithms of its ratios to the other two
    channels in 64 x 64 bins, by an inverse quadratic kernel, each pixel by its length in RGB. The
    three histograms sum to 1 together.

    Places do not count, and brightness counts as a weight alone: dark colours hardly count, and all
    greys are one colour. A bin has no neighbours, so a slight shift of every colour may score as
    high as another palette.

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
    """Return the histograms of a picture's channels, ``[3, 64, 64]``; all of them sum to 1."""
    if max(picture.shape[:2]) > _LARGEST:
        picture = resize(picture, fit_shape(picture.shape, _LARGEST), "box")
    pixels = picture.reshape(-1, 3)
    length = np.sqrt(np.square(pixels).sum(axis=1, keepdims=True) + _DARKEST)
    logs = np.log(pixels + _DARKEST)
    # The bins are symmetric: those of an inverse ratio are the same in reverse.
    rg, rb, gb = (_kernel(logs[:, one] - logs[:, other]) for one, other in ((0, 1), (0, 2), (1, 2)))
    pairs = (rg, rb), (rg[:, ::-1], gb), (rb[:, ::-1], gb[:, ::-1])
    counts = np.stack([(length * first).T @ second for first, second in pairs])
    return counts / counts.sum(dtype=np.float64)


def _kernel(ratios: np.ndarray) -> np.ndarray:
    """Return how much each ratio counts in each bin, ``[N, 64]``."""
    return 1 / (1 + np.square((ratios[:, np.newaxis] - _BINS) / np.float32(_KERNEL_WIDTH)))
