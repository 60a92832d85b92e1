import json
import re

import pytest

pytest.importorskip("gradio", reason="the page needs Gradio")

from stylekit._defaults import STYLE_LOSS
from stylekit.app.answers import Answers
from stylekit.app.fields import STATIC, state
from stylekit.app.page import METHODS, page


@pytest.fixture(scope="module")
def config(networks):
    from uploading import SMALL

    return page(Answers(networks, SMALL)).get_config_file()


def parts(config, **wanted):
    found = [one["props"] for one in config["components"]]
    return [one for one in found if wanted.items() <= one.items()]


def test_the_page_offers_what_the_limits_allow(config):
    (size,) = parts(config, elem_id="size")
    assert (size["minimum"], size["maximum"], size["value"]) == (32, 64, 64)
    (steps,) = parts(config, elem_id="steps")
    assert (steps["maximum"], steps["value"]) == (30, 30)


def test_the_page_paints_by_the_default_loss_unless_it_is_told(config):
    (method,) = parts(config, label="Method")
    assert METHODS[method["value"]] == STYLE_LOSS
    assert {METHODS[name] for name, _ in method["choices"]} == {"neighbors", "gram"}


def test_classes_need_a_segmenter(config, networks):
    def names(config):
        (where,) = parts(config, elem_id="where")
        return [name for name, _ in where["choices"]]

    from uploading import SMALL

    assert names(config) == ["Everywhere", "Tap the subject", "Subject in a box", "Box", "Brush"]
    seeing = page(Answers(networks, SMALL, lambda picture: None)).get_config_file()
    assert names(seeing)[-1] == "Class"


def test_no_event_is_open_to_programs(config):
    events = [one for one in config["dependencies"] if one["targets"][0][1] != "unload"]
    assert len(events) > 8
    assert {one["api_visibility"] for one in events} == {"private"}
    assert {one["queue"] for one in events} == {False}  # its routes are shut
    assert config["analytics_enabled"] is False


def test_the_page_loads_nothing_from_elsewhere(config):
    text = json.dumps(config["components"], default=str) + (STATIC / "page.css").read_text(
        encoding="utf-8"
    )
    assert not re.search(r"https?://", text)
    assert str(STATIC.parents[2]) not in text


def test_the_page_names_no_address_of_memory(config):
    assert not re.search(r" at 0x[0-9a-f]+", json.dumps(config, default=str))


def test_a_note_is_text():
    told = state(note="<img src=x onerror=alert(1)>", problem=True)
    assert told["note"] == "&lt;img src=x onerror=alert(1)&gt;"
    assert told["problem"]
    assert told["show"] == ""


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.html")), ids=lambda path: path.name)
def test_templates_hold_nothing_that_gradio_reads_otherwise(path):
    assert "{{" not in path.read_text(encoding="utf-8")  # Handlebars would take it
