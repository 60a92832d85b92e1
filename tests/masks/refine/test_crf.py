import dataclasses

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from scipy.spatial.distance import cdist
from scipy.special import softmax

from stylekit._checks import InputError, InputTypeError
from stylekit.image import read_image
from stylekit.masks.refine.crf import CRFParameters, crf
from stylekit.masks.segmentation import Segmentation

NAMES = ("background", "bird", "cat", "dog")


def brute_force(picture, probabilities, parameters):
    """Mean field with the full N x N matrices, in float64."""
    side, count = max(picture.shape[:2]), probabilities.shape[-1]
    positions = np.indices(picture.shape[:2]).reshape(2, -1).T / side
    colors = picture.reshape(-1, 3).astype(float)
    appearance = np.column_stack(
        [positions / parameters.position_deviation, colors / parameters.color_deviation]
    )
    matrix = parameters.appearance_weight * normalised(appearance)
    matrix += parameters.smoothness_weight * normalised(positions / parameters.smoothness_deviation)
    least, most = (1 - parameters.confidence) / (count - 1), parameters.confidence
    unary = -np.log(least + (most - least) * probabilities.reshape(-1, count))
    marginals = softmax(-unary, axis=1)
    for _ in range(parameters.iterations):
        marginals = softmax(-unary + matrix @ marginals, axis=1)
    return marginals.reshape(probabilities.shape)


def normalised(features):
    kernel = np.exp(-cdist(features, features, "sqeuclidean") / 2)
    scale = 1 / np.sqrt(kernel.sum(axis=1))
    kernel *= scale[:, np.newaxis] * scale
    np.fill_diagonal(kernel, 0)
    return kernel


def smooth_noise(rng, shape, deviation):
    noise = ndimage.gaussian_filter(rng.random(shape), (deviation, deviation, 0))
    return (noise - noise.min()) / (noise.max() - noise.min())


@pytest.fixture(params=["noise", "smooth noise", "crop", "reduced"])
def picture(request, rng):
    if request.param == "noise":
        return rng.random((32, 32, 3)).astype(np.float32)
    if request.param == "smooth noise":
        return smooth_noise(rng, (32, 32, 3), 3).astype(np.float32)
    photo = request.getfixturevalue("data_dir") / "deeplab" / "bird_segmentation.bmp"
    if request.param == "reduced":
        return read_image(photo, 32)
    return read_image(photo)[170:202, 240:272]


@pytest.fixture
def scores(rng):
    values = softmax(12 * smooth_noise(rng, (32, 32, 3), 2), axis=-1)
    return np.concatenate([values, np.zeros((32, 32, 1))], axis=-1).astype(np.float32)


@pytest.fixture
def scene(rng):
    """A disc on a ground, both noisy, and a mask that is too large, moved and has a speck."""
    rows, columns = np.ogrid[:48, :64]
    truth = np.hypot(rows - 24, columns - 30) < 13
    photo = np.where(truth[..., np.newaxis], (0.8, 0.4, 0.3), (0.2, 0.5, 0.4))
    photo = np.clip(photo + rng.normal(scale=0.02, size=photo.shape), 0, 1).astype(np.float32)
    rough = np.hypot(rows - 26, columns - 32) < 15
    rough[2:4, 2:4] = True
    return photo, rough.astype(np.float32), truth.astype(np.float32)


class TestAgainstBruteForce:
    @pytest.mark.parametrize(
        "parameters",
        [
            CRFParameters(smoothness_deviation=0.03),  # 1 pixel, as the default's 0.004 of 256
            CRFParameters(
                appearance_weight=4,
                position_deviation=0.25,
                color_deviation=0.2,
                smoothness_deviation=0.05,
                confidence=0.99,
                iterations=10,
            ),
        ],
        ids=["defaults", "wide"],
    )
    def test_marginals_and_labels(self, picture, scores, parameters):
        source = Segmentation(scores[..., :3].argmax(axis=-1), NAMES, scores)
        result = crf(picture, source, parameters)
        wanted = brute_force(picture, scores[..., :3].astype(float), parameters)
        np.testing.assert_allclose(result.scores[..., :3], wanted, rtol=0, atol=0.05)
        assert np.mean(result.labels == wanted.argmax(axis=-1)) >= 0.99
        assert np.mean(result.labels != source.labels) > 0.02  # or there was nothing to compare

    def test_smoothness_alone_is_exact(self, scores, rng):
        picture = rng.random((32, 32, 3)).astype(np.float32)
        parameters = CRFParameters(appearance_weight=0, smoothness_deviation=0.05)
        source = Segmentation(scores.argmax(axis=-1), NAMES, scores)
        wanted = brute_force(picture, scores[..., :3].astype(float), parameters)
        result = crf(picture, source, parameters).scores[..., :3]
        np.testing.assert_allclose(result, wanted, rtol=0, atol=2e-3)

    def test_a_mask_is_two_classes(self, scene):
        photo, rough, _ = scene
        photo, soft = photo[8:40, 14:46], ndimage.gaussian_filter(rough, 2)[8:40, 14:46]
        wanted = brute_force(photo, np.stack([soft, 1 - soft], axis=-1).astype(float), SMALL)
        np.testing.assert_allclose(crf(photo, soft, SMALL), wanted[..., 0], rtol=0, atol=0.05)


