"""Trains a network to paint one style."""

from __future__ import annotations

import csv
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from stylekit._checks import as_path, check_place, fail, integer, naming, number, status
from stylekit._defaults import SIZE, STRENGTH, TRAINING_SIZE, TRAINING_STEPS
from stylekit._version import __version__
from stylekit._write import replacing
from stylekit.batch.listing import PathsLike, pictures
from stylekit.batch.runner import alone
from stylekit.batch.work import HIDDEN
from stylekit.features import CompactVGG, FeatureExtractor
from stylekit.feedforward.file import about, new_file
from stylekit.feedforward.network import StyleNetwork
from stylekit.feedforward.painter import Painter, load
from stylekit.feedforward.photographs import Photographs, identity
from stylekit.functional import relative_error
from stylekit.image import PictureLike, as_image, picture_hash
from stylekit.losses import GramStyleLoss, Loss, TotalVariationLoss
from stylekit.recipes._paint import CHROMA
from stylekit.recipes._styles import StyleLossLike, StylePart, method
from stylekit.transfer import Objective
from stylekit.transfer.callbacks import tqdm
from stylekit.transfer.checkpoint import differences
from stylekit.transfer.objective import layers_read
from stylekit.transfer.style_transfer import as_extractor

RUNNING = ("steps", "seconds", "stylekit")
"""Entries of `about` that change while a network is trained."""


