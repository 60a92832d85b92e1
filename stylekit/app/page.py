"""The page: its fields, where they stand, and which answer follows which event."""

from __future__ import annotations

import contextlib
from typing import Any

import gradio as gr
import numpy as np
import pandas as pd

from stylekit._checks import StylekitError
from stylekit._defaults import NEIGHBOR_STEPS, SIZE, STRENGTH
from stylekit.app import examples, fields
from stylekit.app.answers import Answers, Painted, named, told_in
from stylekit.app.limits import SMALLEST
from stylekit.app.visitor import AROUND, INSIDE, STYLES, Visitor

TOOLS = {"Everywhere": None, "In a box": "box", "By brush": "brush"}
BY_CLASS = {"By class": "class"}
SIDES = {"The region": INSIDE, "All around it": AROUND}
COLORS = {
    "The style's": None,
    "The photo's: only light and dark are painted": "luminance",
    "The photo's: the styles are recoloured first": "match",
    "The style's, arranged as in the photo": "palette",
}
METHODS = {
    "Each place as its nearest in the style": "neighbors",
    "The style's textures over the photo": "gram",
}
STEP, LOSS = "step", "loss, log10"
EVERY = 0.7
"""Seconds between looks at a run."""

THEME = gr.themes.Soft(
    primary_hue="orange",
    secondary_hue="orange",
    neutral_hue="stone",
    font=["system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
).set(
    block_title_background_fill="none",
    block_title_text_color="*body_text_color",
    block_title_padding="0",
    block_label_background_fill="none",
    block_label_text_color="*body_text_color",
)
CSS = fields.STATIC / "page.css"


def page(answers: Answers) -> gr.Blocks:
    """Return the page; `server.application` serves it.

    Every event is one request and its answer, without Gradio's queue, and without what Gradio
    checks of an input, whose errors are not plain messages: `Answers` checks what it is given.
    """
    limits = answers.limits
    tools = TOOLS | (BY_CLASS if answers.segmenter else {})
    with gr.Blocks(title="stylekit", analytics_enabled=False) as blocks:
        gr.Markdown("# stylekit\nPaint a photograph in the style of a picture.", elem_id="title")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=330):
                photo, styles, weights = _pictures(limits.upload_bytes)
                where = gr.Radio(
                    list(tools), value="Everywhere", label="Where to paint", elem_id="where"
                )
                with gr.Column(visible=False) as regional:
                    name = gr.Dropdown([], label="Class", visible=False, elem_id="class")
                    board = fields.region(elem_id="board")
                    side = gr.Radio(list(SIDES), value="The region", label="Paint", elem_id="side")
                settings = _settings(answers)
            with gr.Column(min_width=330, elem_id="outcome"):
                painting = fields.painting(elem_id="painting")
                with gr.Row():
                    start = gr.Button("Paint", variant="primary", min_width=120, elem_id="paint")
                    stop = gr.Button(
                        "Stop", variant="stop", interactive=False, min_width=120, elem_id="stop"
                    )
                downloads = fields.files(elem_id="files")
                clock = gr.Timer(EVERY, active=False)
                curve = gr.LinePlot(
                    x=STEP, y=LOSS, height=260, show_label=False, visible=False, elem_id="curve"
                )

        def visitor_of(request: gr.Request) -> Visitor:
            try:
                return answers.visitors.of(request.session_hash)
            except StylekitError as error:
                raise gr.Error(str(error), print_exception=False) from error

        def take_photo(where: Any, event: gr.EventData, request: gr.Request):
            visitor = visitor_of(request)
            shown, found = answers.photo(visitor, _told(event, "file", "example"))
            board = answers.region(visitor, tool_of(where) or "box", {})
            return fields.state(**shown), fields.state(**board), gr.Dropdown(found, value=None)

        def style_taker(place: int):
            def take_style(event: gr.EventData, request: gr.Request):
                sent = _told(event, "file", "example")
                return fields.state(**answers.style(visitor_of(request), place, sent))

            return take_style

        def tool_of(where: Any) -> str | None:
            return tools.get(where) if isinstance(where, str) else None

        def change_tool(where: Any, request: gr.Request):
            tool = tool_of(where)
            board = answers.region(visitor_of(request), tool or "box", {})
            return (
                gr.Column(visible=tool is not None),
                gr.Dropdown(value=None, visible=tool == "class"),
                fields.state(**board),
            )

        def draw(where: Any, event: gr.EventData, request: gr.Request):
            drawn = _told(event, "box", "strokes")
            return fields.state(
                **answers.region(visitor_of(request), tool_of(where) or "box", drawn)
            )

        def choose(name: Any, request: gr.Request):
            return fields.state(**answers.region(visitor_of(request), "class", {"class": name}))

        def run(request: gr.Request, where: Any, side: Any, *values):
            visitor = visitor_of(request)
            options = dict(zip(settings, values[STYLES:], strict=True))
            refused: dict[str, Any] = {}
            with told_in(refused):
                colors = named(options["keep_colors"], "The choice of colours", COLORS)
                method = named(options["style_loss"], "The method", METHODS)
                options |= {"keep_colors": COLORS[colors], "style_loss": METHODS[method]}
                options["side"] = SIDES[named(side, "The side", SIDES)] if tool_of(where) else None
                weights = values[:STYLES]
                return shown(
                    answers.paint(visitor, request.client.host, weights=weights, **options)
                )
            return shown(answers.look(visitor), refused)

        def look(request: gr.Request):
            return shown(answers.look(visitor_of(request)))

        def halt(request: gr.Request):
            visitor = visitor_of(request)
            visitor.stop()
            return shown(answers.look(visitor))

        private: dict[str, Any] = {
            "api_visibility": "private",
            "queue": False,
            "preprocess": False,
            "show_progress": "hidden",
        }
        photo.upload(take_photo, [where], [photo, board, name], **private)
        for place, style in enumerate(styles):
            style.upload(style_taker(place), None, [style], **private)
        where.change(change_tool, [where], [regional, name, board], **private)
        name.input(choose, [name], [board], **private)
        board.region(draw, [where], [board], trigger_mode="always_last", **private)
        outcome = [painting, downloads, curve, stop, clock]
        asked = [where, side, *weights, *settings.values()]
        start.click(run, asked, outcome, **private)
        clock.tick(look, None, outcome, **private)
        stop.click(halt, None, outcome, **private)
        # Browsers open a heartbeat only where there is such an event; see `Visitors.heartbeat`.
        blocks.unload(lambda: None)
    return blocks


def shown(painted: Painted, also: dict[str, Any] | None = None) -> tuple[Any, ...]:
    """Return a run's place, downloads, curve, whether it can be stopped, and the clock."""
    return (
        fields.state(**(painted.place | (also or {}))),
        painted.files,
        _curve(painted.curve) if painted.fresh else gr.skip(),
        gr.Button(interactive=painted.on),
        gr.Timer(active=painted.on),
    )


def _told(event: gr.EventData, *names: str) -> dict[str, Any]:
    """Return what a field's script has told; None for what it has not, or in no such form."""
    told: dict[str, Any] = dict.fromkeys(names)
    for name in names:
        with contextlib.suppress(AttributeError, LookupError, TypeError):
            told[name] = getattr(event, name)
    return told


def _pictures(most: int) -> tuple[gr.HTML, list[gr.HTML], list[gr.Slider]]:
    """Return the places of the photo and the styles, and the styles' weights."""
    photos = {name: load() for name, load in examples.PHOTOS.items()}
    paintings = {name: load() for name, load in examples.STYLES.items()}
    with gr.Row():
        with gr.Column(min_width=150):
            photo = fields.picture("A photograph", photos, most, elem_id="photo")
        with gr.Column(min_width=150):
            styles = [fields.picture("A style", paintings, most, elem_id="style-1")]
    with gr.Accordion("More styles", open=False, elem_id="more-styles"):
        weights = [gr.Slider(0, 1, 1, label="Weight of the first style")]
        with gr.Row():
            for number in range(2, STYLES + 1):
                with gr.Column(min_width=150):
                    style = fields.picture(
                        "Another style", paintings, most, elem_id=f"style-{number}"
                    )
                    styles.append(style)
                    weights.append(gr.Slider(0, 1, 1, label="Its weight"))
    return photo, styles, weights


def _settings(answers: Answers) -> dict[str, Any]:
    """Return the fields of what `Answers.paint` takes, by name."""
    limits, networks = answers.limits, list(answers.networks)
    strength = gr.Slider(
        0, 1, STRENGTH, step=0.05, label="Strength", info="0: the photo. 1: style alone."
    )
    with gr.Row():
        size = gr.Slider(
            SMALLEST,
            limits.side,
            min(SIZE, limits.side),
            step=32,
            label="Size",
            info="Longer side, in pixels.",
            elem_id="size",
            min_width=150,
        )
        steps = gr.Slider(
            1,
            limits.steps,
            min(NEIGHBOR_STEPS, limits.steps),
            step=1,
            label="Steps",
            info="More take longer; textures want 300.",
            elem_id="steps",
            min_width=150,
        )
    with gr.Accordion("More settings", open=False, elem_id="more-settings"):
        method = gr.Radio(list(METHODS), value=next(iter(METHODS)), label="Method")
        network = gr.Radio(networks, value=networks[0], label="Network")
        colors = gr.Dropdown(list(COLORS), value="The style's", label="Colours")
        scale = gr.Slider(
            0.25, 2, 1, step=0.05, label="Scale of the style", info="Above 1 the strokes grow."
        )
    return {
        "strength": strength,
        "size": size,
        "steps": steps,
        "style_loss": method,
        "network": network,
        "keep_colors": colors,
        "style_scale": scale,
    }


def _curve(points: list[tuple[int, float]]) -> gr.LinePlot:
    if len(points) < 2:
        return gr.LinePlot(visible=False)
    steps, totals = zip(*points, strict=True)
    logarithms = np.log10(np.maximum(totals, 1e-12))
    return gr.LinePlot(pd.DataFrame({STEP: steps, LOSS: logarithms}), visible=True)
