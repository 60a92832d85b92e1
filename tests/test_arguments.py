"""Every error that one argument caused names it in `error.argument`."""

import ast
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest

import stylekit as sk
from stylekit import blend, image, masks, metrics, recipes
from stylekit._checks import StylekitError, caused_by, fail, number, renamed
from stylekit.transfer import Pyramid

PACKAGE = Path(sk.__file__).parent

FOLDERS = [
    "app/",  # a page has no arguments: its visitor sees the message alone
    "cli/",  # messages name the options themselves
    "image/_formats/",  # as_image, read_image and write_image know what a file was given as
]

# Functions, and how many of their errors no single argument causes.
NO_ARGUMENT = {
    "_checks.py settings_of": 1,  # a method that the user wrote
    "image/color.py _union": 1,  # the numbers of styles, weights and masks differ
    "image/color.py _weights": 2,  # set by `caused_by`
    "losses/canvas.py Canvas.image": 1,  # the run has no picture
    "losses/neighbors.py NeighborStyleLoss._check": 1,  # masks of the picture and of the styles
    "losses/patch.py PatchStyleLoss._check_maps": 2,  # two maps that do not match
    "losses/patch.py feature_patches": 1,  # either picture, and the layers
    "losses/relaxed_transport.py RelaxedTransportLoss.prepare": 1,  # masks of both sides
    "losses/statistic.py StatisticLoss._statistic": 1,  # a method that the user wrote
    "masks/color_maps/matching.py match_regions": 2,  # two maps that do not match
    "masks/color_maps/matching.py _check_apart": 1,  # two options that name one colour
    "masks/ramps.py linear_gradient": 2,  # start and stop; shape and angle
    "masks/refine/bilateral.py BilateralKernel.__init__": 1,  # the picture and two deviations
    "masks/refine/matting.py _pymatting": 1,  # the installation
    "masks/subject.py _known": 2,  # the box and the scribbles
    "recipes/localized.py localized": 1,  # same_mask and style_subject
    "recipes/recipe.py Recipe.__init__": 1,  # content, or start and shape
    "transfer/callbacks.py Display.__init__": 1,  # the installation
    "transfer/callbacks.py Timelapse.write": 1,  # called before a run
    "transfer/level.py Level._raise": 1,  # a loss that is not finite
    "transfer/memory/plan.py Planned.step_down": 1,  # the memory
    "transfer/memory/tiling.py check_term": 1,  # the losses and the plan
    "transfer/objective.py Objective._checked_value": 2,  # a method that the user wrote
    "transfer/objective.py Objective._checked": 1,  # called before begin
    "transfer/objective.py check_backend": 2,  # the installation
    "transfer/result.py Step.image": 1,  # not an argument
    "transfer/result.py Result.save": 1,  # the run had a batch
    "transfer/style_transfer.py StyleTransfer.run": 1,  # the memory
}


ERRORS = {"fail", "InputError", "InputTypeError", "FileError", "SetupError", "NonFiniteLossError"}


