"""Memory and time of one gradient evaluation: kept whole, recomputed by stage, and tile by tile.

    python tests/benchmarks/memory.py --sizes 512 1024 [--network compact] [--tiles 256 512] \
        [--recompute block1_pool block1_pool,block2_pool] [--weights VGG19.h5] [--json FILE]

Style on the network's own style layers, content on its own content layers, and total variation.
Each plan runs in a process of its own; memory is the peak above the level after the import, in
MiB, all included that an objective holds. Ratios are to the first plan. Time is the median.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from gradient import peak, timed  # the benchmark beside this one


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512])
    parser.add_argument("--network", choices=("vgg19", "compact"), default="vgg19")
    parser.add_argument("--weights", help="VGG19's; default: random, which takes as much")
    parser.add_argument("--style", type=int, default=256, help="side of the style picture")
    parser.add_argument("--tiles", type=int, nargs="*", default=[256])
    parser.add_argument("--recompute", nargs="*", default=["block1_pool"])
    parser.add_argument("--without-plain", action="store_true", help="where it does not fit")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plan", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.plan:
        print(json.dumps(measure(args, *json.loads(args.plan))))
        return
    plans = [] if args.without_plain else [{}]
    plans += [{"recompute": cuts.split(",")} for cuts in args.recompute]
    plans += [{"tile": tile} for tile in args.tiles]
    rows = []
    print("size | plan | MiB | ratio | seconds | ratio | us a pixel")
    for size in args.sizes:
        first = None
        for plan in plans:
            row = {"size": size, "plan": plan, **in_a_process(size, plan)}
            rows.append(row)
            first = first or row
            name = " ".join(f"{k} {v}" for k, v in plan.items()) or "plain"
            print(
                f"{size} | {name} | {row['peak']:.0f} | {row['peak'] / first['peak']:.2f} | "
                f"{row['seconds']:.3f} | {row['seconds'] / first['seconds']:.2f} | "
                f"{1e6 * row['seconds'] / size**2:.2f}",
                flush=True,
            )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


def in_a_process(size, plan):
    command = [sys.executable, __file__, *sys.argv[1:], "--plan", json.dumps([size, plan])]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def measure(args, size, plan):
    import numpy as np
    import tensorflow as tf

    import stylekit as sk
    from stylekit.transfer.recompute import RecomputedObjective
    from stylekit.transfer.tiling import TiledObjective

    extractor = sk.CompactVGG() if args.network == "compact" else sk.VGG19(args.weights)
    kind = TiledObjective if "tile" in plan else RecomputedObjective if plan else sk.Objective
    rng = np.random.default_rng(0)
    before = peak()
    photo = rng.random((size, size, 3), dtype="float32")
    style = rng.random((args.style, args.style, 3), dtype="float32")
    terms = [
        sk.ContentLoss(photo, layers=extractor.content_layers),
        sk.GramStyleLoss(style, layers=extractor.style_layers, weight=8),
        sk.TotalVariationLoss(weight=0.1),
    ]
    objective = kind(terms, extractor, (size, size), **plan)
    image = tf.constant(rng.random((1, size, size, 3), dtype="float32"))
    return {"seconds": timed(objective, image, args.repeat), "peak": peak() - before}


if __name__ == "__main__":
    main()
