"""How the compact network's results hold beside VGG19's: curves of style against content.

    python tests/benchmarks/compact.py run DATA OUT vgg19 [compact student16 vgg19-short]
    python tests/benchmarks/compact.py judge DATA OUT [--sheet sheet.png]

`run` stylises eight pairs at five strengths with each network, and goes on where it was left;
``vgg19-short`` has as many steps as VGG19 takes in the compact network's time. `judge` measures
all results with the real VGG19 to conv4_1: the fall of the relative Gram distances (in logarithms,
from the photograph's), the relative content at conv4_1, the sliced Wasserstein distances of the
same features, which no network was trained for, and the energy above 0.35 cycles a pixel. Networks
are compared at equal judged content, at three levels between the ends of both curves.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import strength as five  # the benchmark beside this one

import stylekit as sk
from stylekit.features.distillation.collaborative import collaborative_student

PAIRS = (
    *five.PAIRS,
    ("coral_cat_720p.jpg", "vg_houses.jpg"),
    ("face.jpg", "picasso_selfport1907.jpg"),
    ("grace_hopper.bmp", "seated-nude.jpg"),
)
STRENGTHS = (0.1, 0.3, 0.5, 0.7, 0.9)
LAYERS, CONTENT = five.STYLE, five.CONTENT
SIZE, STEPS, PYRAMID = 384, 120, 3
SHORT = 10  # times fewer steps


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("run", "judge"))
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--compact-weights", help="default: the bundled ones")
    parser.add_argument("--own-layers", action="store_true", help="the network's default layers")
    parser.add_argument("--variation", type=float)
    parser.add_argument("--pairs", type=int, default=len(PAIRS))
    parser.add_argument("--strengths", type=float, nargs="+", default=STRENGTHS)
    parser.add_argument("--sheet", type=Path)
    args = parser.parse_args()
    (run if args.what == "run" else judge)(args)


def pictures(args, content, style):
    folder = args.data / "images"
    return (
        sk.read_image(folder / "content" / content, SIZE),
        sk.read_image(folder / "style" / style, SIZE),
    )


def place(args, network, content, style, strength):
    return args.out / network / f"{Path(content).stem}-{Path(style).stem}-{strength}.npz"


def judge_network(args):
    return sk.VGG19(args.data / "weights/vgg19_conv1_1_to_conv4_1.npz")


def network(args, name):
    if name.startswith("vgg19"):
        return judge_network(args)
    if name.startswith("student16"):
        return collaborative_student(args.data / "weights/vgg19_16x_student.npz")
    return sk.CompactVGG(args.compact_weights)


def run(args):
    for name in args.networks:
        extractor = network(args, name)
        layers = {} if args.own_layers else {"style_layers": LAYERS, "content_layers": CONTENT}
        if args.variation is not None:
            layers["variation"] = args.variation
        for content, style in PAIRS[: args.pairs]:
            photo, painting = pictures(args, content, style)
            for strength in args.strengths:
                path = place(args, name, content, style, strength)
                if path.exists():
                    continue
                result = sk.stylize(
                    photo,
                    painting,
                    strength=strength,
                    size=None,
                    steps=STEPS // SHORT if name.endswith("short") else STEPS,
                    pyramid=PYRAMID,
                    extractor=extractor,
                    **layers,
                )
                path.parent.mkdir(parents=True, exist_ok=True)
                np.savez(path, image=result.image, seconds=result.seconds)
                print(f"{path.parent.name}/{path.stem} {result.seconds:.1f} s", flush=True)


def features(model, image):
    return {name: np.asarray(x)[0] for name, x in model(image[None]).items()}


def gram(feature):
    flat = feature.reshape(-1, feature.shape[-1])
    return flat.T @ flat / len(flat)


def quantiles(feature, count=1024, directions=128):
    flat = feature.reshape(-1, feature.shape[-1])
    axes = np.random.default_rng(0).normal(size=(flat.shape[1], directions)).astype("float32")
    values = np.sort(flat @ (axes / np.linalg.norm(axes, axis=0)), axis=0)
    at = np.linspace(0, len(values) - 1, count)
    low = at.astype(int)
    high = np.minimum(low + 1, len(values) - 1)
    part = (at - low)[:, None]
    return values[low] * (1 - part) + values[high] * part


def relative(value, target):
    return float(np.sum((value - target) ** 2) / np.sum(target**2))


def fine_energy(image):
    gray = image @ np.float32([0.299, 0.587, 0.114])
    window = np.outer(np.hanning(gray.shape[0]), np.hanning(gray.shape[1]))
    power = np.abs(np.fft.fft2((gray - gray.mean()) * window)) ** 2
    frequencies = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, gray.shape), indexing="ij"))
    return float(power[frequencies > 0.35].sum() / power.size)


def measure(model, image, content, style):
    """Return the judges' numbers of an image."""
    seen = features(model, image)
    grams = [relative(gram(seen[n]), gram(style[n])) for n in LAYERS]
    swd = [relative(quantiles(seen[n]), quantiles(style[n])) for n in LAYERS]
    return {
        "layers": grams,
        "style": float(np.mean(grams)),
        "swd": float(np.mean(swd)),
        "content": relative(seen[CONTENT[0]], content[CONTENT[0]]),
        "fine": fine_energy(image),
    }


