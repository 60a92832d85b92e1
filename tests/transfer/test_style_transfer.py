import copy
import pickle
import warnings
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from PIL import Image

import stylekit as sk
from stylekit._checks import FileError, InputError, InputTypeError, SetupError
from stylekit.transfer import NonFiniteLossError, Optimizer, Parameters, Start, TransferError

SHAPE = (24, 32)
LAYERS = ("block1_conv1", "block2_conv1")
# Where a test counts on getting somewhere; two pairs are traced in half the time of ten.
QUICK = sk.LBFGS(2, first_step=0.02, max_step=0.3)


@pytest.fixture
def mask():
    """Left 0, a soft column range, right 1."""
    ramp = np.clip((np.arange(SHAPE[1], dtype="float32") - 10) / 8, 0, 1)
    return np.tile(ramp, (SHAPE[0], 1))


@pytest.fixture
def transfer(photo, style, vgg):
    """Content, style and smoothness."""
    return make(vgg, photo, style)


@pytest.fixture
def plain(photo, vgg):
    """No network: for what the loop alone does."""
    terms = [sk.PixelLoss(1 - photo), Mean(weight=0.1)]
    return sk.StyleTransfer(terms, extractor=vgg, optimizer=sk.LBFGS(2))


def make(vgg, photo, style, **options):
    terms = [
        sk.ContentLoss(photo, layers="block2_conv1"),
        sk.GramStyleLoss(style, layers=LAYERS, weight=8),
        sk.TotalVariationLoss(weight=0.1),
    ]
    return sk.StyleTransfer(terms, extractor=vgg, **{"optimizer": QUICK, **options})


class Mean(sk.Loss):
    """The image's mean; notes how often it is prepared and traced."""

    def __init__(self, **options):
        super().__init__(**options)
        self.prepared, self.computed = [], 0

    def prepare(self, canvas):
        self.prepared.append(canvas.shape)

    def compute(self, image, features, targets):
        self.computed += 1
        return ops.mean(image, axis=(1, 2, 3))


class Returns(sk.Loss):
    """Whatever a function makes of the image's mean."""

    def __init__(self, function, **options):
        super().__init__(**options)
        self.function = function

    def compute(self, image, features, targets):
        return self.function(ops.mean(image, axis=(1, 2, 3)))


class Descent(Optimizer):
    """One's own optimizer; the state counts the steps."""

    def __init__(self, rate):
        self.rate = rate

    def init(self, x):
        return {"count": tf.zeros((), tf.int32)}

    def step(self, evaluate, x, state):
        _, gradient = evaluate(x)
        return x - self.rate * gradient, {"count": state["count"] + 1}


def interrupt_at(index):
    def callback(step):
        if step.index == index:
            raise KeyboardInterrupt

    return callback


def assert_same(a, b):
    np.testing.assert_array_equal(a.image, b.image)
    np.testing.assert_array_equal(a.best, b.best)
    assert a.losses == b.losses


def totals(result):
    return [row["total"] for row in result.losses]


