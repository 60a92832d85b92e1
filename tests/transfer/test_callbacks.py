import asyncio
import csv
import io
import json
import re
import sys
from base64 import b64decode

import numpy as np
import pytest
import tensorflow as tf
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

import stylekit as sk
from stylekit._checks import FileError, InputError, InputTypeError, SetupError
from stylekit.transfer import Callback, EarlyStopping, Step, TransferError
from stylekit.transfer import callbacks as module

SHAPE = (8, 10)


@pytest.fixture
def photo(rng):
    return rng.random((*SHAPE, 3), dtype=np.float32)


@pytest.fixture
def transfer(photo):
    terms = [sk.PixelLoss(1 - photo), sk.TotalVariationLoss(weight=0.5)]
    return sk.StyleTransfer(terms, extractor=sk.VGG19(weights=None), optimizer=sk.LBFGS(2))


def step(index, total, level=0, steps=100, image=None):
    totals = np.atleast_1d(np.float32(total))
    if image is None:
        image = np.full((len(totals), *SHAPE, 3), 0.5, np.float32)
    row = {"total": tf.constant(totals), "terms": {"a": tf.constant(totals / 2)}, "image": image}
    row["image"] = tf.constant(image)
    return Step(index, steps, level, 0.25 * index, row)


class BrokenError(Exception):
    pass


def breaks_at(index, error=BrokenError):
    def callback(step):
        if step.index == index:
            raise error("enough")

    return callback


class Watcher(Callback):
    """Notes what it was given and when it was closed."""

    def __init__(self):
        self.seen, self.closed = [], 0

    def __call__(self, step):
        self.seen.append(step.index)

    def close(self):
        self.closed += 1


class TestClose:
    @pytest.mark.parametrize("ending", ["steps", "stopped", "error", "interrupt"])
    def test_however_the_run_ends(self, ending, transfer, photo):
        watcher = Watcher()
        others = {
            "steps": [],
            "stopped": [lambda step: step.index == 2],
            "error": [breaks_at(2)],
            "interrupt": [breaks_at(2, KeyboardInterrupt)],
        }[ending]
        if ending == "error":
            with pytest.raises(TransferError):
                transfer.run(photo, 4, callbacks=[watcher, *others])
        else:
            transfer.run(photo, 4, callbacks=[watcher, *others])
        assert watcher.closed == 1
        assert watcher.seen == ([0, 1, 2, 3, 4] if ending == "steps" else [0, 1, 2])

    def test_when_the_run_cannot_begin(self, transfer, photo):
        watcher = Watcher()
        with pytest.raises(InputError):
            transfer.run(photo, -1, callbacks=[watcher])
        assert watcher.closed == 1
        assert watcher.seen == []

    @pytest.mark.parametrize("error", [BrokenError("no room"), KeyboardInterrupt()], ids=repr)
    def test_what_fails_there_costs_no_result(self, error, transfer, photo):
        class Fails(Callback):
            def close(self):
                raise error

        watcher = Watcher()
        with pytest.warns(UserWarning, match=r"callback Fails failed in close: (no room|Keyb)"):
            result = transfer.run(photo, 3, callbacks=[Fails(), watcher])
        assert result.steps == 3
        assert watcher.closed == 1

    def test_what_fails_there_hides_no_other_error(self, transfer, photo):
        class Fails(Callback):
            def close(self):
                raise BrokenError("no room")

        with (
            pytest.warns(UserWarning, match="no room"),
            pytest.raises(TransferError, match="enough") as caught,
        ):
            transfer.run(photo, 4, callbacks=[Fails(), breaks_at(2)])
        assert caught.value.result.steps == 2


class TestWhatIsGiven:
    def test_hooks_default_to_nothing(self, transfer, photo, tmp_path):
        result = transfer.run(photo, 2, callbacks=[Callback()], checkpoint=tmp_path)
        assert result.stopped_by == "steps"

    def test_a_class_of_ones_own_needs_what_it_needs(self, transfer, photo):
        class Closing(Callback):
            closed = 0

            def close(self):
                self.closed += 1

        closing = Closing()
        transfer.run(photo, 1, callbacks=(one for one in [closing]))
        assert closing.closed == 1

    @pytest.mark.parametrize(
        ("callbacks", "words"),
        [
            (print, "a list of functions or Callback objects, received builtin"),
            ([None], "received NoneType"),
            ([3], "a function that takes a Step"),
            ([sk.ProgressBar], r"the class ProgressBar itself; write ProgressBar\(\.\.\.\)"),
        ],
        ids=["function", "none", "number", "class"],
    )
    def test_others(self, callbacks, words, transfer, photo):
        with pytest.raises(InputTypeError, match=words):
            transfer.run(photo, 1, callbacks=callbacks)

    @pytest.mark.parametrize("hook", ["resume", "close"])
    def test_a_hook_that_would_never_be_called(self, hook, transfer, photo):
        class Duck:
            def __call__(self, step):
                pass

        setattr(Duck, hook, lambda self: None)
        with pytest.raises(
            InputTypeError, match=rf"stylekit\.transfer\.Callback.*Duck with {hook}"
        ):
            transfer.run(photo, 1, callbacks=[Duck()])


