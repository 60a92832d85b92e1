import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from stylekit._checks import FileError, InputError, InputTypeError, StylekitError
from stylekit.image import optical_flow, read_flow, unoccluded, warp


@pytest.fixture(scope="module")
def photo():
    return ndimage.gaussian_filter(data.astronaut() / 255, (1, 1, 0)).astype(np.float32)


def constant(x, y, shape=(40, 60)):
    return np.broadcast_to(np.float32([x, y]), (*shape, 2))


def test_a_shifted_photograph_is_found(photo):
    frame, other = photo[80:140, 200:280], photo[82:142, 197:277]
    flow = optical_flow(frame, other)  # what is at x of the frame is at x + 3, y - 2 of the other
    assert (flow.shape, flow.dtype) == ((60, 80, 2), np.float32)
    error = np.abs(flow[8:-8, 8:-8] - [3, -2])
    assert np.median(error) < 0.05
    assert np.abs(warp(other, flow) - frame)[8:-8, 8:-8].mean() < 0.01


def test_warp_takes_what_the_flow_points_to(rng):
    picture = rng.random((40, 60, 3)).astype("float32")
    np.testing.assert_allclose(warp(picture, constant(0, 0)), picture, atol=1e-5)
    moved = warp(picture, constant(5, -3))
    np.testing.assert_allclose(moved[3:, :-5], picture[:-3, 5:], atol=1e-5)
    np.testing.assert_allclose(moved[:3, -5:], np.broadcast_to(picture[0, -1], (3, 5, 3)), atol=0.2)
    assert moved.dtype == np.float32
    half = warp(picture, constant(0.5, 0))
    assert half.min() >= picture.min()
    assert half.max() <= picture.max()


def test_warp_keeps_strokes_that_move_by_half_a_pixel(photo):
    """Eight moves of half a pixel there and back; by linear interpolation 0.013 is lost."""
    moved = picture = photo[100:140, 200:260]
    for x in (0.5, -0.5) * 4:
        moved = warp(moved, constant(x, 0))
    assert np.abs(moved - picture)[8:-8, 8:-8].mean() < 0.004


def test_what_is_hidden_or_outside_is_not_seen():
    # Columns 20 to 29 move right by 4, the rest stays.
    flow, back = np.zeros((2, 40, 60, 2), np.float32)
    flow[:, 24:34, 0] = -4  # from the frame to the one before
    back[:, 20:30, 0] = 4
    seen = unoccluded(flow, back)
    assert (seen.shape, seen.dtype) == ((40, 60), np.float32)
    assert not seen[:, 20:24].any()  # uncovered
    assert seen[:, :19].all()
    assert seen[:, 26:32].all()
    assert seen[:, 36:].all()
    outside = unoccluded(constant(-7, 2), constant(7, -2))
    expected = np.zeros((40, 60))
    expected[:-2, 7:] = 1
    np.testing.assert_array_equal(outside, expected)


def test_the_edge_of_what_moves_is_not_seen():
    """The slopes of the flow there are large."""
    flow = constant(0, 0).copy()
    flow[:, 30:, 0] = 0.3
    seen = unoccluded(flow, -flow)
    assert not seen[:, 29:31].any()
    assert seen[:, :29].all()
    assert seen[:, 31:-1].all()


def test_flows_from_files(tmp_path, rng):
    flow = rng.normal(size=(5, 7, 2)).astype("<f4")
    np.save(tmp_path / "flow.npy", flow)
    header = np.array([(202021.25, 7, 5)], "<f4,<i4,<i4")
    (tmp_path / "flow.flo").write_bytes(header.tobytes() + flow.tobytes())
    for name in ("flow.npy", "flow.flo"):
        np.testing.assert_array_equal(read_flow(tmp_path / name), flow)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "cannot be read"), (b"no flow at all", "cannot be read"), (None, "does not exist")],
)
def test_files_that_hold_no_flow(tmp_path, content, message):
    for name in ("a.flo", "a.npy"):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(FileError, match=message) as raised:
            read_flow(tmp_path / name)
        assert raised.value.argument == "path"
    np.save(tmp_path / "b.npy", np.zeros((3, 4)))
    with pytest.raises(InputError, match="another shape") as raised:
        read_flow(tmp_path / "b.npy")
    assert raised.value.argument == "path"


PICTURE = np.zeros((40, 60, 3))


@pytest.mark.parametrize(
    ("call", "kind", "argument"),
    [
        (lambda: optical_flow(PICTURE, PICTURE[1:]), InputError, "other"),
        (lambda: optical_flow("gone.png", PICTURE), FileError, "frame"),
        (lambda: warp(PICTURE, constant(1, 1, (40, 50))), InputError, "flow"),
        (lambda: warp(PICTURE, constant(np.nan, 1)), InputError, "flow"),
        (lambda: warp(PICTURE, "left"), InputTypeError, "flow"),
        (lambda: unoccluded(np.zeros((3, 4)), constant(0, 0)), InputError, "flow"),
        (lambda: unoccluded(constant(0, 0), constant(0, 0, (4, 6))), InputError, "back"),
    ],
)
def test_what_cannot_be_used(call, kind, argument):
    with pytest.raises(StylekitError) as raised:
        call()
    assert isinstance(raised.value, kind)
    assert raised.value.argument == argument
