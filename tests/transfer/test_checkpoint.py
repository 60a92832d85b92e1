import csv
import errno
import io
import json
import os
import re
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import stylekit as sk
from stylekit._checks import FileError, InputError, InputTypeError, SetupError
from stylekit._write import replacing
from stylekit.transfer import (
    Callback,
    NonFiniteLossError,
    Optimizer,
    Parameters,
    TransferError,
    record,
)
from stylekit.transfer import lock as lock_module
from stylekit.transfer.checkpoint import Checkpoint

PYRAMID = sk.Pyramid([16, 32], [1, 2])  # 3 steps, then 6


class Descent(Optimizer):
    """One's own optimizer, quickly traced; its state is nested, and of several types."""

    def init(self, x):
        return {"count": tf.zeros((), tf.int32), "old": (tf.zeros(x.shape, tf.bfloat16), x)}

    def step(self, evaluate, x, state):
        _, gradient = evaluate(x)
        move = 0.5 * tf.cast(state["old"][0], x.dtype) - 100 * gradient
        count = state["count"] + 1
        scale = 1 / tf.cast(count, x.dtype)
        return x + scale * move, {"count": count, "old": (tf.cast(move, tf.bfloat16), x)}


def adam():
    falls = keras.optimizers.schedules.ExponentialDecay(0.05, 3, 0.5)
    return keras.optimizers.Adam(falls, use_ema=True)


@pytest.fixture
def make(photo, vgg):
    """Make a transfer anew, as another process would: no network, for what the loop alone does."""

    def new(weight=1.0, optimizer=Descent, **options):
        terms = [sk.PixelLoss(1 - photo, weight=weight), sk.TotalVariationLoss(weight=0.3)]
        return sk.StyleTransfer(terms, extractor=vgg, optimizer=optimizer(), **options)

    return new


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs" / "one"


def stop_at(*indices):
    return lambda step: step.index in indices


def interrupt_at(index):
    def callback(step):
        if step.index == index:
            raise KeyboardInterrupt

    return callback


def assert_same(a, b):
    np.testing.assert_array_equal(a.image, b.image)
    np.testing.assert_array_equal(a.best, b.best)
    assert a.losses == b.losses
    assert a.stopped_by == b.stopped_by
    assert a.manifest["notes"] == b.manifest["notes"]


