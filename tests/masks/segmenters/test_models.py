import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest

from stylekit._checks import FileError, InputError, SetupError
from stylekit.masks.segmenters.graphs import resized_to
from stylekit.masks.segmenters.models import encode, open_network

tf = pytest.importorskip("tensorflow")


class Channels(tf.Module):
    """Scores that are the picture's own channels, five times over; a variable to be kept alive."""

    def __init__(self):
        super().__init__()
        self.scale = tf.Variable(5.0)

    def scores(self, image):
        return {"scores": self.scale * tf.cast(image, tf.float32)}


def export(path, shape, dtype=tf.float32, body=None, module=None):
    module = module or Channels()
    spec = tf.TensorSpec(shape, dtype, name="image")
    call = tf.function(body or module.scores, input_signature=[spec])
    tf.saved_model.save(module, str(path), signatures=call.get_concrete_function())
    return path


def convert(path, saved, **options):
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved))
    for key, value in options.items():
        setattr(converter, key, value)
    path.write_bytes(converter.convert())
    return path


def freeze(path, build):
    with tf.Graph().as_default() as graph:
        build()
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def classic():
    """The classic graph: stretched to 8 x 8 inside, labels cut out of the padded plane."""
    image = tf.compat.v1.placeholder(tf.uint8, [1, None, None, 3], name="ImageTensor")
    inner = tf.compat.v1.image.resize_bilinear(tf.cast(image, tf.float32) / 255.0, [8, 8])
    shape = tf.shape(image)[1:3]
    scores = tf.compat.v1.image.resize_bilinear(5 * inner, shape, name="logits")
    labels = tf.argmax(scores, axis=-1)
    tf.slice(labels, [0, 0, 0], tf.concat([[1], shape], 0), name="SemanticPredictions")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def saved(folder):
    return export(folder / "saved", [1, None, None, 3])


@pytest.fixture(scope="module")
def square(folder):
    return export(folder / "square", [1, 8, 8, 3])


@pytest.fixture(scope="module")
def lite(folder, square):
    return convert(folder / "square.tflite", square)


@pytest.fixture(scope="module")
def frozen(folder):
    return freeze(folder / "frozen.pb", classic)


@pytest.fixture
def pixels(rng):
    return rng.random((8, 8, 3), dtype=np.float32)


def test_encode_fills_the_range_of_the_type(pixels):
    ends = np.stack([np.zeros((1, 3)), np.ones((1, 3))]).astype(np.float32)
    for dtype, low, high in (("float32", -1, 1), ("uint8", 0, 255), ("int8", -128, 127)):
        values = encode(ends, dtype, (-1, 1))
        assert values.dtype == dtype
        assert values.shape == (1, 2, 1, 3)
        assert (values.min(), values.max()) == (low, high)
    np.testing.assert_array_equal(encode(pixels, "float32", (0, 1))[0], pixels)
    exact = np.arange(256, dtype=np.float32).repeat(3).reshape(16, 16, 3) / 255
    np.testing.assert_array_equal(encode(exact, "uint8", (-1, 1))[0], np.rint(exact * 255))


def test_a_saved_model_takes_any_size(saved, rng):
    network = open_network(saved, (0, 1))
    assert network.size is None
    for shape in ((5, 9, 3), (16, 4, 3)):
        picture = rng.random(shape, dtype=np.float32)
        found = network.run(picture)
        np.testing.assert_allclose(found["scores"], 5 * picture, rtol=1e-6)


def test_the_size_of_the_input_is_read(square, lite, pixels):
    for path in (square, lite):
        network = open_network(path, (-1, 1))
        assert network.size == (8, 8)
        assert network.fixed
        (found,) = network.run(pixels).values()
        np.testing.assert_allclose(found, 5 * (2 * pixels - 1), rtol=1e-5, atol=1e-5)


def test_a_tflite_model_has_the_names_of_its_signature(lite, pixels):
    assert list(open_network(lite).run(pixels)) == ["scores"]


def test_a_tflite_model_of_any_size_is_resized(folder, saved, rng):
    network = open_network(convert(folder / "any.tflite", saved), (0, 1))
    assert network.size is None
    for shape in ((5, 9, 3), (16, 4, 3)):
        picture = rng.random(shape, dtype=np.float32)
        np.testing.assert_allclose(network.run(picture)["scores"], 5 * picture, rtol=1e-6)


