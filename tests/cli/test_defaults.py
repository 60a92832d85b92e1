"""A command and the function that it calls have the same defaults."""

import inspect

import numpy as np
import pytest
from typer.main import get_command

import stylekit as sk
from stylekit import cli
from stylekit._defaults import DOODLE_STEPS, NEIGHBOR_STEPS, STEPS
from stylekit.cli import _declared as declared
from stylekit.recipes import presets
from stylekit.transfer.checkpoint import Checkpoint

COMMANDS = get_command(cli.app).commands
FUNCTIONS = {
    "transfer": [sk.recipes.basic, sk.recipes.Recipe.run, Checkpoint],
    "localized": [sk.recipes.basic, sk.recipes.localized, sk.recipes.Recipe.run],
    "regions": [sk.recipes.basic, sk.recipes.regions, sk.recipes.Recipe.run],
    "gradient-mask": [sk.recipes.basic, sk.recipes.gradient_mask, sk.recipes.Recipe.run],
    "patches": [sk.recipes.basic, sk.recipes.patches, sk.recipes.Recipe.run],
    "photoreal": [sk.recipes.basic, sk.recipes.photoreal, sk.recipes.Recipe.run],
    "texture": [sk.recipes.texture, sk.recipes.Recipe.run],
    "doodle": [sk.recipes.doodle, sk.recipes.Recipe.run],
    "batch": [sk.recipes.basic, sk.recipes.Recipe.run, sk.batch.run, sk.batch.jobs],
    "video": [sk.recipes.basic, sk.recipes.Recipe.run, sk.batch.stylize_video],
    "sweep": [sk.sweep],
    "train-style": [sk.feedforward.train],
}
LEFT_OPEN = (None, inspect.Parameter.empty)
"""Where a side has none, the other's is taken."""


@pytest.mark.parametrize("command", FUNCTIONS)
def test_a_default_is_the_function_s(command):
    shared = {"steps", "size", "strength", "style_loss", "style_scale", "seed", "precision"}
    compared = set()
    own = {}
    for function in FUNCTIONS[command]:  # the later ones are the more particular
        own |= {name: one.default for name, one in inspect.signature(function).parameters.items()}
    own |= {"checkpoint_every": own["every"]} if "every" in own else {}
    for parameter in COMMANDS[command].params:
        name, default = parameter.name, parameter.default
        if name in own and default not in LEFT_OPEN and own[name] not in LEFT_OPEN:
            value = getattr(default, "value", default)
            if isinstance(value, str | int | float) and name != "small_regions":  # a flag
                assert value == own[name], f"--{name}"
                compared.add(name)
    assert compared & shared


def test_the_help_of_steps_is_what_a_recipe_takes():
    photo = np.full((8, 8, 3), 0.5, np.float32)
    for style_loss, steps in (("neighbors", NEIGHBOR_STEPS), ("gram", STEPS)):
        assert sk.recipes.basic(photo, photo, style_loss=style_loss).steps == steps
        assert sk.recipes.texture(photo, style_loss=style_loss).steps == steps
        assert sk.recipes.photoreal(photo, photo, style_loss=style_loss).steps == steps
    assert inspect.getsource(sk.recipes.doodle).count("steps=DOODLE_STEPS") == 1
    shown = {name: option(name, "steps").show_default for name in FUNCTIONS if name != "sweep"}
    neighbors = f"{NEIGHBOR_STEPS}; {STEPS} with --style-loss gram"
    gram = f"{STEPS}; {NEIGHBOR_STEPS} with --style-loss neighbors"
    assert shown.pop("doodle") == str(DOODLE_STEPS)
    assert shown.pop("texture") == shown.pop("photoreal") == gram
    assert shown.pop("train-style") is True
    assert set(shown.values()) == {neighbors}


def option(command, name):
    return next(one for one in COMMANDS[command].params if one.name == name)


def test_the_names_of_the_presets_are_the_library_s():
    named = {name: pictures for pictures, names in declared.PRESETS.items() for name in names}
    assert set(named) == set(presets.__all__)
    for name, pictures in named.items():
        parameters = inspect.signature(getattr(presets, name)).parameters.values()
        assert pictures == tuple(
            one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD
        )