class TestResume:
    @pytest.mark.slow
    def test_left_after_every_step_it_ends_the_same(self, make, folder):
        def run(**options):
            return make().run(sk.Noise(shape=(24, 32)), 9, pyramid=PYRAMID, **options)

        alone = run()
        for index in range(10):
            result = run(checkpoint=folder, callbacks=[stop_at(index)])
            assert result.losses == alone.losses[: index + 1]
            assert len(list(folder.iterdir())) == 1
        assert_same(run(checkpoint=folder), alone)
        assert not list(folder.iterdir())

    @pytest.mark.parametrize("optimizer", [sk.LBFGS, adam])
    def test_optimizers(self, optimizer, make, photo, folder):
        def run(**options):
            return make(optimizer=optimizer).run(photo, 12, **options)

        alone = run()
        run(checkpoint=folder, callbacks=[stop_at(7)])
        assert_same(run(checkpoint=folder), alone)

    @pytest.mark.parametrize("index", [2, 3, 4])  # the last of a level, and what follows it
    def test_under_a_mask(self, index, make, photo, folder):
        mask = np.tile(np.linspace(-1, 2, 32, dtype="float32").clip(0, 1), (24, 1))
        options = {"steps": 9, "pyramid": PYRAMID, "update_mask": mask}
        alone = make().run(photo, **options)
        stopped = make().run(photo, **options, checkpoint=folder, callbacks=[stop_at(index)])
        assert stopped.steps == index
        assert_same(make().run(photo, **options, checkpoint=folder), alone)

    def test_parameters_that_begin_at_the_image(self, make, photo, folder):
        class Change(Parameters):
            """What is added to where the level started."""

            def prepare(self, image):
                return tf.zeros_like(image), {"start": image}

            def image(self, values, context):
                return context["start"] + values

        def run(**options):
            return make(parameters=Change()).run(photo, 9, pyramid=PYRAMID, **options)

        alone = run()
        run(checkpoint=folder, callbacks=[stop_at(6)])
        assert_same(run(checkpoint=folder), alone)

    def test_with_a_network_and_a_batch(self, vgg, photo, style, folder):
        def run(**options):
            terms = [
                sk.ContentLoss(photo, layers="block2_conv1"),
                sk.GramStyleLoss(style, layers=("block1_conv1", "block2_conv1"), weight=8),
            ]
            transfer = sk.StyleTransfer(terms, extractor=vgg, optimizer=sk.LBFGS(2))
            return transfer.run([photo, 1 - photo], 8, **options)

        alone = run()
        run(checkpoint=folder, callbacks=[stop_at(5)])
        resumed = run(checkpoint=folder)
        for a, b in zip(resumed.losses, alone.losses, strict=True):
            for name in a:
                np.testing.assert_array_equal(a[name], b[name])
        np.testing.assert_array_equal(resumed.image, alone.image)
        np.testing.assert_array_equal(resumed.best, alone.best)

    @pytest.mark.parametrize("index", [3, 4, 5])
    def test_weights_that_change_on_the_way(self, index, make, photo, folder):
        """At the step before the change, at the change, and after it."""

        def run(*others, **options):
            transfer = make(optimizer=sk.LBFGS)

            def change(step):
                if step.index == 4:
                    transfer.terms["pixel"].weight = 3.0

            return transfer.run(photo, 9, callbacks=[change, *others], **options)

        alone = run()
        run(stop_at(index), checkpoint=folder)
        assert_same(run(checkpoint=folder), alone)

    def test_ctrl_c_in_a_callback_takes_the_step_again(self, make, photo, folder):
        alone = make().run(photo, 6)
        result = make().run(photo, 6, checkpoint=folder, callbacks=[interrupt_at(4)])
        assert result.stopped_by == "interrupted"
        assert result.losses == alone.losses[:5]
        seen = []
        resumed = make().run(photo, 6, checkpoint=folder, callbacks=[seen.append])
        assert [step.index for step in seen] == [4, 5, 6]
        assert_same(resumed, alone)

    @pytest.mark.parametrize("where", ["os.fsync", "os.replace", "numpy.lib.format.write_array"])
    def test_ctrl_c_again_while_the_state_is_written(self, where, make, photo, folder, monkeypatch):
        def again(*arguments, **options):
            raise KeyboardInterrupt

        alone = make().run(photo, 6)
        with monkeypatch.context() as patch:
            patch.setattr(where, again)
            result = make().run(photo, 6, checkpoint=folder, callbacks=[interrupt_at(4)])
        assert result.stopped_by == "interrupted"
        assert result.losses == alone.losses[:5]
        assert result.manifest["notes"] == ["interrupted before the last checkpoint was written"]
        assert list(folder.iterdir()) == []
        assert_same(make().run(photo, 6, checkpoint=folder), alone)

    def test_ctrl_c_before_a_resumed_runs_first_step(self, make, photo, folder, monkeypatch):
        alone = make().run(photo, 6)
        make().run(photo, 6, checkpoint=folder, callbacks=[stop_at(4)])

        def rows(self, count, record):
            raise KeyboardInterrupt
            yield

        with monkeypatch.context() as patch:
            patch.setattr("stylekit.transfer.level.Level.rows", rows)
            result = make().run(photo, 6, checkpoint=folder)
        assert result.stopped_by == "interrupted"
        assert result.losses == alone.losses[:5]
        assert_same(make().run(photo, 6, checkpoint=folder), alone)

    def test_every_few_steps(self, make, photo, folder):
        """What is written in time is enough: nothing is written on the way out of an error."""
        alone = make().run(photo, 9)

        def fail(step):
            if step.index == 7:
                raise ValueError("out of paint")

        with pytest.raises(TransferError, match="out of paint"):
            make().run(photo, 9, checkpoint=Checkpoint(folder, every=3), callbacks=[fail])
        seen = []
        resumed = make().run(photo, 9, checkpoint=folder, callbacks=[seen.append])
        assert seen[0].index == 7  # the first after the sixth
        assert_same(resumed, alone)

    def test_iterate(self, make, photo, folder):
        alone = list(make().iterate(photo, 6))
        for step in make().iterate(photo, 6, checkpoint=Checkpoint(folder, every=2)):
            if step.index == 5:
                break
        resumed = list(make().iterate(photo, 6, checkpoint=folder))
        assert [step.index for step in resumed] == [5, 6]
        np.testing.assert_array_equal(resumed[-1].image, alone[-1].image)
        assert not list(folder.iterdir())

    def test_the_time_adds_up(self, make, photo, folder, monkeypatch):
        clock = [0.0]
        monkeypatch.setattr(record.time, "perf_counter", lambda: clock[0])

        def tick(step):
            clock[0] += 1

        make().run(photo, 6, checkpoint=folder, callbacks=[tick, stop_at(2)])
        clock[0] = 100.0
        seen = []
        result = make().run(photo, 6, checkpoint=folder, callbacks=[tick, seen.append])
        assert [step.seconds for step in seen] == [3, 4, 5, 6]
        assert result.seconds == 7

    def test_nan_after_it_is_told_as_in_one_run(self, photo, vgg, folder):
        class Logarithm(sk.Loss):
            def compute(self, image, features, targets):
                return 1e-6 * ops.log(0.5 - ops.mean(image, axis=(1, 2, 3)))

        def run(**options):
            terms = [sk.PixelLoss(np.ones_like(photo)), Logarithm(name="odd")]
            step = sk.LBFGS(first_step=0.05, max_step=0.05)
            transfer = sk.StyleTransfer(terms, extractor=vgg, optimizer=step)
            return transfer.run(np.full_like(photo, 0.3), 20, **options)

        with pytest.raises(NonFiniteLossError) as alone:
            run()
        run(checkpoint=folder, callbacks=[stop_at(2)])
        with pytest.raises(NonFiniteLossError) as resumed:
            run(checkpoint=folder)
        assert str(resumed.value) == str(alone.value)
        assert resumed.value.result.losses == alone.value.result.losses
        np.testing.assert_array_equal(resumed.value.image, alone.value.image)


