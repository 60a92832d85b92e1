"""Which pictures are painted, by which names; and what is refused before anything is read."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

import stylekit as sk
from stylekit._defaults import BATCH_SHEET
from stylekit.batch.listing import Job, jobs, prepared


def names(todo):
    return [job.output.name for job in todo]


def pairs(todo):
    return [(job.content.stem, job.style.stem) for job in todo]


ALL = [("astronaut", "coffee"), ("astronaut", "rocket"), ("cat", "coffee"), ("cat", "rocket")]


@pytest.mark.parametrize(
    "contents",
    ["photos", "p*/**/*.??g", ["photos/astronaut.png", Path("photos/cat.jpg")]],
    ids=["folder", "pattern", "files"],
)
def test_contents_are_a_folder_a_pattern_or_files(folder, contents):
    todo = jobs(contents, ["styles/coffee.png", "styles/rocket.png"], "out")
    assert pairs(todo) == ALL
    assert names(todo) == [f"{one}-{other}.png" for one, other in ALL]
    assert todo[0].output == Path("out") / "astronaut-coffee.png"
    assert not Path("out").exists()


def test_styles_are_a_folder_too_and_go_line_by_line(folder):
    assert pairs(jobs("photos", "styles", "out")) == ALL
    assert pairs(jobs("photos", "styles", "out", pairs="lines")) == [ALL[0], ALL[3]]


def test_files_that_are_no_pictures_are_skipped_and_told(folder):
    for name in ("a.txt", "Thumbs.db", ".hidden.png", "b.txt", "c.txt", "d.txt"):
        Path("photos", name).touch()
    Path("photos/more.png").mkdir()
    with pytest.warns(UserWarning, match="photos.*: Thumbs.db, a.txt, b.txt, c.txt and 1 more"):
        assert len(jobs("photos", "styles", "out")) == 4


def test_a_pattern_of_names(folder):
    todo = jobs("photos", "styles", "out", name="{index:03d}_{style}.{content}.jpg")
    assert names(todo)[1:3] == ["002_rocket.astronaut.jpg", "003_coffee.cat.jpg"]


def test_a_table_has_pictures_and_their_options(folder):
    Path("lists").mkdir()
    Path("lists/mask.png").touch()
    text = "\ufeffcontent; style; output; strength; steps; mask; protect; keep_colors\n"
    text += "../photos/cat.jpg; ../styles/coffee.png; One.png; 0.5; 7; mask.png; False; match\n;\n"
    text += "../photos/cat.jpg; ../styles/rocket.png\n"
    Path("lists/todo.csv").write_text(text, encoding="utf-8")
    first, second = jobs("lists/todo.csv", folder="out")
    options = {"strength": 0.5, "steps": 7, "mask": str(Path("lists/mask.png"))}
    assert first.options == options | {"protect": False, "keep_colors": "match"}
    assert first.output.name == "One.png"
    assert (second.options, second.output.name) == ({}, "cat-rocket.png")
    assert second.content.samefile("photos/cat.jpg")
    assert pickle.loads(pickle.dumps(first)) == first


def test_a_table_without_styles_goes_by_those_given(folder):
    Path("todo.csv").write_text('content,strength\n"photos/cat.jpg",1\nphotos/astronaut.png,\n')
    todo = jobs(Path("todo.csv"), "styles", "out")
    assert pairs(todo) == ALL[2:] + ALL[:2]
    assert [job.options for job in todo] == [{"strength": 1}, {"strength": 1}, {}, {}]


ROW = "photos/cat.jpg,styles/rocket.png"


@pytest.mark.parametrize(
    ("arguments", "argument", "message"),
    [
        (("nowhere", "styles"), "contents", "nowhere does not exist.*a picture, a folder or a pat"),
        (("photos/dog.jpg", "styles"), "contents", "dog.jpg does not exist"),
        (("photos", "https://a.org/b?c=*"), "styles", "is a web address.*Download it firs"),
        (("photos", "styles/offee.png"), "styles", "does not exist.* Did you mean coffee.png"),
        (("photos", ["styles", "gone.png"]), "styles", "gone.png does not exist"),
        (("empty", "styles"), "contents", r"empty has no pictures.*received no files\. Check"),
        (("texts", "styles"), "contents", "texts has no pictures.*received a.txt"),
        ((".", "styles"), "contents", r"use a pattern such as \*\*/\*\.jpg"),
        (("*.gif", "styles"), "contents", r"\*\.gif has no pictures"),
        (("phot*", "styles"), "contents", r"use a pattern such as phot\*/\*\.jpg"),
        (([], "styles"), "contents", "`contents` is empty"),
        ((3, "styles"), "contents", "expected a path, or a list of paths, received int"),
        (("photos", [3]), "styles", "`styles` is not a path"),
        (("photos",), "styles", "At least one style is required"),
        (("photos", "styles", "photos"), "folder", "would be mixed with .* in photos"),
        (("photos", "styles", "styles/../photos"), "folder", "would be mixed with .* in photos"),
        (("photos", "styles", "styles"), "folder", "would be mixed with .* in styles"),
        (("gone.csv", "styles"), "contents", "the table gone.csv does not exist"),
        (("todo.csv", "styles"), "styles", "styles are given both as `styles` and in the table"),
        (("a/b/c", "styles"), "contents", "does not exist either"),
    ],
)
def test_pictures_that_are_not_there(folder, arguments, argument, message):
    Path("empty").mkdir()
    Path("texts").mkdir()
    Path("texts/a.txt").touch()
    Path("todo.csv").write_text(f"content,style\n{ROW}\n")
    with pytest.raises(sk.StylekitError, match=message) as raised:
        jobs(*arguments)
    assert raised.value.argument == argument


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "{content}.png",
            "astronaut.png by .*coffee.png and .*astronaut.png by .*rocket.png w",
        ),
        ("{content}.png", "written to one file, astronaut.png, by the pattern '{content}.png'"),
        ("{contnt}.png", "an unknown field 'contnt': expected the fields {content}, {style}, {ind"),
        ("{}.png", "an unknown field ''"),
        ("{index:{content}}.png", "an unknown field 'index'"),
        ("{content.parent}.png", "an unknown field 'content.parent'"),
        ("{content:d}.png", "cannot be read"),
        ("{content.png", "cannot be read"),
        ("a/{index}.png", "expected a file name without a folder. Pass the folder as `folder`"),
        (3, "`name` must be a string"),
    ],
)
def test_a_pattern_that_cannot_be_used(folder, name, message):
    with pytest.raises(sk.StylekitError, match=message) as raised:
        jobs("photos", "styles", "out", name=name)
    assert raised.value.argument == "name"


def test_names_that_a_file_system_may_take_for_one(folder):
    Path("more").mkdir()
    Path("photos/cat.jpg").rename("more/Astronaut.png")
    both = ["photos/astronaut.png", "more/Astronaut.png"]
    with pytest.raises(sk.InputError, match="one file, Astronaut-rocket"):
        jobs(both, "styles/rocket.png", "out")
    Path("photos/astronaut.png").rename("photos/sheet.png")
    with pytest.raises(sk.InputError, match=f"the contact sheet and .* one file, {BATCH_SHEET}"):
        jobs("photos", "styles/rocket.png", "out", name="{content}.jpg")
    # The manifest of both would be a.json.
    Path("todo.csv").write_text(f"content,style,output\n{ROW.replace('photos', 'more')},a.jpg\n")
    Path("more/Astronaut.png").rename("more/cat.jpg")
    with Path("todo.csv").open("a") as file:
        file.write(f"{ROW.replace('photos', 'more')},A.webp\n")
    with pytest.raises(sk.InputError, match=r"file, A\.webp, by the column 'output'") as raised:
        jobs("todo.csv", folder="out")
    assert raised.value.argument == "contents"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not list the columns.*received nothing"),
        (f"photo,style\n{ROW}", "does not list the columns"),
        (f"contents,style\n{ROW}", "Did you mean content"),
        (f"content,content\n{ROW}", "each once"),
        (f"content,style,\n{ROW},1", "does not list the columns"),
        ("content,style\n\n,\n", "has no pictures: expected one line per picture"),
        (
            f"content,style\n{ROW},1",
            "line 2 of todo.csv has too many cells: expected 2.*ed 3",
        ),
        (f"content,style\n{ROW}\nphotos/cat.jpg", "line 3 of todo.csv has no style"),
        ("content,style\n,styles/rocket.png", "line 2 of todo.csv has no content"),
        (f"content,style\n{ROW[:-1]}", "rocket.pn, the style in line 2 of todo.csv, does not exis"),
        (f'content,style\n"{ROW}', "todo.csv cannot be read"),
        (f"content,style,output\n{ROW},a/b.png", "a file name without a folder"),
    ],
)
def test_a_table_that_cannot_be_read(folder, text, message):
    Path("todo.csv").write_text(text)
    with pytest.raises(sk.StylekitError, match=message) as raised:
        jobs("todo.csv", folder="out")
    assert raised.value.argument == "contents"


def test_a_table_that_is_no_text(folder):
    Path("todo.csv").write_bytes(b"content\n\xff\xfe")
    with pytest.raises(sk.FileError, match=r"todo\.csv cannot be read"):
        jobs("todo.csv", "styles", "out")


def job(output):
    return Job(Path("photos/cat.jpg"), Path("styles/coffee.png"), Path(output))


@pytest.mark.parametrize(
    ("outputs", "bits", "argument", "message"),
    [
        ([], 8, "jobs", "a batch needs jobs"),
        (["a/x.png", "b/x.png"], 8, "jobs", "several folders.*received a, b"),
        (["a/b/x.png"], 8, "folder", "the folder a.b cannot be created"),
        (["photos/cat.jpg/x.png"], 8, "folder", "cat.jpg is a file: expected a folder"),
        (["out/x.gif"], 8, "name", "unknown suffix"),
        (["out/x.png"], 16, "bits", "16 bits per channel"),
        (["photos/note.jpg"], 8, "name", "note.json would be overwritten"),
    ],
)
def test_what_cannot_be_written(folder, outputs, bits, argument, message):
    Path("photos/note.json").write_text("{}")
    with pytest.raises(sk.StylekitError, match=message) as raised:
        prepared([job(one) for one in outputs], bits)
    assert raised.value.argument == argument


def test_a_folder_that_is_not_to_be_written_to(folder, full_disk, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(sk.FileError, match=r"to write in .*Permission denied") as raised:
        prepared([job("out/x.png")])
    assert raised.value.argument == "folder"


def test_pictures_are_listed_without_tensorflow(folder):
    code = "import sys; from stylekit import batch; batch.jobs('photos', 'styles'); "
    code += "print(*{'tensorflow', 'keras', 'scipy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_pattern_does_not_find_what_was_painted(folder):
    before = jobs("**/*.png", "styles/coffee.png", "out")
    Path("out").mkdir()
    Image.fromarray(data.astronaut()).save("out/astronaut-coffee.png")
    assert jobs("**/*.png", "styles/coffee.png", "out") == before
