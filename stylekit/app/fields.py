"""The fields of the page that Gradio does not have.

Gradio's own picture fields write each upload to a file and send the path of the server's folder to
the browser. The value of a field in this module is a dict, which the field's template shows.
Pictures are sent through the routes of `server`. Each action of a visitor in a field is an event
with data. The fields are functions, because Gradio would write a file next to the source of a
subclass.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from stylekit.app.uploads import jpeg

STATIC = Path(__file__).parent / "static"

THUMBNAIL = 96
"""Longer side, in pixels, of the thumbnails of the examples."""


def state(**told: Any) -> dict[str, Any]:
    """Return the value of a field, with defaults for the entries that every template reads.

    Parameters
    ----------
    show : str
        Address of the picture.
    note : str
        Plain text. It is escaped, because it may contain text from a file.
    problem : bool
        Whether the note is an error.
    **told
        Other entries that the template reads.
    """
    told = {"show": "", "note": "", "problem": False, **told}
    return told | {"note": html.escape(str(told["note"]))}


def picture(prompt: str, examples: list[dict[str, str]], most: int, **options) -> gr.HTML:
    """Return a field for a picture, with a gallery of examples below it.

    The data of the event `upload` are "example", the name of an example, or "file", the name of an
    upload.

    Parameters
    ----------
    prompt : str
    examples : list of dict
        Examples as returned by `thumbnails`.
    most : int
        Largest size of a file in bytes.
    **options
        Options of `gradio.HTML`.
    """
    value = state(example="")
    return _field("picture", value, prompt=prompt, examples=examples, most=most, **options)


def thumbnails(pictures: Mapping[str, np.ndarray]) -> list[dict[str, str]]:
    """Return the name and a thumbnail of each picture; the thumbnail is a ``data:`` URL."""
    contents = {name: jpeg(picture, THUMBNAIL) for name, picture in pictures.items()}
    return [
        {"name": name, "show": f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"}
        for name, content in contents.items()
    ]


def region(**options) -> gr.HTML:
    """Return the board: the photo, in which the visitor draws a region.

    The data of the event `region` are "box", "strokes" or "points". An event without data clears
    the region.
    """
    return _field("region", state(tool="tap", photo=0), **options)


def painting(**options) -> gr.HTML:
    """Return the field for the image, its progress, and the slider between before and after."""
    return _field("painting", outcome(), **options)


def outcome(**told: Any) -> dict[str, Any]:
    """Return the value of `painting`, with defaults; see `state`."""
    return state(**{"share": 0, "on": False, "before": "", "aspect": ""} | told)


def files(**options) -> gr.HTML:
    """Return the links to download the "picture" and its "settings"."""
    return _field("files", {}, **options)


def results(**options) -> gr.HTML:
    """Return the list of the last results; the event `choose` has the "number" of a result."""
    return _field("results", {"results": []}, **options)


def _field(name: str, value: dict[str, Any], **options) -> gr.HTML:
    script = STATIC / f"{name}.js"
    return gr.HTML(
        value,
        html_template=(STATIC / f"{name}.html").read_text(encoding="utf-8"),
        js_on_load=script.read_text(encoding="utf-8") if script.exists() else None,
        apply_default_css=False,
        **options,
    )
