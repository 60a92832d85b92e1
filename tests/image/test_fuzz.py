"""A few seconds of ``tests/fuzz/pictures.py``, whose docstring says what is right."""

import pytest
from fuzz.pictures import damaged, outcome, seeds


@pytest.fixture(scope="module")
def files():
    return seeds()


def test_undamaged_files_are_read(files, tmp_path):
    for form, contents in files.items():
        for content in contents:
            assert outcome(content, tmp_path) == "read", form


@pytest.mark.parametrize("block", range(4))
def test_damaged_files_are_pictures_or_plain_errors(files, block, tmp_path):
    results = []
    for number in range(block * 75, block * 75 + 75):
        form, kind, content = damaged(files, 0, number)
        try:
            results.append(outcome(content, tmp_path))
        except BaseException as error:
            error.add_note(f"file {number} of seed 0: {form}, {kind}")
            raise
    assert {*results} == {"read", "refused"}
