"""One gradient evaluation of the classic objective: VGG19, the compact network, and PyTorch.

    python tests/benchmarks/gradient.py --weights VGG19.h5 \
        --torch-python torch-venv/bin/python --torch-step torch_step.py [--sizes 256 512] \
        [--precisions float32 mixed_bfloat16] [--plain]

Style and content on each network's own layers: for the compact one the style ends at conv4_1,
unless ``--same-layers`` gives it conv5_1, too. Beside them L-BFGS's own work, and TensorFlow's
product of two square float32 matrices: what its operations a second are to VGG19's in float32.
The programs take turns, each in a process of its own, ``--runs`` times; the table gives the
minimum, which is what the machine can do undisturbed. Memory is the peak above the import.
"""

import argparse
import functools
import itertools
import json
import math
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

LAYOUTS = ("nchw", "channels-last")  # of PyTorch's memory
SIDE = 4096
"""Of the matrices."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", help="VGG19's; default: random, which takes the same time")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--precisions", nargs="+", default=["float32"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=3, help="evaluations in each run")
    parser.add_argument("--torch-python")
    parser.add_argument("--torch-step")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plain", action="store_true", help="also with Keras's convolutions")
    parser.add_argument("--same-layers", action="store_true", help="style as VGG19's for both")
    parser.add_argument("--network", default="vgg19", help=argparse.SUPPRESS)
    parser.add_argument("--precision", default="float32", help=argparse.SUPPRESS)
    parser.add_argument("--ours", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--lbfgs", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--product", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ours or args.lbfgs or args.product:
        found = ours(args) if args.ours else lbfgs(args.lbfgs) if args.lbfgs else product()
        print(json.dumps(found))
        return
    rows = []
    networks = ("vgg19", "compact", *(("vgg19-plain", "compact-plain") if args.plain else ()))
    names = [*itertools.product(networks, args.precisions)]
    print("size | program | seconds | of the first | MiB | of the first | GFLOP/s")
    for size in args.sizes:
        runs: dict[str, list] = {}
        for _ in range(args.runs):
            for name, precision in names:
                options = "--network", name, "--precision", precision, "--repeat", args.repeat
                one = this("--ours", size, *options, *passed(args))
                runs.setdefault(f"{name} {precision}", []).append(one)
            runs.setdefault("L-BFGS", []).append(this("--lbfgs", size))
            runs.setdefault("matrix product", []).append(this("--product"))
            for layout in LAYOUTS if args.torch_python else ():
                runs.setdefault(f"torch {layout}", []).append(torch(args, size, layout))
        first = None
        for name, found in runs.items():
            row = {
                "seconds": min(one["seconds"] for one in found),
                "peak": max(one.get("peak", math.nan) for one in found),
                "operations": found[0].get("operations", math.nan),
            }
            first = first or row
            rows.append({"size": size, "program": name, **row})
            print(
                f"{size} | {name} | {row['seconds']:.4f} | "
                f"{row['seconds'] / first['seconds']:.3f} | {row['peak']:.0f} | "
                f"{row['peak'] / first['peak']:.2f} | "
                f"{row['operations'] / row['seconds'] / 1e9:.0f}",
                flush=True,
            )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


def passed(args):
    same = ["--same-layers"] if args.same_layers else []
    return [*same, *(["--weights", args.weights] if args.weights else [])]


def this(*options):
    command = [sys.executable, __file__, *map(str, options)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def torch(args, size, layout):
    command = [args.torch_python, args.torch_step, str(size), "--repeat", str(args.repeat)]
    command += ["--channels-last"] if layout == "channels-last" else []
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {"seconds": float(re.search(r"median ([\d.]+)", output)[1])}


def ours(args):
    import numpy as np
    import tensorflow as tf

    import stylekit as sk

    sk.StyleTransfer  # noqa: B018 - loads what is imported when it is used
    before = peak()
    rng = np.random.default_rng(0)
    size = args.ours
    name, _, plain = args.network.partition("-")
    made = sk.CompactVGG if name == "compact" else functools.partial(sk.VGG19, args.weights)
    extractor = made(fast=not plain)
    layers = sk.VGG19.style_layers if args.same_layers else extractor.style_layers
    photo, style = rng.random((2, size, size, 3), dtype="float32")
    terms = [
        sk.ContentLoss(photo, layers=extractor.content_layers),
        sk.GramStyleLoss(style, layers=layers, weight=8),
    ]
    objective = sk.Objective(terms, extractor, (size, size), precision=args.precision)
    image = tf.constant(rng.random((1, size, size, 3), dtype="float32"))
    return {
        "seconds": timed(objective, image, args.repeat),
        "peak": peak() - before,
        "operations": operations(extractor.model((*extractor.content_layers, *layers)), size),
    }


def operations(network, size):
    """Count the multiplications and additions of the convolutions, and of their gradients."""
    import keras

    layers = [x for x in network.layers if isinstance(x, keras.layers.Conv2D)]
    probe = keras.Model(network.inputs, [layer.output for layer in layers])
    maps = probe.compute_output_shape((1, size, size, 3))
    cells = (math.prod(shape[1:3]) for shape in maps)
    # Forward, and the gradient with respect to what the layer was given: as much again.
    return sum(4 * n * math.prod(x.kernel.shape) for n, x in zip(cells, layers, strict=True))


def product():
    """Time the product of two matrices."""
    import tensorflow as tf

    a, b = (tf.random.stateless_uniform((SIDE, SIDE), (0, k)) for k in range(2))
    seconds = []
    for _ in range(4):
        began = time.perf_counter()
        tf.matmul(a, b).numpy()
        seconds.append(time.perf_counter() - began)
    return {"seconds": min(seconds), "operations": 2 * SIDE**3}


def timed(objective, image, repeat):
    """Return the median seconds of an evaluation, after one that traces."""
    objective(image)
    seconds = []
    for _ in range(repeat):
        began = time.perf_counter()
        objective(image)[2].numpy()
        seconds.append(time.perf_counter() - began)
    return sorted(seconds)[len(seconds) // 2]


def peak():
    """Return the process's peak memory so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


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
