import keras
import numpy as np
import pytest

import stylekit as sk
from stylekit._checks import InputError, SetupError, in_bytes
from stylekit.losses.patch import PatchStyleLoss
from stylekit.transfer.memory import fit


def settled(limit, terms, network, size=2048, **options):
    return sk.FitMemory(limit).settle(terms, network, (size, size), **options)


def test_the_fastest_plan_that_fits(compact_terms, compact):
    def need(plan):
        return fit.MARGIN * sk.estimate_memory(2048, compact, compact_terms, plan=plan).total

    for plan in fit.PLANS[:2]:
        assert settled(int(need(plan)) + 1, compact_terms, compact) == (plan, None)
    below, _ = settled(int(need(sk.Recompute())) - 1, compact_terms, compact)
    assert isinstance(below, sk.Tiles)


@pytest.fixture
def need(compact_terms, compact):
    """A function that returns the least limit in which an optimizer fits, by any plan."""

    def of(optimizer=None):
        needs = (
            sk.estimate_memory(2048, compact, compact_terms, plan=plan, optimizer=optimizer)
            for plan in fit.PLANS
        )
        return int(fit.MARGIN * min(one.total for one in needs)) + 1

    return of


def test_a_history_that_is_left_open_gets_shorter_where_no_plan_fits(compact_terms, compact, need):
    halved = sk.LBFGS(3, history_dtype="bfloat16")
    for pairs, fitting in ((5, sk.LBFGS(5)), (3, sk.LBFGS(3)), (3, halved)):
        _, optimizer = settled(need(fitting), compact_terms, compact)
        assert (optimizer.history, repr(optimizer)) == (pairs, repr(fitting))
    # Other settings stay as they are.
    _, optimizer = settled(
        need(halved), compact_terms, compact, optimizer=sk.LBFGS(first_step=0.01)
    )
    assert (optimizer.history, optimizer.first_step, optimizer.takes_bounds) == (3, 0.01, True)
    words = r"does not fit into the memory limit: .* GB or more.*LBFGS\(history=3\) or Adam"
    with pytest.raises(SetupError, match=words):
        settled(need(halved) - 2, compact_terms, compact)


def test_an_optimizer_that_was_given_stays(compact_terms, compact, need):
    adam, lbfgs = keras.optimizers.Adam(0.02), sk.LBFGS(10)
    for given in (adam, lbfgs):
        assert settled("20GB", compact_terms, compact, optimizer=given) == (sk.Plan(), given)
        with pytest.raises(SetupError, match="does not fit into the memory limit"):
            settled(need(given) - 2, compact_terms, compact, optimizer=given)


def test_an_optimizer_of_ones_own_may_need_less(compact_terms, compact, need):
    class Own(sk.transfer.Optimizer):
        def __init__(self, copies):
            self.copies = copies

        def init(self, x):
            return ()

        def step(self, evaluate, x, state):
            return x - evaluate(x)[1], state

        def memory(self):
            return self.copies

        def less(self):
            return Own(self.copies / 2) if self.copies > 4 else None

    _, optimizer = settled(need(Own(8)), compact_terms, compact, optimizer=Own(32))
    assert optimizer.copies == 8
    Own.less = lambda self: 1 / 0
    with pytest.raises(ZeroDivisionError) as caught:
        settled("9GB", compact_terms, compact, optimizer=Own(8))
    assert caught.value.__notes__ == ["in optimizer Own, method less"]
    # Without a check these would be asked for less without end.
    for less in (lambda self: self, lambda self: Own(self.copies), lambda self: "adam"):
        Own.less = less
        with pytest.raises(InputError, match="expected None, or an Optimizer") as refused:
            settled("9GB", compact_terms, compact, optimizer=Own(8))
        assert refused.value.argument == "optimizer"
        assert refused.value.__notes__ == ["in optimizer Own, method less"]


def test_terms_that_tiles_do_not_take(style, compact):
    term = PatchStyleLoss(style, layers=["conv3_1"])
    plan, _ = settled("30GB", [term], compact, size=512)
    assert plan == sk.Plan()
    with pytest.raises(SetupError, match="does not fit"):
        settled("100MB", [term], compact, size=512)


def test_a_network_that_cannot_be_cut_is_tiled(photo):
    image = keras.Input((None, None, 3))
    first = keras.layers.Conv2D(16, 3, padding="same", name="first")(image)
    small = keras.layers.MaxPooling2D(4, name="small")(first)
    around = keras.layers.AveragePooling2D(4, name="around")(first)
    total = keras.layers.Add(name="sum")([small, around])
    network = sk.KerasExtractor(keras.Model(image, total))
    terms = [sk.GramStyleLoss(photo, layers=["sum"])]
    plain = sk.estimate_memory(2048, network, terms).total
    plan, _ = settled(int(fit.MARGIN * plain) - 1, terms, network)
    assert plan == sk.Tiles(1024)


