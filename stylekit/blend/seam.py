"""Compute the border between a photograph and a stylised picture as a minimum cut."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from stylekit import masks
from stylekit._checks import number
from stylekit.blend.cut import minimum_cut
from stylekit.blend.paste import checked, over
from stylekit.image import PictureLike

_RADIUS = 16 / 1024  # of the longer side
_ATTACHMENT = 0.5  # by eye on six pictures: 0.25 leaves the object's edge too often, 1 too rarely
_FAINT = 1e-4  # squared colour distance of 1.5 / 255 per channel, which is invisible
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))  # half of the eight, so that each pair counts once


def seam(
    photo: PictureLike,
    stylised: PictureLike,
    mask: Any,
    *,
    radius: float | None = None,
    attachment: float = _ATTACHMENT,
    smoothness: float = 1.0,
    feather: float = 0.0,
) -> np.ndarray:
    """Return the stylised picture pasted into the photograph, cut where the two differ least.

    The cut lies in a band along the edge of the mask. It follows the path on which the step between
    the two pictures is least visible.

    Parameters
    ----------
    photo, stylised, mask, radius, attachment, smoothness
        See `seam_mask`.
    feather : float, optional
        Radius in pixels, at least 0, by which the cut is softened; see `stylekit.masks.feather`.
        The transition stays inside the band: within `feather` pixels of either side of the band, it
        is limited by a linear ramp. Where the band is narrower than `feather`, the ramp extends
        over the whole band.

    Returns
    -------
    ndarray
        ``float32 [H, W, 3]`` in [0, 1]. Outside the band, the result is bit-identical to the
        stylised picture where the mask is at least 0.5, and to the photograph elsewhere.

    Raises
    ------
    FileError, InputError, InputTypeError
        See `seam_mask`.
    """
    photo, stylised, mask = checked(photo, stylised, mask)
    feather = number(feather, "feather", low=0)
    band = Band(mask, radius)
    share = _cut(photo, stylised, band, attachment, smoothness).astype(np.float32)
    if feather and band.pixels.any():
        to_0, to_1 = band.distance
        run = np.minimum(feather, to_0 + to_1)  # otherwise the two ramps would cross
        share = np.clip(masks.feather(share, feather), 1 - to_1 / run, to_0 / run)
    return over(photo, stylised, share)


def seam_mask(
    photo: PictureLike,
    stylised: PictureLike,
    mask: Any,
    *,
    radius: float | None = None,
    attachment: float = _ATTACHMENT,
    smoothness: float = 1.0,
) -> np.ndarray:
    """Return the mask whose edge is the optimal cut between two pictures.

    Parameters
    ----------
    photo, stylised : path, PIL image or array_like
        Two pictures of the same size.
    mask : array_like, PIL.Image.Image, path or callable
        The stylised picture should be used where the mask is at least 0.5. A callable is called
        with the photograph.
    radius : float, optional
        Maximum distance in pixels, at least 0, of the cut from the mask's edge. If the radius is
        below 1, the mask's edge is returned. Default: 16/1024 of the longer side. If a connected
        area of the mask or of its complement is so thin that the band would cover it completely,
        the radius there is halved until some pixels are outside the band. The edges of areas that
        are one or two pixels thin are not changed.
    attachment : float, optional
        Weight, at least 0, of the attraction of the cut to the middle of the band (lambda in the
        notes).
    smoothness : float, optional
        Weight, at least 0, of the visible step along the cut (s in the notes). With 0, only the
        attachment is used.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` with values 0 and 1.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture or the mask is invalid, their sizes differ, or a number is out of range.

    Notes
    -----
    Let ``M`` be the mask, and ``T`` the band: all pixels whose distance from the other side of the
    mask's edge is at most the radius ``r``. ``K_1`` are the pixels of the mask outside the band,
    and ``K_0`` all other pixels outside the band. The labels ``l`` of the pixels of ``T``, 1 for
    the stylised picture and 0 for the photograph, minimise

    ``lambda sum_p d(p, K_lp) / 2r + s sum_pq [l_p != l_q] (D_p + D_q) / (2 d_pq median(D) + eps)``

    where ``d(p, K)`` is the distance from p to the nearest pixel of K, ``D_p`` is the squared
    distance between the colours of the two pictures at p, and ``median(D)`` is the median of ``D``
    over the band. The pairs pq are 8-neighbours at the distance ``d_pq``, with at least one pixel
    in the band.

    This is the Markov random field of localized style transfer. There, the unary term is the
    distance of a pixel from the centre of its side of the cut, and a pair costs
    ``|I_lp(p) - I_lq(p)|^2 + |I_lq(q) - I_lp(q)|^2 = D_p + D_q``. A single centre per side does not
    work, because the centre of the background lies within a centred subject. Here the centre of a
    side is replaced by the nearest pixel of ``K_0`` or ``K_1``. The minimum is exact except for the
    rounding to 32 bits. The edge of the mask is returned if its cost is 0, or if the pictures are
    equal in the band, so that every cut gives the same result.

    References
    ----------
    .. [1] V. Kwatra et al.: Graphcut Textures: Image and Video Synthesis Using Graph Cuts.
       SIGGRAPH 2003, equation 1.
    """
    photo, stylised, mask = checked(photo, stylised, mask)
    band = Band(mask, radius)
    return _cut(photo, stylised, band, attachment, smoothness).astype(np.float32)


def _cut(
    photo: np.ndarray,
    stylised: np.ndarray,
    band: Band,
    attachment: float,
    smoothness: float,
) -> np.ndarray:
    """Return the labels of all pixels, ``bool [H, W]``."""
    attachment = number(attachment, "attachment", low=0)
    smoothness = number(smoothness, "smoothness", low=0)
    difference = np.sum((stylised.astype(np.float64) - photo) ** 2, axis=-1)
    labels = band.inside.copy()
    if difference[band.pixels].any():  # false for an empty band
        field = seam_field(band, difference, attachment, smoothness)
        if field.energy(labels[band.pixels]) > 0:
            labels[band.pixels] = minimum_cut(*field)
    return labels


class Band:
    """The band of pixels near the edge of a mask, and their distances from both sides of the band.

    Attributes
    ----------
    inside : ndarray
        ``bool [H, W]``: the mask, thresholded at 0.5.
    radius : float
        Width of the band on each side of the edge, in pixels. In thin areas the band is narrower.
    pixels : ndarray
        ``bool [H, W]``: True in the band.
    distance : tuple of ndarray
        Two arrays ``float64 [H, W]``: the distance in pixels from the nearest pixel outside the
        band that is outside the mask, and from the nearest one inside the mask. Zeros if the band
        is empty.
    """

    def __init__(self, mask: np.ndarray, radius: float | None = None) -> None:
        if radius is None:
            radius = max(1.0, _RADIUS * max(mask.shape))
        self.radius = number(radius, "radius", low=0)
        self.inside = mask >= np.float32(0.5)
        self.pixels = np.zeros(mask.shape, bool)
        self.distance = (np.zeros(mask.shape),) * 2
        if self.inside.all() or not self.inside.any():
            return
        for side in (~self.inside, self.inside):
            self.pixels |= _shell(side, self.radius)
        if self.pixels.any():
            cores = (~self.inside & ~self.pixels, self.inside & ~self.pixels)
            self.distance = tuple(ndimage.distance_transform_edt(~core) for core in cores)


def _shell(region: np.ndarray, radius: float) -> np.ndarray:
    """Return a region's pixels within `radius` of its outside, or less in thin areas."""
    depth = ndimage.distance_transform_edt(region)
    labels, count = ndimage.label(region, np.ones((3, 3)))
    reach = np.full(count + 1, radius)
    deepest = ndimage.maximum(depth, labels, np.arange(count + 1))
    while (thin := (reach >= deepest) & (reach > 0)).any():
        reach[thin] = np.where(reach[thin] < 2, 0, reach[thin] / 2)  # the minimum distance is 1
    return region & (depth <= reach[labels])


class Field(NamedTuple):
    """The costs of labels of the N pixels of a band. The fields are the arguments of `minimum_cut`.

    Attributes
    ----------
    cost : ndarray
        ``float64 [N, 2]``: the cost of each label at each pixel, including pairs with pixels
        outside the band.
    pairs : ndarray
        ``int [P, 2]``: the pairs of neighbours within the band.
    weight : ndarray
        ``float64 [P]``: the cost of each pair if its labels differ.
    """

    cost: np.ndarray
    pairs: np.ndarray
    weight: np.ndarray

    def energy(self, labels: np.ndarray) -> float:
        """Return the total cost of labels ``bool [N]``."""
        chosen = np.where(labels, self.cost[:, 1], self.cost[:, 0])
        first, second = labels[self.pairs].T
        return float(chosen.sum() + self.weight[first != second].sum())


def seam_field(
    band: Band, difference: np.ndarray, attachment: float = _ATTACHMENT, smoothness: float = 1.0
) -> Field:
    """Return the `Field` that `seam_mask` minimises.

    Parameters
    ----------
    band : Band
        A band with at least one pixel.
    difference : ndarray
        ``float64 [H, W]``: the squared distance between the colours of the two pictures.
    attachment, smoothness : float
        See `seam_mask`.
    """
    number_of = np.full(band.pixels.shape, -1)
    number_of[band.pixels] = np.arange(band.pixels.sum())
    cost = np.stack([d[band.pixels] for d in band.distance], axis=1)
    cost *= attachment / (2 * band.radius)
    typical = np.median(difference[band.pixels])
    pairs, weights = [], []
    for step in _NEIGHBOURS:
        here, there = _shifted(step)
        p, q = number_of[here].ravel(), number_of[there].ravel()
        apart = np.hypot(*step)
        weight = (difference[here] + difference[there]) / (2 * apart * typical + _FAINT)
        weight = smoothness * weight.ravel()
        both = (p >= 0) & (q >= 0)
        pairs.append(np.stack([p[both], q[both]], axis=1))
        weights.append(weight[both])
        # A neighbour outside the band has a fixed label. The cost of the pair is added to the pixel
        # in the band.
        for own, other, other_side in ((p, q, there), (q, p, here)):
            alone = (own >= 0) & (other < 0)
            wrong = 1 - band.inside[other_side].ravel()[alone].astype(int)
            np.add.at(cost, (own[alone], wrong), weight[alone])
    return Field(cost, np.concatenate(pairs), np.concatenate(weights))


def _shifted(step: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the slices of all pixels with a neighbour at `step`, and of these neighbours."""
    down, right = step
    rows = slice(None, -down or None), slice(down, None)
    if right < 0:
        columns = slice(-right, None), slice(None, right)
    else:
        columns = slice(None, -right or None), slice(right, None)
    return (rows[0], columns[0]), (rows[1], columns[1])
