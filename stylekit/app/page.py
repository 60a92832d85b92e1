"""The page: its fields, their layout, and the functions that answer its events."""

from __future__ import annotations

import contextlib
from typing import Any

import gradio as gr
import numpy as np
import pandas as pd

from stylekit._checks import StylekitError
from stylekit._defaults import NEIGHBOR_STEPS, SIZE, STRENGTH
from stylekit.app import examples, fields
from stylekit.app.answers import Answers, named, told_in
from stylekit.app.limits import SMALLEST
from stylekit.app.outcome import Outcome
from stylekit.app.visitor import AROUND, INSIDE, STYLES, Visitor

TOOLS = {
    "Everywhere": None,
    "Tap the subject": "tap",
    "Subject in a box": "subject",
    "Box": "box",
    "Brush": "brush",
}
BY_CLASS = {"Class": "class"}
SIDES = {"The region": INSIDE, "Everything around it": AROUND}
COLORS = {
    "Colours of the style": None,
    "Colours of the photo; only light and dark are repainted": "luminance",
    "Colours of the photo; the style is recoloured first": "match",
    "Colours of the style, arranged as in the photo": "palette",
}
METHODS = {"Brush strokes": "neighbors", "Textures": "gram"}
OWN = "None"
"""The choice "no preset"."""

