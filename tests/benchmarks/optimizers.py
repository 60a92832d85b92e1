"""How soon the optimizers get where a PyTorch program's L-BFGS gets.

    python tests/benchmarks/optimizers.py --pair photo.jpg style.jpg [--pair ...] \
        --weights VGG19.h5 --torch-python torch-venv/bin/python [--sizes 128 256] \
        [--objectives relative neural-style-pt] [--evaluations 500] [--json FILE]

All minimise one objective through the same VGG19, with style on conv1_1 to conv4_1 and content on
conv4_1, at the full size: stylekit's dimensionless terms with a style weight of 8, or those of
neural-style-pt with its default weights. The thresholds are the lowest losses of PyTorch's L-BFGS,
from the content, by a fifth, two fifths and all of its evaluations; then those of the pictures that
it would save there. Its values leave [0, 1], where saving cuts them, and the loss rises.

A cell tells the seconds to a threshold, with building and tracing, as a share of PyTorch's, then
the full-size evaluations; "not" where PyTorch's whole time was not enough. The losses are checked
in float32, outside the clock. After the pairs come the geometric means, with the content and the
sliced Wasserstein distance to the style, at the thresholds, relative to PyTorch's. Each run is a
process of its own, one after the other.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from compact import quantiles, relative  # the benchmark beside this one

STYLE = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1")
CONTENT = ("block4_conv1",)
TORCH = "PyTorch's L-BFGS"
HALF = "mixed_bfloat16"
SHARES = (1, 2, 5)
"""Fifths of the evaluations, after which the thresholds are taken."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pair", nargs=2, action="append", required=True)
    parser.add_argument("--weights", required=True, help="VGG19's")
    parser.add_argument("--torch-python", required=True, help="the Python that has PyTorch")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128])
    parser.add_argument("--objectives", nargs="+", choices=OBJECTIVES, default=list(OBJECTIVES))
    parser.add_argument("--evaluations", type=int, default=500)
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--run", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        measured(args, **json.loads(args.run))
        return
    found = []
    for objective in args.objectives:
        for size in args.sizes:
            rows = [row for pair in args.pair for row in raced(args, objective, size, pair)]
            means(args, rows)
            found += rows
            if args.json:
                args.json.write_text(json.dumps(found, indent=1))


