"""One gradient evaluation of the classic objective, beside PyTorch, and L-BFGS's own work.

    python tests/benchmarks/gradient.py --weights VGG19.h5 \
        --torch-python torch-venv/bin/python --torch-step torch_step.py [--sizes 256 512]

Style on conv1_1..conv5_1, content on conv4_2. The programs take turns, each in a process of its
own, ``--runs`` times; the table gives the minimum, which is what the machine can do undisturbed.
"""

import argparse
import json
import re
import resource
import subprocess
import sys
import time
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", help="VGG19's; default: random, which takes the same time")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=3, help="evaluations in each run")
    parser.add_argument("--torch-python")
    parser.add_argument("--torch-step")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--ours", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--lbfgs", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ours:
        print(json.dumps(ours(args)))
        return
    if args.lbfgs:
        print(json.dumps(lbfgs(args.lbfgs)))
        return
    rows = []
    print(
        "size | stylekit s | torch nchw s | torch channels-last s | ratio | L-BFGS s | share | MiB"
    )
    for size in args.sizes:
        seconds = {"stylekit": [], "lbfgs": [], "nchw": [], "channels_last": []}
        memory = 0
        for _ in range(args.runs):
            own = this("--ours", size, "--repeat", args.repeat, *weights(args))
            seconds["stylekit"].append(own["seconds"])
            memory = max(memory, own["peak"])
            seconds["lbfgs"].append(this("--lbfgs", size)["seconds"])
            for layout in ("nchw", "channels_last") if args.torch_python else ():
                seconds[layout].append(torch(args, size, layout))
        best = {name: min(values) for name, values in seconds.items() if values}
        peer = min((best[n] for n in ("nchw", "channels_last") if n in best), default=float("nan"))
        rows.append({"size": size, **best, "ratio": best["stylekit"] / peer, "peak": memory})
        print(
            f"{size} | {best['stylekit']:.3f} | {best.get('nchw', float('nan')):.3f} | "
            f"{best.get('channels_last', float('nan')):.3f} | {best['stylekit'] / peer:.2f} | "
            f"{best['lbfgs']:.4f} | {best['lbfgs'] / best['stylekit']:.1%} | {memory:.0f}",
            flush=True,
        )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


def weights(args):
    return ["--weights", args.weights] if args.weights else []


def this(*options):
    command = [sys.executable, __file__, *map(str, options)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def torch(args, size, layout):
    command = [args.torch_python, args.torch_step, str(size), "--repeat", str(args.repeat)]
    command += ["--channels-last"] if layout == "channels_last" else []
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(re.search(r"median ([\d.]+)", output)[1])


def ours(args):
    import numpy as np
    import tensorflow as tf

    import stylekit as sk

    rng = np.random.default_rng(0)
    size = args.ours
    photo, style = rng.random((2, size, size, 3), dtype="float32")
    terms = [sk.ContentLoss(photo), sk.GramStyleLoss(style, weight=8)]
    objective = sk.Objective(terms, sk.VGG19(args.weights), (size, size))
    image = tf.constant(rng.random((1, size, size, 3), dtype="float32"))
    objective(image)
    seconds = []
    for _ in range(args.repeat):
        began = time.perf_counter()
        objective(image)[2].numpy()
        seconds.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": sorted(seconds)[len(seconds) // 2], "peak": peak}


def lbfgs(size):
    """Time a step of L-BFGS with full history on a quadratic, less one evaluation of it."""
    import tensorflow as tf

    import stylekit as sk

    scale = tf.exp(tf.random.stateless_uniform((1, size, size, 3), (0, 1), -3, 3))

    def evaluate(x):
        gradient = scale * (x - 0.5)
        return 0.5 * tf.reduce_sum(gradient * (x - 0.5), (1, 2, 3)), gradient

    optimizer = sk.LBFGS()
    step = tf.function(lambda x, state: optimizer.step(evaluate, x, state), autograph=False)
    alone = tf.function(evaluate, autograph=False)
    x = tf.random.stateless_uniform((1, size, size, 3), (1, 2))
    state = optimizer.init(x)
    for _ in range(12):
        x, state = step(x, state)
    began = time.perf_counter()
    for _ in range(10):
        x, state = step(x, state)
    x.numpy()
    middle = time.perf_counter()
    for _ in range(10):
        alone(x)[1].numpy()
    end = time.perf_counter()
    return {"seconds": ((middle - began) - (end - middle)) / 10}


if __name__ == "__main__":
    main()
