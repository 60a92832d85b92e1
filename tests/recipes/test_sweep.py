import concurrent.futures
import csv
import dataclasses
import json
import math
import pickle

import keras
import matplotlib.figure
import numpy as np
import pytest
from PIL import Image

import stylekit as sk
from stylekit._checks import FileError, InputError, InputTypeError, SetupError, StylekitError
from stylekit._defaults import GRAM_FACTOR
from stylekit.metrics import content_distance, style_distance
from stylekit.recipes import Cell, Sweep
from stylekit.recipes.sweep.grid import Axis, axes_of, label_of


def sweep_with(options):
    """Return `sweep` on shallow layers of a random network, without a bar."""

    def run(content, style, grid, **others):
        shared = options | {"steps": 3, "progress": False}
        shared = {name: value for name, value in shared.items() if name not in grid}
        return sk.sweep(content, style, grid, **(shared | others))

    return run


@pytest.fixture(scope="module")
def quick(options):
    """A small sweep that shares its trace with those of other tests."""
    return sweep_with(options)


@pytest.fixture
def alone(options):
    """A small sweep with the plan that it has by default."""
    return sweep_with({name: value for name, value in options.items() if name != "plan"})


@pytest.fixture(scope="module")
def swept(quick, photo, coffee, rocket):
    """Two styles and three strengths; to be read, and not changed."""
    grid = {"style": {"coffee": coffee, "rocket": rocket}, "strength": [0.2, 0.5, 0.9]}
    return quick(photo, None, grid)


@pytest.fixture
def traces(monkeypatch):
    """A list that grows by one whenever a content term is traced, or judged."""
    seen = []
    compute = sk.ContentLoss.compute

    def counted(self, image, *arguments):
        if hasattr(image, "graph") and not hasattr(image, "numpy"):
            seen.append(self)
        return compute(self, image, *arguments)

    monkeypatch.setattr(sk.ContentLoss, "compute", counted)
    return seen


class Breaking:
    """A callback that breaks a run off at its first step, on the n-th run."""

    def __init__(self, number, error):
        self.number, self.error, self.runs = number, error, 0

    def __call__(self, step):
        self.runs += step.index == 0
        if self.runs == self.number and step.index == 1:
            raise self.error


class Poisoned(sk.Loss):
    """A loss that is NaN."""

    def compute(self, image, features, targets):
        return image[:, 0, 0, 0] * float("nan")


def poisoned(content, style, *, poison, strength=0.5, **options):
    """A recipe whose loss is NaN, if that is wanted."""
    terms = [sk.ContentLoss(content, layers=("block2_conv1",)), *([Poisoned()] if poison else [])]
    return sk.Recipe(terms, content=content)


