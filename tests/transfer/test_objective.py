import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from scipy.optimize import minimize

import stylekit as sk
from stylekit._checks import InputError, InputTypeError, SetupError
from stylekit.transfer.objective import named_terms

SHAPE = (24, 32)
STYLE = ("block1_conv1", "block2_conv1")
CONTENT = "block2_conv2"


@pytest.fixture
def terms(photo, style):
    return [
        sk.ContentLoss(photo, layers=CONTENT),
        sk.GramStyleLoss(style, layers=STYLE, weight=8),
        sk.TotalVariationLoss(weight=0.5),
    ]


@pytest.fixture
def objective(terms, vgg):
    return sk.Objective(terms, vgg, SHAPE)


@pytest.fixture
def noisy(photo, rng):
    return np.clip(photo + rng.normal(0, 0.1, photo.shape), 0, 1).astype("float32")[None]


class Mean(sk.Loss):
    """The image's mean; counts how often it was traced."""

    def __init__(self, **options):
        super().__init__(**options)
        self.computed = 0

    def compute(self, image, features, targets):
        self.computed += 1
        return ops.mean(image, axis=(1, 2, 3))


class Returns(sk.Loss):
    """Whatever a function makes of the image."""

    def __init__(self, function, **options):
        super().__init__(**options)
        self.function = function

    def compute(self, image, features, targets):
        return self.function(image)


