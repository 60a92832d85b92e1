"""What an extractor of a user's own may declare, and what the errors of its methods say."""

import keras
import numpy as np
import pytest

import stylekit as sk
from stylekit._checks import InputError, InputTypeError
from stylekit.features import ReflectPadding, Window

SHAPE = (24, 20)


class Edges(sk.FeatureExtractor):
    """A convolution and a pooling."""

    layer_names = ("edges", "pooled")
    style_layers = content_layers = ("pooled",)
    returned = None

    def model(self, layers, dtype="float32"):
        if self.returned is not None:
            return self.returned
        image = keras.Input((None, None, 3))
        kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype("float32")
        edges = keras.ops.relu(keras.ops.conv(image, kernel, padding="same"))
        pooled = keras.ops.max_pool(edges, 2)
        return keras.Model(image, {"edges": edges, "pooled": pooled})

    def windows(self, layer):
        return (Window(3), Window(2, 2, "valid"))[: 1 + (layer == "pooled")]


@pytest.fixture
def photo(rng):
    return rng.random((*SHAPE, 3)).astype("float32")


@pytest.fixture
def mask():
    return sk.masks.linear_gradient(SHAPE)


def objective(network, term, **options):
    return sk.Objective([term], network, SHAPE, **options)


def test_one_layer_may_be_declared_by_its_name(photo):
    class One(Edges):
        style_layers = content_layers = "pooled"

    for loss in (sk.GramStyleLoss, sk.ContentLoss, sk.NeighborStyleLoss):
        assert loss(photo).layers_of(One()) == ("pooled",)
    assert sk.metrics.style_distance(photo, photo, extractor=One()) == 0


@pytest.mark.parametrize("kind", ["style_layers", "content_layers"])
def test_layers_that_are_not_declared(kind, photo):
    class Bare(Edges):
        style_layers = content_layers = ()

    loss = sk.ContentLoss if kind == "content_layers" else sk.GramStyleLoss
    with pytest.raises(InputError, match=rf"Bare declares no `{kind}`: .*`layers` to .* set") as e:
        objective(Bare(), loss(photo))
    assert e.value.argument == "layers"


def test_a_new_extractor_declares_no_layers():
    assert sk.FeatureExtractor.style_layers == sk.FeatureExtractor.content_layers == ()


@pytest.mark.parametrize("layers", [3, (1,), {"pooled": 2.0}])
def test_layers_that_are_no_names(layers, photo):
    network = Edges()
    network.style_layers = layers
    with pytest.raises(InputTypeError, match="`style_layers` of Edges is wrong: expected a tuple"):
        objective(network, sk.GramStyleLoss(photo))


def test_names_of_layers_are_a_tuple():
    class Text(Edges):
        layer_names = "edges"

    with pytest.raises(InputTypeError, match=r"`layer_names` of Text .*received 'edges'"):
        Text().resolve("edges")


def single():
    image = keras.Input((None, None, 3))
    return keras.Model(image, keras.layers.ReLU()(image))


def flat():
    image = keras.Input((None, None, 3))
    return keras.Model(image, {"pooled": keras.layers.GlobalAveragePooling2D()(image)})


def without():
    image = keras.Input((None, None, 3))
    return keras.Model(image, {"edges": keras.layers.ReLU()(image)})


@pytest.mark.parametrize(
    ("returned", "error", "words"),
    [
        (list, InputTypeError, "returned the wrong type: expected a keras.Model.*received list"),
        (lambda: single, InputTypeError, "returned the wrong type.*received function"),
        (single, InputError, "without the feature map 'pooled'.*one tensor without a name"),
        (flat, InputError, "without the feature map 'pooled'.*received a model to pooled"),
        (without, InputError, "without the feature map 'pooled'.*received a model to edges"),
    ],
)
def test_a_model_that_is_none(returned, error, words, photo):
    network = Edges()
    network.returned, term = returned(), sk.GramStyleLoss(photo)
    for call in (
        lambda: objective(network, term),
        lambda: sk.estimate_memory(SHAPE, network, [term]),
        lambda: ReflectPadding(network, 2).model(["pooled"]),
        lambda: sk.losses.Canvas(network, SHAPE).extract(photo[None], ["pooled"]),
    ):
        with pytest.raises(error, match=words) as caught:
            call()
        assert "in extractor Edges, method model" in caught.value.__notes__


@pytest.mark.parametrize("returned", [None, Window(3), [3], ("same",)])
def test_windows_that_are_none(returned, photo):
    class Wrong(Edges):
        def windows(self, layer):
            return returned

    for network in (Wrong(), ReflectPadding(Wrong(), 2)):
        with pytest.raises(InputTypeError, match=r"`windows` returned.*\(Window\(3\),\)") as caught:
            objective(network, sk.GramStyleLoss(photo))
        assert "in extractor Wrong, method windows" in caught.value.__notes__


def test_windows_that_raise(photo):
    class Broken(Edges):
        def windows(self, layer):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        objective(Broken(), sk.GramStyleLoss(photo))
    assert caught.value.__notes__ == ["in extractor Broken, method windows"]


class Short(Edges):
    def windows(self, layer):
        return (Window(3),)


@pytest.mark.parametrize("make", [sk.GramStyleLoss, sk.NeighborStyleLoss, sk.ContentLoss])
def test_windows_that_do_not_fit_the_feature_map(make, photo, mask):
    """Where a mask follows them; whole pictures do without."""
    words = r"windows of layer 'pooled' must match.*expected 12x10 cells .*received 24x20"
    with pytest.raises(InputError, match=words) as caught:
        objective(Short(), make(photo, mask=mask), start=photo[None], picture=photo)(photo)
    assert "in extractor Short, method windows" in caught.value.__notes__
    objective(Short(), make(photo), start=photo[None])(photo)


def test_windows_that_do_not_fit_in_tiles(photo):
    with pytest.raises(InputError, match="windows of layer 'pooled' must match") as caught:
        sk.Tiles(8).objective([sk.GramStyleLoss(photo)], Short(), SHAPE)
    assert "in extractor Short, method windows" in caught.value.__notes__


def test_a_mask_that_cannot_be_pooled(photo, mask):
    class Broken(Edges):
        def pool_mask(self, mask, layer):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        objective(Broken(), sk.GramStyleLoss(photo, mask=mask))
    assert "in extractor Broken, method pool_mask" in caught.value.__notes__
