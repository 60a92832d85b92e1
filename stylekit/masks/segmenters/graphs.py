"""What the nodes of a TensorFlow graph tell about a segmenter: its picture's size, its scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

_CONVERSIONS = {"Cast", "Identity", "ExpandDims", "Sub", "Mul", "RealDiv", "AddV2"}
_RESIZES = {"ResizeBilinear", "ResizeBicubic", "ResizeArea", "ResizeNearestNeighbor"}


def before_argmax(nodes: dict[str, Any], name: str) -> str:
    """Return the tensor of scores that labels are the argmax of, or an empty string."""
    while name in nodes and nodes[name].input:
        node = nodes[name]
        if node.op == "ArgMax":
            scores = node.input[0]
            return scores if ":" in scores else f"{scores}:0"
        name = node.input[0].split(":")[0]
    return ""


def resized_to(nodes: Iterable[Any], decode: Callable[[Any], Any]) -> tuple[int, int] | None:
    """Return the size that a graph first stretches its picture to, if it does so to a fixed one.

    A picture of that size passes unchanged, so that it is the size to give the graph. `decode` is
    `tensorflow.make_ndarray`, which reads a constant.
    """
    by_name = {node.name: node for node in nodes}
    for node in by_name.values():
        if node.op not in _RESIZES:
            continue
        origin, wanted = (by_name.get(name.split(":")[0]) for name in node.input[:2])
        while origin is not None and origin.op in _CONVERSIONS:
            origin = by_name.get(origin.input[0].split(":")[0])
        of_picture = origin is None or origin.op == "Placeholder"  # a function's input is no node
        if of_picture and wanted is not None and wanted.op == "Const":
            height, width = decode(wanted.attr["value"].tensor).tolist()
            return height, width
    return None