def raced(args, objective, size, pair):
    """Return a row for PyTorch and each run: seconds, evaluations and judgement by threshold."""
    names = " x ".join(Path(path).stem for path in pair)
    with tempfile.TemporaryDirectory() as folder:
        job = {"objective": objective, "size": size, "pair": pair, "folder": folder}
        curve = torch_curve(args, **job)
        marks = [len(curve) * k // 5 for k in SHARES]
        found = [loss for loss, _ in curve]
        shown = saved(args, marks=marks, **job)
        goals = [min(found[:mark]) for mark in marks]
        goals += [min(shown[: k + 1]) for k in range(len(marks))]
        seconds = 2 * [curve[mark - 1][1] for mark in marks]
        first = {"name": TORCH, "seconds": seconds, "evaluations": 2 * marks, "goals": goals}
        first |= {"objective": objective, "size": size, "pair": names, "saved": shown}
        first["judged"] = 2 * judged(args, pair, size, folder, marks)
        rows = [first]
        heads = " | ".join(f"{g:.5g} in {s:.0f} s" for g, s in zip(goals, seconds, strict=True))
        print(f"\n{objective}, {size} pixels, {names} | {heads}", flush=True)
        for name in args.only:
            job["name"], job["goals"], job["limit"] = name, goals, seconds[-1]
            command = [sys.executable, __file__, *sys.argv[1:], "--run", json.dumps(job)]
            row = last_line(command) | {"name": name}
            row |= {key: first[key] for key in ("objective", "size", "pair")}
            row["judged"] = [
                None if own is None else judged(args, pair, size, folder, [f"goal {k}"])[0]
                for k, own in enumerate(row["seconds"])
            ]
            rows.append(row)
            cells = [
                "not" if own is None else f"{own / theirs:.2f} ({count})"
                for own, theirs, count in zip(
                    row["seconds"], seconds, row["evaluations"], strict=True
                )
            ]
            print(f"{name} | " + " | ".join(cells), flush=True)
    return rows


def means(args, rows):
    """Print the geometric means over the pairs, where all got there."""
    theirs = [row for row in rows if row["name"] == TORCH]
    heads = [str(count) for count in theirs[0]["evaluations"][: len(SHARES)]]
    print("\nmean over pairs | " + " | ".join(heads + [f"saved after {head}" for head in heads]))
    for name in args.only:
        own = [row for row in rows if row["name"] == name]
        cells = []
        for k in range(2 * len(SHARES)):
            both = [(a, b) for a, b in zip(own, theirs, strict=True) if a["seconds"][k] is not None]
            if len(both) < len(own):
                cells.append(f"{len(both)} of {len(own)}")
                continue
            shares = [a["seconds"][k] / b["seconds"][k] for a, b in both]
            quality = np.array([a["judged"][k] for a, _ in both])
            quality = quality / np.array([b["judged"][k] for _, b in both])
            content, swd = np.exp(np.log(quality).mean(axis=0))
            share = np.exp(np.log(shares).mean())
            cells.append(f"{share:.2f} (content {content:.2f}, swd {swd:.2f})")
        print(f"{name} | " + " | ".join(cells), flush=True)


def last_line(command):
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def pictures(pair, size):
    import stylekit as sk

    return [sk.read_image(path, size=size) for path in pair]


def torch_curve(args, objective, size, pair, folder):
    """Return [loss, seconds] of each evaluation; the images at the marks lie in the folder."""
    import stylekit as sk

    photo, style = pictures(pair, size)
    network = sk.VGG19(args.weights)
    content, layers, variation = OBJECTIVES[objective](network, photo, style)
    job = Path(folder) / "job.npz"
    np.savez(
        job,
        photo=photo,
        style=style,
        style_layers=STYLE,
        content_layers=CONTENT,
        content_weight=content,
        style_weights=layers,
        variation=variation,
        **{
            f"{layer.name}/{part}": array
            for layer in network.model(STYLE).layers
            for part, array in zip(("kernel", "bias"), layer.get_weights(), strict=False)
        },
    )
    program = Path(__file__).with_name("torch_lbfgs.py")
    return last_line([args.torch_python, program, job, str(args.evaluations), folder])


def saved(args, objective, size, pair, folder, marks):
    """Return the losses of the pictures that PyTorch's program would save at the marks."""
    import stylekit as sk

    photo, style = pictures(pair, size)
    network = sk.VGG19(args.weights)
    terms = terms_of(photo, style, *OBJECTIVES[objective](network, photo, style))
    exact = sk.Objective(terms, network, photo.shape[:2])
    images = [np.load(Path(folder) / f"{mark}.npy").clip(0, 1) for mark in marks]
    return [float(exact(image[None])[0][0]) for image in images]


def judged(args, pair, size, folder, names):
    """Return [content, sliced Wasserstein distance] of the images of some names."""
    import stylekit as sk

    model = sk.VGG19(args.weights).model(STYLE)

    def seen(image):
        return {name: np.asarray(x)[0] for name, x in model(image[None]).items()}

    photo, style = map(seen, pictures(pair, size))
    result = []
    for name in names:
        own = seen(np.clip(np.load(Path(folder) / f"{name}.npy"), 0, 1))
        distances = [relative(quantiles(own[n]), quantiles(style[n])) for n in STYLE]
        result.append([relative(own[CONTENT[0]], photo[CONTENT[0]]), float(np.mean(distances))])
    return result


def dimensionless(network, photo, style):
    """Return stylekit's weights of the content, of each style layer, and of the variation."""
    return 1.0, [8 / len(STYLE)] * len(STYLE), 0.0


def neural_style_pt(network, photo, style):
    """Return neural-style-pt's defaults, 5, 100 and 1e-3, as weights of dimensionless terms.

    Its terms are ``mean (F - P)^2``, ``mean (D / C)^2`` of the Gram matrices, which are divided by
    the positions, and the sum of ``|dx| + |dy|`` in the unit of a pixel's 255 steps.
    """
    from stylekit import functional

    model = network.model(STYLE)
    kept, seen = (model(image[None]) for image in (photo, style))
    grams = [np.asarray(functional.gram_matrix(seen[name]))[0] for name in STYLE]
    layers = [100 * float(np.sum(gram**2)) / len(gram) ** 4 for gram in grams]
    return 5 * float(np.mean(np.square(kept[CONTENT[0]]))), layers, 1e-3 * 255 * photo.size


OBJECTIVES = {"relative": dimensionless, "neural-style-pt": neural_style_pt}


def measured(args, objective, size, pair, folder, name, goals, limit):
    """Print the seconds and evaluations to each goal; the images go to the folder."""
    import tensorflow as tf

    import stylekit as sk

    sk.StyleTransfer  # noqa: B018 - loads what is imported when it is used
    photo, style = pictures(pair, size)
    vgg = sk.VGG19(args.weights)
    weights = OBJECTIVES[objective](vgg, photo, style)
    exact = sk.Objective(terms_of(photo, style, *weights), vgg, photo.shape[:2])
    exact(tf.constant(photo[None]))  # traced outside the clock
    slack = 1.005 if "bfloat16" in name else 1.0  # of its own loss, which is rounded
    row = {key: [None] * len(goals) for key in ("seconds", "evaluations")}
    left, count, aside = set(range(len(goals))), 0, 0.0
    began = time.perf_counter()
    for full_size, step in RUNS[name](Race(args, photo, style, weights)):
        loss = step.losses["total"]  # waits for the step
        now = time.perf_counter()
        count += full_size
        if now - began - aside > limit:
            break
        if full_size and loss <= slack * max(goals[k] for k in left):
            image = step.image
            loss = float(exact(tf.constant(image[None]))[0][0])
            for k in [k for k in left if loss <= goals[k]]:
                np.save(Path(folder) / f"goal {k}.npy", image)
                row["seconds"][k], row["evaluations"][k] = now - began - aside, count
                left.remove(k)
            aside += time.perf_counter() - now
            if not left:
                break
    print(json.dumps(row))


def terms_of(photo, style, content, layers, variation):
    """Return the terms of some weights; see `dimensionless`."""
    import stylekit as sk

    weights = dict(zip(STYLE, layers, strict=True))
    terms = [
        sk.ContentLoss(photo, layers=CONTENT, weight=content),
        sk.GramStyleLoss(style, layers=weights, weight=sum(layers)),
    ]
    if variation:
        terms.append(sk.TotalVariationLoss(1, isotropic=False, weight=variation))
    return terms


class Race:
    """A pair, an objective, and the ways to run; each yields whether a step counts, and it."""

    def __init__(self, args, photo, style, weights):
        import stylekit as sk

        self.steps, self.photo = args.evaluations, photo
        self.terms = terms_of(photo, style, *weights)
        self.vgg = sk.VGG19(args.weights)

    def through(self, network, steps=None, start=None, levels=1, **options):
        import stylekit as sk

        transfer = sk.StyleTransfer(self.terms, extractor=network, **options)
        pyramid = sk.Pyramid.halving(max(self.photo.shape[:2]), levels)
        start = self.photo if start is None else start
        for step in transfer.iterate(start, steps or self.steps, pyramid=pyramid):
            yield network is self.vgg and step.level == levels - 1, step

    def plain(self, **options):
        yield from self.through(self.vgg, **options)

    def remembering(self, pairs):
        import stylekit as sk

        yield from self.plain(optimizer=sk.LBFGS(pairs))

    def adam(self):
        import keras

        rate = keras.optimizers.schedules.CosineDecay(0.05, self.steps)
        yield from self.through(self.vgg, optimizer=keras.optimizers.Adam(rate))

    def compact_first(self, steps=100, levels=1, **options):
        import stylekit as sk

        for _, step in self.through(sk.CompactVGG(), steps, levels=levels):
            yield False, step
        yield from self.through(self.vgg, start=step.image, **options)


RUNS = {
    "L-BFGS": Race.plain,
    "L-BFGS, 30 pairs": lambda race: race.remembering(30),
    "L-BFGS, bfloat16": lambda race: race.plain(precision=HALF),
    "Adam, 0.05 falling": Race.adam,
    "L-BFGS, three levels": lambda race: race.plain(levels=3),
    "compact network first": Race.compact_first,
    "compact network first, bfloat16": lambda race: race.compact_first(precision=HALF),
    "compact network and three levels first, bfloat16": lambda race: race.compact_first(
        200, 3, precision=HALF
    ),
}


if __name__ == "__main__":
    main()
