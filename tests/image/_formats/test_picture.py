import io
import os
from pathlib import Path

import pytest

from stylekit._checks import FileError, InputTypeError
from stylekit.image._formats.picture import existing_file, opened


def test_existing_file(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    assert existing_file(path) == existing_file(str(path)) == path


def test_missing_file_suggests_a_neighbour(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(FileError, match=r"phto\.jpg does not exist.*Did you mean photo\.jpg"):
        existing_file(tmp_path / "phto.jpg")


def test_missing_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError) as caught:
        existing_file("nowhere/a.jpg")
    assert str(tmp_path / "nowhere") in str(caught.value)


@pytest.mark.parametrize("path", ["https://a.org/b.jpg", Path("http://a.org/b.jpg")])
def test_an_address_is_to_be_downloaded_first(path):
    with pytest.raises(FileError, match=r"//a\.org/b\.jpg is a web address.*Download it first"):
        existing_file(path)


def test_folder(tmp_path):
    with pytest.raises(FileError, match="is a folder"):
        existing_file(tmp_path)


def test_empty_file(tmp_path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(FileError, match=r"a\.jpg is empty.*0 bytes"):
        existing_file(tmp_path / "a.jpg")


def test_impossible_name():
    with pytest.raises(FileError, match="cannot be read"):
        existing_file("a\0b.jpg")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_forbidden_file(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(FileError, match="cannot be read"):
        existing_file(path)


@pytest.mark.parametrize("path", [None, 3, b"a.jpg", ["a.jpg"]])
def test_no_path(path):
    with pytest.raises(InputTypeError, match="`path` is not a path"):
        existing_file(path)


def test_a_path_may_be_bytes_inside(tmp_path):
    class Somewhere(os.PathLike):
        def __fspath__(self):
            return os.fsencode(tmp_path / "a.png")

    (tmp_path / "a.png").write_bytes(b"x")
    assert existing_file(Somewhere()) == tmp_path / "a.png"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", "/dev/zero"):
        with pytest.raises(FileError, match="is a pipe or a device"):
            existing_file(path)


def unusable(folder):
    """Return paths of which the system says neither that a file is there nor that none is."""
    (folder / "loop.png").symlink_to(folder / "loop.png")
    return ["a" * 300 + ".png", "nul\0.png", folder / "loop.png"]


def test_whatever_the_system_refuses_is_told(tmp_path):
    for path in unusable(tmp_path):
        with pytest.raises(FileError, match=r"cannot be read.*received"):
            existing_file(path)


def test_a_folder_that_may_not_be_entered(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.stat", refuse)
    with pytest.raises(FileError, match=r"cannot be read.*Permission denied"):
        existing_file(tmp_path / "a.png")


class Pipe(io.RawIOBase):
    """A file that cannot seek."""

    def __init__(self, content):
        self.content = io.BytesIO(content)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self.content.readinto(buffer)


@pytest.mark.parametrize("wrap", [bytes, bytearray, io.BytesIO, Pipe])
def test_content_is_read_from_its_beginning(wrap):
    source = wrap(b"abc")
    if wrap is io.BytesIO:
        source.seek(2)
    with opened(source, "x") as (file, name):
        assert (file.read(), name) == (b"abc", "x")
    assert wrap is not io.BytesIO or not source.closed


def test_content_that_cannot_be_read(tmp_path):
    closed = io.BytesIO(b"abc")
    closed.close()
    for source, error, words in (
        (b"", FileError, "x is empty"),
        (closed, FileError, "x cannot be read.*closed"),
        (io.StringIO("abc"), InputTypeError, "x is not a binary file.*'rb'.*is str"),
        ((tmp_path / "out").open("wb"), FileError, "x cannot be read"),
    ):
        with pytest.raises(error, match=words), opened(source, "x"):
            pass
