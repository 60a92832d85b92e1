"""The share of each style layer in the style gradient at the start, on five pairs.

    python tests/benchmarks/shares.py DATA [--weights FILE] [--size 256] [--normalize relative]

The share is the norm of a layer's gradient with respect to the image over the sum of the norms.
"""

import argparse
from pathlib import Path

import numpy as np
from strength import PAIRS

import stylekit as sk
from stylekit._defaults import STYLE_LAYERS


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", default="weights/vgg19_conv1_1_to_conv4_1.npz")
    parser.add_argument("--layers", nargs="+", default=STYLE_LAYERS[:4])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--normalize", default="relative")
    args = parser.parse_args()
    extractor = sk.VGG19(args.data / args.weights)
    print("pair | " + " | ".join(args.layers))
    for content, style in PAIRS:
        photo = sk.read_image(args.data / "images/content" / content, args.size)
        painting = sk.read_image(args.data / "images/style" / style, args.size)
        terms = [
            sk.GramStyleLoss(painting, layers=layer, normalize=args.normalize, name=layer)
            for layer in args.layers
        ]
        objective = sk.StyleTransfer(terms, extractor=extractor).objective(photo)
        norms = [np.linalg.norm(g) for g in objective.term_gradients(photo).values()]
        shares = " | ".join(f"{norm / sum(norms):.1%}" for norm in norms)
        print(f"{content} x {style} | {shares}", flush=True)


if __name__ == "__main__":
    main()
