"""The documentation keeps its word: its code runs, its commands parse, its links lead somewhere."""

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
from nbclient import NotebookClient

import stylekit as sk

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
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

    def short(*pictures, **options):
        options = {"extractor": vgg19(weights=None)} | options | {"size": 32, "steps": 1}
        return stylize(*pictures, **options)

    monkeypatch.setattr(sk, "stylize", short)
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


@pytest.fixture
def beside_pictures(monkeypatch, tmp_path):
    """Run code in a folder of its own that has the documentation's pictures."""
    shutil.copytree(ROOT / "docs" / "pictures", tmp_path / "docs" / "pictures")
    monkeypatch.chdir(tmp_path)


def run_python(page):
    """Run the Python of a page from its top to its end, and return its names."""
    names = {}
    for block in blocks((ROOT / "docs" / page).read_text(encoding="utf-8"), "python"):
        exec(compile(block, page, "exec"), names)
    return names


def test_python_of_quickstart_runs(quick):
    names = run_python("quickstart.md")
    assert (quick / "out.png").is_file()
    assert names["result"].steps == 1
    assert "total_variation" in names["result"].losses[-1]


def test_python_about_networks_runs(beside_pictures):
    names = run_python("howto/networks.md")
    assert "CompactVGG" in names["result"].manifest["extractor"]
    assert names["mixed"].steps == 20


def test_python_about_own_extractors_runs(beside_pictures, capsys):
    names = run_python("howto/own_extractor.md")
    losses = names["result"].losses
    assert losses[-1]["gram_style"] < losses[0]["gram_style"]
    printed = capsys.readouterr().out
    assert "gram_style " in printed
    assert "content " in printed
    assert "[True, True, True]" in printed


def test_python_about_own_masks_runs(beside_pictures, capsys):
    names = run_python("howto/own_masks.md")
    kept = names["seen"].mask("light") == 1
    assert kept.any()
    assert names["result"].manifest["localized"]["keep"] == "subject"
    assert "outside [0, 1]" in capsys.readouterr().out


def test_python_about_gpus_runs(beside_pictures):
    assert run_python("howto/gpu.md")["result"].manifest["precision"] == "mixed_bfloat16"


def test_python_about_resuming_runs(beside_pictures):
    names = run_python("howto/resume.md")
    assert names["manifest"]["seed"] == 0
    assert names["manifest"]["terms"] == names["result"].manifest["terms"]


def test_python_about_large_pictures_runs(beside_pictures, capsys):
    assert run_python("howto/large.md")["result"].steps == 5
    assert "Tiles(size=512" in capsys.readouterr().out


def test_python_about_plots_runs(monkeypatch, tmp_path):
    monkeypatch.setenv("STYLEKIT_DOCS_SIZE", "32")
    monkeypatch.chdir(tmp_path)
    names = {}
    page = (ROOT / "docs/howto/plots.md").read_text(encoding="utf-8")
    for block in blocks(page, r"\{code-cell\} ipython3"):
        code = re.sub("^:tags:.*", "", block).replace('"steps": 24', '"steps": 6')
        exec(compile(code, "plots.md", "exec"), names)
    assert set(names["result"].levels) == {0, 1, 2, 3, 4}  # two sizes, and three more rounds
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {
        *("painting.gif", "strengths.webp", "strengths.png", "masks.png", "inside.png")
    }


def test_python_about_own_losses_runs(monkeypatch):
    monkeypatch.setenv("STYLEKIT_DOCS_SIZE", "48")
    monkeypatch.delenv("STYLEKIT_WEIGHTS", raising=False)
    names, seen = {}, []
    page = (ROOT / "docs/howto/own_loss.md").read_text(encoding="utf-8")
    for block in blocks(page, r"\{code-cell\} ipython3"):
        exec(compile(re.sub("^:tags:.*", "", block), "own_loss.md", "exec"), names)
        seen.append(names.get("result"))
    (laid,) = {id(one): one for one in seen if one and "keep_layout" in one.losses[0]}.values()
    assert laid.levels[-1] == 2
    # Each level begins with the layout that it is held to.
    begins = [laid.levels.index(level) for level in (0, 1, 2)]
    assert max(laid.losses[index]["keep_layout"] for index in begins) < 1e-6
    assert "mean_style" in names["result"].losses[-1]


def test_own_loss_of_readme_pulls(quick):
    block = next(b for b in blocks(README, "python") if "class ChannelMean" in b)
    rng = np.random.default_rng(0)
    names = {"photo": rng.random((32, 40, 3)), "night": rng.random((48, 32, 3)) / 2}
    exec(compile(block, "README.md", "exec"), names)
    terms = [names["ChannelMean"](names["night"])]
    transfer = sk.transfer.StyleTransfer(terms, extractor=sk.VGG19())
    totals = [step.losses["channel_mean"] for step in transfer.iterate(names["photo"], steps=8)]
    assert totals[-1] < totals[0] / 2


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_of_docstrings_are_right(module, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(importlib.import_module(module)).failed == 0


# The two that a reader opens first; the build of the documentation runs all, and ends at an error.
@pytest.mark.parametrize("name", ["first_transfer", "own_loss"])
def test_notebook_runs(name, tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEKIT_DOCS_SIZE", "64")
    monkeypatch.delenv("STYLEKIT_WEIGHTS", raising=False)
    monkeypatch.delenv("STYLEKIT_DEEPLAB", raising=False)
    monkeypatch.delenv("MPLBACKEND", raising=False)  # in a notebook, plots are shown
    shutil.copytree(ROOT / "docs" / "pictures", tmp_path / "docs" / "pictures")
    (tmp_path / "notebooks").mkdir()
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(tmp_path / "notebooks")}}
    ).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", ()) for output in shown) >= 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_without_outputs(path):
    cells = nbformat.read(path, as_version=4).cells
    assert not any(cell.get("outputs") for cell in cells), "strip the outputs"


def test_the_documentation_runs_every_notebook():
    settings = (ROOT / "docs" / "conf.py").read_text(encoding="utf-8")
    for setting in ('nb_execution_mode = "force"', "nb_execution_raise_on_error = True"):
        assert setting in settings.splitlines()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_a_page(path):
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert re.search(rf"^{path.stem}$", index, re.MULTILINE), "it is in no toctree"


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
    assert name in ("info", "app") or parsed["out"]


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
ROOMS = ["blend", "features", "functional", "image", "image.drawn", "losses"]
ROOMS += ["losses.hypercolumns", "masks", "metrics", "recipes", "transfer"]


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


def test_reference_has_every_top_level_name():
    listed = set(re.findall(r"`(\w+)`", REFERENCE.partition("\n## ")[0]))
    rooms = {room for room in ROOMS if "." not in room}
    assert listed == set(sk.__all__) - rooms - {"__version__"}


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