class TestRun:
    def test_the_losses_fall(self, transfer, photo):
        result = transfer.run(photo, 20)
        assert result.losses[0]["content"] == pytest.approx(0, abs=1e-9)
        assert totals(result)[-1] < 0.5 * totals(result)[0]
        assert result.losses[-1]["gram_style"] < 0.3 * result.losses[0]["gram_style"]
        assert result.stopped_by == "steps"
        assert result.steps == 20
        assert result.image.shape == photo.shape
        assert result.image.dtype == np.float32
        assert result.seconds > 0

    def test_rows_are_the_objective_at_each_image(self, transfer, photo):
        objective = transfer.objective(photo)
        images = []
        result = transfer.run(photo, 6, callbacks=[lambda step: images.append(step.image)])
        assert len(result.losses) == len(images) == 7
        np.testing.assert_array_equal(images[0], photo)
        np.testing.assert_array_equal(images[-1], result.image)
        for row, image in zip(result.losses, images, strict=True):
            total, values, _ = objective(image)
            assert row["total"] == pytest.approx(float(total[0]), rel=1e-4)
            for name, value in values.items():
                assert row[name] == pytest.approx(float(value[0]), rel=1e-4, abs=1e-8)

    def test_steps_say_where_they_are(self, plain, photo):
        steps = []
        plain.run(photo, 4, callbacks=[steps.append])
        assert [step.index for step in steps] == [0, 1, 2, 3, 4]
        assert {step.steps for step in steps} == {4}
        assert {step.level for step in steps} == {0}
        seconds = [step.seconds for step in steps]
        assert seconds == sorted(seconds)
        assert seconds[0] > 0

    def test_steps_stay_what_they_were(self, plain, photo):
        kept, seen = [], []
        plain.run(photo, 4, callbacks=[kept.append, lambda step: seen.append(step.image)])
        for step, image in zip(kept, seen, strict=True):
            np.testing.assert_array_equal(step.image, image)
        assert not np.array_equal(seen[0], seen[1])

    def test_iterate_is_the_same_loop(self, transfer, photo):
        result = transfer.run(photo, 5)
        steps = list(transfer.iterate(photo, 5))
        assert [step.losses for step in steps] == result.losses
        np.testing.assert_array_equal(steps[-1].image, result.image)

    @pytest.mark.parametrize("steps", [0, 2])
    def test_iterate_yields_the_start_and_each_result(self, steps, plain, photo):
        assert [step.index for step in plain.iterate(photo, steps)] == list(range(steps + 1))

    def test_iterate_may_be_left(self, plain, photo):
        for step in plain.iterate(photo, 1000):
            if step.index == 2:
                break
        np.testing.assert_array_equal(step.image, plain.run(photo, 2).image)

    def test_the_same_result_twice(self, transfer, photo, vgg, style):
        first = transfer.run(photo, 8)
        assert_same(first, transfer.run(photo, 8))
        assert_same(first, make(vgg, photo, style).run(photo, 8))

    @pytest.mark.parametrize(
        "optimizer",
        [lambda: sk.LBFGS(2), lambda: keras.optimizers.Adam(0.05)],
        ids=["LBFGS", "Adam"],
    )
    @pytest.mark.slow
    def test_a_seed_is_a_result(self, optimizer, photo, vgg, style):
        def run(seed):
            transfer = make(vgg, photo, style, optimizer=optimizer(), seed=seed)
            return transfer.run(sk.Noise(), 8, pyramid=sk.Pyramid([16, 32]))

        first = run(seed=5)
        assert_same(run(seed=5), first)
        assert not np.array_equal(run(seed=6).image, first.image)

    def test_transfers_share_no_state(self, vgg, photo, style):
        one, other = make(vgg, photo, style), make(vgg, 1 - photo, style[::-1], seed=3)
        first = one.run(photo, 6)
        apart = other.run(photo[::-1], 6)
        assert_same(one.run(photo, 6), first)
        pairs = zip(one.iterate(photo, 6), other.iterate(photo[::-1], 6), strict=True)
        for mine, theirs in pairs:
            assert mine.losses == first.losses[mine.index]
            assert theirs.losses == apart.losses[theirs.index]

    def test_transfers_may_share_their_terms(self, photo, vgg):
        terms = [sk.PixelLoss(1 - photo), sk.TotalVariationLoss()]
        one = sk.StyleTransfer(terms, extractor=vgg)
        other = sk.StyleTransfer(terms[::-1], extractor=vgg)
        small = np.ascontiguousarray(photo[::2, ::2])
        first = one.run(photo, 4)
        other.run(small, 4)
        assert_same(one.run(photo, 4), first)

    def test_the_pictures_given_stay_as_they_are(self, transfer, photo, mask):
        before, mask_before = photo.copy(), mask.copy()
        result = transfer.run(photo, 3, update_mask=mask)
        result.image[:] = 0
        np.testing.assert_array_equal(photo, before)
        np.testing.assert_array_equal(mask, mask_before)

    @pytest.mark.parametrize("optimizer", [QUICK, Descent(1e4), keras.optimizers.SGD(1e4)])
    def test_values_stay_within_the_unit_interval(self, optimizer, photo, vgg):
        class Contrast(sk.Loss):  # ever lower the farther the values are from grey
            def compute(self, image, features, targets):
                return 1 - ops.mean((image - 0.5) ** 2, axis=(1, 2, 3))

        transfer = sk.StyleTransfer([Contrast()], extractor=vgg, optimizer=optimizer)
        result = transfer.run(photo, 12)
        assert result.image.min() == 0
        assert result.image.max() == 1

    def test_zero_steps_return_the_start(self, plain, photo, mask):
        for options in ({}, {"update_mask": mask}, {"pyramid": sk.Pyramid([16, 32])}):
            result = plain.run(photo, 0, **options)
            np.testing.assert_array_equal(result.image, photo)
            np.testing.assert_array_equal(result.best, photo)
            assert len(result.losses) == 1
            assert result.steps == 0
            assert result.stopped_by == "steps"

    def test_best_is_the_image_of_the_lowest_total(self, vgg, photo, style):
        images = []
        jump = keras.optimizers.schedules.PiecewiseConstantDecay([3], [0.01, 10.0])
        worse = make(vgg, photo, style, optimizer=keras.optimizers.SGD(jump))
        result = worse.run(photo, 7, callbacks=[lambda step: images.append(step.image)])
        lowest = int(np.argmin(totals(result)))
        assert 0 < lowest < 7  # or this would test nothing
        np.testing.assert_array_equal(result.best, images[lowest])

    def test_best_is_each_pictures_own(self, photo, vgg):
        class Fade(Descent):
            def step(self, evaluate, x, state):
                evaluate(x)
                return x * self.rate, state

        goals = np.stack([np.ones_like(photo), np.zeros_like(photo)])
        transfer = sk.StyleTransfer([sk.PixelLoss(goals)], extractor=vgg, optimizer=Fade(0.9))
        result = transfer.run(np.stack([photo, photo]), 3)
        np.testing.assert_array_equal(result.best[0], photo)
        np.testing.assert_array_equal(result.best[1], result.image[1])

    def test_a_path_and_a_pil_image(self, plain, photo, tmp_path):
        levels = Image.fromarray(np.uint8(photo * 255 + 0.5))
        levels.save(tmp_path / "photo.png")
        start = np.asarray(levels) / np.float32(255)
        for initial in (levels, tmp_path / "photo.png", str(tmp_path / "photo.png")):
            np.testing.assert_array_equal(plain.run(initial, 0).image, start)


class TestTraces:
    def test_one_a_size(self, photo, vgg):
        mean = Mean()
        sk.StyleTransfer([mean], extractor=vgg).run(photo, 12)
        assert mean.computed == 1
        assert mean.prepared == [SHAPE]

    def test_a_pyramid_has_one_a_level(self, photo, vgg, mask):
        mean = Mean()
        sk.StyleTransfer([mean], extractor=vgg).run(
            photo, 12, pyramid=sk.Pyramid([16, 32]), update_mask=mask
        )
        assert mean.computed == 2
        assert sorted(mean.prepared) == [(12, 16), SHAPE]

    @pytest.mark.parametrize("optimizer", [None, keras.optimizers.Adam(0.01), Descent(0.1)])
    def test_weights_may_change_on_the_way(self, optimizer, photo, vgg):
        mean, pixel = Mean(), sk.PixelLoss(photo, weight=0.5)

        def change(step):
            mean.weight = float(step.index)

        transfer = sk.StyleTransfer([mean, pixel], extractor=vgg, optimizer=optimizer)
        result = transfer.run(photo, 5, callbacks=[change])
        assert mean.computed == 1
        weights = [1, 0, 1, 2, 3, 4]  # of row i: what the callback set after row i - 1
        expected = [
            weight * row["mean"] + 0.5 * row["pixel"]
            for weight, row in zip(weights, result.losses, strict=True)
        ]
        np.testing.assert_allclose(totals(result), expected, rtol=1e-5)