class TestRuns:
    def test_a_cell_is_what_stylize_gives(self, swept, options, photo, rocket):
        cell = swept.cells[5]
        assert cell.labels == {"style": "rocket", "strength": "0.9"}
        plain = options | {"steps": 3, "plan": sk.Plan()}
        result = sk.stylize(photo, rocket, strength=0.9, **plain)
        np.testing.assert_allclose(cell.image, result.image, atol=1e-4)
        assert cell.result.manifest["terms"] == result.manifest["terms"]

    def test_one_trace_a_set_of_layers(self, alone, photo, coffee, rocket, traces):
        layers = [("conv1_1",), ("conv1_1", "conv2_1"), {"conv1_1": 1, "conv2_1": 7}]
        grid = {"style": [coffee, rocket], "style_layers": layers}
        swept = alone(photo, None, grid, steps=2)
        assert len(traces) == 2
        assert len({cell.image.tobytes() for cell in swept.cells}) == 6

    def test_one_trace_for_all_weights(self, alone, photo, coffee, traces):
        swept = alone(photo, coffee, {"variation": [0.1, 2], "strength": [0.3, 0.6]}, steps=2)
        assert len(traces) == 1
        assert len({cell.image.tobytes() for cell in swept.cells}) == 4

    @pytest.mark.slow
    def test_neighbours_are_matched_for_each_cell_and_traced_once(
        self, alone, options, photo, coffee, rocket, traces
    ):
        few = {"style_loss": "neighbors", "steps": 6}
        swept = alone(photo, None, {"style": [coffee, rocket], "strength": [0.6]}, **few)
        assert len(traces) == 1  # of all rounds and cells
        assert len({cell.image.tobytes() for cell in swept.cells}) == 2
        one = sk.stylize(photo, rocket, strength=0.6, **(options | few | {"plan": sk.Plan()}))
        np.testing.assert_allclose(swept.cells[1].image, one.image, atol=1e-4)

    def test_the_last_parameter_varies_fastest(self, swept):
        assert [cell.number for cell in swept.cells] == [1, 2, 3, 4, 5, 6]
        assert [cell.parameters["strength"] for cell in swept.cells] == [0.2, 0.5, 0.9] * 2
        assert [cell.labels["style"] for cell in swept.cells] == ["coffee"] * 3 + ["rocket"] * 3

    def test_what_all_have_in_common(self, quick, photo, coffee):
        swept = quick(photo, coffee, {"strength": [0.5]}, seed=7, keep_colors="luminance")
        manifest = swept.cells[0].result.manifest
        assert (manifest["seed"], manifest["keep_colors"]) == (7, "luminance")

    def test_steps_may_vary(self, quick, photo, coffee):
        swept = quick(photo, coffee, {"steps": [0, 2]})
        assert [cell.result.steps for cell in swept.cells] == [0, 2]

    def test_pictures_that_tile_have_sides_that_can(self, quick, photo, coffee):
        swept = quick(photo, coffee, {"tile": [None, "y"]}, steps=1)
        assert swept.photo.shape == (32, 32, 3)
        assert [cell.result.manifest["tile"] for cell in swept.cells] == [None, "y"]
        assert {cell.image.shape for cell in swept.cells} == {swept.photo.shape}

    def test_callbacks_see_every_step_and_may_end_a_run(self, quick, photo, coffee):
        seen = []
        grid = {"strength": [0.4, 0.8]}
        swept = quick(photo, coffee, grid, callbacks=[lambda step: seen.append(step.index)])
        assert seen == [0, 1, 2, 3] * 2
        swept = quick(photo, coffee, grid, callbacks=[lambda step: step.index == 1])
        assert [cell.result.steps for cell in swept.cells] == [1, 1]
        assert not any(cell.problem for cell in swept.cells)

    def test_on_cell_sees_the_sweep_and_may_end_it(self, quick, photo, coffee):
        seen = []

        def look(swept):
            seen.append(len(swept.cells))
            return len(swept.cells) == 2

        swept = quick(photo, coffee, {"strength": [0.2, 0.4, 0.6]}, on_cell=look)
        assert seen == [1, 2]
        assert (len(swept.cells), swept.planned, swept.interrupted) == (2, 3, False)

    def test_a_recipe_of_ones_own(self, quick, photo, coffee):
        swept = quick(photo, coffee, {"poison": [False]}, recipe=poisoned)
        assert list(swept.cells[0].result.manifest["terms"]) == ["content"]

    def test_the_bar(self, quick, photo, coffee, capsys):
        quick(photo, coffee, {"strength": [0.4, 0.8]}, progress=True)
        shown = capsys.readouterr().err
        assert "2/2" in shown
        assert "6/6" in shown
        assert "strength 0.8" in shown


