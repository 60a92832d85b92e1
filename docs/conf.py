import configparser
import importlib.util
import os
import re
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Small enough for a processor; see the first cell of each page that runs.
os.environ.setdefault("STYLEKIT_DOCS_SIZE", "64")

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

import site_parts
from numpydoc.xref import DEFAULT_LINKS

from stylekit import __version__

# Sphinx reads only files of its own folder; the notebooks are kept beside it.
here = Path(__file__).parent
(here / "_build").mkdir(exist_ok=True)
notebooks = sorted(path.stem for path in (here.parent / "notebooks").glob("*.ipynb"))
for name in notebooks:
    shutil.copyfile(here.parent / "notebooks" / f"{name}.ipynb", here / f"{name}.ipynb")

project = "stylekit"
author = "The stylekit developers"
copyright = "The stylekit developers"
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
    "sphinx_design",
    "site_parts",
]
exclude_patterns = ["_build", "jupyter_execute", "**.ipynb_checkpoints"]
default_role = "code"

templates_path = ["_templates"]
autosummary_generate = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False  # the template of a class writes them out
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"  # words of no known name
# Classes of stylekit are links. Types of Python and NumPy are not: links to other sites would
# need a network at the build.
numpydoc_xref_aliases = {name: name for name in DEFAULT_LINKS} | site_parts.classes()

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_output_stderr = "remove"  # progress bars
nb_code_prompt_show = "Show the set-up of this page"
nb_code_prompt_hide = "Hide the set-up of this page"

# One file of MathJax is copied to the site, so that formulas need no network.
mathjax = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).with_name("static")
mathjax_path = "tex-svg.js"

linkcheck_timeout = 20
linkcheck_anchors = False

# The links to the repository and to Colab. They work once the project is published there.
metadata = configparser.ConfigParser()
metadata.read(here.parent / "setup.cfg")
repository = re.search(r"Source = (\S+)", metadata["metadata"]["project_urls"])[1]

html_theme = "pydata_sphinx_theme"
html_title = f"stylekit {version}"
html_favicon = "_static/logo.svg"
html_show_sourcelink = False
html_static_path = ["_static", str(mathjax / "mathjax" / mathjax_path)]
html_extra_path = [f"../notebooks/{name}.ipynb" for name in notebooks]
html_css_files = ["stylekit.css"]
html_context = {"notebooks": notebooks, "repository": repository, "default_mode": "auto"}
# One list of all pages, in its groups, at the left; the bar above has room for the search alone.
html_sidebars = {"**": ["globaltoc.html"]}
html_theme_options = {
    "logo": {
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo.svg",
        "text": "stylekit",
        "alt_text": "stylekit",
    },
    "show_prev_next": True,
    "navigation_with_keys": False,
    "navbar_center": [],
    "footer_end": ["theme-version"],
    "footer_start": ["release.html"],
    # The gallery's pictures, and the peers' table, need the width of the contents' column.
    "icon_links": [{"name": "Source code", "url": repository, "icon": "fa-solid fa-code"}],
    "secondary_sidebar_items": {
        "**": ["page-toc", "notebook.html"],
        "index": [],
        "gallery": [],
        "peers": [],
    },
}
