import numpy as np
import pytest

from stylekit._checks import FileError
from stylekit.features import KerasExtractor
from stylekit.features.distillation.collaborative import collaborative_student

CONVOLUTIONS = [(1, 2, 16), (2, 2, 32), (3, 4, 64), (4, 4, 128), (5, 1, 128)]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file of random weights with the published layout."""
    rng = np.random.default_rng(0)
    arrays, channels = {"conv0/kernel": np.eye(3)[None, None], "conv0/bias": np.zeros(3)}, 3
    for block, count, width in CONVOLUTIONS:
        for k in range(1, count + 1):
            scale = (2 / (9 * channels)) ** 0.5
            arrays[f"block{block}_conv{k}/kernel"] = rng.normal(0, scale, (3, 3, channels, width))
            arrays[f"block{block}_conv{k}/bias"] = np.zeros(width)
            channels = width
        wide = min(64 * 2 ** (block - 1), 512)
        arrays[f"block{block}_conv1_aux/kernel"] = rng.normal(size=(1, 1, width, wide))
        arrays[f"block{block}_conv1_aux/bias"] = np.ones(wide)
    path = tmp_path_factory.mktemp("student") / "student.npz"
    np.savez(path, **arrays)
    return path


def test_features_by_vgg19s_names(path, rng):
    student = collaborative_student(path)
    assert isinstance(student, KerasExtractor)
    model = student.model(["conv1_1", "conv4_2", "conv5_1"])
    features = model(rng.random((1, 48, 64, 3), "float32"))
    assert features["block1_conv1"].shape == (1, 48, 64, 16)
    assert features["block4_conv2"].shape == (1, 6, 8, 128)
    assert features["block5_conv1"].shape == (1, 3, 4, 128)


def test_borders_are_mirrored(path):
    """Of a constant picture every cell is the same, at the border too."""
    feature = collaborative_student(path).model(["conv3_1"])(np.full((1, 24, 24, 3), 0.7, "f4"))
    first = np.asarray(feature["block3_conv1"])
    np.testing.assert_allclose(first, np.broadcast_to(first[:, :1, :1], first.shape), atol=1e-5)


def test_the_projections_are_linear_in_their_tap(path, rng):
    image = rng.random((1, 32, 32, 3), "float32")
    student = collaborative_student(path, projected=True)
    features = student.model(["block2_conv1", "block2_conv1_aux"])(image)
    with np.load(path) as saved:
        kernel = saved["block2_conv1_aux/kernel"][0, 0]
    expected = np.asarray(features["block2_conv1"]) @ kernel + 1
    np.testing.assert_allclose(features["block2_conv1_aux"], expected, rtol=1e-3, atol=1e-3)


def test_masks_and_tiles_follow_the_mirrored_padding(path):
    student = collaborative_student(path)
    pooled = student.pool_mask(np.ones((1, 33, 40, 1), "float32"), "conv3_1")
    np.testing.assert_array_equal(pooled, np.ones((1, 8, 10, 1)))
    student.check_windows("conv4_1")


def test_a_file_that_is_not_the_student(path, tmp_path):
    with pytest.raises(FileError, match="does not exist"):
        collaborative_student(tmp_path / "gone.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(FileError, match="conv0"):
        collaborative_student(tmp_path / "other.npz")


def test_the_published_student_predicts_vgg19(data_dir):
    """Its projection of conv2_1, where VGG19 is scaled to a mean of 1, against the real one."""
    from stylekit import VGG19, read_image

    photo = read_image(data_dir / "images/content/tubingen.jpg", 128)[None]
    student = collaborative_student(data_dir / "weights/vgg19_16x_student.npz", projected=True)
    teacher = VGG19(data_dir / "weights/vgg19_conv1_1_to_conv4_1.npz")
    predicted = np.asarray(student.model(["block2_conv1_aux"])(photo)["block2_conv1_aux"])
    real = np.asarray(teacher.model(["conv2_1"])(photo)["block2_conv1"])
    inner = (slice(None), slice(8, -8), slice(8, -8))
    x, y = (a[inner].reshape(-1, 128) for a in (predicted, real))
    per_channel = [np.corrcoef(x[:, k], y[:, k])[0, 1] for k in range(128)]
    assert np.median(per_channel) > 0.8
