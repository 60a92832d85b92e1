"""The page: its fields, where they stand, and which answer follows which event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
import pandas as pd

from stylekit._defaults import NEIGHBOR_STEPS, SIZE, STRENGTH
from stylekit.app import examples, fields
from stylekit.app.answers import Answers
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
    """Return the page, with its queue; `server.application` serves it."""
    limits = answers.limits
    tools = TOOLS | (BY_CLASS if answers.segmenter else {})
    with gr.Blocks(title="stylekit", analytics_enabled=False) as blocks:
        visitor = gr.State(Visitor())
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
                curve = gr.LinePlot(
                    x=STEP, y=LOSS, height=260, show_label=False, visible=False, elem_id="curve"
                )

        def take_photo(visitor: Visitor, where: str, event: gr.EventData):
            shown, found = answers.photo(visitor, event._data)
            board = answers.region(visitor, tools[where] or "box", {})
            return fields.state(**shown), fields.state(**board), gr.Dropdown(found, value=None)

        def style_taker(place: int):
            def take_style(visitor: Visitor, event: gr.EventData):
                return fields.state(**answers.style(visitor, place, event._data))

            return take_style

        def change_tool(visitor: Visitor, where: str):
            tool = tools[where]
            board = answers.region(visitor, tool or "box", {})
            return (
                gr.Column(visible=tool is not None),
                gr.Dropdown(value=None, visible=tool == "class"),
                fields.state(**board),
            )

        def draw(visitor: Visitor, where: str, event: gr.EventData):
            return fields.state(**answers.region(visitor, tools[where] or "box", event._data))

        def choose(visitor: Visitor, name: str | None):
            return fields.state(**answers.region(visitor, "class", {"class": name}))

        def run(visitor: Visitor, where, side, *values) -> Iterator[tuple[Any, ...]]:
            options = dict(zip(settings, values[STYLES:], strict=True))
            options["keep_colors"] = COLORS[options["keep_colors"]]
            options["style_loss"] = METHODS[options["style_loss"]]
            options["side"] = SIDES[side] if tools[where] else None
            for painted in answers.paint(visitor, weights=values[:STYLES], **options):
                shown = fields.state(**painted.place)
                yield shown, painted.files, _curve(painted.curve), gr.Button(interactive=True)

        def leave(request: gr.Request) -> None:
            if request.session_hash:
                forget(blocks, request.session_hash)

        private: dict[str, Any] = {"api_visibility": "private"}
        quick = private | {"show_progress": "hidden"}
        reading = quick | {"concurrency_id": "reading", "concurrency_limit": 2}
        photo.upload(take_photo, [visitor, where], [photo, board, name], **reading)
        for place, style in enumerate(styles):
            style.upload(style_taker(place), [visitor], [style], **reading)
        where.change(change_tool, [visitor, where], [regional, name, board], **reading)
        name.input(choose, [visitor, name], [board], **reading)
        board.region(draw, [visitor, where], [board], trigger_mode="always_last", **reading)
        started = start.click(
            run,
            [visitor, where, side, *weights, *settings.values()],
            [painting, downloads, curve, stop],
            concurrency_limit=limits.jobs,
            show_progress="minimal",
            show_progress_on=painting,
            **private,
        )
        started.then(lambda: gr.Button(interactive=False), None, [stop], queue=False, **quick)
        stop.click(Visitor.stop, [visitor], None, queue=False, **quick)
        blocks.unload(leave)
    return blocks.queue(max_size=limits.waiting, api_open=False)


def forget(blocks: gr.Blocks, session: str) -> None:
    """Forget a visitor who has left; Gradio would keep what the page has shown for an hour."""
    holder = blocks.state_holder
    holder.time_last_used.pop(session, None)
    left = holder.session_data.pop(session, None)
    for value in () if left is None else left.state_data.values():
        if isinstance(value, Visitor):
            value.leave()


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
