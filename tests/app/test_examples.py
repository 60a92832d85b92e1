import numpy as np
import pytest

from stylekit.app import examples


def test_every_style_picture_is_in_the_gallery():
    files = {path.stem for path in examples.FOLDER.iterdir()}
    assert files == {*examples.STYLES} == {*examples.NAMES}


@pytest.mark.parametrize("name", examples.NAMES)
def test_a_style_is_a_colourful_picture_of_strokes(name):
    picture = examples.STYLES[name]()
    assert picture.shape == (448, 448, 3)
    assert picture.std() > 0.1
    assert np.abs(np.diff(picture, axis=1)).mean() > 0.01
