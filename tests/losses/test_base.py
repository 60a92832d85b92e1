import json

import numpy as np
import pytest
import tensorflow as tf

import stylekit as sk
from stylekit import functional
from stylekit._checks import InputError, InputTypeError
from stylekit._defaults import STYLE_LAYERS
from stylekit.image import picture_hash, resize
from stylekit.losses.base import layer_tuple, weight_tuple

LAYERS = ("block1_conv1", "block2_conv1")


class ChannelMean(sk.losses.StatisticLoss):
    def statistic(self, feature, mask):
        return sk.functional.masked_mean(feature, mask)


class Brightness(sk.losses.Loss):
    def compute(self, image, features, targets):
        return tf.reduce_mean(image, axis=(1, 2, 3))


def ramp(shape=(48, 40)):
    return np.tile(np.linspace(0, 1, shape[1], dtype="float32"), (shape[0], 1))


# Loss


def test_a_loss_needs_compute_alone(photo, canvas_of, evaluate):
    term = Brightness()
    assert term.layers == ()
    assert term.prepare(canvas_of(photo)) is None
    value, gradient = evaluate(term, canvas_of(photo), photo)
    np.testing.assert_allclose(value, [photo.mean()], rtol=1e-5)
    np.testing.assert_allclose(gradient, 1 / photo.size, rtol=1e-5)


def test_the_bases_cannot_be_used_themselves(photo):
    with pytest.raises(TypeError, match="compute"):
        sk.losses.Loss()
    with pytest.raises(TypeError, match="statistic"):
        sk.losses.StatisticLoss(photo)


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf")])
def test_a_weight_is_a_number_of_at_least_zero(weight):
    with pytest.raises(InputError, match=r"`weight` of Brightness .* at least 0"):
        Brightness(weight=weight)
    term = Brightness(weight=2)
    with pytest.raises(InputError, match="`weight` of Brightness"):
        term.weight = weight
    assert term.weight == 2


@pytest.mark.parametrize("weight", ["1", None, [1]])
def test_a_weight_of_another_type_is_a_type_error(weight):
    with pytest.raises(InputTypeError, match="`weight` of Brightness is not a number"):
        Brightness(weight=weight)


def test_a_weight_may_be_changed_and_be_zero():
    term = Brightness(weight=np.float32(0.5))
    assert type(term.weight) is float
    term.weight = 0
    assert term.weight == 0


def test_default_names_follow_the_class():
    def name(cls):
        return object.__new__(cls).default_name

    assert name(sk.ContentLoss) == "content"
    assert name(sk.TotalVariationLoss) == "total_variation"
    assert name(sk.GradientMaskStyleLoss) == "gradient_mask_style"
    assert name(Brightness) == "brightness"
    assert name(type("Loss", (Brightness,), {})) == "loss"
    assert name(type("Vgg19Loss", (Brightness,), {})) == "vgg19"


def test_a_loss_shows_its_settings():
    assert repr(Brightness(weight=3)) == "Brightness(weight=3.0)"
    assert repr(Brightness(name="light")) == "Brightness(weight=1.0, name='light')"


# StatisticLoss: the user's code


def test_one_method_makes_a_loss(photo, style, canvas_of, extractor, evaluate):
    term = ChannelMean(style, layers=LAYERS)
    value, gradient = evaluate(term, canvas_of(photo), photo)
    expected = []
    for layer in LAYERS:
        means = [
            np.asarray(extractor.model(LAYERS)(x[None])[layer]).mean((1, 2)) for x in (photo, style)
        ]
        expected.append(((means[0] - means[1]) ** 2).sum() / (means[1] ** 2).sum())
    np.testing.assert_allclose(value, [np.mean(expected)], rtol=1e-4)
    assert np.abs(gradient).max() > 0


