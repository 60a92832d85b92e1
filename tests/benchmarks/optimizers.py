"""How soon the optimizers get where a PyTorch program's L-BFGS gets.

    python tests/benchmarks/optimizers.py photo.jpg style.jpg --weights VGG19.h5 \
        --torch-python torch-venv/bin/python [--sizes 256] [--evaluations 500] [--json FILE]

One objective for all: content on conv4_1, Gram matrices of conv1_1 to conv4_1 of weight 8, through
the same VGG19, at the full size. The thresholds are the losses of PyTorch's L-BFGS, from the
content, at a fifth, two fifths and all of its evaluations. A row tells the loss and the content's
part of it after all evaluations, then for each threshold the evaluations at the full size and the
seconds that it took to get there, with building and tracing, as a share of PyTorch's seconds. Each
row is a process of its own, one after the other.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STYLE = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1")
CONTENT = ("block4_conv1",)
WEIGHT = 8.0
TORCH = "PyTorch's L-BFGS"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photo")
    parser.add_argument("style")
    parser.add_argument("--weights", required=True, help="VGG19's")
    parser.add_argument("--torch-python", required=True, help="the Python that has PyTorch")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256])
    parser.add_argument("--evaluations", type=int, default=500)
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        name, size = args.run
        print(json.dumps(measured(RUNS[name], args, int(size))))
        return
    found = {}
    for size in args.sizes:
        rows = {TORCH: torch_rows(args, size)}
        marks = [len(rows[TORCH]) * k // 5 - 1 for k in (1, 2, 5)]
        goals = [(min(row[0] for row in rows[TORCH][: m + 1]), rows[TORCH][m][2]) for m in marks]
        print(f"\n{size} pixels | loss | content | " + " | ".join(f"{g:.4f}" for g, _ in goals))
        for name in (TORCH, *args.only):
            if name != TORCH:
                command = [sys.executable, __file__, *sys.argv[1:], "--run", name, str(size)]
                rows[name] = last_line(command)
            best = min(rows[name])
            cells = [reached(rows[name], *goal) for goal in goals]
            print(f"{name} | {best[0]:.4f} | {best[1]:.4f} | " + " | ".join(cells), flush=True)
        found[size] = rows
    if args.json:
        args.json.write_text(json.dumps(found))


def reached(rows, goal, seconds):
    for index, row in enumerate(rows):
        if row[0] <= goal:
            return f"{index + 1}: {row[2] / seconds:.2f}"
    return "not"


def last_line(command):
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def torch_rows(args, size):
    import numpy as np

    import stylekit as sk

    photo, style = pictures(args, size)
    network = sk.VGG19(args.weights).model(STYLE)
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.npz"
        np.savez(
            job,
            photo=photo,
            style=style,
            style_layers=STYLE,
            content_layers=CONTENT,
            weight=WEIGHT,
            **{
                f"{layer.name}/{part}": array
                for layer in network.layers
                for part, array in zip(("kernel", "bias"), layer.get_weights(), strict=False)
            },
        )
        program = Path(__file__).with_name("torch_lbfgs.py")
        return last_line([args.torch_python, program, job, str(args.evaluations)])


def pictures(args, size):
    import stylekit as sk

    return sk.read_image(args.photo, size=size), sk.read_image(args.style, size=size)


def measured(run, args, size):
    """Return [loss, content, seconds] of each evaluation at the full size through VGG19."""
    import stylekit as sk

    sk.StyleTransfer  # noqa: B018 - loads what is imported when it is used
    photo, style = pictures(args, size)
    began, rows = time.perf_counter(), []
    for counts, step in run(photo, style, args):
        losses = step.losses  # waits for the step
        if counts:
            rows.append([losses["total"], losses["content"], time.perf_counter() - began])
    return rows


def through(network, photo, style, steps, *, initial=None, optimizer=None, levels=1):
    """Yield whether a step is at the full size, and the step."""
    import stylekit as sk

    terms = [
        sk.ContentLoss(photo, layers=CONTENT),
        sk.GramStyleLoss(style, layers=STYLE, weight=WEIGHT * network.style_factor / 8),
    ]
    transfer = sk.StyleTransfer(terms, extractor=network, optimizer=optimizer)
    pyramid = sk.Pyramid.halving(max(photo.shape[:2]), levels)
    for step in transfer.iterate(photo if initial is None else initial, steps, pyramid=pyramid):
        yield step.level == levels - 1, step


def lbfgs(photo, style, args, levels=1):
    import stylekit as sk

    yield from through(sk.VGG19(args.weights), photo, style, args.evaluations, levels=levels)


def pyramid(photo, style, args):
    yield from lbfgs(photo, style, args, levels=3)


def adam(photo, style, args):
    import keras

    import stylekit as sk

    rate = keras.optimizers.schedules.CosineDecay(0.05, args.evaluations)
    optimizer, network = keras.optimizers.Adam(rate), sk.VGG19(args.weights)
    yield from through(network, photo, style, args.evaluations, optimizer=optimizer)


def compact_first(photo, style, args, levels=1):
    import stylekit as sk

    step = None
    for _, step in through(sk.CompactVGG(), photo, style, args.evaluations, levels=levels):
        yield False, step
    vgg, half = sk.VGG19(args.weights), args.evaluations // 2
    yield from through(vgg, photo, style, half, initial=step.image)


def compact_pyramid_first(photo, style, args):
    yield from compact_first(photo, style, args, levels=3)


RUNS = {
    "L-BFGS": lbfgs,
    "Adam, 0.05 falling": adam,
    "L-BFGS, three levels": pyramid,
    "compact network first": compact_first,
    "compact network and three levels first": compact_pyramid_first,
}


if __name__ == "__main__":
    main()
