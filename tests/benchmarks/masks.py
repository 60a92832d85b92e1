"""What many masks cost beside one full-picture style: time and memory of a gradient evaluation.

    python tests/benchmarks/masks.py [--size 512] [--weights FILE] [--repeat 5] [--json FILE]

``regions``: N masks that share the picture, an irregular mosaic; ``soft``: N soft masks over all of
it. Each row is a process of its own; its peak is what it held above the level after the import. All
processes stay and take turns, so that a busy machine is busy for all.
"""

import argparse
import json
import subprocess
import sys

CASES = [("full", 1)] + [(kind, n) for kind in ("regions", "soft") for n in (1, 2, 4, 8, 16)]


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--weights", default=None)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json")
    parser.add_argument("--worker", nargs=2)
    args = parser.parse_args()
    if args.worker:
        worker(args.worker[0], int(args.worker[1]), args.size, args.weights)
        return
    command = [sys.executable, __file__, "--size", str(args.size)]
    command += ["--weights", args.weights] if args.weights else []
    workers = []
    for kind, count in CASES:
        process = subprocess.Popen(
            [*command, "--worker", kind, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        if process.stdout.readline().strip() != "ready":
            raise SystemExit(f"the run of {count} {kind} failed")
        workers.append(process)
    rows = [{"kind": kind, "masks": n, "seconds": 1e9, "peak_mib": 0.0} for kind, n in CASES]
    for _ in range(args.repeat):
        for process, row in zip(workers, rows, strict=True):
            process.stdin.write("go\n")
            process.stdin.flush()
            seconds, memory = map(float, process.stdout.readline().split())
            row["seconds"] = min(row["seconds"], seconds)
            row["peak_mib"] = memory
    for process in workers:
        process.stdin.close()
    base = rows[0]
    print("masks      | seconds | ratio | peak MiB | ratio")
    for row in rows:
        ratios = row["seconds"] / base["seconds"], row["peak_mib"] / base["peak_mib"]
        print(
            f"{row['masks']:2} {row['kind']:7} | {row['seconds']:7.3f} | {ratios[0]:5.2f} "
            f"| {row['peak_mib']:8.0f} | {ratios[1]:5.2f}"
        )
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