def test_a_statistic_with_masks_is_weighed_by_the_regions_share(
    photo, style, canvas_of, extractor, evaluate
):
    mask, style_mask = ramp(), ramp((32, 52))[:, ::-1]
    term = ChannelMean(style, layers=LAYERS[:1], mask=mask, reference_mask=style_mask)
    value, _ = evaluate(term, canvas_of(photo), photo)
    means = []
    for picture, weight in ((photo, mask), (style, style_mask)):
        feature = np.asarray(extractor.model(LAYERS[:1])(picture[None])[LAYERS[0]])[0]
        means.append((feature * weight[..., None]).sum((0, 1)) / weight.sum())
    error = ((means[0] - means[1]) ** 2).sum() / (means[1] ** 2).sum()
    np.testing.assert_allclose(value, [mask.mean() * error], rtol=1e-4)


def test_the_statistic_of_the_reference_itself_is_no_distance(photo, canvas_of, evaluate):
    for mask in (None, ramp()):
        term = ChannelMean(photo, mask=mask, reference_mask=mask)
        value, gradient = evaluate(term, canvas_of(photo), photo)
        np.testing.assert_allclose(value, [0], atol=1e-8)
        np.testing.assert_allclose(gradient, 0, atol=1e-5)


def test_a_mask_of_ones_changes_nothing(photo, style, canvas_of, evaluate):
    plain = ChannelMean(style, layers=LAYERS)
    masked = ChannelMean(
        style, layers=LAYERS, mask=np.ones((48, 40)), reference_mask=np.ones((32, 52))
    )
    canvas = canvas_of(photo)
    for a, b in zip(evaluate(plain, canvas, photo), evaluate(masked, canvas, photo), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(a).max())


def test_the_distance_may_be_ones_own(photo, style, canvas_of, evaluate):
    class Largest(ChannelMean):
        def distance(self, statistic, target):
            return tf.reduce_max(tf.abs(statistic - target), axis=-1)

    canvas = canvas_of(photo)
    value, _ = evaluate(Largest(style, layers="block1_conv1"), canvas, photo)
    image, reference = (
        np.asarray(canvas.extract(x[None], LAYERS)[LAYERS[0]]).mean((1, 2)) for x in (photo, style)
    )
    np.testing.assert_allclose(value, [np.abs(image - reference).max()], rtol=1e-4)


def test_a_statistic_may_be_one_number_a_picture(photo, style, canvas_of, evaluate):
    class Energy(sk.losses.StatisticLoss):
        def statistic(self, feature, mask):
            return tf.reduce_mean(tf.square(feature), axis=(1, 2, 3))

    value, _ = evaluate(Energy(style, layers=LAYERS), canvas_of(photo), np.stack([photo, photo]))
    assert value.shape == (2,)
    assert value[0] == value[1] > 0


def test_a_batch_gives_the_values_of_its_pictures(photo, style, canvas_of, evaluate, rng):
    pictures = np.stack([photo, photo[::-1], rng.random(photo.shape).astype("float32")])
    term, canvas = ChannelMean(style, layers=LAYERS, mask=ramp()), canvas_of(photo)
    together = evaluate(term, canvas, pictures)
    for k, picture in enumerate(pictures):
        value, gradient = evaluate(term, canvas, picture)
        np.testing.assert_allclose(together[0][k], value[0], rtol=1e-4)
        scale = np.abs(gradient).max()
        np.testing.assert_allclose(together[1][k], gradient[0], atol=1e-3 * scale)


def tensors(targets):
    if isinstance(targets, dict):
        return [x for value in targets.values() for x in tensors(value)]
    if isinstance(targets, (tuple, list)):
        return [x for value in targets for x in tensors(value)]
    return [] if targets is None else [targets]


