import functools
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from stylekit._checks import StylekitError
from stylekit.batch import stylize_video
from stylekit.image import Video, write_video

ffmpeg = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()

COUNT = 4


def still(one, other):
    return np.zeros((*one.shape[:2], 2))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A folder with ``in.mp4``, a short pan with sound, and two styles."""
    folder = tmp_path_factory.mktemp("video")
    wide = Image.fromarray(data.astronaut()).resize((80, 80))
    frames = [wide.crop((i, 0, i + 48, 40)) for i in range(COUNT)]
    sine = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "sine=duration=0.5"]
    subprocess.run([*sine, folder / "sound.m4a"], check=True)
    write_video(folder / "in.mp4", frames, 8, sound=folder / "sound.m4a")
    for name, picture in {"coffee": data.coffee(), "rocket": data.rocket()}.items():
        Image.fromarray(picture).resize((48, 40)).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def run(network, plan, source, tmp_path, monkeypatch):
    """Paint ``in.mp4`` quickly, in a copy of its folder."""
    shutil.copytree(source, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    how = {"size": 48, "steps": 4, "next_steps": 2, "style_loss": "gram", "pyramid": 1}
    how |= {"style_layers": ("conv1_1",), "content_layers": ("conv2_1",), "flow": still}
    how |= {"extractor": network, "plan": plan, "progress": False}
    return functools.partial(stylize_video, "in.mp4", **how)


def images(frames):
    return [frame.image for frame in frames]


def test_a_video_is_painted_and_left_when_it_is_finished(run):
    frames = []
    done = run("coffee.png", "out.mp4", on_frame=frames.append)
    assert (done.path, done.frames, done.found) == (Path("out.mp4"), COUNT, 0)
    assert not done.interrupted
    video = Video("out.mp4")
    assert (video.fps, video.sound) == (8, "aac")
    for written, painted in zip(video, images(frames), strict=True):
        assert np.abs(written / 255 - painted).mean() < 0.03
    files = {"in.mp4", "sound.m4a", "coffee.png", "rocket.png", "out.mp4", "out.json"}
    assert {path.name for path in Path().iterdir()} == files
    manifest = json.loads(Path("out.json").read_text())
    assert manifest["frames"] == COUNT
    assert "temporal" in manifest["terms"]

    before = Path("out.mp4").stat().st_mtime_ns
    again = run("coffee.png", "out.mp4", on_frame=frames.append)
    assert (again.frames, again.found, len(frames)) == (COUNT, COUNT, COUNT)
    assert Path("out.mp4").stat().st_mtime_ns == before
    assert run("coffee.png", "out.mp4", sound=False, fps=4).found == 0
    assert Video("out.mp4").sound == ""
    assert len(list(Video("out.mp4"))) == COUNT // 2


@pytest.mark.slow
def test_a_video_that_is_broken_off_goes_on(run):
    whole, first, rest = [], [], []
    run("coffee.png", "whole.mp4", on_frame=whole.append)

    def stop(frame):
        first.append(frame)
        if frame.number == 2:
            raise KeyboardInterrupt

    cut = run("coffee.png", "out.mp4", on_frame=stop)
    assert (cut.interrupted, cut.frames, cut.found) == (True, 2, 0)
    assert not Path("out.mp4").exists()
    names = {"1-000001.png", "1-000002.png", "manifest.json"}
    assert {path.name for path in Path(".stylekit/out.mp4").iterdir()} == names
    done = run("coffee.png", "out.mp4", on_frame=rest.append)
    assert (done.interrupted, done.frames, done.found) == (False, COUNT, 2)
    assert [frame.result is None for frame in rest] == [True, True, False, False]
    for one, other in zip(images(rest), images(whole), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not Path(".stylekit").exists()


def test_a_video_of_several_passes_goes_on(run):
    def stop(frame):
        if (frame.of_pass, frame.number) == (1, 3):
            raise KeyboardInterrupt

    told, how = [], {"passes": 2, "next_steps": 0}
    cut = run("coffee.png", "out.mp4", on_frame=stop, **how)
    assert (cut.interrupted, cut.of_pass, cut.frames) == (True, 1, 2)
    done = run("coffee.png", "out.mp4", on_frame=told.append, **how)
    assert (done.interrupted, done.of_pass, done.frames, done.found) == (False, 2, COUNT, 0)
    assert [one.number for one in told if one.found] == [4, 3]
    assert len(list(Video("out.mp4"))) == COUNT
    assert json.loads(Path("out.json").read_text())["frames"] == COUNT
    assert run("coffee.png", "out.mp4", **how).of_pass == 2
    assert not Path(".stylekit").exists()


def test_a_run_that_fails_leaves_no_frames(run):
    with pytest.raises(StylekitError, match="does not exist"):
        run("coffee.png", "out.mp4", passes=2, mask="gone.png")
    assert not Path(".stylekit").exists()


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"style": "rocket.png"}, {"cut": 0.5}])
def test_frames_of_other_options_are_painted_again(run, change):
    def stop(frame):
        raise KeyboardInterrupt

    assert run("coffee.png", "out.mp4", on_frame=stop).frames == 1
    style = change.pop("style", "coffee.png")
    assert run(style, "out.mp4", **change).found == 0


def test_two_runs_do_not_write_one_video(run):
    def other(frame):
        run("coffee.png", "out.mp4")

    with pytest.raises(StylekitError, match=r"out.mp4 is being written by another") as raised:
        run("coffee.png", "out.mp4", on_frame=other)
    assert raised.value.argument == "out"


@pytest.mark.parametrize(
    ("change", "argument", "message"),
    [
        ({"video": "gone.mp4"}, "video", "does not exist"),
        ({"video": "coffee.txt"}, "video", "has no video"),
        ({"style": "gone.png"}, "style", "gone.png"),
        ({"style": np.zeros((8, 8, 3))}, "style", "is not a path"),
        ({"out": "out.gif"}, "out", "unknown suffix"),
        ({"out": "no/out.mp4"}, "out", "cannot be written"),
        ({"out": "in.mp4"}, "out", "names the input video"),
        ({"out": "note.mp4"}, "out", "note.json would be overwritten"),
        ({"fps": 0}, "fps", "out of range"),
        ({"quality": 99}, "quality", "out of range"),
        ({"passes": 0}, "passes", "out of range"),
        ({"strenght": 1}, "strenght", "Did you mean strength"),
        ({"folder": "here"}, "folder", "no option"),
        ({"earlier": (0,)}, "earlier", "out of range"),
        ({"flow": lambda one, other: one}, "flow", "another shape"),
    ],
)
def test_what_cannot_be_used(run, change, argument, message):
    Path("coffee.txt").write_text("no video")
    Path("note.json").write_text("{}")
    given = {"video": "in.mp4", "style": "coffee.png", "out": "out.mp4", **change}
    with pytest.raises(StylekitError, match=message) as raised:
        run.func(**{**run.keywords, **given})
    assert raised.value.argument == argument


LINE = (sys.executable, "-m", "stylekit", "video", "in.mp4", "coffee.png", "--no-progress")
LINE += ("--size", "48", "--steps", "12", "--next-steps", "60", "--extractor", "compact")
LINE += ("--style-loss", "gram", "--pyramid", "1", "-o")


@pytest.mark.slow
def test_killed_it_ends_as_if_it_had_been_left_alone(run):
    subprocess.run([*LINE, "alone.mp4"], check=True)
    for number in (1, 3):
        process = subprocess.Popen([*LINE, "cut.mp4"])
        try:
            while (
                process.poll() is None
                and not Path(f".stylekit/cut.mp4/1-00000{number}.png").exists()
            ):
                time.sleep(0.01)
            assert process.poll() is None, "it has ended"
        finally:
            process.kill()
            process.wait()
    assert not Path("cut.mp4").exists()
    done = subprocess.run([*LINE, "cut.mp4"], check=True, capture_output=True, text=True)
    assert done.stdout == f"cut.mp4: {COUNT} frames, 3 of them in an earlier run\n"
    for one, other in zip(Video("cut.mp4"), Video("alone.mp4"), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not Path(".stylekit").exists()
