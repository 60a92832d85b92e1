"""Targets as variables, so that a trace serves other targets of the same form."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def as_variables(targets):
    """Return targets as variables; None stays None."""
    return tf.nest.map_structure(
        lambda target: None if target is None else tf.Variable(target, trainable=False), targets
    )


def assign(variables, targets) -> None:
    """Put targets in the place of others of the same form."""
    for variable, target in zip(tf.nest.flatten(variables), tf.nest.flatten(targets), strict=True):
        if target is not None:
            variable.assign(target)


def form(targets) -> Any:
    """Return the structure of nested targets, and each one's shape and type."""
    leaves = [
        None if leaf is None else (tuple(leaf.shape), tf.as_dtype(leaf.dtype))
        for leaf in tf.nest.flatten(targets)
    ]
    return tf.nest.map_structure(lambda leaf: None, targets), leaves
