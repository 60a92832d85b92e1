"""The page's own fields; their pictures travel by the routes of `server`, never as files.

Gradio's own picture fields keep what is uploaded in files, and name the server's folder to the
browser. A field here holds a dict, which its template shows; what the visitor does in it comes as
an event with its data. They are no subclasses: Gradio writes a file beside the source of those.
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
"""Longer side, in pixels, of an example."""


def state(**told: Any) -> dict[str, Any]:
    """Return what a field's template reads, complete, from what is told.

    Parameters
    ----------
    show : str
        The picture's address.
    note : str
        Plain text, which may quote what a file says.
    problem : bool
        Whether the note tells of one.
    **told
        What else the template reads.
    """
    told = {"show": "", "note": "", "problem": False, **told}
    return told | {"note": html.escape(str(told["note"]))}


def picture(prompt: str, examples: Mapping[str, np.ndarray], most: int, **options) -> gr.HTML:
    """Return a place for a picture; its event `upload` has an "example", or the name of a "file".

    Parameters
    ----------
    prompt : str
    examples : mapping of str to ndarray
    most : int
        Bytes of a file.
    **options
        As for `gradio.HTML`.
    """
    thumbnails = [{"name": name, "show": _thumbnail(one)} for name, one in examples.items()]
    return _field("picture", state(), prompt=prompt, examples=thumbnails, most=most, **options)


def region(**options) -> gr.HTML:
    """Return the photo to draw in; its event `region` has a "box", "strokes" or nothing."""
    return _field("region", state(tool="box", photo=0), **options)


def painting(**options) -> gr.HTML:
    """Return the place of the image so far, and of how far it is."""
    return _field("painting", state(share=0), **options)


def files(**options) -> gr.HTML:
    """Return the links to download a "picture" and its "manifest"."""
    return _field("files", {}, **options)


def _thumbnail(image: np.ndarray) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg(image, THUMBNAIL)).decode()}"


def _field(name: str, value: dict[str, Any], **options) -> gr.HTML:
    script = STATIC / f"{name}.js"
    return gr.HTML(
        value,
        html_template=(STATIC / f"{name}.html").read_text(encoding="utf-8"),
        js_on_load=script.read_text(encoding="utf-8") if script.exists() else None,
        apply_default_css=False,
        **options,
    )
