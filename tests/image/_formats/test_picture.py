import os

import pytest

from stylekit._checks import FileError, InputTypeError
from stylekit.image._formats.picture import existing_file


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
    with pytest.raises(InputTypeError, match="path is no path"):
        existing_file(path)
