import keras
import numpy as np
import pytest
import tensorflow as tf

import stylekit as sk
from stylekit._checks import InputError, InputTypeError
from stylekit.transfer import (
    FourierPixels,
    LaplacianPyramid,
    NonFiniteLossError,
    Parameters,
    Pixels,
)
from stylekit.transfer.parameters import clip, rendering


@pytest.fixture
def base(rng):
    return rng.random((2, 5, 6, 3), dtype=np.float32)


@pytest.fixture
def soft(rng):
    """Values from 0 to 1, both among them."""
    mask = rng.random((1, 5, 6, 1), dtype=np.float32)
    mask[:, 0], mask[:, 1] = 0, 1
    return mask


def rendered(image, base, mask, parameters=None):
    values, render = rendering(
        parameters or Pixels(),
        tf.constant(image),
        tf.constant(base),
        None if mask is None else tf.constant(mask),
    )
    return values, render, (values if render is None else render(values)).numpy()


def test_without_a_mask_the_values_are_the_image(base):
    values, render, image = rendered(base, 1 - base, None)
    assert render is None
    np.testing.assert_array_equal(values, base)
    np.testing.assert_array_equal(image, base)


def test_the_start_is_kept_bit_for_bit_under_any_mask(base, soft):
    values, _, image = rendered(base, base, soft)
    np.testing.assert_array_equal(values, base)
    np.testing.assert_array_equal(image, base)


def test_the_picture_of_the_values_is_the_image_that_was_given(base, soft, rng):
    # As at a pyramid's second level: the image has moved, by at most the mask's share.
    moved = base + soft * (rng.random(base.shape, dtype=np.float32) - base)
    values, _, image = rendered(moved, base, soft)
    np.testing.assert_allclose(image, moved, rtol=0, atol=1e-6)
    assert values.numpy().min() >= 0
    assert values.numpy().max() <= 1


def test_an_image_out_of_reach_stays_within_the_masks_share(base, soft):
    *_, image = rendered(1 - base, base, soft)
    assert np.all(np.abs(image - base) <= soft + 1e-6)
    np.testing.assert_array_equal(image[:, 0], base[:, 0])  # the mask is 0 there


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_outside_is_bit_identical_and_inside_within_limits(value, base, soft):
    _, render, _ = rendered(base, base, soft)
    image = render(tf.fill(base.shape, value)).numpy()
    np.testing.assert_array_equal(image[:, 0], base[:, 0])
    np.testing.assert_allclose(image[:, 1], value, atol=1e-7)
    np.testing.assert_allclose(image, base + soft * (value - base), atol=1e-6)
    assert image.min() >= 0
    assert image.max() <= 1


def test_the_gradient_is_the_mask(base, soft):
    values, render, _ = rendered(base, base, soft)
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(render(values))
    gradient = tape.gradient(total, values)
    np.testing.assert_array_equal(gradient, np.broadcast_to(soft, base.shape))


def test_bounds():
    assert Pixels.bounds == (0.0, 1.0)
    assert Parameters.bounds is None
    values = tf.constant([-0.5, 0.25, 7.0])
    np.testing.assert_array_equal(clip(values, (0.0, 1.0)), [0, 0.25, 1])
    np.testing.assert_array_equal(clip(values, None), values)


def test_a_parametrisation_needs_both_methods():
    class Half(Parameters):
        def prepare(self, image):
            return image, None

    with pytest.raises(TypeError, match="image"):
        Half()


def test_repr():
    assert repr(Pixels()) == "Pixels()"