class Inline(concurrent.futures.Executor):
    """An executor that pickles, and runs three tasks in this process, the last one first."""

    def __init__(self, error=None):
        self.tasks, self.error, self.function = [], error, None

    def submit(self, function, /, *args):
        self.function = self.function or pickle.loads(pickle.dumps(function))
        own = concurrent.futures.Future()
        self.tasks.append((own, pickle.dumps(args)))
        if len(self.tasks) == 3:
            for future, sent in reversed(self.tasks):
                self.run(future, pickle.loads(sent))
        return own

    def run(self, future, args):
        if self.error:
            future.set_exception(self.error)
        else:
            future.set_result(pickle.loads(pickle.dumps(self.function(*args))))


class TestExecutor:
    @pytest.fixture
    def run(self, alone, photo, coffee):
        """Run a sweep of three cells."""
        network = sk.CompactVGG()
        layers = {"style_layers": ("conv1_1",), "content_layers": ("conv1_1",)}
        options = {"extractor": network, "steps": 1, **layers}

        def sweep(strengths=(0.3, 0.6, 0.9), **given):
            return alone(photo, coffee, {"strength": list(strengths)}, **options | given)

        return sweep

    def test_is_what_one_process_gives(self, run, capsys):
        there, here = run(executor=Inline(), progress=True), run()
        assert "3/3" in capsys.readouterr().err
        assert [cell.number for cell in there.cells] == [1, 2, 3]
        for cell, other in zip(there.cells, here.cells, strict=True):
            np.testing.assert_array_equal(cell.image, other.image)
        rows, others = ([row | {"seconds": 0} for row in one.rows] for one in (there, here))
        assert rows == others

    def test_failures_are_told_in_their_cells(self, run):
        swept = run((0.3, 1.5, 0.9), executor=Inline())
        assert [bool(cell.problem) for cell in swept.cells] == [False, True, False]
        with pytest.raises(InputError, match=r"received 1\.5"):
            run((1.5, 2.5, 3.5), executor=Inline())

    def test_a_run_that_breaks_off_keeps_its_image(self, quick, photo, coffee):
        swept = quick(
            photo,
            coffee,
            {"poison": [True, False, True]},
            recipe=poisoned,
            plan=sk.Reuse(),
            extractor=sk.CompactVGG(),
            executor=Inline(),
        )
        np.testing.assert_array_equal(swept.cells[0].image, photo)
        assert swept.cells[0].problem == "poisoned became NaN or infinite at step 0"

    def test_an_executor_that_fails(self, run):
        with pytest.raises(SetupError, match=r"the executor failed \(BrokenExecutor: gone\)"):
            run(executor=Inline(concurrent.futures.BrokenExecutor("gone")))
        with pytest.raises(SetupError, match="another version of stylekit"):
            run(executor=Inline(SetupError("the worker has another version of stylekit")))
        with pytest.raises(StylekitError, match="4 workers died"):
            run(executor=Inline(StylekitError("4 workers died")))

    @pytest.mark.parametrize("executor", [4, concurrent.futures.ThreadPoolExecutor(1)])
    def test_what_is_no_executor_of_processes(self, run, executor):
        with pytest.raises(InputTypeError, match="`executor` cannot run a sweep") as raised:
            run(executor=executor)
        assert raised.value.argument == "executor"


