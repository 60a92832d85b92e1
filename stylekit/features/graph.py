"""The graph of a Keras model: its operations, their receptive fields, and its stages."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

import keras

from stylekit._checks import InputError, explain
from stylekit.features.geometry import Grid, Window, union
from stylekit.features.reach import nominal_window, window_of

_CELL = Window()


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """A feature map of a network.

    Attributes
    ----------
    tensor : keras.KerasTensor
        The symbolic tensor.
    operation : keras.Operation
        The operation that computes the feature map. None for the picture.
    inputs : tuple of Node
        The nodes from which the feature map is computed.
    window : Window
        The window of the operation. If the window is unknown, the result of `nominal_window`.
    path : tuple of Window
        The spatial operations from the picture to this node, along the branch with the largest
        receptive field.
    unknown : str
        The first operation between the picture and this node whose window is unknown, or an empty
        string.
    """

    tensor: keras.KerasTensor
    operation: keras.Operation | None = None
    inputs: tuple[Node, ...] = ()
    window: Window = _CELL
    path: tuple[Window, ...] = ()
    unknown: str = ""


class Graph:
    """The operations of one or several models that are applied to a picture.

    Nested models are flattened. The graph shares the layers of the models. The models are not
    changed.

    Parameters
    ----------
    image : keras.KerasTensor
        The symbolic picture, ``[B, H, W, 3]``.
    windows : mapping of str or type to Window
        Windows by the name or class of a layer. They take precedence over `window_of`.

    Attributes
    ----------
    nodes : dict of str to Node
        All layers and functions of `keras.ops` by name, from the picture down. Layer ``b`` of the
        nested model ``a`` is ``"a.b"``. Further calls of layer ``c`` are ``"c-2"``, ``"c-3"``.
    declared : set of str and type
        The keys of `windows` that match a layer.
    """

    def __init__(
        self, image: keras.KerasTensor, windows: Mapping[str | type, Window] | None = None
    ) -> None:
        self.image = image
        self.nodes: dict[str, Node] = {}
        self.declared: set[str | type] = set()
        self._windows = windows or {}
        self._names: set[str] = set()
        self._made = {id(image): Node(image)}

    def extend(self, model: keras.Model, inputs: Sequence, prefix: str = ""):
        """Call a functional model on tensors of the graph, and return its outputs.

        The prefix is added to the names of the model's layers.
        """
        # This is the only private function of Keras that stylekit uses, here and in `rerun`.
        # Because of it, setup.cfg has an upper bound for the version of Keras.
        return model._run_through_graph(
            list(inputs), operation_fn=lambda one: functools.partial(self._call, one, prefix)
        )

    def way(self, name: str) -> list[Node]:
        """Return a node and all nodes that it depends on, from the picture down."""
        found: dict[int, Node] = {}
        new = [self.nodes[name]]
        while new:
            node = new.pop()
            if id(node.tensor) not in found:
                found[id(node.tensor)] = node
                new += node.inputs
        return [node for key, node in self._made.items() if key in found]

    def grids(self, length: int, axis: int) -> dict[str, Grid]:
        """Return the grid of each node along an axis; see `FeatureExtractor.grid`."""
        grids: dict[int, Grid] = {}
        for key, node in self._made.items():
            before = [grids[id(one.tensor)] for one in node.inputs]
            grid = union(before) if before else Grid(length)
            grids[key] = grid.through(node.window, axis)
        return {name: grids[id(node.tensor)] for name, node in self.nodes.items()}

    def _call(self, operation: keras.Operation, prefix: str, *args, **kwargs):
        name = self._free(prefix + operation.name)
        given = tensors_of((args, kwargs))
        inner = None if kwargs.get("training") else functional(operation, given)
        if inner is None:
            outputs = Call(operation, (args, kwargs), name)(given)
            self._note(tensors_of(outputs), operation, given, prefix, args, kwargs, name)
        else:
            outputs = self.extend(inner, given, name + ".")
        if isinstance(outputs, keras.KerasTensor):
            self.nodes[name] = self._made[id(outputs)]
        return outputs

    def _note(self, outputs, operation, given, prefix, args, kwargs, name) -> None:
        window = self._declared(prefix + operation.name, operation)
        window = window or window_of(operation, args, kwargs)
        inputs = tuple(self._made[id(tensor)] for tensor in given)
        widest = max((one.path for one in inputs), key=_area)
        unknown = [one.unknown for one in inputs if one.unknown]
        if window is None:
            unknown.append(f"{type(operation).__name__} {name!r}")
            window = nominal_window(operation, args, kwargs)
        if window != _CELL:
            widest = (*widest, window)
        for tensor in outputs:
            self._made[id(tensor)] = Node(
                tensor, operation, inputs, window, widest, next(iter(unknown), "")
            )

    def _declared(self, name: str, operation: keras.Operation) -> Window | None:
        for key, window in self._windows.items():
            if name == key or (isinstance(key, type) and isinstance(operation, key)):
                self.declared.add(key)
                return window
        return None

    def _free(self, name: str) -> str:
        names = itertools.chain([name], (f"{name}-{k}" for k in itertools.count(2)))
        free = next(one for one in names if one not in self._names)
        self._names.add(free)
        return free


class Call(keras.layers.Layer):
    """A layer that repeats a call of an operation in another graph.

    Parameters
    ----------
    operation : keras.Operation
        The operation to call.
    arguments : (args, kwargs)
        Arguments of the original call. Tensors in them are replaced.
    name : str
        Name of the layer.
    """

    def __init__(self, operation: keras.Operation, arguments, name: str) -> None:
        policy = getattr(operation, "dtype_policy", None)
        super().__init__(name=name, dtype=policy, autocast=False)
        self.operation = operation
        flat = keras.tree.flatten(arguments)

        def filled(tensors):
            tensors = iter(tensors)
            new = [next(tensors) if isinstance(one, keras.KerasTensor) else one for one in flat]
            return keras.tree.pack_sequence_as(arguments, new)

        self._filled = filled

    def within(self, tensors) -> tuple[keras.Operation, Sequence, Mapping]:
        """Return the operation, and its arguments with `tensors` replacing the original ones."""
        return self.operation, *self._filled(tensors)

    def call(self, tensors):
        """Call the operation on `tensors` instead of the tensors of the original call."""
        operation, args, kwargs = self.within(tensors)
        return operation(*args, **kwargs)

    def compute_output_spec(self, tensors):
        """Return the shapes and dtypes of the outputs of `call`."""
        operation, args, kwargs = self.within(tensors)
        return operation.compute_output_spec(*args, **kwargs)


def functional(operation, inputs: Sequence | None = None) -> keras.Model | None:
    """Return an operation as a functional model, or None if it is not equivalent to one.

    Parameters
    ----------
    operation : keras.Operation
        A model or any other operation.
    inputs : sequence of keras.KerasTensor, optional
        The tensors with which the operation is called. If the model would convert them first, the
        result is None.
    """
    if not isinstance(operation, keras.Model) or not getattr(operation, "inputs", None):
        return None
    sequence = isinstance(operation, keras.Sequential)
    plain = keras.Model(operation.inputs, operation.outputs[0] if sequence else operation.output)
    if type(operation).call not in (type(plain).call, keras.Sequential.call):
        return None
    if inputs is not None and not (
        len(inputs) == len(plain.inputs)
        and all(len(x.shape) == len(y.shape) for x, y in zip(inputs, plain.inputs, strict=True))
        and all(is_float(y) for y in plain.inputs)
    ):
        return None
    return plain


def calls(model: keras.Model, inputs: Sequence) -> list[tuple[keras.Operation, list, list]]:
    """Return the operations of a functional model, each with its input and output tensors.

    The tensors are symbolic, and nothing is computed. Nested models are flattened.

    Parameters
    ----------
    model : keras.Model
        A functional model.
    inputs : sequence of keras.KerasTensor
        Symbolic inputs. Their size may differ from the size of the model's inputs.

    Returns
    -------
    list of (operation, input tensors, output tensors)
    """
    found: list[tuple[keras.Operation, list, list]] = []

    def described(operation: keras.Operation, args, kwargs):
        outputs = operation.compute_output_spec(*args, **kwargs)
        found.append((operation, tensors_of((args, kwargs)), tensors_of(outputs)))
        return outputs

    rerun(model, inputs, described)
    return found


def rerun(model: keras.Model, inputs: Sequence, call: Callable):
    """Run a functional model, with a custom function that calls each of its operations.

    Parameters
    ----------
    model : keras.Model
        A functional model. Nested models are flattened.
    inputs : sequence of tensor
        Inputs of the model.
    call : callable
        Function ``(operation, args, kwargs)`` that returns the outputs of the operation.
    """

    def each(operation: keras.Operation):
        def called(*args, **kwargs):
            given = tensors_of((args, kwargs))
            inner = functional(operation, given)
            return call(operation, args, kwargs) if inner is None else rerun(inner, given, call)

        return called

    return model._run_through_graph(list(inputs), operation_fn=each)


def is_float(tensor) -> bool:
    """Return whether a tensor has a floating dtype."""
    return keras.backend.is_float_dtype(tensor.dtype)


def tensors_of(structure) -> list:
    """Return the symbolic tensors in nested tuples, lists and dicts."""
    return [x for x in keras.tree.flatten(structure) if isinstance(x, keras.KerasTensor)]


def _area(path: tuple[Window, ...]) -> int:
    """Return the area of the receptive field of a path in pixels."""
    field = [Grid(2**20), Grid(2**20)]
    for window in path:
        field = [grid.through(window, axis) for axis, grid in enumerate(field)]
    return field[0].field * field[1].field


def staged(
    network: keras.Model, names: Sequence[str], cuts: Iterable[str]
) -> tuple[keras.Model, ...]:
    """Return a network split into stages; see `FeatureExtractor.stages`.

    Parameters
    ----------
    network : keras.Model
        A model from one input to ``{name: tensor}``.
    names : sequence of str
        Names of all outputs of the network, from the picture down.
    cuts : iterable of str
        Names of the outputs at which a stage ends.
    """
    edges = sorted({*(names.index(cut) + 1 for cut in cuts), len(names)})
    stages, x = [], network.inputs[0]
    for first, last in itertools.pairwise([0, *edges]):
        outputs = {name: network.output[name] for name in names[first:last]}
        try:
            stages.append(keras.Model(x, outputs))
        except ValueError as error:
            problem = f"the network cannot be cut at layer {names[first - 1]!r}"
            hint = "choose a layer that all later layers depend on alone"
            raise InputError(explain(problem, hint=hint), argument="cuts") from error
        x = outputs[names[last - 1]]
    return tuple(stages)