class TestLaplacianPyramid:
    SIZES = ((1, 1), (1, 7), (5, 6), (24, 32), (33, 64), (37, 51))

    def prepared(self, image, levels=8, scale=1.0):
        parameters = LaplacianPyramid(levels, scale)
        return parameters, *parameters.prepare(tf.constant(image))

    @pytest.mark.parametrize("levels", [1, 2, 3, 8])
    @pytest.mark.parametrize("shape", SIZES)
    def test_the_image_of_its_coefficients_is_the_image(self, shape, levels, rng):
        image = rng.random((2, *shape, 3), dtype=np.float32)
        parameters, values, context = self.prepared(image, levels)
        assert values.shape[0] == 2
        assert len(values.shape) == 2
        np.testing.assert_allclose(parameters.image(values, context), image, rtol=0, atol=3e-7)

    def test_the_scale_multiplies_each_band_more(self, rng):
        image = rng.random((1, 13, 18, 3), dtype=np.float32)
        _, plain, _ = self.prepared(image, 3)
        parameters, values, context = self.prepared(image, 3, scale=1.5)
        sizes = [3 * 13 * 18, 3 * 7 * 9, 3 * 4 * 5]
        for k, (one, other) in enumerate(
            zip(tf.split(plain, sizes, 1), tf.split(values, sizes, 1), strict=True)
        ):
            np.testing.assert_allclose(other, one * 1.5**k, rtol=1e-6)
        np.testing.assert_allclose(parameters.image(values, context), image, rtol=0, atol=3e-7)

    def test_a_scale_of_2_makes_values_of_about_equal_weight(self):
        parameters, values, context = self.prepared(np.zeros((1, 64, 64, 3)), 5, scale=2)
        norms = []
        first = 0  # of a band; a coefficient near the middle of it is taken
        for side in (64, 32, 16, 8, 4):
            index = first + side * side // 2 + side // 2
            first += side * side
            one = np.zeros(values.shape).reshape(-1, 3)
            one[index] = 1
            image = parameters.image(tf.constant(one.reshape(1, -1)), context)
            norms.append(float(tf.reduce_mean(tf.norm(image, axis=(1, 2)))))
        assert max(norms) < 2 * min(norms)

    def test_double_precision(self, rng):
        image = rng.random((1, 13, 18, 3))
        parameters, values, context = self.prepared(image)
        result = parameters.image(values, context)
        assert result.dtype == tf.float64
        np.testing.assert_allclose(result, image, rtol=0, atol=1e-15)

    def test_bands_are_of_half_the_size_down_to_one_pixel(self, rng):
        image = rng.random((1, 13, 18, 3), dtype=np.float32)
        sizes = [(13, 18), (7, 9), (4, 5), (2, 3), (1, 2), (1, 1)]
        for levels in range(1, 9):
            parameters, values, _ = self.prepared(image, levels)
            count = sum(height * width for height, width in sizes[:levels])
            assert values.shape == (1, 3 * count)
            assert parameters.pictures((13, 18)) == count / (13 * 18)

    def test_the_finest_band_is_what_the_next_coarser_picture_lacks(self):
        # By hand: the means of pairs are 1 and 6, and at quarters between them 2.25 and 4.75.
        image = np.repeat(np.float32([0, 2, 5, 7]).reshape(1, 1, 4, 1), 3, axis=-1)
        _, values, _ = self.prepared(image, levels=2)
        bands = values.numpy().reshape(6, 3)
        expected = np.repeat([[-1], [-0.25], [0.25], [1], [1], [6]], 3, axis=1)
        np.testing.assert_allclose(bands, expected, atol=1e-6)

    def test_a_flat_picture_has_a_coarsest_band_alone(self):
        image = np.full((1, 11, 14, 3), 0.3, np.float32)
        _, values, _ = self.prepared(image, levels=3)
        np.testing.assert_allclose(values[:, : -3 * 3 * 4], 0, atol=1e-7)
        np.testing.assert_allclose(values[:, -3 * 3 * 4 :], 0.3, atol=1e-7)

    def test_a_coarse_coefficient_moves_an_area_evenly_about_it(self):
        parameters, values, context = self.prepared(np.zeros((1, 32, 48, 3), np.float32), 4)
        change = np.zeros(values.shape, np.float32).reshape(-1, 3)
        change[-(4 * 6) + 6 + 2] = 1  # of the coarsest band's row 1 and column 2
        image = parameters.image(tf.constant(change.reshape(1, -1)), context).numpy()[0, ..., 0]
        centre = [
            np.average(np.arange(n) + 0.5, weights=image.sum(1 - k)) for k, n in ((0, 32), (1, 48))
        ]
        np.testing.assert_allclose(centre, [8 * 1.5, 8 * 2.5], atol=1e-4)
        assert image.sum() == pytest.approx(64, rel=1e-6)
        assert image.min() == 0

    @pytest.mark.parametrize("shape", [(5, 6), (8, 11)])
    def test_the_gradient_is_that_of_a_linear_map(self, shape, rng):
        image = rng.random((1, *shape, 3))
        parameters, values, context = self.prepared(image)
        upstream = tf.constant(rng.normal(size=image.shape))
        with tf.GradientTape() as tape:
            tape.watch(values)
            result = parameters.image(values, context)
        gradient = tape.gradient(result, values, upstream)
        step = tf.constant(rng.normal(size=values.shape))
        moved = parameters.image(values + step, context) - result
        expected = tf.reduce_sum(upstream * moved)
        assert float(tf.reduce_sum(gradient * step)) == pytest.approx(float(expected), rel=1e-12)

    def test_under_a_mask(self, base, soft, rng):
        moved = base + soft * (rng.random(base.shape, dtype=np.float32) - base)
        values, render, image = rendered(moved, base, soft, LaplacianPyramid())
        np.testing.assert_allclose(image, moved, rtol=0, atol=1e-6)
        elsewhere = render(values + 0.4).numpy()
        np.testing.assert_array_equal(elsewhere[:, 0], base[:, 0])  # the mask is 0 there
        assert np.abs(elsewhere - moved)[:, 1:].max() > 0.4

    def test_arguments(self):
        assert LaplacianPyramid().levels == 8
        assert LaplacianPyramid.bounds is None
        assert repr(LaplacianPyramid(3)) == "LaplacianPyramid(levels=3, scale=1)"
        with pytest.raises(InputError, match="levels"):
            LaplacianPyramid(0)
        with pytest.raises(InputTypeError, match="levels"):
            LaplacianPyramid(2.5)
        with pytest.raises(InputError, match="scale"):
            LaplacianPyramid(scale=0)


