"""Open model files of several formats as functions from a picture to named arrays.

TensorFlow, Keras and LiteRT are imported only when a file in one of their formats is opened.

These are the formats in which segmentation networks are published. DeepLab was published as frozen
graphs, and later as TFLite files (TensorFlow's model zoo) and as KerasHub presets. Instance
networks are published as SavedModels that the Object Detection API exported. Keras saves ``.keras``
files.
"""

from __future__ import annotations

import dataclasses
import io
import os
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from stylekit._checks import FileError, SetupError, absent, as_path, explain, fail, number, status
from stylekit.masks.operations import two_numbers
from stylekit.masks.segmenters.graphs import Run, before_argmax, outside, outside_lite, resized_to

Outputs = dict[str, np.ndarray]
KINDS = (
    ".tflite, .keras, a frozen graph .pb, a SavedModel folder (saved_model.pb) or "
    "a KerasHub preset folder (task.json)"
)
NO_NETWORK = "marking the subject by a box needs no network"
_IMAGE, _LABELS = "ImageTensor", "SemanticPredictions"  # nodes of DeepLab's frozen graphs


@dataclasses.dataclass(frozen=True)
class Network:
    """A network that takes one picture.

    Attributes
    ----------
    source : str
        Name of the network in messages.
    run : callable
        Function that takes a picture ``float32 [h, w, 3]`` in [0, 1], converts it to the dtype and
        range of the network, and returns a dict from output name to array, without a batch axis.
    size : (int, int) or None
        The height and width of the input, or None if the file does not specify them.
    fixed : bool
        Whether the network accepts only this size.
    """

    source: str
    run: Callable[[np.ndarray], Outputs]
    size: tuple[int, int] | None = None
    fixed: bool = False


def open_network(path: str | os.PathLike, input_range: tuple[float, float] = (-1, 1)) -> Network:
    """Return the network in a file or folder.

    A model file is a program. Graphs with operations that read or write files, call Python or open
    a connection raise `FileError`, and Keras's safe mode is used. These checks are not a sandbox,
    so open only files whose origin you trust.

    Parameters
    ----------
    path : path
        A file or folder in one of the formats `KINDS`, which is recognised by its name and content.
    input_range : (float, float), optional
        The input values that represent black and white in a network with float input. Not used for
        integer inputs, which use the full range of an 8-bit type, and for KerasHub models, which
        have a preprocessor.

    Raises
    ------
    FileError
        If the model does not exist, has an unknown format, is corrupt, does not take a single RGB
        picture, or accesses files, Python or the internet.
    SetupError
        If a package that is needed to run the model is not installed.
    """
    path = as_path(path, "model")
    if status(path, argument="model") is None:
        raise absent(path, f"the model {path}", "a model", "model")
    low, high = two_numbers(input_range, "input_range", "(black, white), such as (-1, 1)")
    span = number(low, "input_range[0]"), number(high, "input_range[1]")
    if span[0] >= span[1]:
        fail(
            "`input_range` must be increasing",
            expected="black below white",
            received=span,
            argument="input_range",
        )
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return _open_saved_model(path, span)
        if (path / "task.json").is_file():
            return _open_preset_folder(path, span)
    elif path.name == "saved_model.pb":
        raise FileError(
            f"{path} is part of a SavedModel. Pass its folder, {path.parent}.", argument="model"
        )
    else:
        openers = {".tflite": _open_tflite, ".keras": _open_keras, ".pb": _open_frozen}
        opener = openers.get(path.suffix.lower())
        if opener:
            return opener(path, span)
    kind = "a folder in an unknown format" if path.is_dir() else path.suffix or "no suffix"
    raise FileError(
        explain(f"{path} is not a model in a supported format", expected=KINDS, received=kind),
        argument="model",
    )


