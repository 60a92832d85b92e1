import numpy as np
import pytest
from skimage import data, transform

import stylekit as sk
from stylekit.features.compact import TAPS, build
from stylekit.features.distillation.student import Student, folded
from stylekit.features.distillation.teacher import Teacher, begin, inherit, teachers

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    """Random weights, as far as conv2_1."""
    model = sk.VGG19(weights=None).model(["block2_conv1"])
    arrays = {}
    for layer in (layer for layer in model.layers if layer.weights):
        arrays |= zip(
            (f"{layer.name}/kernel", f"{layer.name}/bias"), layer.get_weights(), strict=True
        )
    path = tmp_path_factory.mktemp("teacher") / "teacher.npz"
    np.savez(path, **arrays)
    return sk.VGG19(path)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).random((2, 40, 36, 3), "float32")


@pytest.fixture(scope="module")
def teacher(vgg, pictures):
    return Teacher([(vgg, ("block2_conv1",))], pictures)


def test_the_first_convolution_is_vgg19s(vgg, teacher, pictures):
    """Chosen filters see what VGG19's see, whatever each wants for input, each with its weight."""
    student = Student(teacher.channels)
    begin(student, teacher, pictures)
    truth = np.moveaxis(np.asarray(vgg.model(["conv1_1"])(pictures)["block1_conv1"]), -1, 0)
    for channel in np.moveaxis(np.asarray(student.trunk(pictures)["block1_conv1"]), -1, 0):
        product = np.sum(truth * channel, axis=(1, 2, 3))
        sizes = np.sum(truth**2, axis=(1, 2, 3)) * np.sum(channel**2)
        assert np.max(product**2 / (sizes + 1e-9)) > 0.999


def test_what_is_inherited_predicts_vgg19(data_dir, tmp_path):
    """On another picture than the one fitted to, and far better than random convolutions do."""
    vgg = sk.VGG19(data_dir / "weights/vgg19_conv1_1_to_conv4_1.npz")
    fitted, other = (
        np.float32(transform.resize(photo, (64, 64), anti_aliasing=True))[None]
        for photo in (data.astronaut(), data.coffee())
    )
    teacher = Teacher([(vgg, ("block2_conv1", "block4_conv1"))], fitted)
    random = tmp_path / "random.npz"
    np.savez(random, **folded(Student(teacher.channels), fitted))
    wrong = []
    for start in (None, random):
        student = Student(teacher.channels)
        begin(student, teacher, fitted, start)
        errors = student.errors(student.predicted(student(other)), teacher(other))
        wrong.append([float(seen) for seen, _ in errors.values()])
    assert wrong[0][0] < 0.2
    assert np.all(np.array(wrong[0]) < 0.7 * np.array(wrong[1]))


def test_every_inherited_convolution_has_a_mean_square_of_1(vgg, pictures):
    trunk = build(tuple(TAPS), "float32", student=True)
    inherit(trunk, vgg, pictures)
    for name in ("block1_conv1", "block2_conv1"):
        assert np.mean(np.square(trunk(pictures)[name])) == pytest.approx(1, rel=0.1)


def test_it_begins_with_an_earlier_network(teacher, pictures, tmp_path):
    arrays = folded(Student(teacher.channels), pictures)
    arrays["block2_trunk2/kernel"] = arrays["block2_trunk2/kernel"][..., :-1]  # of another width
    np.savez(tmp_path / "start.npz", **arrays)
    student = Student(teacher.channels)
    before = student.trunk.get_layer("block2_trunk2").get_weights()[0]
    begin(student, teacher, pictures, tmp_path / "start.npz")
    for name in ("block1_conv1", "block2_trunk1", "block4_trunk1"):
        kernel, _ = student.trunk.get_layer(name).get_weights()
        np.testing.assert_array_equal(kernel, arrays[f"{name}/kernel"].astype("f4"))
    after = student.trunk.get_layer("block2_trunk2").get_weights()[0]
    np.testing.assert_array_equal(before, after)


def test_the_teacher_is_seen_in_its_first_directions(vgg, teacher, pictures):
    """A rotation of half the dimensions: no distance grows, and most of the whole is kept."""
    own = teacher(pictures)["block2_conv1"]
    whole = np.array(vgg.model(["conv2_1"])(pictures)["block2_conv1"])
    whole /= np.sqrt(np.mean(whole**2))
    assert own.shape == (*whole.shape[:-1], 64)
    assert own.dtype == np.float16
    own = own.astype("f4")
    assert np.sum(own[0] ** 2) <= 1.001 * np.sum(whole[0] ** 2)
    assert np.sum(own**2) > 0.95 * np.sum(whole**2)


def test_a_deep_teacher_fills_in(data_dir, rng):
    weights = data_dir / "weights"
    found = teachers(weights / "vgg19_conv1_1_to_conv4_1.npz", weights / "vgg19_16x_student.npz")
    teacher = Teacher(found, rng.random((1, 64, 64, 3), "float32"))
    names = ["block2_conv1", "block3_conv1", "block4_conv1", "block5_conv1"]
    assert list(teacher.channels) == names
    assert list(teacher.channels.values()) == [64, 128, 256, 256]