class TestErrorsNameTheCallback:
    def test_a_function(self, transfer, photo):
        with pytest.raises(TransferError, match="enough") as caught:
            transfer.run(photo, 4, callbacks=[breaks_at(2)])
        for error in (caught.value, caught.value.__cause__):
            assert error.__notes__ == ["in callback callback, method __call__"]

    @pytest.mark.parametrize("method", ["__call__", "resume"])
    def test_an_object(self, method, transfer, photo, tmp_path):
        class Fails(Callback):
            pass

        def fails(self, seen):
            raise BrokenError("enough")

        setattr(Fails, method, fails)
        stop = lambda step: step.index == 1  # noqa: E731
        transfer.run(photo, 3, callbacks=[stop], checkpoint=tmp_path)
        with pytest.raises(TransferError) as caught:
            transfer.run(photo, 3, callbacks=[Fails()], checkpoint=tmp_path)
        assert caught.value.__notes__ == [f"in callback Fails, method {method}"]


def test_a_step_that_stops_the_run_is_seen_by_all(transfer, photo):
    watcher = Watcher()
    result = transfer.run(photo, 4, callbacks=[breaks_at(9), lambda step: step.index == 2, watcher])
    assert watcher.seen == [0, 1, 2]
    assert result.stopped_by == "<lambda>"


class TestProgressBar:
    @pytest.fixture
    def bars(self, monkeypatch):
        made = []

        class Bar(module.tqdm):
            def __init__(self, *args, **options):
                super().__init__(*args, **options)
                self.updates, self.postfixes, self.closed = [], [], 0
                made.append(self)

            def update(self, n=1):
                self.updates.append(n)
                return super().update(n)

            def set_postfix(self, **options):
                self.postfixes.append(options["loss"])
                super().set_postfix(**options)

            def close(self):
                self.closed += 1
                super().close()

        monkeypatch.setattr(module, "tqdm", Bar)
        return made

    def test_advances_shows_the_loss_and_closes(self, bars, transfer, photo, capsys):
        result = transfer.run(photo, 12, callbacks=[sk.ProgressBar(every=5)])
        [bar] = bars
        assert bar.total == 12
        assert bar.n == 12
        assert sum(bar.updates) == 12
        assert bar.closed == 1
        totals = [result.losses[index]["total"] for index in (0, 5, 10, 12)]
        assert bar.postfixes == [f"{total:.4g}" for total in totals]
        assert f"loss={totals[-1]:.4g}" in capsys.readouterr().err

    def test_one_bar_a_run(self, bars, transfer, photo):
        bar = sk.ProgressBar()
        for _ in range(2):
            transfer.run(photo, 3, callbacks=[bar])
        assert [b.n for b in bars] == [3, 3]
        assert [b.closed for b in bars] == [1, 1]

    def test_closes_when_the_run_breaks_off(self, bars, transfer, photo):
        with pytest.raises(TransferError):
            transfer.run(photo, 5, callbacks=[sk.ProgressBar(), breaks_at(2)])
        [bar] = bars
        assert bar.closed == 1
        assert bar.n == 2

    def test_a_batch_shows_the_mean(self, bars):
        bar = sk.ProgressBar()
        bar(step(0, [1, 4]))
        bar.close()
        assert bars[0].postfixes == ["2.5"]

    def test_a_resumed_run_begins_where_it_was(self, bars):
        bar = sk.ProgressBar()
        for index in (40, 41):
            bar(step(index, 1))
        assert bars[0].initial == 40
        assert bars[0].n == 41
        bar.close()

    def test_close_before_the_first_step(self, bars):
        sk.ProgressBar().close()
        assert bars == []

    def test_without_a_terminal_it_is_a_line_now_and_then(self, monkeypatch, capsys):
        def run():
            bar = sk.ProgressBar()
            for index in range(201):
                bar(step(index, 1, steps=200))
            bar.close()
            return capsys.readouterr().err

        lines = run().splitlines(keepends=True)
        assert lines[0] == "0/200 steps, 00:00\n"
        assert re.fullmatch(r"200/200 steps, 00:\d\d, loss=1\n", lines[-1])
        assert len(lines) == 2  # the run took less than half a minute
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        assert "\r" in run()  # a bar that is redrawn