class TestEvaluation:
    def test_total_values_and_gradient(self, objective, noisy):
        total, values, gradient = objective(noisy)
        assert list(values) == ["content", "gram_style", "total_variation"]
        assert total.shape == (1,)
        assert gradient.shape == noisy.shape
        expected = values["content"] + 8 * values["gram_style"] + 0.5 * values["total_variation"]
        np.testing.assert_allclose(total, expected, rtol=1e-6)

    @pytest.mark.parametrize("seed", range(3))
    def test_the_gradient_is_that_of_finite_differences(self, objective, noisy, seed):
        gradient = objective(noisy)[2].numpy()
        # Downhill in most pixels, or float32 could not tell the difference from rounding.
        along = np.abs(np.random.default_rng(seed).normal(size=noisy.shape)) * np.sign(gradient)
        along[:, : 4 * seed] *= -1
        along = np.float32(along / np.abs(along).max())
        ahead, behind = (float(objective(noisy + h * along)[0][0]) for h in (2e-3, -2e-3))
        assert (ahead - behind) / 4e-3 == pytest.approx(float(np.sum(gradient * along)), rel=0.03)

    def test_term_gradients_sum_to_the_gradient(self, objective, noisy):
        parts = objective.term_gradients(noisy)
        assert list(parts) == list(objective.terms)
        assert all(np.abs(part).max() > 0 for part in parts.values())
        total = objective(noisy)[2].numpy()
        gap = np.linalg.norm(sum(part.numpy() for part in parts.values()) - total)
        assert gap < 1e-5 * np.linalg.norm(total)

    def test_term_gradients_are_weighted(self, photo, noisy, vgg):
        weak = sk.Objective([sk.PixelLoss(photo, weight=2)], vgg, SHAPE).term_gradients(noisy)
        expected = 2 * 2 * (noisy - photo) / photo.size
        np.testing.assert_allclose(weak["pixel"], expected, rtol=1e-4, atol=1e-9)

    def test_weights_change_without_a_new_trace(self, vgg, noisy):
        mean, variation = Mean(weight=2), sk.TotalVariationLoss(weight=1)
        objective = sk.Objective([mean, variation], vgg, SHAPE)
        _, values, _ = objective(noisy)
        for weight in (0, 0.5, 30):
            mean.weight = weight
            total, _, gradient = objective(noisy)
            np.testing.assert_allclose(
                total, weight * values["mean"] + values["total_variation"], rtol=1e-6
            )
        expected = 30 / noisy.size + objective.term_gradients(noisy)["total_variation"]
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)
        assert mean.computed == 2  # one trace of the total, one of the terms' gradients

    def test_many_objectives_do_not_count_as_repeated_traces(self, vgg, photo, monkeypatch):
        warned = []
        monkeypatch.setattr(tf.get_logger(), "warning", lambda *args: warned.append(args))
        for _ in range(6):  # TensorFlow warns at the fifth trace of the same code
            transfer = sk.StyleTransfer([Mean()], extractor=vgg)
            result = transfer.run(photo, steps=1)
            transfer.objective(photo)(result.image)
        assert not warned

    def test_a_batch_is_its_pictures(self, terms, vgg, noisy, photo):
        objective = sk.Objective(terms, vgg, SHAPE)
        batch = np.concatenate([noisy, 1 - noisy, photo[None]])
        total, values, gradient = objective(batch)
        for index, picture in enumerate(batch):
            alone, parts, slope = objective(picture[None])
            np.testing.assert_allclose(total[index], alone[0], rtol=1e-4)
            for name, part in parts.items():
                np.testing.assert_allclose(values[name][index], part[0], rtol=1e-4, atol=1e-7)
            gap = np.linalg.norm(gradient[index] - slope[0])
            assert gap < 1e-3 * np.linalg.norm(slope)

    def test_values_outside_the_unit_interval_are_evaluated_as_they_are(self, photo, vgg):
        objective = sk.Objective([sk.PixelLoss(0 * photo)], vgg, SHAPE)
        for image in (np.full((1, *SHAPE, 3), 3.0), tf.fill((1, *SHAPE, 3), -3.0)):
            total, _, gradient = objective(image)
            np.testing.assert_allclose(total, [9.0], rtol=1e-6)
            np.testing.assert_allclose(gradient, 2 * image / photo.size, rtol=1e-5)

    def test_pictures_of_any_form(self, objective, photo):
        expected = objective(photo[None])[0]
        np.testing.assert_array_equal(objective(photo)[0], expected)
        np.testing.assert_array_equal(objective(tf.constant(photo[None]))[0], expected)
        levels = np.uint8(photo * 255 + 0.5)
        np.testing.assert_allclose(objective(levels)[0], objective(levels / 255)[0], rtol=1e-5)

    def test_a_term_sees_its_own_layers_under_its_own_names(self, vgg, photo):
        class Spy(sk.Loss):
            layers = ("conv1_1",)

            def compute(self, image, features, targets):
                seen.append((dict(features), targets))
                return ops.mean(features["conv1_1"], axis=(1, 2, 3))

        seen = []
        terms = [Spy(), sk.ContentLoss(photo, layers="block2_conv1")]
        sk.Objective(terms, vgg, SHAPE)(photo)
        [(features, targets)] = seen
        assert list(features) == ["conv1_1"]
        assert features["conv1_1"].shape == (1, *SHAPE, 64)
        assert targets is None

    def test_features_are_those_of_the_weights_file(self, photo, tmp_path):
        # Neither term asks for both layers: the network that has both is the objective's own, and
        # a network that is first built inside a traced function would keep its random weights.
        class Mean(sk.Loss):
            def __init__(self, layer):
                super().__init__()
                self.layers = (layer,)

            def compute(self, image, features, targets):
                return ops.mean(features[self.layers[0]], axis=(1, 2, 3))

        arrays = {}
        for layer in sk.VGG19(weights=None).model(STYLE).layers:
            for kind, array in zip(("kernel", "bias"), layer.get_weights(), strict=False):
                arrays[f"{layer.name}/{kind}"] = 0.5 * array + 0.01
        np.savez(tmp_path / "weights.npz", **arrays)
        objective = sk.Objective(
            [Mean(layer) for layer in STYLE], sk.VGG19(tmp_path / "weights.npz"), SHAPE
        )
        _, values, _ = objective(photo)
        features = sk.VGG19(tmp_path / "weights.npz").model(STYLE)(photo[None])
        for value, layer in zip(values.values(), STYLE, strict=True):
            np.testing.assert_allclose(value, [np.mean(features[layer])], rtol=1e-4)

    def test_a_term_that_ignores_the_image_has_no_gradient(self, vgg, photo):
        objective = sk.Objective([Returns(lambda image: ops.ones(image.shape[0]))], vgg, SHAPE)
        total, _, gradient = objective(np.stack([photo, photo]))
        np.testing.assert_array_equal(total, [1, 1])
        np.testing.assert_array_equal(gradient, np.zeros((2, *photo.shape)))


