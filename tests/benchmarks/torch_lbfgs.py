"""What a user of a PyTorch program gets: L-BFGS from the content, on stylekit's objective.

Run by optimizers.py as ``python torch_lbfgs.py JOB.npz EVALUATIONS``; needs PyTorch and NumPy only.
The job holds the pictures, and VGG19's kernels and biases by Keras's names of the layers. Prints
JSON: the loss and its content term at every evaluation, and the seconds by then.
"""

import json
import sys
import time

import numpy as np
import torch
from torch_vgg import Classic, Network, as_tensor  # beside this program


def main(path, evaluations):
    job = np.load(path)
    content_layers, style_layers = (
        job[name].tolist() for name in ("content_layers", "style_layers")
    )
    weight = float(job["weight"])
    network = Network({*content_layers, *style_layers}, job)
    photo, style = as_tensor(job["photo"]), as_tensor(job["style"])
    errors = Classic(network, photo, style, content_layers, style_layers)
    image = photo.clone().requires_grad_(True)
    rows, began = [], time.perf_counter()
    optimizer = torch.optim.LBFGS(
        [image], max_iter=evaluations, max_eval=evaluations, tolerance_grad=-1, tolerance_change=-1
    )

    def closure():
        optimizer.zero_grad()
        content, style = errors(image)
        total = content + weight * style
        total.backward()
        rows.append([total.item(), content.item(), time.perf_counter() - began])
        return total

    while len(rows) < evaluations:
        optimizer.step(closure)
    print(json.dumps(rows))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
