import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import stylekit as sk
from stylekit._checks import FileError, InputError
from stylekit.transfer import Step, TransferError

SHAPE = (16, 20)


def step(index, steps=100, value=None, shape=SHAPE, batch=1):
    value = index / steps if value is None else value
    image = tf.fill((batch, *shape, 3), np.float32(value))
    return Step(index, steps, 0, 0.0, {"total": tf.zeros(batch), "terms": {}, "image": image})


def levels(path):
    """Return the mean value of each frame of a file."""
    with Image.open(path) as file:
        means = []
        for index in range(file.n_frames):
            file.seek(index)
            means.append(np.asarray(file.convert("RGB")).mean() / 255)
        return means


@pytest.fixture
def transfer():
    white = np.ones((*SHAPE, 3), np.float32)
    return sk.StyleTransfer([sk.PixelLoss(white)], extractor=sk.VGG19(weights=None))


BLACK = np.zeros((*SHAPE, 3), np.float32)


def test_a_run_becomes_a_file(transfer, tmp_path):
    seen = []
    result = transfer.run(
        BLACK,
        6,
        callbacks=[
            sk.Timelapse(tmp_path / "a.webp", frames=50),
            lambda step: seen.append(step.image.mean()),
        ],
    )
    assert result.steps == 6
    # Frames that are alike are one in the file.
    whole = [seen[0]]
    for value in seen[1:]:
        if abs(value - whole[-1]) > 1 / 255:
            whole.append(value)
    np.testing.assert_allclose(levels(tmp_path / "a.webp"), whole, atol=0.02)
    assert whole[-1] > whole[0] + 0.1


def test_frames_are_closest_in_the_beginning_and_bounded(tmp_path):
    lapse = sk.Timelapse(tmp_path / "a.webp", frames=20)
    for steps in (0, 1, 7, 19, 100, 5000):
        turns = sorted(lapse.turns(steps))
        assert turns[0] == 0
        assert turns[-1] == steps
        assert len(turns) <= 20
        gaps = np.diff(turns)
        assert (np.diff(gaps) >= -1).all()  # but for rounding
    assert gaps[0] < 20 < 400 < gaps[-1]


def test_memory_holds_the_frames_alone(tmp_path):
    lapse = sk.Timelapse(tmp_path / "a.webp", frames=5, size=16)
    for index in range(101):
        lapse(step(index, shape=(64, 80)))
    lapse.close()
    assert len(levels(tmp_path / "a.webp")) == 5
    with Image.open(tmp_path / "a.webp") as file:
        assert file.size == (16, 13)


def test_a_small_image_keeps_its_size(tmp_path):
    lapse = sk.Timelapse(tmp_path / "a.webp", size=300)
    lapse(step(0, shape=(8, 10)))
    lapse(step(50))
    lapse.close()
    with Image.open(tmp_path / "a.webp") as file:
        assert file.size == (20, 16)  # the last one's, as a pyramid's


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_what_was_seen_is_written_when_the_run_is_cut_off(error, transfer, tmp_path):
    def breaks(step):
        images.append(step.image)
        if step.index == 3:
            raise error

    images = []
    lapse = sk.Timelapse(tmp_path / "a.webp", frames=2)  # whose next frame would be the last step
    if error is KeyboardInterrupt:
        assert transfer.run(BLACK, 40, callbacks=[lapse, breaks]).stopped_by == "interrupted"
    else:
        with pytest.raises(TransferError):
            transfer.run(BLACK, 40, callbacks=[lapse, breaks])
    found = levels(tmp_path / "a.webp")
    assert len(found) == 2
    assert found[-1] == pytest.approx(images[3].mean(), abs=0.02)


def test_each_run_anew(tmp_path):
    lapse = sk.Timelapse(tmp_path / "a.webp", frames=4)
    for value in (0.2, 0.8):
        for index in range(3):
            lapse(step(index, 2, value + index / 20))
        lapse.close()
    np.testing.assert_allclose(levels(lapse.path), [0.8, 0.85, 0.9], atol=0.02)


def test_a_batch_is_side_by_side(tmp_path):
    lapse = sk.Timelapse(tmp_path / "a.gif")
    lapse(step(0, batch=3))
    lapse.close()
    with Image.open(tmp_path / "a.gif") as file:
        assert file.size == (60, 16)


def test_no_step_no_file(tmp_path):
    lapse = sk.Timelapse(tmp_path / "a.gif")
    lapse.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="no frame was recorded"):
        lapse.write()


def test_a_file_that_cannot_be_written_does_not_cost_the_result(transfer, tmp_path):
    folder = tmp_path / "there"
    folder.mkdir()
    lapse = sk.Timelapse(folder / "a.gif")
    with pytest.warns(UserWarning, match=r"timelapse was not written.*a folder that exists"):
        result = transfer.run(
            BLACK, 4, callbacks=[lapse, lambda step: folder.exists() and folder.rmdir()]
        )
    assert result.steps == 4
    assert len(levels(lapse.write(tmp_path / "b.gif"))) > 1


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("a.png", {}, FileError, r"\.gif, \.webp, \.mp4"),
        ("no/a.gif", {}, FileError, "a folder that exists"),
        ("a.gif", {"frames": 1}, InputError, "frames"),
        ("a.gif", {"size": 4}, InputError, "size"),
        ("a.gif", {"fps": 100}, InputError, "fps"),
        ("a.gif", {"hold": -1}, InputError, "hold"),
    ],
)
def test_what_is_unfit_is_told_before_the_run(name, options, error, words, tmp_path):
    with pytest.raises(error, match=words):
        sk.Timelapse(tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []
