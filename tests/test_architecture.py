"""The rules of the house: which module may know which, and what may live where."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import stylekit

PACKAGE = Path(stylekit.__file__).parent
MODULES = {
    ".".join(("stylekit", *path.relative_to(PACKAGE).with_suffix("").parts)): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

# From the ground up: a module imports only from its own room and from those before it.
ROOMS = (
    ("_version", "_defaults", "_checks"),
    ("image",),
    ("_gradient",),
    ("functional",),
    ("features",),
    ("masks",),
    ("losses",),
    ("transfer",),
    ("blend",),
    ("metrics",),
    ("recipes",),
    ("app", "batch"),
    ("cli",),
    ("__main__", "__init__"),
)
FACES = ("cli", "app", "batch")  # which may use the public names, as any user does
ROOM = {name: level for level, names in enumerate(ROOMS) for name in names}

# Beyond the order: what a room does without, though it lies lower.
APART = {"losses": {"features"}, "blend": {"transfer"}}

TRANSFER = (
    "parameters",
    "targets",
    "keras_optimizer",
    "optimizers",
    "objective",
    "tiles",
    "bands",
    "parts",
    "tiling",
    "recompute",
    "piece",
    "shortage",
    "plan",
    "reuse",
    "pyramid",
    "memory",
    "fit",
    "initial",
    "figure",
    "result",
    "callbacks",
    "timelapse",
    "checkpoint",
    "record",
    "level",
    "style_transfer",
    "__init__",
)

FRAMEWORKS = {"tensorflow", "keras"}
NETWORKS = {
    "stylekit.masks._models",
    "stylekit.masks._graphs",
}  # of the masks' modules those that run one, when called
# These alone hold a gradient tape and a traced function; distillation trains a network, and written
# out gradients have a trace of their own.
TAPES = {
    "stylekit._gradient",
    "stylekit.transfer.objective",
    "stylekit.transfer.tiling",
    "stylekit.transfer.parts",
    "stylekit.features.student",
}


def room(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def is_type_checking(node):
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def nodes(tree):
    """Every node of a module but those that only a type checker reads."""
    for child in ast.iter_child_nodes(tree):
        if is_type_checking(child):
            for other in child.orelse:
                yield from (other, *nodes(other))
        else:
            yield child
            yield from nodes(child)


def imports(path):
    """Yield the absolute names of what a module imports, wherever it does so."""
    for node in nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = ("stylekit", *path.relative_to(PACKAGE).parts)[: -node.level]
                base = ".".join((*parts, base) if base else parts)
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if is_module(name) else base


def is_module(name):
    return name in MODULES or f"{name}.__init__" in MODULES


def own_imports(path):
    for name in imports(path):
        if name.split(".")[0] == "stylekit":
            yield f"{name}.__init__" if f"{name}.__init__" in MODULES else name


GRAPH = {module: set(own_imports(path)) - {module} for module, path in MODULES.items()}


def test_the_reader_of_imports_reads_them(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
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
    assert list(imports(path)) == [
        "keras",
        "stylekit.functional",
        "stylekit.image",
        "stylekit.losses.base",
        "stylekit.masks",
        "tensorflow.math",
    ]


def test_the_modules_are_found():
    assert len(MODULES) > 30
    assert "stylekit.losses.base" in GRAPH["stylekit.losses.gram"]
    assert "stylekit.image.__init__" in GRAPH["stylekit.losses.base"]


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_room(module):
    assert room(module) in ROOM, "put the room into the list, in its place"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_rooms_below_it(module):
    own = room(module)
    for name in GRAPH[module]:
        if own in FACES and name == "stylekit.__init__":
            continue
        assert room(name) not in APART.get(own, ()), f"{module} imports {name}"
        assert ROOM[room(name)] < ROOM[own] or room(name) == own, f"{module} imports {name}"


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) == "transfer"])
def test_the_modules_of_the_transfer_keep_their_order(module):
    own = TRANSFER.index(module.split(".")[2])
    for name in GRAPH[module]:
        if room(name) == "transfer":
            assert TRANSFER.index(name.split(".")[2]) < own, f"{module} imports {name}"


def test_no_module_imports_itself_by_a_detour():
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


@pytest.mark.parametrize("module", [n for n in MODULES if room(n) in ("image", "masks", "_checks")])
def test_pictures_and_masks_need_no_framework(module):
    found = {name.split(".")[0] for name in imports(MODULES[module])}
    assert module in NETWORKS or not found & FRAMEWORKS


@pytest.mark.parametrize(
    "module", [n for n in MODULES if room(n) in ("functional", "features", "losses")]
)
def test_mathematics_losses_and_features_are_neutral_to_the_backend(module):
    found = {name.split(".")[0] for name in imports(MODULES[module])}
    # Where a graph is to wait, it is TensorFlow's.
    assert module in TAPES | {"stylekit.features.order"} or "tensorflow" not in found


@pytest.mark.parametrize("module", [name for name in MODULES if name not in TAPES])
def test_tapes_and_traced_functions_live_in_one_place(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    used = {ast.unparse(n) for n in nodes(tree) if isinstance(n, (ast.Attribute, ast.Name))}
    assert not used & {f"{tf}.function" for tf in ("tf", "tensorflow")}
    assert not any(name.endswith("GradientTape") for name in used)


def test_the_tape_is_where_it_is_said_to_be():
    text = MODULES["stylekit.transfer.objective"].read_text(encoding="utf-8")
    assert "tf.GradientTape" in text
    assert "tf.function" in text


def test_importing_the_package_loads_no_framework():
    code = (
        "import sys, stylekit\n"
        "dir(stylekit), stylekit.__version__\n"
        f"print(*sorted({FRAMEWORKS | {'matplotlib', 'scipy', 'h5py'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_pictures_and_masks_load_no_framework():
    code = (
        "import sys\n"
        "from stylekit import image, masks\n"
        "image.read_image, masks.feather\n"
        f"print(*sorted({FRAMEWORKS} & set(sys.modules)))"
    )
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


@pytest.mark.parametrize(("module", "name"), PUBLIC, ids=[name for _, name in PUBLIC])
def test_every_public_name_resolves(module, name):
    value = getattr(stylekit, name)
    if module is None:
        assert value is importlib.import_module(f"stylekit.{name}")
    else:
        assert value is getattr(importlib.import_module(f"stylekit.{module}"), name)
    assert name in stylekit.__all__ or name.startswith("__")
    assert name in dir(stylekit)


def test_the_names_of_the_rooms_resolve():
    rooms = {name for module, name in PUBLIC if module is None}
    for name in rooms:
        module = getattr(stylekit, name)
        for public in getattr(module, "__all__", ()):
            assert hasattr(module, public), f"stylekit.{name}.{public}"


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Nothing"):
        _ = stylekit.Nothing
