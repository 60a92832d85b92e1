"""Poisson blending: keep the stylised picture's gradients, but match the photograph's border."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from stylekit import masks
from stylekit.blend.multigrid import v_cycle
from stylekit.blend.paste import checked, over
from stylekit.image import PictureLike

_TOLERANCE = 1e-5  # of the residual, relative to the right-hand side
_ITERATIONS = 200  # about five iterations are enough


def poisson(
    photo: PictureLike,
    stylised: PictureLike,
    mask: Any,
    *,
    mixed: bool = False,
    feather: float = 0.0,
) -> np.ndarray:
    """Return the stylised picture blended into the photograph without a step at the mask's edge.

    The gradients of the stylised picture are preserved, and its colours are shifted. At the edge of
    the mask, the shifted colours are equal to the colours of the photograph. Inside, the shift
    varies smoothly. If the colours of the two pictures are very different, the largest shifts are
    near the edge.

    Parameters
    ----------
    photo, stylised : path, PIL image or array_like
        Two pictures of the same size.
    mask : array_like, PIL.Image.Image, path or callable
        The stylised picture is used where the mask is at least 0.5. A callable is called with the
        photograph. At the border of the picture, no colours are prescribed. If the mask covers the
        whole picture, the result is the stylised picture.
    mixed : bool, optional
        Whether to use the photograph's gradient between two neighbours where it is larger than the
        stylised picture's gradient. This preserves details of the photograph.
    feather : float, optional
        Radius in pixels, at least 0, over which the result fades into the photograph: result and
        photograph are alpha-blended by the mask, softened by `stylekit.masks.feather`.

    Returns
    -------
    ndarray
        ``float32 [H, W, 3]``, clipped to [0, 1]. It is bit-identical to the photograph outside the
        mask.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture or the mask cannot be used, or their sizes differ.

    Notes
    -----
    Inside the mask, the result u satisfies ``laplace u = div v`` with the guidance field ``v``
    (equation 3 in [1]_, or equation 12 if `mixed`). Outside, u is the photograph. The equation is
    solved for ``c = u - stylised``, because its right-hand side is 0 unless gradients are mixed. It
    is solved by conjugate gradients, preconditioned by one multigrid cycle [2]_, with an error far
    below 1/255. If conjugate gradients do not converge, a sparse factorisation is used.

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
    """Return the slices of the bounding box of a region, extended by one pixel."""
    rows, columns = (np.flatnonzero(region.any(axis=axis)) for axis in (1, 0))
    high, wide = (slice(max(0, found[0] - 1), found[-1] + 2) for found in (rows, columns))
    return high, wide


def _mixed_source(below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Return the source term of the photograph's gradients, where they are the larger ones."""
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
    """Return the field that equals `values` where known and has -Laplacian `source` elsewhere.

    Parameters
    ----------
    known : ndarray
        ``bool [H, W]``: True at known pixels. At least one pixel is known.
    values, source : ndarray
        ``float64 [H, W, C]``. `values` is 0 at unknown pixels.
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
    """Return the matrix and the right-hand side of the 5-point equations of the unknown pixels."""
    unknown = ~known
    count = int(unknown.sum())
    number_of = np.full(known.shape, -1)
    number_of[unknown] = np.arange(count)
    neighbours = np.zeros(known.shape)  # fewer than 4 at the border, which is a Neumann condition
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
