"""Inspect TensorFlow graphs: find unsafe operations, and the size and scores of a segmenter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

_CONVERSIONS = {"Cast", "Identity", "ExpandDims", "Sub", "Mul", "RealDiv", "AddV2"}
_RESIZES = {"ResizeBilinear", "ResizeBicubic", "ResizeArea", "ResizeNearestNeighbor"}

_OUTSIDE = r"""(?:_|Experimental)?(?:
    (?:Read|Write)File | MatchingFiles | \w*Reader(?:V2)? | RecordInput | Skipgram
    | GenerateVocabRemapping | LoadAndRemapMatrix | FixedUnigramCandidateSampler
    | (?:Decode|Encode)Proto(?:V2)? | DTensorRestoreV2 | DistributedSave
    | CalibrationStatisticsSaver | DumpTensor | FileSystemSetConfiguration
    | CreateSummary(?:File|Db)Writer | Write\w*Summary | ImportEvent
    | (?:CSV|LMDB|Sql|TFRecord|TextLine|FixedLengthRecord|MatchingFiles|Cache|Load|Save)Dataset\w*
    | \w*Snapshot\w*Dataset\w* | DatasetToTFRecord | DatasetFromGraph
    | (?:Eager)?PyFunc(?:Stateless)?
    | (?:Host)?(?:Send|Recv) | Remote\w+ | Rpc[A-Z]\w+ | (?:DataService|Register)Dataset\w*
    | Collective\w+ | Nccl\w+ | Debug(?:Identity|Nan|Numeric)\w*
)"""
"""Operations of TensorFlow 2.21 by which a graph reads or writes files, calls Python, opens a
connection, or runs a graph that is not in its nodes. Vocabularies of lookup tables are not
included, because they are assets of ordinary models."""

_SAVES = r"Save(?:V2|Slices)?|MergeV2Checkpoints"
_RESTORES = r"Restore(?:V2|Slice)?"  # every SavedModel has both for its variables


class Run(NamedTuple):
    """The nodes and functions that run in a graph, and the node that restores the variables."""

    nodes: list[str]
    functions: list[str]
    restore: str


def outside(graph: Any, run: Run | None = None) -> list[str]:
    """Return the operations by which a graph can access files, Python or the internet.

    Parameters
    ----------
    graph : GraphDef
        The graph, including its library of functions.
    run : Run, optional
        The nodes that run. If given, operations that save and restore variables are included only
        if these nodes need them. Default: all nodes.

    Returns
    -------
    list of str
        The distinct names of the operations, sorted.
    """
    functions = graph.library.function
    every = [*graph.node, *(node for one in functions for node in one.node_def)]
    found = {node.op for node in every if re.fullmatch(_OUTSIDE, node.op, re.VERBOSE)}
    found |= {node.op for node in every if _prints_to_file(node)}
    if run is not None:
        # The runtime may replace one of these functions by another one.
        swapped = [one.signature.name for one in functions if "api_implements" in one.attr]
        every = _reached(graph, run.nodes, [*run.functions, *swapped])
        restoring = _reached(graph, [run.restore], ())
        found |= {node.op for node in restoring if re.fullmatch(_SAVES, node.op)}
    found |= {node.op for node in every if re.fullmatch(f"{_SAVES}|{_RESTORES}", node.op)}
    return sorted(found)


def outside_lite(content: bytes) -> list[str]:
    """Return the unsafe operations of a TFLite model, see `outside`, by a search for names."""
    if b"Flex" not in content:  # the other operations are TFLite's own. They access nothing outside
        return []
    name = rf"(?<!\w)(?:Flex)?({_OUTSIDE}|{_SAVES}|{_RESTORES})(?!\w)".encode()
    return sorted({found.decode() for found in re.findall(name, content, re.VERBOSE)})


def _reached(graph: Any, nodes: Iterable[str], functions: Iterable[str]) -> list[Any]:
    """Return all nodes that the given nodes and functions run, including these nodes."""
    by_name = {node.name: node for node in graph.node}
    waiting = [name for name in nodes if name in by_name]
    reached = set(waiting)
    while waiting:  # a node of a function has no inputs in the graph
        inputs = (name.lstrip("^").split(":")[0] for name in by_name[waiting.pop()].input)
        new = {name for name in inputs if name in by_name} - reached
        reached |= new
        waiting += new
    found = [by_name[name] for name in reached]
    bodies = {one.signature.name: one.node_def for one in graph.library.function}
    gradients = {one.function_name: one.gradient_func for one in graph.library.gradient}
    called = {*functions, *_called(found)} & set(bodies)
    names = list(called)
    while names:
        name = names.pop()
        found += bodies[name]
        new = {*_called(bodies[name]), gradients.get(name)} & set(bodies) - called
        called |= new
        names += new
    return found


def _called(nodes: Iterable[Any]) -> Iterator[str]:
    for node in nodes:
        yield node.op
        yield from _functions(node.attr)


def _functions(attributes: Any) -> Iterator[str]:
    for value in attributes.values():
        for function in (value.func, *value.list.func):
            yield function.name
            yield from _functions(function.attr)


def _prints_to_file(node: Any) -> bool:
    return "output_stream" in node.attr and node.attr["output_stream"].s.startswith(b"file")


def before_argmax(nodes: dict[str, Any], name: str) -> str:
    """Return the name of the tensor whose argmax gives the labels, or an empty string."""
    while name in nodes and nodes[name].input:
        node = nodes[name]
        if node.op == "ArgMax":
            scores = node.input[0]
            return scores if ":" in scores else f"{scores}:0"
        name = node.input[0].split(":")[0]
    return ""


def resized_to(nodes: Iterable[Any], decode: Callable[[Any], Any]) -> tuple[int, int] | None:
    """Return the fixed size to which a graph first resizes its input, or None.

    A picture of this size is not changed by the resize operation, so this is the best input size.
    `decode` is `tensorflow.make_ndarray`, which returns the value of a constant.
    """
    by_name = {node.name: node for node in nodes}
    for node in by_name.values():
        if node.op not in _RESIZES:
            continue
        origin, wanted = (by_name.get(name.split(":")[0]) for name in node.input[:2])
        while origin is not None and origin.op in _CONVERSIONS:
            origin = by_name.get(origin.input[0].split(":")[0])
        # The input of a function is not a node.
        of_picture = origin is None or origin.op == "Placeholder"
        if of_picture and wanted is not None and wanted.op == "Const":
            height, width = decode(wanted.attr["value"].tensor).tolist()
            return height, width
    return None