def train(
    style: PictureLike,
    photographs: PathsLike,
    path: str | os.PathLike[str],
    *,
    steps: int = TRAINING_STEPS,
    size: int = TRAINING_SIZE,
    batch: int = 4,
    learning_rate: float = 1e-3,
    strength: float = STRENGTH,
    style_size: int = SIZE,
    style_loss: StyleLossLike = "gram",
    variation: float | None = None,
    extractor: FeatureExtractor | None = None,
    seed: int = 0,
    checkpoint_every: int = 100,
    losses_csv: str | os.PathLike[str] | None = None,
    on_checkpoint: Callable[[Painter], Any] | None = None,
    progress: bool = True,
) -> Painter:
    """Train a network that paints any photograph in one style, in a single pass.

    The network and the state of the optimizer are written to `path` at regular intervals. Calling
    the function again with the same arguments continues from there, even if the process was killed.
    The final network is the same as without the interruption.

    Parameters
    ----------
    style : path, PIL image or array
    photographs : path or iterable of path
        Picture files, folders, and patterns such as ``photos/**/*.jpg``. Files are read when they
        are needed. Files that cannot be read or are smaller than `size` are skipped.
    path : path
        The .keras file to write. If the file exists, the training of its network is continued.
    steps : int
        Total number of steps, at least 1. If the network has been trained for fewer steps, the
        training is continued.
    size : int
        Side of the square crops of the photographs in pixels, at least 32.
    batch : int
        Number of crops per step, at least 1.
    learning_rate : float
        Learning rate of Adam, above 0.
    strength : float
        Strength of the style in [0, 1], as in `stylekit.stylize` with ``"gram"``. The weight of the
        content is 1 - strength, and the weight of the style is a constant times strength. The
        strength cannot be changed after the training.
    style_size : int
        Longer side of the style picture in pixels, at least 32. It determines the size of the
        strokes in pixels, for photographs of any size.
    style_loss : str or callable
        ``"gram"``, or a class or function ``(style, *, mask, style_mask, layers, weight) -> Loss``.
        The targets of the loss must not depend on the image.
    variation : float, optional
        Weight of the total variation, at least 0, which is multiplied by strength. The weight for
        the chroma is twice as large. Default: a weight that depends on the extractor.
    extractor : FeatureExtractor, optional
        The network that extracts the features for the losses. Default: `CompactVGG`.
    seed : int
        Seed of the initial weights and the crops.
    checkpoint_every : int
        Number of steps between writes of the network to `path`, at least 1.
    losses_csv : path, optional
        A table to write, with one row per step: ``step``, ``seconds``, ``total``, ``content``, and
        the other losses. The losses are unweighted means over the batch, except for the total,
        which is weighted.
    on_checkpoint : callable, optional
        Called with the `Painter` each time the network is written.
    progress : bool
        Whether a progress bar is shown.

    Returns
    -------
    Painter
        The painter of the trained network. It is also returned if the training is interrupted
        (Ctrl-C, or the stop button of a notebook). The number of steps so far is
        ``about["steps"]``.

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument or a file cannot be used, or none of the photographs can. If the file at
        `path` was trained with another style, other photographs or other settings, or is in use by
        another training. If a loss or a gradient is not finite; the file then holds the network
        before that step.

    Notes
    -----
    The losses are those of `recipes.basic` with ``"gram"``, on crops of photographs. The content is
    compared at the content layers of the extractor by `functional.relative_error`. When a training
    is continued, photographs are compared by their names and file sizes, not by their contents.

    References
    ----------
    Johnson, Alahi, Fei-Fei: Perceptual Losses for Real-Time Style Transfer and Super-Resolution,
    ECCV 2016. They train for 40,000 steps at 256 pixels, in batches of 4, with Adam at 1e-3.

    Examples
    --------
    >>> import stylekit as sk
    >>> painter = sk.feedforward.train("starry.jpg", "photos", "starry.keras")  # doctest: +SKIP
    >>> sk.write_image("out.png", painter("photo.jpg", size=512))  # doctest: +SKIP
    """
    path = new_file(path)
    steps = integer(steps, "steps", low=1)
    size = integer(size, "size", low=32)
    batch = integer(batch, "batch", low=1)
    learning_rate = number(learning_rate, "learning_rate", low=0, open_low=True)
    strength = number(strength, "strength", low=0, high=1)
    style_size = integer(style_size, "style_size", low=32)
    checkpoint_every = integer(checkpoint_every, "checkpoint_every", low=1)
    seed = integer(seed, "seed", low=0)
    log = None if losses_csv is None else as_path(losses_csv, "losses_csv")
    if log is not None:
        check_place(log, "losses_csv")
    picture = as_image(style, "style", style_size)
    paths = pictures(photographs, "photographs")
    extractor = CompactVGG() if extractor is None else as_extractor(extractor)
    terms = _terms(picture, strength, style_loss, variation, extractor)
    trained = {
        "style": picture_hash(picture),
        "photographs": identity(paths),
        "settings": {
            "size": size,
            "batch": batch,
            "learning_rate": learning_rate,
            "strength": strength,
            "seed": seed,
            "extractor": repr(extractor),
            "losses": [repr(term) for term in terms],
        },
    }
    owner = f"{path} is being trained by another process"
    with alone(path.parent / HIDDEN, f"{path.name}.lock", owner, "path"):
        network = _begun(path, trained, learning_rate, seed)
        step = _Step(network, terms, 1 - strength, extractor, (batch, size, size, 3))
        painter = Painter(network)
        crops = Photographs(paths, size, seed)
        state = network.about
        begin, before = time.monotonic(), state["seconds"]

        def write() -> None:
            state["steps"] = int(
                network.optimizer.iterations
            )  # Ctrl-C may have arrived before the steps were counted
            state["seconds"] = before + time.monotonic() - begin
            table.flush()
            _save(network, path)
            if on_checkpoint is not None:
                on_checkpoint(painter)

        with (
            _Log(log, ["content", *step.names], state["steps"]) as table,
            tqdm(initial=state["steps"], total=steps, unit="step", disable=not progress) as bar,
        ):
            written = state["steps"]
            try:
                for index, squares in _ahead(crops, batch, state["steps"], steps):
                    values = step(squares)
                    if values is None:
                        if written != index:
                            write()
                        kept = f"; {path} holds the network of {index} steps" if index else ""
                        fail(
                            f"the loss or its gradient is not finite in step {index + 1}",
                            hint=f"train again with a lower `learning_rate`{kept}",
                            argument="learning_rate",
                        )
                    state["steps"] = index + 1
                    table.write(index + 1, before + time.monotonic() - begin, values)
                    bar.set_postfix_str(f"loss {values[0]:.3f}", refresh=False)
                    bar.update()
                    if (index + 1) % checkpoint_every == 0:
                        write()
                        written = index + 1
            except KeyboardInterrupt:
                if not int(network.optimizer.iterations):
                    raise
            if written != int(network.optimizer.iterations):
                write()
    return painter