class TestJudging:
    def test_is_the_same_for_every_cell(self, quick, photo, coffee, vgg):
        swept = quick(photo, coffee, {"style_layers": [("conv1_1",), ("conv2_1",)]}, strength=0.8)
        for cell in swept.cells:
            of_photo = style_distance(coffee, photo, extractor=vgg)
            expected = style_distance(coffee, cell.image, extractor=vgg) / of_photo
            assert cell.style == pytest.approx(expected)
            assert cell.content == pytest.approx(content_distance(photo, cell.image, extractor=vgg))

    def test_the_photograph_is_at_one_and_zero(self, quick, photo, coffee):
        cell = quick(photo, coffee, {"strength": [0]}).cells[0]
        assert (cell.style, cell.content) == (pytest.approx(1), pytest.approx(0, abs=1e-9))

    def test_more_strength_is_less_content(self, swept):
        for cells in (swept.cells[:3], swept.cells[3:]):
            contents = [cell.content for cell in cells]
            assert contents == sorted(contents)
            assert contents[0] > 0

    def test_a_judge_of_its_own(self, quick, photo, coffee, vgg):
        judge = sk.CompactVGG()
        cell = quick(photo, coffee, {"strength": [0.8]}, judge=judge).cells[0]
        expected = content_distance(photo, cell.image, extractor=judge)
        assert cell.content == pytest.approx(expected)
        assert cell.content != pytest.approx(content_distance(photo, cell.image, extractor=vgg))

    def test_a_picture_in_its_own_style(self, quick, photo):
        assert quick(photo, photo, {"strength": [0.5]}).cells[0].style == pytest.approx(0, abs=1e-6)

    def test_styles_that_are_painted_together(self, quick, photo, coffee, rocket, vgg):
        cell = quick(photo, [coffee, rocket], {"strength": [0.8]}).cells[0]
        distances = [
            np.mean([style_distance(one, image, extractor=vgg) for one in (coffee, rocket)])
            for image in (cell.image, photo)
        ]
        assert cell.style == pytest.approx(distances[0] / distances[1])


class TestTrouble:
    def test_a_loss_that_becomes_nan_is_told_in_its_cell(self, quick, photo, coffee, tmp_path):
        grid = {"poison": [False, True, False]}
        swept = quick(photo, coffee, grid, recipe=poisoned)
        problems = [cell.problem for cell in swept.cells]
        assert problems == ["", "poisoned became NaN or infinite at step 0", ""]
        assert math.isnan(swept.cells[1].style)
        np.testing.assert_array_equal(swept.cells[1].image, photo)
        assert [cell.number for cell in swept.pareto] == [1, 3]
        swept.save(tmp_path)
        rows = list(csv.DictReader((tmp_path / "sweep.csv").open(encoding="utf-8")))
        assert rows[1]["problem"] == problems[1]
        assert rows[1]["judged_style"] == "nan"
        assert rows[1]["pareto"] == "False"

    def test_a_cell_whose_arguments_are_unfit(self, quick, photo, coffee):
        swept = quick(photo, coffee, {"strength": [0.5, 1.5]})
        assert "strength is out of range" in swept.cells[1].problem
        assert swept.cells[1].image is None
        assert swept.sheet(size=40).ndim == 3
        assert "steps" not in swept.rows[1]

    def test_if_all_fail_it_is_an_error(self, quick, photo, coffee):
        with pytest.raises(InputError, match=r"received 1\.5"):
            quick(photo, coffee, {"strength": [1.5, 2.5]})

    def test_a_callback_that_fails_once(self, quick, photo, coffee):
        breaking = Breaking(2, ValueError("oh"))
        swept = quick(photo, coffee, {"strength": [0.2, 0.5, 0.8]}, callbacks=[breaking])
        assert ["oh" in cell.problem for cell in swept.cells] == [False, True, False]

    def test_an_interrupt_keeps_what_was_run(self, quick, photo, coffee):
        breaking = Breaking(2, KeyboardInterrupt())
        swept = quick(photo, coffee, {"strength": [0.2, 0.5, 0.8]}, callbacks=[breaking])
        assert swept.interrupted
        assert [cell.problem for cell in swept.cells] == ["", "interrupted at step 1"]
        assert [cell.number for cell in swept.pareto] == [1]
        assert "2 of 3 cells, interrupted" in repr(swept)

    def test_an_interrupt_between_two_runs(self, quick, photo, coffee):
        def stop(swept):
            raise KeyboardInterrupt

        swept = quick(photo, coffee, {"strength": [0.2, 0.5]}, on_cell=stop)
        assert swept.interrupted
        assert len(swept.cells) == 1

    def test_an_interrupt_before_the_first_result(self, quick, photo, coffee):
        def recipe(content, style, *, strength, **options):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            quick(photo, coffee, {"strength": [0.2]}, recipe=recipe)


