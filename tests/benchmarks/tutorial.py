"""Losses that two published programs printed, beside those of the presets with their settings.

    python tests/benchmarks/tutorial.py CONTENT STYLE --weights FILE [--size 512] [--steps 1000]

The first is TensorFlow's tutorial with eager execution, whose table counts by how much the style
loss has fallen; the second is the Keras example, of which the total is known. Their pictures are
not those that are given here: the falls compare, and of the second the shares of the total at step
100, not the losses. ``--content-layers`` and ``--style-layers`` take the place of layers that the
weights do not hold. Features differ in size between layers: ``--content-factor`` multiplies the
weight of the content. ``--lbfgs`` runs the same losses with stylekit's L-BFGS.
"""

import argparse

import stylekit as sk
from stylekit.recipes import presets

TUTORIAL = {0: 5.78e8, 100: 1.69e7, 500: 1.47e6, 900: 7.68e5}
"""Style loss by iteration."""

KERAS = {100: 8356, 500: 6401, 1000: 5977, 2000: 5696, 4000: 5529}
"""Total loss by iteration."""


def losses_of(recipe, args, wanted):
    """Return the losses at the steps that were published, and the seconds, of one run."""
    optimizer = sk.LBFGS() if args.lbfgs else None
    recipe.losses["content"].weight *= args.content_factor
    result = recipe.run(args.steps, extractor=sk.VGG19(args.weights), optimizer=optimizer)
    seen = {step: result.losses[step] for step in wanted if step <= args.steps}
    return seen, result.seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--style-layers", nargs="+")
    parser.add_argument("--content-layers", nargs="+")
    parser.add_argument("--content-factor", type=float, default=1.0)
    parser.add_argument("--lbfgs", action="store_true")
    args = parser.parse_args()
    own = {name: getattr(args, name) for name in ("size", "style_layers", "content_layers")}

    recipe = presets.realtime_tutorial(args.content, args.style, **own)
    losses, seconds = losses_of(recipe, args, TUTORIAL)
    style = recipe.losses["gram_style"]
    print(f"realtime_tutorial, style at {', '.join(style.layers)}, {seconds:.0f} s")
    print("| step | theirs | fall | ours | fall |\n| --- | --- | --- | --- | --- |")
    for step, seen in losses.items():
        theirs, ours = TUTORIAL[step], style.weight * seen["gram_style"]
        falls = TUTORIAL[0] / theirs, losses[0]["gram_style"] / seen["gram_style"]
        print(f"| {step} | {theirs:.3g} | {falls[0]:.0f}x | {ours:.3g} | {falls[1]:.0f}x |")

    recipe = presets.keras_example(args.content, args.style, **own)
    losses, seconds = losses_of(recipe, args, {0: 0} | KERAS)
    print(f"\nkeras_example, {seconds:.0f} s")
    print("| step | theirs | of step 100 | ours | of step 100 |\n| --- | --- | --- | --- | --- |")
    for step, seen in losses.items():
        theirs = f"{KERAS[step]} | {KERAS[step] / KERAS[100]:.3f}" if step else " | "
        share = seen["total"] / losses[100]["total"] if 100 in losses else float("nan")
        print(f"| {step} | {theirs} | {seen['total']:.0f} | {share:.3f} |")


if __name__ == "__main__":
    main()
