"""How well each model file segments, and how well they agree.

    python tests/benchmarks/segmentation.py DATA [--size 640]

DATA has ``deeplab/`` (the model files, ``bird_segmentation.bmp`` and its mask) and
``images/content/``. IoU is of the bird against its true mask, a pixel counting as bird where the
mask is nearer to 3 than to 0 (its edge is interpolated). Agreement is the share of pixels with the
label of the first file, on each picture at `size`.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

from stylekit.image import read_image
from stylekit.masks.segmenters.deeplab import DeepLab

FILES = (
    "deeplabv3_257_mv_gpu.tflite",
    "deeplabv3_mnv2_dm05_257.keras",
    "frozen_inference_graph.pb",
    "saved_model",
    "deeplabv3_mnv2_pascal_quant.tflite",
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--size", type=int, default=640)
    args = parser.parse_args()
    folder = args.data / "deeplab"
    truth = np.asarray(Image.open(folder / "bird_segmentation_mask.bmp")) >= 2
    pictures = {"bird": read_image(folder / "bird_segmentation.bmp")}
    for path in sorted((args.data / "images" / "content").iterdir()):
        pictures[path.stem] = read_image(path, args.size)
    first = None
    print("| file | works at | scores | IoU bird | " + " | ".join(pictures) + " | mean | s |")
    print("|" + " --- |" * (len(pictures) + 6))
    for name in FILES:
        segment = DeepLab(folder / name)
        segment(pictures["bird"])  # warm
        start = time.perf_counter()
        found = {key: segment(picture) for key, picture in pictures.items()}
        seconds = (time.perf_counter() - start) / len(pictures)
        first = first or found
        bird = found["bird"].mask("bird") > 0
        iou = np.sum(bird & truth) / np.sum(bird | truth)
        same = [np.mean(found[key].labels == first[key].labels) for key in pictures]
        cells = [f"{share:.2%}" for share in (*same, np.mean(same))]
        scores = "yes" if found["bird"].scores is not None else "no"
        size = "x".join(map(str, segment.size))
        print(f"| {name} | {size} | {scores} | {iou:.3f} | {' | '.join(cells)} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
