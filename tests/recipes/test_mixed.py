import numpy as np
import pytest

import stylekit as sk
from stylekit._checks import FileError, InputError
from stylekit._defaults import GRAM_FACTOR
from stylekit.transfer.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def other():
    """Another network: the same with its layers' names, average pooled."""
    return sk.VGG19(weights=None, pooling="average")


@pytest.fixture
def mixed(options, photo, coffee):
    def run(**others):
        return sk.stylize(photo, coffee, **(options | others))

    return run


@pytest.mark.slow
def test_the_last_steps_are_the_other_networks(mixed, other):
    """The same as two runs, of which the second begins with the image of the first."""
    size = {"size": 64}  # so that the coarse level has room for a reflected border, too
    first = mixed(steps=4, pyramid=2, **size)
    second = mixed(steps=3, pyramid=1, extractor=other, initial=first.image, **size)
    both = mixed(steps=7, pyramid=2, finish=(other, 3), **size)
    np.testing.assert_array_equal(both.image, second.image)
    assert both.steps == 7
    assert both.losses == first.losses[:-1] + second.losses
    assert both.stopped_by == "steps"
    assert "average" in both.manifest["extractor"]
    assert "max" in both.manifest["before"]["extractor"]


@pytest.mark.slow
def test_by_neighbours_it_is_one_more_round(mixed, other, monkeypatch):
    seen, prepare = [], sk.NeighborStyleLoss.prepare

    def watched(self, canvas):
        targets = prepare(self, canvas)
        seen.append(("average" in repr(canvas.extractor), canvas.round))
        return targets

    monkeypatch.setattr(sk.NeighborStyleLoss, "prepare", watched)
    result = mixed(steps=12, pyramid=1, finish=(other, 4), style_loss="neighbors")
    assert seen[-5:] == [(False, 0), (False, 1), (False, 2), (False, 3), (True, 1)]
    assert result.levels == [0] * 2 + [1] * 2 + [2] * 2 + [3] * 2 + [4] * 5


@pytest.mark.parametrize("style_loss", ["gram", "neighbors"])
def test_the_last_network_is_prepared_once(style_loss, mixed, other, monkeypatch):
    kind = {"gram": sk.GramStyleLoss, "neighbors": sk.NeighborStyleLoss}[style_loss]
    seen, prepare = [], kind.prepare

    def watched(self, canvas):
        targets = prepare(self, canvas)
        seen.append("average" in repr(canvas.extractor))
        return targets

    monkeypatch.setattr(kind, "prepare", watched)
    mixed(steps=2, pyramid=1, finish=(other, 1), style_loss=style_loss)
    assert seen.count(True) == 1
    assert seen.count(False) >= 1


@pytest.mark.slow
def test_layers_and_weights_are_each_networks_own(photo, coffee):
    class Own(sk.VGG19):
        style_layers = ("block1_conv1",)
        content_layers = ("block1_conv2",)
        style_factor = 3.0

    class Another(Own):
        style_layers = ("block2_conv1",)
        style_factor = 5.0

    networks = {"extractor": Own(None), "finish": (Another(None), 1)}
    result = sk.stylize(photo, coffee, size=None, steps=2, style_loss="gram", **networks)
    last, first = (m["terms"]["gram_style"] for m in (result.manifest, result.manifest["before"]))
    assert (first["layers"], first["weight"]) == (["block1_conv1"], 1.5 * GRAM_FACTOR)
    assert (last["layers"], last["weight"]) == (["block2_conv1"], 2.5 * GRAM_FACTOR)
    assert result.manifest["terms"]["content"]["layers"] == ["block1_conv2"]


def test_callbacks_see_one_run(mixed, other):
    seen, closed = [], []

    class Watch(sk.transfer.Callback):
        def __call__(self, step):
            seen.append((step.index, step.steps, step.level, step.seconds))

        def close(self):
            closed.append(len(seen))

    result = mixed(steps=7, pyramid=2, finish=(other, 3), callbacks=[Watch()])
    index, steps, level, seconds = zip(*seen, strict=True)
    assert index == tuple(range(8))
    assert set(steps) == {7}
    assert level == tuple(sorted(level))
    assert level[-1] == 2
    assert list(seconds) == sorted(seconds)
    assert closed == [8]
    assert result.levels == list(level)
    assert result.times == list(seconds)


@pytest.mark.parametrize(("at", "rows"), [(1, 2), (5, 6)])
def test_a_callback_stops_it_in_either_part(mixed, other, at, rows):
    result = mixed(steps=7, finish=(other, 3), callbacks=[lambda step: step.index == at])
    assert len(result.losses) == rows
    assert result.stopped_by != "steps"


def test_a_stop_between_the_parts_keeps_the_first(mixed, other, monkeypatch):
    run, calls = sk.StyleTransfer.run, []

    def interrupted(self, *arguments, **options):
        calls.append(self)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return run(self, *arguments, **options)

    monkeypatch.setattr(sk.StyleTransfer, "run", interrupted)
    result = mixed(steps=5, finish=(other, 2))
    assert result.stopped_by == "interrupted"
    assert result.steps == 3


