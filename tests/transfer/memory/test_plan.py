import functools
import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

import stylekit as sk
from stylekit._checks import InputError, InputTypeError
from stylekit.transfer import RecomputedObjective, TiledObjective
from stylekit.transfer.memory.plan import Planned

Transfer = functools.partial(sk.StyleTransfer, optimizer=sk.LBFGS(history=2))


@pytest.fixture(scope="module")
def terms(photo, style):
    layers = ["block1_conv1", "block2_conv1"]
    return [sk.ContentLoss(photo, layers=layers[1:]), sk.GramStyleLoss(style, layers=layers)]


@pytest.fixture(scope="module")
def plain(terms, vgg, photo):
    """Return the image of a run of some steps whose plan is the default one."""

    @functools.cache
    def image(steps):
        return Transfer(terms, extractor=vgg).run(photo, steps=steps).image

    return image


@pytest.mark.parametrize(
    ("plan", "kind"),
    [
        (None, sk.Objective),
        (sk.Recompute(), RecomputedObjective),
        (sk.Recompute("block1_conv2"), RecomputedObjective),
        (sk.Tiles(8), TiledObjective),
        (sk.Tiles(1000), sk.Objective),  # the whole picture is no larger than a tile
    ],
)
def test_every_plan_has_the_same_run(terms, vgg, photo, plain, plan, kind, small_tiles):
    transfer = Transfer(terms, extractor=vgg, plan=plan)
    assert type(transfer.objective(photo)) is kind
    result = transfer.run(photo, steps=3)
    np.testing.assert_allclose(result.image, plain(3), atol=1e-3)
    assert result.manifest["plan"] == repr(plan or sk.Plan())


def test_a_picture_of_one_tile_is_taken_as_a_whole(terms, vgg):
    def taken(plan, *shape):
        layers = ("block1_conv1", "block2_conv1")
        return type(plan.objective(terms, vgg, shape)), plan.pieces(vgg, layers, shape)

    assert taken(sk.Recompute(), 192, 256) == taken(sk.Plan(), 192, 256)
    assert taken(sk.Recompute(), 195, 260)[0] is RecomputedObjective


@pytest.mark.slow
def test_coarse_levels_are_taken_as_a_whole(terms, vgg, photo):
    pyramid = sk.Pyramid.halving(max(photo.shape[:2]), 2)
    coarse = max(photo.shape[:2]) // 2
    options = {"steps": 4, "pyramid": pyramid}
    tiled = Transfer(terms, extractor=vgg, plan=sk.Tiles(coarse)).run(photo, **options)
    plain = Transfer(terms, extractor=vgg).run(photo, **options)
    np.testing.assert_allclose(tiled.image, plain.image, atol=1e-3)


class Short(sk.Plan):
    """A plan whose memory does not suffice from the third step on, or for the targets."""

    at = "step"

    def objective(self, losses, extractor, shape, **options):
        def exhausted(*_):
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

        if self.at == "targets":
            exhausted()
        objective = super().objective(losses, extractor, shape, **options)
        make, taken = objective.stepper, []

        def stepper(*args, **options):
            step = make(*args, **options)

            def counted(*carry):
                taken.append(1)
                return step(*carry) if len(taken) < 3 else exhausted()

            return counted

        objective.stepper = stepper
        return objective


class ShortOfAll(Short):
    at = "targets"

    def less(self):
        return None