def test_scipy_drives_it(objective, noisy):
    def total_and_gradient(x):
        total, _, gradient = objective(x.reshape(noisy.shape))
        return float(total[0]), gradient.numpy().ravel().astype("float64")

    before = total_and_gradient(noisy.ravel())[0]
    found = minimize(
        total_and_gradient,
        noisy.ravel().astype("float64"),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, 1)] * noisy.size,
        options={"maxiter": 15},
    )
    assert found.fun < 0.3 * before
    assert float(objective(found.x.reshape(noisy.shape))[0][0]) == pytest.approx(found.fun)


class TestTerms:
    def test_unnamed_terms_number_themselves(self):
        losses = [
            sk.TotalVariationLoss(),
            sk.TotalVariationLoss(),
            sk.TotalVariationLoss(name="mine"),
            sk.TotalVariationLoss(name="total_variation_2"),
            Mean(),
        ]
        names = [*named_terms(losses)]
        assert names == [
            "total_variation",
            "total_variation_3",
            "mine",
            "total_variation_2",
            "mean",
        ]
        assert list(named_terms(losses).values()) == losses

    def test_no_term_is_lost_to_an_empty_name(self):
        losses = [Mean(), Mean(name="")]
        assert list(named_terms(losses).values()) == losses

    def test_a_class_may_be_called_total(self):
        class TotalLoss(Mean):
            pass

        assert list(named_terms([TotalLoss()])) == ["total_2"]

    def test_one_term_without_a_list(self):
        assert list(named_terms(Mean())) == ["mean"]

    @pytest.mark.parametrize(
        ("losses", "words"),
        [
            ([], "at least one loss, got none"),
            ([Mean(name="a"), Mean(name="a")], "'a' is given twice"),
            ([Mean(name="total")], "'total' is reserved for the sum"),
        ],
    )
    def test_terms_that_cannot_be_told_apart(self, losses, words, vgg):
        with pytest.raises(InputError, match=words):
            sk.Objective(losses, vgg, SHAPE)

    def test_a_term_is_a_loss(self, vgg):
        with pytest.raises(
            InputTypeError, match=r"must be a Loss.*stylekit\.losses\.Loss.*ndarray"
        ):
            sk.Objective([np.zeros(3)], vgg, SHAPE)

    def test_negative_weights(self):
        mean = Mean()
        with pytest.raises(InputError, match=r"`weight` of Mean.*at least 0.*-1"):
            mean.weight = -1
        with pytest.raises(InputError, match="`weight` of Mean"):
            Mean(weight=float("nan"))
        assert mean.weight == 1

    @pytest.mark.parametrize(
        ("function", "received"),
        [(lambda x: x[:, 0, 0], r"\[1, 3\]"), (lambda x: ops.ones(3), r"\[3\]")],
    )
    def test_a_value_of_the_wrong_shape(self, function, received, vgg, photo):
        objective = sk.Objective([Returns(function, name="odd")], vgg, SHAPE)
        with pytest.raises(InputError, match=rf"'odd'.*per picture.*\[1\].*{received}"):
            objective(photo)

    def test_one_number_is_enough_for_one_picture(self, vgg, photo):
        objective = sk.Objective([Returns(lambda x: ops.mean(x))], vgg, SHAPE)
        total, values, _ = objective(photo)
        assert values["returns"].shape == (1,)
        np.testing.assert_allclose(total, [photo.mean()], rtol=1e-5)
        # For two it would mix their gradients.
        with pytest.raises(InputError, match=r"one value per picture.*\[2\]"):
            objective(np.stack([photo, 1 - photo]))


