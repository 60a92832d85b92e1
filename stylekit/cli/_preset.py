"""``--preset``: the recipe of a paper or a program in the place of the command's own."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stylekit._checks import did_you_mean, fail
from stylekit.cli import _declared as declared
from stylekit.cli._declared import OptimizerName
from stylekit.cli._help import GIVEN, NAMES
from stylekit.cli._options import HowOptions, PaintOptions, RunOptions


@dataclasses.dataclass(kw_only=True)
class PresetOption(HowOptions):
    """The option of the commands that may take their settings from a paper or a program."""

    preset: declared.Preset = None

    def settled(
        self, recipe: Callable[..., Any], options: dict[str, Any]
    ) -> tuple[Callable[..., Any], dict[str, Any]]:
        """Return the preset and, of the options, those that were given, for it and its run."""
        import stylekit as sk
        from stylekit.recipes.recipe import RUN

        preset = found(str(self.preset), recipe)
        own, usual, basic = (_parameters(one) for one in (preset, recipe, sk.recipes.basic))
        usual = basic | usual  # which takes further options of basic
        given = GIVEN.get()
        kept = {name: value for name, value in options.items() if name in RUN}
        for name in options.keys() - RUN:
            option = NAMES.get({}).get(name, name)
            if option not in given and _same(options[name], usual[name].default):
                continue
            if name not in own:
                fail(f"--preset {self.preset} takes no {option}", hint="leave one of the two out")
            kept[name] = options[name]
        if self.optimizer is not OptimizerName.adam and "--learning-rate" in given:
            fail("--learning-rate is that of adam", expected="--optimizer adam with it")
        if self.optimizer is OptimizerName.lbfgs and "--optimizer" in given:
            kept["optimizer"] = sk.LBFGS()
        return preset, kept

    def pooled(self, network: Any, own: Any) -> Any:
        """Return the network of the command, with the preset's pooling unless one was given."""
        import stylekit as sk

        both = isinstance(network, sk.VGG19) and isinstance(own, sk.VGG19)
        if both and "--pooling" not in GIVEN.get():
            return sk.VGG19(network.weights, pooling=own.pooling)
        return network


@dataclasses.dataclass(kw_only=True)
class RunPresetOptions(PresetOption, RunOptions):
    """`PresetOption` of the commands that paint one picture."""

    def complete(
        self, like: Path | None, recipe: Callable[..., Any], *pictures: Any, **options: Any
    ) -> None:
        """Run the preset if one is named, or else the command's recipe; see `RunOptions`."""
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
    """`RunPresetOptions` of the commands that paint a photograph."""


def found(name: str, recipe: Callable[..., Any]) -> Callable[..., Any]:
    """Return the preset of a name that takes the pictures that a recipe takes.

    Raises
    ------
    InputError
        If there is none; the message lists those that there are.
    """
    from stylekit.recipes import presets

    known = {one: getattr(presets, one) for one in presets.__all__}
    names = [one for one, preset in known.items() if _pictures(preset) == _pictures(recipe)]
    if name in names:
        return known[name]
    takes = name in known and ", ".join(_pictures(known[name]))
    fail(
        f"--preset {name} takes {takes}" if takes else "--preset is unknown",
        expected=f"one of {', '.join(names)}",
        received=name,
        hint="" if takes else did_you_mean(name, names),
    )


def _pictures(recipe: Callable[..., Any]) -> list[str]:
    """Return the parameters of a recipe that are given by their place."""
    parameters = _parameters(recipe).values()
    return [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]


def _parameters(recipe: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(recipe).parameters)


def _same(value: Any, default: Any) -> bool:
    plain = isinstance(value, str | int | float | tuple)
    return value is default or (plain and value == default)
