"""Many pictures: each as `stylize` paints it, whatever befalls the others, and none twice."""

import csv
import dataclasses
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import stylekit as sk
from stylekit.batch import Job, Row, finished, jobs, paint, runner
from stylekit.batch.table import Table
from stylekit.recipes.presets import kolkin2022
from stylekit.recipes.recipe import divided


@pytest.fixture
def todo(folder):
    return jobs("photos", "styles/coffee.png", "out")


def table(folder="out"):
    with Path(folder, "batch.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def stop_at(index):
    """Interrupt a run at a step, as Ctrl-C does."""

    def stop(step):
        if step.index == index:
            raise KeyboardInterrupt

    return stop


@pytest.mark.slow
def test_each_picture_is_what_stylize_makes_of_it_and_one_trace_serves_all(
    folder, run, work, monkeypatch
):
    traced, seen = [], []
    compute = sk.TotalVariationLoss.compute

    def counted(self, *arguments):
        traced.append(self.channels)
        return compute(self, *arguments)

    monkeypatch.setattr(sk.TotalVariationLoss, "compute", counted)
    Path("photos/broken.jpg").write_text("no picture")
    todo = jobs("photos", "styles", "out")
    done = run(todo, plan=None, on_picture=seen.append)
    assert len(traced) == len(set(traced))
    assert repr(done) == "Batch('out': 4 of 6 pictures, 2 failed)"
    assert seen == done.rows
    assert [row.job for row in done.failed] == todo[2:4]
    files = {job.output.name for job in todo if job.content.stem != "broken"}
    assert {path.name for path in Path("out").iterdir()} == files | {"batch.csv", "sheet.jpg"}
    manifest = json.loads(Image.open("out/cat-rocket.png").text["stylekit"])
    assert manifest["plan"] == "Reuse()"

    how = {"extractor": work.extractor, "plan": work.plan, **work.options}
    alone = sk.stylize("photos/cat.jpg", "styles/rocket.png", **how)
    np.testing.assert_allclose(sk.read_image("out/cat-rocket.png"), alone.image, atol=1 / 254)
    rows = table()
    assert [row["output"] for row in rows] == [job.output.name for job in todo]
    assert rows[5]["content"] == str(Path("photos/cat.jpg"))
    assert rows[5]["style"] == str(Path("styles/rocket.png"))
    assert rows[5]["steps"] == "4"
    assert float(rows[5]["seconds"]) > 0
    for name, value in alone.losses[-1].items():
        assert float(rows[5][f"loss_{name}"]) == pytest.approx(value, rel=1e-4)
    assert "is not a picture that can be read" in rows[2]["error"]
    assert rows[2]["steps"] == rows[0]["error"] == ""


def test_what_is_finished_is_not_painted_again(todo, run, work):
    first = run(todo)
    before = [path.stat().st_mtime_ns for path in Path("out").glob("*-*.png")]
    again = run(todo, on_picture=lambda row: pytest.fail("it is painted"))
    assert again.found == 2
    assert repr(again) == "Batch('out': 2 of 2 pictures, 2 of them in an earlier run)"
    assert [path.stat().st_mtime_ns for path in Path("out").glob("*-*.png")] == before
    own = [dataclasses.replace(row, seconds=round(row.seconds, 2)) for row in first.rows]
    assert again.rows == own
    assert finished(todo[0], work) == own[0]


class Other(sk.CompactVGG):
    """Another network."""

    def __repr__(self):
        return "Other()"


def mix(picture):
    """Return the option of a start that looks like another one's."""
    return {"initial": sk.Mix(f"styles/{picture}.png", sk.StyleStatistics("styles/coffee.png"))}


class Retrained(sk.CompactVGG):
    """A network of the same name."""

    def model(self, layers, dtype="float32"):
        model = super().model(layers, dtype)
        model.set_weights([2 * weight for weight in model.get_weights()])
        return model


@pytest.mark.parametrize(
    "change",
    [
        lambda job, work: job.output.unlink(),
        lambda job, work: job.output.write_bytes(job.output.read_bytes()[:-100]),
        lambda job, work: Image.open(job.output).save(job.output),  # without its manifest
        lambda job, work: Image.open("styles/rocket.png").save(job.style),
        lambda job, work: Image.open("styles/rocket.png").save(job.content),
        lambda job, work: job.content.unlink(),
        lambda job, work: dataclasses.replace(job, options={"strength": 0.4}),
        lambda job, work: dataclasses.replace(work, options={**work.options, "steps": 5}),
        lambda job, work: dataclasses.replace(work, options={**work.options, "mask": "mask.png"}),
        lambda job, work: dataclasses.replace(work, options={**work.options, "optimizer": 0.1}),
        lambda job, work: dataclasses.replace(work, options=work.options | mix("rocket")),
        lambda job, work: dataclasses.replace(work, extractor=Other()),
        lambda job, work: dataclasses.replace(work, extractor=Retrained()),
        lambda job, work: dataclasses.replace(work, bits=16),
        lambda job, work: dataclasses.replace(work, recipe=sk.recipes.photoreal),
    ],
    ids=[
        *("gone", "cut", "no manifest", "style", "content", "no content", "own option", "steps"),
        *("mask", "optimizer", "start", "network", "weights", "bits", "recipe"),
    ],
)
def test_what_is_made_otherwise_is_painted_again(todo, work, change):
    job = todo[0]
    Path("out").mkdir()
    work = dataclasses.replace(work, options={**work.options, **mix("coffee")})
    assert paint(job, work).error == ""
    job.content.touch()
    work = dataclasses.replace(work, options={**work.options, **mix("coffee")})
    assert finished(job, work) is not None
    changed = change(job, work)
    if isinstance(changed, Job):
        job = changed
    elif isinstance(changed, sk.batch.Work):
        work = changed
    assert finished(job, work) is None


def test_equal_options_are_equal_in_another_process(todo, work):
    def recipe(content, style, **options):
        raise NotImplementedError

    options = {
        "mask": np.eye(3),
        "picture": Image.new("L", (3, 3)),
        "function": lambda: None,
        "losses": [sk.TotalVariationLoss()],
        "optimizer": sk.LBFGS(3),
        "layers": {"a": 1.0},
        "path": Path("photos/cat.jpg"),
    }
    own = dataclasses.replace(work, recipe=recipe, options=options).made_from(todo[0])
    assert json.loads(json.dumps(own)) == own
    assert "0x" not in json.dumps(own)
    options |= {"mask": np.eye(3), "optimizer": sk.LBFGS(3), "path": "photos/cat.jpg"}
    assert dataclasses.replace(work, recipe=recipe, options=options).made_from(todo[0]) == own
    options["mask"] = 1 - np.eye(3)
    assert dataclasses.replace(work, recipe=recipe, options=options).made_from(todo[0]) != own


@pytest.mark.slow
def test_a_batch_that_is_broken_off_goes_on(todo, run):
    whole = run(todo)
    todo = [dataclasses.replace(job, output=Path("cut", job.output.name)) for job in todo]
    painted = []

    def stop(step):
        return len(painted) == 1 and stop_at(2)(step)

    cut = run(todo, callbacks=[stop], on_picture=painted.append)
    assert (cut.interrupted, len(cut.rows), cut.planned) == (True, 1, 2)
    assert repr(cut) == "Batch('cut': 1 of 2 pictures, interrupted)"
    assert not Path("cut/sheet.jpg").exists()
    assert [row["output"] for row in table("cut")] == [todo[0].output.name]
    assert [path.name for path in Path("cut/.stylekit").iterdir()] == [todo[1].output.name]

    steps = []

    class Seen(sk.transfer.Callback):
        def __call__(self, step):
            steps.append(step.index)

    again = run(todo, callbacks=[Seen()])
    assert again.found == 1
    assert steps == [2, 3, 4]
    assert [row.losses for row in again.rows] == [row.losses for row in whole.rows]
    for name in ("astronaut-coffee.png", "cat-coffee.png"):
        images = [np.array(Image.open(Path(one, name))) for one in ("cut", "out")]
        np.testing.assert_array_equal(*images)
    assert not Path("cut/.stylekit").exists()


def test_a_checkpoint_of_other_options_is_no_hindrance(todo, run):
    assert run(todo, callbacks=[stop_at(2)]).interrupted
    done = run(todo, steps=3)
    assert [row.steps for row in done.rows] == [3, 3]
    assert not Path("out/.stylekit").exists()


def test_a_damaged_checkpoint_costs_its_picture_alone(todo, run):
    run(todo, callbacks=[stop_at(2)])
    (state,) = Path("out/.stylekit").rglob("checkpoint.npz")
    state.write_text("damaged")
    (row,) = run(todo).failed
    assert row.job == todo[0]
    assert f"{state} is damaged" in row.error
    state.unlink()
    assert run(todo).found == 1
    assert not Path("out/.stylekit").exists()


def test_a_job_and_what_it_shares_can_be_pickled(todo, work):
    Path("out").mkdir()
    row = paint(todo[0], work)
    assert not row.error
    other = pickle.loads(pickle.dumps((todo[0], work, row)))
    assert other[::2] == (todo[0], row)
    assert finished(*other[:2]) is not None


@pytest.mark.slow
def test_a_job_is_painted_in_another_process(todo, work):
    Path("out").mkdir()
    row = paint(*pickle.loads(pickle.dumps((todo[0], work))))
    assert not row.error
    assert finished(todo[0], work) is not None


@pytest.mark.slow
@pytest.mark.parametrize(("name", "bits"), [("{content}.jpg", 8), ("{content}.tif", 16)])
def test_other_formats_have_their_manifest_beside(folder, run, name, bits):
    todo = jobs("photos", "styles/coffee.png", "out", name=name)
    run(todo, bits=bits, steps=0)
    assert Path("out/cat.json").is_file()
    assert run(todo, bits=bits, steps=0).found == 2


def test_a_table_gives_a_picture_its_own_options(folder, run):
    lines = "content,style,strength,steps\nphotos/cat.jpg,styles/coffee.png,{}\n"
    Path("todo.csv").write_text(lines.format("0,2"))
    done = run(jobs("todo.csv", folder="out"), strength=0.7)
    content = sk.read_image("photos/cat.jpg", 48)
    np.testing.assert_allclose(sk.read_image("out/cat-coffee.png"), content, atol=1 / 254)
    assert done.rows[0].steps == 0  # strength 0
    Path("todo.csv").write_text(lines.format("many,2"))
    (row,) = run(jobs("todo.csv", folder="out")).failed
    assert row.error.startswith("strength is not a number")


@pytest.mark.slow
def test_transparency_goes_over_unless_it_is_not_to(folder, run):
    Image.open("photos/astronaut.png").convert("RGBA").save("photos/astronaut.png")
    for metadata, mode in ((True, "RGBA"), (False, "RGB")):
        run(jobs("photos/astronaut.png", "styles/coffee.png", "out"), metadata=metadata, steps=0)
        assert Image.open("out/astronaut-coffee.png").mode == mode


@pytest.mark.parametrize(
    ("options", "argument", "message"),
    [
        ({"strenght": 1}, "strenght", "the batch has no option 'strenght'.*mean strength"),
        ({"checkpoint": "run"}, "checkpoint", "no option 'checkpoint'"),
        ({"strength": 2}, "strength", "strength is out of range"),
        ({"steps": -1}, "steps", "steps is out of range"),
        ({"content_layers": "conv9_1"}, "content_layers", "has no layer 'conv9_1'"),
        ({"optimizer": 3}, "optimizer", "`optimizer` must be an optimizer"),
        ({"extractor": 3}, "extractor", "`extractor` must be a FeatureExtractor"),
        ({"plan": 3}, "plan", "`plan` must be a plan"),
        ({"callbacks": 3}, "callbacks", "`callbacks` must be a list"),
        ({"checkpoint_every": 0}, "checkpoint_every", "out of range"),
        ({"recipe": lambda content, style: 3}, "recipe", "expected a Recipe.*received int"),
        ({"recipe": 3}, "recipe", "expected a function from a content and a style.*received 3"),
        ({"recipe": lambda content: 3}, "recipe", "the recipe cannot be used"),
        ({"recipe": sk.recipes.texture}, "recipe", r"received texture, which takes style\."),
        ({"recipe": sk.recipes.regions}, "recipe", "takes content, content_map, style, style_map"),
        ({"recipe": lambda a, b, *, c: 3}, "recipe", "which takes a, b, c"),
        ({"recipe": kolkin2022, "size": 48}, "style_layers", "Set `style_layers` to the nearest"),
        ({"bits": 16}, "bits", "16 bits"),
    ],
)
def test_an_option_of_all_is_refused_at_once(todo, network, options, argument, message):
    run = {"recipe": options["recipe"]} if "recipe" in options else {"size": 48}
    with pytest.raises(sk.StylekitError, match=message) as raised:
        sk.batch.run(todo, progress=False, **{"extractor": network, **run, **options})
    assert raised.value.argument == argument
    assert not Path("out/batch.csv").exists()


@pytest.mark.parametrize("name", ["strenght", "extractor", "checkpoint"])
def test_an_option_of_one_has_a_name_that_is_known(todo, run, name):
    todo[1] = dataclasses.replace(todo[1], options={name: 1})
    with pytest.raises(
        sk.InputError, match=f"unknown job option or table column '{name}'.*of basic"
    ) as raised:
        run(todo)
    assert raised.value.argument == "jobs"
    assert not Path("out").exists()


def test_a_recipe_of_one_s_own(todo, work):
    technique, how = divided(sk.recipes.basic, work.options)
    how |= {"extractor": work.extractor, "plan": work.plan, "progress": False}

    def own(*pictures, **options):
        if "cat" in str(pictures[0]):
            raise LookupError("no cats")
        assert options == {"shade": 3}
        return sk.recipes.basic(*pictures, **technique)

    (row,) = sk.batch.run(todo, recipe=own, shade=3, **how).failed
    assert row.error.startswith("LookupError: no cats (")
    assert f"{Path(__file__).name}, line " in row.error
    with pytest.raises(sk.InputTypeError, match="has no option 'checkpoint'"):
        sk.batch.run(todo, recipe=own, checkpoint="run", **how)


@pytest.mark.slow
def test_a_recipe_may_bring_its_network_and_its_optimizer(todo, plan, monkeypatch):
    networks = []
    run = sk.Recipe.run

    def seen(self, *arguments, **options):
        networks.append(options["extractor"])
        return run(self, *arguments, **options)

    def own(content, style):
        terms = [sk.PixelLoss(sk.read_image(style, 48))]
        bring = {"extractor": sk.CompactVGG(), "optimizer": sk.LBFGS(2)}
        return sk.Recipe(terms, content=sk.read_image(content, 48), steps=2, **bring)

    monkeypatch.setattr(sk.Recipe, "run", seen)
    done = sk.batch.run(todo, recipe=own, plan=plan, progress=False)
    assert not done.failed
    assert isinstance(networks[0], sk.CompactVGG)
    assert networks[0] is networks[1]
    manifest = json.loads(Image.open(todo[0].output).text["stylekit"])
    assert manifest["optimizer"].startswith("LBFGS(history=2")
    assert sk.batch.run(todo, recipe=own, plan=plan, progress=False).found == 2


def test_a_network_that_cannot_be_had_is_told_at_once(todo, monkeypatch):
    def absent(*_, **__):
        raise sk.FileError("there is no network", argument="weights")

    monkeypatch.setattr(sk.VGG19, "model", absent)
    with pytest.raises(sk.StylekitError, match="there is no network") as raised:
        sk.batch.run(todo, size=48, progress=False)
    assert raised.value.argument == "weights"


def test_what_is_no_job(run):
    with pytest.raises(sk.InputTypeError, match=r"must be an iterable of Job.*received str"):
        run(["photos/cat.jpg"])


def test_two_batches_do_not_write_to_one_folder(todo, run):
    def other(step):
        with pytest.raises(sk.FileError, match="out is in use by another batch") as raised:
            run(todo)
        assert raised.value.argument == "folder"
        return True

    done = run(todo, callbacks=[other])
    assert [row.steps for row in done.rows] == [0, 0]
    assert not done.failed


def test_a_folder_without_room_for_checkpoints_is_refused(todo, run):
    Path("out").mkdir()
    Path("out/.stylekit").touch()
    with pytest.raises(sk.FileError, match=r"the folder out.\.stylekit cannot be wr") as raised:
        run(todo)
    assert raised.value.argument == "folder"


def test_rows_of_other_pictures_stay_in_the_table(todo):
    Path("out").mkdir()
    path, names = Path("out/batch.csv"), [job.output.name for job in todo]
    Table(path, names).write([])
    assert table() == []
    rows = [Row(todo[0], 1.5, 3, {"total": 0.1}), Row(todo[1], error="a, b")]
    Table(path, names).write(rows)
    other = dataclasses.replace(todo[0], output=Path("out/other.png"))
    Table(path, ["other.png", names[0]]).write([Row(other, 1, 2, {"total": 1, "style": 2})])
    kept, own = table()
    assert (kept["output"], kept["error"], kept["loss_style"]) == (names[1], "a, b", "")
    assert (own["output"], own["seconds"], own["loss_style"]) == ("other.png", "1.00", "2")


@pytest.mark.parametrize("text", ["content,style\n", "", 'a\n"b', "\0"])
def test_another_file_is_not_overwritten_by_the_table(todo, run, text):
    Path("out").mkdir()
    Path("out/batch.csv").write_text(text)
    with pytest.raises(sk.FileError, match=r"batch\.csv would be overwritten") as raised:
        run(todo)
    assert raised.value.argument == "folder"
    assert Path("out/batch.csv").read_text() == text


def test_a_full_disk_ends_a_batch(todo, run, full_disk):
    run(todo, steps=0)
    with full_disk(), pytest.raises(sk.FileError, match=r"batch\.csv cannot be written") as raised:
        run(todo, steps=1)
    assert raised.value.argument == "folder"
    assert len(table()) == 2


@pytest.mark.parametrize(("styles", "columns"), [(3, 3), (1, 2), (9, 5)])
def test_a_style_has_a_column_of_its_own_on_the_sheet(folder, monkeypatch, styles, columns):
    seen = []
    monkeypatch.setattr(runner, "read_image", lambda path, size: size)
    monkeypatch.setattr(runner, "write_image", lambda *_: None)
    monkeypatch.setattr(runner, "contact_sheet", lambda *given, **how: seen.append((given, how)))
    todo = [
        Job(Path(f"{one}.jpg"), Path(f"{two}.jpg"), Path(f"{one}-{two}.png"))
        for one in range(2)
        for two in range(styles)
    ]
    runner._write_sheet(Path("sheet.jpg"), todo)
    ((pictures, names, found), how) = seen[0]
    assert (found, how, len(pictures), names[0]) == (columns, {"size": 192}, 2 * styles, "0-0")
    runner._write_sheet(Path("sheet.jpg"), todo * 1000)
    assert seen[1][1]["size"] < 192


def test_the_sheet_of_pictures_that_cannot_be_read_is_told(todo, run, monkeypatch):
    def refuse(*_, **__):
        raise sk.FileError("it is too large")

    monkeypatch.setattr(runner, "contact_sheet", refuse)
    with pytest.warns(UserWarning, match="sheet was not written: it is too large"):
        assert not run(todo, steps=0).failed
    run(todo, steps=0, sheet=False)
    assert not Path("out/sheet.jpg").exists()


def test_a_bar_goes_over_the_pictures(todo, run, capsys):
    run(todo, progress=True)
    shown = capsys.readouterr().err
    assert "2/2" in shown
    assert "cat-coffee.png, step 4 of 4" in shown


def test_no_picture_is_written_over_another(folder, run):
    Path("more").mkdir()
    Image.open("photos/cat.jpg").save("more/cat.png")
    twice = [*jobs("photos", "styles/coffee.png", "out"), *jobs("more", "styles/coffee.png", "out")]
    with pytest.raises(sk.InputError, match=r"cat-coffee\.png would be written over another"):
        run(twice)
    own = [Job("photos/cat.jpg", "styles/coffee.png", "photos/cat.jpg")]
    with pytest.raises(sk.InputError, match=r"cat\.jpg would be written over another"):
        run(own)
    assert not Path("out").exists()


def test_an_option_that_does_not_suit_one_picture_costs_that_alone(todo, run):
    cat = sk.read_image("photos/cat.jpg", 48)

    def mask(picture):
        return np.full(picture.shape[:2], np.allclose(picture, cat, atol=0.01), np.float32)

    done = run(todo, mask=mask)
    assert ["mask is empty" in row.error for row in done.rows] == [True, False]


def test_a_damaged_picture_does_not_hide_what_is_wrong_for_all(todo, run):
    todo[0].content.write_bytes(b"no picture")
    with pytest.raises(sk.InputError, match="strength"):
        run(todo, strength=2)
    assert not Path("out/.stylekit").exists()


def test_a_network_without_a_repr_is_the_same_in_another_process(todo, work):
    class Plain(sk.CompactVGG):
        __repr__ = object.__repr__

    made = [dataclasses.replace(work, extractor=Plain()).made_from(todo[0]) for _ in range(2)]
    assert made[0] == made[1]
    assert " at 0x" not in made[0]["extractor"]


def test_pictures_that_tile_have_sides_that_can(folder, run):
    Path("jobs.csv").write_text("content,tile,output\nphotos/astronaut.png,x,x.png")
    todo = jobs("jobs.csv", "styles/coffee.png", "out")
    how = {"size": 44, "steps": 0, "strength": 0}
    done = run(todo, **how)
    assert not done.failed
    with Image.open("out/x.png") as picture:
        assert picture.size == (48, 37)
        assert json.loads(picture.text["stylekit"])["tile"] == "x"
    assert run(todo, **how).found == 1