class TestFinished:
    def test_kept_it_gives_its_result_at_once(self, make, photo, folder):
        kept = Checkpoint(folder, keep=True)
        first = make().run(photo, 5, checkpoint=kept)
        written = kept.path.stat().st_mtime_ns
        seen = []
        again = make().run(photo, 5, checkpoint=kept, callbacks=[seen.append])
        assert not seen
        assert_same(again, first)
        assert kept.path.stat().st_mtime_ns == written
        kept.remove()
        assert not list(folder.iterdir())
        kept.remove()  # nothing to do

    def test_no_steps(self, make, photo, folder):
        result = make().run(photo, 0, checkpoint=folder)
        np.testing.assert_array_equal(result.image, photo)


class TestCallbacks:
    def test_a_table_is_whole(self, make, photo, folder, tmp_path):
        def rows(name):
            with (tmp_path / name).open(newline="") as file:
                return [
                    [v for k, v in row.items() if k != "seconds"] for row in csv.DictReader(file)
                ]

        def run(name, *others, **options):
            callbacks = [sk.CSVLogger(tmp_path / name), *others]
            make().run(photo, 9, pyramid=PYRAMID, callbacks=callbacks, **options)

        run("alone.csv")
        kept = Checkpoint(folder, every=3)
        with pytest.raises(TransferError):
            run("cut.csv", lambda step: 0 * (1 / (step.index - 5)), checkpoint=kept)
        assert len(rows("cut.csv")) == 6  # two more than the state
        run("cut.csv", checkpoint=kept)
        assert rows("cut.csv") == rows("alone.csv")

    @pytest.mark.parametrize("index", [2, 5, None])
    def test_early_stopping_stops_at_the_same_step(self, index, make, photo, folder):
        def run(*others, **options):
            early = sk.EarlyStopping(patience=3, min_delta=0.2)
            return make().run(photo, 30, callbacks=[early, *others], **options)

        alone = run()
        assert 5 < alone.steps < 30
        stopped = run(stop_at(index), checkpoint=folder)
        assert stopped.steps == index or index is None
        for _ in range(2):  # and again, from where it was stopped
            assert_same(run(checkpoint=folder), alone)

    def test_steps_so_far_have_losses_and_no_image(self, make, photo, folder):
        class Watch(Callback):
            def resume(self, steps):
                self.steps = steps

        watch = Watch()
        stopped = make().run(photo, 6, checkpoint=folder, callbacks=[watch, stop_at(3)])
        assert not hasattr(watch, "steps")
        make().run(photo, 6, checkpoint=folder, callbacks=[watch])
        assert [step.losses for step in watch.steps] == stopped.losses
        assert [(step.index, step.steps) for step in watch.steps] == [(i, 6) for i in range(4)]
        with pytest.raises(InputError, match="step 3 of a resumed run has no image"):
            _ = watch.steps[3].image