class TestRefusals:
    @pytest.mark.parametrize("shape", [(1, 24, 31, 3), (1, 32, 24, 3), (2, 12, 32, 3)])
    @pytest.mark.parametrize("kind", [np.zeros, tf.zeros])
    def test_another_shape(self, shape, kind, vgg):
        objective = sk.Objective([Mean()], vgg, SHAPE)
        with pytest.raises(InputError, match=r"\[B, 24, 32, 3\], received " + f"\\{[*shape]}"):
            objective(kind(shape))
        with pytest.raises(InputError, match="`image` must have the shape"):
            objective.term_gradients(kind(shape))

    def test_a_picture_too_small_for_a_layer(self, vgg, photo):
        loss = sk.ContentLoss(photo[:9, :12], layers="block5_conv1")
        with pytest.raises(InputError, match=r"block5_conv1.*at least 16 pixels.*12x9"):
            sk.Objective([loss], vgg, (9, 12))

    def test_an_unknown_precision(self, terms, vgg):
        with pytest.raises(InputError, match=r"precision is unknown.*'mixed_float16'.*'float16'"):
            sk.Objective(terms, vgg, SHAPE, precision="float16")

    def test_another_backend(self, terms, vgg, monkeypatch):
        monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
        with pytest.raises(SetupError, match=r"TensorFlow.*jax.*KERAS_BACKEND=tensorflow"):
            sk.Objective(terms, vgg, SHAPE)


class TestPrecision:
    @pytest.mark.parametrize(
        ("precision", "tolerance"), [("mixed_float16", 0.04), ("mixed_bfloat16", 0.1)]
    )
    def test_gradients_are_near_those_of_float32(self, precision, tolerance, terms, vgg, noisy):
        full = sk.Objective(terms, vgg, SHAPE)
        half = sk.Objective(terms, vgg, SHAPE, precision=precision)
        total, _, gradient = half(noisy)
        assert half.canvas.extract(noisy, STYLE)["block2_conv1"].dtype == precision[6:]
        assert total.dtype == gradient.dtype == "float32"
        expected, _, slope = full(noisy)
        np.testing.assert_allclose(total, expected, rtol=tolerance)
        assert np.isfinite(gradient).all()
        assert np.linalg.norm(gradient - slope) < tolerance * np.linalg.norm(slope)

    @pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
    def test_statistics_are_float32(self, precision, terms, vgg, noisy):
        objective = sk.Objective(terms, vgg, SHAPE, precision=precision)
        for layer in STYLE:
            assert objective.targets["gram_style"][layer]["statistic"].dtype == "float32"
        for value in objective(noisy)[1].values():
            assert value.dtype == "float32"

    @pytest.mark.parametrize("term", range(3))
    def test_in_float64_gradients_agree_with_differences(self, term, terms, vgg, noisy, rng):
        step = 1e-7 * rng.normal(size=noisy.shape)  # few units of the network switch on the way
        errors = {}
        for precision in ("float32", "float64"):
            objective = sk.Objective([terms[term]], vgg, SHAPE, precision=precision)
            total, values, gradient = objective(noisy)
            assert {x.dtype.name for x in (total, gradient, *values.values())} == {precision}
            rise = float(objective(noisy + step)[0][0] - objective(noisy - step)[0][0])
            errors[precision] = abs(rise / (2 * float(np.sum(gradient * step))) - 1)
        assert errors["float64"] < 1e-5
        assert errors["float32"] > 1e-3  # or this would not be worth its name

    def test_a_run_is_not_in_float64(self, terms, vgg):
        with pytest.raises(InputError, match=r"precision is unknown.*'float64'"):
            sk.StyleTransfer(terms, extractor=vgg, precision="float64")

    def test_the_scale_falls_until_the_gradient_is_finite(self, terms, vgg, noisy):
        for term in terms:
            term.weight *= 1e7
        full, half = (
            sk.Objective(terms, vgg, SHAPE, precision=p) for p in ("float32", "mixed_float16")
        )
        scale = float(half._scale)
        half(noisy)
        assert float(half._scale) < scale  # or this would test nothing
        gradient, slope = half(noisy)[2].numpy(), full(noisy)[2].numpy()
        assert np.linalg.norm(gradient - slope) < 0.04 * np.linalg.norm(slope)

    @pytest.mark.parametrize(
        ("precision", "tolerance"), [("mixed_float16", 0.04), ("mixed_bfloat16", 0.12)]
    )
    def test_with_trained_weights(self, precision, tolerance, data_dir, photo, style, noisy):
        vgg = sk.VGG19(data_dir / "weights" / "vgg19_conv1_1_to_conv4_1.npz")
        layers = tuple(f"block{block}_conv1" for block in (1, 2, 3, 4))
        terms = [
            sk.ContentLoss(photo, layers="block4_conv1"),
            sk.GramStyleLoss(style, layers=layers, weight=8),
        ]
        full, half = (sk.Objective(terms, vgg, SHAPE, precision=p) for p in ("float32", precision))
        gradient, slope = half(noisy)[2].numpy(), full(noisy)[2].numpy()
        assert np.isfinite(gradient).all()
        assert np.linalg.norm(gradient - slope) < tolerance * np.linalg.norm(slope)


