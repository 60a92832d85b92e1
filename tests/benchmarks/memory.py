"""Memory and time of a run by plan: plain, recomputed, and tile by tile; and what was estimated.

    python tests/benchmarks/memory.py --sizes 512 1024 [--network compact] [--weights VGG19.h5] \
        [--plans plain recompute recompute:block1_pool tiles:256] [--history 3] [--json FILE] \
        [--torch-python torch-venv/bin/python]

Style on the network's own style layers, content on its own content layers, and total variation;
L-BFGS unless its history is 0. Each plan runs in a process of its own; memory is the peak above
the level after the import, in MiB, all included. Time is the median of a step.

Beside it the peak of a PyTorch program with the same terms, of plain VGG19 whatever the network,
with L-BFGS of the 100 pairs that PyTorch and its programs have by default, and with a plain
gradient step; of each, the smaller one of two memory layouts. What the system kills for want of
memory is infinite.
"""

import argparse
import itertools
import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path

from gradient import LAYOUTS, peak  # the benchmark beside this one

PEERS = {"L-BFGS": 100, "a gradient step": 0}  # pairs of L-BFGS


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512])
    parser.add_argument("--network", choices=("vgg19", "compact"), default="vgg19")
    parser.add_argument("--weights", help="VGG19's; default: random, which takes as much")
    parser.add_argument("--style", type=int, default=256, help="side of the style picture")
    parser.add_argument("--plans", nargs="+", default=["plain", "recompute", "tiles:512"])
    parser.add_argument("--history", type=int, default=10, help="L-BFGS's; 0: Adam")
    parser.add_argument("--repeat", type=int, default=3, help="steps that are timed")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--torch-python", help="beside PyTorch: its Python")
    parser.add_argument("--plan", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.plan:
        print(json.dumps(measure(args, *json.loads(args.plan))))
        return
    rows = []
    print(
        "size | plan | MiB | estimated | of it | of the first | "
        + " | ".join(f"PyTorch, {name} | ours / it" for name in PEERS)
        + " | seconds | of the first | us a pixel"
    )
    for size in args.sizes:
        peers = {name: in_torch(args, size, history) for name, history in PEERS.items()}
        least = [
            min((cell["peak"] for cell in cells.values()), default=math.nan)
            for cells in peers.values()
        ]
        first = None
        for plan in map(parsed, args.plans):
            row = {"size": size, "plan": plan, **in_a_process(size, plan), "torch": peers}
            rows.append(row)
            first = first or row
            share = row["estimate"] / row["peak"]
            print(
                f"{size} | {' '.join(map(str, plan))} | {row['peak']:.0f} | "
                f"{row['estimate']:.0f} | {share:.2f} | {row['peak'] / first['peak']:.2f} | "
                + "".join(f"{peer:.0f} | {row['peak'] / peer:.2f} | " for peer in least)
                + f"{row['seconds']:.3f} | {row['seconds'] / first['seconds']:.2f} | "
                f"{1e6 * row['seconds'] / size**2:.2f}",
                flush=True,
            )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


def parsed(plan):
    kind, *options = plan.split(":")
    return [kind, *(int(option) if option.isdecimal() else option for option in options)]


def in_a_process(size, plan):
    return last_line([sys.executable, __file__, *sys.argv[1:], "--plan", json.dumps([size, plan])])


def in_torch(args, size, history):
    """Return the peak and the seconds of PyTorch's program by layout, if there is PyTorch."""
    program = [args.torch_python, Path(__file__).with_name("torch_memory.py")]
    numbers = [size, args.style, history, args.repeat]
    return {
        layout: last_line([*map(str, [*program, *numbers]), layout])
        for layout in (LAYOUTS if args.torch_python else ())
    }


def last_line(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == -signal.SIGKILL:
        return {"peak": math.inf, "seconds": math.inf, "estimate": math.nan}
    done.check_returncode()
    return json.loads(done.stdout.splitlines()[-1])


def measure(args, size, plan):
    import numpy as np

    import stylekit as sk

    extractor = sk.CompactVGG() if args.network == "compact" else sk.VGG19(args.weights)
    kind, *options = plan
    plan = {"plain": sk.Plan, "recompute": sk.Recompute, "tiles": sk.Tiles}[kind](*options)
    optimizer = sk.LBFGS(args.history) if args.history else keras_adam()
    rng = np.random.default_rng(0)
    sk.StyleTransfer  # noqa: B018 - loads what is imported when it is used
    before = peak()
    photo = rng.random((size, size, 3), dtype="float32")
    style = rng.random((args.style, args.style, 3), dtype="float32")
    terms = [
        sk.ContentLoss(photo, layers=extractor.content_layers),
        sk.GramStyleLoss(style, layers=extractor.style_layers, weight=8),
        sk.TotalVariationLoss(weight=0.1),
    ]
    estimate = sk.estimate_memory(size, extractor, terms, plan=plan, optimizer=optimizer).total
    times = []

    def clock(step):
        step.losses  # noqa: B018  waits for the step
        times.append(time.perf_counter())

    transfer = sk.StyleTransfer(terms, extractor=extractor, optimizer=optimizer, plan=plan)
    transfer.run(photo, max(args.repeat, args.history) + 1, callbacks=[clock])  # a full history
    seconds = sorted(b - a for a, b in itertools.pairwise(times[1:]))
    return {
        "seconds": seconds[len(seconds) // 2],
        "peak": peak() - before,
        "estimate": estimate / 2**20,
    }


def keras_adam():
    import keras

    return keras.optimizers.Adam(0.02)


if __name__ == "__main__":
    main()