class TestBatch:
    @pytest.mark.parametrize("optimizer", [None, keras.optimizers.Adam(0.02)])
    def test_two_pictures_are_two_runs(self, optimizer, photo, style, vgg):
        # Of one start the losses are small, of the other large: neither may set the other's step.
        starts = np.stack([photo, 1 - photo])
        transfer = make(vgg, photo, style, optimizer=optimizer)
        together = transfer.run(starts, 6)
        assert together.image.shape == (2, *photo.shape)
        for index, start in enumerate(starts):
            alone = transfer.run(start, 6)
            np.testing.assert_allclose(together.image[index], alone.image, atol=2e-3)
            np.testing.assert_allclose(together.best[index], alone.best, atol=2e-3)
            for row, expected in zip(together.losses, alone.losses, strict=True):
                for name, value in expected.items():
                    assert row[name].shape == (2,)
                    assert row[name][index] == pytest.approx(value, rel=0.01, abs=1e-6)

    def test_contents_of_their_own(self, photo, vgg):
        contents = np.stack([photo, 1 - photo])
        term = sk.PixelLoss(contents)
        transfer = sk.StyleTransfer([term], extractor=vgg, optimizer=QUICK)
        result = transfer.run(np.full_like(contents, 0.5), 15)
        np.testing.assert_allclose(result.image, contents, atol=0.02)

    def test_a_batch_of_one_is_a_picture(self, plain, photo):
        assert_same(plain.run(photo[None], 3), plain.run(photo, 3))

    def test_a_list_of_pictures(self, plain, photo):
        result = plain.run([photo, 1 - photo], 0)
        np.testing.assert_array_equal(result.image, [photo, 1 - photo])

    def test_pictures_under_a_mask(self, plain, photo, mask):
        starts = np.stack([photo, 1 - photo])
        result = plain.run(starts, 4, update_mask=mask)
        np.testing.assert_array_equal(result.image[:, :, :11], starts[:, :, :11])
        assert np.abs(result.image - starts)[:, :, 18:].max() > 0.05


class TestUpdateMask:
    @pytest.mark.parametrize("optimizer", [None, keras.optimizers.Adam(0.05), Descent(100.0)])
    @pytest.mark.parametrize("pyramid", [None, sk.Pyramid([16, 32])])
    def test_outside_is_bit_identical_and_inside_changes(
        self, optimizer, pyramid, photo, style, vgg, mask
    ):
        transfer = make(vgg, photo, style, optimizer=optimizer)
        images = []
        result = transfer.run(
            photo,
            6,
            update_mask=mask,
            pyramid=pyramid,
            callbacks=[lambda step: images.append((step.level, step.image))],
        )
        last = max(level for level, _ in images)
        for image in [result.image, result.best, *(i for level, i in images if level == last)]:
            np.testing.assert_array_equal(image[mask == 0], photo[mask == 0])
        assert np.abs(result.image - photo)[mask == 1].max() > 0.02

    def test_a_soft_mask_limits_the_way(self, photo, vgg, mask):
        goal = 1 - np.round(photo)
        transfer = sk.StyleTransfer([sk.PixelLoss(goal)], extractor=vgg, optimizer=QUICK)
        result = transfer.run(photo, 40, update_mask=mask)
        moved = np.abs(result.image - photo)
        assert np.all(moved <= mask[..., None] + 1e-6)
        # All the way within the limit: x0 + m (z - x0) with z the goal.
        reached = photo + mask[..., None] * (goal - photo)
        np.testing.assert_allclose(result.image[:, 16:], reached[:, 16:], atol=0.02)

    def test_a_finer_level_goes_on_from_where_the_coarser_ended(self, vgg):
        start = np.full((16, 16, 3), 0.25, np.float32)  # resizing changes nothing
        mask = np.full((16, 16), 0.5, np.float32)
        term = sk.PixelLoss(np.ones_like(start))
        transfer = sk.StyleTransfer([term], extractor=vgg, optimizer=QUICK)
        result = transfer.run(start, 20, update_mask=mask, pyramid=sk.Pyramid([8, 16]))
        np.testing.assert_allclose(result.losses[9]["total"], 0.375**2, rtol=1e-3)
        np.testing.assert_allclose(result.losses[10]["total"], 0.375**2, rtol=1e-3)

    def test_a_callable_is_given_the_start(self, plain, photo):
        given = []

        def right(picture):
            given.append(picture)
            return np.arange(SHAPE[1]) >= np.full((SHAPE[0], 1), 20)

        result = plain.run(photo, 3, update_mask=right)
        [picture] = given
        np.testing.assert_array_equal(picture, photo)
        np.testing.assert_array_equal(result.image[:, :20], photo[:, :20])
        assert np.abs(result.image - photo)[:, 20:].max() > 0.01

    def test_a_callable_needs_a_picture(self, vgg):
        transfer = sk.StyleTransfer([Mean()], extractor=vgg)
        with pytest.raises(InputError, match=r"`update_mask` can only be callable"):
            transfer.run(sk.Noise(shape=SHAPE), 1, update_mask=lambda picture: picture[..., 0])

    @pytest.mark.parametrize(
        ("mask", "words"),
        [
            (np.ones((32, 24)), r"update mask has the wrong size.*32x24.*24x32"),
            (np.zeros(SHAPE), "update mask is empty"),
            (np.full(SHAPE, np.nan), "NaN"),
        ],
    )
    def test_unfit_ones(self, mask, words, plain, photo):
        with pytest.raises(InputError, match=words):
            plain.run(photo, 1, update_mask=mask)


