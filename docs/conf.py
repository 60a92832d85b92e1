import os
import shutil
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Small enough for a processor; see the first cell of each page that runs.
os.environ.setdefault("STYLEKIT_DOCS_SIZE", "64")

from stylekit import __version__

# Sphinx reads only what lies in its own folder; the notebooks' home is beside it.
here = Path(__file__).parent
(here / "_build").mkdir(exist_ok=True)
for notebook in (here.parent / "notebooks").glob("*.ipynb"):
    shutil.copyfile(notebook, here / notebook.name)

project = "stylekit"
author = "The stylekit developers"
copyright = "The stylekit developers"
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_nb",
    "sphinx_design",
]
exclude_patterns = ["_build", "jupyter_execute", "**.ipynb_checkpoints"]
default_role = "code"

templates_path = ["_templates"]
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False  # the template of a class writes them out

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_output_stderr = "remove"  # progress bars

linkcheck_timeout = 20
linkcheck_anchors = False

html_theme = "pydata_sphinx_theme"
html_title = f"stylekit {version}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["stylekit.css"]
# One list of all pages, in its groups, at the left; the bar above has room for the search alone.
html_sidebars = {"index": [], "**": ["globaltoc.html"]}
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "navbar_center": [],
    # The gallery's pictures, and the peers' table, need the width of the contents' column.
    "secondary_sidebar_items": {"**": ["page-toc"], "gallery": [], "peers": []},
}
