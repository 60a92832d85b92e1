"""The documentation keeps its word: its code runs, its commands parse, its links lead somewhere."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import typer

import stylekit as sk

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if not {"_build", "api", "jupyter_execute"} & set(page.parts)]


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands():
    """Return the arguments of every `stylekit ...` in the shell blocks of the pages."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    found = {}
    for line in "".join(blocks(text, "sh")).replace("\\\n", " ").splitlines():
        for part in line.split("&&"):
            words = shlex.split(part, comments=True)
            if words and Path(words[0]).name == "stylekit":
                found[" ".join(words[1:])] = words[1:]
    return list(found.values())


class ShortTransfer(sk.StyleTransfer):
    """A transfer that takes one step, however many are asked for."""

    def run(self, initial, steps=500, **options):
        return super().run(initial, steps=1, **options)


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Run the documentation's code small, briefly and without a download, in its own folder."""
    vgg19, read_image, stylize = sk.VGG19, sk.read_image, sk.stylize
    monkeypatch.setattr(sk, "VGG19", lambda weights=None: vgg19(weights=None))
    monkeypatch.setattr(sk, "read_image", lambda path, size=None: read_image(path, size=32))
    monkeypatch.setattr(sk, "StyleTransfer", ShortTransfer)
    monkeypatch.setattr(
        sk,
        "stylize",
        lambda *pictures, **options: stylize(
            *pictures, size=32, steps=1, extractor=vgg19(weights=None), **options
        ),
    )
    shutil.copytree(ROOT / "docs" / "pictures", tmp_path / "docs" / "pictures")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_python_of_readme_runs(quick):
    code = blocks(README, "python")
    assert any("class ChannelMean" in block for block in code)
    names = {}
    for number, block in enumerate(code):
        exec(compile(block, f"README.md, python block {number}", "exec"), names)
    assert (quick / "out.png").is_file()
    assert np.isfinite(names["result"].losses[-1]["total"])


def test_python_about_networks_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    names = {}
    page = (ROOT / "docs/howto/networks.md").read_text(encoding="utf-8")
    for block in blocks(page, "python"):
        exec(compile(block, "networks.md", "exec"), names)
    assert names["result"].manifest["extractor"].startswith("CompactVGG")
    assert names["mixed"].steps == 20
    assert len(names["tried"].losses) == 6


def test_own_loss_of_readme_pulls(quick):
    block = next(b for b in blocks(README, "python") if "class ChannelMean" in b)
    rng = np.random.default_rng(0)
    names = {"photo": rng.random((32, 40, 3)), "night": rng.random((48, 32, 3)) / 2}
    exec(compile(block, "README.md", "exec"), names)
    terms = [names["ChannelMean"](names["night"])]
    transfer = sk.transfer.StyleTransfer(terms, extractor=sk.VGG19())
    totals = [step.losses["channel_mean"] for step in transfer.iterate(names["photo"], steps=8)]
    assert totals[-1] < totals[0] / 2


@pytest.mark.parametrize(
    ("name", "written"),
    [("first_transfer", "first_transfer.png"), ("localized_transfer", "portrait.png")],
)
def test_notebook_runs(name, written, tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("STYLEKIT_DOCS_SIZE", "64")
    monkeypatch.delenv("STYLEKIT_WEIGHTS", raising=False)
    shutil.copytree(ROOT / "docs" / "pictures", tmp_path / "docs" / "pictures")
    (tmp_path / "notebooks").mkdir()
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "strip the outputs"
    NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(tmp_path / "notebooks")}}
    ).execute()
    assert (tmp_path / "notebooks" / written).is_file()


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_command_parses(arguments):
    """Every option exists, has its value, and every argument its place; nothing is run."""
    from stylekit.cli import app

    name, *rest = arguments
    group = typer.main.get_command(app)
    context = group.make_context("stylekit", list(arguments), resilient_parsing=True)
    if name.startswith("-"):  # an option of the program itself, which the context has read
        return
    command = group.get_command(context, name)
    assert command is not None, f"there is no stylekit {name}"
    parsed = command.make_context(name, rest).params
    assert name == "info" or parsed["out"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_exist(page):
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"(?ms)^```(?:python|sh|\{code-cell\}).*?^```", "", text)
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"```\{image\} (\S+)", text)
    for target in targets:
        path = target.partition("#")[0]
        if path and "://" not in path:
            beside = page.parent / path
            generated = ROOT / "notebooks" / Path(path).name  # copied beside the pages by conf.py
            assert beside.exists() or generated.exists(), f"{page.name} links to {path}"


@pytest.mark.parametrize(
    "room", ["blend", "features", "image", "losses", "masks", "recipes", "transfer"]
)
def test_reference_lists_every_name(room):
    words = set(re.findall(r"\w+", (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")))
    assert set(getattr(sk, room).__all__) <= words


def test_pictures_are_small():
    pictures = list((ROOT / "docs" / "pictures").iterdir())
    assert pictures
    assert max(p.stat().st_size for p in pictures) < 100_000
