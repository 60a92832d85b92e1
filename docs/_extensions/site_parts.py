"""Parts of the site that no extension of Sphinx has: links, a list of names, thumbnails."""

from __future__ import annotations

import functools
import importlib
import re

from docutils import nodes
from docutils.parsers.rst import Directive
from pygments.lexers import BashLexer
from pygments.token import Name, Text
from sphinx import addnodes
from sphinx.application import Sphinx

MODULES = ["batch", "blend", "features", "feedforward", "functional", "image", "image.drawn"]
MODULES += ["losses", "losses.hypercolumns", "masks", "metrics", "recipes", "recipes.presets"]
MODULES = [f"stylekit.{name}" for name in [*MODULES, "transfer"]]
PICTURE = re.compile(r"^```\{image\} (pictures/gallery/(\w+)\.jpg)\n:alt: (.*)\n```", re.MULTILINE)


def public(module: str) -> list[str]:
    """Return the public names of a module: its ``__all__``, or what it defines itself."""
    found = importlib.import_module(module)
    names = getattr(found, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(found).items()
            if name[0] != "_" and getattr(value, "__module__", None) == module
        ]
    return list(names)


@functools.cache
def targets() -> dict[str, str]:
    """Return the full name of each public name that is unambiguous, by all ways to write it."""
    found = {module: {module} for module in MODULES}
    for module in MODULES:
        for name in public(module):
            if callable(getattr(importlib.import_module(module), name)):
                full = f"{module}.{name}"
                for start in [match.end() for match in re.finditer(r"\.", full)] + [0]:
                    found.setdefault(full[start:], set()).add(full)
    for name in public("stylekit"):
        at_top = f"stylekit.{name}"
        if name.endswith("Error"):
            found.setdefault(name, {at_top})
        found.setdefault(at_top, found.get(name, set()))
    return {name: next(iter(full)) for name, full in found.items() if len(full) == 1}


def target(code: str, module: str | None) -> str | None:
    """Return the full name of the public name that is in a piece of code, or None.

    A bare lower-case word, such as ``frame``, is often a parameter. It counts only as a name of the
    module that the page is about.
    """
    match = re.fullmatch(r"(sk\.)?([A-Za-z_][\w.]*)(\(.*\))?", code)
    if match is None:
        return None
    name = match[2]
    own = targets().get(f"{module}.{name}")
    qualified = match[1] or "." in name or name[0].isupper() or "_" in name
    if own or (qualified and name in targets()):
        return own or targets()[name]
    owner, _, member = name.rpartition(".")
    return f"{targets()[owner]}.{member}" if owner in targets() else None


def classes() -> dict[str, str]:
    """Return the full name of each public class by its name: the links of parameter types."""
    return {
        name: full for name, full in targets().items() if name.isidentifier() and name[0].isupper()
    }


def link_names(app: Sphinx, document: nodes.document) -> None:
    """Make links of the public names that stand as code in a page."""
    page = app.env.docname
    module = page.removeprefix("api/").rpartition(".")[0] if page.startswith("api/") else None
    for code in list(document.findall(nodes.literal)):
        name = target(code.astext(), module)
        inside = isinstance(code.parent, nodes.title | nodes.reference | addnodes.pending_xref)
        if name and not inside and page != f"api/{name}":
            link = addnodes.pending_xref("", refdomain="py", reftype="obj", reftarget=name)
            link.update_basic_atts({"refexplicit": False, "refwarn": False, "refdoc": page})
            code.replace_self(link)
            link += code


class Shell(BashLexer):
    """The shell, with options as tokens of their own, which the style sheet does not break."""

    def get_tokens_unprocessed(self, text):
        """Yield the tokens."""
        for start, kind, value in super().get_tokens_unprocessed(text):
            option = kind is Text and value.startswith("-")
            yield start, Name.Attribute if option else kind, value


class TopLevelNames(Directive):
    """The names at the top level of the package, in one paragraph of links."""

    def run(self) -> list[nodes.Node]:
        """Return the paragraph."""
        rooms = {module.partition(".")[2] for module in MODULES}
        names = sorted(set(public("stylekit")) - rooms - {"__version__"}, key=str.lower)
        text = ", ".join(f":py:obj:`{name} <{targets()[name]}>`" for name in names)
        messages_and_nodes, messages = self.state.inline_text(f"{text}.", self.lineno)
        return [nodes.paragraph("", "", *messages_and_nodes), *messages]


class Thumbnails(Directive):
    """A small picture for each picture of the gallery, which leads to it and to its code."""

    def run(self) -> list[nodes.Node]:
        """Return the pictures in one block."""
        source = self.state.document.settings.env.doc2path("gallery")
        block = nodes.container(classes=["thumbnails"])
        with open(source, encoding="utf-8") as page:
            for path, name, alt in PICTURE.findall(page.read()):
                image = nodes.image(uri=path, alt=alt)
                link = nodes.reference("", "", image, refid=name, reftitle=alt, internal=True)
                block += nodes.paragraph("", "", link)
        return [block]


def name_pictures(app: Sphinx, document: nodes.document) -> None:
    """Give each picture of the gallery the anchor to which its thumbnail leads."""
    if app.env.docname != "gallery":
        return
    for image in document.findall(nodes.image):
        if not isinstance(image.parent, nodes.reference):
            image["ids"].append(image["uri"].rpartition("/")[2].removesuffix(".jpg"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the links, the shell, the directives and the anchors."""
    app.connect("doctree-read", link_names)
    app.add_lexer("sh", Shell)
    app.add_directive("top-level-names", TopLevelNames)
    app.add_directive("gallery-thumbnails", Thumbnails)
    app.connect("doctree-read", name_pictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
