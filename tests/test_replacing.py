"""Files that appear whole or not at all, whatever is written."""

import os
import sys

import pytest

from stylekit._checks import FileError
from stylekit._write import replacing, unfinished


def test_what_is_written_is_on_the_disk_before_it_takes_the_place(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text("old")
    seen = []

    def synced(number):
        seen.append((os.fstat(number).st_size, path.read_text()))

    monkeypatch.setattr(os, "fsync", synced)
    with replacing(path) as file:
        file.write(b"newer")
    assert seen == [(5, "old")]
    assert path.read_text() == "newer"


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, full_disk):
    path = tmp_path / "a.json"
    path.write_text("old")
    broken = pytest.raises(FileError, match=r"a\.json cannot be written.*No space")
    with full_disk(), broken, replacing(path) as file:
        file.write(b"new")
    assert [one.read_text() for one in tmp_path.iterdir()] == ["old"]


def test_an_error_of_what_is_written_keeps_its_words(tmp_path):
    with pytest.raises(FileError, match="its own words"), replacing(tmp_path / "a.json"):
        raise FileError("its own words")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("through", [True, False])
def test_a_link_is_followed_or_replaced(through, tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    link.symlink_to(real)
    with replacing(link, through_link=through) as file:
        file.write(b"new")
    assert link.read_text() == "new"
    assert link.is_symlink() == through
    assert real.read_text() == ("new" if through else "old")


@pytest.mark.parametrize("name", ["a.npz", "[a].npz", "ä" * 100 + ".npz"])
def test_what_a_killed_process_has_left_is_found(name, tmp_path):
    path = tmp_path / name
    with replacing(path) as file:
        assert [file.name] == [str(one) for one in unfinished(path)]
        assert not unfinished(tmp_path / "b.npz")
    assert not unfinished(path)
