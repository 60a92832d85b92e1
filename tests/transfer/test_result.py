import dataclasses
import io
import json

import keras
import matplotlib.figure
import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image

import stylekit as sk
from stylekit import __version__
from stylekit._checks import FileError, InputError, InputTypeError, StylekitError
from stylekit.image import picture_hash
from stylekit.transfer import NonFiniteLossError, Step, TransferError, device
from stylekit.transfer.result import unbatched, versions

SHAPE = (32, 40)


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    return rng.random((2, *SHAPE, 3), dtype=np.float32)


@pytest.fixture(scope="module")
def mask():
    mask = np.zeros(SHAPE, np.float32)
    mask[:, :20] = 0.5
    return mask


@pytest.fixture(scope="module")
def result(pictures, mask):
    """A whole run."""
    photo, style = pictures
    terms = [
        sk.ContentLoss(photo, layers="block1_conv1", weight=0.5, name="likeness"),
        sk.MaskedGramStyleLoss(style, mask, layers="block1_conv1", weight=8),
        sk.MaskedGramStyleLoss(style, 1 - mask, layers="block1_conv1"),
    ]
    transfer = sk.StyleTransfer(terms, extractor=sk.VGG19(weights=None), seed=7)
    return transfer.run(photo, 4, update_mask=mask, pyramid=sk.Pyramid([20, 40]))


@pytest.fixture
def batch(result, pictures):
    losses = [{"total": np.array([3.0, 1.0]), "a": np.array([1.0, 2.0])}]
    return dataclasses.replace(result, image=pictures, best=pictures, losses=losses)


class TestRecord:
    def test_the_manifest_says_what_the_image_was_made_from(self, result, pictures, mask):
        photo, style = pictures
        manifest = result.manifest
        assert list(manifest["terms"]) == ["likeness", "masked_gram_style", "masked_gram_style_2"]
        content, style_term, _ = manifest["terms"].values()
        assert content["type"] == "ContentLoss"
        assert content["weight"] == 0.5
        assert content["reference"] == manifest["start"] == picture_hash(photo)
        assert content["layers"] == ["block1_conv1"]
        assert style_term["type"] == "MaskedGramStyleLoss"
        assert style_term["weight"] == 8
        assert style_term["style"] == picture_hash(style)
        assert style_term["mask"] == manifest["update_mask"] == picture_hash(mask)
        assert manifest["seed"] == 7
        assert manifest["size"] == [32, 40]
        assert manifest["levels"] == [
            {"size": [16, 20], "steps": 2},
            {"size": [32, 40], "steps": 2},
        ]
        assert manifest["extractor"] == "VGG19(weights=None, pooling='max')"
        assert manifest["optimizer"].startswith("LBFGS(history=10,")
        assert manifest["parameters"] == "Pixels()"
        assert manifest["precision"] == "float32"
        assert manifest["device"] == device()
        assert manifest["versions"] == versions()
        assert manifest["steps"] == 4
        assert manifest["stopped_by"] == "steps"
        assert manifest["seconds"] == pytest.approx(result.seconds, abs=0.01)
        assert manifest["notes"] == []

    def test_the_manifest_is_json(self, result):
        assert json.loads(json.dumps(result.manifest)) == result.manifest

    def test_the_manifest_of_other_choices(self, pictures):
        terms = [sk.PixelLoss(pictures[0]), sk.TotalVariationLoss()]
        adam = keras.optimizers.Adam(0.25)
        manifest = (
            sk.StyleTransfer(terms, extractor=sk.VGG19(weights=None), optimizer=adam)
            .run(sk.Noise(0.2, shape=SHAPE), 0)
            .manifest
        )
        assert manifest["optimizer"] == "Adam(learning_rate=0.25)"
        assert manifest["start"] == "Noise(0.2)"
        assert manifest["update_mask"] is None
        assert list(manifest["terms"]) == ["pixel", "total_variation"]
        json.dumps(manifest)

    def test_the_manifest_notes_a_layer_left_out(self, pictures):
        small = np.zeros(SHAPE, np.float32)
        small[4:7, 4:7] = 1
        term = sk.MaskedGramStyleLoss(pictures[1], small, layers=("block1_conv1", "block2_conv1"))
        result = sk.StyleTransfer([term], extractor=sk.VGG19(weights=None)).run(
            pictures[0], 2, pyramid=sk.Pyramid([20, 40])
        )
        [note] = result.manifest["notes"]
        assert "block2_conv1" in note
        assert "20x16" in note

    def test_arrays_are_the_callers_own(self, result, pictures):
        assert result.image.flags.writeable
        assert result.best.flags.writeable
        assert not np.shares_memory(result.image, result.best)
        assert result.image.dtype == result.best.dtype == np.float32

    def test_each_row_has_its_level_and_time(self, result):
        assert result.levels == [0, 0, 1, 1, 1]
        assert len(result.times) == len(result.losses)
        assert result.times == sorted(result.times)
        assert 0 < result.times[0] < result.times[-1] <= result.seconds

    def test_losses_of_one_picture_are_floats(self, result):
        assert {type(value) for row in result.losses for value in row.values()} == {float}
        assert list(result.losses[0]) == ["total", *result.manifest["terms"]]