def array_bytes(array, most=None):
    """The bytes of an array in a file, or the first of them."""
    file = io.BytesIO()
    if most:
        header = {"descr": "<f4", "fortran_order": False, "shape": array.shape}
        np.lib.format.write_array_header_1_0(file, header)
        return file.getvalue() + bytes(most)
    np.lib.format.write_array(file, array)
    return file.getvalue()


class TestTogether:
    """Two runs on one folder."""

    IN_USE = r"folder .*one is in use by another run\. Wait until that run has ended"

    def test_the_second_is_refused_and_the_first_goes_on(self, make, photo, folder):
        kept = Checkpoint(folder, every=1)
        first = make().iterate(photo, 6, checkpoint=kept)
        seen = [next(first) for _ in range(3)]
        for second in (kept, folder):
            with pytest.raises(FileError, match=self.IN_USE) as error:
                make(seed=4).run(photo, 6, checkpoint=second)
            assert error.value.argument == "checkpoint"
        assert len([*seen, *first]) == 7
        assert not list(folder.iterdir())

    def test_whatever_ends_a_run_lets_another_in(self, make, photo, folder):
        def fail(step):
            raise ValueError("out of paint")

        with pytest.raises(TransferError) as held:
            make().run(photo, 6, checkpoint=folder, callbacks=[fail])
        with pytest.raises(InputTypeError):
            make().run(photo, 6, checkpoint=folder, pyramid=3)
        abandoned = make().iterate(photo, 6, checkpoint=folder)
        next(abandoned)
        abandoned.close()
        assert held.value.result.steps == 0
        assert make().run(photo, 6, checkpoint=folder).steps == 6

    def test_a_lock_whose_file_is_removed_meanwhile_is_taken_anew(self, tmp_path, monkeypatch):
        path, lock = tmp_path / "lock", lock_module._lock

        def late(number):
            monkeypatch.setattr(lock_module, "_lock", lock)
            path.unlink()  # the last holder does, between the opening and the lock
            lock(number)

        monkeypatch.setattr(lock_module, "_lock", late)
        with lock_module.locked(path):
            assert path.exists()
            with pytest.raises(BlockingIOError), lock_module.locked(path):
                pass
        assert not path.exists()


