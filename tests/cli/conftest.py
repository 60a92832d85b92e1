import json
import zipfile

import numpy as np
import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from stylekit import cli


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A working folder with the files that the examples of the help name."""
    monkeypatch.chdir(tmp_path)
    for name in ("photo.jpg", "me.jpg"):
        Image.fromarray(data.astronaut()[:512, :320]).save(name)
    Image.fromarray(data.coffee()).resize((64, 48)).save("starry.jpg")
    Image.fromarray(data.chelsea()).resize((60, 60)).save("wave.jpg")
    Image.fromarray(data.coffee()).resize((64, 48)).save("painting.jpg")
    Image.fromarray(data.rocket()).resize((64, 48)).save("dusk.jpg")
    Image.fromarray(data.gravel()).resize((64, 64)).save("gravel.jpg")
    Image.fromarray(data.rocket()).resize((64, 48)).save("in.mp4", "GIF")  # ffmpeg reads it
    halves = np.zeros((512, 320), np.uint8)
    halves[:, :160] = 255
    for name in ("region.png", "sky.png", "me.png"):
        Image.fromarray(halves).save(name)
    (tmp_path / "photos").mkdir()
    Image.fromarray(data.chelsea()).resize((48, 40)).save("photos/cat.jpg")
    for name in ("vgg19-dcbb9e9d.pth", "imagenet-vgg-verydeep-19.mat"):
        (tmp_path / name).touch()
    (tmp_path / "jobs.csv").write_text("content,style,strength\nphoto.jpg,starry.jpg,0.4\n")
    with zipfile.ZipFile("starry.keras", "w") as archive:  # as far as it is read before Keras
        config = {"registered_name": "stylekit>StyleNetwork", "config": {"about": {}}}
        archive.writestr("config.json", json.dumps(config))
    for name, size in {"photo": (320, 512), "starry": (64, 48), "doodle": (64, 48)}.items():
        flat = np.zeros((size[1], size[0], 3), np.uint8)
        flat[:, : size[0] // 2] = 255, 0, 0
        Image.fromarray(flat).save("doodle.png" if name == "doodle" else f"{name}_map.png")
    return tmp_path


@pytest.fixture
def run():
    """Run the command line in this process."""

    def run(*arguments):
        return CliRunner().invoke(cli.app, [str(one) for one in arguments])

    return run
