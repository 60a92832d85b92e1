"""What is asked of a Keras model's graph: to be cut in stages, and how far its layers see."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import keras

from stylekit._checks import InputError, explain


def staged(
    network: keras.Model, names: Sequence[str], cuts: Iterable[str]
) -> tuple[keras.Model, ...]:
    """Return a network in stages; see `FeatureExtractor.stages`.

    Parameters
    ----------
    network : keras.Model
        From one input to ``{name: tensor}``.
    names : sequence of str
        All its outputs, from the picture down.
    cuts : iterable of str
        Those at which a stage ends.
    """
    edges = sorted({*(names.index(cut) + 1 for cut in cuts), len(names)})
    stages, x = [], network.inputs[0]
    for first, last in itertools.pairwise([0, *edges]):
        outputs = {name: network.output[name] for name in names[first:last]}
        try:
            stages.append(keras.Model(x, outputs))
        except ValueError as error:
            problem = f"the network cannot be cut at layer {names[first - 1]!r}"
            hint = "choose a layer through which all that follows passes"
            raise InputError(explain(problem, hint=hint)) from error
        x = outputs[names[last - 1]]
    return tuple(stages)


def sees_all(layer: keras.Layer) -> bool:
    """Return whether a cell of a layer depends on the whole of its input, as in a global pooling.

    Parameters
    ----------
    layer : keras.Layer
        Of a functional model whose input is of free size.
    """
    for output in keras.tree.flatten(layer.output):
        if len(output.shape) != 4 or None not in output.shape[1:3]:
            return True
    return isinstance(layer, keras.layers.GroupNormalization)
