"""The documentation keeps its word: its code runs, its commands parse, its links lead somewhere."""

import configparser
import doctest
import importlib
import inspect
import re
import shlex
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pytest
import typer

import stylekit as sk

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = [page for page in PAGES if not {"_build", "api", "jupyter_execute"} & set(page.parts)]


WITH_EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "stylekit").rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def prose(page):
    """Return a page's text, or a notebook's without its code."""
    if page.suffix != ".ipynb":
        return page.read_text(encoding="utf-8")
    cells = nbformat.read(page, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def commands():
    """Return the arguments of every `stylekit ...` in the shell blocks of the pages."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    found = {}
    for line in "".join(blocks(text, "sh")).replace("\\\n", " ").splitlines():
        for part in line.split("&&"):
            words = shlex.split(part, comments=True)
            if words[:2] == ["docker", "run"]:  # the image has the name of its command
                words = words[words.index("stylekit") :]
            if words and Path(words[0]).name == "stylekit":
                found[" ".join(words[1:])] = words[1:]
    return list(found.values())


def run_python(page):
    """Run the Python blocks of a page in order; yield the names after each."""
    names = {}
    for number, block in enumerate(blocks(page.read_text(encoding="utf-8"), "python")):
        exec(compile(block, f"{page.name}, Python block {number}", "exec"), names)
        yield names


class ShortTransfer(sk.StyleTransfer):
    """A transfer that takes two steps, however many are asked for."""

    def run(self, initial, steps=500, **options):
        return super().run(initial, steps=2, **options)


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Run code at 32 pixels, with two steps and random weights, in a folder of its own."""
    vgg19, read_image, stylize = sk.VGG19, sk.read_image, sk.stylize
    monkeypatch.setattr(sk, "VGG19", lambda weights=None: vgg19(weights=None))
    monkeypatch.setattr(sk, "read_image", lambda path, size=None: read_image(path, size=32))
    monkeypatch.setattr(sk, "StyleTransfer", ShortTransfer)

    def short(*pictures, **options):
        options = {"extractor": vgg19(weights=None)} | options | {"size": 32, "steps": 2}
        return stylize(*pictures, **options)

    monkeypatch.setattr(sk, "stylize", short)
    shutil.copytree(ROOT / "docs" / "pictures", tmp_path / "docs" / "pictures")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["README.md", "docs/quickstart.md"])
def test_first_examples_run(name, quick):
    results = {}
    for names in run_python(ROOT / name):
        if "result" in names:
            results[id(names["result"])] = names["result"]
    assert len(results) >= 2
    for result in results.values():
        assert result.losses[-1]["total"] < result.losses[0]["total"]
    assert (quick / "out.png").is_file()


# Their blocks read files that the reader has to supply. Those of the gallery run below.
NOT_RUN = {"README.md", "quickstart.md", "index.md", "gallery.md", "techniques.md", "segment.md"}
NOT_RUN |= {"feed_forward.md"}
WITH_PYTHON = [
    page
    for page in PAGES
    if page.name not in NOT_RUN and blocks(page.read_text(encoding="utf-8"), "python")
]


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.stem)
def test_python_of_a_page_runs(page, monkeypatch, tmp_path):
    """The build of the documentation runs the pages that are notebooks; these are the others."""
    shutil.copytree(ROOT / "docs" / "pictures", tmp_path / "docs" / "pictures")
    monkeypatch.chdir(tmp_path)
    *_, names = run_python(page)
    assert isinstance(names["result"], sk.Result | sk.batch.Batch | sk.batch.StylizedVideo)


# The example of the whole package paints a picture.
@pytest.mark.parametrize(
    "module", [pytest.param(x, marks=[pytest.mark.slow] * (x == "stylekit")) for x in WITH_EXAMPLES]
)
def test_examples_of_docstrings_are_right(module, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(importlib.import_module(module)).failed == 0


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_without_outputs(path):
    cells = nbformat.read(path, as_version=4).cells
    assert not any(cell.get("outputs") for cell in cells), "strip the outputs"


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
    command.make_context(name, rest)


def test_dockerfile_installs_what_there_is():
    text = (ROOT / "docs" / "Dockerfile").read_text(encoding="utf-8")
    for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE):
        *sources, _ = line.split()
        assert all((ROOT / source).exists() for source in sources)
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = re.search(r'"\.\[(.*)\]"', text)[1].split(",")
    assert set(extras) <= set(setup["options.extras_require"])