class TestOptimizers:
    @pytest.mark.parametrize(
        "optimizer",
        [
            keras.optimizers.Adam(0.02),
            keras.optimizers.SGD(0.02, momentum=0.5),
            keras.optimizers.RMSprop(0.01),
            keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.03, 15)),
        ],
        ids=["adam", "sgd", "rmsprop", "schedule"],
    )
    def test_keras(self, optimizer, vgg, photo, style):
        config = optimizer.get_config()
        transfer = make(vgg, photo, style, optimizer=optimizer)
        result = transfer.run(photo, 15)
        assert totals(result)[-1] < 0.8 * totals(result)[0]
        assert not optimizer.built
        assert optimizer.get_config() == config
        assert_same(transfer.run(photo, 15), result)

    @pytest.mark.slow
    def test_an_adaptor_serves_every_level(self, vgg, photo, style):
        adaptor = sk.transfer.KerasOptimizer(keras.optimizers.Adam(0.02))
        pyramid = sk.Pyramid([16, 32])
        transfer = make(vgg, photo, style, optimizer=adaptor)
        result = transfer.run(photo, 4, pyramid=pyramid)
        expected = make(vgg, photo, style, optimizer=keras.optimizers.Adam(0.02))
        assert_same(result, expected.run(photo, 4, pyramid=pyramid))
        assert_same(result, transfer.run(photo, 4, pyramid=pyramid))

    def test_ones_own(self, photo, vgg):
        transfer = sk.StyleTransfer(
            [sk.PixelLoss(np.full_like(photo, 0.5))],
            extractor=vgg,
            optimizer=Descent(0.25 * photo.size),
        )
        result = transfer.run(photo, 3)
        # The gradient is 2 (x - 0.5) / size: each step halves the distance.
        np.testing.assert_allclose(result.image, 0.5 + (photo - 0.5) / 8, atol=1e-6)

    def test_lbfgs_with_settings(self, photo, vgg):
        terms = [sk.PixelLoss(1 - photo)]
        slow = sk.StyleTransfer(terms, extractor=vgg, optimizer=sk.LBFGS(3, first_step=1e-3))
        result = slow.run(photo, 1)
        assert np.abs(result.image - photo).mean() == pytest.approx(1e-3, rel=1e-3)
        assert result.manifest["optimizer"] == "LBFGS(history=3, first_step=0.001, max_step=0.03)"


class TestParameters:
    class Logits(Parameters):
        def prepare(self, image):
            image = tf.clip_by_value(image, 0.01, 0.99)
            return tf.math.log(image / (1 - image)), {"sign": tf.constant(1.0)}

        def image(self, values, context):
            return tf.sigmoid(context["sign"] * values)

    def test_ones_own(self, photo, vgg):
        goal = np.clip(1 - photo, 0.1, 0.9)
        transfer = sk.StyleTransfer(
            [sk.PixelLoss(goal)],
            extractor=vgg,
            optimizer=sk.LBFGS(bounds=None, first_step=0.1, max_step=1.0),
            parameters=self.Logits(),
        )
        result = transfer.run(photo, 120, pyramid=sk.Pyramid([16, 32]))
        np.testing.assert_allclose(result.image, goal, atol=0.03)
        objective = transfer.objective(photo)
        assert totals(result)[-1] == pytest.approx(float(objective(result.image)[0][0]), rel=1e-3)

    def test_the_default_optimizer_keeps_to_their_bounds(self, vgg):
        grey = np.full((4, 4, 3), 0.5, np.float32)
        terms = [sk.PixelLoss(np.full_like(grey, 0.95))]
        transfer = sk.StyleTransfer(terms, extractor=vgg, parameters=self.Logits())
        image = transfer.run(grey, 150).image
        assert image.min() > 0.8  # values of at most 1 would end at sigmoid(1) = 0.73


class TestStarts:
    def starts(self, photo, style):
        return [sk.Noise(), sk.StyleStatistics(style), sk.Mix(photo, share=0.3)]

    def test_take_the_contents_shape(self, transfer, photo, style):
        for start in self.starts(photo, style):
            result = transfer.run(start, 3)
            assert result.image.shape == photo.shape
            assert totals(result)[-1] < totals(result)[0]
            assert result.manifest["start"] == repr(start)

    @pytest.mark.slow
    def test_the_seed_decides(self, vgg, photo, style):
        term = sk.ContentLoss(photo, layers="block1_conv1")
        for start in self.starts(photo, style):
            runs = (sk.StyleTransfer([term], extractor=vgg, seed=s) for s in (0, 0, 1))
            images = [next(transfer.iterate(start, 0)).image for transfer in runs]
            np.testing.assert_array_equal(images[0], images[1])
            assert np.abs(images[0] - images[2]).max() > 0.01

    def test_the_global_seed_does_not(self, transfer):
        keras.utils.set_random_seed(1)
        first = transfer.run(sk.Noise(), 2)
        keras.utils.set_random_seed(2)
        assert_same(transfer.run(sk.Noise(), 2), first)

    def test_a_shape_of_their_own(self, vgg):
        transfer = sk.StyleTransfer([Mean()], extractor=vgg)
        assert transfer.run(sk.Noise(shape=(9, 11)), 1).image.shape == (9, 11, 3)

    def test_no_shape(self, vgg):
        transfer = sk.StyleTransfer([Mean()], extractor=vgg)
        with pytest.raises(
            InputError, match=r"must have a shape.*shape=\(H, W\), or a ContentLoss"
        ):
            transfer.run(sk.Noise(), 1)
        with pytest.raises(InputError, match="must have a shape"):
            transfer.objective(sk.Noise())

    def test_a_batch_of_contents_has_starts_of_their_own(self, vgg, photo):
        contents = np.stack([photo, 1 - photo])
        term = sk.ContentLoss(contents, layers="block1_conv1")
        image = sk.StyleTransfer([term], extractor=vgg).run(sk.Noise(), 0).image
        assert image.shape == contents.shape
        assert np.abs(image[0] - image[1]).max() > 0.1

    def test_ones_own(self, plain):
        class Black(Start):
            def image(self, shape, rng):
                return np.zeros((*shape, 3), np.float32)

        np.testing.assert_array_equal(plain.run(Black(SHAPE), 0).image, 0)

    def test_masks_that_are_callables_get_the_content(self, vgg, photo, style):
        given = []

        def everywhere(picture):
            given.append(picture)
            return np.ones(picture.shape[:2])

        terms = [
            sk.ContentLoss(photo, layers="block1_conv1"),
            sk.MaskedGramStyleLoss(style, everywhere, layers="block1_conv1"),
        ]
        sk.StyleTransfer(terms, extractor=vgg).run(sk.Noise(), 1)
        assert given
        for picture in given:
            np.testing.assert_array_equal(picture, photo)