class TestCSVLogger:
    def read(self, path):
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.reader(file))

    def test_a_row_a_step(self, transfer, photo, tmp_path):
        path = tmp_path / "losses.csv"
        result = transfer.run(photo, 4, callbacks=[sk.CSVLogger(path)])
        header, *rows = self.read(path)
        assert header == ["step", "level", "seconds", "total", "pixel", "total_variation"]
        assert [int(row[0]) for row in rows] == [0, 1, 2, 3, 4]
        for row, losses in zip(rows, result.losses, strict=True):
            np.testing.assert_allclose([float(v) for v in row[3:]], list(losses.values()))
        seconds = [float(row[2]) for row in rows]
        assert seconds == sorted(seconds)
        assert seconds[-1] <= result.seconds + 1e-3

    def test_levels(self, transfer, photo, tmp_path):
        path = tmp_path / "losses.csv"
        pyramid = sk.Pyramid([5, 10])
        transfer.run(photo, 4, pyramid=pyramid, callbacks=[sk.CSVLogger(path)])
        assert [row[1] for row in self.read(path)[1:]] == ["0", "0", "1", "1", "1"]

    def test_readable_while_the_run_goes_on(self, transfer, photo, tmp_path):
        path = tmp_path / "losses.csv"
        lengths = []
        transfer.run(
            photo,
            3,
            callbacks=[sk.CSVLogger(str(path)), lambda step: lengths.append(len(self.read(path)))],
        )
        assert lengths == [2, 3, 4, 5]

    def test_each_run_anew(self, transfer, photo, tmp_path):
        logger = sk.CSVLogger(tmp_path / "losses.csv")
        for steps in (5, 2):
            transfer.run(photo, steps, callbacks=[logger])
        assert [row[0] for row in self.read(logger.path)] == ["step", "0", "1", "2"]

    def test_is_whole_when_the_run_breaks_off(self, transfer, photo, tmp_path):
        logger = sk.CSVLogger(tmp_path / "losses.csv")
        with pytest.raises(TransferError):
            transfer.run(photo, 5, callbacks=[logger, breaks_at(1)])
        assert len(self.read(logger.path)) == 3

    def test_a_resumed_run_has_its_earlier_rows(self, tmp_path):
        logger = sk.CSVLogger(tmp_path / "losses.csv")
        logger.path.write_text("what was there before")
        logger.resume([step(index, index) for index in range(3)])
        logger(step(3, 3))
        logger.close()
        assert [row[0] for row in self.read(logger.path)] == ["step", "0", "1", "2", "3"]
        assert self.read(logger.path)[3] == ["2", "0", "0.500", "2", "1"]

    def test_a_batch_has_its_mean(self, tmp_path):
        logger = sk.CSVLogger(tmp_path / "losses.csv")
        logger(step(0, [1, 4]))
        logger.close()
        assert self.read(logger.path)[1][3:] == ["2.5", "1.25"]

    def test_a_missing_folder(self, tmp_path):
        with pytest.raises(FileError, match=r"losses\.csv cannot be written: .*nowhere"):
            sk.CSVLogger(tmp_path / "nowhere" / "losses.csv")

    def test_a_folder_in_its_place(self, tmp_path):
        with pytest.raises(FileError, match="is a folder"):
            sk.CSVLogger(tmp_path)

    def test_a_folder_that_is_gone_when_the_run_begins(self, transfer, photo, tmp_path):
        folder = tmp_path / "gone"
        folder.mkdir()
        logger = sk.CSVLogger(folder / "losses.csv")
        folder.rmdir()
        with pytest.raises(TransferError, match="cannot be written") as caught:
            transfer.run(photo, 2, callbacks=[logger])
        assert isinstance(caught.value.__cause__, FileError)


