"""The order of the packages, no import cycles, and what importing the package loads."""

import ast
import importlib
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

import stylekit

PACKAGE = Path(stylekit.__file__).parent
MODULES = {
    ".".join(("stylekit", *path.relative_to(PACKAGE).with_suffix("").parts)): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

# From the bottom up: a module imports only from its own package and from those before it.
PACKAGES = (
    ("_version", "_defaults", "_checks", "_quiet"),
    ("_write",),
    ("image",),
    ("_gradient", "_npz"),
    ("functional",),
    ("features",),
    ("masks",),
    ("losses",),
    ("transfer",),
    ("blend",),
    ("metrics",),
    ("recipes",),
    ("app", "batch"),
    ("feedforward",),
    ("cli",),
    ("__main__", "__init__"),
)
LEVEL = {name: level for level, names in enumerate(PACKAGES) for name in names}
FRONT_ENDS = {"app", "batch", "cli"}  # they may also use the top-level names, as a user does

# Packages that are lower in the order, but must not be imported.
FORBIDDEN = {"losses": {"features"}, "blend": {"transfer"}}
FRAMEWORKS = {"tensorflow", "keras"}


def package(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def runtime_nodes(tree):
    """Yield every node except those below `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield from (other, *runtime_nodes(other))
        else:
            yield child
            yield from runtime_nodes(child)


def imports(path, root=PACKAGE):
    """Yield the absolute names that a module imports, also inside functions."""
    for node in runtime_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = ("stylekit", *path.relative_to(root).parts)[: -node.level]
                base = ".".join((*parts, base) if base else parts)
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if name in MODULES or f"{name}.__init__" in MODULES else base


def own_imports(path):
    for name in imports(path):
        if name.split(".")[0] == "stylekit":
            yield f"{name}.__init__" if f"{name}.__init__" in MODULES else name


GRAPH = {module: set(own_imports(path)) - {module} for module, path in MODULES.items()}


def test_imports_are_read(tmp_path):
    path = tmp_path / "losses" / "some.py"
    path.parent.mkdir()
    path.write_text(
        "import keras\n"
        "from stylekit import functional\n"
        "from stylekit.image import resize\n"
        "from .base import Loss\n"
        "from .. import masks\n"
        "if TYPE_CHECKING:\n    from stylekit.transfer import Pixels\n"
        "def late():\n    import tensorflow.math\n"
    )
    assert list(imports(path, tmp_path)) == [
        "keras",
        "stylekit.functional",
        "stylekit.image",
        "stylekit.losses.base",
        "stylekit.masks",
        "tensorflow.math",
    ]
    assert "stylekit.losses.base" in GRAPH["stylekit.losses.gram"]


def test_packages_import_only_from_those_below():
    for module, names in GRAPH.items():
        own = package(module)
        assert own in LEVEL, f"{module}: put its package into the list, at its place"
        for name in names:
            if own in FRONT_ENDS and name == "stylekit.__init__":
                continue
            other = package(name)
            assert other not in FORBIDDEN.get(own, ()), f"{module} imports {name}"
            assert other == own or LEVEL[other] < LEVEL[own], f"{module} imports {name}"


def test_only_distillation_imports_distillation():
    """`python -m stylekit.features.distillation` is a program, which a reader can skip."""
    own = "stylekit.features.distillation."
    for module, names in GRAPH.items():
        found = [name for name in names if name.startswith(own)]
        assert not found or module.startswith(own), f"{module} imports {found}"
    assert any(module.startswith(own) for module in GRAPH)


def test_there_are_no_import_cycles():
    done, path = set(), []

    def visit(module):
        assert module not in path, " -> ".join([*path, module])
        if module not in done:
            path.append(module)
            for name in sorted(GRAPH.get(module, ())):
                visit(name)
            path.pop()
            done.add(module)

    for module in GRAPH:
        visit(module)


def test_frameworks_stay_where_they_belong():
    """`image` needs no framework; the mathematics and the losses run on any backend of Keras."""
    excluded = {"_checks": FRAMEWORKS, "image": FRAMEWORKS}
    excluded |= {"functional": {"tensorflow"}, "losses": {"tensorflow"}}
    for module, path in MODULES.items():
        found = {name.split(".")[0] for name in imports(path)}
        assert not found & excluded.get(package(module), set()), module


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        (
            "import stylekit; dir(stylekit), stylekit.__version__",
            FRAMEWORKS | {"matplotlib", "scipy", "h5py"},
        ),
        (
            "import stylekit.image; stylekit.image.read_image",
            FRAMEWORKS | {"stylekit.image.drawn", "scipy", "matplotlib"},
        ),
        ("from stylekit import image, masks; image.read_image, masks.feather", FRAMEWORKS),
    ],
)
def test_importing_loads_no_framework(code, absent):
    code = f"import sys; {code}; print(*sorted({absent} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# The public names

STUB = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
PUBLIC = [
    (node.module, alias.asname or alias.name)
    for node in STUB.body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
]


def test_every_public_name_resolves():
    for module, name in PUBLIC:
        value = getattr(stylekit, name)
        if module is None:
            assert value is importlib.import_module(f"stylekit.{name}")
            for public in getattr(value, "__all__", ()):
                assert hasattr(value, public), f"stylekit.{name}.{public}"
        else:
            assert value is getattr(importlib.import_module(f"stylekit.{module}"), name)
        assert name in stylekit.__all__ or name.startswith("__")
        assert name in dir(stylekit)


@pytest.mark.parametrize(
    ("module", "name", "nearest"),
    [
        ("stylekit", "stylise", "stylize"),
        ("stylekit", "compact_vgg", "CompactVGG"),
        ("stylekit.losses", "GramLoss", "GramStyleLoss"),
        ("stylekit.batch", "stylize_frame", "stylize_frames"),
        ("stylekit.image", "Nothing", None),
    ],
)
def test_an_unknown_name_is_an_error_that_suggests_the_nearest(module, name, nearest):
    hint = f". Did you mean: {nearest!r}?" if nearest else ""
    with pytest.raises(AttributeError) as caught:
        getattr(importlib.import_module(module), name)
    message = f"module {module!r} has no attribute {name!r}{hint}"
    assert str(caught.value) == message
    # A script's traceback, to which Python adds a suggestion of its own to others.
    assert traceback.format_exception_only(caught.value) == [f"AttributeError: {message}\n"]


def test_every_package_suggests_names():
    packages = {name for module, name in PUBLIC if module is None}
    for name in packages - {"functional"}:
        with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
            _ = getattr(stylekit, name).Nothing
        assert "__getattr__" in vars(getattr(stylekit, name)), name