class TestPyramid:
    @pytest.mark.slow
    def test_levels(self, transfer, photo):
        steps = []
        pyramid = sk.Pyramid([16, 24, 32], [1, 2, 2])
        result = transfer.run(photo, 10, pyramid=pyramid, callbacks=[steps.append])
        assert [step.index for step in steps] == list(range(11))
        assert [step.level for step in steps] == [0] * 2 + [1] * 4 + [2] * 5
        assert {step.steps for step in steps} == {10}
        shapes = [(12, 16), (18, 24), (24, 32)]
        assert all(step.image.shape == (*shapes[step.level], 3) for step in steps)
        assert len(result.losses) == 11
        assert result.steps == 10
        assert result.image.shape == photo.shape
        np.testing.assert_array_equal(steps[-1].image, result.image)

    @pytest.mark.slow
    def test_the_last_rows_are_of_the_final_size(self, transfer, photo):
        result = transfer.run(photo, 6, pyramid=sk.Pyramid([16, 32]))
        total = float(transfer.objective(photo)(result.image)[0][0])
        assert totals(result)[-1] == pytest.approx(total, rel=1e-4)
        assert totals(result)[-1] < totals(transfer.run(photo, 0))[0]

    def test_best_is_of_the_last_level(self, transfer, photo):
        result = transfer.run(photo, 8, pyramid=sk.Pyramid([16, 32]))
        lowest = min(totals(result)[4:])
        total = float(transfer.objective(photo)(result.best)[0][0])
        assert total == pytest.approx(lowest, rel=1e-4)

    def test_a_level_without_steps_is_left_out(self, photo, vgg):
        mean = Mean()
        steps = []
        sk.StyleTransfer([mean], extractor=vgg).run(
            photo, 3, pyramid=sk.Pyramid([16, 24, 32], [1, 0, 0]), callbacks=[steps.append]
        )
        assert [step.level for step in steps] == [0, 0, 0, 2]
        assert sorted(mean.prepared) == [(12, 16), SHAPE]

    @pytest.mark.slow
    def test_a_level_s_trace_is_given_back_before_the_next_is_painted(self, photo, vgg):
        canvases = []

        class Watched(Mean):
            def prepare(self, canvas):
                canvases.append(weakref.ref(canvas))
                return super().prepare(canvas)

        transfer = sk.StyleTransfer([Watched()], extractor=vgg)
        alive = [
            [canvas() is not None for canvas in canvases]
            for _ in transfer.iterate(photo, 6, pyramid=sk.Pyramid([16, 24, 32]))
        ]
        assert alive == [[True] * 3] * 2 + [[False, True, True]] * 2 + [[False, False, True]] * 3

    def test_one_level_is_none(self, transfer, photo):
        assert_same(transfer.run(photo, 4, pyramid=sk.Pyramid([32])), transfer.run(photo, 4))

    def test_another_last_size(self, transfer, photo):
        with pytest.raises(InputError, match=r"last size of a pyramid.*expected 32, received 64"):
            transfer.run(photo, 4, pyramid=sk.Pyramid([32, 64]))

    def test_what_is_unfit_at_the_last_size_is_told_before_the_first_step(self, photo, style, vgg):
        speck = np.zeros(SHAPE, np.float32)
        speck[3, 3] = 0.5  # less than one cell: an error at the final size, skipped at coarser ones
        term = sk.MaskedGramStyleLoss(style, speck, layers="block1_conv1")
        seen = []
        with pytest.raises(InputError, match="less than one cell"):
            sk.StyleTransfer([Mean(), term], extractor=vgg).run(
                photo, 4, pyramid=sk.Pyramid([16, 32]), callbacks=[seen.append]
            )
        assert seen == []

    def test_interrupted_at_a_coarse_level(self, transfer, photo, mask):
        result = transfer.run(
            photo,
            10,
            update_mask=mask,
            pyramid=sk.Pyramid([16, 32]),
            callbacks=[interrupt_at(3)],
        )
        assert result.stopped_by == "interrupted"
        assert result.steps == 3
        for image in (result.image, result.best):
            assert image.shape == photo.shape
            np.testing.assert_array_equal(image[mask == 0], photo[mask == 0])
            assert np.all(np.abs(image - photo) <= mask[..., None] + 1e-6)
            assert np.abs(image - photo)[mask == 1].max() > 0.01


class TestEndings:
    def test_interrupted(self, transfer, photo):
        images = []
        result = transfer.run(
            photo, 10, callbacks=[lambda step: images.append(step.image), interrupt_at(4)]
        )
        assert result.stopped_by == result.manifest["stopped_by"] == "interrupted"
        assert result.steps == 4
        assert len(result.losses) == 5
        np.testing.assert_array_equal(result.image, images[-1])
        expected = transfer.run(photo, 4)
        np.testing.assert_array_equal(result.image, expected.image)
        assert result.losses == expected.losses

    def test_interrupted_before_there_is_an_image(self, photo, vgg):
        class Slow(Mean):
            def prepare(self, canvas):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            sk.StyleTransfer([Slow()], extractor=vgg).run(photo, 1)

    def test_stopped_by_a_function(self, plain, photo):
        def enough(step):
            return step.index == 3

        result = plain.run(photo, 10, callbacks=[enough, lambda step: None])
        assert result.stopped_by == "enough"
        assert result.steps == 3
        assert_same(result, plain.run(photo, 3))

    def test_stopped_by_an_object(self, plain, photo):
        class Enough:
            def __call__(self, step):
                return step.index == 2

        result = plain.run(photo, 10, callbacks=iter([Enough()]))
        assert result.stopped_by == result.manifest["stopped_by"] == "Enough"
        assert result.steps == 2

    def test_stopped_at_the_start(self, plain, photo):
        result = plain.run(photo, 10, callbacks=[lambda step: True])
        assert result.steps == 0
        np.testing.assert_array_equal(result.image, photo)

    def test_a_callback_that_fails(self, plain, photo):
        def fails(step):
            if step.index == 3:
                raise ZeroDivisionError("by nothing")

        with pytest.raises(TransferError, match=r"failed at step 3: by nothing") as caught:
            plain.run(photo, 10, callbacks=[fails])
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        assert not isinstance(caught.value, NonFiniteLossError)
        result = caught.value.result
        assert result.stopped_by == "ZeroDivisionError"
        assert_same(result, plain.run(photo, 3))