@pytest.mark.parametrize("at", ["step", "targets"])
def test_out_of_memory_goes_on_from_the_last_image_in_less(terms, vgg, photo, plain, at):
    plan, seen = Short(), []
    object.__setattr__(plan, "at", at)
    transfer = Transfer(terms, extractor=vgg, plan=plan)
    result = transfer.run(photo, steps=5, callbacks=[lambda step: seen.append(step.index)])
    assert seen == [0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(result.image, plain(5), atol=1e-3)
    assert "continuing with Recompute" in " ".join(result.manifest["notes"])


def test_a_gpus_way_to_say_so_is_heard_and_what_it_had_made_is_let_go(vgg, photo):
    made = []

    class Large(sk.ContentLoss):
        def prepare(self, canvas):
            if not made:
                features = np.zeros(8)
                made.append(weakref.ref(features))
                raise tf.errors.NotFoundError(None, None, "No algorithm worked! RESOURCE_EXHAUSTED")
            made.append(made[0]())
            return super().prepare(canvas)

    result = Transfer([Large(photo)], extractor=vgg).run(photo, steps=1)
    assert made[1:] == [None]  # before the next attempt
    assert "continuing with Recompute" in " ".join(result.manifest["notes"])


@pytest.mark.parametrize("rows", [0, 1])
def test_another_error_is_no_shortage(vgg, photo, rows):
    class Wrong(sk.PixelLoss):
        def prepare(self, canvas):
            tried.append(1)
            if not rows:
                raise tf.errors.NotFoundError(None, None, "No algorithm worked!")
            return super().prepare(canvas)

    def callback(step):
        raise tf.errors.NotFoundError(None, None, "No algorithm worked!")

    tried = []
    error = sk.transfer.TransferError if rows else tf.errors.NotFoundError
    with pytest.raises(error, match="No algorithm"):
        Transfer([Wrong(photo)], extractor=vgg).run(photo, 2, callbacks=[callback])
    assert tried == [1]


def test_out_of_memory_without_a_plan_below(terms, vgg, photo):
    with pytest.raises(sk.SetupError, match="the run does not fit into memory"):
        sk.StyleTransfer(terms, extractor=vgg, plan=ShortOfAll()).run(photo, steps=2)


def test_a_term_that_cannot_be_tiled_is_not_what_is_wrong(style, vgg, photo):
    # Recomputation suffers as well; tiles cannot take such a term: the memory is to blame.
    class Whole(sk.Loss):
        layers = ("block1_conv1",)

        def prepare(self, canvas):
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

        def compute(self, image, features, targets):
            return tf.zeros(len(image))

    with pytest.raises(sk.SetupError, match="the run does not fit into memory"):
        sk.StyleTransfer([Whole()], extractor=vgg).run(photo, steps=2)


def test_a_layer_that_tiles_cannot_take_is_named():
    image = keras.Input((None, None, 3))
    x = keras.layers.Lambda(lambda x: x * 2, name="twice")(image)
    network = sk.KerasExtractor(keras.Model(image, keras.layers.MaxPooling2D(4, name="out")(x)))
    plan = Short()
    object.__setattr__(plan, "at", "targets")
    large = np.zeros((520, 520, 3), "float32")
    transfer = sk.StyleTransfer([sk.ContentLoss(large, layers="out")], extractor=network, plan=plan)
    words = r"does not fit into memory with Short\(\), and Tiles\(size=128\).*out.*Lambda 'twice'"
    with pytest.raises(sk.SetupError, match=words):
        transfer.run(large, steps=1)


@pytest.mark.parametrize(
    ("shortages", "plans"), [(1, ["Reuse()"] * 2), (2, ["Reuse()", "Reuse()", "Recompute(layer="])]
)
def test_what_is_kept_for_other_runs_goes_before_a_plan_with_less(vgg, shortages, plans):
    plan, tried, notes = sk.Reuse(), [], []
    kept = weakref.ref(plan.objective([sk.TotalVariationLoss()], vgg, (8, 8)))

    def make(one):
        tried.append((repr(one), kept() is None))
        if len(tried) <= shortages:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")
        return one.objective([sk.TotalVariationLoss()], vgg, (9, 9))

    planned = Planned(plan, make, notes.append)
    assert [gone for _, gone in tried] == [False, *[True] * shortages]
    assert all(map(str.startswith, [name for name, _ in tried], plans))
    assert (planned.plan is plan) == (shortages == 1)
    (note,) = notes
    assert ("and the objectives of earlier runs, which were freed" in note) == (shortages == 1)
    # The objective in use is no other run's: there is nothing to be dropped for its sake.
    assert not planned.plan.drop(planned.objective)


def test_plans_step_down_to_small_tiles():
    plan, steps = sk.Plan(), []
    while plan := plan.less():
        steps.append(plan)
    assert steps == [sk.Recompute(), sk.Tiles(512), sk.Tiles(256), sk.Tiles(128)]


def test_bad_plans(terms, vgg):
    with pytest.raises(InputTypeError, match="`plan` must be a plan"):
        sk.StyleTransfer(terms, extractor=vgg, plan="tiles")
    with pytest.raises(InputError, match="a tile's size"):
        sk.Tiles(0)
    with pytest.raises(InputTypeError, match="`layer` must be True or the name"):
        sk.Recompute([])


@pytest.mark.slow
@pytest.mark.parametrize("plan", [sk.Plan(), sk.Recompute(), sk.Tiles(8)])
def test_what_a_run_has_traced_goes_with_it(terms, style, vgg, photo, plan, small_tiles):
    graphs = []

    class Watched(sk.GramStyleLoss):
        is_mean = True

        def statistic(self, feature, mask):
            if not tf.executing_eagerly():
                graphs.append(weakref.ref(feature.graph))
            return super().statistic(feature, mask)

    ramp = np.tile(np.linspace(0, 1, photo.shape[1], dtype="float32"), (photo.shape[0], 1))
    watched = Watched(style, layers=["block1_conv1"])
    ramps = sk.GradientMaskStyleLoss([(style, ramp), (style, 1 - ramp)], layers=["conv2_1"])
    Transfer([*terms, watched, ramps], extractor=vgg, plan=plan).run(photo, steps=2)
    gc.collect()
    assert graphs
    assert not any(graph() for graph in graphs)
