import functools
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from skimage import data, transform

import stylekit as sk
from stylekit._checks import InputError

pytestmark = pytest.mark.slow

LAYERS = ("block1_conv1", "block2_conv1")
Transfer = functools.partial(sk.StyleTransfer, optimizer=sk.LBFGS(history=1))


@pytest.fixture(scope="module")
def vgg():
    return sk.VGG19(weights=None)


@pytest.fixture(scope="module")
def photo():
    return np.float32(transform.resize(data.astronaut(), (24, 32), anti_aliasing=True))


@pytest.fixture(scope="module")
def styles():
    pictures = [data.coffee(), data.chelsea()]
    return [np.float32(transform.resize(one, (30, 40), anti_aliasing=True)) for one in pictures]


@pytest.fixture
def traces(monkeypatch):
    """A list that grows by one whenever the terms are traced."""
    seen = []
    compute = sk.TotalVariationLoss.compute

    def counted(self, *arguments):
        seen.append(self)
        return compute(self, *arguments)

    monkeypatch.setattr(sk.TotalVariationLoss, "compute", counted)
    return seen


@pytest.fixture(scope="module")
def run(vgg, photo, styles):
    """Run a content, a style and a variation under a plan."""

    def go(plan=None, *, content=photo, style=styles[0], weight=8.0, layers=LAYERS, **others):
        terms = [
            sk.ContentLoss(content, layers=("block2_conv1",)),
            sk.GramStyleLoss(style, layers=layers, weight=weight),
            sk.TotalVariationLoss(weight=0.5),
        ]
        options = {"extractor": vgg, "plan": plan, "optimizer": sk.LBFGS(history=2)} | others
        return sk.StyleTransfer(terms, **options).run(content, steps=4)

    return go


@pytest.fixture(scope="module")
def first(run):
    """A plan, and the result of the run that it has traced."""
    plan = sk.Reuse()
    return plan, run(plan)


