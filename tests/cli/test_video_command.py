import importlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from stylekit.image import Video, write_video

pytest.importorskip("imageio_ffmpeg")
MODULE = importlib.import_module("stylekit.cli._options")

QUICK = ("--size", 48, "--strength", 0, "--extractor", "compact", "--style-loss", "gram")
QUICK += ("--style-layers", "conv1_1", "--content-layers", "conv1_1", "--no-progress")
QUICK += ("--plan", "plain")


@pytest.fixture
def video(run, tmp_path, monkeypatch):
    """Run ``stylekit video`` small, in a folder with a video and a style."""
    monkeypatch.chdir(tmp_path)
    photo = Image.fromarray(data.astronaut()).resize((60, 60))
    write_video("in.mp4", [photo.crop((i, 0, i + 48, 40)) for i in range(3)], 10)
    Image.fromarray(data.coffee()).resize((48, 40)).save("coffee.png")
    Path("flows.py").write_text(
        "import numpy as np\ndef still(one, other):\n    return np.zeros((40, 48, 2))\n"
    )
    return lambda *arguments: run("video", *QUICK, *arguments)


@pytest.mark.slow
def test_paints_a_video(video):
    line = ("in.mp4", "coffee.png", "-o", "out.mp4", "--flow", "flows:still", "--progress")
    line += ("--strength", 0.5, "--steps", 1, "--next-steps", 1, "--earlier", "1,2")
    done = video(*line)
    assert done.exit_code == 0, done.output
    assert done.stdout == "out.mp4: 3 frames\n"
    assert "about 3 frames, 10 per second" in done.stderr
    for written, read in zip(Video("out.mp4"), Video("in.mp4"), strict=True):
        np.testing.assert_allclose(written.mean(), read.mean(), atol=9)
    again = video(*line)
    assert again.stdout == "out.mp4: 3 frames, 3 of them in an earlier run\n"


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(video, monkeypatch):
    import stylekit as sk

    stylize = sk.batch.stylize_video

    def stop(frame):
        if frame.number == 2:
            raise KeyboardInterrupt

    line = ("in.mp4", "coffee.png", "-o", "out.mp4", "--flow", "flows:still")
    with monkeypatch.context() as patch:
        patch.setattr(sk.batch, "stylize_video", lambda *a, **k: stylize(*a, on_frame=stop, **k))
        done = video(*line)
    assert done.exit_code == 130, done.output
    assert done.stdout == "out.mp4: 2 frames (interrupted); run the same command again to resume\n"
    assert video(*line).stdout == "out.mp4: 3 frames, 2 of them in an earlier run\n"
    with monkeypatch.context() as patch:
        patch.setattr(sk.batch, "stylize_video", lambda *a, **k: stylize(*a, on_frame=stop, **k))
        done = video(*line, "--passes", 2)
    told = "out.mp4: 2 frames of pass 1 of 2 (interrupted); run the same command again to resume\n"
    assert done.stdout == told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone.mp4", "coffee.png", "-o", "out.mp4"), "CONTENT: gone.mp4 does not exist"),
        (("flows.py", "coffee.png", "-o", "out.mp4"), "CONTENT: flows.py has no video"),
        (("in.mp4", "cofee.png", "-o", "out.mp4"), "STYLE: cofee.png does not exist"),
        (("in.mp4", "coffee.png", "-o", "out.gif"), "--out: out.gif has an unknown suffix"),
        (("in.mp4", "coffee.png", "-o", "out.mp4", "--fps", "0"), "--fps is out of range"),
        (("in.mp4", "coffee.png", "-o", "out.mp4", "--cut", "2"), "--cut is out of range"),
        (("in.mp4", "coffee.png", "-o", "out.mp4", "--earlier", "1,0"), "--earlier is out of ran"),
        (("in.mp4", "coffee.png", "-o", "out.mp4", "--earlier", "a"), "--earlier is not a whole"),
        (("in.mp4", "coffee.png", "-o", "out.mp4", "--passes", "0"), "--passes is out of range"),
        (("in.mp4", "coffee.png", "-o", "out.mp4", "--flow", "tvl2"), "--flow is unknown"),
        (("in.mp4", "coffee.png", "-o", "out.mp4", "--strength", "2"), "--strength is out of ran"),
    ],
)
def test_what_is_unfit_is_one_sentence_before_tensorflow_loads(
    video, arguments, message, monkeypatch
):
    def fail():
        pytest.fail("TensorFlow was loaded")

    monkeypatch.setattr(MODULE, "load_tensorflow", fail)
    done = video(*arguments)
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert len(done.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("-o", "in.mp4"), "--out names the input video"),
        (("-o", "out.mp4", "--flow", "flows:gone"), "--flow flows:gone: flows has no gone"),
        (("-o", "out.mp4", "--flow", "{frame}"), "--flow must be a pattern"),
    ],
)
def test_what_is_unfit_later(video, option, message):
    done = video("in.mp4", "coffee.png", *option)
    assert done.exit_code == 2, done.output
    assert message in done.output
