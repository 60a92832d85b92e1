"""What many masks cost beside one full-picture style: time and memory of a gradient evaluation.

    python tests/benchmarks/masks.py [--size 512] [--weights FILE] [--repeat 5] [--json FILE] \
        [--torch-python torch-venv/bin/python]

``regions``: N masks that share the picture, an irregular mosaic; ``soft``: N soft masks over all
of it. Beside them what PyTorch programs do, on the same network and layers: the features times each
mask, and a Gram matrix of each; the smaller figures of its two memory layouts, each of which runs.
A figure is a process of its own, whose peak is what it held above the level after the import; those
of a row take turns, so that a busy machine is busy for all. Ratios are of the masks' figure to the
one before.
"""

import argparse
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

from gradient import LAYOUTS, peak  # the benchmark beside this one


def mosaic(size, count):
    import numpy as np

    rng = np.random.default_rng(0)
    seeds = rng.random((count, 2)) * size
    y, x = np.mgrid[:size, :size]
    labels = np.argmin([(y - a) ** 2 + (x - b) ** 2 for a, b in seeds], axis=0)
    return [(labels == k).astype("float32") for k in range(count)]


def ramps(size, count):
    import numpy as np

    y, x = np.mgrid[:size, :size] / size
    return [
        (0.55 + 0.45 * np.sin(5 * (k + 1) * x + (7 - k) * y)).astype("float32")
        for k in range(count)
    ]


def scene(kind, count, size):
    """Return a photograph, styles, and a mask for each."""
    import numpy as np

    rng = np.random.default_rng(0)
    photo = rng.random((size, size, 3), "float32")
    styles = [rng.random((256, 256, 3), "float32") for _ in range(count)]
    return photo, styles, (ramps if kind == "soft" else mosaic)(size, count)


def worker(kind, count, size, weights):
    import numpy as np

    import stylekit as sk

    sk.StyleTransfer  # noqa: B018 - loads TensorFlow
    level = peak()
    photo, styles, masks = scene(kind, count, size)
    layers = sk.VGG19.style_layers
    if kind == "full":
        style = sk.GramStyleLoss(styles[0], layers=layers)
    else:
        style = sk.GradientMaskStyleLoss(
            list(zip(styles, masks, strict=True)), layers=layers, small_regions="skip_layer"
        )
    terms = [sk.ContentLoss(photo, layers=sk.VGG19.content_layers), style]
    transfer = sk.StyleTransfer(terms, extractor=sk.VGG19(weights))
    objective = transfer.objective(photo)
    serve(lambda: np.asarray(objective(photo[None])[2]), level)


def serve(evaluate, level):
    """Time an evaluation for each line that is read, after one that is not timed."""
    evaluate()
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        evaluate()
        print(time.perf_counter() - start, peak() - level, flush=True)


def start(command):
    process = subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    if process.stdout.readline().strip() != "ready":
        raise SystemExit(f"{' '.join(process.args)} failed")
    return process


def measure(commands, repeat):
    """Return the least seconds, and the peak, of each of some programs, by name."""
    processes = {name: start(command) for name, command in commands.items()}
    best = dict.fromkeys(processes, (float("inf"), 0.0))
    for _ in range(repeat):
        for name, process in processes.items():
            process.stdin.write("go\n")
            process.stdin.flush()
            seconds, memory = map(float, process.stdout.readline().split())
            best[name] = min(best[name][0], seconds), memory
    for process in processes.values():
        process.stdin.close()
        process.wait()
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--weights", help="VGG19's; default: random, which takes as long")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument(
        "--kinds", nargs="+", choices=("regions", "soft"), default=("regions", "soft")
    )
    parser.add_argument("--torch-python", help="beside PyTorch: its Python")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        worker(args.worker[0], int(args.worker[1]), args.size, args.weights)
        return
    own = [sys.executable, __file__, *sys.argv[1:], "--worker"]
    peer = [args.torch_python, Path(__file__).with_name("torch_masks.py")]
    rows = []
    print(
        "masks      | seconds | full | ratio | PyTorch | ratio | peak MiB | full | ratio | "
        "PyTorch | ratio"
    )
    for kind, count in itertools.product(args.kinds, args.counts):
        commands = {"full": [*own, "full", 1], "masks": [*own, kind, count]}
        for layout in LAYOUTS if args.torch_python else ():
            commands[f"torch {layout}"] = [*peer, kind, count, args.size, layout]
        found = measure(commands, args.repeat)
        rows.append({"kind": kind, "masks": count})
        cells = [f"{count:2} {kind:7}"]
        for k, (what, form) in enumerate((("seconds", ".3f"), ("peak_mib", ".0f"))):
            values = {name: measured[k] for name, measured in found.items()}
            full, ours, *torch = values.values()
            torch = min(torch, default=float("nan"))
            cells += [f"{ours:{form}}", f"{full:{form}}", f"{ours / full:.2f}"]
            cells += [f"{torch:{form}}", f"{ours / torch:.2f}"]
            rows[-1][what] = values
        print(" | ".join(cells), flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
