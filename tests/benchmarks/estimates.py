"""What runs by recipes take of memory, and what `estimate_memory` says of them beforehand.

    python tests/benchmarks/estimates.py [--sizes 256 512] [--methods gram neighbors sliced] \
        [--cases "1 style" "3 styles" "3 masks" "batch of 2"] [--plan plain] \
        [--network compact] [--weights VGG19.h5] [--json FILE]

Each run, with the recipe's own pyramid and L-BFGS, is a process of its own; memory is its peak
above the level after the import, in MiB. The styles are as large as the picture, the masks soft
vertical stripes that together cover it. A batch's border is not reflected.
"""

import argparse
import itertools
import json
import sys
from pathlib import Path

from gradient import peak  # the benchmarks beside this one
from memory import last_line, parsed

CASES = {"1 style": (1, False, 1), "3 styles": (3, False, 1)}
CASES |= {"3 masks": (3, True, 1), "batch of 2": (1, False, 2)}
"""Numbers of styles, whether each has a mask, and pictures."""

STEPS = {"gram": 180, "neighbors": 60}
"""So that the history is full at the last size."""

LOSSES = {
    "moments": "MomentStyleLoss",
    "histograms": "MomentStyleLoss",
    "wasserstein": "WassersteinStyleLoss",
    "sliced": "SlicedWassersteinLoss",
    "long range": "LongRangeGramStyleLoss",
    "relaxed": "RelaxedTransportLoss",
    "self-similarity": "SelfSimilarityLoss",
    "matting": "MattingLaplacianLoss",
}
"""Other style losses, and those of the content, which stand beside Gram matrices."""

STEPS |= dict.fromkeys(LOSSES, 180)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--methods", nargs="+", choices=list(STEPS), default=list(STEPS))
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--plan", default="plain", help="plain, recompute or tiles:SIZE")
    parser.add_argument("--network", choices=("vgg19", "compact"), default="compact")
    parser.add_argument("--weights", help="VGG19's; default: random, which takes as much")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args, *json.loads(args.one))))
        return
    rows = []
    print("network | method | case | pixels | MiB | estimated | of it | as")
    for one in itertools.product(args.methods, args.cases, args.sizes):
        found = last_line([sys.executable, __file__, *sys.argv[1:], "--one", json.dumps(one)])
        rows.append({"run": one, **found})
        method, case, size = one
        print(
            f"{args.network} | {method} | {case} | {size} | {found['peak']:.0f} | "
            f"{found['estimate']:.0f} | {found['estimate'] / found['peak']:.2f} | {found['parts']}",
            flush=True,
        )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


def measure(args, method, case, size):
    import numpy as np

    import stylekit as sk

    sk.StyleTransfer, sk.recipes.basic  # noqa: B018 - loads what is imported when it is used
    network = sk.CompactVGG() if args.network == "compact" else sk.VGG19(args.weights)
    count, masked, batch = CASES[case]
    rng = np.random.default_rng(0)
    before = peak()
    photos = rng.random((batch, size, size, 3), dtype="float32")
    styles = list(rng.random((count, size, size, 3), dtype="float32"))
    masks = stripes(count, size) if masked else None
    loss = getattr(sk.losses, LOSSES.get(method, ""), None)
    beside = method in ("self-similarity", "matting")
    style_loss = "gram" if beside else loss or method
    if method == "histograms":

        def style_loss(style, **options):
            return loss(style, histogram_weight=1, **options)

    recipe = sk.recipes.basic(photos[0], styles, size=None, style_loss=style_loss, mask=masks)
    if beside:
        recipe.add(loss(photos))
    if batch > 1:
        recipe.replace("content", sk.ContentLoss(photos, weight=recipe.losses["content"].weight))
        recipe._start = photos
    estimates = []
    kind, *options = parsed(args.plan)
    base = {"plain": sk.Plan, "recompute": sk.Recompute, "tiles": sk.Tiles}[kind]

    class Estimated(base):
        """The plan, which estimates what it is to take."""

        def settle(self, losses, extractor, shape, *, optimizer=None, tell=True, **options):
            if tell:  # of the final size
                options.pop("known")
                estimates.append(
                    sk.estimate_memory(
                        shape, extractor, losses, plan=self, optimizer=optimizer, **options
                    )
                )
            return self, optimizer

    recipe.run(STEPS[method], extractor=network, plan=Estimated(*options))
    (estimate,) = estimates
    return {
        "peak": peak() - before,
        "estimate": estimate.total / 2**20,
        "parts": str(estimate),
    }


def stripes(count, size):
    """Return soft masks of vertical stripes, which sum to 1."""
    import numpy as np

    place = (np.arange(size) + 0.5) / size * count - 0.5
    rows = [np.clip(1 - abs(np.clip(place, 0, count - 1) - k), 0, 1) for k in range(count)]
    return [np.tile(row.astype("float32"), (size, 1)) for row in rows]


if __name__ == "__main__":
    main()