class TestSave:
    def pixels(self, path):
        with Image.open(path) as image:
            return np.asarray(image)

    @pytest.mark.parametrize("manifest", ["auto", "text"])
    def test_png_with_the_manifest_in_its_text(self, result, manifest, tmp_path):
        path = result.save(tmp_path / "out.PNG", manifest=manifest)
        assert path == tmp_path / "out.PNG"
        with Image.open(path) as image:
            assert json.loads(image.text["stylekit"]) == result.manifest
        np.testing.assert_array_equal(self.pixels(path), np.uint8(result.image * 255 + 0.5))
        assert [p.name for p in tmp_path.iterdir()] == ["out.PNG"]

    @pytest.mark.parametrize("name", ["out.jpg", "out.webp", "out.tif"])
    def test_others_with_the_manifest_beside(self, result, name, tmp_path):
        path = result.save(str(tmp_path / name))
        assert json.loads((tmp_path / "out.json").read_text("utf-8")) == result.manifest
        assert self.pixels(path).shape == (*SHAPE, 3)

    @pytest.mark.parametrize("path", [None, b"out.png"])
    def test_what_is_no_path(self, result, path):
        with pytest.raises(InputTypeError, match="`path` is not a path") as caught:
            result.save(path)
        assert caught.value.argument == "path"

    def test_png_with_the_manifest_beside(self, result, tmp_path):
        path = result.save(tmp_path / "out.png", manifest="beside")
        assert json.loads((tmp_path / "out.json").read_text("utf-8")) == result.manifest
        with Image.open(path) as image:
            assert "stylekit" not in image.text

    def test_no_manifest(self, result, tmp_path):
        for name in ("out.png", "out.jpg"):
            result.save(tmp_path / name, manifest=None)
        with Image.open(tmp_path / "out.png") as image:
            assert "stylekit" not in image.text
        assert sorted(p.name for p in tmp_path.iterdir()) == ["out.jpg", "out.png"]

    def test_tiff_of_16_bits(self, result, tmp_path):
        result.save(tmp_path / "out.tif", bits=16)
        levels = tifffile.imread(tmp_path / "out.tif")
        assert levels.dtype == np.uint16
        np.testing.assert_allclose(levels / 65535, result.image, atol=1e-5)
        assert (tmp_path / "out.json").is_file()

    def test_alpha_of_another_picture(self, result, tmp_path):
        alpha = np.full((*SHAPE, 4), 128, np.uint8)
        result.save(tmp_path / "out.png", like=Image.fromarray(alpha))
        assert np.all(self.pixels(tmp_path / "out.png")[..., 3] == 128)

    @pytest.mark.parametrize(
        ("name", "options", "error", "words"),
        [
            ("out.gif", {}, FileError, r"\.gif"),
            ("nowhere/out.png", {}, FileError, "a folder that exists"),
            ("out.png", {"bits": 16}, InputError, "TIFF"),
            ("out.png", {"manifest": "sidecar"}, InputError, "manifest is unknown"),
            ("out.jpg", {"manifest": "text"}, InputError, "PNG"),
        ],
    )
    def test_what_cannot_be_written_leaves_nothing(
        self, result, name, options, error, words, tmp_path
    ):
        with pytest.raises(error, match=words):
            result.save(tmp_path / name, **options)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["photo.jpg", "photo.png"])
    @pytest.mark.parametrize(
        "other",
        ["[1, 2]", '{"camera": "X100"}', "no JSON", "[" * 10**5, "\udcff", None],
        ids=["list", "other keys", "text", "nested", "no UTF-8", "folder"],
    )
    def test_another_file_in_the_manifests_place_stays(self, result, other, name, tmp_path):
        beside = tmp_path / "photo.json"
        if other is None:
            beside.mkdir()
        else:
            beside.write_text(other, "utf-8", "surrogateescape")
        with pytest.raises(
            FileError, match=r"photo\.json would be over.*earlier manifest.*Move"
        ) as e:
            result.save(tmp_path / name, manifest="beside")
        assert e.value.argument == "path"
        assert list(tmp_path.iterdir()) == [beside]
        assert other is None or beside.read_text("utf-8", "surrogateescape") == other
        result.save(tmp_path / "photo.png")  # holds its own
        result.save(tmp_path / "photo.jpg", manifest=None)

    def test_an_earlier_manifest_is_replaced(self, result, tmp_path):
        for seed in (1, 2):
            again = dataclasses.replace(result, manifest=result.manifest | {"seed": seed})
            again.save(tmp_path / "photo.jpg")
            assert json.loads((tmp_path / "photo.json").read_text("utf-8"))["seed"] == seed

    def test_a_full_disk_keeps_the_old_picture_and_manifest(self, result, tmp_path, full_disk):
        result.save(tmp_path / "out.jpg")
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        again = dataclasses.replace(result, image=1 - result.image, manifest={"stopped_by": "x"})
        with full_disk(), pytest.raises(FileError, match=r"out\.jpg cannot be written.*No space"):
            again.save(tmp_path / "out.jpg")
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before

    def test_a_batch(self, batch, tmp_path):
        with pytest.raises(InputError, match=r"batch.*stylekit\.write_image"):
            batch.save(tmp_path / "out.png")
        assert list(tmp_path.iterdir()) == []


