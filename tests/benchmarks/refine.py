"""What each refinement does to the bird's mask, and what it costs.

    python tests/benchmarks/refine.py DATA [--sheet FOLDER] [--size 512]

DATA has ``deeplab/`` (the model files, ``bird_segmentation.bmp`` and its mask) and
``images/content/``. IoU is of the bird at its own size against its true mask, before and after.
The peak is that of Python's and NumPy's memory above what was there before. With ``--sheet`` the
cut-out of each refinement is written there for the bird and for people, hair and fur.
"""

import argparse
import time
import tracemalloc
from pathlib import Path

import numpy as np
from PIL import Image

from stylekit.image import read_image, write_image
from stylekit.masks import DeepLab, crf, guided, matte

FILES = ("deeplabv3_257_mv_gpu.tflite", "deeplabv3_mnv2_pascal_quant.tflite")
PICTURES = {"coral_pets.jpg": "dog", "brad_pitt.jpg": "person", "grace_hopper.bmp": "person"}
GROUND = np.array([1, 0.2, 0.8], np.float32)


def refinements(picture, found, name):
    """Yield each way's name and a function of nothing that returns the mask."""
    hard = found.mask(name)
    yield "none", lambda: hard
    yield "guided", lambda: guided(picture, hard)
    yield "matte", lambda: matte(picture, hard)
    yield "crf", lambda: crf(picture, found).mask(name, soft=True)
    yield "crf of the hard mask", lambda: crf(picture, hard)
    yield "crf, then matte", lambda: matte(picture, crf(picture, found).mask(name))


def measured(call):
    tracemalloc.start()
    start = time.perf_counter()
    mask = call()
    seconds = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return mask, seconds, peak


def cut_out(picture, mask):
    return mask[..., np.newaxis] * picture + (1 - mask[..., np.newaxis]) * GROUND


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--size", type=int, default=512)
    args = parser.parse_args()
    folder = args.data / "deeplab"
    truth = np.asarray(Image.open(folder / "bird_segmentation_mask.bmp")) >= 2
    bird = read_image(folder / "bird_segmentation.bmp")
    pictures = {"bird": (bird, "bird")}
    if args.sheet:
        args.sheet.mkdir(parents=True, exist_ok=True)
        for file, name in PICTURES.items():
            picture = read_image(args.data / "images" / "content" / file, args.size)
            pictures[Path(file).stem] = picture, name
    print("| segmenter | refinement | IoU | s | peak MiB |\n|" + " --- |" * 5)
    for file in FILES:
        segment = DeepLab(folder / file)
        for key, (picture, name) in pictures.items():
            cuts = []
            for way, call in refinements(picture, segment(picture), name):
                mask, seconds, peak = measured(call)
                if key == "bird":
                    found = mask >= 0.5
                    iou = np.sum(found & truth) / np.sum(found | truth)
                    print(
                        f"| {file} | {way} | {iou:.3f} | {seconds:.1f} | {peak:.0f} |", flush=True
                    )
                cuts.append(cut_out(picture, mask))
            if args.sheet:
                half = len(cuts) // 2
                rows = [np.concatenate(row, axis=1) for row in (cuts[:half], cuts[half:])]
                write_image(args.sheet / f"{Path(file).stem}_{key}.png", np.concatenate(rows))


if __name__ == "__main__":
    main()
