"""The request for a run: its pictures, its region and its settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from stylekit.app.presets import Preset
from stylekit.features import FeatureExtractor
from stylekit.recipes import Recipe, basic
from stylekit.transfer import FitMemory, Result


@dataclasses.dataclass(frozen=True, eq=False)
class Order:
    """The pictures and settings of a run.

    Attributes
    ----------
    photo : ndarray, uint8 [H, W, 3]
    styles : tuple of ndarray, uint8 [h, w, 3]
    weights : tuple of float
        One weight for each style.
    region : ndarray [H, W] or None
        Mask of the area that is painted. If None, the whole photo is painted.
    network : (str, FeatureExtractor)
        Name of the network on the page, and the network.
    size, steps : int
    options : mapping
        Options of `recipes.basic`, which are ignored if there is a preset.
    preset : Preset or None
        If None, `recipes.basic` is used.
    """

    photo: np.ndarray
    styles: tuple[np.ndarray, ...]
    weights: tuple[float, ...]
    region: np.ndarray | None
    network: tuple[str, FeatureExtractor]
    size: int
    steps: int
    options: Mapping[str, Any]
    preset: Preset | None = None

    def recipe(self) -> Recipe:
        """Return the recipe."""
        _, network = self.network
        if self.preset is not None:
            return self.preset.recipe(self.photo, self.styles[0], self.size, network)
        recipe = basic(
            self.photo,
            list(self.styles),
            style_weights=list(self.weights),
            mask=self.region,
            size=self.size,
            **self.options,
        )
        recipe.extractor = network
        return recipe

    def run(self, recipe: Recipe, callbacks: Iterable[Callable[..., Any]]) -> Result:
        """Run the recipe with a plan that fits into the free memory."""
        return recipe.run(self.steps, plan=FitMemory(), callbacks=callbacks)

    def larger(self, most: int) -> Order | None:
        """Return the order at twice the size, up to `most` pixels, or None at that size."""
        if self.size >= most:
            return None
        return dataclasses.replace(self, size=min(2 * self.size, most))

    def described(self) -> str:
        """Return the settings in one line."""
        name, _ = self.network
        parts = [f"{self.size} px", f"{self.steps} steps"]
        if self.preset is not None:
            parts.append(self.preset.label)
        else:
            parts.append(f"strength {self.options.get('strength', 0):g}")
            parts += ["textures"] if self.options.get("style_loss") == "gram" else []
            parts += ["colours kept"] if self.options.get("keep_colors") else []
            scale = self.options.get("style_scale", 1)
            parts += [f"style scale {scale:g}"] if scale != 1 else []
        parts += ["region"] if self.region is not None else []
        parts += [f"{len(self.styles)} styles"] if len(self.styles) > 1 else []
        return ", ".join([*parts, name])
