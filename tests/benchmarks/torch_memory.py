"""Peak memory of a PyTorch program on the objective of memory.py.

Run by it as ``python torch_memory.py SIZE STYLE HISTORY REPEAT LAYOUT``; needs PyTorch and NumPy
only. A history of 0 is a plain gradient step; else it is L-BFGS's, as after so many steps: it is
first filled on a quadratic, which takes far less time and leaves the peak a twentieth below that of
a run of so many steps. Prints JSON: the peak above the level after the import in MiB, and the
median seconds of a step.
"""

import itertools
import json
import sys
import time

import numpy as np
import torch
from gradient import peak  # beside this program
from torch_vgg import CONTENT, STYLE, Classic, Network, as_tensor


def main(size, style_size, history, repeat, layout):
    before = peak()
    rng = np.random.default_rng(0)
    photo, style = (
        as_tensor(rng.random((side, side, 3), dtype="float32")) for side in (size, style_size)
    )
    errors = Classic(Network({*CONTENT, *STYLE}, layout=layout), photo, style)
    image = photo.clone().requires_grad_(True)
    optimizer = torch.optim.SGD([image], lr=1e-3)
    if history:
        optimizer = filled(image, history, repeat)
    times = []

    def closure():
        times.append(time.perf_counter())
        optimizer.zero_grad()
        content, style = errors(image)
        total = content + 8 * style + 0.1 * variation(image)
        total.backward()
        return total

    while len(times) < repeat + 2:  # the first evaluation is not timed
        optimizer.step(closure)
    if not image.isfinite().all():
        raise SystemExit("the image is not finite")
    seconds = sorted(b - a for a, b in itertools.pairwise(times[1:]))
    print(json.dumps({"peak": peak() - before, "seconds": seconds[len(seconds) // 2]}))


def filled(image, history, steps):
    """Return L-BFGS with a full history for an image, which it has moved but little."""
    optimizer = torch.optim.LBFGS(
        [image], history_size=history, max_iter=steps, tolerance_grad=-1, tolerance_change=-1
    )
    goal = image.detach() + 1e-2
    curvature = torch.linspace(-3, 3, image.shape[2])[:, None].exp()

    def quadratic():
        optimizer.zero_grad()
        value = (curvature * (image - goal) ** 2).sum() / 2
        value.backward()
        return value

    while len(optimizer.state[image].get("old_dirs", ())) < history:
        optimizer.step(quadratic)
    return optimizer


def variation(image):
    down, along = image[:, :, 1:] - image[:, :, :-1], image[..., 1:] - image[..., :-1]
    return ((down**2).sum() + (along**2).sum()) / image.numel()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:5]), sys.argv[5])
