import configparser
import importlib.metadata
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="the page needs Gradio")

from packaging.requirements import Requirement

SETUP = Path(__file__).parents[2] / "setup.cfg"


@pytest.fixture(scope="module")
def options():
    parser = configparser.ConfigParser()
    parser.read(SETUP, encoding="utf-8")
    return parser


def requirements(text):
    return {one.name: one.specifier for one in map(Requirement, text.split("\n")[1:])}


def test_the_page_replaces_nothing_that_the_core_has_installed(options):
    core = requirements(options["options"]["install_requires"])
    for text in importlib.metadata.requires("gradio"):
        one = Requirement(text)
        if one.name in core and one.marker is None:
            for version in (f"{major}.{minor}" for major in range(30) for minor in range(60)):
                allowed = core[one.name].contains(version)
                assert not allowed or one.specifier.contains(version), (one.name, version)


def test_what_serves_the_page_is_bounded_from_above(options):
    page = requirements(options["options.extras_require"]["app"])
    for name, specifier in page.items():
        assert any(one.operator == "<" for one in specifier), name
        assert specifier.contains(importlib.metadata.version(name))
