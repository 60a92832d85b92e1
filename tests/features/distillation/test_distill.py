import csv
import shutil

import keras
import numpy as np
import pytest
from PIL import Image
from skimage import data

import stylekit as sk
from stylekit._checks import FileError
from stylekit.features.distillation import __main__ as distill
from stylekit.features.distillation.student import Student

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two photographs, and a teacher's file that ends at conv2_1."""
    folder = tmp_path_factory.mktemp("distill")
    (folder / "photos").mkdir()
    for name in ("astronaut", "coffee"):
        picture = Image.fromarray(getattr(data, name)()).resize((96, 80))
        picture.save(folder / "photos" / f"{name}.png")
    model = sk.VGG19(weights=None).model(["block2_conv1"])
    arrays = {}
    for layer in (layer for layer in model.layers if layer.weights):
        arrays |= zip(
            (f"{layer.name}/kernel", f"{layer.name}/bias"), layer.get_weights(), strict=True
        )
    np.savez(folder / "teacher.npz", **arrays)
    return folder


def options(folder, out, *others):
    line = [out, "--pictures", folder / "photos", "--teacher", folder / "teacher.npz"]
    line += ["--size", 32, "--ring", 20, "--every", 5, *others]
    return distill.arguments().parse_args(list(map(str, line)))


def read_log(out):
    with (out / "log.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0][:4] == ["step", "seconds", "block2_conv1 features", "block2_conv1 gram"]
    assert rows[0][-1] == "block2_conv1 content change"
    return [list(map(float, row)) for row in rows[1:]]


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """The folder of a run, and the file of the network that it has made."""
    out = tmp_path_factory.mktemp("trained")
    return out, distill.distill(options(folder, out, "--steps", 5))


def test_a_run_writes_a_network_and_a_log(trained):
    out, path = trained
    log = read_log(out)
    assert [row[0] for row in log] == [5]
    assert np.isfinite(log).all()
    features = sk.CompactVGG(path).model(["conv1_1", "conv5_1"])(np.zeros((1, 32, 32, 3), "f4"))
    assert features["block1_conv1"].shape == (1, 32, 32, 24)
    assert all(np.isfinite(feature).all() for feature in features.values())


def test_a_student_learns_a_triple(folder, rng):
    crops = distill.Crops([folder / "photos"], 32)
    vgg = sk.VGG19(folder / "teacher.npz")
    images = np.stack([crops.draw(rng) for _ in range(3)])
    teacher = distill.Teacher([(vgg, ("block2_conv1",))], images)
    student = Student(teacher.channels)
    student.compile(keras.optimizers.Adam(1e-3))
    targets = teacher(images)
    losses = [float(np.ravel(student.train_on_batch(images, targets))[0]) for _ in range(30)]
    assert losses[-1] < 0.8 * losses[0]


def test_it_goes_on_where_it_was_left(folder, trained, tmp_path):
    out, path = shutil.copytree(trained[0], tmp_path / "on"), trained[1]
    first = dict(np.load(path))
    # Nothing is left to do: the network is the checkpoint's, not a new one.
    again = dict(np.load(distill.distill(options(folder, out, "--steps", 5))))
    for name in first:
        np.testing.assert_array_equal(again[name], first[name])
    distill.distill(options(folder, out, "--steps", 12))
    assert [row[0] for row in read_log(out)] == [5, 10, 12]
    assert int(np.load(out / "checkpoint.npz")["step"]) == 12


def test_a_damaged_checkpoint_is_told(folder, trained, tmp_path):
    out = shutil.copytree(trained[0], tmp_path / "on")
    path = out / "checkpoint.npz"
    arrays = dict(np.load(path))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    with pytest.raises(FileError, match=r"checkpoint\.npz is damaged .*Delete it to start again"):
        distill.distill(options(folder, out, "--steps", 6))
    np.savez(path, **arrays | {"3": np.zeros(7)})
    with pytest.raises(FileError, match="array 3 belongs to another student"):
        distill.distill(options(folder, out, "--steps", 6))


def test_the_same_seed_trains_the_same_network(folder, trained, tmp_path):
    paths = [trained[1], distill.distill(options(folder, tmp_path, "--steps", 5))]
    first, second = (dict(np.load(path)) for path in paths)
    for name in first:
        np.testing.assert_allclose(
            first[name].astype("f4"), second[name].astype("f4"), atol=2e-3, err_msg=name
        )


def test_a_start_that_is_not_there_is_told(folder, tmp_path):
    with pytest.raises(FileError, match=r"gone\.npz"):
        distill.distill(options(folder, tmp_path, "--start", tmp_path / "gone.npz"))


def test_the_painter_paints(folder, rng):
    crops = distill.Crops([folder / "photos"], 32)
    vgg = sk.VGG19(folder / "teacher.npz")
    teacher = distill.Teacher(
        [(vgg, ("block2_conv1",))], np.stack([crops.draw(rng) for _ in range(4)])
    )
    student = Student(teacher.channels)
    painter = distill.Painter(student, teacher, crops, 2)
    painter.step(rng)

    def loss():
        return sum(
            float(
                student.painting_loss(
                    one["image"][None],
                    {name: goal[None] for name, goal in one["goals"].items()},
                    {name: kept[None] for name, kept in one["kept"].items()},
                    one["strength"][None],
                )
            )
            for one in painter.images
        )

    before = loss()
    for _ in range(9):  # no image is begun anew before its fortieth step
        triple = painter.step(rng)
    assert loss() < before
    assert triple["image"].shape == (1, 3, 32, 32, 3)
    assert 0 <= triple["image"].min() <= triple["image"].max() <= 1
    # The image, its style and its photograph, each as the teacher sees it.
    image, _, photo = triple["image"][0]
    assert 0 < np.abs(image - photo).mean() < 0.5
    for given, seen in zip(triple["image"][0], triple["block2_conv1"][0], strict=True):
        np.testing.assert_allclose(teacher(given[None])["block2_conv1"][0], seen, atol=1e-2)


def test_the_ring_forgets_the_oldest(rng):
    ring = distill.Ring(4)
    for value in range(6):
        image, feature = np.full((1, 2, 2, 3), value, "f4"), np.full((1, 1), value, "f2")
        ring.add({"image": image, "feature": feature})
    drawn = ring.draw(rng, 200)
    assert set(drawn["feature"][:, 0]) == {2, 3, 4, 5}
    np.testing.assert_array_equal(drawn["image"][:, 0, 0, 0], drawn["feature"][:, 0])
    assert drawn["feature"].dtype == np.float16