def judge(args):
    model = judge_network(args).model(LAYERS)
    networks = args.networks or sorted(p.name for p in args.out.iterdir() if p.is_dir())
    curves, rows = {}, []
    for content, style in PAIRS[: args.pairs]:
        photo, painting = pictures(args, content, style)
        seen, target = features(model, photo), features(model, painting)
        start = measure(model, photo, seen, target)
        for name in networks:
            points = []
            for strength in args.strengths:
                path = place(args, name, content, style, strength)
                if not path.exists():
                    continue
                with np.load(path) as saved:
                    point = measure(model, saved["image"], seen, target)
                    point |= {"strength": strength, "seconds": float(saved["seconds"])}
                points.append(point)
                rows.append({"network": name, "content_picture": content, "style_picture": style})
                rows[-1] |= point
            if points:
                curves[content, name] = falls(points, start)
    (args.out / "judged.json").write_text(json.dumps(rows, indent=1))
    for name in networks:
        if name != "vgg19":
            table(args, curves, name)
    averages(rows, networks)
    if args.sheet:
        sheet(args, networks)


def falls(points, start):
    """Return the curve: arrays by content, from little to much style."""
    points = sorted(points, key=lambda point: point["content"])
    return {
        "content": np.log([point["content"] for point in points]),
        "style": np.log([start["style"] / point["style"] for point in points]),
        "swd": np.log([start["swd"] / point["swd"] for point in points]),
        "fine": np.log([point["fine"] for point in points]),
        **{
            layer: np.log([start["layers"][k] / point["layers"][k] for point in points])
            for k, layer in enumerate(LAYERS)
        },
    }


def table(args, curves, name):
    heads = ("style", "swd", *LAYERS, "fine")
    print(f"\n{name} / vgg19 at equal content\npair | " + " | ".join(heads))
    kept = []
    for content, style in PAIRS[: args.pairs]:
        if (content, name) not in curves or (content, "vgg19") not in curves:
            continue
        ours, theirs = curves[content, name], curves[content, "vgg19"]
        low = max(ours["content"][0], theirs["content"][0])
        high = min(ours["content"][-1], theirs["content"][-1])
        if low >= high:
            print(f"{content} x {style}: the curves do not overlap")
            continue
        levels = low + (high - low) * np.array([0.25, 0.5, 0.75])
        row = []
        for what in heads:
            own, other = (np.interp(levels, c["content"], c[what]) for c in (ours, theirs))
            row.append(np.mean(np.exp(own - other) if what == "fine" else own / other))
        kept.append(row)
        print(f"{Path(content).stem} x {Path(style).stem} | " + " | ".join(f"{v:.3f}" for v in row))
    if kept:
        print("mean | " + " | ".join(f"{v:.3f}" for v in np.mean(kept, axis=0)))
        print("least | " + " | ".join(f"{v:.3f}" for v in np.min(kept, axis=0)))


def averages(rows, networks):
    """Print the mean over pairs of content and style by strength, and seconds."""
    print("\nnetwork | strength | content | style | seconds")
    for name in networks:
        for strength in sorted({row["strength"] for row in rows}):
            own = [r for r in rows if (r["network"], r["strength"]) == (name, strength)]
            if own:
                content, style = (
                    np.exp(np.mean(np.log([r[k] for r in own]))) for k in ("content", "style")
                )
                seconds = np.mean([r["seconds"] for r in own])
                print(f"{name} | {strength} | {content:.4f} | {style:.4f} | {seconds:.1f}")


def sheet(args, networks):
    """Write a row a pair at strength 0.7: photograph, style, a result a network."""
    rows = []
    for content, style in PAIRS[: args.pairs]:
        cells = list(pictures(args, content, style))
        for name in networks:
            path = place(args, name, content, style, 0.7)
            if path.exists():
                with np.load(path) as saved:
                    cells.append(saved["image"])
        cells = [sk.image.resize(cell, (288, 288)) for cell in cells]
        rows.append(np.concatenate(cells, axis=1))
    sk.write_image(args.sheet, np.concatenate(rows))


if __name__ == "__main__":
    main()