class TestRefusals:
    @pytest.fixture
    def stopped(self, make, photo, folder):
        make().run(photo, 6, checkpoint=folder, callbacks=[stop_at(3)])
        return folder / "checkpoint.npz"

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"seed": 4}, "expected seed 4, received seed 0"),
            ({"weight": 0.5}, r"weight 0\.5, received .*weight 1\.0"),
            ({"optimizer": adam}, "Adam"),
            ({"precision": "mixed_bfloat16"}, "mixed_bfloat16"),
        ],
    )
    def test_another_transfer(self, change, words, stopped, make, photo):
        before = stopped.read_bytes()
        with pytest.raises(InputError, match=rf"another run: .*{words}.*its own folder"):
            make(**change).run(photo, 6, checkpoint=stopped.parent)
        assert stopped.read_bytes() == before

    def test_another_run(self, stopped, make, photo):
        for initial, steps in ((photo, 7), (1 - photo, 6), (photo + np.float32(1e-7), 6)):
            with pytest.raises(InputError, match="belongs to another run"):
                make().run(initial, steps, checkpoint=stopped.parent)
        with pytest.raises(InputError, match="update_mask"):
            mask = np.ones((24, 32))
            make().run(photo, 6, update_mask=mask, checkpoint=stopped.parent)

    def test_settings_that_no_name_tells(self, make, photo, folder):
        def run(high, **options):
            optimizer = lambda: sk.LBFGS(bounds=(0, high))  # noqa: E731
            make(optimizer=optimizer).run(photo, 2, checkpoint=folder, **options)

        run(1, callbacks=[stop_at(1)])
        with pytest.raises(InputError, match=r"settings\.bounds\.1 2, received .*bounds\.1 1\. "):
            run(2)

    def test_another_network(self, photo, folder):
        def run(seed, **options):
            start = keras.initializers.HeNormal(seed)
            layer = keras.layers.Conv2D(3, 3, kernel_initializer=start, name="a")
            network = keras.Sequential([keras.Input((None, None, 3)), layer])
            terms = [sk.ContentLoss(1 - photo, layers="a")]
            transfer = sk.StyleTransfer(terms, extractor=sk.KerasExtractor(network))
            return transfer.run(photo, 4, checkpoint=folder, **options)

        run(1, callbacks=[stop_at(2)])
        with pytest.raises(InputError, match=r"expected network .*, received network "):
            run(2)
        assert run(1).steps == 4  # whatever number Keras has given the model

    def test_an_optimizer_with_another_state(self, stopped, make, photo, monkeypatch):
        monkeypatch.setattr(Descent, "init", lambda self, x: {"count": tf.zeros(())})
        with pytest.raises(FileError, match="does not match the state of the optimizer"):
            make().run(photo, 6, checkpoint=stopped.parent)

    def test_other_versions_are_told(self, stopped, make, photo, monkeypatch):
        alone = make().run(photo, 6)
        others = record.versions() | {"tensorflow": "9.9"}
        monkeypatch.setattr(record, "versions", lambda: others)
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "64")
        with pytest.warns(UserWarning, match=r"tensorflow 9\.9, threads 64: .*last bits"):
            result = make().run(photo, 6, checkpoint=stopped.parent)
        assert "first 3 steps" in result.manifest["notes"][0]
        np.testing.assert_array_equal(result.image, alone.image)

    def test_a_damaged_file(self, stopped, make, photo):
        whole = stopped.read_bytes()
        stopped.write_bytes(whole[:3000] + bytes([whole[3000] ^ 1]) + whole[3001:])
        with pytest.raises(FileError, match=r"checkpoint\.npz is damaged .*Delete it"):
            make().run(photo, 6, checkpoint=stopped.parent)

    def test_another_format(self, stopped, make, photo, monkeypatch):
        monkeypatch.setattr("stylekit.transfer.checkpoint.FORMAT", 3)
        with pytest.raises(FileError, match="another version of stylekit: expected format 3"):
            make().run(photo, 6, checkpoint=stopped.parent)

    def test_what_is_damaged_is_said_to_be_and_takes_no_memory(self, stopped):
        whole = stopped.read_bytes()
        with zipfile.ZipFile(stopped) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        about = json.loads(str(np.load(stopped)["about"]))

        def fails(what, match="damaged"):
            tracemalloc.start()
            error = pytest.raises(FileError, match=rf"{match}.*Delete it to start again, or use an")
            with error as caught:
                Checkpoint(stopped.parent).read(about["run"], [(1, 24, 32, 3)])
            assert tracemalloc.get_traced_memory()[1] < 2**22, what
            tracemalloc.stop()
            assert caught.value.argument == "checkpoint"
            assert os.listdir(stopped.parent) == [stopped.name]

        def fails_with(changes, method=zipfile.ZIP_STORED, **options):
            with zipfile.ZipFile(stopped, "w", method) as archive:
                for name, content in (members | changes).items():
                    if content is not None:
                        archive.writestr(name, content)
            fails(changes, **options)

        for share in (0, 0.1, 0.5, 0.9, 0.999):
            stopped.write_bytes(whole[: int(share * len(whole))])
            fails(share)
        fails_with({}, zipfile.ZIP_DEFLATED, match="compressed")
        fails_with({"readme.txt": b"nothing"})
        for name in members:  # one is missing, or another kind of array
            fails_with({name: None})
            fails_with(
                {name: array_bytes(np.zeros((2, 7)))} if name[:5] != "carry" else {name: b""}
            )
        huge = np.broadcast_to(np.float32(0), (2**40, 3))
        for name in ("image.npy", "carry0.npy", "total.npy"):
            fails_with({name: array_bytes(huge, 100)}, match="declares")
        fails_with({"image.npy": array_bytes(np.array([{}]))}, match="Python objects")
        for text in ("", "[1]", "{}", "[" * 10**5):
            fails_with({"about.npy": array_bytes(np.array(text))})
        for key, values in {
            "level": (1, -1, "0", 0.5),
            "taken": (2, 4.0, "3", None),
            "used": ([], [1.0], ["a", "b"], 3),
            "weights": ([1.0, 2.0, 3.0], None),
            "settled": ({}, [], {"optimizer": 3, "plans": {}}),
            "notes": ([3], "a", None),
            "seconds": (float("nan"), "1"),
            "setup": ({"python": 3}, []),
            "carry": (1000, "a"),
            "more": (1,),
        }.items():
            for value in values:
                text = json.dumps(about | {key: value})
                fails_with({"about.npy": array_bytes(np.array(text))})
        deep = {"a": about["run"]}
        for _ in range(900):
            deep = {"a": deep}
        for run in (deep, 3, None):  # whatever it is, it is another run's
            text = json.dumps(about | {"run": run})
            with zipfile.ZipFile(stopped, "w") as archive:
                archive.writestr("about.npy", array_bytes(np.array(text)))
                archive.writestr("image.npy", array_bytes(np.zeros((2**23), "f4")))
            tracemalloc.start()
            with pytest.raises((FileError, InputError), match=r"damaged|another run"):
                Checkpoint(stopped.parent).read(about["run"], [(1, 24, 32, 3)])
            assert tracemalloc.get_traced_memory()[1] < 2**23
            tracemalloc.stop()
        stopped.unlink()
        stopped.mkdir()
        fails("a folder")

    def test_a_carry_of_other_arrays_is_damaged_too(self, stopped, make, photo):
        arrays = dict(np.load(stopped))
        np.savez(stopped, **arrays | {"carry0": np.zeros(3)})
        with pytest.raises(
            FileError, match=r"does not match the state of the optimizer\. Delete it"
        ):
            make().run(photo, 6, checkpoint=stopped.parent)

    def test_a_large_state_that_the_memory_does_not_hold_is_not_damaged(
        self, stopped, make, photo, monkeypatch
    ):
        monkeypatch.setattr(np.lib.format, "read_array", lambda *a, **k: np.empty(2**62, "u1"))
        with pytest.raises(SetupError, match="the run does not fit into memory"):
            make().run(photo, 6, checkpoint=stopped.parent)

    def test_what_a_killed_run_left_unfinished_is_cleared_away(self, stopped, make, photo):
        with replacing(stopped) as file:
            left = Path(file.name)
            file.write(stopped.read_bytes())
        left.touch()
        lock = stopped.with_name("checkpoint.lock")
        lock.touch()
        alone = make().run(photo, 6)
        assert_same(make().run(photo, 6, checkpoint=stopped.parent), alone)
        assert not left.exists()
        assert not lock.exists()

    @pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
    def test_a_link_in_the_place_of_a_file_is_not_written_through(self, folder, make, photo):
        other = folder.parent / "other"
        folder.mkdir(parents=True)
        for name in ("checkpoint.npz", "checkpoint.lock"):
            (folder / name).symlink_to(other)
            run = lambda: make().run(photo, 6, checkpoint=folder, callbacks=[stop_at(3)])  # noqa: E731
            if name == "checkpoint.lock":
                with pytest.raises(FileError, match="symbolic links"):
                    run()
            else:
                run()
                assert not (folder / name).is_symlink()
            assert not other.exists()

    def test_a_full_disk_keeps_the_image_and_the_last_state(
        self, stopped, make, photo, monkeypatch
    ):
        def full(number):
            raise OSError(errno.ENOSPC, "No space left on device")

        before = stopped.read_bytes()
        kept = Checkpoint(stopped.parent, every=5)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(
                TransferError, match=r"step 5: .*cannot be written: .*No space"
            ) as e:
                make().run(photo, 6, checkpoint=kept)
        assert e.value.result.steps == 5
        assert [path.name for path in stopped.parent.iterdir()] == ["checkpoint.npz"]
        assert stopped.read_bytes() == before

    def test_no_folder(self, make, photo, tmp_path):
        (tmp_path / "file").write_text("")
        steps = []
        with pytest.raises(FileError, match=r"folder .*file cannot be written"):
            make().run(photo, 2, checkpoint=tmp_path / "file", callbacks=[steps.append])
        assert not steps

    def test_arguments(self, make, photo, tmp_path):
        with pytest.raises(InputTypeError, match="`folder` is not a path"):
            make().run(photo, 2, checkpoint=3)
        with pytest.raises(FileError, match=r"folder .* cannot be written: .*null byte") as caught:
            make().run(photo, 2, checkpoint="a\0b")
        assert caught.value.argument == "checkpoint"
        with pytest.raises(InputError, match="every"):
            Checkpoint(tmp_path, every=0)


