"""The page's own fields; their pictures travel in the messages, never as files of the server.

Gradio's own picture fields keep what is uploaded in files, and name the server's folder to the
browser. A field here holds a small dict, which its template shows; what the visitor does comes as
an event with its data.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from stylekit.app.uploads import shown

STATIC = Path(__file__).parent / "static"

THUMBNAIL = 96
"""Longer side, in pixels, of an example."""

VIEW = 640
"""Longer side, in pixels, at which pictures are shown beside the result."""


class Field(gr.HTML):
    """A field of the page: a template, a script, and a dict that the template shows."""

    template: str
    script: str | None = None
    empty: Mapping[str, Any]

    def __init__(self, value: Mapping[str, Any] | None = None, **options) -> None:
        script = None if self.script is None else _static(self.script)
        super().__init__(
            dict(self.empty if value is None else value),
            html_template=_static(self.template),
            js_on_load=script,
            apply_default_css=False,
            **options,
        )

    def postprocess(self, value: Any) -> Any:
        """Return the dict, with text as text: notes may quote what a file says."""
        if value is None:
            return dict(self.empty)
        return {
            key: html.escape(one) if key == "note" else one
            for key, one in (dict(self.empty) | dict(value)).items()
        }


class Picture(Field):
    """A place for a picture, with examples; its event `upload` has a "picture" or an "example"."""

    template, script = "picture.html", "picture.js"
    empty = {"show": "", "note": "", "problem": False}

    def __init__(self, prompt: str, examples: Mapping[str, np.ndarray], most: int, **options):
        super().__init__(
            prompt=prompt,
            examples=[
                {"name": name, "show": shown(picture, THUMBNAIL)}
                for name, picture in examples.items()
            ],
            most=most,
            **options,
        )


class Region(Field):
    """The photo to draw in; its event `region` has a "box", "strokes" or nothing."""

    template, script = "region.html", "region.js"
    empty = {"show": "", "photo": "", "tool": "box", "note": "", "problem": False}


class Painting(Field):
    """The image so far, how far it is, and a note."""

    template = "result.html"
    empty = {"show": "", "share": 0, "note": "", "problem": False}


class Files(Field):
    """What can be downloaded: a picture and its manifest, as data URLs."""

    template, script = "files.html", "files.js"
    empty = {"picture": "", "manifest": ""}


def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