@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_a_quantised_model_gives_real_scores(kind, folder, square, pixels, rng):
    samples = rng.random((4, 1, 8, 8, 3), dtype=np.float32)
    samples[0, 0, 0, 0], samples[0, 0, 0, 1] = 0, 1
    path = convert(
        folder / f"{kind}.tflite",
        square,
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=lambda: ([sample] for sample in samples),
        inference_input_type=tf.dtypes.as_dtype(kind),
        inference_output_type=tf.dtypes.as_dtype(kind),
    )
    (found,) = open_network(path).run(pixels).values()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 5 * pixels, atol=0.06)


@pytest.mark.parametrize("opened", ["saved", "square"])
def test_a_tflite_model_may_be_run_by_several_threads(opened, folder, rng, request):
    path = convert(folder / f"{opened}_threads.tflite", request.getfixturevalue(opened))
    network = open_network(path, (0, 1))
    sides = (8, 8) if network.fixed else (100, 200)
    pictures = [rng.random((side, side, 3), dtype=np.float32) for side in sides * 100]
    with ThreadPoolExecutor(4) as pool:
        for picture, found in zip(pictures, pool.map(network.run, pictures), strict=True):
            np.testing.assert_allclose(found["scores"], 5 * picture, rtol=1e-6)


def test_tensorflow_runs_tflite_where_litert_is_missing(lite, pixels, monkeypatch):
    expected = open_network(lite).run(pixels)["scores"]
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    np.testing.assert_allclose(open_network(lite).run(pixels)["scores"], expected, rtol=1e-6)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(SetupError, match="pip install ai-edge-litert"):
        open_network(lite)


def test_a_frozen_graph_gives_labels_and_what_they_are_the_argmax_of(frozen, pixels):
    network = open_network(frozen)
    assert network.size == (8, 8)
    assert not network.fixed
    found = network.run(pixels)
    np.testing.assert_allclose(found["scores"], 5 * np.rint(pixels * 255) / 255, rtol=1e-5)
    np.testing.assert_array_equal(found["SemanticPredictions"], found["scores"].argmax(axis=-1))
    assert network.run(np.zeros((4, 6, 3), np.float32))["SemanticPredictions"].shape == (4, 6)


def test_the_size_inside_a_graph_is_of_the_picture_and_not_of_features():
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, [1, None, None, 3])
        features = tf.nn.relu(image)
        tf.compat.v1.image.resize_bilinear(features, [33, 33])
    assert resized_to(graph.as_graph_def().node, tf.make_ndarray) is None
    with graph.as_default():
        tf.compat.v1.image.resize_bilinear((image - 0.5) * 2.0, [65, 33])
    assert resized_to(graph.as_graph_def().node, tf.make_ndarray) == (65, 33)


def test_a_keras_model(folder, pixels):
    import keras

    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Rescaling(5.0)])
    model.save(folder / "five.keras")
    network = open_network(folder / "five.keras", (0, 1))
    assert network.size == (8, 8)
    (found,) = network.run(pixels).values()
    np.testing.assert_allclose(found, 5 * pixels, rtol=1e-6)


# Programs in models


class Vocabulary(Channels):
    """A model with a table from a file, an asset."""

    def __init__(self, path):
        super().__init__()
        path.write_text("4\n5\n")
        whole, line = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
        given = tf.lookup.TextFileInitializer(str(path), tf.string, whole, tf.int64, line)
        self.table = tf.lookup.StaticHashTable(given, -1)
        self.other = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)

    def scores(self, image):
        found = self.table.lookup(tf.constant("5")) + self.other.lookup(tf.constant("5")) + 1
        return {"scores": tf.cast(found, tf.float32) * super().scores(image)["scores"]}


def test_an_ordinary_saved_model_is_opened(tmp_path, pixels):
    """Each has operations that save and restore its variables; a vocabulary is read from a file."""
    import keras

    image = keras.Input((None, None, 3))
    layers = [keras.layers.Rescaling(5.0), keras.layers.BatchNormalization(epsilon=1e-9)]
    keras.Sequential([image, *layers]).export(tmp_path / "keras", verbose=False)
    module = Vocabulary(tmp_path / "words.txt")
    export(tmp_path / "table", [1, None, None, 3], module=module)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        inputs = tf.compat.v1.placeholder(tf.float32, [1, None, None, 3])
        scale = tf.compat.v1.get_variable("scale", initializer=5.0, use_resource=False)
        session.run(scale.initializer)
        outputs = {"scores": scale * inputs}
        tf.compat.v1.saved_model.simple_save(session, str(tmp_path / "one"), {"x": inputs}, outputs)
    for name in ("keras", "table", "one"):
        network = open_network(tmp_path / name, (0, 1))
        (found,) = network.run(pixels).values()
        np.testing.assert_allclose(found, 5 * pixels, rtol=1e-6)


def write(path):
    tf.io.write_file(str(path), "written")
    return 0.0


