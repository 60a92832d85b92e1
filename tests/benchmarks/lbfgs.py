"""A step of L-BFGS by side of the picture and pairs of its history: its own time, and its memory.

    python tests/benchmarks/lbfgs.py --sizes 512 1024 [--histories 3 10] [--bfloat16] [--json FILE]

What a step adds to an evaluation, and whether `LBFGS.pictures`, from which `estimate_memory` takes
the optimizer's share, tells the truth. On a quadratic, for nothing but the optimizer to cost. Each
row is measured in a process of its own. Seconds are the best step with full history less the best
evaluation; memory is the peak above the level after the import, in MiB and in pictures, with the
values, the evaluation's own two pictures, and tracing, some 25 MiB, which hides the rest below 512
pixels; beside it what `LBFGS.pictures` tells of the optimizer alone.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from gradient import peak  # the benchmark beside this one


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512])
    parser.add_argument("--histories", type=int, nargs="+", default=[3, 10])
    parser.add_argument("--bfloat16", action="store_true", help="also with pairs of that")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--row", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.row:
        print(json.dumps(measure(*json.loads(args.row), args.repeat)))
        return
    rows = []
    print("size | history | pairs | seconds | MiB | pictures | of the optimizer, as it tells")
    for size in args.sizes:
        for history in args.histories:
            for dtype in [None, "bfloat16"] if args.bfloat16 else [None]:
                row = in_a_process(size, history, dtype)
                rows.append(row)
                print(
                    f"{size} | {history} | {dtype or 'float32'} | {row['seconds']:.4f} | "
                    f"{row['peak']:.0f} | {row['pictures']:.1f} | {row['told']:.1f}",
                    flush=True,
                )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


def in_a_process(size, history, dtype):
    command = [sys.executable, __file__, *sys.argv[1:], "--row", json.dumps([size, history, dtype])]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def measure(size, history, dtype, repeat):
    import tensorflow as tf

    import stylekit as sk

    optimizer = sk.LBFGS(history, history_dtype=dtype)
    shape = (1, size, size, 3)
    before = peak()

    def evaluate(x):  # curved by place, or one pair would solve it
        scale = tf.reshape(tf.exp(tf.linspace(-3.0, 3.0, size)), (1, size, 1, 1))
        gradient = scale * (x - 0.5)
        return 0.5 * tf.einsum("bijc,bijc->b", gradient, x - 0.5), gradient

    step = tf.function(lambda x, state: optimizer.step(evaluate, x, state), autograph=False)
    alone = tf.function(evaluate, autograph=False)
    x = tf.random.stateless_uniform(shape, (1, 2))
    state = optimizer.init(x)
    for _ in range(history + 2):
        x, state = step(x, state)
    steps, evaluations = [], []
    for _ in range(repeat):
        began = time.perf_counter()
        x, state = step(x, state)
        x.numpy()
        steps.append(time.perf_counter() - began)
    most = peak() - before
    for _ in range(repeat + 1):  # the first traces
        began = time.perf_counter()
        alone(x)[1].numpy()
        evaluations.append(time.perf_counter() - began)
    return {
        "size": size,
        "history": history,
        "history_dtype": dtype or "float32",
        "seconds": min(steps) - min(evaluations),
        "peak": most,
        "pictures": most * 2**20 / (4 * x.shape.num_elements()),
        "told": optimizer.memory(),
    }


if __name__ == "__main__":
    main()
