"""The file of a trained network: Keras's own format, looked at before Keras loads it."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

from stylekit._checks import FileError, absent, as_path, explain, is_folder, status
from stylekit._write import check_room

REGISTERED = "stylekit>StyleNetwork"
"""What Keras calls the network's class."""

SUFFIX = ".keras"

LARGEST = 2**20
"""Bytes of a configuration; that of a network has two thousand."""


def about(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a network was trained on and how, without loading it.

    Parameters
    ----------
    path : path
        What `stylekit.feedforward.train` wrote.

    Returns
    -------
    dict of str
        ``stylekit``, the version; ``style``, the hash of the style picture; ``photographs``, their
        number and a hash of their names and sizes; ``settings``; ``steps`` and ``seconds`` of
        training so far.

    Raises
    ------
    FileError
        If there is no file, or it is of another kind.
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
    except Exception as error:  # the disk, zip and JSON each fail in many ways
        raise FileError(
            explain(
                f"{path} is not a style network",
                expected="a .keras file that stylekit train-style wrote",
                received=str(error),
                hint="train one, or check the path",
            ),
            argument="path",
        ) from error


def new_file(path: str | os.PathLike[str]) -> Path:
    """Return a path to write a network to; raise `FileError` if none can be written to it."""
    path = as_path(path)
    if path.suffix.lower() != SUFFIX:
        raise FileError(
            explain(
                f"{path} has a suffix that is not that of a network",
                expected=f"a path such as {path.with_suffix(SUFFIX)}",
                received=repr(path.suffix) if path.suffix else "none",
            ),
            argument="path",
        )
    check_room(path)
    return path
