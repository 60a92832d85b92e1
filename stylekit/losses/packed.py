"""Gram matrices of one feature map under many masks, in one pass with little memory.

Calling `functional.masked_gram_matrix` once per mask would read the whole feature map and make a
masked copy of it for each mask. Here the positions are sorted by the masks that are nonzero there,
and split into chunks. Each chunk is multiplied only by the masks that are nonzero in it. A
partition of the picture then costs as much as a single mask, and positions where a mask is 0 cost
nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from stylekit._gradient import custom_gradient
from stylekit.functional import EPSILON, full_precision

ENTRIES = 4096
"""Maximum product of the number of positions and the number of masks in a chunk. With this limit,
the masked features of a chunk, 4 C bytes per entry for C channels, fit into the CPU cache."""

SHORTEST = 128
"""Minimum number of positions in a chunk. For smaller chunks, the loop takes longer than the matrix
product."""


def pack_masks(masks) -> dict[str, Any]:
    """Return the masks of a feature map in the layout that `packed_gram_errors` reads.

    Parameters
    ----------
    masks : array [K, h, w]
        Concrete values in [0, 1]. The layout depends on where they are 0.

    Returns
    -------
    dict
        ``"groups"``: a tuple of ``(index [T, P], weight [T, P, J, 1], mask [T, J])``, each with T
        chunks of P positions under J masks. ``"inverse"`` ``[h * w]``: the index of each position
        in the concatenated chunks. ``"mass"`` ``[K, 1, 1, 1]``: the sum of each mask.
    """
    flat = np.asarray(masks, "float32").reshape(len(masks), -1)
    active = flat > 0
    deepest = max(1, int(active.sum(axis=0).max()))
    # A chunk that overlaps two masks costs as much as two, so chunks are short compared to masks.
    length = min(ENTRIES // deepest, int(active.sum(axis=1).mean()) // 8)
    length = min(flat.shape[1], max(SHORTEST, length))
    order = np.lexsort(active)  # positions under the same masks become adjacent
    covered = active[:, order].any(axis=0)
    # One position represents all positions that no mask covers. Its weights and its gradient are 0.
    order, idle = np.concatenate([order[~covered][:1], order[covered]]), order[~covered]

    by_depth: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
    for start in range(0, len(order), length):
        positions = order[start : start + length]
        here = np.flatnonzero(active[:, positions].any(axis=1))
        # The depth of a chunk is its number of masks. It is rounded up to a power of 2, because
        # each distinct depth adds a loop to the graph.
        depth = min(len(flat), 1 << max(0, len(here) - 1).bit_length())
        by_depth.setdefault(depth, []).append((positions, here))

    groups, inverse, visited = [], np.zeros(flat.shape[1], "int32"), 0
    for depth, chunks in sorted(by_depth.items()):
        index = np.zeros((len(chunks), length), "int32")
        weight = np.zeros((len(chunks), length, depth, 1), "float32")
        mask = np.zeros((len(chunks), depth), "int32")
        for chunk, (positions, here) in enumerate(chunks):
            index[chunk, : len(positions)] = positions
            weight[chunk, : len(positions), : len(here), 0] = flat[np.ix_(here, positions)].T
            mask[chunk, : len(here)] = here
            inverse[positions] = visited + np.arange(len(positions))
            visited += length
        groups.append(tuple(map(ops.convert_to_tensor, (index, weight, mask))))
    if len(idle):
        inverse[idle] = inverse[idle[0]]
    return {
        "groups": tuple(groups),
        "inverse": ops.convert_to_tensor(inverse),
        "mass": ops.convert_to_tensor(flat.sum(axis=1, dtype="float64").reshape(-1, 1, 1, 1)),
    }


def packed_gram_errors(feature, packed: dict[str, Any], targets):
    """Return the squared errors ``|G_k - A_k|^2`` of the Gram matrices under K masks.

    Parameters
    ----------
    feature : tensor [B, h, w, C]
    packed : dict
        What `pack_masks` returned for K masks ``[h, w]``.
    targets : tensor [K, 1 or B, C, C]
        The matrices A_k.

    Returns
    -------
    tensor [K, B]
        Squared Frobenius norms. G_k is `functional.masked_gram_matrix`, which is 0 for an empty
        mask.

    Notes
    -----
    The function has a custom gradient. With ``E_k = G_k - A_k``, which is symmetric, and the
    upstream gradient u, the gradient is ``dF = sum_k m_k F S_k`` where ``S_k = 4 u_k E_k / sum
    m_k``. Both passes multiply by the matrix ``L = [m_1 F ... m_J F]`` of a chunk: the contribution
    of the chunk to the Gram matrices is ``L^T F``, and its contribution to the gradient is ``L
    [S_1; ...; S_J]``. L is recomputed in the backward pass. Only F and the K matrices E_k are kept.
    """
    flat = [tensor for group in packed["groups"] for tensor in group]
    dtype = full_precision(feature[:1, :1, :1, :1]).dtype
    mass = ops.cast(ops.maximum(packed["mass"], EPSILON), dtype)
    error = _errors(feature, packed["inverse"], mass, ops.cast(targets, dtype), *flat)
    return ops.sum(ops.square(error), axis=(2, 3))


def _slope_of_errors(upstream, value, feature, inverse, mass, targets, *flat):
    positions, channels = _positions(feature, inverse), feature.shape[-1]
    batch = ops.shape(positions)[0]
    # Upstream is 2 u E, which is symmetric, so both factors F of F^T m F have the same gradient.
    factor = 2 / mass

    def pull(chunk):
        index, weight, mask = chunk
        _, left = _masked(positions, index, weight, upstream.dtype)
        right = ops.take(upstream, mask, axis=0) * ops.take(factor, mask, axis=0)
        right = ops.swapaxes(right, 0, 1)
        right = ops.reshape(right, (-1, mask.shape[0] * channels, channels))
        return ops.cast(ops.matmul(left, right), feature.dtype)

    pulls = [ops.map(pull, group) for group in _groups(flat)]
    pulls = [ops.reshape(ops.swapaxes(p, 0, 1), (batch, -1, channels)) for p in pulls]
    pulls = pulls[0] if len(pulls) == 1 else ops.concatenate(pulls, axis=1)
    return ops.reshape(ops.take(pulls, inverse, axis=1), ops.shape(feature))


@custom_gradient(_slope_of_errors)
def _errors(feature, inverse, mass, targets, *flat):
    """Return ``G_k - A_k``, ``[K, B, C, C]``."""
    positions, channels, count = _positions(feature, inverse), feature.shape[-1], mass.shape[0]

    def add(total, chunk):
        index, weight, mask = chunk
        right, left = _masked(positions, index, weight, mass.dtype)
        parts = ops.matmul(ops.swapaxes(left, 1, 2), right)
        parts = ops.reshape(parts, (-1, mask.shape[0], channels * channels))
        parts = ops.reshape(ops.swapaxes(parts, 0, 1), (mask.shape[0], -1))
        return total + ops.segment_sum(parts, mask, count), None

    gram = ops.zeros((count, ops.shape(positions)[0] * channels * channels), mass.dtype)
    for group in _groups(flat):
        gram, _ = ops.scan(add, gram, group)
    return ops.reshape(gram, (count, -1, channels, channels)) / mass - targets


def _groups(flat):
    """Rebuild the groups of `pack_masks` from the flat list of their tensors."""
    return list(zip(*[iter(flat)] * 3, strict=True))


def _positions(feature, inverse):
    return ops.reshape(feature, (-1, inverse.shape[0], feature.shape[-1]))


def _masked(positions, index, weight, dtype):
    """Return a chunk's features ``[B, P, C]``, and L ``[B, P, J C]``, masked by each mask."""
    chunk = ops.cast(ops.take(positions, index, axis=1), dtype)
    left = chunk[:, :, None] * ops.cast(weight, dtype)
    length, depth = weight.shape[:2]
    return chunk, ops.reshape(left, (-1, length, depth * positions.shape[-1]))