class TestFourierPixels:
    def prepared(self, image, decay=1.0):
        parameters = FourierPixels(decay)
        return parameters, *parameters.prepare(tf.constant(image))

    @pytest.mark.parametrize("decay", [0, 1, 1.5])
    @pytest.mark.parametrize("shape", TestLaplacianPyramid.SIZES)
    def test_the_image_of_its_coefficients_is_the_image(self, shape, decay, rng):
        image = rng.random((2, *shape, 3), dtype=np.float32)
        parameters, values, context = self.prepared(image, decay)
        assert values.shape == (2, 3, shape[0], shape[1] // 2 + 1, 2)
        assert values.dtype == tf.float32
        np.testing.assert_allclose(parameters.image(values, context), image, rtol=0, atol=2e-6)

    def test_double_precision(self, rng):
        image = rng.random((1, 13, 18, 3))
        parameters, values, context = self.prepared(image)
        result = parameters.image(values, context)
        assert result.dtype == tf.float64
        np.testing.assert_allclose(result, image, rtol=0, atol=1e-14)

    @pytest.mark.parametrize("shape", [(5, 6), (8, 11), (7, 7)])
    def test_the_gradient_is_that_of_a_linear_map(self, shape, rng):
        image = rng.random((1, *shape, 3))
        parameters, values, context = self.prepared(image)
        upstream = tf.constant(rng.normal(size=image.shape))
        with tf.GradientTape() as tape:
            tape.watch(values)
            result = parameters.image(values, context)
        gradient = tape.gradient(result, values, upstream)
        step = tf.constant(rng.normal(size=values.shape))
        moved = parameters.image(values + step, context) - result
        expected = tf.reduce_sum(upstream * moved)
        assert float(tf.reduce_sum(gradient * step)) == pytest.approx(float(expected), rel=1e-12)

    def test_a_coefficient_is_a_wave_of_one_colour(self):
        parameters, values, context = self.prepared(np.zeros((1, 24, 32, 3)))
        one = np.zeros(values.shape)
        one[0, 1, 3, 5, 0] = 1  # red against blue, 3 waves down and 5 along
        image = parameters.image(tf.constant(one), context).numpy()[0]
        down, along = np.mgrid[:24, :32]
        wave = np.cos(2 * np.pi * (3 * down / 24 + 5 * along / 32))
        np.testing.assert_allclose(image[..., 0], image[0, 0, 0] * wave, atol=1e-12)
        np.testing.assert_allclose(image[..., 0], -image[..., 2], atol=1e-12)
        np.testing.assert_allclose(image[..., 1], 0, atol=1e-12)

    @pytest.mark.parametrize("decay", [0.0, 1.0, 2.0])
    def test_the_effect_of_a_value_falls_with_the_frequency(self, decay):
        parameters, values, context = self.prepared(np.zeros((1, 32, 32, 3)), decay)
        norms = []
        for wave in (2, 4, 8):
            one = np.zeros(values.shape)
            one[0, 0, 0, wave, 0] = 1
            norms.append(np.linalg.norm(parameters.image(tf.constant(one), context)))
        np.testing.assert_allclose(norms[0] / norms, [1, 2**decay, 4**decay], rtol=1e-6)

    @pytest.mark.parametrize("shape", [(32, 32), (24, 65), (128, 96)])
    def test_values_of_variance_1_make_colours_of_the_deviations_of_pictures(self, shape, rng):
        parameters, values, context = self.prepared(np.zeros((1, *shape, 3)))
        noise = tf.constant(rng.normal(size=(200, *values.shape[1:])))
        image = parameters.image(noise, context).numpy()
        axes = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]])
        axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
        deviations = (image @ axes.T).std(axis=(0, 1, 2))
        np.testing.assert_allclose(deviations, [0.46, 0.13, 0.06], rtol=0.1)

    def test_values_of_a_picture_are_of_about_one_size(self, photo):
        # Of the pixels' own transform those of low frequencies are many times the others.
        spread = []
        for decay in (0, 1):
            _, values, _ = self.prepared(photo[None], decay)
            size = np.abs(values[0, 0]).max(axis=-1)[1:12, 1:12]
            spread.append(size[:3, :3].mean() / size[6:, 6:].mean())
        assert spread[0] > 8
        assert spread[1] < spread[0] / 3

    def test_under_a_mask(self, base, soft, rng):
        moved = base + soft * (rng.random(base.shape, dtype=np.float32) - base)
        values, render, image = rendered(moved, base, soft, FourierPixels())
        np.testing.assert_allclose(image, moved, rtol=0, atol=2e-6)
        elsewhere = render(values + 2).numpy()
        np.testing.assert_array_equal(elsewhere[:, 0], base[:, 0])  # the mask is 0 there
        assert np.abs(elsewhere - moved)[:, 1:].max() > 0.2

    @pytest.mark.parametrize("shape", [(13, 18), (12, 17), (5, 1)])
    def test_the_number_of_values(self, shape, rng):
        image = rng.random((1, *shape, 3), dtype=np.float32)
        parameters, values, _ = self.prepared(image)
        assert parameters.pictures(shape) == values.shape.num_elements() / image.size

    def test_arguments(self):
        assert FourierPixels.bounds is None
        assert repr(FourierPixels()) == "FourierPixels(decay=1)"
        with pytest.raises(InputError, match="decay"):
            FourierPixels(-1)


