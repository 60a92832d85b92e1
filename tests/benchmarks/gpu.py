"""Steps of a run on a GPU, by size, network, precision and with XLA or without; beside PyTorch.

    python tests/benchmarks/gpu.py [--sizes 512 1024 2048] [--networks vgg19 compact] \
        [--precisions float32 mixed_bfloat16 mixed_float16] [--compilers TensorFlow XLA] \
        [--torch-python python] [--json FILE]

A step is L-BFGS's on the classic objective, taken by the run's own loop: it looks every few steps
at whether all is finite, and nothing else waits for the device. Weights are random: time and memory
do not depend on them. "First" are the seconds to the end of the first step, with building, tracing
and compiling; memory is the device's peak. Each network, precision and compiler is a process of its
own, which takes the sizes in turn. Both libraries multiply float32 convolutions in TF32, which is
their default; ``float32 exact`` does not.
"""

import argparse
import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXACT = "float32 exact"
WARM = 12
"""Steps that are not timed: the history fills."""

TORCH = {
    "float32": ("float32", "nchw"),
    "float32, channels last": ("float32", "channels-last"),
    "bfloat16, channels last": ("bfloat16", "channels-last"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 2048])
    parser.add_argument("--networks", nargs="+", default=["vgg19", "compact"])
    parser.add_argument(
        "--precisions", nargs="+", default=["float32", EXACT, "mixed_bfloat16", "mixed_float16"]
    )
    parser.add_argument("--compilers", nargs="+", default=["TensorFlow", "XLA"])
    parser.add_argument("--steps", type=int, default=50, help="that are timed")
    parser.add_argument("--torch-python")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        network, precision, compiled = args.one
        for size in args.sizes:
            row = ours(size, network, precision, compiled == "XLA", args.steps)
            print(json.dumps(row), flush=True)
        return
    rows = []
    print("program | px | first, s | ms a step | GPU memory, MiB")
    sizes = [*map(str, args.sizes)]
    for one in itertools.product(args.networks, args.precisions, args.compilers):
        command = [sys.executable, __file__, "--steps", str(args.steps), "--one", *one, "--sizes"]
        rows += told(", ".join(one), [*command, *sizes])
    for name, one in TORCH.items() if args.torch_python else ():
        program = str(Path(__file__).with_name("torch_gpu.py"))
        command = [args.torch_python, program, str(args.steps), *one, *sizes]
        rows += told(f"PyTorch, {name}", command)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


def told(name, command):
    """Run a program that prints a JSON line for each size; print and return its rows."""
    rows = []
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as program,
    ):
        for line in filter(lambda line: line.startswith("{"), program.stdout):
            row = json.loads(line)
            rows.append({"program": name, **row})
            print(
                f"{name} | {row['size']} | {row['first']:.1f} | {1000 * row['seconds']:.2f} | "
                f"{row['peak']:.0f}",
                flush=True,
            )
        if program.wait():  # such as memory that does not suffice: the others are of use yet
            errors.seek(0)
            print(f"{name} | failed: {errors.read()[-1500:]}", flush=True)
    return rows


def ours(size, network, precision, compiled, steps):
    """Return the seconds of a first step and of the later ones, and the memory, of a run."""
    import numpy as np
    import tensorflow as tf

    import stylekit as sk

    tf.config.experimental.enable_tensor_float_32_execution(precision != EXACT)
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        tf.config.experimental.reset_memory_stats("GPU:0")
    extractor = sk.CompactVGG() if network == "compact" else sk.VGG19(None)
    photo, style = np.random.default_rng(0).random((2, size, size, 3), dtype="float32")
    began = time.perf_counter()
    transfer = sk.StyleTransfer(
        [sk.ContentLoss(photo), sk.GramStyleLoss(style, weight=8)],
        extractor=extractor,
        precision=precision.removesuffix(" exact"),
        jit_compile=compiled,
    )
    run = transfer.iterate(photo, steps=steps + WARM)
    next(run).losses  # noqa: B018 - a loss is read when the device has computed it
    first = time.perf_counter() - began
    *_, step = itertools.islice(run, WARM)
    step.losses  # noqa: B018
    began = time.perf_counter()
    *_, step = itertools.islice(run, steps)
    total = step.losses["total"]
    seconds = (time.perf_counter() - began) / steps
    if not np.isfinite(total):
        raise SystemExit("the loss is not finite")
    peak = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20 if gpus else math.nan
    return {"size": size, "first": first, "seconds": seconds, "peak": peak, "loss": float(total)}


if __name__ == "__main__":
    main()
