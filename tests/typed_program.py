"""A user's program, for mypy alone: what a type checker knows of the public names.

It is never run. `mypy --strict` fails where a name that it uses is not typed, or typed otherwise.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

import stylekit as sk
from stylekit.image import PictureLike
from stylekit.losses import Canvas, TileableLoss
from stylekit.masks import MaskLike
from stylekit.transfer import Callback, Optimizer, Parameters, Step

Tensor = sk.functional.Tensor


class Brightness(sk.Loss):
    """Brings the mean of the image to a value."""

    def __init__(self, value: float, *, weight: float = 1.0) -> None:
        super().__init__(weight=weight, name="brightness")
        self.value = value

    def prepare(self, canvas: Canvas) -> dict[str, Tensor]:
        shape: tuple[int, int] = canvas.shape
        canvas.notes.append(f"prepared at {shape}")
        return {"value": ops.convert_to_tensor(self.value)}

    def compute(
        self, image: Tensor, features: Mapping[str, Tensor], targets: dict[str, Tensor]
    ) -> Tensor:
        return ops.square(ops.mean(image, axis=(1, 2, 3)) - targets["value"])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"value": self.value}


class ChannelMean(sk.StatisticLoss):
    """Brings the mean of each channel to the style's."""

    is_mean = True

    def statistic(self, feature: Tensor, mask: Tensor | None) -> Tensor:
        return sk.functional.masked_mean(feature, mask)


class SignDescent(Optimizer):
    """Moves each value by a fixed step against the sign of its gradient."""

    def __init__(self, rate: float = 0.01) -> None:
        self.rate = rate

    def init(self, x: Tensor) -> tuple[()]:
        return ()

    def step(
        self, evaluate: sk.transfer.Evaluate, x: Tensor, state: tuple[()]
    ) -> tuple[Tensor, tuple[()]]:
        _, gradient = evaluate(x)
        return x - self.rate * ops.sign(gradient), state


class Gamma(Parameters):
    """The pixels to a power."""

    bounds = (0.0, 1.0)

    def prepare(self, image: Tensor) -> tuple[Tensor, None]:
        return ops.sqrt(image), None

    def image(self, values: Tensor, context: None) -> Tensor:
        return ops.square(values)


class Printer(Callback):
    """Prints the total."""

    def __call__(self, step: Step) -> bool:
        losses: dict[str, Any] = step.losses
        print(step.index, losses["total"])
        return step.seconds > 60


def left_half(picture: np.ndarray) -> np.ndarray:
    mask: np.ndarray = np.zeros(picture.shape[:2], "float32")
    mask[:, : mask.shape[1] // 2] = 1
    return mask


def losses_of(photo: PictureLike, style: PictureLike, mask: MaskLike | None) -> list[sk.Loss]:
    tileable: TileableLoss = sk.TotalVariationLoss(2.5, weight=0.1)
    return [
        sk.ContentLoss(photo, layers={"block4_conv2": 1.0}, mask=left_half),
        sk.GramStyleLoss(style, mask, layers=["block1_conv1"], layer_weights=[1.0]),
        sk.GradientMaskStyleLoss([(style, left_half), (style, left_half, None, 2.0)]),
        sk.NeighborStyleLoss([style, style], [left_half, left_half]),
        sk.PixelLoss(photo),
        ChannelMean(style, layers="block3_conv1", mask=mask, weight=2),
        Brightness(0.5),
        tileable,
    ]


def main(folder: Path) -> Path:
    photo: np.ndarray = sk.read_image(folder / "photo.jpg", size=512)
    terms = losses_of(photo, folder / "style.jpg", sk.masks.feather(left_half(photo), 8))
    extractor: sk.FeatureExtractor = sk.VGG19(pooling="average")
    memory: sk.transfer.Memory = sk.estimate_memory(512, extractor, terms, plan=sk.Tiles(256))
    total: int = memory.total
    transfer = sk.StyleTransfer(
        terms,
        extractor=extractor,
        optimizer=SignDescent(),
        parameters=Gamma(),
        plan=sk.FitMemory(total, say=print),
    )
    result: sk.Result = transfer.run(
        photo,
        steps=100,
        update_mask=left_half,
        pyramid=sk.Pyramid([256, 512], [1, 2]),
        callbacks=[sk.ProgressBar(), Printer(), lambda step: step.index > 50],
        checkpoint=folder / "state",
    )
    image: np.ndarray = result.image
    reasons: tuple[str, int, float] = result.stopped_by, result.steps, result.seconds
    print(reasons, result.losses[-1]["total"], result.manifest["seed"])

    steps: Iterator[Step] = sk.StyleTransfer(terms, optimizer=keras.optimizers.Adam(0.02)).iterate(
        sk.Mix(photo, sk.Noise()), 10, checkpoint=sk.Checkpoint(folder / "other", keep=True)
    )
    frames: list[np.ndarray] = [step.image for step in steps]

    objective: sk.Objective = sk.StyleTransfer(terms, optimizer=sk.LBFGS(5)).objective(photo)
    value, values, gradient = objective(photo[None])
    by_name: dict[str, Tensor] = values
    gradients: dict[str, Tensor] = objective.term_gradients(photo[None])
    print(value, by_name, gradient, gradients)

    recipe: sk.Recipe = sk.recipes.localized(photo, folder / "style.jpg", left_half, strength=0.6)
    recipe.add(Brightness(0.5, weight=2)).replace("content", sk.PixelLoss(photo, weight=0.4))
    weights: dict[str, float] = {name: loss.weight for name, loss in recipe.losses.items()}
    localized: sk.Result = recipe.run(steps=60, extractor=sk.CompactVGG(), seed=3)
    print(weights, localized.steps)

    blended: np.ndarray = sk.blend.paste(photo, image, left_half(photo))
    distance: float = sk.metrics.style_distance(photo, blended, extractor=extractor)
    print(distance, len(frames))
    sk.stylize(photo, folder / "style.jpg", strength=0.6).save(folder / "short.png")
    stylized: sk.Result = sk.stylize(photo, folder / "style.jpg")
    sk.write_image(folder / "blended.png", blended)
    written: Path = stylized.save(folder / "out.png", like=folder / "photo.jpg")
    return written
