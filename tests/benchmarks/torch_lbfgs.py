"""What a user of a PyTorch program gets: L-BFGS from the content.

Run by optimizers.py as ``python torch_lbfgs.py JOB.npz EVALUATIONS FOLDER``; needs PyTorch and
NumPy only. The job holds the pictures, the weights of the terms, and VGG19's kernels and biases by
Keras's names of the layers. Prints JSON: the loss at every evaluation, and the seconds by then; the
images at a fifth, two fifths and all of the evaluations go to the folder.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch_vgg import Network, as_tensor, error, gram  # beside this program


def main(path, evaluations, folder):
    job = np.load(path)
    content_layers, style_layers = (
        job[name].tolist() for name in ("content_layers", "style_layers")
    )
    content_weight, variation = float(job["content_weight"]), float(job["variation"])
    style_weights = job["style_weights"].tolist()
    network = Network({*content_layers, *style_layers}, job)
    photo, style = as_tensor(job["photo"]), as_tensor(job["style"])
    with torch.no_grad():
        kept, seen = network(photo), network(style)
    goals = {name: gram(seen[name]) for name in style_layers}
    image = photo.clone().requires_grad_(True)
    marks = {evaluations * k // 5 for k in (1, 2, 5)}
    rows, aside, began = [], 0.0, time.perf_counter()
    optimizer = torch.optim.LBFGS(
        [image], max_iter=evaluations, max_eval=evaluations, tolerance_grad=-1, tolerance_change=-1
    )

    def closure():
        nonlocal aside
        optimizer.zero_grad()
        found = network(image)
        total = content_weight * sum(error(found[name], kept[name]) for name in content_layers)
        for weight, (name, goal) in zip(style_weights, goals.items(), strict=True):
            total = total + weight * error(gram(found[name]), goal)
        if variation:
            down, along = image.diff(dim=2), image.diff(dim=3)
            total = total + variation / image.numel() * (down.abs().sum() + along.abs().sum())
        total.backward()
        now = time.perf_counter()
        rows.append([total.item(), now - began - aside])
        if len(rows) in marks:
            np.save(Path(folder) / f"{len(rows)}.npy", image.detach()[0].permute(1, 2, 0).numpy())
            aside += time.perf_counter() - now
        return total

    while len(rows) < evaluations:
        optimizer.step(closure)
    print(json.dumps(rows))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