def test_what_breaks_in_the_second_part_keeps_both(mixed, other):
    def fail(step):
        if step.index == 5:
            raise RuntimeError("out of paint")

    with pytest.raises(sk.transfer.TransferError, match="out of paint") as caught:
        mixed(steps=7, finish=(other, 3), callbacks=[fail])
    assert len(caught.value.result.losses) == 6


@pytest.fixture(scope="module")
def alone(options, photo, coffee, other):
    """A run of two parts that is not interrupted, and what a callback sees of it."""
    seen = Watch()
    given = options | {"steps": 7, "finish": (other, 3), "callbacks": [seen]}
    return sk.stylize(photo, coffee, **given), seen


# In the first part, at the border, and in the second.
@pytest.mark.parametrize(("at", "keep"), [(1, True), (4, False), (5, True)])
def test_it_goes_on_where_it_was_left(mixed, other, alone, tmp_path, at, keep):
    kept = Checkpoint(tmp_path / "run", keep=keep)
    alone, alone_seen = alone
    seen = Watch()
    stopped = mixed(
        steps=7, finish=(other, 3), checkpoint=kept, callbacks=[lambda step: step.index == at]
    )
    assert stopped.steps == at
    assert list(kept.folder.iterdir())
    result = mixed(steps=7, finish=(other, 3), checkpoint=kept, callbacks=[seen])
    np.testing.assert_array_equal(result.image, alone.image)
    np.testing.assert_array_equal(result.best, alone.best)
    assert result.losses == alone.losses
    assert result.manifest["before"]["terms"] == alone.manifest["before"]["terms"]
    assert seen.steps == alone_seen.steps
    assert seen.told == at + 1
    assert bool(list(kept.folder.iterdir())) == keep
    if keep:
        again = mixed(steps=7, finish=(other, 3), checkpoint=kept)
        assert again.losses == alone.losses
        kept.remove()
        assert not list(kept.folder.iterdir())


def test_between_its_parts_no_other_run_comes_in(mixed, other, tmp_path, monkeypatch):
    run, parts = sk.StyleTransfer.run, []

    def watched(self, *arguments, **options):
        refused = pytest.raises(FileError, match="in use by another run")
        with refused, Checkpoint(tmp_path).locked():
            parts.append(None)
        parts.append(self)
        return run(self, *arguments, **options)

    monkeypatch.setattr(sk.StyleTransfer, "run", watched)
    mixed(steps=2, finish=(other, 1), checkpoint=tmp_path)
    assert len(parts) == 2
    with Checkpoint(tmp_path).locked():
        assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.lock"]


def test_a_checkpoint_of_a_plain_run_is_another_runs(mixed, other, tmp_path):
    mixed(steps=7, checkpoint=tmp_path, callbacks=[lambda step: step.index == 2])
    with pytest.raises(InputError, match="belongs to another run"):
        mixed(steps=7, finish=(other, 3), checkpoint=tmp_path)


class Watch(sk.transfer.Callback):
    """What a callback sees of a run in one or several goes."""

    def __init__(self):
        self.steps, self.told = [], 0

    def __call__(self, step):
        self.steps.append((step.index, step.steps, step.level, step.losses))

    def resume(self, steps):
        self.told += len(steps)
        for step in steps:
            self(step)


def test_only_what_may_change_changes(mixed, other, photo, left):
    result = mixed(steps=6, finish=(other, 3), mask=left)
    np.testing.assert_array_equal(result.image[:, 16:], photo[:, 16:])
    assert np.abs(result.image[:, :16] - photo[:, :16]).max() > 0.01


def test_missing_weights_are_told_before_the_first_step(mixed, tmp_path):
    path = tmp_path / "empty.npz"
    np.savez(path, a=np.zeros(1))
    steps = []
    with pytest.raises(FileError, match=r"empty\.npz"):
        mixed(steps=4, finish=(sk.VGG19(path), 2), callbacks=[steps.append])
    assert not steps


def test_a_picture_too_small_for_it_is_told_before_the_first_step(photo, coffee, vgg):
    class Shallow(sk.VGG19):
        style_layers = content_layers = ("block1_conv1",)

    class Deep(sk.VGG19):
        style_layers = content_layers = ("block5_pool",)

    steps = []
    options = {"size": None, "steps": 4, "extractor": Shallow(None), "callbacks": [steps.append]}
    with pytest.raises(InputError, match="block5_pool"):
        sk.stylize(photo, coffee, finish=(Deep(None), 2), **options)
    assert not steps


def test_more_steps_than_all_are_refused(mixed, other):
    with pytest.raises(InputError, match="finish"):
        mixed(steps=4, finish=(other, 5))
    assert mixed(steps=4, finish=(other, 0)).losses == mixed(steps=4).losses
    assert mixed(strength=0, finish=(other, 2)).steps == 0