class TestGrid:
    @pytest.mark.parametrize(
        ("grid", "message"),
        [
            ({}, "`grid` is empty"),
            ({"strenght": [1]}, "unknown parameter 'strenght'.*Did you mean strength"),
            ({"size": [64, 128]}, "`size` cannot be varied in a grid"),
            ({"strength": []}, "'strength' in the grid has no values"),
            ({"seed": [1]}, "seed is given twice"),
            ({"style": ["a.png"]}, "style is given twice"),
            ({"style_layers": [("conv9_1",)]}, "has no layer 'conv9_1'"),
            ({"content_layers": [None, "conv9_1"]}, "has no layer 'conv9_1'"),
            ({"variation": [1] * 5, "strength": [0.1] * 13}, "the grid has 65 cells"),
        ],
    )
    def test_what_is_unfit_is_told_before_the_first_run(self, grid, message, quick, photo, coffee):
        seen = []
        with pytest.raises(InputError, match=message):
            quick(photo, coffee, grid, seed=1, callbacks=[seen.append])
        assert not seen

    @pytest.mark.parametrize("grid", [["strength"], {"strength": 0.5}, {"style_layers": "conv1_1"}])
    def test_wrong_types(self, grid, quick, photo, coffee):
        with pytest.raises(InputTypeError):
            quick(photo, coffee, grid)

    def test_more_cells_if_they_are_asked_for(self, quick, photo, coffee):
        with pytest.raises(InputError, match="raise max_cells"):
            quick(photo, coffee, {"strength": [0.1, 0.2]}, max_cells=1)
        assert quick(photo, coffee, {"strength": [0.1, 0.2]}, max_cells=2, steps=0).planned == 2

    def test_no_style(self, quick, photo):
        with pytest.raises(InputError, match="a style is required"):
            quick(photo, None, {"strength": [0.5]})

    def test_a_style_that_is_not_there(self, quick, photo):
        with pytest.raises(FileError):
            quick(photo, None, {"style": ["nowhere.png"]})

    @pytest.mark.parametrize(
        ("value", "label"),
        [
            (0.50, "0.5"),
            (3, "3"),
            (None, "default"),
            (True, "True"),
            ("match", "match"),
            (("conv1_1", "block2_conv1", "relu3_1"), "1_1 2_1 3_1"),
            ({"conv1_1": 1, "block2_conv1": 0.5}, "1_1:1 2_1:0.5"),
            ("block1_pool", "block1_pool"),
            ([0.5, 0.5], "0.5 0.5"),
            (np.zeros((2, 2)), "7"),
        ],
    )
    def test_labels(self, value, label):
        assert label_of(value, 7) == label

    @pytest.mark.parametrize(
        ("values", "labels"),
        [
            (
                [sk.LBFGS(5), keras.optimizers.Adam(0.02), sk.LBFGS(3), None],
                ["LBFGS(history=5)", "Adam", "LBFGS(history=3)", "default"],
            ),
            (
                [keras.optimizers.Adam(0.02), keras.optimizers.Adam(0.05, beta_1=0.8)],
                ["Adam(learning_rate=0.02, beta_1=0.9)", "Adam(learning_rate=0.05, beta_1=0.8)"],
            ),
            ([sk.LBFGS(5), sk.LBFGS(5)], ["LBFGS (1)", "LBFGS (2)"]),
            ([object(), object()], ["1", "2"]),
        ],
    )
    def test_labels_of_optimizers(self, values, labels):
        [axis] = axes_of({"optimizer": values}, sk.recipes.basic, ())
        assert list(axis.labels) == labels

    def test_labels_of_functions_and_classes(self):
        values = ["gram", sk.GramStyleLoss, content_distance, lambda style: None]
        [axis] = axes_of({"style_loss": values}, sk.recipes.basic, ())
        assert axis.labels == ("gram", "GramStyleLoss", "content_distance", "4")

    def test_labels_of_an_axis_differ(self, tmp_path):
        paths = [tmp_path / "a" / "wave.jpg", tmp_path / "b" / "wave.jpg", str(tmp_path / "c.jpg")]
        (axis,) = axes_of({"style": paths}, sk.stylize, ())
        assert axis.labels == ("wave (1)", "wave (2)", "c (3)")