@pytest.mark.parametrize(
    "other",
    [
        {"weight": 2.0},
        {"style": np.float32(transform.resize(data.rocket(), (50, 20)))},
        {"content": np.float32(transform.resize(data.chelsea(), (24, 32)))},
        {"layers": {"block1_conv1": 1, "block2_conv1": 5}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_one_trace_and_the_same_result(run, first, traces, other):
    reused = run(first[0], **other)
    assert not traces
    alone = run(**other)
    assert len(traces) == 1
    np.testing.assert_allclose(reused.image, alone.image, atol=1e-4)
    assert reused.losses[-1] == pytest.approx(alone.losses[-1], rel=1e-5)
    assert reused.manifest["terms"] == alone.manifest["terms"]


@pytest.mark.parametrize(
    "other",
    [
        {"layers": ("block1_conv1",)},
        {"content": np.full((24, 40, 3), 0.5, np.float32)},
        {"extractor": sk.VGG19(weights=None)},
        {"optimizer": sk.LBFGS(history=3)},
        {"precision": "mixed_bfloat16"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_computation_is_traced_anew(run, first, traces, other):
    plan, result = first
    run(plan, **other)
    assert len(traces) == 1
    again = run(plan)
    assert len(traces) == 1
    np.testing.assert_array_equal(again.image, result.image)


def test_a_keras_optimizer_begins_anew(run):
    plan, adam = sk.Reuse(), keras.optimizers.Adam(0.01)
    images = [run(plan, optimizer=adam).image for _ in range(2)]
    np.testing.assert_array_equal(*images)


def test_an_update_mask_is_that_of_its_run(vgg, photo, styles):
    plan, left = sk.Reuse(), np.zeros((24, 32), np.float32)
    left[:, :16] = 1
    for mask in (left, 1 - left):
        terms = [sk.GramStyleLoss(styles[0], layers=LAYERS)]
        transfer = Transfer(terms, extractor=vgg, plan=plan)
        image = transfer.run(photo, steps=3, update_mask=mask).image
        np.testing.assert_array_equal(image[mask == 0], photo[mask == 0])
        assert np.abs(image - photo)[mask == 1].max() > 0.01


class Shifted(sk.Loss):
    """A loss with a setting that is no plain value."""

    def __init__(self, target):
        super().__init__()
        self.target = np.asarray(target, "float32")

    def compute(self, image, features, targets):
        return ((image - self.target) ** 2)[:, 0, 0, 0]


def test_what_a_loss_reads_while_it_computes_is_its_own(vgg, photo):
    plan = sk.Reuse()
    values = [
        Transfer([Shifted(target)], extractor=vgg, plan=plan)
        .run(photo, steps=0)
        .losses[-1]["shifted"]
        for target in (0.0, 1.0)
    ]
    assert values[0] != pytest.approx(values[1])


def test_a_region_left_out_at_a_layer_is_another_computation(vgg, photo, styles):
    small = np.zeros((24, 32), np.float32)
    small[:1, :1] = 1
    plan = sk.Reuse()
    for mask in (np.ones((24, 32), np.float32), small):
        term = sk.MaskedGramStyleLoss(styles[0], mask, layers=LAYERS, small_regions="skip_layer")
        reused, alone = (
            Transfer([term], extractor=vgg, plan=one).run(photo, steps=0) for one in (plan, None)
        )
        assert reused.losses[-1] == pytest.approx(alone.losses[-1])
        assert reused.manifest["notes"] == alone.manifest["notes"]


ROUNDS = sk.Pyramid([32, 32, 32], [2, 1, 1])


@pytest.fixture(scope="module")
def match(vgg, photo, styles):
    """Run a content, nearest neighbours of a style and a variation over three rounds."""

    def go(plan=None, *, style=styles[0], weight=8.0, content=photo, callbacks=(), **options):
        terms = [
            sk.ContentLoss(content, layers=("block2_conv1",)),
            sk.NeighborStyleLoss(style, weight=weight, **({"layers": LAYERS} | options)),
            sk.TotalVariationLoss(weight=0.5),
        ]
        transfer = sk.StyleTransfer(terms, extractor=vgg, plan=plan, optimizer=sk.LBFGS(history=2))
        return transfer.run(content, 8, pyramid=ROUNDS, callbacks=callbacks)

    return go


@pytest.fixture(scope="module")
def first_match(match):
    """A plan that has traced a run."""
    plan = sk.Reuse()
    match(plan)
    return plan


LEFT = np.zeros((24, 32), np.float32)
LEFT[:, :16] = 1


@pytest.mark.parametrize(
    "other",
    [
        {"weight": 2.0},
        {"style": np.float32(transform.resize(data.rocket(), (50, 20)))},
        {"content": np.float32(transform.resize(data.chelsea(), (24, 32)))},
        {"mask": LEFT},
        {"alpha": 0.2},
        {"layers": {"block1_conv1": 1, "block2_conv1": 5}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_neighbours_are_matched_anew_and_traced_once(match, first_match, traces, other):
    reused = match(first_match, **other)
    assert not traces
    alone = match(**other)
    assert len(traces) == 1  # of all rounds
    np.testing.assert_allclose(reused.image, alone.image, atol=1e-4)
    for own, expected in zip(reused.losses, alone.losses, strict=True):
        assert own == pytest.approx(expected, rel=1e-5)
    assert reused.manifest["terms"] == alone.manifest["terms"]


def test_layer_weights_count_by_the_cosine_too(match):
    plan, other = sk.Reuse(), {"layers": {"block1_conv1": 1, "block2_conv1": 5}}
    match(plan, distance="cosine")
    reused, alone = (match(one, distance="cosine", **other) for one in (plan, None))
    for own, expected in zip(reused.losses, alone.losses, strict=True):
        assert own == pytest.approx(expected, rel=1e-4)


class Last(sk.losses.TileableLoss):
    """Reads the start where it is told to, and refuses its argument before that."""

    only_prepared = ("fits", "follows")

    def __init__(self, fits=True, follows=True):
        super().__init__()
        self.fits, self.follows = fits, follows

    def prepare(self, canvas):
        if not self.fits and canvas.is_final:
            raise InputError("It does not fit.")
        start = canvas.start if self.follows else tf.zeros((1, *canvas.shape, 3))
        return {"image": start + 0.5}

    def compute(self, image, features, targets):
        return tf.reduce_mean((image - targets["image"]) ** 2, axis=(1, 2, 3))


def run_last(vgg, photo, plan, **options):
    transfer = Transfer([Last(**options)], extractor=vgg, plan=plan)
    return lambda **others: transfer.run(photo, 4, pyramid=sk.Pyramid([16, 32]), **others)


def test_what_is_unfit_is_told_before_the_first_step(vgg, photo):
    plan, seen = sk.Reuse(), []
    run_last(vgg, photo, plan)()
    with pytest.raises(InputError, match="does not fit"):
        run_last(vgg, photo, plan, fits=False)(callbacks=[seen.append])
    assert not seen


@pytest.mark.parametrize("follows", [True, False])
def test_a_term_that_no_longer_looks_at_the_start_is_another_computation(vgg, photo, follows):
    plan = sk.Reuse()
    run_last(vgg, photo, plan, follows=follows)()
    reused, alone = (run_last(vgg, photo, one, follows=not follows)() for one in (plan, None))
    np.testing.assert_allclose(reused.image, alone.image, atol=1e-4)
    assert reused.losses[-1] == pytest.approx(alone.losses[-1], rel=1e-5)


@pytest.fixture
def sizes(vgg, photo, traces):
    """Run a variation at 24 or at 16 pixels; return how often it has been traced."""

    def go(plan, size):
        content = photo[:size, :size]
        terms = [sk.TotalVariationLoss(weight=1)]
        Transfer(terms, extractor=vgg, plan=plan).run(content, steps=1)
        return len(traces)

    return go


def test_what_was_used_last_is_kept(sizes):
    plan = sk.Reuse(most=2)
    assert [sizes(plan, size) for size in (24, 16, 24, 20, 24, 16)] == [1, 2, 2, 3, 3, 4]


class Fits(sk.Plan):
    """Chooses the plans of a list, one after the other."""

    def __init__(self, *plans):
        object.__setattr__(self, "plans", list(plans))

    def settle(self, *_, optimizer=None, **__):
        return self.plans.pop(0), optimizer


def test_another_plan_chooses_for_each_run(sizes):
    tiles = sk.Tiles()
    plan = sk.Reuse(Fits(sk.Plan(), sk.Plan(), tiles, sk.Plan(), sk.Plan(), tiles, tiles))
    # Where tiles are chosen, what is kept is let go, and the choice is made once more.
    assert [sizes(plan, 24) for _ in range(5)] == [1, 1, 2, 2, 3]
    assert not plan._kept


def test_a_checkpoint_does_not_depend_on_what_chooses(photo, vgg, tmp_path):
    def run(plan, **options):
        transfer = Transfer([sk.PixelLoss(1 - photo)], extractor=vgg, plan=plan)
        return transfer.run(photo, 4, **options)

    def stop(step):
        return step.index == 2

    run(sk.Reuse(sk.FitMemory(), most=3), checkpoint=tmp_path, callbacks=[stop])
    resumed = run(sk.Reuse(sk.FitMemory("9GB")), checkpoint=tmp_path)
    alone = run(sk.Reuse())
    np.testing.assert_array_equal(resumed.image, alone.image)
    assert resumed.losses == alone.losses
    assert resumed.manifest["plan"] == "Reuse()"


def test_a_copy_has_its_settings_and_no_traces(sizes):
    plan = sk.Reuse(sk.FitMemory("9GB"), most=2)
    sizes(plan, 24)
    copy = pickle.loads(pickle.dumps(plan))
    assert copy == plan
    assert plan._kept
    assert not copy._kept


@pytest.mark.parametrize(("options", "argument"), [({"plan": 3}, "plan"), ({"most": 0}, "most")])
def test_what_is_unfit(options, argument):
    with pytest.raises(sk.StylekitError, match=r"`plan` must be|most is out") as raised:
        sk.Reuse(**options)
    assert raised.value.argument == argument
