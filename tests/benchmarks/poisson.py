"""Solving for a gradient-domain blend: our multigrid preconditioner beside SciPy's solvers.

    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/poisson.py [--sizes 512 2048]

The mask is a blob with an irregular edge and holes, about a third of the picture. Seconds are the
processor's, for all three channels, with what is built before; the largest difference to the first
way is in steps of 255.
"""

import argparse
import importlib
import time

import numpy as np
from scipy import ndimage
from scipy.sparse import linalg

from stylekit.blend.multigrid import v_cycle

poisson = importlib.import_module(
    "stylekit.blend.poisson"
)  # the package has a function of its name


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 2048])
    parser.add_argument("--ways", nargs="+", help="default: all")
    args = parser.parse_args()
    print("size | way | seconds | residual | difference")
    for size in args.sizes:
        known, matrix, right = problem(size)
        first = None
        for name, solve in ways(known, matrix, right).items():
            if args.ways and name not in args.ways:
                continue
            began = time.process_time()
            found = solve()
            seconds = time.process_time() - began
            first = found if first is None else first
            residual = np.linalg.norm(matrix @ found - right) / np.linalg.norm(right)
            apart = 255 * np.abs(found - first).max()
            print(f"{size} | {name} | {seconds:.2f} | {residual:.0e} | {apart:.3f}", flush=True)


def problem(size):
    """Return where the solution is known, the matrix and the right sides of two noisy pictures."""
    rng = np.random.default_rng(0)

    def noise(width):
        values = ndimage.gaussian_filter(rng.normal(size=(size, size)), width)
        return values / values.std()

    rows, columns = np.mgrid[:size, :size] / size - 0.5
    edge = np.hypot(rows, 1.3 * columns) + 0.04 * noise(size / 40) + 0.004 * noise(3)
    known = (edge >= 0.38) | (noise(size / 80) > 2.2)
    difference = 0.2 * np.stack([noise(2) for _ in range(3)], axis=-1)
    values = np.where(known[..., np.newaxis], difference, 0)
    return known, *poisson._system(known, values, np.zeros_like(values))


def ways(known, matrix, right):
    """Return the solvers by name."""

    def gradients(preconditioner):
        cycle = preconditioner and linalg.LinearOperator(matrix.shape, matvec=preconditioner())
        columns = [linalg.cg(matrix, b, rtol=1e-5, maxiter=20_000, M=cycle)[0] for b in right.T]
        return np.stack(columns, axis=1)

    order = {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0}
    order["options"] = {"SymmetricMode": True}
    csc = matrix.tocsc()
    return {
        "multigrid": lambda: gradients(lambda: v_cycle(matrix, ~known)),
        "splu, A^T + A": lambda: linalg.splu(csc, **order).solve(right),
        "splu": lambda: linalg.splu(csc).solve(right),
        "ilu": lambda: gradients(lambda: linalg.spilu(csc, 1e-3, 10, **order).solve),
        "cg": lambda: gradients(None),
    }


if __name__ == "__main__":
    main()
