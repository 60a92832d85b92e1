"""Doodles painted: do boundaries lie where the map has them, and are the style's patches all used?

    python tests/benchmarks/doodle.py DATA [--size 256] [--steps 90] [--pairs renoir] [--out DIR]

DATA holds ``images/doodle``, ``images/regions`` and the weights. A row a pair:

- boundaries: edges (Canny of the luminance, at a scale of 1 % of the longer side) against the
  borders of the map's regions, within 1.5 % of the longer side: precision, recall and their
  F-score; beside it the same of the style against its own map, which is what strokes leave, and of
  the result against the map turned by 180 degrees, which is chance.
- use: of the style's patches that are nearest to the result's, whatever the run's penalty was: the
  entropy over the largest possible, and the share of the most frequent one, by layer.
- drift: the largest difference of a region's mean colour from the style's.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
from keras import ops
from scipy import ndimage
from skimage.feature import canny

import stylekit as sk
from stylekit.image import as_image
from stylekit.losses.patch import PatchStyleLoss, feature_patches
from stylekit.masks import match_regions, resize

PAIRS = {
    "renoir": ("doodle/Landscape_sem.png", "doodle/Renoir.jpg", "doodle/Renoir_sem.png"),
    "monet": ("regions/Coastline_sem.png", "regions/Monet.jpg", "regions/Monet_sem.png"),
    "gogh": ("regions/Seth_sem.png", "regions/Gogh.jpg", "regions/Gogh_sem.png"),
}


def boundary_score(picture, masks):
    """Return precision, recall and F-score of a picture's edges against regions' borders."""
    longer = max(picture.shape[:2])
    edges = canny(sk.masks.from_image(picture), sigma=longer / 100)
    labels = np.argmax(masks, axis=0)
    borders = np.zeros(labels.shape, bool)
    borders[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    borders[1:] |= labels[1:] != labels[:-1]

    def near(points, others):
        return np.mean(ndimage.distance_transform_edt(~others)[points] <= 0.015 * longer)

    precision, recall = near(edges, borders), near(borders, edges)
    return precision, recall, 2 * precision * recall / (precision + recall)


def use(image, style, masks, sources, extractor):
    """Return the normalised entropy of uses and the share of the most used patch, by layer."""
    term = PatchStyleLoss(style, np.stack(masks, -1), np.stack(sources, -1), usage_penalty=0)
    objective = sk.StyleTransfer([term], extractor=extractor).objective(image)
    features = objective.canvas.extract(image[None], term.layers)
    (targets,) = objective.targets.values()
    for layer in term.layers:
        patches = feature_patches(features[layer], term.patch, term.stride)
        found = ops.convert_to_numpy(term.nearest(patches, targets[layer]))[0]
        shares = np.bincount(found) / found.size
        entropy = -np.sum(shares[shares > 0] * np.log(shares[shares > 0]))
        yield layer, entropy / math.log(min(found.size, len(targets[layer]["keys"]))), shares.max()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", default="weights/vgg19_conv1_1_to_conv4_1.npz")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=90)
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--option", nargs="*", default=[], help="of the recipe: gram_weight=8")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    options = {key: float(value) for key, value in (o.split("=") for o in args.option)}
    extractor = sk.VGG19(args.data / args.weights)
    for pair in args.pairs:
        doodle, painting, painting_map = (args.data / "images" / name for name in PAIRS[pair])
        begin = time.perf_counter()
        recipe = sk.recipes.doodle(doodle, painting, painting_map, size=args.size, **options)
        image = recipe.run(args.steps, extractor=extractor).image
        seconds = time.perf_counter() - begin
        style = as_image(painting, "style", args.size)
        regions = match_regions(doodle, painting_map)
        masks = [resize(mask, image.shape[:2]) for mask in regions.content]
        sources = [resize(mask, style.shape[:2]) for mask in regions.style]
        precision, recall, score = boundary_score(image, masks)
        own = boundary_score(style, sources)[2]
        chance = boundary_score(image, np.array(masks)[:, ::-1, ::-1])[2]
        print(
            f"{pair} at {args.size}, {args.steps} steps, {seconds:.0f} s\n"
            f"  boundaries: F {score:.2f} (precision {precision:.2f}, recall {recall:.2f}); "
            f"style {own:.2f}, chance {chance:.2f}"
        )
        for layer, entropy, most in use(image, style, masks, sources, extractor):
            print(f"  use at {layer}: entropy {entropy:.3f}, most {most:.2%}")
        drift = [
            np.average(image.reshape(-1, 3), axis=0, weights=mask.ravel())
            - np.average(style.reshape(-1, 3), axis=0, weights=source.ravel())
            for mask, source in zip(masks, sources, strict=True)
        ]
        print(f"  drift of a mean colour: {np.abs(drift).max():.3f}", flush=True)
        if args.out:
            args.out.mkdir(parents=True, exist_ok=True)
            sk.write_image(args.out / f"{pair}.png", image)


if __name__ == "__main__":
    main()
