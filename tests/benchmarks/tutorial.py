"""The run of the Keras eager-execution tutorial: 1000 steps, its table of losses and its seconds.

    python tests/benchmarks/tutorial.py CONTENT STYLE --weights FILE [--size 512] [--steps 1000]

The tutorial's own scale: mean squared differences of G / N on conv1_1..conv5_1, each a fifth, and
of conv5_2 for the content, started from it. ``--balance`` is the content's weight beside the
style's; the tutorial ends at content : style = 6.7 : 7.7 weighed. The style falls there 34x by step
100, 393x by 500 and 752x by 900.
"""

import argparse
from pathlib import Path

import keras

import stylekit as sk


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--balance", type=float, default=1e5, help="content weight : style weight")
    parser.add_argument("--content-layer", default="block5_conv2")
    parser.add_argument("--adam", type=float, help="learning rate in [0, 1] instead of L-BFGS")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    photo = sk.read_image(args.content, args.size)
    painting = sk.read_image(args.style, args.size)
    terms = [
        sk.ContentLoss(photo, layers=args.content_layer, normalize="none", weight=args.balance),
        sk.GramStyleLoss(painting, normalize="pixels"),
    ]
    transfer = sk.StyleTransfer(
        terms,
        extractor=sk.VGG19(args.weights),
        optimizer=keras.optimizers.Adam(args.adam, 0.99, epsilon=1e-1) if args.adam else None,
    )
    print("step | total | style | fall | content, weighed | content : style | seconds")
    first = None
    for step in transfer.iterate(photo, args.steps):
        if step.index % max(1, args.steps // 10) == 0:
            style, content = step.losses["gram_style"], args.balance * step.losses["content"]
            first = first or style
            print(
                f"{step.index} | {step.losses['total']:.3e} | {style:.3e} | {first / style:.0f} | "
                f"{content:.3e} | {content / style:.2f} | {step.seconds:.0f}",
                flush=True,
            )
    if args.out:
        sk.write_image(args.out, step.image)


if __name__ == "__main__":
    main()
