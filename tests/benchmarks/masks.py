"""What many masks cost beside one full-picture style: time and memory of a gradient evaluation.

    python tests/benchmarks/masks.py [--size 512] [--weights FILE] [--repeat 5] [--json FILE]

``regions``: N masks that share the picture, an irregular mosaic; ``soft``: N soft masks over all
of it. Each row is a process of its own, whose peak is what it held above the level after the
import. It takes turns with one of the full picture, so that a busy machine is busy for both.
"""

import argparse
import itertools
import json
import subprocess
import sys


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


def worker(kind, count, size, weights):
    import resource
    import time

    import numpy as np

    import stylekit as sk

    sk.StyleTransfer  # noqa: B018 - loads TensorFlow

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    level = peak()
    rng = np.random.default_rng(0)
    photo = rng.random((size, size, 3), "float32")
    styles = [rng.random((256, 256, 3), "float32") for _ in range(count)]
    layers = tuple(f"block{k}_conv1" for k in range(1, 6))
    if kind == "full":
        style = sk.GramStyleLoss(styles[0], layers=layers)
    else:
        masks = (mosaic if kind == "regions" else ramps)(size, count)
        style = sk.GradientMaskStyleLoss(
            list(zip(styles, masks, strict=True)), layers=layers, small_regions="skip_layer"
        )
    terms = [sk.ContentLoss(photo, layers=("block4_conv2",)), style]
    transfer = sk.StyleTransfer(terms, extractor=sk.VGG19(weights))
    objective = transfer.objective(photo)
    image = photo[None]
    objective(image)
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        np.asarray(objective(image)[2])
        print(time.perf_counter() - start, peak() - level, flush=True)


def start(command, kind, count):
    process = subprocess.Popen(
        [*command, "--worker", kind, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    if process.stdout.readline().strip() != "ready":
        raise SystemExit(f"the run of {count} {kind} failed")
    return process


def measure(processes, repeat):
    """Return (least seconds, peak) of each process."""
    best = [(float("inf"), 0.0)] * len(processes)
    for _ in range(repeat):
        for k, process in enumerate(processes):
            process.stdin.write("go\n")
            process.stdin.flush()
            seconds, memory = map(float, process.stdout.readline().split())
            best[k] = min(best[k][0], seconds), memory
    for process in processes:
        process.stdin.close()
        process.wait()
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--weights", default=None)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--worker", nargs=2)
    args = parser.parse_args()
    if args.worker:
        worker(args.worker[0], int(args.worker[1]), args.size, args.weights)
        return
    command = [sys.executable, __file__, "--size", str(args.size)]
    command += ["--weights", args.weights] if args.weights else []
    rows = []
    print("masks      | seconds | full | ratio | peak MiB | full | ratio")
    for kind, count in itertools.product(("regions", "soft"), args.counts):
        pair = [start(command, *case) for case in (("full", 1), (kind, count))]
        seconds, peaks = zip(*measure(pair, args.repeat), strict=True)
        row = {"kind": kind, "masks": count, "seconds": seconds[1], "full_seconds": seconds[0]}
        row |= {"peak_mib": peaks[1], "full_peak_mib": peaks[0]}
        rows.append(row)
        print(
            f"{count:2} {kind:7} | {seconds[1]:7.3f} | {seconds[0]:.3f} "
            f"| {seconds[1] / seconds[0]:5.2f} | {peaks[1]:8.0f} | {peaks[0]:4.0f} "
            f"| {peaks[1] / peaks[0]:5.2f}",
            flush=True,
        )
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