def test_a_term_stores_nothing_of_a_run(photo, style, canvas_of, evaluate):
    term = ChannelMean(style, layers=LAYERS, mask=ramp())
    before = dict(vars(term))
    fine, coarse = canvas_of(photo), canvas_of(photo, (24, 20))
    first = term.prepare(fine)
    value, _ = evaluate(term, coarse, resize(photo, (24, 20)))
    assert np.isfinite(value).all()
    second = term.prepare(fine)
    assert vars(term) == before
    assert all(tf.is_tensor(x) for x in tensors(first))
    for a, b in zip(tensors(first), tensors(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_half_precision_features_give_float32(photo, style, canvas_of, evaluate):
    term = ChannelMean(style, layers=LAYERS, mask=ramp())
    half, full = (
        evaluate(term, canvas_of(photo, dtype=dtype), photo)[0]
        for dtype in ("mixed_bfloat16", "float32")
    )
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, full, rtol=0.05)


# References


def test_a_reference_keeps_its_own_size(photo, style, canvas_of, extractor):
    targets = ChannelMean(style, layers=LAYERS).prepare(canvas_of(photo))
    expected = extractor.model(LAYERS)(style[None])
    for layer in LAYERS:
        mean = functional.masked_mean(expected[layer])
        np.testing.assert_allclose(targets[layer]["statistic"], mean, rtol=1e-5)


def test_a_reference_is_scaled_where_that_is_asked_for(photo, style, canvas_of, extractor):
    term = ChannelMean(style, layers=LAYERS, reference_scale=0.5)
    targets = term.prepare(canvas_of(photo))
    expected = extractor.model(LAYERS)(resize(style, (16, 26))[None])
    mean = functional.masked_mean(expected[LAYERS[1]])
    np.testing.assert_allclose(targets[LAYERS[1]]["statistic"], mean, rtol=1e-5)


@pytest.mark.parametrize("scale", [0, -1])
def test_a_scale_is_above_zero(scale, style):
    with pytest.raises(InputError, match=r"reference_scale .* above 0"):
        ChannelMean(style, reference_scale=scale)


def test_a_reference_too_small_for_a_layer_is_an_error(photo, rng, canvas_of):
    tiny = rng.random((10, 12, 3))
    with pytest.raises(InputError, match=r"block5_conv1: expected at least 16 .* received 12x10"):
        ChannelMean(tiny).prepare(canvas_of(photo))


def test_masks_have_the_sizes_of_what_they_belong_to(photo, style, canvas_of):
    canvas = canvas_of(photo)
    right = ChannelMean(style, layers=LAYERS, mask=ramp(), reference_mask=ramp((32, 52)))
    assert right.prepare(canvas)
    swapped = ChannelMean(style, layers=LAYERS, mask=ramp((32, 52)), reference_mask=ramp())
    with pytest.raises(InputError, match=r"^mask has the wrong size.*40x48"):
        swapped.prepare(canvas)
    wrong = ChannelMean(style, layers=LAYERS, mask=ramp(), reference_mask=ramp())
    with pytest.raises(InputError, match=r"^reference mask has the wrong size.*52x32"):
        wrong.prepare(canvas)


def test_a_region_too_small_for_a_layer_names_no_option_that_is_not_there(photo, style, canvas_of):
    mask = np.zeros((48, 40))
    mask[:2, :2] = 1
    with pytest.raises(InputError, match=r"omit the layer\.$"):
        ChannelMean(style, mask=mask).prepare(canvas_of(photo))


# Layers and their weights


def test_layer_weights_weigh_the_mean_over_layers(photo, style, canvas_of, evaluate):
    canvas = canvas_of(photo)

    def value(layers, weights=None):
        return evaluate(ChannelMean(style, layers=layers, layer_weights=weights), canvas, photo)[0]

    one, two = (value(layer) for layer in LAYERS)
    np.testing.assert_allclose(value(LAYERS), (one + two) / 2, rtol=1e-5)
    weighed = (one + 3 * two) / 4
    np.testing.assert_allclose(value(LAYERS, [1, 3]), weighed, rtol=1e-5)
    np.testing.assert_allclose(value(LAYERS, (10, 30)), weighed, rtol=1e-5)
    np.testing.assert_allclose(value(LAYERS, np.array([1, 3])), weighed, rtol=1e-5)
    mapping = {LAYERS[1]: 3, LAYERS[0]: 1}  # in another order
    np.testing.assert_allclose(value(LAYERS, mapping), weighed, rtol=1e-5)
    np.testing.assert_allclose(value(LAYERS, [0, 1]), two, rtol=1e-5)
    np.testing.assert_allclose(value(["conv2_1"], [0.1]), two, rtol=1e-5)
    # A mapping of layers holds their weights, too.
    np.testing.assert_allclose(value(mapping), weighed, rtol=1e-5)
    np.testing.assert_allclose(value(mapping, [1, 1]), (one + two) / 2, rtol=1e-5)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            [1, 2, 3],
            "one weight per layer: expected 2, for block1_conv1, block2_conv1, received 3",
        ),
        ([], "one weight per layer"),
        ({"block1_conv1": 1}, "expected block1_conv1, block2_conv1, received block1_conv1"),
        ({"block1_conv1": 1, "conv2_1": 1}, "received block1_conv1, conv2_1"),
        ([1, -1], "a layer weight is out of range"),
        ([1, np.nan], "a layer weight is out of range"),
        ([0, 0], "`layer_weights` must not all be 0"),
        (5, "one weight per layer: expected 2, .*received 1"),
    ],
)
def test_layer_weights_that_do_not_fit_are_an_error(weights, message, style):
    with pytest.raises(InputError, match=message):
        ChannelMean(style, layers=LAYERS, layer_weights=weights)


