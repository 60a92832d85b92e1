"""Checks the .keras file of a trained network before Keras loads it."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

from stylekit._checks import FileError, absent, as_path, explain, is_folder, status
from stylekit._write import check_room

REGISTERED = "stylekit>StyleNetwork"
"""Name under which Keras registers the class of the network."""

SUFFIX = ".keras"

LARGEST = 2**20
"""Maximum size of a configuration in bytes. The configuration of a network has about two
thousand."""


def about(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the description of a network's training, without loading the network.

    Parameters
    ----------
    path : path
        A file that `stylekit.feedforward.train` wrote.

    Returns
    -------
    dict of str
        ``stylekit`` is the version, ``style`` the hash of the style picture, and ``photographs``
        the number of photographs and a hash of their names and file sizes. ``settings`` are the
        settings of the training, and ``steps`` and ``seconds`` its length so far.

    Raises
    ------
    FileError
        If the file does not exist, or does not contain a style network.
    """
    path = as_path(path)
    if status(path) is None:
        raise absent(path, f"the network {path}", "a .keras file that train-style wrote", "path")
    try:
        if is_folder(path):
            raise ValueError("it is a folder")
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > LARGEST:
                raise ValueError("its configuration is too long")
            config = json.loads(archive.read("config.json"))
        if config["registered_name"] != REGISTERED:
            raise ValueError(f"it holds a {config['class_name']}")
        return dict(config["config"]["about"])
    except Exception as error:  # reading, zip and JSON raise many kinds
        raise FileError(
            explain(
                f"{path} is not a style network",
                expected="a .keras file that stylekit train-style wrote",
                received=str(error),
                hint="check the path, or train a network with train-style",
            ),
            argument="path",
        ) from error


def new_file(path: str | os.PathLike[str]) -> Path:
    """Return a path to write a network to, or raise `FileError` if it cannot be written."""
    path = as_path(path)
    if path.suffix.lower() != SUFFIX:
        raise FileError(
            explain(
                f"{path} must have the suffix {SUFFIX}",
                expected=f"a path such as {path.with_suffix(SUFFIX)}",
                received=repr(path.suffix) if path.suffix else "none",
            ),
            argument="path",
        )
    check_room(path)
    return path
