import numpy as np
import pytest

from stylekit._checks import FileError, InputError, InputTypeError
from stylekit.masks.segmenters.instances import Detection, InstanceNetwork, compose, paste

tf = pytest.importorskip("tensorflow")

# Two people who touch at the column 0.5, a dog over the feet of the second, and an unsure person.
BOXES = [[0.2, 0.1, 0.8, 0.5], [0.2, 0.5, 0.8, 0.9], [0.7, 0.6, 0.9, 0.8], [0.0, 0.0, 0.1, 0.1]]
CLASSES, SCORES = [1.0, 1.0, 18.0, 1.0], [0.9, 0.8, 0.95, 0.3]
NAMES = {1: "person", 3: "car", 18: "dog"}


class Found(tf.Module):
    """The interface of the TensorFlow Object Detection API, with what it finds built in."""

    def __init__(self, grid=4, prefix="detection_", boxes=BOXES, masks=None):
        super().__init__()
        self.prefix = prefix
        masks = np.ones((len(boxes), grid, grid)) if masks is None else masks
        self.values = {
            "boxes": tf.constant([boxes], tf.float32),
            "classes": tf.constant([CLASSES], tf.float32),
            "scores": tf.constant([SCORES], tf.float32),
            "masks": tf.constant(masks[None], tf.float32),
        }

    def detect(self, image):
        nothing = 0 * tf.reduce_sum(tf.cast(image, tf.float32))
        found = {f"{self.prefix}{key}": value + nothing for key, value in self.values.items()}
        return found | {"num_detections": tf.constant([4.0])}


def export(path, dtype=tf.uint8, shape=(1, None, None, 3), **options):
    module = Found(**options)
    spec = tf.TensorSpec(shape, dtype, name="input_tensor")
    call = tf.function(module.detect, input_signature=[spec])
    tf.saved_model.save(module, str(path), signatures=call.get_concrete_function())
    return path


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return export(tmp_path_factory.mktemp("instances") / "saved")


@pytest.fixture
def picture(rng):
    return rng.random((50, 100, 3), dtype=np.float32)


def test_a_mask_of_ones_fills_its_box():
    where, values = paste(np.ones((3, 5)), np.array([0.2, 0.1, 0.8, 0.5]), (50, 100))
    assert where == (slice(10, 40), slice(10, 50))
    np.testing.assert_array_equal(values, 1)


def test_a_mask_is_interpolated_between_the_centres_of_its_cells():
    mask = np.array([[0.0, 1.0]])
    where, values = paste(mask, np.array([0, 0.25, 1, 0.75]), (2, 80))
    # Over columns 20..59 two cells of 20: their centres at 30 and 50 hold 0 and 1.
    centres = np.arange(20, 60) + 0.5
    np.testing.assert_allclose(values[0], np.clip((centres - 30) / 20, 0, 1), atol=1e-6)
    assert where[1] == slice(20, 60)


def test_a_box_beyond_the_picture_is_cut_and_its_mask_is_not_moved():
    mask = np.array([[0.0, 1.0]])
    where, values = paste(mask, np.array([-1, -0.5, 2, 0.5]), (10, 40))
    assert where == (slice(0, 10), slice(0, 20))
    # The box is -20..20, the second cell's centre at 10.
    np.testing.assert_allclose(values[0, 9:11], [0.975, 1], atol=1e-6)
    where, values = paste(mask, np.array([0.2, 1.5, 0.4, 1.6]), (10, 40))
    assert values.size == 0


def test_what_overlaps_goes_to_the_surer_one():
    box, all_of_it = np.array([0, 0, 1, 1]), np.ones((1, 1))
    weak = Detection(box, 2, 0.6, all_of_it)
    sure = Detection(np.array([0, 0, 1, 0.5]), 1, 0.9, all_of_it)
    for order in ((weak, sure), (sure, weak)):
        seen = compose(order, (4, 10), ("background", "cat", "dog"))
        np.testing.assert_array_equal(seen.mask("cat")[:, :5], 1)
        np.testing.assert_array_equal(seen.mask("dog")[:, 5:], 1)
        assert set(np.unique(seen.parts)) == {1, 2}
        assert np.all(seen.parts[:, :5] == 1)


