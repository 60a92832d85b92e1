import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from stylekit._checks import FileError, InputError, SetupError, StylekitError
from stylekit.image import Video, check_video, write_video

ffmpeg = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()

COLORS = ((0.8, 0.2, 0.1), (0.1, 0.7, 0.3), (0.2, 0.1, 0.9), (0.5, 0.5, 0.5))
FRAMES = [np.full((18, 26, 3), color, np.float32) for color in COLORS]
SINE = ["-f", "lavfi", "-i", "sine=duration=0.5"]


def make(path, *arguments):
    command = [ffmpeg, "-v", "error", "-y", *arguments, str(path)]
    subprocess.run(list(map(str, command)), check=True)
    return path


def means(video):
    return [frame.mean(axis=(0, 1)) / 255 for frame in video]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".MKV"])
def test_frames_are_as_they_were_written(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    assert write_video(str(path), iter(FRAMES), 12.5) == path
    video = Video(path)
    assert (video.fps, video.seconds, video.count) == (12.5, pytest.approx(0.32), 4)
    assert video.sound == ""
    assert repr(video) == f"Video({str(path)!r}: about 4 frames, 12.5 fps)"
    frames = list(video)
    assert [(frame.shape, frame.dtype) for frame in frames] == [((18, 26, 3), np.uint8)] * 4
    np.testing.assert_allclose(means(frames), COLORS, atol=0.02)
    np.testing.assert_allclose(means(video), COLORS, atol=0.02)  # from the beginning, again
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_an_odd_side_has_a_pixel_more(tmp_path):
    odd = np.zeros((15, 21, 3), np.float32)
    odd[:, -2:] = 1
    (frame,) = Video(write_video(tmp_path / "a.mp4", [odd], 25, quality=0))
    assert frame.shape == (16, 22, 3)
    assert frame[:, -2:].mean() > 240


@pytest.mark.parametrize("told", ["23.98", "29.97", "59.94"])
def test_rates_are_what_two_digits_stand_for(told, tmp_path):
    exact = Fraction(round(float(told)) * 1000, 1001)
    video = Video(write_video(tmp_path / "a.mp4", FRAMES, exact))
    assert video.fps == exact
    assert len(list(video)) == 4


def test_another_rate_leaves_frames_out_or_repeats_them(tmp_path):
    path = write_video(tmp_path / "a.mp4", [FRAMES[k // 2] for k in range(8)], 8)
    np.testing.assert_allclose(means(Video(path, fps=4)), COLORS, atol=0.02)
    assert len(list(Video(path, fps=16))) == 16


def test_a_rate_that_varies_becomes_constant(tmp_path):
    write_video(tmp_path / "a.mkv", FRAMES, 10)
    varied = make(
        tmp_path / "b.mkv", "-i", tmp_path / "a.mkv", "-fps_mode", "passthrough",
        "-vf", "setpts='if(gt(N,1),PTS+0.2/TB,PTS)'",
    )  # fmt: skip
    video = Video(varied, fps=10)
    assert len(list(video)) == 6
    np.testing.assert_allclose(means(video)[1], COLORS[1], atol=0.02)
    np.testing.assert_allclose(means(video)[4:], COLORS[2:], atol=0.02)


def test_a_rotation_and_oblong_pixels_are_applied(tmp_path):
    frame = np.zeros((20, 40, 3), np.float32)
    frame[:, :20, 0] = 1
    path = write_video(tmp_path / "a.mp4", [frame] * 2, 10)
    turned = make(tmp_path / "b.mp4", "-display_rotation", "90", "-i", path, "-c", "copy")
    for one in Video(turned):
        assert one.shape == (40, 20, 3)
        assert abs(one[:16, :, 0].mean() - one[24:, :, 0].mean()) > 240
    wide = make(tmp_path / "c.mp4", "-i", path, "-vf", "setsar=2")
    assert next(iter(Video(wide))).shape == (20, 80, 3)


@pytest.mark.parametrize(
    ("suffix", "codec", "kept"), [(".m4a", "aac", "aac"), (".wav", "pcm_s16le", "aac")]
)
def test_sound_is_taken_over(suffix, codec, kept, tmp_path):
    sound = make(tmp_path / f"a{suffix}", *SINE, "-c:a", codec)
    video = Video(write_video(tmp_path / "b.mp4", FRAMES, 8, sound=sound))
    assert video.sound == kept
    assert video.seconds == pytest.approx(0.5, abs=0.1)
    assert len(list(video)) == 4
    mute = write_video(tmp_path / "c.mp4", FRAMES, 8)
    silent = write_video(tmp_path / "d.mp4", FRAMES, 8, sound=mute)
    assert Video(silent).sound == ""


def test_reading_may_be_left_at_any_frame(tmp_path):
    frames = iter(Video(write_video(tmp_path / "a.mp4", FRAMES * 20, 10)))
    next(frames)
    frames.close()
    assert next(frames, None) is None


def test_a_damaged_file_is_told(tmp_path, rng):
    noise = [rng.random((48, 64, 3)).astype("float32") for _ in range(12)]
    path = write_video(tmp_path / "a.mkv", noise, 10)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.warns(UserWarning, match=r"a.mkv is damaged: .*frames could be read"):
        assert 0 < len(list(Video(path))) < 12


def test_files_that_are_no_video(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    make(tmp_path / "sound.mp4", *SINE)
    empty = make(tmp_path / "empty.mkv", "-f", "lavfi", "-i", "color=s=16x16:d=1", "-frames:v", 0)
    for name, message in [
        ("gone.mp4", "does not exist"),
        (".", "has no video"),
        ("text.mp4", "has no video"),
        ("sound.mp4", "has no video"),
    ]:
        with pytest.raises(FileError, match=message) as raised:
            Video(tmp_path / name)
        assert raised.value.argument == "path"
    with pytest.raises(FileError, match=r"has no (frames|video)"):
        list(Video(empty))


@pytest.mark.parametrize(
    ("call", "argument", "message"),
    [
        (lambda: write_video("a.avi", FRAMES, 10), "path", "unknown suffix"),
        (lambda: write_video("no/a.mp4", FRAMES, 10), "path", "cannot be written"),
        (lambda: write_video("a.mp4", [], 10), "frames", "no frames"),
        (lambda: write_video("a.mp4", [FRAMES[0], FRAMES[1][2:]], 10), "frames", "differs in size"),
        (lambda: write_video("a.mp4", [FRAMES[0], "gone.png"], 10), "frames", "does not exist"),
        (lambda: write_video("a.mp4", FRAMES, 0), "fps", "out of range"),
        (lambda: write_video("a.mp4", FRAMES, 10, quality=60), "quality", "out of range"),
        (lambda: write_video("a.mp4", FRAMES, 10, sound=3), "sound", "is not a path"),
        (lambda: write_video("a.mp4", FRAMES, 10, sound="b.wav"), "sound", "does not exist"),
        (lambda: Video("a.mp4", fps=-1), "path", "does not exist"),
        (lambda: check_video("a.gif"), "path", "unknown suffix"),
    ],
)
def test_what_cannot_be_used(call, argument, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StylekitError, match=message) as raised:
        call()
    assert raised.value.argument == argument
    assert not list(tmp_path.iterdir())


def test_a_rate_out_of_range(tmp_path):
    path = write_video(tmp_path / "a.mp4", FRAMES, 10)
    with pytest.raises(InputError, match="fps is out of range"):
        Video(path, fps=0)


def test_ffmpeg_says_why_it_cannot_write(tmp_path, monkeypatch):
    frame = np.zeros((2, 20_000, 3), np.float32)  # wider than H.264 can be
    with pytest.raises(FileError, match=r"a.mp4 cannot be written: received .+") as raised:
        write_video(tmp_path / "a.mp4", [frame] * 20, 10)
    assert raised.value.argument == "path"
    assert not list(tmp_path.iterdir())


def test_without_imageio_ffmpeg(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", FRAMES, 10)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    for call in (lambda: Video(path), lambda: check_video(path)):
        with pytest.raises(SetupError, match=r'imageio-ffmpeg.*"stylekit-nst\[video\]"'):
            call()
