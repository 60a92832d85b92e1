import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from scipy.io import savemat

from stylekit.features._formats.matlab import variables


def saved(held, **options):
    buffer = io.BytesIO()
    savemat(buffer, held, **options)
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", ["f4", "f8", "u1", "i2", "i4", "u8"])
def test_arrays(kind, compressed):
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    (found,) = variables(saved({"a": array}, do_compression=compressed), ("a",)).values()
    assert found.dtype == kind
    np.testing.assert_array_equal(found, array)


def test_texts_cells_and_structs():
    cells = np.empty((1, 3), object)
    cells[0, 0], cells[0, 1], cells[0, 2] = "conv1_1", np.ones((1, 2)), {"deep": {"er": "äöü"}}
    several = np.array([(1, "x"), (2, "y")], [("n", "O"), ("s", "O")])
    held = {"c": cells, "s": several, "t": "", "other": 3}
    found = variables(saved(held), ("c", "s", "t"))
    assert list(found) == ["c", "s", "t"]
    text, ones, struct_ = found["c"]
    assert (text, struct_, found["t"]) == ("conv1_1", {"deep": {"er": "äöü"}}, "")
    assert ones.shape == (1, 2)
    assert [one["s"] for one in found["s"]] == ["x", "y"]


def test_the_other_order_of_bytes():
    def element(kind, content):
        return struct.pack(">II", kind, len(content)) + content + bytes(-len(content) % 8)

    inside = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", 1, 2))
    inside += struct.pack(">HH4s", 1, 1, b"a") + element(9, struct.pack(">2d", 1.5, 2.5))
    content = bytes(124) + struct.pack(">H2s", 256, b"MI") + element(14, inside)
    np.testing.assert_array_equal(variables(io.BytesIO(content), ("a",))["a"], [[1.5, 2.5]])


def test_a_small_file_takes_little_memory():
    zeros = zlib.compress(bytes(100_000_000))
    head = bytes(124) + struct.pack("<H2s", 256, b"IM")
    content = head + struct.pack("<II", 15, len(zeros)) + zeros
    huge = struct.pack("<8I", 6, 8, 1, 0, 5, 8, 2**16, 2**15) + struct.pack("<II", 1, 0)
    large = head + struct.pack("<II", 14, len(huge)) + huge
    tracemalloc.start()
    for one in (content, large):
        with pytest.raises(ValueError, match=r"unsupported type 0|larger than the file"):
            variables(io.BytesIO(one), ("", "a"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e7


def test_damaged_files_raise(rng):
    cells = np.empty((1, 2), object)
    cells[0, 0], cells[0, 1] = {"name": "a", "weights": np.ones((3, 3, 3, 4))}, "text"
    whole = np.frombuffer(saved({"a": cells}).getvalue(), np.uint8)
    for _ in range(400):
        content = whole.copy()
        content[rng.integers(120, min(len(whole), 700), 3)] = rng.integers(0, 256, 3)
        try:
            variables(io.BytesIO(content.tobytes()), ("a",))
        except Exception as error:
            assert not isinstance(error, MemoryError)
    with pytest.raises(ValueError, match="not a MATLAB file of a version before"):
        variables(io.BytesIO(b"MATLAB 7.3 MAT-file" + bytes(200)), ("a",))