def test_nothing_found_is_background():
    seen = compose([], (4, 5), ("background", "cat"))
    assert seen.names_present == {"background": 1.0}


def test_two_people_who_touch_are_two(saved, picture):
    seen = InstanceNetwork(saved, NAMES)(picture)
    assert seen.names == ("background", "person", "car", "dog")
    assert seen.labels.shape == (50, 100)
    people = seen.instances("person")
    assert len(people) == 2
    np.testing.assert_array_equal(sum(people), seen.mask("person"))
    assert people[0][:, :50].sum() == 30 * 40  # the whole of the first
    assert people[1][:, 50:].sum() == 30 * 40 - 5 * 20  # the second less the dog
    dog = seen.mask("dog")
    assert dog.sum() == 10 * 20
    assert dog[35:45, 60:80].all()


def test_the_threshold_takes_the_unsure(saved, picture):
    assert len(InstanceNetwork(saved, NAMES, threshold=0.2)(picture).instances("person")) == 3
    seen = InstanceNetwork(saved, NAMES, threshold=0.99)(picture)
    assert seen.names_present == {"background": 1.0}


def test_the_shape_of_a_mask_is_kept(tmp_path, picture):
    disc = np.hypot(*np.meshgrid(*[np.linspace(-1, 1, 28)] * 2)) < 0.9
    masks = np.repeat(disc[None].astype(float), 4, axis=0)
    seen = InstanceNetwork(export(tmp_path / "discs", masks=masks), NAMES)(picture)
    first = seen.instances("person")[0][10:40, 10:50]
    assert first[15, 20] == 1
    assert first[0, 0] == first[-1, -1] == 0
    assert abs(first.mean() - disc.mean()) < 0.03


def test_a_tflite_file_with_names(tmp_path, picture):
    folder = export(tmp_path / "fixed", tf.float32, (1, 64, 64, 3))
    path = tmp_path / "fixed.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert())
    seen = InstanceNetwork(path, NAMES)(picture)
    assert [round(person.sum()) for person in seen.instances("person")] == [1200, 1100]


def test_names_as_a_sequence_count_from_one(saved, picture):
    names = [f"class {i}" for i in range(1, 19)]
    assert set(InstanceNetwork(saved, names)(picture).names_present) == {
        "background",
        "class 1",
        "class 18",
    }


def test_a_class_without_a_name(saved, picture):
    with pytest.raises(InputError, match=r"found class 18, which has no name.*mapping"):
        InstanceNetwork(saved, ["person"])(picture)


def test_outputs_of_other_names(tmp_path, picture):
    folder = export(tmp_path / "other", prefix="out_")
    with pytest.raises(FileError, match=r"no output detection_boxes.*out_boxes \(4, 4\)"):
        InstanceNetwork(folder, NAMES)(picture)
    outputs = {key: f"out_{key}" for key in ("boxes", "classes", "scores", "masks")}
    seen = InstanceNetwork(folder, NAMES, outputs=outputs)(picture)
    assert len(seen.instances("person")) == 2


def test_outputs_that_do_not_match(tmp_path, picture):
    folder = export(tmp_path / "odd", masks=np.ones((3, 2, 2)))
    with pytest.raises(FileError, match="received 4, 4, 4 and 3"):
        InstanceNetwork(folder, NAMES)(picture)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"names": []}, InputError, "one or more names"),
        ({"names": "person"}, InputTypeError, "must be a list"),
        ({"names": ["background", "person"]}, InputError, "Omit it"),
        ({"names": {"person": 1}}, InputTypeError, "number"),
        ({"threshold": 2}, InputError, "threshold"),
        ({"size": 0}, InputError, "size"),
        ({"outputs": ["a"]}, InputTypeError, "must be a mapping"),
        ({"outputs": {"box": "a"}}, InputError, "received box"),
        ({"path": "gone"}, FileError, "gone does not exist"),
    ],
)
def test_bad_arguments(arguments, error, match, saved):
    with pytest.raises(error, match=match):
        InstanceNetwork(**({"path": saved, "names": NAMES} | arguments))