SMALL = CRFParameters(smoothness_deviation=0.03)


class TestCrf:
    def test_the_edge_moves_to_the_pictures_and_the_speck_goes(self, scene):
        photo, rough, truth = scene
        before = rough.copy()
        result = crf(photo, rough)
        assert result.dtype == np.float32
        assert result.shape == truth.shape
        assert 0 <= result.min() <= result.max() <= 1
        np.testing.assert_array_equal(rough, before)
        assert np.mean((rough > 0.5) != (truth > 0.5)) > 0.05
        assert np.mean((result > 0.5) != (truth > 0.5)) < 0.005

    def test_labels_give_what_their_mask_gives(self, scene):
        photo, rough, _ = scene
        source = Segmentation(3 * rough.astype(int), NAMES)
        result = crf(photo, source)
        assert result.names == NAMES
        np.testing.assert_allclose(result.scores[..., 3], crf(photo, rough), atol=1e-5)
        np.testing.assert_array_equal(result.scores[..., 1:3], 0)
        np.testing.assert_allclose(result.scores.sum(axis=-1), 1, atol=1e-5)
        np.testing.assert_array_equal(result.labels, result.scores.argmax(axis=-1))
        assert source.scores is None

    def test_turning_picture_and_mask_turns_the_result(self, scene):
        photo, rough, _ = scene
        turned = crf(photo.transpose(1, 0, 2), rough.T)
        np.testing.assert_allclose(turned.T, crf(photo, rough), atol=1e-4)

    def test_the_classes_order_does_not_matter(self, scene):
        photo, rough, _ = scene
        np.testing.assert_allclose(crf(photo, 1 - rough), 1 - crf(photo, rough), atol=1e-4)

    def test_without_weights_the_source_stays(self, scene):
        photo, rough, _ = scene
        kept = crf(photo, rough, appearance_weight=0, smoothness_weight=0, confidence=0.9)
        np.testing.assert_allclose(kept, 0.1 + 0.8 * rough, atol=1e-6)

    def test_one_class_stays_as_it_is(self, scene):
        source = Segmentation(np.ones((48, 64), int), NAMES)
        assert crf(scene[0], source) is source

    def test_an_empty_mask_stays_empty(self, scene):
        assert crf(scene[0], np.zeros((48, 64))).max() < 0.05

    def test_a_picture_of_one_pixel_keeps_its_mask(self):
        result = crf(np.full((1, 1, 3), 0.5), np.ones((1, 1)))
        np.testing.assert_allclose(result, CRFParameters().confidence, rtol=1e-5)

    def test_parts_follow_their_objects(self, scene):
        photo, rough, _ = scene
        labels = rough.astype(int)
        parts = np.where(labels == 1, np.where(np.arange(64) < 32, 5, 7), 0)
        result = crf(photo, Segmentation(labels, NAMES, parts=parts))
        assert set(np.unique(result.parts)) == {0, 5, 7}
        np.testing.assert_array_equal(result.parts > 0, result.labels == 1)
        new = (labels == 0) & (result.labels == 1)
        assert new.any()
        np.testing.assert_array_equal(result.parts[new & (np.arange(64) < 30)], 5)

    def test_parameters_and_changes_are_one(self, scene):
        photo, rough, _ = scene
        parameters = CRFParameters(color_deviation=0.1, confidence=0.7)
        np.testing.assert_array_equal(
            crf(photo, rough, parameters), crf(photo, rough, color_deviation=0.1, confidence=0.7)
        )

    def test_the_bird_gets_nearer_to_its_true_mask(self, data_dir):
        folder = data_dir / "deeplab"
        photo = read_image(folder / "bird_segmentation.bmp")[::6, ::6]
        truth = np.asarray(Image.open(folder / "bird_segmentation_mask.bmp"))[::6, ::6] >= 2
        rough = np.roll(ndimage.binary_opening(truth, iterations=2), 2, axis=1)
        assert iou(crf(photo, rough) >= 0.5, truth) > iou(rough, truth) + 0.03


def iou(mask, truth):
    return np.sum(mask & truth) / np.sum(mask | truth)


class TestBadInput:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"appearance_weight": -1}, "appearance_weight is out of range.*at least 0"),
            ({"position_deviation": 0}, "position_deviation is out of range"),
            ({"color_deviation": 13}, "color_deviation is out of range"),
            ({"confidence": 1}, "confidence is out of range"),
            ({"confidence": 0.5}, "confidence is out of range"),
            ({"iterations": 0}, "iterations is out of range"),
            ({"colour_deviation": 0.1}, "unknown.*Did you mean color_deviation"),
        ],
    )
    def test_parameters(self, changes, words, scene):
        with pytest.raises(InputError, match=words):
            crf(scene[0], scene[1], **changes)

    def test_parameters_of_another_type(self, scene):
        with pytest.raises(InputTypeError, match="expected CRFParameters or None, received dict"):
            crf(scene[0], scene[1], {"iterations": 3})

    def test_sizes(self, scene):
        photo, rough, _ = scene
        with pytest.raises(InputError, match="wrong size"):
            crf(photo, rough[1:])
        with pytest.raises(InputError, match=r"the size of the picture.*was segmented"):
            crf(photo, Segmentation(rough[1:].astype(int), NAMES))


def test_parameters_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CRFParameters().confidence = 0.5
