"""What a run costs before its second step: imports, building, tracing.

    python tests/benchmarks/startup.py [--size 256] [--weights VGG19.h5] [--runs 3] \
        [--torch-python torch-venv/bin/python --torch-step torch_step.py] [--json FILE]

Each row is a process of its own, ``--runs`` times; the table gives the minimum of the seconds. The
first step builds the network, prepares the terms, traces the step and takes it.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--weights", help="VGG19's; default: random")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--torch-python", help="beside PyTorch: its Python")
    parser.add_argument("--torch-step", help="and a program that takes a size and --repeat")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--first-step", choices=("vgg19", "compact"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.first_step:
        first_step(args)
        return
    own, python = [sys.executable, __file__, *sys.argv[1:], "--first-step"], [sys.executable, "-c"]
    commands = {
        "an empty program": [*python, ""],
        "import stylekit": [*python, "import stylekit"],
        "stylekit --help": [sys.executable, "-m", "stylekit", "--help"],
        "import stylekit, and use it": [*python, "import stylekit; stylekit.StyleTransfer"],
        "a first step, compact network": [*own, "compact"],
        "a first step, VGG19": [*own, "vgg19"],
    }
    if args.torch_python:
        commands["import torch"] = [args.torch_python, "-c", "import torch"]
        if args.torch_step:
            step = [args.torch_python, args.torch_step, str(args.size), "--repeat", "1"]
            commands["PyTorch's program, two steps"] = step
    rows = {name: {"seconds": []} for name in commands}
    for _ in range(args.runs):
        for name, command in commands.items():
            began = time.perf_counter()
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            rows[name]["seconds"].append(time.perf_counter() - began)
            if "--first-step" in command:
                rows[name].setdefault("parts", []).append(json.loads(output.splitlines()[-1]))
    print("| | seconds | of it: first step | second step |\n| --- | --- | --- | --- |")
    for name, row in rows.items():
        parts = [min(values) for values in zip(*row.get("parts", []), strict=True)]
        cells = [f"{value:.2f}" for value in (min(row["seconds"]), *parts)]
        print("|", " | ".join([name, *cells, *[""] * (3 - len(cells))]), "|")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


def first_step(args):
    import numpy as np

    import stylekit as sk

    sk.StyleTransfer  # noqa: B018 - loads what is imported when it is used
    began = time.perf_counter()
    network = sk.CompactVGG() if args.first_step == "compact" else sk.VGG19(args.weights)
    photo, style = np.random.default_rng(0).random((2, args.size, args.size, 3), dtype="float32")
    terms = [
        sk.ContentLoss(photo, layers=network.content_layers),
        sk.GramStyleLoss(style, layers=network.style_layers, weight=8),
        sk.TotalVariationLoss(weight=0.1),
    ]
    steps = sk.StyleTransfer(terms, extractor=network).iterate(photo, 2)
    times = [began]
    for step in steps:
        step.losses  # noqa: B018 - waits for the step
        times.append(time.perf_counter())
    print(json.dumps([times[1] - times[0], times[2] - times[1]]))


if __name__ == "__main__":
    main()