def test_layer_weights_of_another_type_are_a_type_error(style):
    with pytest.raises(InputTypeError, match="a layer weight is not a number"):
        ChannelMean(style, layers=LAYERS, layer_weights=["1", "2"])


def test_layers_default_to_those_of_the_extractor(style, extractor):
    assert ChannelMean(style).layers_of(extractor) == STYLE_LAYERS
    compact = sk.CompactVGG()
    assert ChannelMean(style).layers_of(compact) == tuple(compact.style_layers)


def test_one_layer_may_be_given_by_its_name():
    assert layer_tuple("conv1_1") == ("conv1_1",)
    assert layer_tuple(["conv1_1", "conv2_1"]) == ("conv1_1", "conv2_1")
    assert weight_tuple(None, ("a", "b")) == (1.0, 1.0)


@pytest.mark.parametrize("layers", [(), 3, ["conv1_1", 3]])
def test_layers_that_are_none_are_an_error(layers, style):
    with pytest.raises(
        InputTypeError, match="`layers` must be layer names: expected one or more strings"
    ):
        ChannelMean(style, layers=layers)


def test_a_layer_named_twice_is_an_error(style):
    with pytest.raises(InputError, match="`layers` must name each layer once"):
        ChannelMean(style, layers=["conv1_1", "conv2_1", "conv1_1"])


def test_an_unknown_layer_is_an_error_with_the_nearest(photo, style, canvas_of):
    with pytest.raises(InputError, match=r"no layer 'conv6_1'.*Did you mean"):
        ChannelMean(style, layers=["conv6_1"]).prepare(canvas_of(photo))


# Configuration


def test_a_configuration_holds_hashes_and_settings_only(style):
    term = ChannelMean(
        style,
        layers=LAYERS,
        layer_weights=[1, 2],
        mask=ramp(),
        reference_mask=np.mean,
        reference_scale=2,
        weight=3,
        name="mean",
    )
    config = term.get_config()
    assert config == json.loads(json.dumps(config))
    assert config == {
        "reference": picture_hash(style),
        "layer_weights": [1, 2],
        "reference_scale": 2,
        "mask": picture_hash(ramp()),
        "reference_mask": "mean",
        "layers": list(LAYERS),
        "weight": 3,
        "name": "mean",
    }
    assert "array" not in repr(term)
    assert repr(term).startswith(f"ChannelMean(reference='{picture_hash(style)}', ")


def test_what_is_as_by_default_is_left_out_of_a_configuration(style):
    assert list(ChannelMean(style).get_config()) == ["reference", "weight"]


# Means, which tiles combine