class TestShow:
    def test_plot(self, result):
        figure = result.plot()
        assert isinstance(figure, matplotlib.figure.Figure)
        np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), result.image)

    def test_png_of_a_notebook(self, result, batch):
        with Image.open(io.BytesIO(result._repr_png_())) as image:
            assert image.format == "PNG"
            np.testing.assert_array_equal(np.asarray(image), np.uint8(result.image * 255 + 0.5))
        assert batch._repr_png_() is None

    def test_values_outside_the_unit_interval_are_clipped(self, result):
        beyond = dataclasses.replace(result, image=np.float32([[[-0.3, 0.5, 1.2]]]))
        with Image.open(io.BytesIO(beyond._repr_png_())) as image:
            np.testing.assert_array_equal(np.asarray(image), [[[0, 128, 255]]])

    def test_repr(self, result, batch):
        text = repr(result)
        total = result.losses[-1]["total"]
        for part in ("image=[32, 40, 3]", "steps=4", f"total={total:.4g}", "stopped_by='steps'"):
            assert part in text
        assert "total=2," in repr(batch)
        assert "total" not in repr(dataclasses.replace(batch, losses=[]))


class TestStep:
    def step(self, pictures):
        totals = tf.constant(np.arange(1.0, len(pictures) + 1), tf.float32)
        row = {"total": totals, "terms": {"a": totals / 2}, "image": tf.constant(pictures)}
        return Step(3, 10, 1, 0.5, row)

    def test_one_picture(self, pictures):
        step = self.step(pictures[:1])
        assert step.losses == {"total": 1.0, "a": 0.5}
        assert all(isinstance(value, float) for value in step.losses.values())
        np.testing.assert_array_equal(step.image, pictures[0])

    def test_a_batch(self, pictures):
        step = self.step(pictures)
        np.testing.assert_array_equal(step.losses["total"], [1, 2])
        np.testing.assert_array_equal(step.image, pictures)

    def test_it_owns_its_tensors(self, pictures):
        step = self.step(pictures[:1])
        step.image[:] = 0
        np.testing.assert_array_equal(step.image, pictures[0])

    def test_repr_is_short(self, pictures):
        assert repr(self.step(pictures)) == "Step(index=3, steps=10, level=1, seconds=0.5)"


def test_errors_hold_the_result(result):
    error = NonFiniteLossError("no number", result, "content")
    assert isinstance(error, TransferError)
    assert isinstance(error, StylekitError)
    assert isinstance(error, RuntimeError)
    assert str(error) == "no number"
    assert error.term == "content"
    assert error.result is result
    assert error.image is result.image


def test_unbatched():
    assert unbatched(np.float32([2])) == 2.0
    assert isinstance(unbatched(np.float32([2])), float)
    assert unbatched(np.zeros((1, 4, 5, 3))).shape == (4, 5, 3)
    assert unbatched(np.zeros((2, 4, 5, 3))).shape == (2, 4, 5, 3)
    assert unbatched(np.zeros(2)).shape == (2,)


def test_versions():
    found = versions()
    assert found["tensorflow"] == tf.__version__
    assert found["keras"] == keras.__version__
    assert found["stylekit-nst"] in (__version__, "not installed")


def test_device():
    assert device().startswith(("GPU ", "CPU "))
    assert len(device()) > 5