@pytest.mark.slow
class TestRunsOnCoefficients:
    """Whole runs, without a network but where it matters."""

    def transfer(self, goal, optimizer=None, parameters=None, **options):
        terms = [sk.PixelLoss(goal), sk.TotalVariationLoss(weight=0.01)]
        options = {"parameters": parameters or LaplacianPyramid(), **options}
        network = sk.VGG19(weights=None)  # of which nothing is read
        return sk.StyleTransfer(terms, extractor=network, optimizer=optimizer, **options)

    with_each_optimizer = pytest.mark.parametrize(
        ("optimizer", "parameters"),
        [
            (lambda: keras.optimizers.Adam(2e-3), LaplacianPyramid()),
            (lambda: sk.LBFGS(2), LaplacianPyramid()),
            (lambda: sk.LBFGS(2), LaplacianPyramid(scale=2)),
            (lambda: keras.optimizers.Adam(0.03), FourierPixels()),
            (lambda: sk.LBFGS(2), FourierPixels()),
        ],
        ids=["adam", "lbfgs", "lbfgs-scaled", "fourier-adam", "fourier-lbfgs"],
    )

    @with_each_optimizer
    def test_it_comes_to_its_goal(self, optimizer, parameters, photo):
        goal = np.clip(0.9 - 0.8 * photo, 0, 1)
        result = self.transfer(goal, optimizer(), parameters).run(photo, 60)
        totals = [row["total"] for row in result.losses]
        assert totals[-1] < 0.3 * totals[0]
        assert result.manifest["parameters"] == repr(parameters)

    def test_lbfgs_takes_no_wild_first_step_with_a_scale_of_2(self, photo):
        totals = [
            [row["total"] for row in self.transfer(1 - photo, None, one).run(photo, 10).losses]
            for one in (LaplacianPyramid(), LaplacianPyramid(scale=2))
        ]
        assert totals[0][1] > 10 * totals[0][0]
        assert max(totals[1]) == totals[1][0]
        assert totals[1][-1] < 0.1 * totals[0][-1]

    @with_each_optimizer
    def test_style_transfer_with_a_network(
        self, optimizer, parameters, photo, compact_terms, compact
    ):
        transfer = sk.StyleTransfer(
            compact_terms,
            extractor=compact,
            optimizer=optimizer(),
            parameters=parameters,
        )
        result = transfer.run(photo, 15, pyramid=sk.Pyramid([16, 32]))
        totals = [row["total"] for row in result.losses]
        assert totals[-1] < 0.9 * totals[0]
        assert result.image.min() >= 0
        assert result.image.max() <= 1

    @with_each_optimizer
    def test_outside_the_mask_nothing_changes(self, optimizer, parameters, photo):
        mask = np.tile(np.linspace(-1, 2, 32, dtype="float32").clip(0, 1), (24, 1))
        transfer = self.transfer(1 - photo, optimizer(), parameters)
        result = transfer.run(photo, 12, update_mask=mask, pyramid=sk.Pyramid([16, 32]))
        np.testing.assert_array_equal(result.image[:, :8], photo[:, :8])
        np.testing.assert_array_equal(result.best[:, :8], photo[:, :8])
        assert np.abs(result.image - photo)[:, 24:].mean() > 0.02

    @with_each_optimizer
    def test_a_batch_is_each_picture_alone(self, optimizer, parameters, photo):
        transfer = self.transfer(np.full_like(photo, 0.3), optimizer(), parameters)
        other = photo[:, ::-1] ** 2
        both, alone = transfer.run([photo, other], 8).image, transfer.run(other, 8).image
        np.testing.assert_allclose(both[1], alone, atol=1e-4)

    @with_each_optimizer
    def test_a_resumed_run_ends_the_same(self, optimizer, parameters, photo, tmp_path):
        mask = np.tile(np.linspace(-1, 2, 32, dtype="float32").clip(0, 1), (24, 1))

        def run(**options):
            transfer = self.transfer(1 - photo, optimizer(), parameters)
            pyramid = sk.Pyramid([16, 32], [1, 2])
            return transfer.run(photo, 9, pyramid=pyramid, update_mask=mask, **options)

        alone = run()
        for index in (2, 6):
            run(checkpoint=tmp_path, callbacks=[lambda step, index=index: step.index == index])
        resumed = run(checkpoint=tmp_path)
        np.testing.assert_array_equal(resumed.image, alone.image)
        np.testing.assert_array_equal(resumed.best, alone.best)
        assert resumed.losses == alone.losses

    def test_another_number_of_levels_is_another_run(self, photo, tmp_path):
        def run(levels):
            transfer = self.transfer(1 - photo, parameters=LaplacianPyramid(levels))
            stop = lambda step: step.index == 2  # noqa: E731
            return transfer.run(photo, 4, checkpoint=tmp_path, callbacks=[stop])

        run(3)
        with pytest.raises(InputError, match=r"another run: .*parameters"):
            run(4)

    def test_more_memory_is_estimated(self, compact, compact_terms):
        def need(optimizer, parameters):
            options = {"optimizer": optimizer, "parameters": parameters}
            memory = sk.estimate_memory(1024, compact, compact_terms, **options)
            return memory.pictures / (1024 * 1024 * 3 * 4)

        adam = keras.optimizers.Adam(2e-3)
        for optimizer, state in ((adam, 7), (sk.LBFGS(10), 26.5)):
            assert need(optimizer, None) == need(optimizer, Pixels())
            more = need(optimizer, LaplacianPyramid()) - need(optimizer, Pixels())
            assert more == pytest.approx(state / 3 + LaplacianPyramid.working, rel=0.01)

    def test_the_plan_that_fits_is_chosen_for_it(self, compact, compact_terms):
        need = sk.estimate_memory(1024, compact, compact_terms).total
        for parameters, expected in ((Pixels(), sk.Plan()), (LaplacianPyramid(), sk.Recompute())):
            plan = sk.FitMemory(int(1.15 * need) + 1)
            transfer = sk.StyleTransfer(
                compact_terms, extractor=compact, plan=plan, parameters=parameters
            )
            assert transfer._settle((1024, 1024), 1, None)[0] == expected


