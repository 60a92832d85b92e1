"""Distill a compact network from VGG19: ``python -m stylekit.features.distillation --help``.

The student is initialised with VGG19's weights, pruned to a fraction of the channels; see
`teacher.inherit`. A tap is a layer that is read. At each tap a linear projection P predicts the
teacher's features from the student's features. The training loss compares these predictions with
the teacher's features, their Gram matrices, and the changes of both during a transfer. The training
pictures are random crops, and images that the student paints during the training. These images show
the errors that an optimizer exploits, so that training removes them (compare Ross, Gordon, Bagnell:
A Reduction of Imitation Learning to No-Regret Online Learning, AISTATS 2011).

A narrow VGG19 with linear projections was proposed by Wang, Li, Wang, Hu, Yang: Collaborative
Distillation for Ultra-Resolution Universal Style Transfer, CVPR 2020. The initialisation, the Gram
matrices, the changes, the painted images and the folding are new here.
"""

from __future__ import annotations

import argparse
import csv
import time
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from stylekit._checks import FileError, StylekitError, explain
from stylekit._npz import array_header, read_array
from stylekit._write import replacing
from stylekit.features.distillation.crops import Crops
from stylekit.features.distillation.student import Student, folded, gradient_of
from stylekit.features.distillation.teacher import Features, Teacher, begin, teachers


class Painter:
    """Paint images with the student, a few steps of Adam at a time.

    Each image is optimised for 40 to 200 steps, so that the student's loss becomes small. The
    teacher's features of the image then show what the student does not represent.

    Parameters
    ----------
    student : Student
        The network that is trained.
    teacher : Teacher
        The network that provides the targets.
    crops : Crops
        Source of the photographs and styles.
    count : int
        Number of images in progress.
    """

    def __init__(self, student: Student, teacher: Teacher, crops: Crops, count: int = 8) -> None:
        self.student, self.teacher, self.crops = student, teacher, crops
        self.images: list[dict[str, Any]] = [{}] * count
        self.gradient = gradient_of(student.painting_loss)

    def step(self, rng: np.random.Generator, times: int = 2) -> Features:
        """Take `times` steps with every image, and return one of the images.

        Returns
        -------
        dict
            The value of "image" is float32 ``[1, 3, size, size, 3]``: the painted image, its style
            and its photograph. The other keys are layers. Their values are the teacher's features
            of the three pictures, float16 ``[1, 3, h, w, C]``.
        """
        for k, one in enumerate(self.images):
            if not one or one["age"] >= one["life"]:
                self.images[k] = self._begin(rng)
        for _ in range(times):
            self._move()
        one = self.images[rng.integers(len(self.images))]
        seen = self.teacher(one["image"][None])
        whole = {name: np.concatenate([seen[name], one["seen"][name]]) for name in seen}
        return {"image": np.stack([one["image"], *one["given"]])[None]} | {
            name: feature[None] for name, feature in whole.items()
        }

    def _move(self) -> None:
        names = ("image", "goals", "kept", "strength")
        batch = keras.tree.map_structure(
            lambda *values: ops.convert_to_tensor(np.stack(values)),
            *({name: one[name] for name in names} for one in self.images),
        )
        gradient = self.gradient(*(batch[name] for name in names))
        for one, slope in zip(self.images, ops.convert_to_numpy(gradient), strict=True):
            one["age"] += 1
            one["mean"] = 0.9 * one["mean"] + 0.1 * slope
            one["square"] = 0.99 * one["square"] + 0.01 * slope**2
            mean = one["mean"] / (1 - 0.9 ** one["age"])
            root = np.sqrt(one["square"] / (1 - 0.99 ** one["age"])) + 1e-12
            rate = one["rate"] * max(1 - one["age"] / one["life"], 0.05)
            one["image"] = np.clip(one["image"] - rate * mean / root, 0, 1)

    def _begin(self, rng: np.random.Generator) -> dict[str, Any]:
        given = np.stack([self.crops.draw(rng) for _ in range(2)])
        grams, kept = self.student.painting(ops.convert_to_tensor(given))
        return {
            "given": given,  # the style and the photograph
            "seen": self.teacher(given),
            "image": given[1],
            "goals": {name: ops.convert_to_numpy(gram)[0] for name, gram in grams.items()},
            "kept": {name: ops.convert_to_numpy(feature)[1] for name, feature in kept.items()},
            "strength": np.float32(rng.uniform(0.05, 1)),
            "rate": np.float32(np.exp(rng.uniform(np.log(0.01), np.log(0.06)))),
            "age": 0,
            "life": int(rng.integers(40, 200)),
            "mean": np.zeros_like(given[1]),
            "square": np.zeros_like(given[1]),
        }


