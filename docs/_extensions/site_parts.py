"""Parts of the site that no extension of Sphinx has: links, a list of names, thumbnails."""

from __future__ import annotations

import functools
import importlib
import re

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from sphinx.roles import XRefRole

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
    found: dict[str, set[str]] = {}
    for module in ("stylekit", *MODULES):
        for name in public(module):
            value = getattr(importlib.import_module(module), name)
            if callable(value) and (module != "stylekit" or name.endswith("Error")):
                full = f"{module}.{name}"
                for start in [match.end() for match in re.finditer(r"\.", full)] + [0]:
                    found.setdefault(full[start:], set()).add(full)
    return {name: full.pop() for name, full in found.items() if len(full) == 1}


def classes() -> dict[str, str]:
    """Return the full name of each public class by its name: the links of parameter types."""
    return {
        name: full for name, full in targets().items() if name.isidentifier() and name[0].isupper()
    }


class CodeRole(XRefRole):
    """Code that links to the public name that it is, if it is one: the role of single backticks.

    A bare lower-case word, such as ``frame``, is often a parameter. It links only to a name of its
    own module, which Sphinx finds.
    """

    def run(self):
        """Return the link; like ``:py:obj:``, it is plain code where it leads nowhere."""
        self.refdomain, self.reftype, self.classes = "py", "obj", ["xref", "py", "py-obj"]
        return self.create_xref_node()

    def process_link(self, env, refnode, has_explicit_title, title, target):
        """Complete the name of the target."""
        refnode["py:module"] = env.ref_context.get("py:module")
        refnode["py:class"] = env.ref_context.get("py:class")
        name = target.removesuffix("()").removeprefix("sk.")
        owner, _, member = name.rpartition(".")
        if name in targets() and ("." in name or name[0].isupper() or "_" in name):
            return title, targets()[name]
        if owner in targets():
            return title, f"{targets()[owner]}.{member}"
        return title, name


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
    """Add the role, the directives and the anchors."""
    app.add_role("code-link", CodeRole())
    app.add_directive("top-level-names", TopLevelNames)
    app.add_directive("gallery-thumbnails", Thumbnails)
    app.connect("doctree-read", name_pictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