class _Step:
    """One step of the training.

    Parameters
    ----------
    network : StyleNetwork
        Compiled with its optimizer.
    terms : sequence of Loss
        All losses except the content loss.
    content_weight : float
    extractor : FeatureExtractor
    shape : (batch, size, size, 3)
        Shape of a batch of crops.
    """

    def __init__(self, network, terms, content_weight, extractor, shape) -> None:
        self._network, self._content_weight = network, content_weight
        self._content = extractor.default_layers("content_layers")
        self._objective = Objective(terms, extractor, shape[1:3])
        self._layers = {name: layers_read(term, extractor) for name, term in self._prepared()}
        self._all = dict.fromkeys(
            (*self._content, *(one for layers in self._layers.values() for one in layers))
        )
        self._objective.canvas.check_size(self._all)
        extractor.network(tuple(self._all))
        extractor.network(self._content)
        self.names = tuple(self._layers)
        signature = [tf.TensorSpec(shape, tf.float32)]
        self._evaluated = tf.function(self._evaluate, input_signature=signature, autograph=False)
        self._applied = tf.function(network.optimizer.apply, autograph=False)

    def _prepared(self):
        objective = self._objective
        for name, term in objective.terms.items():
            if name not in objective.targets:
                fail(
                    f"`style_loss` cannot train a network: targets of {name} depend on the image",
                    expected="a loss whose targets are known before the first step",
                    hint="use gram, or a loss such as stylekit.losses.WassersteinStyleLoss",
                    argument="style_loss",
                )
            yield name, term

    def __call__(self, photographs: np.ndarray) -> list[float] | None:
        """Take a step and return the total and the losses, or None if they are not finite."""
        values, gradients, finite = self._evaluated(photographs)
        if not finite:
            return None
        self._applied(gradients)
        return [float(value) for value in values]

    def _evaluate(self, photographs):
        canvas, objective = self._objective.canvas, self._objective
        wanted = canvas.extract(photographs, self._content)
        with tf.GradientTape() as tape:
            painted = self._network(photographs, training=True)
            features = canvas.extract(painted, self._all)
            errors = [relative_error(features[one], wanted[one]) for one in self._content]
            values = [tf.reduce_mean(tf.add_n(errors)) / len(errors)]
            weights = [self._content_weight]
            for name, term in objective.terms.items():
                read = {layer: features[layer] for layer in self._layers[name]}
                with naming(f"in loss {name!r}, method {type(term).__name__}.compute"):
                    value = term.compute(painted, read, objective.targets[name])
                values.append(tf.reduce_mean(value))
                weights.append(term.weight)
            total = tf.add_n([w * value for w, value in zip(weights, values, strict=True)])
        gradients = tape.gradient(total, self._network.trainable_variables)
        finite = [tf.reduce_all(tf.math.is_finite(one)) for one in (total, *gradients)]
        return [total, *values], gradients, tf.reduce_all(finite)