class TestNotes:
    """An error in a user's method says whose it is."""

    def notes(self, term, vgg, photo):
        with pytest.raises(ZeroDivisionError) as error:
            sk.Objective([sk.TotalVariationLoss(), term], vgg, photo.shape[:2])(photo[None])
        return error.value.__notes__

    def test_compute(self, vgg, photo):
        class Broken(sk.Loss):
            def compute(self, image, features, targets):
                return 1 / 0

        assert self.notes(Broken(name="mine"), vgg, photo) == [
            "in loss 'mine', method Broken.compute"
        ]

    def test_prepare(self, vgg, photo):
        class Broken(sk.TotalVariationLoss):
            def prepare(self, canvas):
                return 1 / 0

        assert self.notes(Broken(name="other"), vgg, photo) == ["in method Broken.prepare"]

    def test_the_model_of_an_extractor(self, photo):
        class Broken(sk.VGG19):
            def model(self, layers, dtype="float32"):
                return 1 / 0

        broken, term = Broken(None), sk.GramStyleLoss(photo, layers="conv1_1")
        for call in (
            lambda: sk.Objective([term], broken, photo.shape[:2]),
            lambda: sk.estimate_memory(photo.shape[:2], broken, [term]),
            lambda: sk.losses.Canvas(broken, photo.shape[:2]).extract(photo[None], ["conv1_1"]),
        ):
            with pytest.raises(ZeroDivisionError) as error:
                call()
            assert error.value.__notes__ == ["in extractor Broken, method model"]

    def test_the_preprocessing_of_an_extractor(self):
        def halved(image):
            return image / None

        inputs = keras.Input((None, None, 3))
        network = keras.Model(inputs, keras.layers.Conv2D(4, 3)(inputs))
        with pytest.raises(InputError) as error:
            sk.KerasExtractor(network, preprocess=halved)
        assert error.value.__notes__ == ["in extractor KerasExtractor, preprocess 'halved'"]

    def test_statistic(self, vgg, photo):
        class Broken(sk.StatisticLoss):
            def statistic(self, feature, mask):
                return 1 / 0

        notes = self.notes(Broken(photo, layers="conv1_1"), vgg, photo)
        assert notes == ["in method Broken.statistic", "in method Broken.prepare"]


@pytest.mark.parametrize("kind", ["windows", "patches"])
def test_in_float64_a_gradient_is_that_of_differences(kind, vgg, photo, rng):
    if kind == "windows":
        term = sk.losses.WindowGramStyleLoss(
            photo[::-1], photo, photo[::-1], layers="conv1_1", patch=16
        )
    else:
        term = sk.losses.PatchStyleLoss(photo[::-1], layers="conv1_1")
    objective = sk.Objective([term], vgg, photo.shape[:2], precision="float64")
    image, step = photo[None].astype("float64") ** 2, 1e-7 * rng.normal(size=(1, *photo.shape))
    total, _, gradient = objective(image)
    assert total.dtype == "float64"
    ahead, behind = (float(objective(image + sign * step)[0][0]) for sign in (1, -1))
    slope = float(np.sum(2 * step * gradient))
    # A few units of the network switch on the way.
    assert ahead - behind == pytest.approx(slope, rel=1e-3)