class TestWhatIsShown:
    """The loop clips images to [0, 1]; the objective sees them as they are."""

    class Beyond(Parameters):
        """Twice the contrast, so that dark and bright leave [0, 1]."""

        def prepare(self, image):
            return 2 * image - 0.5, None

        def image(self, values, context):
            return values

    @pytest.fixture
    def transfer(self, photo):
        def make(*terms):
            extractor = sk.VGG19(weights=None)
            return sk.StyleTransfer(terms, extractor=extractor, parameters=self.Beyond())

        return make

    @pytest.fixture
    def expected(self, photo):
        return np.clip(2 * photo - 0.5, 0, 1)

    def test_steps_and_the_result(self, transfer, photo, expected):
        goal = np.zeros_like(photo)
        steps = []
        result = transfer(sk.PixelLoss(goal)).run(photo, 0, callbacks=[steps.append])
        np.testing.assert_array_equal(steps[0].image, expected)
        np.testing.assert_array_equal(result.image, expected)
        np.testing.assert_array_equal(result.best, expected)
        unclipped = np.mean((2 * photo - 0.5) ** 2)
        assert result.losses[0]["total"] == pytest.approx(unclipped, rel=1e-5)
        assert abs(unclipped - np.mean(expected**2)) > 0.01

    def test_from_one_size_to_the_next(self, transfer, photo):
        steps = []
        transfer(sk.PixelLoss(photo)).run(
            photo, 4, pyramid=sk.Pyramid([16, 32]), callbacks=[steps.append]
        )
        assert {step.level for step in steps} == {0, 1}
        for step in steps:
            assert step.image.min() >= 0
            assert step.image.max() <= 1

    def test_a_checkpoint(self, transfer, photo, expected, tmp_path):
        stop = lambda step: step.index == 1  # noqa: E731
        transfer(sk.PixelLoss(photo)).run(photo, 3, checkpoint=tmp_path, callbacks=[stop])
        with np.load(tmp_path / "checkpoint.npz") as file:
            carry = [file[name] for name in file.files if name.startswith("carry")]
        images = [value for value in carry if value.shape == (1, *photo.shape)]
        assert sum(value.min() >= 0 and value.max() <= 1 for value in images) >= 2  # best and good

    def test_a_run_that_breaks_off(self, transfer, photo, expected):
        class Bad(sk.Loss):
            def compute(self, image, features, targets):
                return tf.reduce_mean(tf.sqrt(image), (1, 2, 3))  # NaN below 0

        with pytest.raises(NonFiniteLossError) as caught:
            transfer(Bad(name="bad")).run(photo, 5)
        np.testing.assert_array_equal(caught.value.image, expected)
        np.testing.assert_array_equal(caught.value.result.best, expected)