def test_a_layer_that_tiles_cannot_take_is_named(photo):
    image = keras.Input((None, None, 3))
    x = keras.layers.Lambda(lambda x: x * 2, name="twice")(image)
    network = sk.KerasExtractor(keras.Model(image, keras.layers.MaxPooling2D(4, name="out")(x)))
    terms = [sk.GramStyleLoss(photo, layers=["out"])]
    assert settled("30GB", terms, network, size=512)[0] == sk.Plan()
    words = r"does not fit.*Tiles\(size=256\) cannot be used: layer 'out'.*Lambda 'twice'"
    with pytest.raises(SetupError, match=words):
        settled("80MB", terms, network, size=512)


def test_without_a_limit_it_is_what_is_free(compact_terms, compact, monkeypatch):
    monkeypatch.setattr(fit, "free_memory", lambda: None)
    assert settled(None, compact_terms, compact) == (sk.Plan(), None)
    need = sk.estimate_memory(2048, compact, compact_terms, plan=sk.Recompute()).total
    monkeypatch.setattr(fit, "free_memory", lambda: int(fit.MARGIN * need / 0.9) + 2)
    assert settled(None, compact_terms, compact) == (sk.Recompute(), None)
    # Too little is no error: what is free was not promised.
    said = []
    monkeypatch.setattr(fit, "free_memory", lambda: 1000)
    plan, _ = sk.FitMemory(say=said.append).settle(compact_terms, compact, (2048, 2048))
    assert plan == sk.Tiles(256)
    assert "more than is free" in said[0]


def test_free_memory_is_known_here():
    assert fit.free_memory() is None or 10**7 < fit.free_memory() < 10**14


def test_a_run_is_that_of_its_plan_and_says_so(compact_terms, compact, photo):
    shape = photo.shape[:2]
    limit = int(fit.MARGIN * sk.estimate_memory(shape, compact, compact_terms).total) - 1
    said = []
    plan = sk.FitMemory(limit, say=said.append)
    expected, optimizer = plan.settle(compact_terms, compact, shape)
    options = {"extractor": compact, "optimizer": optimizer}
    result = sk.StyleTransfer(compact_terms, extractor=compact, plan=plan).run(photo, 2)
    same = sk.StyleTransfer(compact_terms, plan=expected, **options).run(photo, 2)
    np.testing.assert_array_equal(result.image, same.image)
    assert any(note.startswith(f"plan: {expected}") for note in result.manifest["notes"])
    assert result.manifest["plan"] == repr(expected)
    assert result.manifest["optimizer"] == repr(optimizer)
    assert optimizer.history < 10
    assert repr(expected) in said[0]


@pytest.mark.parametrize("free", [pytest.param(10**6, marks=pytest.mark.slow), 10**12])
@pytest.mark.slow
def test_a_resumed_run_takes_what_it_began_with(
    free, compact_terms, compact, photo, monkeypatch, tmp_path
):
    """However much memory is free then, at each size."""
    pyramid = sk.Pyramid([16, 32], [1, 2])

    def run(free, **options):
        monkeypatch.setattr(fit, "free_memory", lambda: free)
        transfer = sk.StyleTransfer(compact_terms, extractor=compact, plan=sk.FitMemory())
        return transfer.run(photo, 6, pyramid=pyramid, **options)

    need = sk.estimate_memory(photo.shape[:2], compact, compact_terms).total
    alone = run(int(fit.MARGIN * need / fit.SHARE) - 1)
    assert "history=5" in alone.manifest["optimizer"]
    stop = lambda step: step.index == 3  # noqa: E731
    run(int(fit.MARGIN * need / fit.SHARE) - 1, checkpoint=tmp_path, callbacks=[stop])
    resumed = run(free, checkpoint=tmp_path)
    np.testing.assert_array_equal(resumed.image, alone.image)
    assert resumed.losses == alone.losses
    for name in ("plan", "optimizer", "notes"):
        assert resumed.manifest[name] == alone.manifest[name]


@pytest.mark.slow
def test_a_coarse_level_has_its_own_plan(compact_terms, compact, photo, monkeypatch):
    sizes, said = [], []
    plan = sk.FitMemory("1GB", say=said.append)

    def settle(losses, extractor, shape, *, tell=True, **options):
        sizes.append((tuple(shape), tell, options.get("pyramid")))
        return sk.Plan(), options["optimizer"]

    monkeypatch.setattr(
        sk.FitMemory, "settle", lambda self, *args, **options: settle(*args, **options)
    )
    height, width = photo.shape[:2]
    pyramid = sk.Pyramid.halving(max(height, width), 2)
    sk.StyleTransfer(compact_terms, extractor=compact, plan=plan).run(photo, 4, pyramid=pyramid)
    coarse = height // 2, width // 2
    assert sizes == [((height, width), True, pyramid), (coarse, False, None)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("4GB", 4e9),
        ("1.5 gb", 1.5e9),
        ("800MB", 8e8),
        ("800MiB", 800 * 2**20),
        (12345, 12345),
        ("2k", 2e3),
    ],
)
def test_limits(given, expected):
    assert in_bytes(given) == expected


@pytest.mark.parametrize("given", ["", "much", "4XB", "-3GB", "0", 0])
def test_limits_that_cannot_be_read(given):
    with pytest.raises(InputError, match="memory limit cannot be read"):
        sk.FitMemory(given)