def _terms(style, strength, style_loss, variation, extractor) -> list[Loss]:
    """Return the losses of `recipes.basic` except the content loss, with their weights."""
    if style_loss == "neighbors":
        fail(
            "`style_loss` cannot train a network",
            expected="'gram', or a loss whose targets are known before the first step",
            received=repr(style_loss),
            hint="omit `style_loss` to use gram",
            argument="style_loss",
        )
    how = method(
        style_loss,
        lambda parts, weight, layers: [
            GramStyleLoss(one.style, layers=layers, weight=weight) for one in parts
        ],
    )
    terms = how.terms([StylePart(style)], strength * how.factor(extractor), None)
    if variation is None:
        variation = how.variation(extractor)
    smoothing = strength * number(variation, "variation", low=0)
    if smoothing:
        terms.append(TotalVariationLoss(weight=smoothing))
        terms.append(
            TotalVariationLoss(
                weight=CHROMA * smoothing, channels="chroma", name="chroma_variation"
            )
        )
    return terms


def _begun(path: Path, trained: dict[str, Any], learning_rate: float, seed: int) -> StyleNetwork:
    """Return the network to train, new or from a file, compiled with its optimizer."""
    found = None
    if status(path) is not None:
        found = about(path)
        mine, other = (
            {k: v for k, v in one.items() if k not in RUNNING} for one in (trained, found)
        )
        if mine != other:
            expected, received = differences(mine, other)
            fail(
                f"{path} belongs to another training",
                expected=expected,
                received=received,
                hint="name another file, or delete this one to start a new training",
                argument="path",
            )
        network = load(path).network
    else:
        network = StyleNetwork(trained | {"stylekit": __version__, "steps": 0, "seconds": 0.0})
        rng = np.random.default_rng(seed)
        for kernel in network.trainable_variables:
            if len(kernel.shape) == 4:  # He et al. 2015, eq. 10
                kernel.assign(rng.normal(0, (2 / np.prod(kernel.shape[:3])) ** 0.5, kernel.shape))
    network.compile(keras.optimizers.Adam(learning_rate))
    network.optimizer.build(network.trainable_variables)
    if found:
        network.load_weights(path)  # load the weights again, now with the state of the optimizer
    return network


def _save(network: StyleNetwork, path: Path) -> None:
    """Write a network. It replaces the previous file only when it is complete."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder) / "network.keras"
        network.save(scratch)
        with replacing(path) as file:
            file.write(scratch.read_bytes())


def _ahead(
    crops: Photographs, count: int, first: int, end: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the steps and their crops, and read the next crops in a thread."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(crops.batch, first, count)
        for step in range(first, end):
            squares = coming.result()
            if step + 1 < end:
                coming = pool.submit(crops.batch, step + 1, count)
            yield step, squares


class _Log:
    """A table of the losses, with one row per step.

    Parameters
    ----------
    path : path or None
        Path of the table. If None, no table is written.
    names : list of str
        Names of the losses.
    steps : int
        Number of steps that were taken before. The rows of these steps are kept, and later rows are
        dropped.
    """

    def __init__(self, path: Path | None, names: list[str], steps: int) -> None:
        self._path, self._head, self._kept = path, ["step", "seconds", "total", *names], steps

    def __enter__(self) -> _Log:
        if self._path is not None:
            rows: list[list[str]] = []
            if self._kept and status(self._path, argument="losses_csv") is not None:
                rows = list(csv.reader(self._path.read_text("utf-8").splitlines()))[1:]
            self._file = self._path.open("w", newline="", encoding="utf-8")
            self._writer = csv.writer(self._file)
            self._writer.writerow(self._head)
            self._writer.writerows(row for row in rows if int(row[0]) <= self._kept)
        return self

    def write(self, step: int, seconds: float, values: list[float]) -> None:
        """Write the row of a step."""
        if self._path is not None:
            self._writer.writerow([step, f"{seconds:.2f}", *(f"{value:.6g}" for value in values)])

    def flush(self) -> None:
        """Write the rows so far to the disk."""
        if self._path is not None:
            self._file.flush()

    def __exit__(self, *_: object) -> None:
        if self._path is not None:
            self._file.close()