@pytest.mark.slow
def test_python_of_the_page_about_it_runs(folder, monkeypatch):
    root = Path(__file__).parents[2]
    page = (root / "docs" / "howto" / "resume.md").read_text(encoding="utf-8")
    run, callback, _ = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(root)
    names = {}
    exec(compile(run.replace('"run"', repr(str(folder))), "resume.md", "exec"), names)
    assert names["result"].steps == 20
    assert not list(folder.iterdir())
    exec(compile(callback, "resume.md", "exec"), names)
    options = {"size": None, "extractor": names["network"]}
    for others in ([lambda step: step.index == 3], []):
        seen = names["Lowest"]()
        result = sk.stylize(
            *(names["photo"], names["night"]),
            **options,
            steps=5,
            checkpoint=folder,
            callbacks=[seen, *others],
        )
    assert seen.value == min(row["total"] for row in result.losses)


@pytest.mark.slow
def test_killed_at_ten_random_moments_it_ends_the_same(tmp_path):
    script = Path(__file__).with_name("killed_run.py")
    line = [sys.executable, str(script), str(tmp_path), "0", "10"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["same"]
    assert told["killed"] == 10
    assert told["firsts"] == sorted(told["firsts"])
    assert told["firsts"][0] == 0
    assert told["firsts"][-1] > 50  # most of the tries came some way
    # Some died writing, and left what they had behind, and the lock; the last left nothing.
    assert told["left unfinished"] >= 2
    assert told["left locked"] >= 5
    assert told["left at last"] == []