def made(styles, costs, axes=()):
    """A sweep of given costs, of one style each, without pictures."""
    cells = [
        Cell(k, {}, {} if style is None else {"style": style}, None, *cost)
        for k, (style, cost) in enumerate(zip(styles, costs, strict=True), 1)
    ]
    photo = np.zeros((8, 8, 3), np.float32)
    return Sweep(list(axes), photo, {style: [photo] for style in styles}, len(cells), cells)


class TestPareto:
    def test_is_of_the_cells_that_none_beats(self):
        swept = made([None] * 4, [(0.9, 0.1), (0.5, 0.5), (0.6, 0.6), (0.1, 0.9)])
        assert [cell.number for cell in swept.pareto] == [1, 2, 4]

    def test_styles_do_not_compete(self):
        swept = made(["a", "b"], [(0.1, 0.1), (0.9, 0.9)])
        assert [cell.number for cell in swept.pareto] == [1, 2]

    def test_runs_from_most_content_to_least(self):
        swept = made([None] * 3, [(0.1, 0.9), (0.9, 0.1), (0.5, 0.5)])
        assert [cell.number for cell in swept.pareto] == [2, 3, 1]


class TestSheet:
    def columns(self, *counts):
        axes = [Axis(str(k), (0,) * count, ("",) * count) for k, count in enumerate(counts)]
        return made([None], [(0.5, 0.5)], axes)._columns()

    def test_columns_are_the_last_parameters(self):
        assert self.columns(3) == 3
        assert self.columns(2, 3) == 3
        assert self.columns(2, 3, 2) == 6
        assert self.columns(2, 3, 4) == 4
        assert self.columns(2, 12) == 12
        assert self.columns(1) == 1

    @pytest.mark.slow
    def test_holds_every_picture(self, swept):
        sheet = swept.sheet(size=48)
        cell = swept.cells[4]
        shown = sk.image.as_image(cell.image, size=48)
        # Photograph and styles in a row of their own, then three columns: the fifth is in the
        # middle of the third row.
        height = sheet.shape[0]
        windows = np.lib.stride_tricks.sliding_window_view(sheet, shown.shape)[:, :, 0]
        rows, columns = np.nonzero(np.abs(windows - shown).max(axis=(2, 3, 4)) < 1e-3)
        assert len(rows) == 1
        assert rows[0] > height / 2
        assert columns[0] == pytest.approx(sheet.shape[1] / 2 - 24, abs=2)

    def test_the_front_has_a_frame_and_a_broken_run_is_pale(self, photo):
        swept = made([None] * 3, [(0.1, 0.1), (0.9, 0.9), (math.nan, math.nan)])
        result = sk.Result(photo, photo, [], 0, 0.0, "steps", {})
        for cell in swept.cells:
            cell.result = result
        swept.cells[2].problem = "broke"
        swept.photo = photo
        sheet = swept.sheet(size=32, columns=3)
        orange = np.isclose(sheet, [1, 0.55, 0]).all(axis=-1)
        inside = np.nonzero(orange.any(axis=0))[0]
        assert len(inside) == 36  # the picture and its frame
        pale = sk.image.as_image(0.4 * photo + 0.6, size=32)
        windows = np.lib.stride_tricks.sliding_window_view(sheet, pale.shape)[:, :, 0]
        assert (np.abs(windows - pale).max(axis=(2, 3, 4)) < 1e-3).sum() == 1

    def test_in_a_notebook_it_is_the_sheet(self, swept):
        assert swept._repr_png_().startswith(b"\x89PNG")


