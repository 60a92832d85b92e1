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
from torch import nn
from torch.nn import functional

CONVOLUTIONS = (2, 2, 4, 4, 4)
MEAN = (123.68, 116.779, 103.939)


def main(path, evaluations):
    job = np.load(path)
    style_layers, content_layers = (
        job[name].tolist() for name in ("style_layers", "content_layers")
    )
    weight = float(job["weight"])
    network = build(job, {*style_layers, *content_layers})
    photo, style = (
        torch.from_numpy(job[name]).permute(2, 0, 1)[None].contiguous()
        for name in ("photo", "style")
    )
    with torch.no_grad():
        kept, seen = features(network, photo), features(network, style)
        goals = {name: gram(seen[name]) for name in style_layers}
    image = photo.clone().requires_grad_(True)
    rows, began = [], time.perf_counter()
    optimizer = torch.optim.LBFGS(
        [image], max_iter=evaluations, max_eval=evaluations, tolerance_grad=-1, tolerance_change=-1
    )

    def closure():
        optimizer.zero_grad()
        found = features(network, image)
        content = sum(error(found[n], kept[n]) for n in content_layers) / len(content_layers)
        total = content + weight * sum(error(gram(found[n]), goals[n]) for n in style_layers) / len(
            style_layers
        )
        total.backward()
        rows.append([total.item(), content.item(), time.perf_counter() - began])
        return total

    while len(rows) < evaluations:
        optimizer.step(closure)
    print(json.dumps(rows))


def build(job, wanted):
    """Return (name, module) down to the deepest layer that is wanted."""
    modules = []
    for block, count in enumerate(CONVOLUTIONS, 1):
        for k in range(1, count + 1):
            name = f"block{block}_conv{k}"
            kernel = torch.from_numpy(job[f"{name}/kernel"]).permute(3, 2, 0, 1)
            convolution = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1)
            convolution.weight.data = kernel.to(memory_format=torch.channels_last)
            convolution.bias.data = torch.from_numpy(job[f"{name}/bias"])
            modules.append((name, convolution.requires_grad_(False)))
            if wanted <= {name for name, _ in modules}:
                return modules
        modules.append((f"block{block}_pool", None))
    raise ValueError(f"no such layers: {wanted}")


def features(network, image):
    x = (image * 255 - torch.tensor(MEAN)[:, None, None])[:, [2, 1, 0]]
    x = x.to(memory_format=torch.channels_last)
    found = {}
    for name, convolution in network:
        x = functional.max_pool2d(x, 2) if convolution is None else functional.relu(convolution(x))
        found[name] = x
    return found


def gram(feature):
    flat = feature[0].flatten(1)
    return flat @ flat.T / flat.shape[1]


def error(value, goal):
    return ((value - goal) ** 2).sum() / ((goal**2).sum() + 1e-8)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
