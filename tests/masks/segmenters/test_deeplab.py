import sys
import types

import numpy as np
import pytest
from PIL import Image

from stylekit._checks import FileError, InputError, InputTypeError, SetupError
from stylekit.image import read_image
from stylekit.masks.segmenters.deeplab import VOC_NAMES, DeepLab, enlarge, letterbox

keras = pytest.importorskip("keras")
COLORS = ("red", "green", "blue")


@pytest.fixture
def picture():
    """Red at the left, green at the right, blue below; 60 x 90."""
    values = np.full((60, 90, 3), 0.1, np.float32)
    values[:40, :45, 0], values[:40, 45:, 1], values[40:, :, 2] = 0.9, 0.9, 0.9
    return values


@pytest.fixture
def labels(picture):
    return picture.argmax(axis=-1)


@pytest.fixture
def channels():
    """A network whose scores are its input's channels."""
    return keras.Sequential([keras.Input((36, 36, 3)), keras.layers.Rescaling(5.0)])


def network(channel_count=None, layer=None, size=8):
    layer = layer or keras.layers.Conv2D(channel_count, 1)
    return keras.Sequential([keras.Input((size, size, 3)), layer])


# Geometry


@pytest.mark.parametrize(
    ("shape", "inner"), [((60, 90), (24, 36)), ((90, 60), (36, 24)), ((7, 7), (36, 36))]
)
def test_letterbox_keeps_the_aspect_and_pads_with_grey(shape, inner, rng):
    pixels, used = letterbox(rng.random((*shape, 3), dtype=np.float32) / 4, (36, 36))
    assert pixels.shape == (36, 36, 3)
    assert used == (inner[0] / 36, inner[1] / 36)
    assert pixels[: inner[0], : inner[1]].max() < 0.5
    assert np.all(pixels[inner[0] :] == 0.5)
    assert np.all(pixels[:, inner[1] :] == 0.5)


@pytest.mark.parametrize(
    ("shape", "size", "inner"),
    [
        ((100, 200), (50, 200), (50, 100)),
        ((100, 200), (200, 50), (25, 50)),
        ((1, 999), (8, 8), (1, 8)),
        ((512, 1024), (257, 513), (257, 513)),
        ((333, 517), (129, 257), (129, 200)),
    ],
)
def test_letterbox_fits_any_canvas(shape, size, inner):
    pixels, used = letterbox(np.zeros((*shape, 3), np.float32), size)
    assert pixels.shape == (*size, 3)
    assert np.abs(np.multiply(used, size) - inner).max() <= 1


def test_scores_are_enlarged_before_the_largest_is_taken():
    # The two meet where 1 - x = x / 3: at 3/4 of the way, and not half way as the labels would.
    found = np.zeros((1, 2, 2), np.float32)
    found[0, :, 0], found[0, :, 1] = (1, 0), (0, 1 / 3)
    labels, scores = enlarge(found, (1, 1), (1, 200), True)
    assert labels.dtype == np.int32
    assert abs(np.flatnonzero(labels[0])[0] - (50 + 75)) <= 1
    np.testing.assert_allclose(scores.sum(axis=-1), 1, rtol=1e-5)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores.argmax(axis=-1), labels)


def test_logits_become_probabilities_and_probabilities_stay(rng):
    logits = rng.normal(size=(5, 6, 4)).astype(np.float32)
    expected = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(enlarge(logits, (1, 1), (5, 6), True)[1], expected, rtol=1e-5)
    np.testing.assert_allclose(enlarge(expected, (1, 1), (5, 6), True)[1], expected, rtol=1e-5)
    assert enlarge(logits, (1, 1), (5, 6), False)[1] is None


def test_labels_are_enlarged_without_new_classes():
    found = np.array([[0, 7], [3, 3]])
    labels, scores = enlarge(found, (1, 1), (40, 40), True)
    assert scores is None
    assert set(np.unique(labels)) == {0, 3, 7}
    np.testing.assert_array_equal(labels[[0, 0, -1, -1], [0, -1, 0, -1]], [0, 7, 3, 3])


def test_padding_is_cut_off():
    found = np.zeros((4, 4), int)
    found[3], found[:, 2:] = 5, 6
    labels, _ = enlarge(found, (0.75, 0.5), (30, 20), True)
    assert not labels.any()


# Models


def test_a_model_segments_at_the_size_of_the_picture(picture, labels, channels):
    segment = DeepLab(channels, COLORS)
    assert segment.size == (36, 36)
    seen = segment(picture)
    assert seen.names == COLORS
    assert np.mean(seen.labels == labels) > 0.97
    assert seen.scores.shape == (60, 90, 3)
    # Away from the borders the softmax of 5 * (2 x - 1).
    logits = 5 * (2 * picture[10, 10] - 1)
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(seen.scores[10, 10], expected, atol=2e-3)
    assert DeepLab(channels, COLORS, scores=False)(picture).scores is None