STEP, LOSS = "step", "difference (log10)"
EVERY = 0.5
"""Seconds between two updates of a run on the page."""

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

    Every event is one request with one answer. Gradio's queue is not used. Gradio's checks of the
    inputs are not used either, because their error messages are hard to understand. `Answers`
    checks the inputs.
    """
    limits = answers.limits
    tools = TOOLS | (BY_CLASS if answers.segmenter else {})
    with gr.Blocks(title="stylekit", analytics_enabled=False) as blocks:
        gr.Markdown("# stylekit\nPaint a photo in the style of a picture.", elem_id="title")
        with gr.Row(equal_height=False, elem_id="layout"):
            with gr.Column(min_width=300, elem_id="pictures"):
                photo, styles, weights = _pictures(limits.upload_bytes)
            with gr.Column(min_width=300, elem_id="outcome"):
                painting = fields.painting(elem_id="painting")
                with gr.Row(elem_id="actions"):
                    start = gr.Button("Paint", variant="primary", min_width=120, elem_id="paint")
                    stop = gr.Button("Stop", interactive=False, min_width=120, elem_id="stop")
                downloads = fields.files(elem_id="files")
                larger = gr.Button("The same, larger", visible=False, elem_id="larger")
                results = fields.results(elem_id="results")
                with gr.Accordion(
                    "Details of the run", open=False, visible=False, elem_id="details"
                ) as details:
                    curve = gr.LinePlot(x=STEP, y=LOSS, height=240, show_label=False)
                clock = gr.Timer(EVERY, active=False)
            with gr.Column(min_width=300, elem_id="choices"):
                where = gr.Radio(
                    list(tools), value="Everywhere", label="Where to paint", elem_id="where"
                )
                with gr.Column(visible=False) as regional:
                    name = gr.Dropdown([], label="Class", visible=False, elem_id="class")
                    board = fields.region(elem_id="board", classes=answers.segmenter is not None)
                    side = gr.Radio(list(SIDES), value="The region", label="Paint", elem_id="side")
                settings, preset, own = _settings(answers)

        def visitor_of(request: gr.Request) -> Visitor:
            try:
                return answers.visitors.of(request.session_hash)
            except StylekitError as error:
                raise gr.Error(str(error), print_exception=False) from error

        def take_photo(where: Any, event: gr.EventData, request: gr.Request):
            visitor = visitor_of(request)
            shown, found = answers.photo(visitor, _told(event, "file", "example"))
            board = answers.region(visitor, tool_of(where) or "tap", {})
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
            board = answers.region(visitor_of(request), tool or "tap", {})
            return (
                gr.Column(visible=tool is not None),
                gr.Dropdown(value=None, visible=tool == "class"),
                fields.state(**board),
            )

        def draw(where: Any, event: gr.EventData, request: gr.Request):
            drawn = _told(event, "box", "strokes", "points")
            return fields.state(
                **answers.region(visitor_of(request), tool_of(where) or "tap", drawn)
            )

        def choose_class(name: Any, request: gr.Request):
            return fields.state(**answers.region(visitor_of(request), "class", {"class": name}))

        def change_preset(label: Any):
            chosen = answers.presets.get(label) if isinstance(label, str) else None
            steps = NEIGHBOR_STEPS if chosen is None else chosen.steps
            return gr.Column(visible=chosen is None), min(steps, limits.steps)

        def asked_for(where: Any, side: Any, label: Any, *values: Any) -> dict[str, Any]:
            """Return the settings of `Answers.paint`; raise `StylekitError` for unknown choices."""
            options = dict(zip(settings, values[STYLES:], strict=True))
            colors = named(options["keep_colors"], "The choice of colours", COLORS)
            method = named(options["style_loss"], "The method", METHODS)
            return options | {
                "keep_colors": COLORS[colors],
                "style_loss": METHODS[method],
                "weights": values[:STYLES],
                "side": SIDES[named(side, "The side", SIDES)] if tool_of(where) else None,
                "preset": None if label == OWN else label,
            }

        def run(request: gr.Request, *values: Any):
            visitor = visitor_of(request)
            refusal: dict[str, Any] = {}
            with told_in(refusal):
                return shown(answers.paint(visitor, request.client.host, **asked_for(*values)))
            return shown(answers.look(visitor), refusal)

        def review(request: gr.Request, *values: Any):
            visitor = visitor_of(request)
            refusal: dict[str, Any] = {}
            with told_in(refusal):
                return _place(answers.review(visitor, **asked_for(*values)))
            return _place(answers.look(visitor), refusal)

        def enlarge(request: gr.Request):
            return shown(answers.larger(visitor_of(request), request.client.host))

        def choose_result(event: gr.EventData, request: gr.Request):
            return shown(answers.choose(visitor_of(request), _told(event, "number")["number"]))

        def look(request: gr.Request):
            return shown(answers.look(visitor_of(request)))

        def halt(request: gr.Request):
            visitor = visitor_of(request)
            visitor.stop()
            return shown(answers.look(visitor))

        def shown(outcome: Outcome, refusal: dict[str, Any] | None = None) -> tuple[Any, ...]:
            """Return the values of `outcome_fields`."""
            order = outcome.current and outcome.current.order.larger(limits.side)
            label = f"The same, larger ({order.size} pixels)" if order else "The same, larger"
            return (
                _place(outcome, refusal),
                outcome.files,
                {"results": outcome.listed},
                gr.Button(label, visible=order is not None),
                gr.Accordion(visible=len(outcome.curve) > 1) if outcome.fresh else gr.skip(),
                _curve(outcome.curve) if outcome.fresh else gr.skip(),
                gr.Button(interactive=outcome.on),
                gr.Timer(active=outcome.on),
            )

        private: dict[str, Any] = {
            "api_visibility": "private",
            "queue": False,
            "preprocess": False,
            "show_progress": "hidden",
        }
        outcome_fields = [painting, downloads, results, larger, details, curve, stop, clock]
        asked = [where, side, preset, *weights, *settings.values()]
        changes = [
            photo.upload(take_photo, [where], [photo, board, name], **private),
            *(
                style.upload(style_taker(place), None, [style], **private)
                for place, style in enumerate(styles)
            ),
            where.change(change_tool, [where], [regional, name, board], **private),
            name.input(choose_class, [name], [board], **private),
            board.region(draw, [where], [board], trigger_mode="always_last", **private),
            preset.change(change_preset, [preset], [own, settings["steps"]], **private),
        ]
        for change in changes:
            change.then(review, asked, [painting], **private)
        gr.on([one.change for one in asked[1:]], review, asked, [painting], **private)
        start.click(run, asked, outcome_fields, **private)
        larger.click(enlarge, None, outcome_fields, **private)
        results.choose(choose_result, None, outcome_fields, **private)
        clock.tick(look, None, outcome_fields, **private)
        stop.click(halt, None, outcome_fields, **private)
        # Browsers open a heartbeat only if there is such an event; see `Visitors.heartbeat`.
        blocks.unload(lambda: None)
    return blocks


def _place(outcome: Outcome, refusal: dict[str, Any] | None = None) -> dict[str, Any]:
    return fields.outcome(**outcome.place | outcome.refusal | (refusal or {}))


def _told(event: gr.EventData, *names: str) -> dict[str, Any]:
    """Return the named data of an event. Missing entries are None."""
    told: dict[str, Any] = dict.fromkeys(names)
    for name in names:
        with contextlib.suppress(AttributeError, LookupError, TypeError):
            told[name] = getattr(event, name)
    return told


def _pictures(most: int) -> tuple[gr.HTML, list[gr.HTML], list[gr.Slider]]:
    """Return the fields of the photo and the styles, and the sliders of the style weights."""
    photos, paintings = (
        fields.thumbnails({name: load() for name, load in loaders.items()})
        for loaders in (examples.PHOTOS, examples.STYLES)
    )
    with gr.Row(elem_classes="pair"):
        with gr.Column(min_width=140):
            photo = fields.picture("Photo", photos, most, elem_id="photo")
        with gr.Column(min_width=140):
            styles = [fields.picture("Style", paintings, most, elem_id="style-1")]
    with gr.Accordion("More styles", open=False, elem_id="more-styles"):
        weights = [gr.Slider(0, 1, 1, label="Weight of the first style")]
        with gr.Row(elem_classes="pair"):
            for number, word in zip(range(2, STYLES + 1), ("Second", "Third"), strict=True):
                with gr.Column(min_width=140):
                    style = fields.picture(
                        f"{word} style", paintings, most, elem_id=f"style-{number}"
                    )
                    styles.append(style)
                    weights.append(gr.Slider(0, 1, 1, label="Weight"))
    return photo, styles, weights


def _settings(answers: Answers) -> tuple[dict[str, Any], gr.Dropdown, gr.Column]:
    """Return the fields of the settings, the preset field, and the column that a preset hides."""
    limits, networks = answers.limits, list(answers.networks)
    with gr.Row():
        size = gr.Slider(
            SMALLEST,
            limits.side,
            min(SIZE, limits.side),
            step=32,
            label="Size (px)",
            elem_id="size",
            min_width=140,
        )
        steps = gr.Slider(
            1,
            limits.steps,
            min(NEIGHBOR_STEPS, limits.steps),
            step=1,
            label="Steps",
            elem_id="steps",
            min_width=140,
        )
    with gr.Column(elem_id="own") as own:
        strength = gr.Slider(
            0,
            1,
            STRENGTH,
            step=0.05,
            label="Strength",
            info="0 keeps the photo, 1 uses the style only",
            elem_id="strength",
        )
        with gr.Accordion("More settings", open=False, elem_id="more-settings"):
            method = gr.Radio(
                list(METHODS),
                value=next(iter(METHODS)),
                label="Method",
                info="Brush strokes need 50 steps. Textures keep more of the photo and need 300",
            )
            colors = gr.Dropdown(list(COLORS), value=next(iter(COLORS)), label="Colours")
            scale = gr.Slider(
                0.25,
                2,
                1,
                step=0.05,
                label="Size of the strokes",
                info="1 gives strokes as large as in the style",
            )
    with gr.Accordion("Network and presets", open=False, elem_id="networks"):
        network = gr.Radio(
            networks,
            value=networks[0],
            label="Network",
            info="It compares the pictures. VGG19 is slower and often gives better results"
            if len(networks) > 1
            else "It compares the pictures. Start the page with --weights-file to add VGG19",
        )
        info = "Use the settings of a paper or a program instead of strength, method and colours."
        if len(networks) == 1:
            info += " VGG19 adds more presets"
        preset = gr.Dropdown(
            [OWN, *answers.presets], value=OWN, label="Preset", info=info, elem_id="preset"
        )
    settings = {
        "strength": strength,
        "size": size,
        "steps": steps,
        "style_loss": method,
        "network": network,
        "keep_colors": colors,
        "style_scale": scale,
    }
    return settings, preset, own


def _curve(points: list[tuple[int, float]]) -> gr.LinePlot:
    steps, totals = zip(*points, strict=True) if points else ((), ())
    logarithms = np.log10(np.maximum(totals, 1e-12))
    return gr.LinePlot(pd.DataFrame({STEP: steps, LOSS: logarithms}))