@pytest.mark.parametrize(
    "page", [*PAGES, *NOTEBOOKS], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_links_exist(page):
    text = prose(page)
    text = re.sub(r"(?ms)^```(?:python|sh|\{code-cell\}).*?^```", "", text)
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"```\{image\} (\S+)", text)
    for target in targets:
        path = target.partition("#")[0]
        if path and "://" not in path:
            beside = page.parent / path
            generated = ROOT / "notebooks" / Path(path).name  # copied beside the pages by conf.py
            assert beside.exists() or generated.exists(), f"{page.name} links to {path}"


REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
ROOMS = ["batch", "blend", "features", "feedforward", "functional", "image", "image.drawn"]
ROOMS += ["losses", "losses.hypercolumns", "masks", "metrics", "recipes", "recipes.presets"]
ROOMS += ["transfer"]


def entries():
    """Return the full names of all that has a page of its own in the reference."""
    module, found = "", set()
    for line in "".join(blocks(REFERENCE, r"\{eval-rst\}")).splitlines():
        if match := re.fullmatch(r"\.\. (?:current)?module:: (\S+)", line):
            module = match[1]
        elif match := re.fullmatch(r"   ([\w.]+)", line):
            found.add(f"{module}.{match[1]}")
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_reference_has_every_public_name(room):
    module = importlib.import_module(f"stylekit.{room}")
    names = getattr(module, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(module).items()
            if name[0] != "_" and getattr(value, "__module__", None) == module.__name__
        ]
    documented = entries()
    for name in names:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert f"stylekit.{room}.{name}" in documented
            assert inspect.getdoc(value)
        else:  # a constant, which has no page
            assert f"`{name}`" in REFERENCE


def test_reference_has_every_error():
    errors = [
        name
        for name in sk.__all__
        if name.endswith("Error") and issubclass(getattr(sk, name), Exception)
    ]
    assert {f"stylekit.{name}" for name in errors} <= entries()


GALLERY = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
GALLERY_PICTURES = ROOT / "docs" / "pictures" / "gallery"


@pytest.fixture(scope="module")
def make_gallery():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")
        yield importlib.import_module("make_gallery")


def test_gallery_shows_what_its_code_makes(make_gallery):
    _, codes = make_gallery.pieces(GALLERY)
    assert len(codes) >= 24
    assert {f"{name}.jpg" for name in codes} == {p.name for p in GALLERY_PICTURES.iterdir()}
    # The sheet of both methods is many pictures.
    single = [p for p in GALLERY_PICTURES.iterdir() if p.stem != "methods"]
    assert max(p.stat().st_size for p in single) <= 40 * 1024


def prepared(transfer, initial, steps=500, **options):
    """Stand in for `StyleTransfer.run`: do all that comes before the first step, and no step."""
    canvas = transfer.objective(initial).canvas
    grey = np.full((*canvas.shape, 3), 0.5, "float32")
    return sk.Result(grey, grey, [], 0, 0.0, "steps", {"terms": list(transfer.terms), "levels": []})


@pytest.mark.slow
def test_code_of_gallery_is_right(make_gallery, monkeypatch, tmp_path):
    """Every block, small, up to its first step, with the compact network and noise for paintings.

    The script itself is what runs them whole.
    """
    shared, codes = make_gallery.pieces(GALLERY)
    (tmp_path / "paintings").mkdir()
    rng = np.random.default_rng(0)
    for path in re.findall(r'"(paintings/.*)"', shared):
        sk.write_image(tmp_path / path, rng.random((48, 64, 3)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sk, "VGG19", sk.CompactVGG)
    monkeypatch.setattr(sk.StyleTransfer, "run", prepared)
    names = {}
    exec(compile(shared.replace("size = 320", "size = 128"), "gallery.md", "exec"), names)
    for name, code in codes.items():
        code = code.replace("patch=96", "patch=64")
        exec(compile(code, f"gallery.md, {name}", "exec"), names)
        result = names.pop("result")
        if name == "methods":  # a sheet of pictures
            assert result.shape[-1] == 3
            continue
        assert max(result.image.shape) == 128
        assert len(result.manifest["terms"]) >= 2


def test_pictures_are_small():
    pictures = list((ROOT / "docs" / "pictures").rglob("*.jpg"))
    assert pictures
    assert max(p.stat().st_size for p in pictures) < 100_000