def test_the_range_of_the_input_is_an_argument(picture, channels):
    scores = DeepLab(channels, COLORS, input_range=(0, 255))(picture).scores
    np.testing.assert_allclose(scores[10, 10], [1, 0, 0], atol=1e-6)


def test_paths_and_images_are_taken(tmp_path, picture, channels):
    channels.save(tmp_path / "channels.keras")
    Image.fromarray(np.uint8(picture * 255)).save(tmp_path / "picture.png")
    seen = DeepLab(tmp_path / "channels.keras", COLORS)(tmp_path / "picture.png")
    expected = DeepLab(channels, COLORS)(Image.open(tmp_path / "picture.png"))
    np.testing.assert_array_equal(seen.labels, expected.labels)
    assert seen.labels.shape == (60, 90)


def test_21_classes_are_those_of_voc(picture):
    assert len(VOC_NAMES) == 21
    assert DeepLab(network(21))(picture).names == VOC_NAMES


def test_other_counts_need_names(picture):
    with pytest.raises(InputError, match=r"received 19 classes.*Cityscapes.*`names`"):
        DeepLab(network(19))(picture)
    with pytest.raises(InputError, match="expected 3 classes, received 21 classes"):
        DeepLab(network(21), COLORS)(picture)
    names = [f"class {i}" for i in range(19)]
    assert DeepLab(network(19), names)(picture).names == tuple(names)


def test_labels_beyond_the_names(picture):
    ninety = network(layer=keras.layers.Lambda(lambda x: x[..., 0] * 0 + 90))
    with pytest.raises(InputError, match=r"received labels up to 90.*COCO"):
        DeepLab(ninety)(picture)
    names = [f"class {i}" for i in range(91)]
    assert DeepLab(ninety, names)(picture).names_present == {"class 90": 1.0}


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Conv2D(1, 1),
        keras.layers.Lambda(lambda x: x / 0),
    ],
)
def test_a_model_that_does_not_segment(layer, picture):
    with pytest.raises(FileError, match=r"must return labels or scores.*received 0 \("):
        DeepLab(network(layer=layer), COLORS)(picture)


def test_the_size_of_an_open_model_is_an_argument(picture, labels):
    openly = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Rescaling(5.0)])
    assert DeepLab(openly, COLORS).size == (512, 512)
    segment = DeepLab(openly, COLORS, size=90)
    assert segment.size == (90, 90)
    np.testing.assert_array_equal(segment(picture).labels, labels)
    assert DeepLab(openly, COLORS, size=(40, 80)).size == (40, 80)


def test_a_fixed_size_stays(channels):
    assert DeepLab(channels, size=36).size == (36, 36)
    with pytest.raises(
        InputError, match=r"has a fixed input size: expected size=\(36, 36\) or None"
    ):
        DeepLab(channels, size=64)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"model": 3}, InputTypeError, r"`model` must be.*\.tflite"),
        ({"names": "abc"}, InputTypeError, "must be a list"),
        ({"size": 0}, InputError, "out of range"),
        ({"size": (1, 2, 3)}, InputTypeError, "must be a pair"),
    ],
)
def test_bad_arguments(arguments, error, match, channels):
    with pytest.raises(error, match=match):
        DeepLab(**({"model": channels} | arguments))


# KerasHub


@pytest.fixture(scope="module")
def hub():
    return pytest.importorskip("keras_hub")


@pytest.fixture(scope="module")
def task(hub):
    """DeepLabV3+ as small as KerasHub builds it, untrained."""
    keras.utils.set_random_seed(0)
    encoder = hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64, 64, 64],
        stackwise_num_blocks=[1, 1, 1, 1],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="basic_block",
    )
    backbone = hub.models.DeepLabV3Backbone(
        image_encoder=encoder,
        spatial_pyramid_pooling_key="P5",
        low_level_feature_key="P2",
        projection_filters=8,
        upsampling_size=8,
        dilation_rates=[6, 12, 18],
    )
    converter = hub.layers.DeepLabV3ImageConverter(image_size=(96, 96), scale=1 / 255, offset=-0.5)
    return hub.models.DeepLabV3ImageSegmenter(
        backbone=backbone,
        num_classes=21,
        preprocessor=hub.models.DeepLabV3ImageSegmenterPreprocessor(converter),
    )


