"""What `strength` does at several sizes: log-fall of the style loss, and the content loss.

    python tests/benchmarks/strength.py DATA [--sizes 256 512 1024] [--steps 80] [--coarsest 256]

With ``--coarsest`` each run is a pyramid that begins at that size and doubles; without, all steps
are at the full size. DATA holds ``images/content``, ``images/style`` and the weights. The styles
are size-matched. Writes a row a run to ``--json`` and goes on from there when started again; prints
a table at the end.
"""

import argparse
import json
import math
from pathlib import Path

import stylekit as sk

PAIRS = (
    ("tubingen.jpg", "starry_night.jpg"),
    ("golden_gate.jpg", "wave.jpg"),
    ("brad_pitt.jpg", "woman-with-hat-matisse.jpg"),
    ("hoovertowernight.jpg", "the_scream.jpg"),
    ("chicago.jpg", "composition_vii.jpg"),
)
STYLE = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1")
CONTENT = ("block4_conv1",)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", default="weights/vgg19_conv1_1_to_conv4_1.npz")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.2, 0.5, 0.8])
    parser.add_argument("--pairs", type=int, default=len(PAIRS))
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--coarsest", type=int, help="longer side of a pyramid's first level")
    parser.add_argument("--json", type=Path, default=Path("strength.json"))
    parser.add_argument("--pictures", type=Path)
    args = parser.parse_args()
    rows = json.loads(args.json.read_text()) if args.json.exists() else []
    extractor = sk.VGG19(args.data / args.weights)
    for size in args.sizes:
        for content, style in PAIRS[: args.pairs]:
            for strength in args.strengths:
                key = {"pair": f"{content} x {style}", "size": size, "strength": strength}
                if any(key.items() <= row.items() for row in rows):
                    continue
                levels = round(math.log2(size / args.coarsest)) + 1 if args.coarsest else 1
                result = sk.stylize(
                    args.data / "images/content" / content,
                    args.data / "images/style" / style,
                    strength=strength,
                    size=size,
                    steps=args.steps,
                    pyramid=levels if levels > 1 else None,
                    variation=0,
                    style_layers=STYLE,
                    content_layers=CONTENT,
                    extractor=extractor,
                )
                # The style loss of the start at this size; a pyramid's first row is a coarser one.
                start = result.losses[0]["gram_style"]
                if levels > 1:
                    start = start_loss(args, extractor, content, style, size)
                last = result.losses[-1]
                row = {
                    **key,
                    "log_fall": math.log(start / last["gram_style"]),
                    "content": last["content"],
                    "seconds": result.seconds,
                    "curve": [[r["gram_style"], r["content"]] for r in result.losses[::10]],
                }
                print({k: v for k, v in row.items() if k != "curve"}, flush=True)
                rows.append(row)
                args.json.write_text(json.dumps(rows, indent=1))
                if args.pictures:
                    name = f"{Path(content).stem}-{Path(style).stem}-{size}-{strength}.jpg"
                    result.save(args.pictures / name, manifest=None)
    table(rows, args.sizes, args.strengths)


def start_loss(args, extractor, content, style, size):
    photo = sk.read_image(args.data / "images/content" / content, size)
    painting = sk.read_image(args.data / "images/style" / style, size)
    terms = [sk.GramStyleLoss(painting, layers=STYLE)]
    return sk.StyleTransfer(terms, extractor=extractor).run(photo, steps=0).losses[0]["total"]


def table(rows, sizes, strengths):
    heads = [f"s={s} {size}" for s in strengths for size in sizes]
    for what in ("log_fall", "content"):
        print(f"\n{what}\npair | " + " | ".join(heads) + " | spread by s")
        for pair in dict.fromkeys(row["pair"] for row in rows):
            cells, spreads = [], []
            for s in strengths:
                values = [
                    row[what]
                    for size in sizes
                    for row in rows
                    if (row["pair"], row["size"], row["strength"]) == (pair, size, s)
                ]
                cells += [f"{v:.3f}" for v in values]
                spreads.append(f"{max(values) / min(values) - 1:.0%}")
            print(f"{pair} | " + " | ".join(cells) + " | " + " ".join(spreads))


if __name__ == "__main__":
    main()
