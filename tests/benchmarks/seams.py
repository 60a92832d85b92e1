"""How much a border shows, by the way of blending: a table of scores, and a sheet to look at.

    python seams.py WEIGHTS DEEPLAB [--picture PHOTO STYLE CLASS]... [--sheet FILE]

A class of each photograph is found by the model file DEEPLAB and laid over it in the style, which
is transferred everywhere first. Scores are `stylekit.metrics.seam_score` along the border that was
used, the mask's or the cut's. The sheet shows the astronaut and the cat of scikit-image, in the
styles that ``docs/make_pictures.py`` draws; without ``--picture`` these make the table, too.
``--cache`` keeps the transfers.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import skimage
from PIL import Image, ImageDraw

import stylekit as sk
from stylekit import blend
from stylekit.masks.segmenters.deeplab import DeepLab
from stylekit.metrics import leakage, seam_score

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1")
SHOWN = {  # photograph, style, class, and the part of the sheet: top, left, side as shares of width
    "astronaut": (skimage.data.astronaut, PICTURES / "night.jpg", "person", (0.02, 0.22, 0.36)),
    "chelsea": (skimage.data.chelsea, PICTURES / "meadow.jpg", "cat", (0.0, 0.64, 0.36)),
}
SHOWN_WAYS = ("hard", "feathered", "poisson", "seam", "seam, feathered")


def blends(photo, stylised, mask):
    """Return {name: (picture, the mask whose border it has)} and print the seconds of each."""
    radius = max(photo.shape) / 128
    ways = {
        "hard": lambda: blend.paste(photo, stylised, mask),
        "feathered": lambda: blend.paste(photo, stylised, mask, feather=radius),
        "poisson": lambda: blend.poisson(photo, stylised, mask),
        "poisson, mixed": lambda: blend.poisson(photo, stylised, mask, mixed=True),
        "seam": lambda: blend.seam(photo, stylised, mask),
        "seam, feathered": lambda: blend.seam(photo, stylised, mask, feather=radius),
    }
    found, seconds = {}, {}
    cut = blend.seam_mask(photo, stylised, mask)
    for name, way in ways.items():
        start = time.perf_counter()
        found[name] = way(), cut if name.startswith("seam") else mask
        seconds[name] = time.perf_counter() - start
    print("seconds:", ", ".join(f"{name} {value:.2f}" for name, value in seconds.items()))
    return found


def prepared(name, photo, style, subject, args):
    """Return the photograph, the stylised picture and the mask, from the cache if they are in."""
    path = args.cache / f"{name}.npz" if args.cache else None
    if path and path.exists():
        with np.load(path) as arrays:
            return arrays["photo"], arrays["stylised"], arrays["mask"]
    photo = sk.image.as_image(photo, size=args.size)
    mask = DeepLab(args.deeplab)(photo).mask(subject)
    layers = {"style_layers": LAYERS, "content_layers": LAYERS[-1:]}
    options = {"size": args.size, "steps": args.steps, "pyramid": 2, **layers}
    stylised = sk.stylize(photo, style, extractor=sk.VGG19(args.weights), **options).image
    if path:
        np.savez(path, photo=photo, stylised=stylised, mask=mask)
    return photo, stylised, mask


def sheet(rows, side=170):
    """Return crops side by side, one row a photograph, with a line of names above."""
    lines = []
    for photo, found, (top, left, share) in rows:
        width = photo.shape[1]
        y, x, length = (round(value * width) for value in (top, left, share))
        window = (slice(y, y + length), slice(x, x + length))
        crops = [photo[window], *(found[name][0][window] for name in SHOWN_WAYS)]
        lines.append(np.hstack([_enlarged(crop, side) for crop in crops]))
    names = ["photograph", *SHOWN_WAYS]
    head = Image.new("RGB", (side * len(names), 18), "white")
    for column, name in enumerate(names):
        ImageDraw.Draw(head).text((side * column + 4, 3), name, fill="black")
    return Image.fromarray(np.vstack([np.asarray(head), *lines]))


def _enlarged(crop, side):
    image = Image.fromarray(np.uint8(crop * 255 + 0.5))
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("weights", help="VGG19's .h5 or .npz")
    parser.add_argument("deeplab", help="a segmentation model")
    parser.add_argument("--picture", nargs=3, action="append", metavar=("PHOTO", "STYLE", "CLASS"))
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--sheet", type=Path)
    args = parser.parse_args()
    jobs = {name: (load(), *rest) for name, (load, *rest) in SHOWN.items()}
    pictures = {Path(photo).stem: (photo, *rest) for photo, *rest in args.picture or ()}
    rows, table = [], []
    for name, (photo, style, subject, *part) in {**pictures, **jobs}.items():
        if part and pictures and not args.sheet:
            continue
        photo, stylised, mask = prepared(name, photo, style, subject, args)
        found = blends(photo, stylised, mask)
        if part:
            rows.append((photo, found, *part))
        scores = [f"{seam_score(photo, *pair):.2f}" for pair in found.values()]
        moved = np.mean((found["seam"][1] > 0.5) != (mask >= 0.5))
        leak = leakage(photo, found["seam"][0], mask)
        table.append(f"| {' | '.join([name, *scores])} | {moved:.1%} | {leak:.4f} |")
    heads = ["picture", *found, "pixels the cut moved", "leakage of the seam"]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    print(*table, sep="\n")
    if args.sheet:
        sheet(rows).save(args.sheet, quality=80, optimize=True, progressive=True)


if __name__ == "__main__":
    main()