def test_kerashub_runs_with_its_own_preprocessor(task, picture):
    segment = DeepLab(task)
    assert segment.size == (96, 96)
    seen = segment(picture)
    assert seen.names == VOC_NAMES
    pixels, _ = letterbox(picture, (96, 96))
    logits = keras.ops.convert_to_numpy(task((pixels - 0.5)[None], training=False))[0]
    expected, _ = enlarge(logits, (2 / 3, 1), (60, 90), False)
    assert len(np.unique(expected)) > 1
    assert np.mean(seen.labels == expected) > 0.99  # rounding
    with pytest.raises(InputError, match="has a fixed input size"):
        DeepLab(task, size=64)


@pytest.mark.slow
def test_kerashub_files_and_folders_give_the_same(task, picture, tmp_path):
    expected = DeepLab(task)(picture)
    task.save(tmp_path / "task.keras")
    task.save_to_preset(tmp_path / "preset")
    for path in (tmp_path / "task.keras", tmp_path / "preset"):
        np.testing.assert_allclose(DeepLab(path)(picture).scores, expected.scores, atol=1e-5)


def test_the_preset_is_asked_for_by_name(task, picture, monkeypatch, hub):
    asked = []
    fetch = types.SimpleNamespace(from_preset=lambda name: asked.append(name) or task)
    monkeypatch.setattr(hub.models, "ImageSegmenter", fetch)
    seen = DeepLab()(picture)
    assert asked == ["deeplab_v3_plus_resnet50_pascalvoc"]
    np.testing.assert_array_equal(seen.labels, DeepLab(task)(picture).labels)


def test_the_preset_exists(hub):
    assert "deeplab_v3_plus_resnet50_pascalvoc" in hub.models.ImageSegmenter.presets


def test_a_preset_that_cannot_be_had_names_the_ways_out(monkeypatch):
    def refuse(name):
        raise ConnectionError("no route to host")

    fake = types.ModuleType("keras_hub")
    fake.models = types.SimpleNamespace(ImageSegmenter=types.SimpleNamespace(from_preset=refuse))
    monkeypatch.setitem(sys.modules, "keras_hub", fake)
    match = (
        r"deeplab_v3_plus_resnet50_pascalvoc.*no route to host.*as `model`.*box needs no network"
    )
    with pytest.raises(FileError, match=match):
        DeepLab()


def test_kerashub_missing_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(SetupError, match=r"pip install keras-hub.*\.tflite"):
        DeepLab()
    (tmp_path / "task.json").write_text("{}")
    with pytest.raises(SetupError, match="pip install keras-hub"):
        DeepLab(tmp_path)


# Real models

FLOAT = ("deeplabv3_mnv2_dm05_257.keras", "frozen_inference_graph.pb", "saved_model")
FIRST, QUANTISED = "deeplabv3_257_mv_gpu.tflite", "deeplabv3_mnv2_pascal_quant.tflite"


@pytest.fixture(scope="module")
def bird(data_dir):
    folder = data_dir / "deeplab"
    truth = np.asarray(Image.open(folder / "bird_segmentation_mask.bmp"))
    # Its edge is interpolated between 0 and 3, the bird's label.
    return read_image(folder / "bird_segmentation.bmp"), truth >= 2


@pytest.fixture(scope="module")
def pictures(data_dir, bird):
    names = ("coral_cat_720p.jpg", "coral_pets.jpg")
    return [bird[0], *(read_image(data_dir / "images" / "content" / n, 400) for n in names)]


@pytest.fixture(scope="module")
def first(data_dir, pictures):
    segment = DeepLab(data_dir / "deeplab" / FIRST)
    return [segment(picture) for picture in pictures]


def iou(seen, truth):
    mask = seen.mask("bird") > 0
    return np.sum(mask & truth) / np.sum(mask | truth)


def test_the_first_file_finds_the_bird(first, bird):
    assert iou(first[0], bird[1]) >= 0.86
    assert first[0].scores is not None
    assert list(first[2].names_present) == ["background", "dog"]
    assert len(first[2].instances("dog")) >= 2


@pytest.mark.parametrize("name", FLOAT)
def test_the_float_files_agree(name, data_dir, first, pictures, bird):
    segment = DeepLab(data_dir / "deeplab" / name)
    assert segment.size == (257, 257)
    seen = [segment(picture) for picture in pictures]
    assert min(np.mean(a.labels == b.labels) for a, b in zip(seen, first, strict=True)) >= 0.99
    assert iou(seen[0], bird[1]) >= 0.86


def test_the_quantised_file_agrees_on_the_bird_and_finds_it_better(data_dir, first, bird):
    segment = DeepLab(data_dir / "deeplab" / QUANTISED)
    assert segment.size == (513, 513)
    seen = segment(bird[0])
    assert np.mean(seen.labels == first[0].labels) >= 0.95
    assert iou(seen, bird[1]) >= 0.91