def without_argument(node, inside=()):
    """Return the functions below a node in which errors are made without an argument."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        inside = (*inside, node.name)
    found = [one for child in ast.iter_child_nodes(node) for one in without_argument(child, inside)]
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in ERRORS and not any(one.arg == "argument" for one in node.keywords):
            found.append(".".join(inside))
    return found


def test_every_error_names_its_argument_or_is_known_to_have_none():
    found: Counter[str] = Counter()
    for path in PACKAGE.rglob("*.py"):
        file = path.relative_to(PACKAGE).as_posix()
        if not file.startswith(tuple(FOLDERS)):
            tree = ast.parse(path.read_text("utf-8"))
            found.update(f"{file} {where}" for where in without_argument(tree))
    assert found == NO_ARGUMENT


PHOTO = np.random.default_rng(0).random((40, 60, 3), np.float32)
SMALL = PHOTO[:8, :8]
HALF = np.zeros((40, 60), np.float32)
HALF[:, :30] = 1
LYING = HALF.T
FLAT = np.full((40, 60, 3), 0.5, np.float32)


def run(recipe, **options):
    return recipe.run(steps=0, extractor=sk.CompactVGG(), **options)


def grey():
    return sk.KerasExtractor(keras.Sequential([keras.Input((None, None, 1))]))


CALLS = [
    # Pictures, by whatever name they were given
    (lambda: sk.stylize("gone.jpg", PHOTO), "content"),
    (lambda: sk.stylize(PHOTO, "gone.jpg"), "style"),
    (lambda: sk.stylize(PHOTO, [PHOTO, PHOTO * 3]), "style"),
    (lambda: sk.stylize(PHOTO, []), "style"),
    (lambda: sk.stylize("no picture.txt", PHOTO), "content"),
    (lambda: sk.read_image("gone.jpg"), "path"),
    (lambda: sk.read_image(PHOTO), "path"),
    (lambda: sk.read_image("gone.jpg", size=0), "size"),
    (lambda: image.as_image("mask", name="photo"), "photo"),
    (lambda: image.as_image("gone.jpg", name="a blend's picture"), None),
    (lambda: image.resize(PHOTO, (0, 3)), "shape"),
    (lambda: image.match_color(PHOTO, PHOTO, mask=LYING), "mask"),
    (lambda: image.palette_colors(PHOTO, PHOTO, PHOTO, style_masks=[LYING]), "style_masks"),
    (lambda: image.original_colors(PHOTO, SMALL), "content"),
    (lambda: image.contact_sheet([PHOTO], font="gone.ttf"), "font"),
    (lambda: image.contact_sheet([PHOTO, "gone.jpg"]), "pictures"),
    (lambda: image.write_animation("out.gif", [PHOTO], fps=0), "fps"),
    (lambda: sk.write_image("out.jgp", PHOTO), "path"),
    (lambda: sk.write_image("no/out.png", PHOTO), "path"),
    (lambda: sk.write_image("out.png", PHOTO, like="gone.jpg"), "like"),
    (lambda: blend.paste(PHOTO, SMALL, HALF), "stylised"),
    (lambda: metrics.seam_score(PHOTO, SMALL, HALF), "result"),
    (lambda: metrics.seam_score(PHOTO, PHOTO, np.ones((40, 60))), "mask"),
    (lambda: metrics.style_nearness(PHOTO, PHOTO, extractor=3), "extractor"),
    # Masks
    (lambda: masks.as_mask(LYING, (40, 60)), "mask"),
    (lambda: masks.as_mask("gone.png"), "mask"),
    (lambda: masks.combine([HALF, LYING]), "masks"),
    (lambda: masks.resize(HALF, (0, 3)), "shape"),
    (lambda: masks.find_subject(PHOTO, "gone.png"), "subject"),
    (lambda: masks.find_subject(PHOTO, "cat", lambda _: 3), "segmenter"),
    (lambda: masks.subject(PHOTO, (3, 3, 2, 2)), "box"),
    (lambda: masks.subject(PHOTO, (0, 0, "a", 2)), "box"),
    (lambda: masks.from_colors(FLAT, ["red"]), "colors"),
    (lambda: masks.match_regions(FLAT, "gone.png"), "style_map"),
    (lambda: masks.DeepLab("gone.tflite"), "model"),
    (lambda: masks.crf(PHOTO, HALF, weight=3), "changes"),
    (lambda: masks.radial_gradient((40, 60), center=("a", 3)), "center"),
    (lambda: sk.recipes.presets.gatys2016(PHOTO, PHOTO, content_weight=-1), "content_weight"),
    (lambda: sk.recipes.presets.crowsonkb(PHOTO, PHOTO, tv_weight="a"), "tv_weight"),
    (lambda: sk.recipes.presets.keras_example(PHOTO, PHOTO, style_weight=-1), "style_weight"),
    (lambda: sk.Noise(color=0.5), "color"),
    (lambda: sk.stylize(PHOTO, PHOTO, mask=LYING), "mask"),
    (lambda: sk.stylize(PHOTO, PHOTO, mask=[HALF, HALF]), "mask"),
    (lambda: sk.stylize(PHOTO, PHOTO, style_mask=LYING), "style_mask"),
    (lambda: sk.GramStyleLoss(PHOTO, HALF * 3), "mask"),
    (lambda: sk.GramStyleLoss(PHOTO, style_mask=HALF * 3), "style_mask"),
    (lambda: sk.MaskedGramStyleLoss(PHOTO, None), "mask"),
    (lambda: sk.NeighborStyleLoss(PHOTO, style_mask=[HALF, HALF]), "style_mask"),
    # Layers and weights
    (lambda: sk.GramStyleLoss(PHOTO, layers=[]), "layers"),
    (lambda: sk.GramStyleLoss(PHOTO, layers="a", layer_weights=[1, 2]), "layer_weights"),
    (lambda: sk.GramStyleLoss(PHOTO, layers="a", layer_weights=[-1]), "layer_weights"),
    (lambda: sk.GramStyleLoss(PHOTO, weight=-1), "weight"),
    (lambda: sk.ContentLoss("gone.jpg"), "reference"),
    (lambda: sk.CompactVGG().resolve("conv9_9"), "layer"),
    (lambda: sk.VGG19("gone.h5"), "weights"),
    (lambda: sk.VGG19("weights.txt"), "weights"),
    (grey, "model"),
    (lambda: recipes.basic(PHOTO, PHOTO, style_layers=[]), "style_layers"),
    (lambda: run(recipes.basic(PHOTO, PHOTO, style_layers=["no"])), "style_layers"),
    (lambda: run(recipes.basic(PHOTO, PHOTO, content_layers="no")), "content_layers"),
    (lambda: run(recipes.reconstruct(PHOTO, layers="no")), "layers"),
    (lambda: sk.stylize(PHOTO, PHOTO, style_weights=[1, 2]), "style_weights"),
    # Recipes
    (lambda: recipes.localized(PHOTO, PHOTO, HALF, method="update", blend="seam"), "blend"),
    (lambda: recipes.localized(PHOTO, PHOTO, LYING), "subject"),
    (lambda: recipes.localized(PHOTO, PHOTO, HALF, style_subject=LYING), "style_subject"),
    (lambda: recipes.gradient_mask(PHOTO, [("gone.jpg", HALF)]), "styles"),
    (lambda: recipes.gradient_mask(PHOTO, [(PHOTO, LYING)]), "styles"),
    (lambda: recipes.regions(PHOTO, "gone.png", PHOTO, PHOTO), "content_map"),
    (lambda: recipes.regions(PHOTO, PHOTO, PHOTO, SMALL), "style_map"),
    (lambda: recipes.photoreal(PHOTO, PHOTO, style_map=FLAT), "content_map"),
    (lambda: sk.MattingLaplacianLoss("gone.png"), "reference"),
    (lambda: recipes.patches(PHOTO, PHOTO, content_map=PHOTO), "style_map"),
    (lambda: recipes.doodle("gone.png", PHOTO, PHOTO), "map"),
    (lambda: recipes.doodle(FLAT, FLAT, FLAT, gram_weight=-1), "gram_weight"),
    (lambda: recipes.doodle(FLAT, FLAT, FLAT, patch_layers=[]), "patch_layers"),
    (lambda: recipes.texture(PHOTO, size=(3,)), "size"),
    (lambda: sk.sweep(PHOTO, PHOTO, {"strenght": [1]}), "grid"),
    (lambda: recipes.basic(PHOTO, PHOTO).replace("no", None), "name"),
    # Runs
    (lambda: run(recipes.basic(PHOTO, PHOTO), initial="gone.jpg"), "initial"),
    (lambda: run(recipes.basic(PHOTO, PHOTO), finish=(sk.CompactVGG(), 3)), "finish"),
    (lambda: sk.StyleTransfer([]), "losses"),
    (lambda: sk.StyleTransfer([3]), "losses"),
    (lambda: sk.StyleTransfer([sk.PixelLoss(PHOTO)], plan=3), "plan"),
    (lambda: sk.StyleTransfer([sk.PixelLoss(PHOTO)], optimizer=3), "optimizer"),
    (lambda: sk.StyleTransfer([sk.PixelLoss(PHOTO)], parameters=3), "parameters"),
    (lambda: transfer().run("gone.jpg"), "initial"),
    (lambda: transfer().run(sk.Noise()), "initial"),
    (lambda: transfer().run(PHOTO, update_mask=LYING), "update_mask"),
    (lambda: transfer().run(PHOTO, callbacks=[3]), "callbacks"),
    (lambda: transfer().run(PHOTO, pyramid=Pyramid([20])), "pyramid"),
    (lambda: transfer(sk.GramStyleLoss(SMALL[:2])).run(PHOTO), "style"),
    (lambda: transfer(sk.GramStyleLoss(PHOTO, layers="no")).run(PHOTO), "layers"),
    (lambda: transfer(sk.GramStyleLoss(PHOTO, LYING)).run(PHOTO), "mask"),
    (lambda: sk.Pyramid([3], [-1]), "shares"),
    (lambda: sk.Checkpoint(3), "folder"),
    (lambda: sk.FitMemory("lots"), "limit"),
]


def transfer(loss=None):
    return sk.StyleTransfer([loss or sk.TotalVariationLoss()], extractor=sk.CompactVGG())


@pytest.mark.parametrize(("call", "argument"), CALLS)
def test_the_argument_of_a_call(call, argument, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mask", "no picture.txt", "weights.txt"):
        Path(name).write_text("no picture")
    with pytest.raises(StylekitError) as raised:
        call()
    assert raised.value.argument == argument, raised.value


def test_an_argument_may_be_given_as_a_message_calls_it():
    for name, argument in (("masks[3]", "masks"), ("colors['a']", "colors"), ("a mask", None)):
        with pytest.raises(StylekitError) as raised:
            fail("it is wrong", argument=name)
        assert raised.value.argument == argument
        with pytest.raises(StylekitError) as raised:
            number("a", name)
        assert raised.value.argument == argument


def test_what_a_helper_was_given_may_have_another_name_outside():
    with pytest.raises(StylekitError) as raised, renamed(width="size"), caused_by("width"):
        fail("it is wrong", argument="depth")
    assert raised.value.argument == "size"
    with pytest.raises(StylekitError) as raised, renamed(width="size"):
        fail("it is wrong", argument="depth")
    assert raised.value.argument == "depth"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sk.stylize(PHOTO, PHOTO, strenght=1), "stylize has no option.* Did you mean str"),
        (
            lambda: recipes.localized(PHOTO, PHOTO, HALF, segmentr=3),
            "localized has no option 'segmentr'. Did you mean segmenter",
        ),
        (lambda: recipes.localized(PHOTO, PHOTO, HALF, mask=HALF), "localized has no option 'ma"),
        (
            lambda: recipes.gradient_mask(PHOTO, [(PHOTO, HALF)], update_mask=HALF),
            "gradient_mask has no option 'update_mask'",
        ),
        (
            lambda: recipes.regions(PHOTO, FLAT, PHOTO, FLAT, color=["red"]),
            "regions has no option 'color'. Did you mean colors",
        ),
        (
            lambda: recipes.patches(PHOTO, PHOTO, overlp=0.3),
            "patches has no option 'overlp'. Did you mean overlap",
        ),
        (
            lambda: recipes.patches(PHOTO, PHOTO, steps=3),
            "patches has no option 'steps'. Pass it to the method `run` of the returned recipe",
        ),
        (
            lambda: sk.sweep(PHOTO, PHOTO, {"strength": [1]}, max_cels=3),
            "sweep has no option 'max_cels'. Did you mean max_cells",
        ),
        (
            lambda: sk.MaskedGramStyleLoss(PHOTO, HALF, wieght=3),
            "MaskedGramStyleLoss has no option 'wieght'. Did you mean weight",
        ),
    ],
)
def test_an_option_that_is_passed_on_is_checked_where_it_was_given(call, message):
    with pytest.raises(TypeError, match=message) as raised:
        call()
    assert f"'{raised.value.argument}'" in str(raised.value)