def test_what_is_said_of_a_statistic_does_not_hold_for_another():
    class Mean(ChannelMean):
        is_mean = True

    class Distance(Mean):
        def distance(self, statistic, target):
            return super().distance(statistic, target) ** 0.5

    class Other(Mean):
        def statistic(self, feature, mask):
            return tf.sqrt(super().statistic(feature, mask))

    class Both(Other):
        is_mean = True

    assert [cls.is_mean for cls in (ChannelMean, Mean, Distance, Other, Both)] == [
        False,
        True,
        True,
        False,
        True,
    ]


def test_the_means_of_one_layer_after_the_other(photo, style, canvas_of):
    term, canvas = ChannelMean(style, layers=LAYERS, mask=ramp()), canvas_of(photo)
    targets, features = term.prepare(canvas), canvas.extract(photo[None], LAYERS)
    means = {}
    for layer in LAYERS:
        means |= term.means({layer: features[layer]}, targets)
    expected = term.compute(photo[None], features, targets)
    np.testing.assert_allclose([term.value(means, targets)], [expected], rtol=1e-6)


def test_a_term_is_its_only_part(style):
    term = ChannelMean(style)
    assert term.parts == (term,)


def test_what_is_said_of_a_statistic_does_not_hold_for_one_that_is_mixed_in():
    class Centred:
        def statistic(self, feature, mask):
            return feature - tf.reduce_mean(feature, (1, 2), keepdims=True)

    class Both(Centred, sk.GramStyleLoss):
        pass

    class Declared(Both):
        is_mean = True

    assert [one.is_mean for one in (sk.GramStyleLoss, Both, Declared)] == [True, False, True]


def test_what_prepare_alone_reads_may_be_read_by_another_method():
    class Config(sk.GramStyleLoss):
        def get_config(self):
            return super().get_config()

    class Nearby(sk.GramStyleLoss):
        def distance(self, statistic, target):
            return self.reference_scale * super().distance(statistic, target)

    assert Config.only_prepared == sk.GramStyleLoss.only_prepared == sk.StatisticLoss.only_prepared
    assert Nearby.only_prepared == ()


def test_what_the_built_in_losses_say_does_not_hold_for_another_value(style):
    class Rooted(sk.NeighborStyleLoss):
        def compute(self, image, features, targets):
            return super().compute(image, features, targets) ** 0.5

    class Halved(sk.GradientMaskStyleLoss):
        def compute(self, image, features, targets):
            return super().compute(image, features, targets) / 2

    assert sk.NeighborStyleLoss(style).is_mean
    assert not Rooted(style).is_mean
    regions = [(style, ramp()), (style, 1 - ramp())]
    assert len(sk.GradientMaskStyleLoss(regions).parts) == 2
    halved = Halved(regions)
    assert halved.parts == (halved,)
    assert not halved.is_mean


@pytest.mark.parametrize("made", [None, (1, 2), "x"])
def test_a_statistic_that_is_no_tensor_is_an_error(made, photo, style, canvas_of):
    class Forgetful(sk.StatisticLoss):
        def statistic(self, feature, mask):
            return made

    kind = type(made).__name__
    with pytest.raises(InputTypeError, match=f"Forgetful.statistic must return a tensor.*{kind}"):
        Forgetful(style, layers="block1_conv1").prepare(canvas_of(photo))


class OneLayer(sk.Loss):
    layers = "conv1_1"

    def compute(self, image, features, targets):
        return tf.reduce_mean(features["conv1_1"], axis=(1, 2, 3))


def test_a_class_may_name_one_layer_as_it_is(photo, extractor):
    term = OneLayer()
    assert term.layers_of(extractor) == ("conv1_1",)
    assert term.get_config()["layers"] == ["conv1_1"]
    _, values, gradient = sk.Objective([term], extractor, photo.shape[:2])(photo)
    assert float(values["one_layer"][0]) > 0
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("layers", [3, ("conv1_1", 2)])
def test_layers_of_a_class_that_are_no_names(layers, photo, extractor):
    class Wrong(OneLayer):
        pass

    Wrong.layers = layers
    with pytest.raises(InputTypeError, match="`layers` must be layer names") as caught:
        sk.Objective([Wrong()], extractor, photo.shape[:2])
    assert caught.value.__notes__ == ["in method Wrong.layers_of"]
