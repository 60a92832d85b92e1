"""Steps of a PyTorch program's L-BFGS on the objective of gpu.py.

Run by it as ``python torch_gpu.py STEPS PRECISION LAYOUT SIZE [SIZE ...]``; needs PyTorch and NumPy
only. The history is PyTorch's default, 100 pairs. Prints a JSON line for each size.
"""

import contextlib
import json
import math
import sys
import time

import torch
from gpu import WARM  # beside this program
from torch_vgg import CONTENT, STYLE, Classic, Network


def main(steps, precision, layout, *sizes):
    gpu = torch.cuda.is_available()
    torch.set_default_device("cuda" if gpu else "cpu")
    for size in map(int, sizes):
        if gpu:
            torch.cuda.reset_peak_memory_stats()
        began = time.perf_counter()
        row = timed(int(steps), precision, layout, size)
        peak = torch.cuda.max_memory_allocated() / 2**20 if gpu else math.nan
        row["first"] -= began
        print(json.dumps({"size": size, "peak": peak, **row}), flush=True)


def timed(steps, precision, layout, size):
    # As its users have it: the network in half precision, the losses too where autocast says so.
    half = (
        contextlib.nullcontext()
        if precision == "float32"
        else torch.autocast(torch.get_default_device().type, getattr(torch, precision))
    )
    photo, style = torch.rand(2, 1, 3, size, size)
    with half:
        errors = Classic(Network({*CONTENT, *STYLE}, layout=layout), photo, style)
    image = photo.clone().requires_grad_(True)
    times = []

    def closure():
        optimizer.zero_grad()
        with half:
            content, style_error = errors(image)
        total = content + 8 * style_error
        total.backward()
        if len(times) in (0, WARM, WARM + steps):
            total.item()
        times.append(time.perf_counter())
        return total

    optimizer = torch.optim.LBFGS(
        [image], max_iter=steps + WARM, tolerance_grad=-1, tolerance_change=-1
    )
    while len(times) < WARM + steps + 1:
        optimizer.step(closure)
    seconds = (times[WARM + steps] - times[WARM]) / steps
    return {"first": times[0], "seconds": seconds}


if __name__ == "__main__":
    main(*sys.argv[1:])