def nested(path):
    once = lambda k: tf.cond(k > -1, lambda: k + 1 + write(path), lambda: k)  # noqa: E731
    return tf.while_loop(lambda k: k < 1, once, [0.0])[0]


def save(path):
    tf.raw_ops.SaveV2(
        prefix=str(path), tensor_names=["a"], shape_and_slices=[""], tensors=[tf.ones(1)]
    )
    return 0.0


def restore(path):
    return tf.raw_ops.RestoreV2(
        prefix=str(path), tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32]
    )[0][0]


def tell(path):
    tf.print("written", output_stream=f"file://{path}")
    return 0.0


def read(path):
    return tf.cast(tf.strings.length(tf.io.read_file(str(path))), tf.float32)


def lines(path):
    return tf.data.TextLineDataset(str(path)).reduce(0.0, lambda count, _: count + 1)


def python(path):
    return tf.numpy_function(lambda: path.write_text("written") and np.float32(0), [], tf.float32)


REACHES = {
    "WriteFile": write,
    "SaveV2": save,
    "RestoreV2": restore,
    "PrintV2": tell,
    "ReadFile": read,
    "TextLineDataset": lines,
    "PyFunc": python,
}


def refused(path, operation, outside):
    with pytest.raises(
        FileError, match=rf"accesses files.*{operation}[ ,.].*A model file is a program"
    ):
        open_network(path).run(np.zeros((8, 8, 3), np.float32))
    assert not outside.exists()


@pytest.mark.parametrize("operation", REACHES)
def test_a_graph_that_reaches_out_is_refused(operation, tmp_path):
    outside, reach = tmp_path / "outside", REACHES[operation]
    body = lambda image: {"out": image + reach(outside)}  # noqa: E731
    refused(export(tmp_path / "saved", [1, None, None, 3], body=body), operation, outside)

    def build():
        classic()
        reach(outside)

    refused(freeze(tmp_path / "frozen.pb", build), operation, outside)


def test_what_reaches_out_is_found_in_the_functions_that_functions_call(tmp_path):
    body = lambda image: {"out": image + nested(tmp_path / "outside")}  # noqa: E731
    path = export(tmp_path / "saved", [1, None, None, 3], body=body)
    refused(path, "WriteFile", tmp_path / "outside")


def test_what_runs_when_a_model_is_loaded_is_looked_at_too(tmp_path):
    class Initialized(tf.saved_model.experimental.TrackableResource):
        def _create_resource(self):
            return tf.raw_ops.MutableHashTableV2(key_dtype=tf.string, value_dtype=tf.int64)

        def _initialize(self):
            save(tmp_path / "outside")

    class WithTable(Channels):
        def __init__(self):
            super().__init__()
            self.table = Initialized()

    path = export(tmp_path / "saved", [1, 8, 8, 3], module=WithTable())
    for written in tmp_path.glob("outside*"):  # when it was made
        written.unlink()
    refused(path, "SaveV2", tmp_path / "outside.index")


@pytest.mark.parametrize("when", ["restored", "initialized"])
def test_what_runs_when_a_model_of_tensorflow_1_is_loaded(when, tmp_path):
    path = tmp_path / "saved"
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        inputs = tf.compat.v1.placeholder(tf.float32, [1, None, None, 3])
        scale = tf.compat.v1.get_variable("scale", initializer=5.0)
        saver = tf.compat.v1.train.Saver([scale])
        session.run(scale.initializer)
        with tf.control_dependencies([session.graph.get_operation_by_name("save/restore_all")]):
            save(tmp_path / "outside")
        late = session.graph.get_operation_by_name("SaveV2")
        if when == "restored":
            saver.saver_def.restore_op_name = late.name
        builder = tf.compat.v1.saved_model.Builder(str(path))
        signature = tf.compat.v1.saved_model.predict_signature_def(
            {"x": inputs}, {"y": scale * inputs}
        )
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {"serving_default": signature},
            saver=saver,
            main_op=late if when == "initialized" else None,
        )
        builder.save()
    refused(path, "SaveV2", tmp_path / "outside.index")


def test_a_tflite_model_with_operations_of_tensorflow(lite, tmp_path):
    path = tmp_path / "flex.tflite"
    path.write_bytes(lite.read_bytes() + b"\0FlexReLU6\0ReadFileReadFile\0")
    open_network(path)
    path.write_bytes(lite.read_bytes() + b"\0FlexReadFile\0")
    refused(path, "ReadFile", tmp_path / "outside")


def test_a_keras_model_with_code_in_it(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Lambda(lambda x: 5 * x)])
    model.save(tmp_path / "code.keras")
    with pytest.raises(FileError, match=r"cannot be read as a Keras model.*Lambda"):
        open_network(tmp_path / "code.keras")


