"""VGG19 and the classic objective in PyTorch, as its programs have them; for those beside this one.

The convolutions are frozen, ReLU works in place, the gradient is autograd's, and nothing is held
but the layers that are asked for. Needs PyTorch and NumPy only.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

CONVOLUTIONS = (2, 2, 4, 4, 4)
WIDTHS = (64, 128, 256, 512, 512)
MEAN = (123.68, 116.779, 103.939)
STYLE = tuple(f"block{k}_conv1" for k in range(1, 6))
CONTENT = ("block4_conv2",)
LAYOUTS = {"nchw": torch.contiguous_format, "channels-last": torch.channels_last}


class Network(nn.Module):
    """VGG19 down to the deepest of some layers.

    Parameters
    ----------
    wanted : iterable of str
        Keras's names of the layers.
    kernels : mapping of str to array, optional
        ``"block1_conv1/kernel"`` and ``"block1_conv1/bias"``, as Keras has them. Default: random.
    layout : str
        One of `LAYOUTS`.
    """

    def __init__(self, wanted, kernels=None, layout="channels-last"):
        super().__init__()
        self.wanted = set(wanted)
        self.layout = LAYOUTS[layout]
        self.steps = nn.ModuleDict()
        channels = 3
        for block, (count, width) in enumerate(zip(CONVOLUTIONS, WIDTHS, strict=True), 1):
            for k in range(1, count + 1):
                name = f"block{block}_conv{k}"
                step = nn.Conv2d(channels, width, 3, padding=1)
                if kernels is None:
                    nn.init.kaiming_normal_(step.weight)
                else:
                    kernel = torch.from_numpy(kernels[f"{name}/kernel"])
                    step.weight.data = kernel.permute(3, 2, 0, 1).contiguous()
                    step.bias.data = torch.from_numpy(kernels[f"{name}/bias"])
                self.steps[name] = step
                channels = width
                if self.wanted <= self.steps.keys():
                    self.requires_grad_(False).to(memory_format=self.layout)
                    return
            self.steps[f"block{block}_pool"] = nn.MaxPool2d(2)
        raise ValueError(f"no such layers: {self.wanted}")

    def forward(self, image):
        """Return the wanted feature maps, by layer, of a picture ``[1, 3, H, W]`` in [0, 1]."""
        x = (image * 255 - torch.tensor(MEAN)[:, None, None])[:, [2, 1, 0]]
        x = x.to(memory_format=self.layout)
        found = {}
        for name, step in self.steps.items():
            x = functional.relu_(step(x)) if isinstance(step, nn.Conv2d) else step(x)
            if name in self.wanted:
                found[name] = x
        return found


def as_tensor(picture):
    """Return a picture ``[H, W, 3]`` as ``[1, 3, H, W]``."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))


def gram(feature, positions=None):
    """Return F^T F over the number of positions: all of them, or what is given."""
    # Neither layout is copied.
    flat = feature[0].permute(1, 2, 0).flatten(0, 1)
    return flat.T @ flat / (len(flat) if positions is None else positions)


def error(value, goal):
    """Return the squared error relative to the goal."""
    return ((value - goal) ** 2).sum() / ((goal**2).sum() + 1e-8)


def mean_error(values, goals):
    """Return the mean over the layers of the goals."""
    return sum(error(values[name], goal) for name, goal in goals.items()) / len(goals)


class Classic:
    """Content, and the Gram matrices of a style; called with an image, it returns both values.

    Parameters
    ----------
    network : Network
    photo, style : tensor [1, 3, H, W]
    content_layers, style_layers : iterable of str
    """

    def __init__(self, network, photo, style, content_layers=CONTENT, style_layers=STYLE):
        self.network = network
        with torch.no_grad():
            kept, seen = network(photo), network(style)
        self.kept = {name: kept[name] for name in content_layers}
        self.goals = {name: gram(seen[name]) for name in style_layers}

    def __call__(self, image):
        found = self.network(image)
        grams = {name: gram(found[name]) for name in self.goals}
        return mean_error(found, self.kept), mean_error(grams, self.goals)
