"""Blending in the gradient domain: the stylised picture's gradients, the photograph's border."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from stylekit import masks
from stylekit.blend.multigrid import v_cycle
from stylekit.blend.paste import checked, over
from stylekit.image import PictureLike

_TOLERANCE = 1e-5  # of the residual, relative to the right side
_ITERATIONS = 200  # about five are enough


def poisson(
    photo: PictureLike,
    stylised: PictureLike,
    mask: Any,
    *,
    mixed: bool = False,
    feather: float = 0.0,
) -> np.ndarray:
    """Lay the stylised picture over the photograph without a step: keep gradients, shift colours.

    The colours along the mask's edge become the photograph's, and what that takes is spread
    smoothly over the inside. A style whose colours are far from the photograph's is drawn towards
    them, most of all near the edge.

    Parameters
    ----------
    photo, stylised : path, PIL image or array_like
        Two pictures of one size.
    mask : array_like, PIL.Image.Image, path or callable
        Where the stylised picture goes: where the mask is at least 0.5; a callable is given the
        photograph. Along the picture's own border nothing is prescribed; a mask that covers the
        picture returns the stylised one.
    mixed : bool, optional
        Between neighbours take the photograph's gradient where it is the longer one, which keeps
        its drawing.
    feather : float, optional
        Let the result fade in from the photograph: the mask, feathered as by
        `stylekit.masks.feather`, is its share.

    Returns
    -------
    ndarray
        ``float32 [H, W, 3]``, clipped to [0, 1], bit-identical to the photograph outside the mask.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture or the mask cannot be used, or their sizes differ.

    Notes
    -----
    Inside, ``laplace u = div v`` with the guidance ``v`` (equation 3; equation 12 for mixed), and
    ``u`` is the photograph outside [1]_. The unknown is here ``c = u - stylised``, whose right side
    inside is 0 but for mixed gradients. It is found by conjugate gradients, preconditioned by one
    multigrid cycle [2]_, to far less than one step of 255; should they not converge, by
    factorisation.

    References
    ----------
    .. [1] P. Pérez, M. Gangnet, A. Blake: Poisson Image Editing. SIGGRAPH 2003.
    .. [2] O. Tatebe: The Multigrid Preconditioned Conjugate Gradient Method. Copper Mountain
       Conference on Multigrid Methods, 1993.
    """
    photo, stylised, mask = checked(photo, stylised, mask)
    known = mask < np.float32(0.5)
    share = masks.feather(~known, feather)
    if known.all() or not known.any():
        return over(photo, stylised, share)
    box = _surroundings(~known)
    known, above = known[box], stylised[box].astype(np.float64)
    below = photo[box].astype(np.float64)
    source = _mixed_source(below, above) if mixed else np.zeros_like(above)
    shift = _solve(known, np.where(known[..., np.newaxis], below - above, 0), source)
    result = photo.copy()
    inside = ~known
    result[box][inside] = np.clip(above + shift, 0, 1)[inside]
    return over(photo, result, share)


def _surroundings(region: np.ndarray) -> tuple[slice, slice]:
    """Return the window of a region and of its neighbours."""
    rows, columns = (np.flatnonzero(region.any(axis=axis)) for axis in (1, 0))
    high, wide = (slice(max(0, found[0] - 1), found[-1] + 2) for found in (rows, columns))
    return high, wide


def _mixed_source(below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Return the divergence that the photograph's gradients add where they are the longer ones."""
    source = np.zeros_like(above)
    for axis in (0, 1):
        theirs, ours = np.diff(below, axis=axis), np.diff(above, axis=axis)
        longer = np.sum(theirs**2, axis=-1) > np.sum(ours**2, axis=-1)
        more = np.where(longer[..., np.newaxis], theirs - ours, 0)
        before, after = (slice(None, -1), slice(1, None))
        source[(slice(None),) * axis + (before,)] -= more
        source[(slice(None),) * axis + (after,)] += more
    return source


def _solve(known: np.ndarray, values: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return the field that is `values` where known and has the source as its -Laplacian elsewhere.

    Parameters
    ----------
    known : ndarray
        ``bool [H, W]``, at least one.
    values, source : ndarray
        ``float64 [H, W, C]``; the values are 0 where unknown.
    """
    matrix, right = _system(known, values, source)
    cycle = linalg.LinearOperator(matrix.shape, matvec=v_cycle(matrix, ~known))
    result = values.copy()
    for channel, wanted in enumerate(right.T):
        found, failed = linalg.cg(matrix, wanted, rtol=_TOLERANCE, maxiter=_ITERATIONS, M=cycle)
        result[~known, channel] = linalg.spsolve(matrix, wanted) if failed else found
    return result


def _system(
    known: np.ndarray, values: np.ndarray, source: np.ndarray
) -> tuple[sparse.csr_array, np.ndarray]:
    """Return the five-point equations of the unknown pixels, one a row, and their right side."""
    unknown = ~known
    count = int(unknown.sum())
    number_of = np.full(known.shape, -1)
    number_of[unknown] = np.arange(count)
    neighbours = np.zeros(known.shape)  # fewer than four along the border: nothing flows across it
    right = source.copy()
    rows, columns = [], []
    for axis in (0, 1):
        lead = (slice(None),) * axis
        one, other = (*lead, slice(None, -1)), (*lead, slice(1, None))
        for here, there in ((one, other), (other, one)):
            neighbours[here] += 1
            right[here] += values[there]
            both = unknown[here] & unknown[there]
            rows.append(number_of[here][both])
            columns.append(number_of[there][both])
    diagonal = np.arange(count)
    places = np.concatenate([diagonal, *rows]), np.concatenate([diagonal, *columns])
    entries = np.full(len(places[0]), -1.0)
    entries[:count] = neighbours[unknown]
    matrix = sparse.csr_array((entries, places), shape=(count, count))
    return matrix, right[unknown]