class TestOnesOwn:
    """The loop applies the mask and clips, whatever a parametrisation does."""

    class Shifted(Parameters):
        """Knows nothing of a mask, and has no bounds."""

        def prepare(self, image):
            return image - 0.3, None

        def image(self, values, context):
            return values + 0.3

    def run(self, parameters, photo, **options):
        descent = keras.optimizers.SGD(0.9 * photo.size)  # which goes too far
        transfer = sk.StyleTransfer(
            [sk.PixelLoss(1 - photo)],
            extractor=sk.VGG19(weights=None),
            optimizer=descent,
            parameters=parameters,
        )
        return transfer.run(photo, 3, **options)

    @pytest.mark.parametrize("make", [Shifted, FourierPixels, LaplacianPyramid, Pixels])
    def test_outside_the_mask_nothing_changes(self, make, photo):
        mask = np.tile(np.linspace(-1, 2, 32, dtype="float32").clip(0, 1), (24, 1))
        images = []
        result = self.run(
            make(), photo, update_mask=mask, callbacks=[lambda step: images.append(step.image)]
        )
        for image in (result.image, result.best, *images):
            np.testing.assert_array_equal(image[:, :8], photo[:, :8])
        assert np.abs(result.image - photo)[:, 24:].mean() > 0.02

    def test_without_bounds_everything_stays_within_the_unit_interval(self, photo, tmp_path):
        parameters = Pixels()
        parameters.bounds = None
        seen = []
        result = self.run(
            parameters,
            photo,
            callbacks=[
                sk.SaveEvery(tmp_path / "step.png", 1),
                sk.Timelapse(tmp_path / "run.gif"),
                seen.append,
            ],
        )
        for image in (result.image, result.best, *(step.image for step in seen)):
            assert image.min() >= 0
            assert image.max() <= 1
        result.save(tmp_path / "out.png")
        assert (tmp_path / "step-00003.png").exists()
        assert (tmp_path / "run.gif").exists()

    @pytest.mark.parametrize(
        ("parameters", "error", "words"),
        [
            ("x", InputTypeError, "`parameters` must be.*Parameters.*received str 'x'"),
            (Pixels, InputTypeError, "the class Pixels itself"),
            (object(), InputTypeError, "received object"),
        ],
        ids=["text", "class", "object"],
    )
    def test_what_is_given_is_checked(self, parameters, error, words, photo):
        with pytest.raises(error, match=words):
            self.run(parameters, photo)
        with pytest.raises(error, match=words):
            sk.estimate_memory(64, sk.CompactVGG(), [sk.PixelLoss(photo)], parameters=parameters)

    @pytest.mark.parametrize("bounds", [(1, 0), (0, 1, 2), "01", 1.0])
    def test_bounds_that_are_no_limits(self, bounds, photo):
        parameters = self.Shifted()
        parameters.bounds = bounds
        with pytest.raises((InputError, InputTypeError), match=r"bounds of Shifted.*low < high"):
            self.run(parameters, photo)

    @pytest.mark.parametrize("method", ["prepare", "image"])
    def test_an_error_names_the_object_and_the_method(self, method, photo):
        class Broken(self.Shifted):
            pass

        def fails(*arguments):
            raise ZeroDivisionError("by nothing")

        setattr(Broken, method, fails)
        with pytest.raises(ZeroDivisionError) as caught:
            self.run(Broken(), photo)
        assert caught.value.__notes__ == [f"in parametrisation Broken, method {method}"]

    def test_what_methods_return_is_checked(self, photo):
        class Values(self.Shifted):
            def prepare(self, image):
                return image

        class Cut(self.Shifted):
            def image(self, values, context):
                return values[:, 1:]

        with pytest.raises(InputTypeError, match=r"`prepare` .*\(values, context\)"):
            self.run(Values(), photo)
        with pytest.raises(InputError, match=r"`image` must return.*23, 32, 3\]"):
            self.run(Cut(), photo)

    def test_state_that_the_trace_would_freeze_is_told(self, photo):
        class Counting(self.Shifted):
            count = 0

            def image(self, values, context):
                self.count += 1
                return values + 0.3

        with pytest.warns(UserWarning, match=r"Counting changed self\.count in image"):
            self.run(Counting(), photo)

    def test_settings_are_the_public_attributes(self):
        parameters = self.Shifted()
        parameters.strength, parameters._own = 0.25, 1
        assert repr(parameters) == "Shifted(strength=0.25)"
        assert parameters.get_config() == {"strength": 0.25}