def encode(pixels: np.ndarray, dtype: Any, span: tuple[float, float]) -> np.ndarray:
    """Return a picture in [0, 1] as a network's input ``[1, h, w, 3]``."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        values = span[0] + pixels * (span[1] - span[0])
    else:  # also for quantised networks: int8 is uint8 - 128 for any scale
        values = np.floor(pixels * 255 + 0.5) - (128 if dtype == np.int8 else 0)
    return values.astype(dtype)[np.newaxis]


def of_keras(model: Any, source: str, span: tuple[float, float] = (-1, 1)) -> Network:
    """Return a Keras model, or a KerasHub task with its preprocessor, as a network."""
    import keras

    convert = getattr(getattr(model, "preprocessor", None), "image_converter", None)
    size = _spatial(getattr(model, "input_shape", None), source)
    size = size or getattr(convert, "image_size", None)  # the converter resizes to this size

    def run(pixels: np.ndarray) -> Outputs:
        if convert is not None:
            inputs = convert(encode(pixels, np.float32, (0, 255)))
        else:
            inputs = encode(pixels, np.float32, span)
        found = model(inputs, training=False)
        named = found if isinstance(found, dict) else dict(enumerate(_several(found)))
        return {str(k): keras.ops.convert_to_numpy(v)[0] for k, v in named.items()}

    return Network(source, _guarded(run, source), size, fixed=size is not None)


def _open_keras(path: Path, span: tuple[float, float]) -> Network:
    import h5py
    import keras

    from stylekit.features.weights import check_arrays

    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"{entry.filename} is compressed, which Keras does not do")
                if entry.filename.endswith(".h5"):
                    with h5py.File(io.BytesIO(archive.read(entry)), "r") as file:
                        check_arrays(file)
            if b"keras_hub" in archive.read("config.json"):
                hub()  # registers KerasHub's classes, which Keras needs to load the model
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except SetupError:
        raise
    except Exception as error:  # zip, JSON, HDF5 and layers raise errors of many types
        raise _unreadable(path, "a Keras model", error) from error
    return of_keras(model, f"the model {path}", span)


def _open_preset_folder(path: Path, span: tuple[float, float]) -> Network:
    import h5py

    from stylekit.features.weights import check_arrays

    try:
        for weights in path.glob("*.h5"):
            with h5py.File(weights, "r") as file:
                check_arrays(file)
        model = hub().models.ImageSegmenter.from_preset(str(path))
    except SetupError:
        raise
    except Exception as error:  # errors of many types, as for Keras files
        raise _unreadable(path, "a KerasHub preset of an image segmenter", error) from error
    return of_keras(model, f"the preset {path}", span)


def hub() -> Any:
    """Return KerasHub, or raise `SetupError` with the command that installs it."""
    try:
        import keras_hub
    except ImportError as error:
        raise SetupError(
            explain(
                "KerasHub is not installed",
                hint="run pip install keras-hub, or pass the path of a model as `model` "
                f"({KINDS}); {NO_NETWORK}",
            ),
            argument="model",
        ) from error
    return keras_hub


def _open_tflite(path: Path, span: tuple[float, float]) -> Network:
    source, run_by = f"the model {path}", _interpreter()
    _check_inside(source, outside_lite(path.read_bytes()))
    try:
        interpreter = run_by(model_path=str(path))
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise _unreadable(path, "a TFLite model", error) from error
    inputs = interpreter.get_input_details()
    if len(inputs) != 1:
        raise _not_one_picture(source, f"{len(inputs)} inputs")
    (given,) = inputs
    size = _spatial([int(n) for n in given["shape_signature"]], source)
    if interpreter.get_signature_list():  # it has the output names of the converted model
        outputs = interpreter.get_signature_runner().get_output_details()
    else:
        outputs = {item["name"]: item for item in interpreter.get_output_details()}

    lock = threading.Lock()  # an interpreter can store the tensors of only one run

    def run(pixels: np.ndarray) -> Outputs:
        values = encode(pixels, given["dtype"], span)
        with lock:
            if size is None:
                interpreter.resize_tensor_input(given["index"], values.shape)
                interpreter.allocate_tensors()
            interpreter.set_tensor(given["index"], values)
            interpreter.invoke()
            return {name: _read(interpreter, item) for name, item in outputs.items()}

    return Network(source, _guarded(run, source), size, fixed=size is not None)


def _interpreter() -> Any:
    """Return the interpreter class for TFLite files, from LiteRT if installed, else TensorFlow."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            import tensorflow as tf

            return tf.lite.Interpreter
        except (ImportError, AttributeError) as error:  # TensorFlow moves the class to LiteRT
            raise SetupError(
                explain(
                    "no interpreter for TFLite files is installed",
                    hint="run pip install ai-edge-litert",
                ),
                argument="model",
            ) from error
    return Interpreter


def _read(interpreter: Any, item: dict) -> np.ndarray:
    values = interpreter.get_tensor(item["index"])
    scale, zero = item["quantization"]
    if scale:
        values = scale * (values.astype(np.float32) - zero)
    return _one(values)


def _open_saved_model(path: Path, span: tuple[float, float]) -> Network:
    import tensorflow as tf
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    source = f"the model {path}"
    try:
        for graph in SavedModel.FromString((path / "saved_model.pb").read_bytes()).meta_graphs:
            _check_inside(source, outside(graph.graph_def, _run(graph)))
        model = tf.saved_model.load(str(path))
    except FileError:
        raise
    except Exception as error:  # protocol buffers, checkpoints and ops raise many types of errors
        raise _unreadable(path, "a SavedModel", error) from error
    signatures = model.signatures
    call = signatures.get("serving_default") or next(iter(signatures.values()), None)
    if call is None:
        raise FileError(
            explain(
                f"{source} must have a signature", hint="save it with one, as model.export does"
            ),
            argument="model",
        )
    given = call.structured_input_signature[1]
    if len(given) != 1:
        raise _not_one_picture(source, f"inputs {', '.join(sorted(given))}")
    ((name, spec),) = given.items()
    size = _spatial(spec.shape.as_list() if spec.shape.rank else None, source)
    definition = call.graph.as_graph_def()
    bodies = [definition.node, *(body.node_def for body in definition.library.function)]
    sizes = (resized_to(nodes, tf.make_ndarray) for nodes in bodies)
    resized = next(filter(None, sizes), None)

    def run(pixels: np.ndarray, owner=model) -> Outputs:  # `owner` keeps the variables alive
        found = call(**{name: tf.constant(encode(pixels, spec.dtype.as_numpy_dtype, span))})
        return {key: _one(value.numpy()) for key, value in found.items()}

    return Network(source, _guarded(run, source), size or resized, fixed=size is not None)


