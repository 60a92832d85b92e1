"""How much stylised videos flicker, and whether they drift: three made clips, or a video file.

    python tests/benchmarks/flicker.py STYLE [--width 640] [--frames 8]
        [--clips pan zoom object FILE ...] [--weights FILE] [--pictures FOLDER]
        [--judge NUMBER ...] [--options NAME=VALUE ...]

The clips pan, zoom and object, in which something moves over a background, are made of photographs
of scikit-image. Their flow is known: the warping error is taken by it, not by the flow that is
estimated. Of a video file the first frames are taken, and the flow is estimated as `stylize_frames`
does by default: an error of the flow that both make alike is not seen.

In the table: the clip itself, each frame painted alone, and `stylize_frames` with the options
given, such as temporal_weight=30 or style_loss="gram"; the error of the last divided by that of
frames alone, which is to be at most 0.5; and the median seconds of a processor a frame, but for the
first, of both. With --judge only frames of these numbers are painted alone, and a second table
compares them with those of the video: the metrics near, cover, self and chroma of
`sk.metrics.evaluate`, the mean colour, and the sharpness, which is the root of the mean square
gradient. Without --weights the bundled network paints and judges. FOLDER gets a strip of the last
four frames of each, or of those that are judged.
"""

import argparse
import ast
import itertools
import time
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage import data

import stylekit as sk
from stylekit.metrics import evaluate, warping_error


def sampled(photo, rows, columns):
    """Return the colours of a photograph at places in its pixels, ``[H, W, 3]``."""
    planes = [
        ndimage.map_coordinates(plane, (rows, columns), mode="mirror")
        for plane in np.moveaxis(photo, -1, 0)
    ]
    return np.stack(planes, axis=-1).clip(0, 1).astype(np.float32)


def smoothed(photo, step):
    """Return a photograph that can be sampled every `step` pixels."""
    return ndimage.gaussian_filter(photo / 255, (step / 2.5, step / 2.5, 0))


def clips(width, count):
    """Return by name frames, their flows to the frames before, and where these show the same."""
    height = width * 9 // 16
    rows, columns = np.indices((height, width))
    y, x = rows - height / 2, columns - width / 2
    coffee, cat, woman = data.coffee(), data.chelsea(), data.astronaut()
    made = {}

    step = 360 / width
    photo = smoothed(coffee, step)
    move = np.array([0.011, 0.004], np.float32) * width
    frames = [
        sampled(photo, 200 + step * (y + i * move[1]), 270 + step * (x + (i - count / 2) * move[0]))
        for i in range(count)
    ]
    made["pan"] = frames, [np.broadcast_to(move, (height, width, 2))] * count, None

    step, zoom = 300 / width, 0.975
    photo = smoothed(cat, step)
    frames = [
        sampled(photo, 150 + step * zoom**i * y, 225 + step * zoom**i * x) for i in range(count)
    ]
    flow = np.stack([x, y], axis=-1) * (zoom - 1)
    made["zoom"] = frames, [flow] * count, None

    step = 360 / width
    back = sampled(smoothed(coffee, step), 200 + step * y, 300 + step * x)
    step, move = 300 / width, 0.02 * width
    photo = smoothed(woman, step)
    frames, masks = [], []
    for i in range(count):
        there = x - (i - count / 2) * move
        mask = (there / (0.17 * width)) ** 2 + ((y - 0.03 * height) / (0.46 * height)) ** 2 < 1
        woman = sampled(photo, 130 + step * y, 220 + step * there)
        frames.append(np.where(mask[..., None], woman, back))
        masks.append(mask)
    flows = [mask[..., None] * np.array([-move, 0]) for mask in masks]
    made["object"] = frames, flows, masks

    return {
        name: (frames, flows, [_same(flows, masks, i) for i in range(count)])
        for name, (frames, flows, masks) in made.items()
    }


def _same(flows, masks, i):
    """Return where frame i and the one before show the same, less the edge of what moves."""
    height, width = flows[i].shape[:2]
    rows, columns = np.indices((height, width))
    x, y = columns + flows[i][..., 0], rows + flows[i][..., 1]
    same = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    if masks is not None and i:
        before, now = (ndimage.binary_dilation(masks[k]) for k in (i - 1, i))
        same &= ndimage.binary_erosion(masks[i]) | ~(before | now)
    return same


