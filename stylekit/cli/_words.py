"""The library's messages in the words of the command line.

A function's message speaks of its arguments, and of other functions that may help; who typed a
command knows neither. Where an option does the same, this names the option.
"""

from __future__ import annotations

import functools
import re

WORDS = (
    (r"small_regions='skip_layer'", "--skip-small"),
    (r"keep='background'", "--keep background"),
    (r"colors=", "--color"),
    (r"keep=", "--keep"),
    (r"merge=", "--merge"),
    (r"^colors and (keep|merge) both name", r"--color and --\1 both name"),
    (r"^keep and merge both name", "--keep and --merge both name"),
    (r"^(keep|merge) names a colour", r"--\1 names a colour"),
    (r"that keep and merge do not name", "that --keep and --merge do not name"),
    (r"\bmin_share\b", "--min-share"),
    (r"\bnames=", "--names"),
    (r"plan=Recompute\(\) or plan=Tiles\(\), LBFGS\(history=3\)", "--plan recompute or tiles"),
    (r"a smaller size or style\b", "a smaller --size or --style-scale"),
    (r"or take a smaller size$", "or take a smaller --size"),
    (r"precision='(\w+)'", r"--precision \1"),
    (r"bits=8", "--bits 8"),
    (r"mark some of it with foreground=, or draw a tighter box", "draw a tighter box"),
    (r"mark some background with background=", "draw a smaller box"),
    (r"give its folder as DeepLab\(path\)", "give its folder as --model"),
    (r"masks\.subject needs no network", "--box needs neither"),
    (r"give the path of a model that you have", "give a model that you have as --model"),
    (r"use masks\.resize\(.*\)\)", "draw it over the picture itself"),
    (r", or stretch it with masks\.resize", " itself"),
    (r"masks\.guided", "--refine guided"),
    (r"style_weights", "--style-weight"),
    (
        r"if you trust the file, raise PIL\.Image\.MAX_IMAGE_PIXELS before reading it",
        "make it smaller with another program first",
    ),
    (r"CompactVGG\(\)", "--extractor compact"),
    (
        r"take (a larger picture|larger pictures), shallower layers, or fewer pyramid levels",
        "take a larger --size, shallower layers, or a smaller --pyramid",
    ),
    (r"weights=\.\.\. \(or --weights-file\)", "--weights-file"),
    (r"shape \((\d+), (\d+)\)", r"\2x\1 pixels"),
)
"""Patterns of the library's words, and what the command line says for them, in their order."""


def spoken(message: str) -> str:
    """Return a message of the library in the words of the command line."""
    for pattern, words in WORDS:
        message = re.sub(pattern, functools.partial(_cased, words=words), message, flags=re.I)
    return message


def _cased(found: re.Match, words: str) -> str:
    """Return what is said instead, as a sentence's beginning if that is what was found."""
    said = found.expand(words)
    return said[:1].upper() + said[1:] if found[0][0].isupper() else said
