"""How good the results of several methods are, measured with VGG19 on the same pairs of pictures.

    python tests/benchmarks/quality.py --data DATA [--pairs tubingen-shipwreck ...] [--size 384]
        [--networks compact vgg19] [--methods gram neighbors gram_before neighbors,strength=0.7 ...]
        [--options strength=0.5 ...] [--out FOLDER]
    python tests/benchmarks/quality.py --data DATA --judge PHOTO STYLE RESULT [--judge ...]

The first form runs every method with every network and prints a row a result, then the means. The
second judges ready pictures. DATA holds ``images`` and ``weights``, as for the other benchmarks.
A method is a name of `METHODS`, with further arguments of `stylekit.stylize` after commas;
``--options`` sets those that a method leaves open. ``--out`` writes the results and a contact
sheet. VGG19 paints with conv1_1 to conv4_1, as far as the weights in DATA go.

near, cover: `style_nearness` and `style_coverage`, each divided by the value of the photograph;
lower is nearer to the style. self: `self_similarity_distance` to the photograph. chroma:
`chroma_noise`, divided by that of the style. frame: `stylekit.metrics.frame`, less that of the
photograph. seconds: the whole call of `stylize`, with tracing.
"""

import argparse
import ast
import time
from pathlib import Path

import numpy as np

import stylekit as sk
from stylekit import metrics

PAIRS = {
    f"{Path(content).stem}-{Path(style).stem}": (content, style)
    for content, style in (
        ("content/golden_gate.jpg", "style/wave.jpg"),
        ("content/tubingen.jpg", "style/starry_night.jpg"),
        ("content/brad_pitt.jpg", "style/woman-with-hat-matisse.jpg"),
        ("content/chicago.jpg", "style/the_scream.jpg"),
        ("nnst/C1.jpg", "nnst/S4.jpg"),
        ("nnst/C3.jpg", "nnst/S1.jpg"),
        ("content/coral_cat_720p.jpg", "style/water-lilies-1919-2.jpg"),
        ("content/coral_pets.jpg", "style/composition_vii.jpg"),
        ("content/face.jpg", "style/picasso_selfport1907.jpg"),
        ("content/grace_hopper.bmp", "style/seated-nude.jpg"),
        ("content/hoovertowernight.jpg", "style/vg_houses.jpg"),
        ("content/tubingen.jpg", "style/shipwreck.jpg"),
    )
}
METHODS = {
    "gram": {"style_loss": "gram"},
    "neighbors": {"style_loss": "neighbors"},
    "gram_before": {"style_loss": "gram", "strength": 0.5, "pyramid": 1, "steps": 300},
}
NETWORKS = ("compact", "vgg19")
STYLE_LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1")  # of VGG19
CONTENT_LAYERS = ("block4_conv1",)
SIZE = 384
HEADS = ("near", "cover", "self", "chroma", "frame", "seconds")


class Judge:
    """Measures results of one photograph and one style.

    Parameters
    ----------
    photo, style : ndarray [H, W, 3]
        At the size of the results.
    network : FeatureExtractor
    """

    def __init__(self, photo, style, network):
        self.photo, self.style, self.network = photo, style, network
        self.start = self._distances(photo)

    def __call__(self, result):
        near, cover = self._distances(result)
        return {
            "near": near / self.start[0],
            "cover": cover / self.start[1],
            "self": metrics.self_similarity_distance(self.photo, result, extractor=self.network),
            "chroma": metrics.chroma_noise(result) / metrics.chroma_noise(self.style),
            "frame": metrics.frame(result) - metrics.frame(self.photo),
        }

    def _distances(self, picture):
        return [
            measure(self.style, picture, extractor=self.network)
            for measure in (metrics.style_nearness, metrics.style_coverage)
        ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", default="weights/vgg19_conv1_1_to_conv4_1.npz")
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=list(PAIRS), metavar="PAIR")
    parser.add_argument("--size", type=int, help=f"longer side; default: {SIZE}, or a result's own")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=["compact"])
    parser.add_argument(
        "--methods", nargs="+", type=method, default=[method("gram"), method("neighbors")]
    )
    parser.add_argument("--options", nargs="+", type=option, default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--judge", nargs=3, action="append", metavar=("PHOTO", "STYLE", "RESULT"))
    args = parser.parse_args()
    vgg19 = sk.VGG19(args.data / args.weights)
    print(f"| picture | method | {' | '.join(HEADS)} |\n|{'---|' * (2 + len(HEADS))}")
    (judge_ready if args.judge else run)(args, vgg19)


def option(text):
    """Return the key and the value of ``key=value``; what is no literal of Python is a string."""
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise argparse.ArgumentTypeError(f"an option must be KEY=VALUE, got {text!r}")
    try:
        return key, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return key, value


def method(text):
    """Return the label and the arguments of a method, ``NAME[,KEY=VALUE...]``."""
    name, *options = text.split(",")
    if name not in METHODS:
        raise argparse.ArgumentTypeError(
            f"a method must be one of {', '.join(METHODS)}, got {name}"
        )
    return text, METHODS[name] | dict(map(option, options))


def judge_ready(args, vgg19):
    """Print a row a ready picture."""
    for photo, style, result in args.judge:
        image = sk.read_image(result, args.size)
        photo = sk.image.resize(sk.read_image(photo), image.shape[:2])
        judge = Judge(photo, sk.read_image(style, max(image.shape[:2])), vgg19)
        print_row(Path(result).stem, "-", judge(image))


def run(args, vgg19):
    """Run the methods, and print a row a result and the means of each method."""
    size = args.size or SIZE
    extractors = {"compact": sk.CompactVGG(), "vgg19": vgg19}
    vgg19.style_layers, vgg19.content_layers = STYLE_LAYERS, CONTENT_LAYERS
    rows, cells, labels = {}, [], []
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
    for pair in args.pairs:
        photo, style = (sk.read_image(args.data / "images" / path, size) for path in PAIRS[pair])
        judge = Judge(photo, style, vgg19)
        cells += [photo, style]
        labels += [pair.split("-", 1)[0], pair.split("-", 1)[1]]
        for network in args.networks:
            for name, options in args.methods:
                options = dict(args.options) | options
                begin = time.perf_counter()
                result = sk.stylize(
                    photo, style, size=None, extractor=extractors[network], **options
                )
                seconds = time.perf_counter() - begin
                row = judge(result.image) | {"seconds": seconds}
                label = f"{name} {network}"
                print_row(pair, label, row)
                rows.setdefault(label, []).append(row)
                cells.append(result.image)
                labels.append((label, f"near {row['near']:.3f}, self {row['self']:.3f}"))
                if args.out:
                    sk.write_image(args.out / f"{pair}-{name}-{network}.png", result.image)
    for label, own in rows.items():
        print_row("mean", label, {head: np.mean([row[head] for row in own]) for head in HEADS})
    if args.out:
        sheet = sk.image.contact_sheet(cells, labels, columns=2 + len(rows))
        sk.write_image(args.out / "sheet.png", sheet)


def print_row(picture, label, row):
    values = [f"{row[head]:.{1 if head == 'seconds' else 3}f}" for head in HEADS if head in row]
    values += ["-"] * (len(HEADS) - len(values))
    print(f"| {picture} | {label} | {' | '.join(values)} |", flush=True)


if __name__ == "__main__":
    main()