def _open_frozen(path: Path, span: tuple[float, float]) -> Network:
    import tensorflow as tf

    source = f"the model {path}"
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
        _check_inside(source, outside(graph))
        whole = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    except FileError:
        raise
    except Exception as error:  # protocol buffers and unknown ops raise many types of errors
        raise _unreadable(path, "a frozen graph", error) from error
    nodes = {node.name: node for node in graph.node}
    if not {_IMAGE, _LABELS} <= set(nodes):
        inputs = ", ".join(n.name for n in graph.node if n.op == "Placeholder")
        raise FileError(
            explain(
                f"{source} must be the frozen graph of a segmenter",
                expected=f"nodes {_IMAGE} and {_LABELS}",
                received=f"{len(nodes)} nodes, inputs {inputs or 'none'}",
                hint="use a SavedModel, which names its own inputs and outputs",
            ),
            argument="model",
        )
    fetches = {_LABELS: f"{_LABELS}:0"}
    scores = before_argmax(nodes, _LABELS)
    if scores:
        fetches["scores"] = scores
    call = whole.prune(f"{_IMAGE}:0", fetches)
    size = _spatial(call.inputs[0].shape.as_list() if call.inputs[0].shape.rank else None, source)
    dtype = call.inputs[0].dtype.as_numpy_dtype

    def run(pixels: np.ndarray) -> Outputs:
        found = call(tf.constant(encode(pixels, dtype, span)))
        return {key: _one(value.numpy()) for key, value in found.items()}

    size, fixed = size or resized_to(graph.node, tf.make_ndarray), size is not None
    return Network(source, _guarded(run, source), size, fixed)


def _run(graph: Any) -> Run:
    """Return the nodes and functions of a SavedModel that are run when it is loaded or called."""
    outputs = [one for call in graph.signature_def.values() for one in call.outputs.values()]
    tensors = [one.name for one in outputs]
    for collection in graph.collection_def.values():  # contain initializers of TensorFlow 1
        tensors += collection.node_list.value
    nodes = [name.split(":")[0] for name in tensors]
    functions = list(graph.object_graph_def.concrete_functions)
    return Run(nodes, functions, graph.saver_def.restore_op_name.split(":")[0])


def _check_inside(source: str, operations: list[str]) -> None:
    """Raise `FileError` if a network has unsafe operations; see `outside`."""
    if operations:
        raise FileError(
            explain(
                f"{source} accesses files, Python or the internet",
                expected="a graph whose operations only compute",
                received=f"the operation{'s' * (len(operations) > 1)} {', '.join(operations)}",
                hint="a model file is a program: use it only if you trust its author, or export it "
                "again without these operations",
            ),
            argument="model",
        )


def _spatial(shape: Any, source: str) -> tuple[int, int] | None:
    """Return the height and width of an input's shape, or None if they are not fixed."""
    if shape is None:
        return None
    if not isinstance(shape, (tuple, list)) or len(shape) != 4 or shape[-1] not in (3, None, -1):
        raise _not_one_picture(source, f"an input of shape {shape}")
    if shape[0] not in (1, None, -1):
        raise _not_one_picture(source, f"a batch of {shape[0]}")
    height, width = shape[1:3]
    return None if height in (None, -1) or width in (None, -1) else (height, width)


def _several(found: Any) -> list[Any]:
    return list(found) if isinstance(found, (list, tuple)) else [found]


def _one(values: np.ndarray) -> np.ndarray:
    return values[0] if values.ndim and len(values) == 1 else values


def _guarded(run: Callable[[np.ndarray], Outputs], source: str) -> Callable[[np.ndarray], Outputs]:
    def guarded(pixels: np.ndarray) -> Outputs:
        try:
            return run(pixels)
        except Exception as error:  # frameworks and ops raise errors of many types
            raise FileError(
                explain(
                    f"{source} failed on a picture of height {pixels.shape[0]} and width "
                    f"{pixels.shape[1]} ({_first_line(error)})",
                    hint="pass the height and width that it was trained with as `size`",
                ),
                argument="size",
            ) from error

    return guarded


def _not_one_picture(source: str, received: str) -> FileError:
    return FileError(
        explain(
            f"{source} must take one RGB picture",
            expected="one input of shape [1, height, width, 3]",
            received=received,
            hint="wrap it in a function that returns a Segmentation for a picture",
        ),
        argument="model",
    )


def _unreadable(path: Path, kind: str, error: Exception) -> FileError:
    return FileError(
        explain(
            f"{path} cannot be read as {kind} ({_first_line(error)})",
            hint="the file is truncated or corrupt, or has another format; download it again",
        ),
        argument="model",
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")[:160]
