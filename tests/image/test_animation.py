import sys

import numpy as np
import pytest
from PIL import Image

from stylekit._checks import FileError, InputError, InputTypeError, SetupError
from stylekit.image import check_animation, write_animation

COLORS = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
FRAMES = [np.full((18, 25, 3), color, np.float32) for color in COLORS]


def read(path):
    """Return the frames and their milliseconds."""
    frames, durations = [], []
    with Image.open(path) as file:
        for index in range(file.n_frames):
            file.seek(index)
            frames.append(np.asarray(file.convert("RGB")) / 255)
            durations.append(file.info["duration"])
        assert file.info["loop"] == 0
    return frames, durations


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".GIF"])
def test_frames_in_their_order_and_time(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    assert write_animation(str(path), iter(FRAMES), fps=10, hold=0.5) == path
    frames, durations = read(path)
    assert durations == [100, 100, 600]
    for frame, expected in zip(frames, FRAMES, strict=True):
        np.testing.assert_allclose(frame, expected, atol=0.03)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_frames_get_the_size_of_the_last(tmp_path):
    small = np.full((9, 12, 3), 0.25)
    path = write_animation(tmp_path / "a.webp", [small, Image.new("L", (50, 36)), FRAMES[0]])
    frames, _ = read(path)
    assert [frame.shape for frame in frames] == [(18, 25, 3)] * 3
    np.testing.assert_allclose(frames[0], 0.25, atol=0.03)


def test_many_colours_survive_in_a_gif(tmp_path, rng):
    ramp = np.dstack(np.broadcast_arrays(*np.ogrid[0:1:64j, 0:1:64j], 0.5))
    frames, _ = read(write_animation(tmp_path / "a.gif", [ramp, ramp[::-1]]))
    assert np.abs(frames[0] - ramp).mean() < 0.03
    assert np.abs(frames[1] - ramp[::-1]).mean() < 0.03


def test_video(tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    import imageio.v3 as iio

    path = write_animation(tmp_path / "a.mp4", FRAMES, fps=4, hold=0.5)
    frames = iio.imread(path, plugin="FFMPEG") / 255
    assert frames.shape == (3 + 2, 18, 26, 3)  # an odd side has a pixel more
    for index, color in enumerate((*COLORS, *COLORS[-1:] * 2)):
        np.testing.assert_allclose(frames[index].mean(axis=(0, 1)), color, atol=0.1)
    assert iio.immeta(path, plugin="FFMPEG")["fps"] == 4


def test_a_video_without_its_package_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    for act in (check_animation, lambda path: write_animation(path, FRAMES)):
        with pytest.raises(SetupError, match=r"(?i)pip install imageio-ffmpeg.*\.gif"):
            act(tmp_path / "a.mp4")
    check_animation(tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "pictures", "options", "error", "words"),
    [
        ("a.avi", FRAMES, {}, FileError, r"expected \.gif, \.webp, \.mp4"),
        ("nowhere/a.gif", FRAMES, {}, FileError, "a folder that exists"),
        ("a.gif", [], {}, InputError, "there are no pictures"),
        ("a.gif", [FRAMES[0], FRAMES[0] * 9], {}, InputError, r"pictures\[1\]"),
        ("a.gif", FRAMES, {"fps": 0}, InputError, "fps"),
        ("a.gif", FRAMES, {"hold": -1}, InputError, "hold"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(name, pictures, options, error, words, tmp_path):
    with pytest.raises(error, match=words):
        write_animation(tmp_path / name, pictures, **options)
    assert list(tmp_path.iterdir()) == []


def test_an_early_check(tmp_path):
    check_animation(tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []
    for path, error in (
        ("a.png", FileError),
        (tmp_path / "no" / "a.gif", FileError),
        (FRAMES, InputTypeError),
    ):
        with pytest.raises(error):
            check_animation(path)
