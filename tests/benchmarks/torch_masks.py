"""Masks as PyTorch programs have them: the features times each mask, and a Gram matrix of each.

Run by masks.py as ``python torch_masks.py KIND COUNT SIZE LAYOUT``; needs PyTorch and NumPy only.
One pass through the network serves all masks, which follow it by area. The value is that of
`GradientMaskStyleLoss`, but that it is as such programs have it in two things: features times m
weigh by m^2 in the Gram matrix, so that soft masks and borders count less (it is divided by the sum
of m all the same); and every layer is taken, however small the region there.
"""

import sys

import torch
from gradient import peak  # beside this program
from masks import scene, serve
from torch.nn import functional
from torch_vgg import CONTENT, STYLE, Network, as_tensor, error, gram, mean_error


def main(kind, count, size, layout):
    level = peak()
    photo, styles, masks = scene(kind, count, size)
    photo, styles = as_tensor(photo), map(as_tensor, styles)
    masks = [torch.from_numpy(mask)[None, None] for mask in masks]
    value = Regions(Network({*CONTENT, *STYLE}, layout=layout), photo, styles, masks)
    image = photo.clone().requires_grad_(True)
    serve(lambda: torch.autograd.grad(value(image), image)[0].numpy(), level)


class Regions:
    """Content, and a Gram matrix of each mask; called with an image, it returns their sum."""

    def __init__(self, network, photo, styles, masks):
        self.network = network
        with torch.no_grad():
            kept = network(photo)
            self.kept = {name: kept[name] for name in CONTENT}
            self.goals = []
            for style in styles:
                seen = network(style)
                self.goals.append({name: gram(seen[name]) for name in STYLE})
            self.masks = [
                {
                    name: functional.interpolate(mask, kept[name].shape[2:], mode="area")
                    for name in STYLE
                }
                for mask in masks
            ]

    def __call__(self, image):
        found = self.network(image)
        value = mean_error(found, self.kept)
        for goals, masks in zip(self.goals, self.masks, strict=True):
            for name, mask in masks.items():
                region = gram(found[name] * mask, mask.sum())
                value = value + mask.mean() * error(region, goals[name]) / len(STYLE)
        return value


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