@pytest.mark.parametrize("pyramid", [2, [16, 32], sk.Pyramid])
def test_what_is_no_pyramid(pyramid, vgg, photo, style):
    with pytest.raises(
        InputTypeError, match=r"`pyramid` must be a Pyramid.*Pyramid\.halving"
    ) as caught:
        make(vgg, photo, style).run(photo, 1, pyramid=pyramid)
    assert caught.value.argument == "pyramid"


class TestNonFinite:
    def run(self, vgg, start, function, optimizer=QUICK):
        terms = [sk.TotalVariationLoss(), Returns(function, name="odd")]
        transfer = sk.StyleTransfer(terms, extractor=vgg, optimizer=optimizer)
        with pytest.raises(NonFiniteLossError) as caught:
            transfer.run(start, 40)
        error = caught.value
        assert np.isfinite(error.image).all()
        objective = transfer.objective(start)
        assert np.isfinite(objective(error.image)[0]).all()
        return error, objective

    def test_an_image_that_becomes_nan_behind_a_network_that_hides_it(self, vgg, photo, style):
        """A ReLU may make 0 of NaN, so that every loss and gradient stays finite."""

        class Hides(sk.Loss):
            def compute(self, image, features, targets):
                return ops.mean(ops.where(image == image, image, 0.0), axis=(1, 2, 3))

        optimizer = keras.optimizers.SGD(float("nan"))
        transfer = sk.StyleTransfer([Hides()], extractor=vgg, optimizer=optimizer)
        words = "image after a step of optimizer KerasOptimizer became NaN or infinite at step 1"
        with pytest.raises(NonFiniteLossError, match=words) as caught:
            transfer.run(photo, 12)
        np.testing.assert_array_equal(caught.value.image, photo)
        assert len(caught.value.result.losses) == 1

    @pytest.mark.parametrize("optimizer", [QUICK, Descent(10.0), keras.optimizers.Adam(0.01)])
    def test_a_loss_that_becomes_nan(self, optimizer, vgg, photo):
        # The mean falls from 0.45 until the logarithm has no value.
        error, objective = self.run(vgg, photo, lambda m: m + 1e-6 * ops.log(m - 0.35), optimizer)
        assert error.term == "odd"
        assert "loss 'odd' became NaN or infinite at step " in str(error)
        result = error.result
        assert result.stopped_by == "non-finite loss"
        assert 0.35 < error.image.mean() < photo.mean()
        # The last row is that of the image kept, and the step named is the next.
        assert result.steps == len(result.losses) - 1 > 0
        assert f"at step {len(result.losses)}." in str(error)
        expected = float(objective(error.image)[0][0])
        assert totals(result)[-1] == pytest.approx(expected, rel=1e-4)
        assert np.isfinite([list(row.values()) for row in result.losses]).all()

    @pytest.mark.parametrize("optimizer", [QUICK, Descent(10.0)])
    def test_only_the_gradient(self, optimizer, vgg, photo):
        # The root's slope at 0 is infinite, and times the 0 of the relu it is NaN. The image
        # becomes NaN next, and with it every loss: the guilty one must be named all the same.
        error, objective = self.run(
            vgg, photo, lambda m: m + 1e-3 * ops.sqrt(ops.relu(m - 0.35)), optimizer
        )
        assert error.term == "odd"
        result = error.result
        assert f"gradient of the loss 'odd' became NaN or infinite at step {result.steps}" in str(
            error
        )
        assert error.image.mean() <= 0.35
        expected = float(objective(error.image)[0][0])
        assert totals(result)[-1] == pytest.approx(expected, rel=1e-4)

    def test_the_gradient_at_the_start(self, vgg, photo):
        error, _ = self.run(vgg, photo, lambda m: ops.sqrt(ops.relu(m - 0.9)))
        assert error.term == "odd"
        np.testing.assert_array_equal(error.image, photo)
        assert error.result.steps == 0
        assert len(error.result.losses) == 1

    def test_the_loss_at_the_start(self, vgg, photo):
        terms = [sk.TotalVariationLoss(), Returns(lambda m: ops.log(m - 0.9), name="odd")]
        with pytest.raises(NonFiniteLossError, match="at step 0") as caught:
            sk.StyleTransfer(terms, extractor=vgg).run(photo, 3)
        assert caught.value.term == "odd"
        np.testing.assert_array_equal(caught.value.image, photo)
        assert caught.value.result.losses == []
        assert "steps=0" in repr(caught.value.result)

    def test_the_sum_alone(self, vgg, photo):
        terms = [Returns(lambda m: m + 1e30, weight=1e20), sk.TotalVariationLoss()]
        with pytest.raises(NonFiniteLossError, match="'total' became NaN or infinite") as caught:
            sk.StyleTransfer(terms, extractor=vgg).run(photo, 3)
        assert caught.value.term == "total"

    def test_one_picture_of_a_batch(self, vgg, photo):
        starts = np.stack([np.clip(photo + 0.3, 0, 1), photo])
        error, _ = self.run(vgg, starts, lambda m: m + 1e-6 * ops.log(m - 0.35))
        assert error.term == "odd"
        assert error.image.shape == starts.shape

    def test_at_a_finer_level(self, vgg, photo):
        # Fewer than 500 pixels are fine, more are not.
        class Size(sk.Loss):
            def prepare(self, canvas):
                return tf.constant(float(canvas.shape[0] * canvas.shape[1] < 500))

            def compute(self, image, features, targets):
                return ops.mean(image, axis=(1, 2, 3)) + ops.log(targets)

        terms = [sk.TotalVariationLoss(), Size()]
        with pytest.raises(NonFiniteLossError, match="at step 4") as caught:
            sk.StyleTransfer(terms, extractor=vgg).run(photo, 8, pyramid=sk.Pyramid([16, 32]))
        assert caught.value.term == "size"
        assert caught.value.image.shape == photo.shape
        assert len(caught.value.result.losses) == 4