class Ring:
    """A ring buffer of the latest pictures and their teacher features."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.count = capacity, 0
        self.store: Features = {}

    def add(self, arrays: Features) -> None:
        """Add pictures. They replace the oldest ones when the buffer is full."""
        for name, values in arrays.items():
            if name not in self.store:
                self.store[name] = np.empty((self.capacity, *values.shape[1:]), values.dtype)
            at = np.arange(self.count, self.count + len(values)) % self.capacity
            self.store[name][at] = values
        self.count += len(values)

    def draw(self, rng: np.random.Generator, count: int) -> Features:
        """Return random pictures, drawn with replacement."""
        at = rng.integers(min(self.count, self.capacity), size=count)
        return {name: values[at] for name, values in self.store.items()}


def distill(options: argparse.Namespace) -> Path:
    """Train a network, write its weights and return their path; see `arguments`."""
    keras.utils.set_random_seed(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    crops = Crops(options.pictures, options.size, options.exclude)
    fixed = np.random.default_rng(options.seed)
    first, held = (np.stack([crops.draw(fixed) for _ in range(48)]) for _ in range(2))
    teacher = Teacher(teachers(options.teacher, options.deep_teacher), first)
    truth = teacher(held)
    weights = options.feature_weight, options.gram_weight, options.change_weight
    student = Student(teacher.channels, *weights)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, options.steps, alpha=0.01, warmup_target=options.rate, warmup_steps=100
    )
    # Without compilation, JAX runs the operations one by one. TensorFlow always traces a graph.
    compiled = keras.backend.backend() == "jax"
    student.compile(keras.optimizers.Adam(rate, clipnorm=1.0), jit_compile=compiled)
    student.optimizer.build(student.trainable_variables)
    checkpoint = options.out / "checkpoint.npz"
    begun = restore(student, checkpoint)
    if not begun:
        begin(student, teacher, first, options.start)
    rng = np.random.default_rng([options.seed, begun])  # a resumed run draws new crops
    ring, painter = Ring(options.ring), Painter(student, teacher, crops)
    bar = tqdm(range(begun, options.steps), initial=begun, total=options.steps, unit="step")
    began = time.monotonic()
    with (options.out / "log.csv").open("a", newline="") as file:
        log = csv.writer(file)
        if not file.tell():
            heads = ("features", "gram", "style change", "content change")
            names = (f"{name} {head}" for name in teacher.channels for head in heads)
            log.writerow(["step", "seconds", *names])
        for step in bar:
            if step % options.paint_every == 0 or not ring.count:
                ring.add(painter.step(rng))
            targets = by_kind(ring.draw(rng, options.batch))
            loss = student.train_on_batch(targets.pop("image"), targets)
            if step % 20 == 0:
                bar.set_postfix(loss=f"{float(np.ravel(loss)[0]):.3f}")
            if (step + 1) % options.every == 0 or step + 1 == options.steps:
                last = by_kind(ring.draw(rng, 8))
                changes = student.changes(student.predicted(student(last.pop("image"))), last)
                errors = student.errors(student.predicted(student(held)), truth)
                pairs = (errors[name] + changes[name] for name in errors)
                row = [f"{float(x):.5f}" for pair in pairs for x in pair]
                log.writerow([step + 1, f"{time.monotonic() - began:.0f}", *row])
                file.flush()
                save(student, checkpoint, step + 1)
    arrays: dict[str, Any] = folded(student, held)  # Any, because of NumPy's annotations
    path = options.out / "compact_vgg.npz"
    with replacing(path) as file:
        np.savez_compressed(file, **arrays)
    return path


def by_kind(triples: Features) -> Features:
    """Reshape ``[n, 3, ...]`` to ``[3 n, ...]``: all images, all styles, then all photographs."""
    return {name: np.concatenate(np.swapaxes(x, 0, 1)) for name, x in triples.items()}


def save(student: Student, path: Path, step: int) -> None:
    """Write all variables atomically, so that an interruption leaves a complete file."""
    variables = [*student.variables, *student.optimizer.variables]
    arrays = [ops.convert_to_numpy(variable) for variable in variables]
    with replacing(path) as file:
        np.savez(file, step=step, **{str(k): array for k, array in enumerate(arrays)})


def restore(student: Student, path: Path) -> int:
    """Read the checkpoint of `save` if it exists, and return the step at which to continue.

    Raises
    ------
    FileError
        If the file is damaged or belongs to a different student.
    """
    if not path.exists():
        return 0
    variables = [*student.variables, *student.optimizer.variables]
    try:
        with zipfile.ZipFile(path) as archive:
            for k, variable in enumerate(variables):
                if array_header(archive, str(k))[0] != tuple(variable.shape):
                    raise ValueError(f"array {k} belongs to another student")
            if array_header(archive, "step")[0] != ():
                raise ValueError("the step is not a number")
            for k, variable in enumerate(variables):
                variable.assign(read_array(archive, str(k)))
            return int(read_array(archive, "step"))
    except Exception as error:  # zipfile and NumPy raise errors of many types
        raise FileError(
            explain(
                f"the checkpoint {path} is damaged or belongs to another network ({error})",
                hint="delete it to start again, or name another folder",
            ),
            argument="path",
        ) from error


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m stylekit.features.distillation",
        description="Distill a compact network from VGG19. The same command resumes a run.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("out", type=Path, help="folder of the checkpoint, the log and compact_vgg.npz")
    add("--pictures", type=Path, nargs="+", required=True, help="folders, each used equally often")
    add("--exclude", nargs="*", default=(), help="patterns of file names, such as '*_mask.png'")
    add("--teacher", default="imagenet", help="VGG19's weights; deep layers may be missing")
    add("--deep-teacher", help=".npz of a published student, for conv5_1 if --teacher lacks it")
    add("--start", type=Path, help="an earlier compact_vgg.npz to start from; default: VGG19")
    add("--steps", type=int, default=8000)
    add("--batch", type=int, default=2, help="triples: an image, its style, its photograph")
    add("--size", type=int, default=128, help="side of a crop in pixels")
    add("--rate", type=float, default=1e-3, help="largest learning rate of Adam, with cosine decay")
    add("--feature-weight", type=float, default=1.0)
    add("--gram-weight", type=float, default=1.0)
    add("--change-weight", type=float, default=1.0)
    add("--ring", type=int, default=300, help="triples in the buffer, 3 MB each")
    add("--paint-every", type=int, default=2, help="training steps for every two painting steps")
    add("--every", type=int, default=250, help="steps between checkpoints")
    add("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    parser = arguments()
    try:
        print(distill(parser.parse_args()))
    except StylekitError as error:
        parser.exit(2, f"distill: {error}\n")
