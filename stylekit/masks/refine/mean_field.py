"""Mean-field inference in a fully connected CRF with an appearance and a smoothness kernel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage
from scipy.special import softmax

from stylekit.masks.refine.bilateral import BilateralKernel

Kernel = Callable[[np.ndarray], np.ndarray]


def mean_field(
    image: np.ndarray,
    unary: np.ndarray,
    *,
    appearance: tuple[float, float, float],
    smoothness: tuple[float, float],
    iterations: int,
) -> np.ndarray:
    """Return the marginal probabilities of K classes, ``float32 [K, H, W]``.

    Parameters
    ----------
    image : ndarray
        ``float32 [H, W, 3]``.
    unary : ndarray
        The energies of the K classes, ``float32 [K, H, W]``. K is at least 2.
    appearance : (float, float, float)
        The weight of the appearance kernel, and its standard deviations in pixels and in colour.
    smoothness : (float, float)
        The weight of the smoothness kernel, and its standard deviation in pixels.
    iterations : int
        Number of iterations. All pixels are updated at once.
    """
    planes = unary.reshape(len(unary), -1)
    ones = np.ones_like(planes[0])
    terms = []
    if appearance[0] > 0:
        terms.append((appearance[0], _message(BilateralKernel(image, *appearance[1:]), 1.0, ones)))
    if smoothness[0] > 0:
        kernel, diagonal = _smoothness(unary.shape[1:], smoothness[1])
        terms.append((smoothness[0], _message(kernel, diagonal, ones)))
    # Probabilities sum to 1, and messages are linear. The message of the last class is therefore
    # the message of an array of ones minus the messages of the other classes. K classes need K - 1
    # passes.
    totals = [message(ones) for _, message in terms]
    marginals = softmax(-planes, axis=0)
    for _ in range(iterations):
        energy = planes.copy()
        for (weight, message), total in zip(terms, totals, strict=True):
            passed = np.stack([message(plane) for plane in marginals[:-1]])
            energy[:-1] -= weight * passed
            energy[-1] -= weight * (total - passed.sum(axis=0))
        marginals = softmax(-energy, axis=0)
    return marginals.reshape(unary.shape)


def _message(kernel: Kernel, diagonal: float, ones: np.ndarray) -> Kernel:
    """Return ``v -> (N - diag(N)) v`` with ``N = D^-1/2 K D^-1/2`` and D the row sums of K."""
    scale = 1 / np.sqrt(kernel(ones))
    own = diagonal * scale**2
    return lambda values: scale * kernel(scale * values) - own * values


def _smoothness(shape: tuple[int, ...], deviation: float) -> tuple[Kernel, float]:
    """Return a Gaussian filter over positions, exact up to a factor, and the filter's diagonal."""
    radius = int(4 * deviation + 0.5)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(deviation, 1e-9)) ** 2)

    def kernel(values: np.ndarray) -> np.ndarray:
        plane = values.reshape(shape)
        return ndimage.gaussian_filter(plane, deviation, mode="constant", radius=radius).ravel()

    return kernel, float(1 / taps.sum() ** 2)
