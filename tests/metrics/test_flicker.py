import numpy as np
import pytest

from stylekit import metrics
from stylekit._checks import InputError, StylekitError


@pytest.fixture
def clip(rng):
    """A pan: in each frame all is 2 pixels further left."""
    wide = rng.random((12, 30, 3)).astype("float32")
    return [wide[:, 2 * i : 2 * i + 20] for i in range(4)]


def pan(x):
    return np.broadcast_to(np.float32([x, 0]), (12, 20, 2))


def flow(clip):
    """The flow of the clip: what comes later is to the right in earlier frames."""
    order = {frame.tobytes(): i for i, frame in enumerate(clip)}
    return lambda one, other: pan(2 * (order[one.tobytes()] - order[other.tobytes()]))


def test_a_frame_that_only_moves_has_no_error(clip):
    weights = np.ones((12, 20))
    weights[:, -2:] = 0  # it comes into view
    assert metrics.warping_error(clip[1], clip[0], pan(2), weights) < 1e-5
    assert metrics.warping_error(clip[1], clip[0], pan(2)) > 0.05
    assert metrics.warping_error(clip[1], clip[0], pan(2), 0 * weights) == 0


def test_it_is_the_root_of_the_mean_square():
    one, other = np.full((2, 12, 20, 3), 0.5)
    other[:6] += 0.2
    assert metrics.warping_error(one, other, pan(0)) == pytest.approx(0.2 * 0.5**0.5, rel=1e-4)
    half = np.repeat([1, 0], 6)[:, None] * np.ones(20)
    assert metrics.warping_error(one, other, pan(0), half) == pytest.approx(0.2, rel=1e-4)


def test_flicker_is_the_mean_over_frames(clip):
    assert metrics.flicker(clip, clip, flow=flow(clip)) < 1e-5
    brighter = [frame * (0.5 + 0.1 * (i % 2)) for i, frame in enumerate(clip)]
    expected = 0.1 * np.mean([np.sqrt(np.mean(frame[:, :18] ** 2)) for frame in clip[1:]])
    assert metrics.flicker(iter(brighter), iter(clip), flow=flow(clip)) == pytest.approx(
        expected, rel=0.01
    )


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda clip: metrics.flicker(clip[:3], clip), "results"),
        (lambda clip: metrics.flicker(clip, clip[:3]), "results"),
        (lambda clip: metrics.flicker(clip[:1], clip[:1]), "results"),
        (lambda clip: metrics.warping_error(clip[0], clip[0][1:], pan(0)), "before"),
        (lambda clip: metrics.warping_error(clip[0], clip[0], pan(0)[1:]), "flow"),
        (lambda clip: metrics.warping_error(clip[0], clip[0], pan(0), np.ones(3)), "weights"),
        (lambda clip: metrics.warping_error(clip[0], clip[0], pan(0), -pan(1)[..., 0]), "weights"),
    ],
)
def test_what_cannot_be_used(call, argument, clip):
    with pytest.raises(StylekitError) as raised:
        call(clip)
    assert isinstance(raised.value, InputError)
    assert raised.value.argument == argument
