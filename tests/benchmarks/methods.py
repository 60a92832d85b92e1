"""All methods on twelve pairs of pictures, untuned: contact sheets, and the numbers of each.

    python tests/benchmarks/methods.py --data DATA --out FOLDER [--size 512]
        [--pairs tubingen-shipwreck ...] [--methods gram sliced ...]

DATA holds ``images`` and ``weights``, as for `quality.py`, whose pairs these are; cat-night, of
pictures that need no file, is for the documentation. The bundled network paints, each method with
its own defaults; VGG19 judges by conv1_1 to conv4_1, as far as the weights in DATA go. FOLDER keeps
each picture with its numbers: started again, the program goes on where it ended. It writes a sheet
a pair and a table of means, ``methods.md``.

Each picture is painted in a process of its own, so that peak memory is that of one method. The
methods take turns within a pair, and seconds are divided by those of Gram matrices on that pair:
the table has the median of these quotients, and of the memory in MiB beside the level after the
import. near, cover, gram, sliced, color: how far the style is, of `stylekit.metrics.evaluate`,
divided by the value of the photograph. content, self, cfsd, ssim: how the photograph is kept.
chroma: `chroma_noise` divided by that of the style. frame: less that of the photograph.
"""

import argparse
import functools
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import skimage
from gradient import peak  # the benchmarks beside this one
from quality import CONTENT_LAYERS, PAIRS, STYLE_LAYERS

import stylekit as sk
from stylekit import losses, metrics, recipes
from stylekit.image import as_image, drawn

HISTOGRAMS = functools.partial(losses.MomentStyleLoss, histogram_weight=1.0)


def painted(**options):
    """Return a method: from a photograph and a style to a recipe of `basic`."""
    return lambda photo, style: recipes.basic(photo, style, size=None, **options)


METHODS = {
    "neighbors": painted(),
    "gram": painted(style_loss="gram"),
    "wasserstein": painted(style_loss=losses.WassersteinStyleLoss),
    "sliced": painted(style_loss=losses.SlicedWassersteinLoss),
    "moments": painted(style_loss=losses.MomentStyleLoss),
    "histograms": painted(style_loss=HISTOGRAMS),
    "transport": painted(style_loss=losses.RelaxedTransportLoss),
    "photoreal": lambda photo, style: recipes.photoreal(photo, style, size=None),
}
EXAMPLE = "cat-night"
TO_STYLE = ("near", "cover", "gram", "sliced", "color")
TO_PHOTO = ("content", "self", "cfsd", "ssim")
HEADS = (*TO_STYLE, *TO_PHOTO, "chroma", "frame", "seconds", "memory")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=512, help="longer side in pixels")
    parser.add_argument("--weights", default="weights/vgg19_conv1_1_to_conv4_1.npz")
    parser.add_argument(
        "--pairs", nargs="+", choices=[*PAIRS, EXAMPLE], default=list(PAIRS), metavar="PAIR"
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--paint", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.paint:
        paint(args, *args.paint)
        return
    args.out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, *sys.argv[1:], "--paint"]
    for pair in args.pairs:
        for method in args.methods:
            if not file_of(args, pair, method).exists():
                subprocess.run([*command, pair, method], check=True)
    judge(args)
    write_sheets(args)
    table = write_table(args)
    print(table)


def file_of(args, pair, method, kind="json"):
    """Return the file of a method's picture of a pair, or of its numbers, which come last."""
    return args.out / f"{pair}-{method}-{args.size}.{kind}"


def read_pair(args, pair):
    """Return the photograph and the style, float32 [H, W, 3]."""
    if pair == EXAMPLE:
        return [as_image(skimage.data.chelsea(), size=args.size), drawn.night(args.size)]
    return [sk.read_image(args.data / "images" / path, args.size) for path in PAIRS[pair]]


def paint(args, pair, method):
    """Paint a picture, and write it with its seconds and its memory."""
    photo, style = read_pair(args, pair)
    before, begin = peak(), time.perf_counter()
    result = METHODS[method](photo, style).run(extractor=sk.CompactVGG())
    numbers = {
        "seconds": time.perf_counter() - begin,
        "memory": peak() - before,
        "steps": result.steps,
    }
    sk.write_image(file_of(args, pair, method, "png"), result.image)
    file_of(args, pair, method).write_text(json.dumps(numbers))
    print(f"{pair} {method}: {numbers['seconds']:.0f} s", flush=True)


def judge(args):
    """Add what the metrics say to the numbers of each picture that lacks it."""
    network = sk.VGG19(args.data / args.weights)
    network.style_layers, network.content_layers = STYLE_LAYERS, CONTENT_LAYERS
    for pair in args.pairs:
        rows = {
            method: json.loads(file_of(args, pair, method).read_text()) for method in args.methods
        }
        if all("near" in row for row in rows.values()):
            continue
        photo, style = read_pair(args, pair)
        measured = functools.partial(
            metrics.evaluate, content=photo, style=style, extractor=network
        )
        start = measured(photo)
        for method, row in rows.items():
            found = measured(file_of(args, pair, method, "png"))
            row |= {name: found[name] / start[name] for name in TO_STYLE}
            row |= {name: found[name] for name in TO_PHOTO}
            row["chroma"] = found["chroma"] / metrics.chroma_noise(style)
            row["frame"] = found["frame"] - start["frame"]
            file_of(args, pair, method).write_text(json.dumps(row))


def write_sheets(args):
    """Write a sheet a pair: the photograph, the style, and the methods."""
    for pair in args.pairs:
        pictures = read_pair(args, pair)
        pictures += [file_of(args, pair, method, "png") for method in args.methods]
        sheet = sk.image.contact_sheet(pictures, [*pair.split("-", 1), *args.methods], columns=4)
        sk.write_image(args.out / f"sheet-{pair}.jpg", sheet)


def write_table(args):
    """Write the means over the pairs, and the medians of time and memory; return the table."""
    rows = [f"| method | {' | '.join(HEADS)} |", f"|{' --- |' * (1 + len(HEADS))}"]
    found = {
        method: [json.loads(file_of(args, pair, method).read_text()) for pair in args.pairs]
        for method in args.methods
    }
    first = found.get("gram", next(iter(found.values())))
    for method, own in found.items():
        values = {head: np.mean([row[head] for row in own]) for head in HEADS[:-2]}
        pairs = zip(own, first, strict=True)
        values["seconds"] = np.median([row["seconds"] / other["seconds"] for row, other in pairs])
        values["memory"] = np.median([row["memory"] for row in own])
        cells = [
            f"{values[head]:.0f}" if head == "memory" else f"{values[head]:.2f}" for head in HEADS
        ]
        rows.append(f"| {method} | {' | '.join(cells)} |")
    table = "\n".join(rows) + "\n"
    (args.out / "methods.md").write_text(table)
    return table


if __name__ == "__main__":
    main()