class TestSaveEvery:
    def test_files(self, transfer, photo, tmp_path):
        images = {}
        result = transfer.run(
            photo,
            7,
            callbacks=[
                sk.SaveEvery(tmp_path / "out.png", every=3),
                lambda step: images.update({step.index: step.image}),
            ],
        )
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == ["out-00003.png", "out-00006.png", "out-00007.png"]
        images[7] = result.image
        for name in names:
            expected = np.uint8(images[int(name[4:9])] * 255 + 0.5)
            with Image.open(tmp_path / name) as image:
                np.testing.assert_array_equal(np.asarray(image), expected)

    def test_a_batch(self, tmp_path):
        image = np.stack([np.zeros((*SHAPE, 3)), np.ones((*SHAPE, 3))]).astype("float32")
        sk.SaveEvery(tmp_path / "out.jpg", every=5)(step(5, [1, 2], image=image))
        assert sorted(p.name for p in tmp_path.iterdir()) == ["out-00005-0.jpg", "out-00005-1.jpg"]
        with Image.open(tmp_path / "out-00005-1.jpg") as saved:
            assert np.asarray(saved).min() > 250

    def test_what_cannot_be_written_is_told_at_once(self, tmp_path):
        with pytest.raises(FileError, match="a folder that exists"):
            sk.SaveEvery(tmp_path / "nowhere" / "out.png")
        with pytest.raises(FileError, match="suffix"):
            sk.SaveEvery(tmp_path / "out.xyz")
        assert list(tmp_path.iterdir()) == []


class TestEarlyStopping:
    def stopped_at(self, totals, stopping, levels=None):
        levels = levels or [0] * len(totals)
        for index, (total, level) in enumerate(zip(totals, levels, strict=True)):
            if stopping(step(index, total, level)):
                return index
        return None

    def test_waits_for_its_patience(self):
        assert self.stopped_at([5, 4, 4, 4, 4, 4], EarlyStopping(3)) == 4
        assert self.stopped_at([5, 4, 4, 3.9, 4, 4, 4], EarlyStopping(3)) == 6

    def test_falls_that_are_too_small_do_not_count(self):
        totals = 10 * 0.995 ** np.arange(12)
        assert self.stopped_at(totals, EarlyStopping(2, min_delta=1e-3)) is None
        # Against the best: three falls of half a percent are more than one percent.
        assert self.stopped_at(totals, EarlyStopping(4, min_delta=0.01)) is None
        assert self.stopped_at(totals, EarlyStopping(2, min_delta=0.02)) == 2

    def test_rises_do_not_count(self):
        assert self.stopped_at([1, 2, 3, 4, 5], EarlyStopping(2)) == 2

    def test_a_level_begins_anew(self):
        # A finer level has another loss: higher than all before.
        totals, levels = [5, 1, 1, 9, 8, 8, 8], [0, 0, 0, 1, 1, 1, 1]
        assert self.stopped_at(totals, EarlyStopping(2), levels) == 6

    def test_a_run_begins_anew(self):
        stopping = EarlyStopping(2)
        assert self.stopped_at([1, 1, 1], stopping) == 2
        assert self.stopped_at([7, 6, 6, 6], stopping) == 3

    def test_in_a_run(self, photo):
        quick = sk.LBFGS(max_step=0.3)
        term = sk.PixelLoss(np.clip(1 - photo, 0.1, 0.9))
        offset = sk.TotalVariationLoss()  # keeps the total from falling towards 0 for ever
        transfer = sk.StyleTransfer(
            [term, offset], extractor=sk.VGG19(weights=None), optimizer=quick
        )
        result = transfer.run(photo, 200, callbacks=[EarlyStopping(5)])
        assert result.stopped_by == "EarlyStopping"
        assert 5 < result.steps < 100
        totals = [row["total"] for row in result.losses]
        assert min(totals[-5:]) > min(totals[:-5]) * (1 - 1e-3)

    @pytest.mark.parametrize(
        ("options", "words"),
        [({"patience": 0}, "patience.*at least 1"), ({"min_delta": -1}, "min_delta.*at least 0")],
    )
    def test_bad_settings(self, options, words):
        with pytest.raises(InputError, match=words):
            EarlyStopping(**options)