class TestPrecision:
    @pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
    def test_half(self, precision, vgg, photo, style, mask):
        full = make(vgg, photo, style).run(photo, 6, update_mask=mask)
        result = make(vgg, photo, style, precision=precision).run(photo, 6, update_mask=mask)
        assert result.manifest["precision"] == precision
        assert result.image.dtype == np.float32
        assert np.isfinite(result.image).all()
        assert totals(result)[0] == pytest.approx(totals(full)[0], rel=0.02)
        assert totals(result)[-1] == pytest.approx(totals(full)[-1], rel=0.1)
        np.testing.assert_array_equal(result.image[mask == 0], photo[mask == 0])


class TestCompiled:
    @pytest.fixture(autouse=True)
    def exact(self):
        """On a GPU XLA multiplies in TF32, whatever its libraries were told."""
        exact = tf.config.experimental.enable_tensor_float_32_execution
        exact(False)
        yield
        exact(True)

    @pytest.mark.parametrize(
        ("plan", "compiled"),
        [(sk.Plan(), True), (sk.Recompute(), None), (sk.Tiles(16), None)],
        ids=repr,
    )
    def test_it_ends_where_the_uncompiled_run_does(
        self, plan, compiled, vgg, photo, style, monkeypatch, small_tiles
    ):
        """What is taken in tiles is not compiled, and does too."""
        seen, function = {}, tf.function

        def noted(*traced, **options):
            seen.update({one.__name__: options.get("jit_compile") for one in traced})
            return function(*traced, **options)

        monkeypatch.setattr(tf, "function", noted)
        results = []
        for jit in (False, True):
            results.append(make(vgg, photo, style, plan=plan, jit_compile=jit).run(photo, 4))
            assert seen.pop("step") is (compiled if jit else None)
        np.testing.assert_allclose(results[0].image, results[1].image, atol=1e-4)
        assert [r.manifest["jit_compile"] for r in results] == [False, True]


class TestRefusals:
    def test_no_terms(self, vgg):
        with pytest.raises(InputError, match="at least one loss"):
            sk.StyleTransfer([], extractor=vgg)

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"extractor": "vgg19"}, InputTypeError, "FeatureExtractor.*str.*such as CompactVGG"),
            ({"optimizer": "adam"}, InputTypeError, "`optimizer` must be an optimizer"),
            ({"precision": "half"}, InputError, "precision is unknown"),
            ({"seed": -1}, InputError, "seed"),
            ({"seed": 0.5}, InputTypeError, "seed"),
        ],
    )
    def test_settings(self, options, error, words, vgg):
        with pytest.raises(error, match=words):
            sk.StyleTransfer([Mean()], **{"extractor": vgg, **options})

    @pytest.mark.parametrize(
        ("steps", "error"), [(-1, InputError), (2.0, InputTypeError), (True, InputTypeError)]
    )
    def test_steps(self, steps, error, plain, photo):
        with pytest.raises(error, match="steps"):
            plain.run(photo, steps)
        with pytest.raises(error, match="steps"):
            next(plain.iterate(photo, steps))

    def test_a_missing_start(self, plain, tmp_path):
        with pytest.raises(FileError, match=r"nowhere\.jpg does not exist"):
            plain.run(tmp_path / "nowhere.jpg", 1)

    def test_a_start_of_another_shape_than_the_content(self, transfer, photo):
        with pytest.raises(InputError, match="the aspect ratio of the picture"):
            transfer.run(photo[:, :12], 1)

    def test_a_start_too_small_for_the_network(self, vgg):
        tiny = np.full((1, 1, 3), 0.5)
        transfer = sk.StyleTransfer([sk.ContentLoss(tiny)], extractor=vgg)
        with pytest.raises(InputError, match=r"too small.*at least 8 pixels"):
            transfer.run(tiny, 1)

    def test_another_backend(self, vgg, monkeypatch):
        monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
        with pytest.raises(SetupError, match=r"TensorFlow.*jax.*KERAS_BACKEND=tensorflow"):
            sk.StyleTransfer([Mean()], extractor=vgg)

    def test_without_eager_execution(self, vgg, plain, photo):
        # As after `tf.compat.v1.disable_eager_execution()`, which a process cannot take back.
        with tf.Graph().as_default():
            for call in (
                lambda: sk.StyleTransfer([Mean()], extractor=vgg),
                lambda: plain.run(photo),
            ):
                with pytest.raises(
                    SetupError, match=r"eager execution.*disabled\. Remove tf\.compat"
                ):
                    call()

    def test_an_error_before_the_first_step_is_raised_as_it_is(self, photo, vgg):
        class Wrong(sk.Loss):
            def compute(self, image, features, targets):
                return image

        with pytest.raises(InputError, match="must compute one value per picture"):
            sk.StyleTransfer([Wrong()], extractor=vgg).run(photo, 2)


