"""``--preset``: the recipe of a paper or program instead of the command's recipe."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from stylekit._checks import did_you_mean, fail
from stylekit.cli import _declared as declared
from stylekit.cli._declared import OptimizerName
from stylekit.cli._help import GIVEN, NAMES
from stylekit.cli._options import HowOptions, PaintOptions, RunOptions


@dataclasses.dataclass(kw_only=True)
class PresetOption(HowOptions):
    """The option ``--preset``."""

    preset: declared.Preset = None

    takes: ClassVar[tuple[str, ...]] = ("content", "style")
    """Picture arguments of the command. Its presets are those with the same picture arguments."""

    def check(self) -> None:
        """Check the options, before pictures are read and TensorFlow loads."""
        if self.preset:
            check_preset(self.preset, self.takes)
        super().check()

    def settled(
        self, recipe: Callable[..., Any], options: dict[str, Any]
    ) -> tuple[Callable[..., Any], dict[str, Any]]:
        """Return the preset, and the options for the preset and its run.

        Options of the recipe that have their default are left out: the preset's values apply.
        """
        import stylekit as sk
        from stylekit.recipes.recipe import RUN

        preset = getattr(sk.recipes.presets, str(self.preset))
        own, usual, basic = (_parameters(one) for one in (preset, recipe, sk.recipes.basic))
        usual = basic | usual  # a recipe passes its further options on to basic
        given = GIVEN.get()
        kept = {name: value for name, value in options.items() if name in RUN}
        for name in options.keys() - RUN:
            option = NAMES.get({}).get(name, name)
            if option not in given and _same(options[name], usual[name].default):
                continue
            if name not in own:
                fail(
                    f"--preset {self.preset} cannot be combined with {option}",
                    hint="leave one of the two out",
                )
            kept[name] = options[name]
        if self.optimizer is OptimizerName.lbfgs and "--optimizer" in given:
            kept["optimizer"] = sk.LBFGS()
        return preset, kept

    def pooled(self, network: Any, own: Any) -> Any:
        """Return the command's network, with the preset's pooling unless ``--pooling`` is given."""
        import stylekit as sk

        both = isinstance(network, sk.VGG19) and isinstance(own, sk.VGG19)
        if both and "--pooling" not in GIVEN.get():
            return sk.VGG19(network.weights, pooling=own.pooling)
        return network


@dataclasses.dataclass(kw_only=True)
class RunPresetOptions(PresetOption, RunOptions):
    """Options of commands that paint one picture and have presets."""

    def complete(
        self, like: Path | None, recipe: Callable[..., Any], *pictures: Any, **options: Any
    ) -> None:
        """Run the preset if one is given, else `recipe`; see `RunOptions.complete`."""
        if self.preset:
            preset, options = self.settled(recipe, options)
            network = options.pop("extractor")

            @functools.wraps(preset)
            def recipe(*pictures: Any, **technique: Any) -> Any:
                made = preset(*pictures, **technique)
                made.extractor = self.pooled(network, made.extractor)
                return made

        super().complete(like, recipe, *pictures, **options)


@dataclasses.dataclass(kw_only=True)
class PresetOptions(RunPresetOptions, PaintOptions):
    """Options of commands that paint one photograph and have presets."""


@dataclasses.dataclass(kw_only=True)
class RegionPresetOptions(PresetOptions):
    """Options of the command that has presets and takes colour maps."""

    takes: ClassVar[tuple[str, ...]] = ("content", "content_map", "style", "style_map")
    preset: declared.RegionPreset = None


@dataclasses.dataclass(kw_only=True)
class SubjectPresetOptions(PresetOptions):
    """Options of the command that has presets and takes a subject."""

    takes: ClassVar[tuple[str, ...]] = ("content", "style", "subject")
    preset: declared.SubjectPreset = None


@dataclasses.dataclass(kw_only=True)
class SamplePresetOptions(RunPresetOptions):
    """Options of the command that has presets and takes a sample."""

    takes: ClassVar[tuple[str, ...]] = ("style",)
    preset: declared.SamplePreset = None


def check_preset(name: str, takes: tuple[str, ...]) -> None:
    """Raise `InputError` unless the preset `name` has the picture arguments `takes`."""
    names = declared.PRESETS[takes]
    if name in names:
        return
    others = next((other for other, held in declared.PRESETS.items() if name in held), ())
    fail(
        f"--preset {name} is for commands with {', '.join(others)}"
        if others
        else "--preset is unknown",
        expected=f"one of {', '.join(names)}",
        received=name,
        hint="" if others else did_you_mean(name, names),
    )


def _parameters(recipe: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(recipe).parameters)


def _same(value: Any, default: Any) -> bool:
    plain = isinstance(value, str | int | float | tuple)
    return value is default or (plain and value == default)