class TestDisplay:
    @pytest.fixture
    def shown(self, monkeypatch):
        """Pictures as a notebook would get them: (cell, pixels), cells numbered from 0."""
        display = pytest.importorskip("IPython.display")
        seen, cells = [], []

        class Handle:
            def __init__(self):
                cells.append(self)

            def update(self, picture):
                seen.append((cells.index(self), np.asarray(picture)))

        def show(picture, display_id):
            assert display_id is True
            handle = Handle()
            handle.update(picture)
            return handle

        monkeypatch.setattr(display, "display", show)
        return seen

    def test_in_place_every_few_steps(self, shown, transfer, photo):
        result = transfer.run(photo, 7, callbacks=[sk.Display(every=3)])
        assert [cell for cell, _ in shown] == [0, 0, 0, 0]  # steps 0, 3, 6, 7
        np.testing.assert_array_equal(shown[0][1], np.uint8(photo * 255 + 0.5))
        np.testing.assert_array_equal(shown[-1][1], np.uint8(result.image * 255 + 0.5))

    def test_values_outside_the_unit_interval_are_clipped(self, shown):
        image = np.full((1, *SHAPE, 3), -0.3, np.float32)
        image[..., 0] = 1.2
        sk.Display()(step(0, 1, image=image))
        np.testing.assert_array_equal(shown[0][1], np.full((*SHAPE, 3), [255, 0, 0], np.uint8))

    def test_each_run_in_a_place_of_its_own(self, shown, transfer, photo):
        display = sk.Display()
        for _ in range(2):
            transfer.run(photo, 1, callbacks=[display])
        assert [cell for cell, _ in shown] == [0, 0, 1, 1]

    def test_a_resumed_run_is_shown_too(self, shown):
        display = sk.Display(every=3)
        for index in (4, 6, 9):
            display(step(index, 1))
        assert [cell for cell, _ in shown] == [0, 0]

    def test_a_batch_side_by_side(self, shown):
        sk.Display()(step(0, [1, 2]))
        assert shown[0][1].shape == (8, 20, 3)

    def test_without_a_notebook(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "IPython", None)
        with pytest.raises(SetupError, match=r"[Pp]ip install ipykernel"):
            sk.Display()


class Reader(NotebookClient):
    """Runs cells as a notebook does; presses its stop button when a picture has been replaced."""

    presses = 0

    def process_message(self, msg, cell, cell_index):
        if self.presses and msg["msg_type"] == "update_display_data":
            self.presses -= 1
            asyncio.get_running_loop().create_task(self.km.interrupt_kernel())
        return super().process_message(msg, cell, cell_index)


@pytest.mark.slow
class TestInAKernel:
    @pytest.fixture
    def read(self, tmp_path):
        """Run a cell that shows a run; return its outputs and what the next cell finds."""

        def run(steps, presses):
            cells = [
                "import json\n"
                "import numpy as np\n"
                "import stylekit as sk\n"
                "photo = np.random.default_rng(0).random((16, 20, 3), dtype='float32')\n"
                "terms = [sk.PixelLoss(1 - photo), sk.TotalVariationLoss()]\n"
                "transfer = sk.StyleTransfer(terms, extractor=sk.CompactVGG())",
                f"result = transfer.run(photo, {steps}, callbacks=[sk.Display(every=2)])",
                "np.save('images.npy', [photo, result.image])\n"
                "print(json.dumps([result.stopped_by, result.steps, len(result.losses)]))",
            ]
            notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
            reader = Reader(notebook, timeout=200, resources={"metadata": {"path": str(tmp_path)}})
            reader.presses = presses
            reader.execute()
            shown = [one for one in notebook.cells[1].outputs if one.output_type != "stream"]
            return shown, json.loads(notebook.cells[2].outputs[-1].text)

        return run

    def test_one_picture_is_replaced_in_place(self, read, tmp_path):
        (shown,), (stopped_by, steps, _) = read(7, presses=0)
        assert (stopped_by, steps) == ("steps", 7)
        found = np.asarray(Image.open(io.BytesIO(b64decode(shown.data["image/png"]))))
        first, last = np.uint8(np.load(tmp_path / "images.npy") * 255 + 0.5)
        np.testing.assert_array_equal(found, last)
        assert (found != first).any()

    def test_the_stop_button_keeps_the_image(self, read, tmp_path):
        (_,), (stopped_by, steps, rows) = read(10**6, presses=1)
        assert stopped_by == "interrupted"
        assert 0 < steps < 10**6
        assert rows == steps + 1
        first, last = np.load(tmp_path / "images.npy")
        assert np.abs(last - first).max() > 0.01


@pytest.mark.parametrize(
    "callback", [sk.ProgressBar, sk.Display, lambda every: sk.SaveEvery("a.png", every)]
)
def test_every_is_a_step_or_more(callback, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"every.*at least 1"):
        callback(every=0)


class TestTimeLimit:
    def test_ends_a_run_with_its_image_so_far(self, transfer, photo):
        result = transfer.run(photo, 10**6, callbacks=[sk.TimeLimit(0.5)])
        assert result.stopped_by == "TimeLimit"
        assert 0.5 <= result.seconds < 60
        assert len(result.losses) == result.steps + 1

    def test_does_not_end_one_that_is_quicker(self, transfer, photo):
        assert transfer.run(photo, 2, callbacks=[sk.TimeLimit(600)]).stopped_by == "steps"

    @pytest.mark.parametrize("seconds", [0, -1, float("nan")])
    def test_a_wrong_limit(self, seconds):
        with pytest.raises(sk.InputError, match="seconds"):
            sk.TimeLimit(seconds)
