"""Binary labelling of minimum energy: a minimum cut of a sparse graph by SciPy's maximum flow."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

# SciPy stores capacities, residuals (up to twice a capacity, for an edge in both directions) and
# the flow in 32 bits, and truncates longer integers without a warning.
_LARGEST = 2**30


def minimum_cut(cost: np.ndarray, pairs: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the labels that minimise the costs of the labels and of the pairs that are cut.

    Parameters
    ----------
    cost : ndarray
        ``float64 [N, 2]``, at least 0: the cost of label 0 and of label 1 at each node.
    pairs : ndarray
        ``int [P, 2]``: two different nodes per row.
    weight : ndarray
        ``float64 [P]``, at least 0: the cost of a pair whose labels differ.

    Returns
    -------
    ndarray
        ``bool [N]``. If there are several minima, it is the one with the fewest labels 1.

    Notes
    -----
    The energy is submodular, because a pair of equal labels costs 0 and a pair of different labels
    at least 0. One cut between a source (label 1) and a sink (label 0) is therefore exact [1]_.
    Costs are rounded to multiples of an upper bound of the flow, divided by 2^30.

    References
    ----------
    .. [1] V. Kolmogorov, R. Zabih: What Energy Functions Can Be Minimized via Graph Cuts? IEEE
       Transactions on Pattern Analysis and Machine Intelligence 26 (2004), theorem 4.1.
    """
    count = len(cost)
    # Only the difference of the costs of a node matters. An edge from the source is cut for label
    # 0, and one to the sink for label 1.
    to_source, to_sink = (cost - cost.min(axis=1, keepdims=True)).T
    most = max(to_source.sum(), to_sink.sum())
    if most == 0:
        return np.zeros(count, bool)
    scale = (_LARGEST - count) / most  # rounding may increase each of N capacities by one half
    nodes, source, sink = np.arange(count), count, count + 1
    tails = [np.full(count, source), nodes, pairs[:, 0], pairs[:, 1]]
    heads = [nodes, np.full(count, sink), pairs[:, 1], pairs[:, 0]]
    capacity = np.concatenate([to_source, to_sink, weight, weight]) * scale
    capacity = np.rint(np.minimum(capacity, _LARGEST)).astype(np.int32)  # no flow exceeds it
    edges = (np.concatenate(tails), np.concatenate(heads))
    graph = sparse.csr_array((capacity, edges), shape=(count + 2, count + 2), dtype=np.int32)
    graph.eliminate_zeros()
    residual = graph - maximum_flow(graph, source, sink, method="dinic").flow
    residual.eliminate_zeros()
    reached = np.zeros(count + 2, bool)
    reached[breadth_first_order(residual, source, return_predecessors=False)] = True
    return reached[:count]
