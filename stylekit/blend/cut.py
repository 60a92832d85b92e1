"""Minimum cut of a sparse graph, computed by SciPy's maximum flow."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

# SciPy stores capacities, residuals and the flow in 32 bits, and truncates longer integers without
# a warning. A residual can be twice a capacity, because an edge has both directions.
_LARGEST = 2**30


def minimum_cut(cost: np.ndarray, pairs: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the binary labels of nodes with the lowest total cost of labels and unequal pairs.

    Parameters
    ----------
    cost : ndarray
        ``float64 [N, 2]``, at least 0: the cost of label 0 and the cost of label 1 at each node.
    pairs : ndarray
        ``int [P, 2]``: two different nodes per row.
    weight : ndarray
        ``float64 [P]``, at least 0: the cost of a pair whose labels differ.

    Returns
    -------
    ndarray
        ``bool [N]``: the labels. If several labellings have the lowest cost, the one with the
        fewest labels 1 is returned.

    Notes
    -----
    The total cost is submodular, because a pair of equal labels costs 0 and a pair of different
    labels costs at least 0. One cut between a source (label 1) and a sink (label 0) therefore gives
    the exact minimum [1]_. Costs are rounded to multiples of a unit, which is an upper bound of the
    flow divided by 2^30.

    References
    ----------
    .. [1] V. Kolmogorov, R. Zabih: What Energy Functions Can Be Minimized via Graph Cuts? IEEE
       Transactions on Pattern Analysis and Machine Intelligence 26 (2004), theorem 4.1.
    """
    count = len(cost)
    # Only the difference between the two costs of a node matters. Label 0 cuts the edge from the
    # source, and label 1 cuts the edge to the sink.
    to_source, to_sink = (cost - cost.min(axis=1, keepdims=True)).T
    most = max(to_source.sum(), to_sink.sum())
    if most == 0:
        return np.zeros(count, bool)
    scale = (_LARGEST - count) / most  # rounding may increase each capacity by one half
    nodes, source, sink = np.arange(count), count, count + 1
    tails = [np.full(count, source), nodes, pairs[:, 0], pairs[:, 1]]
    heads = [nodes, np.full(count, sink), pairs[:, 1], pairs[:, 0]]
    capacity = np.concatenate([to_source, to_sink, weight, weight]) * scale
    capacity = np.rint(np.minimum(capacity, _LARGEST)).astype(np.int32)  # no flow is larger
    edges = (np.concatenate(tails), np.concatenate(heads))
    graph = sparse.csr_array((capacity, edges), shape=(count + 2, count + 2), dtype=np.int32)
    graph.eliminate_zeros()
    residual = graph - maximum_flow(graph, source, sink, method="dinic").flow
    residual.eliminate_zeros()
    reached = np.zeros(count + 2, bool)
    reached[breadth_first_order(residual, source, return_predecessors=False)] = True
    return reached[:count]
