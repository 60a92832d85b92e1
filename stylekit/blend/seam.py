"""Where to cut: the border between photograph and stylised picture as a minimum cut."""

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
_ATTACHMENT = 0.5  # by eye on six pictures: 0.25 leaves the object's edge too easily, 1 too late
_FAINT = 1e-4  # |difference|^2 of 1.5 steps of 255 in each channel: not to be seen
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))  # half of the eight, so that a pair counts once


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
    """Lay the stylised picture over the photograph, cut where the two differ least.

    Near the mask's edge the border is free, and runs where the step from one picture to the other
    shows least.

    Parameters
    ----------
    photo, stylised, mask, radius, attachment, smoothness
        As in `seam_mask`.
    feather : float, optional
        Soften the cut, as by `stylekit.masks.feather`, without leaving the band: towards the
        band's ends the share runs out within `feather` pixels, and where the band is narrower
        than that, evenly over its width.

    Returns
    -------
    ndarray
        ``float32 [H, W, 3]`` in [0, 1], bit-identical to the photograph outside the mask and the
        band, and to the stylised picture inside the mask where the band does not reach.

    Raises
    ------
    FileError, InputError, InputTypeError
        As `seam_mask`.
    """
    photo, stylised, mask = checked(photo, stylised, mask)
    feather = number(feather, "feather", low=0)
    band = Band(mask, radius)
    share = _cut(photo, stylised, band, attachment, smoothness).astype(np.float32)
    if feather and band.pixels.any():
        to_0, to_1 = band.distance
        run = np.minimum(feather, to_0 + to_1)  # more, and the two limits would cross
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
    """Return the mask whose edge is the best cut between two pictures.

    Parameters
    ----------
    photo, stylised : path, PIL image or array_like
        Two pictures of one size.
    mask : array_like, PIL.Image.Image, path or callable
        Where the stylised picture belongs: where the mask is at least 0.5. A callable is given
        the photograph.
    radius : float, optional
        How far the cut may leave the mask's edge, in pixels; below 1 it stays. Default: 16 pixels
        of 1024, of the longer side. In a connected part of the mask or of its complement that
        would be all band it is halved until a core is left; parts of one or two pixels stay as
        they are.
    attachment : float, optional
        How strongly the cut is drawn to the middle of the band (lambda below), at least 0.
    smoothness : float, optional
        Multiplies what the cut costs along its way; 0 leaves the attachment alone.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` of 0 and 1.

    Raises
    ------
    FileError, InputError, InputTypeError
        If a picture or the mask cannot be used, their sizes differ, or a number is out of range.

    Notes
    -----
    With the mask ``M``, the band ``T`` (what is within `radius` ``r`` of the other side) and the
    cores ``K_1 = M - T`` and ``K_0``, the rest without ``T``, the labels ``l`` of ``T`` minimise

    ``lambda sum_p d(p, K_lp) / 2r + s sum_pq [l_p != l_q] (D_p + D_q) / (2 d_pq median(D) + eps)``

    where ``d(p, K)`` is the distance to the nearest pixel of a core, ``D_p`` the squared distance
    of the two pictures' colours, with its median over the band, and pq are eight-neighbours that
    touch the band, ``d_pq`` apart.

    This is the Markov random field of localized style transfer, whose unary takes the distance to
    a side's centre and whose pairs cost ``|I_lp(p) - I_lq(p)|^2 + |I_lq(q) - I_lp(q)|^2``, which
    is ``D_p + D_q``; one centroid a side is degenerate (the background's lies within a centred
    subject), and so a pixel's centre is here the core's pixel nearest to it. One cut is exact,
    but for the rounding to 32 bits. The mask's own edge is returned where it costs nothing, and
    where the pictures are equal all over the band, so that every cut makes the same picture.

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
    """Return the labels of all pixels, bool [H, W]."""
    attachment = number(attachment, "attachment", low=0)
    smoothness = number(smoothness, "smoothness", low=0)
    difference = np.sum((stylised.astype(np.float64) - photo) ** 2, axis=-1)
    labels = band.inside.copy()
    if difference[band.pixels].any():  # never for an empty band
        field = seam_field(band, difference, attachment, smoothness)
        if field.energy(labels[band.pixels]) > 0:
            labels[band.pixels] = minimum_cut(*field)
    return labels


class Band:
    """The pixels near a mask's edge, and how far they are from the sure ones.

    Attributes
    ----------
    inside : ndarray
        ``bool [H, W]``: the mask at 0.5.
    radius : float
        How far the band reaches to either side, in pixels, where there is room.
    pixels : ndarray
        ``bool [H, W]``: the band.
    distance : tuple of ndarray
        ``float64 [H, W]`` each: to the nearest pixel of the core outside, and inside. Zeros for an
        empty band.
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
    """Return what is within the radius of a region's outside, the radius halved in thin parts."""
    depth = ndimage.distance_transform_edt(region)
    labels, count = ndimage.label(region, np.ones((3, 3)))
    reach = np.full(count + 1, radius)
    deepest = ndimage.maximum(depth, labels, np.arange(count + 1))
    while (thin := (reach >= deepest) & (reach > 0)).any():
        reach[thin] = np.where(reach[thin] < 2, 0, reach[thin] / 2)  # no pixel is nearer than 1
    return region & (depth <= reach[labels])


class Field(NamedTuple):
    """A field of two labels over the N pixels of a band, as `minimum_cut` takes it.

    Attributes
    ----------
    cost : ndarray
        ``float64 [N, 2]``: what each label costs a pixel, pairs with the cores included.
    pairs : ndarray
        ``int [P, 2]``: neighbours within the band.
    weight : ndarray
        ``float64 [P]``: what a pair costs where it is cut.
    """

    cost: np.ndarray
    pairs: np.ndarray
    weight: np.ndarray

    def energy(self, labels: np.ndarray) -> float:
        """Return the energy of ``bool [N]`` labels."""
        chosen = np.where(labels, self.cost[:, 1], self.cost[:, 0])
        first, second = labels[self.pairs].T
        return float(chosen.sum() + self.weight[first != second].sum())


def seam_field(
    band: Band, difference: np.ndarray, attachment: float = _ATTACHMENT, smoothness: float = 1.0
) -> Field:
    """Return the field of `seam_mask`.

    Parameters
    ----------
    band : Band
        At least one pixel.
    difference : ndarray
        ``float64 [H, W]``: the squared distance of the two pictures' colours.
    attachment, smoothness : float
        As in `seam_mask`.
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
        # A neighbour in a core has its label for good, so that the other label pays for the pair.
        for own, other, other_side in ((p, q, there), (q, p, here)):
            alone = (own >= 0) & (other < 0)
            wrong = 1 - band.inside[other_side].ravel()[alone].astype(int)
            np.add.at(cost, (own[alone], wrong), weight[alone])
    return Field(cost, np.concatenate(pairs), np.concatenate(weights))


def _shifted(step: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the two windows whose pixels are a step apart."""
    down, right = step
    rows = slice(None, -down or None), slice(down, None)
    if right < 0:
        columns = slice(-right, None), slice(None, right)
    else:
        columns = slice(None, -right or None), slice(right, None)
    return (rows[0], columns[0]), (rows[1], columns[1])