def of_file(path, width, count):
    """Return the first frames of a video, their estimated flows, and where these are consistent."""
    source = itertools.islice(sk.image.Video(path), count)
    frames = [sk.image.as_image(frame, size=width) for frame in source]
    flows, same = [None], [None]
    for before, frame in itertools.pairwise(frames):
        flows.append(sk.image.optical_flow(frame, before))
        same.append(sk.image.unoccluded(flows[-1], sk.image.optical_flow(before, frame)))
    return frames, flows, same


def error(frames, flows, same):
    """Return the mean warping error of a clip."""
    pairs = range(1, len(frames))
    return np.mean([warping_error(frames[i], frames[i - 1], flows[i], same[i]) for i in pairs])


def judged(image, frame, style, network):
    """Return the cells of a frame: four metrics, the mean colour, and the sharpness."""
    found = evaluate(image, content=frame, style=style, extractor=network)
    cells = [f"{found[name]:.3f}" for name in ("near", "cover", "self", "chroma")]
    cells.append(" ".join(f"{value:.3f}" for value in image.mean(axis=(0, 1))))
    gradients = np.gradient(image.mean(axis=-1))
    return [*cells, f"{np.sqrt(np.mean(np.square(gradients))):.4f}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("style", type=Path)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--clips", nargs="+", default=["pan", "zoom", "object"])
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--judge", nargs="+", type=int, default=[], metavar="NUMBER")
    parser.add_argument("--options", nargs="+", default=[], metavar="NAME=VALUE")
    args = parser.parse_args()
    network = sk.VGG19(args.weights) if args.weights else sk.CompactVGG()
    options = {
        name: ast.literal_eval(value)
        for name, value in (option.split("=", 1) for option in args.options)
    }
    own = ("next_steps", "temporal_weight", "earlier", "cut", "passes")
    alone_options = {name: value for name, value in options.items() if name not in own}
    how = {"size": None, "extractor": network}
    plan = sk.Reuse()
    print("clip | itself | alone | video | video/alone | s alone | s video | kept")
    made = clips(args.width, args.frames)
    for name in args.clips:
        frames, flows, same = made[name] if name in made else of_file(name, args.width, args.frames)
        name, alone, seconds = Path(name).stem, {}, []
        for number in args.judge or range(1, len(frames) + 1):
            began = time.process_time()
            result = sk.stylize(frames[number - 1], args.style, plan=plan, **how, **alone_options)
            alone[number] = result.image
            seconds.append(time.process_time() - began)
        video, times, began = [], [], time.process_time()
        for frame in sk.batch.stylize_frames(frames, args.style, plan=plan, **how, **options):
            video.append(frame)
            times.append(time.process_time() - began)
            began = time.process_time()
        images = [frame.image for frame in video]
        clip, stylised = (error(one, flows, same) for one in (frames, images))
        cells = [f"{clip:.4f}", "", f"{stylised:.4f}", ""]
        if not args.judge:
            painted = error(list(alone.values()), flows, same)
            cells = [
                f"{clip:.4f}",
                f"{painted:.4f}",
                f"{stylised:.4f}",
                f"{stylised / painted:.2f}",
            ]
        cells += [f"{np.median(one[1:]):.1f}" for one in (seconds, times)]
        cells.append(f"{np.mean([frame.kept for frame in video[1:]]):.0%}")
        print(" | ".join([name, *cells]), flush=True)
        shown = args.judge or range(len(frames) - 3, len(frames) + 1)
        if args.judge:
            print("frame | near | cover | self | chroma | colour | sharpness")
        for number in args.judge:
            for what, image in (("alone", alone[number]), ("video", images[number - 1])):
                cells = judged(image, frames[number - 1], args.style, network)
                print(" | ".join([f"{number} {what}", *cells]), flush=True)
        if args.pictures:
            args.pictures.mkdir(parents=True, exist_ok=True)
            rows = [
                np.concatenate([one[number] for number in shown], axis=1)
                for one in (dict(enumerate(frames, 1)), alone, dict(enumerate(images, 1)))
            ]
            sk.write_image(args.pictures / f"{name}.png", np.concatenate(rows))


if __name__ == "__main__":
    main()