class TestNoGradient:
    @staticmethod
    def network(operation):
        image = keras.Input((None, None, 3))
        x = keras.layers.Conv2D(4, 3, name="out")(operation(image))
        return sk.KerasExtractor(keras.Model(image, x))

    def test_a_network_that_passes_none_is_told(self, photo):
        network = self.network(lambda x: ops.cast(ops.cast(x * 255, "int32"), "float32"))
        transfer = sk.StyleTransfer([sk.ContentLoss(photo, layers="out")], extractor=network)
        with pytest.warns(UserWarning, match=r"gradient is zero everywhere .* the image cannot"):
            result = transfer.run(1 - photo, 2)
        assert any("gradient is zero" in note for note in result.manifest["notes"])
        with pytest.warns(UserWarning, match="gradient is zero everywhere"):
            next(iter(transfer.iterate(1 - photo, 2)))

    def test_an_optimum_is_no_reason_to_warn(self, photo):
        transfer = sk.StyleTransfer(
            [sk.ContentLoss(photo, layers="out")], extractor=self.network(lambda x: x)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            assert transfer.run(photo, 2).losses[0]["total"] == 0
            transfer.run(1 - photo, 2)


@pytest.mark.slow
class TestCopies:
    """The network's own copies are tested with the networks; here nothing is read of it."""

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
    @pytest.mark.parametrize(
        "options",
        [
            *({"optimizer": sk.LBFGS(2)}, {"optimizer": keras.optimizers.Adam(0.02)}),
            *({"parameters": sk.LaplacianPyramid()}, {"parameters": sk.FourierPixels()}),
            *({"plan": sk.Reuse()}, {"plan": sk.FitMemory("4GB")}),
        ],
        ids=lambda options: type(*options.values()).__name__,
    )
    def test_after_a_run(self, options, copied, photo):
        terms = [sk.PixelLoss(1 - photo), sk.TotalVariationLoss()]
        transfer = sk.StyleTransfer(terms, extractor=sk.VGG19(weights=None), **options)
        result = transfer.run(photo, 3)
        assert_same(copied(transfer).run(photo, 3), result)
        assert_same(transfer.run(photo, 3), result)


@pytest.mark.parametrize(
    "optimizer", [sk.LBFGS(2), keras.optimizers.Adam(0.02)], ids=["LBFGS", "Adam"]
)
def test_no_number_on_the_way_is_infinite(optimizer, photo, vgg):
    """Also where the gradient is zero at first, and where a weight changes."""
    term = sk.PixelLoss(photo)

    def change(step):
        term.weight = step.index + 1.0

    tf.debugging.enable_check_numerics()
    try:
        terms = [term, sk.TotalVariationLoss(weight=0)]
        transfer = sk.StyleTransfer(terms, extractor=vgg, optimizer=optimizer)
        assert transfer.run(photo, 3, callbacks=[change]).steps == 3
        assert transfer.run(1 - photo, 3, callbacks=[change]).steps == 3
    finally:
        tf.debugging.disable_check_numerics()


class TestWhatReviewFound:
    def test_a_weight_that_rises_does_not_stop_lbfgs(self, photo, vgg):
        term = sk.PixelLoss(np.clip(1 - photo, 0.1, 0.9), weight=1)
        transfer = sk.StyleTransfer([term], extractor=vgg)

        def raise_weight(step):
            if step.index == 3:
                term.weight = 10

        rows = transfer.run(photo, 40, callbacks=[raise_weight]).losses
        assert rows[-1]["pixel"] < 0.01 * rows[5]["pixel"]

    @pytest.mark.parametrize("leaving", ["stop", "interrupt", "fail"])
    def test_nan_between_two_looks_is_no_result(self, photo, vgg, leaving):
        class Bad(sk.Loss):
            def compute(self, image, features, targets):
                value = tf.reduce_mean(image, axis=(1, 2, 3))
                changed = tf.reduce_max(tf.abs(image - photo)) > 1e-6
                return tf.where(changed, float("nan"), value)

        def leave(step):
            if step.index == 3:
                if leaving == "interrupt":
                    raise KeyboardInterrupt
                if leaving == "fail":
                    raise OSError("the disk is full")
                return True
            return False

        transfer = sk.StyleTransfer([Bad(name="bad")], extractor=vgg)
        with pytest.raises(sk.transfer.NonFiniteLossError, match="'bad'") as caught:
            transfer.run(photo, 20, callbacks=[leave])
        np.testing.assert_array_equal(caught.value.image, photo)

    def test_a_small_update_mask_keeps_the_steps_small(self, photo, vgg):
        mask = np.zeros(photo.shape[:2], "float32")
        mask[:2, :3] = 1
        transfer = sk.StyleTransfer([sk.PixelLoss(1 - photo)], extractor=vgg)
        result = transfer.run(photo, 1, update_mask=mask)
        moved = np.abs(result.image - photo)[:2, :3]
        assert moved.mean() == pytest.approx(0.02, rel=0.05)

    def test_lbfgs_with_settings_takes_the_bounds_of_the_parameters(self, photo, vgg):
        class Doubled(Parameters):
            def prepare(self, image):
                return image * 10, {}

            def image(self, values, context):
                return values / 10

        goal = np.clip(1 - photo, 0.1, 0.9)
        options = {"extractor": vgg, "parameters": Doubled()}
        optimizer = sk.LBFGS(5, first_step=0.2, max_step=2)
        transfer = sk.StyleTransfer([sk.PixelLoss(goal)], optimizer=optimizer, **options)
        np.testing.assert_allclose(transfer.run(photo, 60).image, goal, atol=0.02)
        assert optimizer.bounds == (0, 1)

    def test_a_subclass_of_pixels_is_heard(self, photo, vgg):
        class Inverted(sk.Pixels):
            def image(self, values, context):
                return 1 - values

        transfer = sk.StyleTransfer([sk.PixelLoss(photo)], extractor=vgg, parameters=Inverted())
        np.testing.assert_allclose(transfer.run(photo, 0).image, 1 - photo, atol=1e-6)

    def test_a_start_in_double_precision(self, photo, vgg):
        class Uniform(sk.transfer.Start):
            def image(self, shape, rng):
                return rng.random((*shape, 3))

        transfer = sk.StyleTransfer([sk.ContentLoss(photo, layers="conv1_1")], extractor=vgg)
        assert transfer.run(Uniform(), 2).image.shape == photo.shape

    def test_out_of_memory_before_the_first_step_is_one_sentence(self, photo, vgg):
        class Huge(sk.Loss):
            def prepare(self, canvas):
                raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

            def compute(self, image, features, targets):
                return tf.zeros(len(image))

        with pytest.raises(sk.SetupError, match="smaller size"):
            sk.StyleTransfer([Huge()], extractor=vgg).run(photo, 2)
