import keras
import numpy as np
import pytest

import stylekit as sk
from stylekit import functional
from stylekit.features.compact import TAPS
from stylekit.features.distillation.student import ASIDE, Student, folded, gradient_of

CHANNELS = {"block2_conv1": 60, "block4_conv1": 30}


@pytest.fixture(scope="module")
def student():
    keras.utils.set_random_seed(0)
    return Student(CHANNELS)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).random((2, 48, 40, 3), "float32")


@pytest.fixture(scope="module")
def compact(student, pictures, tmp_path_factory):
    path = tmp_path_factory.mktemp("folded") / "small.npz"
    np.savez(path, **folded(student, pictures))
    return sk.CompactVGG(path)


@pytest.mark.parametrize("tap", ["block2_conv1", "block4_conv1"])
def test_distances_of_the_folded_are_those_of_the_predicted(student, pictures, compact, tap):
    predicted = student.predicted(student(pictures))[tap]
    own = compact.model([tap])(pictures)[tap]
    for ours, theirs in (
        (own, predicted),
        (functional.gram_matrix(own), functional.gram_matrix(predicted)),
    ):
        ratio = [functional.relative_error(x[:1], x[1:])[0] for x in (ours, theirs)]
        assert float(ratio[0]) == pytest.approx(float(ratio[1]), rel=0.02)


def test_a_plain_tap_is_the_trunks_own_and_not_trained(student, pictures, compact):
    expected = np.array(student.trunk(pictures)["block1_conv1"])
    expected /= np.sqrt(np.mean(expected**2))
    own = np.asarray(compact.model(["conv1_1"])(pictures)["block1_conv1"])
    np.testing.assert_allclose(own, expected, atol=0.02)
    assert not [w for w in student.trainable_variables if "block1_conv1" in w.path]


def test_taps_that_a_transfer_does_not_read_hardly_count(pictures):
    def gain(name):
        """Return how much the loss grows if the teacher's features of one tap are wrong."""
        seen = student(np.concatenate([pictures, pictures[:1]]))
        right = {n: np.array(x) for n, x in student.predicted(seen).items()}
        wrong = right | {name: right[name][:, ::-1]}
        losses = [float(student.compute_loss(y=y, y_pred=seen)) for y in (right, wrong)]
        errors = student.errors(student.predicted(seen), wrong)[name]
        changes = student.changes(student.predicted(seen), wrong)[name]
        alone = float(errors[0]) + float(sum(changes)) + (float(errors[1]) + 1e-4) ** 0.5 - 1e-2
        return (losses[1] - losses[0]) / alone

    student = Student({"block2_conv1": 60, "block5_conv1": 30})
    assert gain("block2_conv1") == pytest.approx(1, rel=0.02)
    assert gain("block5_conv1") == pytest.approx(ASIDE, rel=0.02)


def test_folding_changes_nothing_behind_a_plain_tap(student, pictures, compact):
    """An untaught tap is the trunk's own feature, scaled."""
    trunk = np.asarray(student.trunk(pictures)["block3_conv1"])
    own = np.asarray(compact.model(["conv3_1"])(pictures)["block3_conv1"])
    np.testing.assert_allclose(own, trunk / np.sqrt(np.mean(trunk**2)), atol=0.03)


def test_an_untaught_tap_takes_its_neighbours_projection(pictures, compact):
    taps = compact.model(["conv4_1", "conv4_2"])(pictures)
    np.testing.assert_array_equal(taps["block4_conv2"], taps["block4_conv1"])


def test_every_tap_is_of_scale_1(pictures, compact):
    for feature in compact.model(TAPS)(pictures).values():
        assert np.mean(np.square(feature)) == pytest.approx(1, rel=0.02)


def test_the_predicted_are_projected(student, pictures):
    features = student(pictures)
    predicted = student.predicted(features)
    assert set(predicted) == set(CHANNELS)
    for name, feature in predicted.items():
        expected = np.asarray(features[name]) @ np.asarray(student.projections[name])
        np.testing.assert_allclose(feature, expected, rtol=1e-3, atol=1e-4)


def test_changes_are_of_triples(student):
    """Painted images against their styles by Gram matrices, against their photographs by place."""
    images = np.random.default_rng(1).random((6, 32, 32, 3), "float32")
    predicted = student.predicted(student(images))
    targets = {n: np.array(predicted[n]) for n in CHANNELS}
    for style, content in student.changes(predicted, targets).values():
        assert float(style) < 1e-8
        assert float(content) < 1e-8
    # Of the second triple the styles' features alone are doubled, then the photographs'.
    for at, wrong, right in ((3, 0, 1), (5, 1, 0)):
        other = {n: target.copy() for n, target in targets.items()}
        for target in other.values():
            target[at] *= 2
        for change in student.changes(predicted, other).values():
            assert float(change[wrong]) > 0.1
            assert float(change[right]) < 1e-8


def test_what_did_not_change_has_a_scale_of_its_own(student):
    image = np.random.default_rng(1).random((1, 32, 32, 3), "float32")
    predicted = student.predicted(student(np.concatenate([image] * 3)))
    targets = {n: np.array(predicted[n]) for n in CHANNELS}
    for target in targets.values():
        target[0] *= 1.1  # a tenth of it all, where nothing changed
    for style, content in student.changes(predicted, targets).values():
        assert np.isfinite(style)
        assert float(content) == pytest.approx(0.1**2 / (0.1**2 + 0.01), rel=0.01)


def test_a_perfect_student_has_no_errors(student, pictures):
    perfect = student.predicted(student(pictures))
    for seen, gram in student.errors(perfect, perfect).values():
        assert float(seen) < 1e-10
        assert float(gram) < 1e-8


def test_the_loss_is_least_for_a_perfect_student(student):
    images = np.random.default_rng(2).random((3, 32, 32, 3), "float32")
    features = student(images)
    perfect = {n: np.asarray(p) for n, p in student.predicted(features).items()}
    worse = {
        n: target * np.float32([1, 1.1, 0.9])[:, None, None, None] for n, target in perfect.items()
    }
    # What is left of the loss is the offset under the roots.
    assert float(student.compute_loss(images, perfect, features)) < 0.03
    assert float(student.compute_loss(images, worse, features)) > 0.5


def test_the_gradient_is_that_of_the_first_argument(pictures):
    slope = gradient_of(lambda image, factor: keras.ops.sum(factor * image**3))
    np.testing.assert_allclose(slope(pictures, 2.0), 6 * pictures**2, rtol=1e-5)


def test_painting_lowers_what_a_transfer_compares(student, pictures):
    """At its own style and photograph the loss is 0; elsewhere its gradient leads down."""
    goals, kept = student.painting(pictures)
    assert set(goals) == {"block1_conv1", *CHANNELS}
    assert set(kept) == {"block4_conv1"}
    strength = np.float32([0.5, 0.5])
    assert float(student.painting_loss(pictures, goals, kept, strength)) == 0
    other = pictures[:, ::-1]
    slope = gradient_of(student.painting_loss)(other, goals, kept, strength)
    before = student.painting_loss(other, goals, kept, strength)
    after = student.painting_loss(other - 1e-3 * np.sign(slope), goals, kept, strength)
    assert float(after) < float(before)