class TestPlot:
    def test_every_cell_is_at_its_place(self, swept):
        figure = swept.plot()
        assert isinstance(figure, matplotlib.figure.Figure)
        axes = figure.subfigs[0].axes[0]
        drawn = {(x, y) for line in axes.lines for x, y in zip(*line.get_data(), strict=True)}
        assert drawn == {(cell.content, cell.style) for cell in swept.cells}
        assert {text.get_text() for text in axes.texts} == {"1", "2", "3", "4", "5", "6"}
        legend = [text.get_text() for text in axes.get_legend().texts]
        assert legend == ["style coffee", "style rocket", "Pareto front"]
        shown = [one for one in figure.subfigs[1].axes if one.images]
        assert len(shown) == min(6, len(swept.pareto))

    def test_of_many_cells_the_front_alone_is_numbered(self, photo):
        costs = [(1 - k / 100, 1 + k / 100) for k in range(50)]
        swept = made([None] * 50, [(0.1, 0.1), *costs[1:]])
        swept.cells[0].result = sk.Result(photo, photo, [], 0, 0.0, "steps", {})
        axes = swept.plot().subfigs[0].axes[0]
        assert [text.get_text() for text in axes.texts] == ["1"]

    def test_without_a_judged_cell(self):
        swept = made([None], [(math.nan, math.nan)])
        swept.cells[0].problem = "broke"
        assert swept.plot().subfigs[0].axes


class TestSave:
    def test_writes_all(self, swept, tmp_path):
        folder = swept.save(tmp_path / "tuning")
        names = {path.name for path in folder.iterdir()}
        cells = {f"cell-0{k}.png" for k in range(1, 7)}
        assert names == {"sheet.png", "curve.png", "sweep.csv"} | cells
        np.testing.assert_allclose(
            sk.read_image(folder / "cell-04.png"), swept.cells[3].image, atol=0.51 / 255
        )
        manifest = json.loads(Image.open(folder / "cell-04.png").text["stylekit"])
        assert manifest["terms"]["gram_style"]["weight"] == pytest.approx(8 * GRAM_FACTOR * 0.2)

    def test_the_table(self, swept, tmp_path):
        swept.save(tmp_path)
        rows = list(csv.DictReader((tmp_path / "sweep.csv").open(encoding="utf-8")))
        first = ["cell", "style", "strength", "steps", "seconds", "total", "content", "gram_style"]
        judged = ["judged_style", "judged_content", "pareto", "problem"]
        assert list(rows[0]) == [*first, *judged]
        for row, cell in zip(rows, swept.cells, strict=True):
            last = cell.result.losses[-1]
            assert row["style"] == cell.labels["style"]
            assert float(row["strength"]) == cell.parameters["strength"]
            assert float(row["gram_style"]) == pytest.approx(last["gram_style"], rel=1e-5)
            assert float(row["judged_style"]) == pytest.approx(cell.style, rel=1e-5)
            assert row["pareto"] == str(cell in swept.pareto)

    def test_no_file_is_written_in_place(self, swept, tmp_path):
        """What a full disk or a kill would leave half written has the old content."""
        folder = swept.save(tmp_path / "tuning")
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        for name in before:
            (tmp_path / name).hardlink_to(folder / name)
        dataclasses.replace(swept, cells=swept.cells[:2]).save(folder)
        for name in ("sheet.png", "curve.png", "sweep.csv"):
            assert (tmp_path / name).read_bytes() == before[name] != (folder / name).read_bytes()

    def test_a_folder_that_cannot_be(self, swept, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(FileError, match="file is a file"):
            swept.save(tmp_path / "file")


def test_repr(swept):
    assert repr(swept) == (
        "Sweep(style=['coffee', 'rocket'], strength=['0.2', '0.5', '0.9']: 6 of 6 cells)"
    )