@pytest.mark.parametrize("kind", ["declares more", "link", "compressed"])
def test_a_keras_model_whose_weights_are_elsewhere_or_would_fill_the_memory(kind, tmp_path):
    import keras

    path = tmp_path / "model.keras"
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]).save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = tmp_path / "model.weights.h5"
    weights.write_bytes(members[weights.name])
    with h5py.File(weights, "a") as file:
        group = file["layers/conv2d/vars"]
        if kind == "declares more":
            del group["1"]
            group.create_dataset("1", (2**29,), "f4")
        elif kind == "link":
            del group["1"]
            group["1"] = h5py.ExternalLink("other.h5", "/")
    members[weights.name] = weights.read_bytes()
    stored = zipfile.ZIP_DEFLATED if kind == "compressed" else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", stored) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(FileError, match=rf"cannot be read as a Keras model .*{kind}"):
        open_network(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileError, match=r"gone\.tflite does not exist"):
        open_network(tmp_path / "gone.tflite")


@pytest.mark.parametrize("name", ["a.h5", "a.onnx", "a"])
def test_a_file_of_another_kind(name, tmp_path):
    (tmp_path / name).write_bytes(b"data")
    with pytest.raises(
        FileError, match=r"not a model in a supported format: expected \.tflite, \.keras"
    ):
        open_network(tmp_path / name)


def test_a_folder_of_another_kind_and_a_piece_of_one(tmp_path, saved):
    with pytest.raises(FileError, match="received a folder in an unknown format"):
        open_network(tmp_path)
    with pytest.raises(FileError, match="Pass its folder"):
        open_network(saved / "saved_model.pb")


@pytest.mark.parametrize("ending", [".tflite", ".keras", ".pb"])
@pytest.mark.parametrize("content", [b"", b"no model at all", b"\x00" * 4000])
def test_a_corrupt_file_is_named(ending, content, tmp_path):
    path = tmp_path / f"bad{ending}"
    path.write_bytes(content)
    with pytest.raises(FileError, match=rf"bad\{ending}"):
        open_network(path)


def test_a_truncated_file_is_named(tmp_path, lite, frozen):
    for whole in (lite, frozen):
        path = tmp_path / f"cut{whole.suffix}"
        path.write_bytes(whole.read_bytes()[:-40])
        with pytest.raises(FileError, match=r"cut.*cannot be read as"):
            open_network(path)


@pytest.mark.parametrize("name", ["saved_model.pb", "task.json"])
def test_a_corrupt_folder_is_named(name, tmp_path):
    if name == "task.json":
        pytest.importorskip("keras_hub")
    (tmp_path / name).write_bytes(b"no model")
    with pytest.raises(FileError, match=r"cannot be read as a (SavedModel|KerasHub preset)"):
        open_network(tmp_path)


def test_a_network_that_takes_something_else_than_a_picture(tmp_path):
    def two(first, second):
        return {"out": first + second}

    module = tf.Module()
    spec = tf.TensorSpec([1, 8, 8, 3], tf.float32)
    call = tf.function(two, input_signature=[spec, spec]).get_concrete_function()
    tf.saved_model.save(module, str(tmp_path / "two"), signatures=call)
    with pytest.raises(FileError, match=r"one RGB picture.*first, second"):
        open_network(tmp_path / "two")
    for name, shape in (("gray", [1, 8, 8, 1]), ("first", [1, 3, 8, 8]), ("flat", [1, 192])):
        with pytest.raises(FileError, match="one RGB picture"):
            open_network(export(tmp_path / name, shape))


def test_a_graph_without_the_nodes_lists_its_inputs(tmp_path):
    path = freeze(
        tmp_path / "other.pb", lambda: tf.compat.v1.placeholder(tf.float32, [1, 3], name="tokens")
    )
    with pytest.raises(FileError, match=r"ImageTensor and SemanticPredictions.*inputs tokens"):
        open_network(path)


def test_a_network_that_fails_is_one_sentence(tmp_path):
    def picky(image):
        return {"out": tf.reshape(image, [1, 8, 8, 3])}

    network = open_network(export(tmp_path / "picky", [1, None, None, 3], body=picky))
    assert network.run(np.zeros((8, 8, 3), np.float32))["out"].shape == (8, 8, 3)
    with pytest.raises(FileError, match="failed on a picture of height 4 and width 5") as caught:
        network.run(np.zeros((4, 5, 3), np.float32))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("span", [(1, -1), (0, 0)])
def test_an_empty_range_is_refused(span, lite):
    with pytest.raises(InputError, match="`input_range` must be increasing"):
        open_network(lite, span)
