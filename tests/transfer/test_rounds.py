"""What a loss is told of the level: the image that it starts from, and the round at its size."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import stylekit as sk
from stylekit._checks import InputError
from stylekit.masks import operations
from stylekit.transfer.starts import resized

SHAPE, COARSE = (24, 32), (12, 16)
PYRAMID = sk.Pyramid([16, 32, 32, 32], [2, 2, 1, 1])  # 4, 4, 2 and 2 steps of 12


class ToGrey(sk.transfer.Optimizer):
    """An optimizer that halves the distance to mid-grey, whatever the gradient."""

    def init(self, x):
        return ()

    def step(self, evaluate, x, state):
        evaluate(x)
        return 0.5 * x + 0.25, state


class Follower(sk.Loss):
    """Draws the image towards the negative of where its level starts, and keeps what it was told.

    Attributes
    ----------
    told : list of ((int, int), int, array)
        The shape, the round and the start, a level.
    targets : list of array
    computed : list
        Grows by one whenever the term is traced.
    """

    def __init__(self, **options):
        super().__init__(**options)
        self.told, self.targets, self.computed = [], [], []

    def prepare(self, canvas):
        start = canvas.start
        self.told.append((canvas.shape, canvas.round, ops.convert_to_numpy(start)))
        target = (1 - start) / (1 + canvas.round)
        self.targets.append(ops.convert_to_numpy(target))
        return {"image": target}

    def compute(self, image, features, targets):
        self.computed.append(image)
        return ops.mean(ops.square(image - targets["image"]), axis=(1, 2, 3))

    @property
    def starts(self):
        return [start for _, _, start in self.told]


def carried(coarse, photo):
    """A coarse image's change, added to the photo."""
    change = coarse - resized(photo, coarse.shape[1:3])
    return np.clip(photo + 2 * resized((change + 1) / 2, photo.shape[1:3]) - 1, 0, 1)


def to_grey(image, steps):
    return 0.5 + (image - 0.5) / 2**steps


@pytest.fixture
def follow(vgg):
    """Run a `Follower` alone; return it and its result. A new one, as another process had."""

    def run(initial, *, steps=12, optimizer=ToGrey, **options):
        term = Follower()
        transfer = sk.StyleTransfer([term], extractor=vgg, optimizer=optimizer())
        return term, transfer.run(initial, steps, **options)

    return run


def first_images(seen):
    """The image at the first step of each level."""
    levels = [step.level for step in seen]
    return [seen[levels.index(level)].image for level in sorted(set(levels))]


class TestStart:
    def test_is_the_runs_at_first_and_then_what_the_last_level_made_of_it(self, follow, photo):
        seen = []
        term, _ = follow(photo, pyramid=PYRAMID, callbacks=[seen.append])
        assert [(shape, round) for shape, round, _ in term.told] == [
            (COARSE, 0),
            (SHAPE, 0),
            (SHAPE, 1),
            (SHAPE, 2),
        ]
        first = resized(photo[None], COARSE)
        second = carried(to_grey(first, 4), photo[None])
        third = to_grey(second, 4)
        expected = [first, second, third, to_grey(third, 2)]
        for start, own, shown in zip(term.starts, expected, first_images(seen), strict=True):
            np.testing.assert_allclose(start, own, atol=1e-6)
            np.testing.assert_array_equal(start[0], shown)

    def test_without_a_pyramid_is_the_runs(self, follow, photo):
        term, _ = follow(photo, steps=2)
        ((shape, round, start),) = term.told
        assert (shape, round) == (SHAPE, 0)
        np.testing.assert_array_equal(start, photo[None])

    def test_of_a_batch(self, follow, photo):
        term, _ = follow([photo, 1 - photo], pyramid=PYRAMID)
        assert [start.shape[0] for start in term.starts] == [2] * 4
        np.testing.assert_allclose(term.starts[1][1], 1 - term.starts[1][0], atol=1e-6)

    def test_of_noise_is_what_the_coarser_level_made_alone(self, follow):
        noise = sk.Noise(shape=SHAPE)
        term, _ = follow(noise, pyramid=PYRAMID)
        whole = noise.image(SHAPE, np.random.default_rng(0))[None]
        first = resized(whole, COARSE)
        np.testing.assert_allclose(term.starts[0], first, atol=1e-6)
        second = resized(to_grey(first, 4), SHAPE)  # no detail of the noise comes back
        np.testing.assert_allclose(term.starts[1], second, atol=1e-6)
        np.testing.assert_allclose(term.starts[2], to_grey(second, 4), atol=1e-6)

    def test_under_a_mask_is_the_image_that_the_level_shows_first(self, follow, photo):
        mask = np.zeros(SHAPE, "float32")
        mask[:, :13], mask[:, 13:19] = 1, 0.4
        seen = []
        term, result = follow(photo, pyramid=PYRAMID, update_mask=mask, callbacks=[seen.append])
        for start, shown in zip(term.starts, first_images(seen), strict=True):
            np.testing.assert_array_equal(start[0], shown)
        for start in term.starts[1:]:
            np.testing.assert_array_equal(start[0][mask == 0], photo[mask == 0])
        coarse = operations.resize(mask, COARSE)[..., None]
        first = resized(photo[None], COARSE)
        end = first + coarse * (to_grey(first, 4) - first)
        inside = mask == 1
        expected = carried(end, photo[None])
        np.testing.assert_allclose(term.starts[1][0][inside], expected[0][inside], atol=1e-6)
        last = photo + mask[..., None] * (to_grey(photo, 60) - photo)  # the farthest that it goes
        assert np.abs(result.image - last).max() < np.abs(photo - last).max()

    def test_of_a_level_without_steps_is_skipped(self, follow, photo):
        pyramid = sk.Pyramid([16, 32, 32, 32], [1, 0, 1, 1])
        term, _ = follow(photo, pyramid=pyramid)
        assert [(shape, round) for shape, round, _ in term.told] == [
            (COARSE, 0),
            (SHAPE, 1),
            (SHAPE, 2),
        ]
        first = resized(photo[None], COARSE)
        np.testing.assert_allclose(
            term.starts[1], carried(to_grey(first, 4), photo[None]), atol=1e-6
        )


class TestResume:
    # In the second level, at its end, and in both further rounds.
    @pytest.mark.parametrize(("index", "masked"), [(5, True), (7, False), (9, True), (11, False)])
    def test_the_targets_are_those_of_a_run_in_one_go(self, follow, photo, tmp_path, index, masked):
        mask = np.tile(np.linspace(-1, 2, 32, dtype="float32").clip(0, 1), (24, 1))
        options = {"pyramid": PYRAMID, "update_mask": mask if masked else None}
        alone, whole = follow(photo, **options)
        follow(photo, checkpoint=tmp_path, callbacks=[lambda s: s.index == index], **options)
        resumed, result = follow(photo, checkpoint=tmp_path, **options)
        level = whole.levels[index]
        assert len(resumed.told) == 4 - level
        for own, expected in zip(resumed.targets, alone.targets[level:], strict=True):
            np.testing.assert_array_equal(own, expected)
        assert [told[:2] for told in resumed.told] == [told[:2] for told in alone.told[level:]]
        np.testing.assert_array_equal(result.image, whole.image)
        np.testing.assert_array_equal(result.best, whole.best)
        assert result.losses == whole.losses

    @pytest.mark.slow
    def test_of_nearest_neighbours(self, photo, style, compact, tmp_path):
        def run(**options):
            terms = [
                sk.ContentLoss(photo, layers=compact.content_layers),
                sk.NeighborStyleLoss(style, weight=8),
            ]
            transfer = sk.StyleTransfer(terms, extractor=compact, optimizer=sk.LBFGS(history=2))
            return transfer.run(photo, 12, pyramid=PYRAMID, **options)

        alone = run()
        run(checkpoint=tmp_path, callbacks=[lambda step: step.index == 9])
        resumed = run(checkpoint=tmp_path)
        np.testing.assert_array_equal(resumed.image, alone.image)
        assert resumed.losses == alone.losses


class ByRound(sk.Loss):
    """Reads the round alone; it has a target more in each."""

    def prepare(self, canvas):
        return tuple(ops.ones(()) for _ in range(1 + canvas.round))

    def compute(self, image, features, targets):
        return ops.sum(ops.stack(targets)) + 0 * ops.mean(image, axis=(1, 2, 3))


class TestTraces:
    def lbfgs(self):
        return sk.LBFGS(history=1)

    @pytest.mark.parametrize(("sizes", "count"), [([32] * 4, 1), ([16, 32, 32, 32], 2)])
    def test_all_rounds_of_a_size_share_one(self, follow, photo, sizes, count):
        term, _ = follow(photo, pyramid=sk.Pyramid(sizes), optimizer=self.lbfgs)
        assert len(term.told) == 4
        assert len(term.computed) == count

    def test_but_compare_with_targets_of_their_own(self, follow, photo):
        pyramid = sk.Pyramid([32] * 4)
        term, result = follow(photo, pyramid=pyramid, optimizer=self.lbfgs)
        levels = result.levels
        for level, target in enumerate(term.targets):
            row = levels.index(level)
            expected = np.mean((term.starts[level] - target) ** 2)
            assert result.losses[row]["follower"] == pytest.approx(expected, rel=1e-5)

    def test_targets_of_another_form_are_traced_anew(self, vgg, photo):
        transfer = sk.StyleTransfer([ByRound()], extractor=vgg, optimizer=self.lbfgs())
        result = transfer.run(photo, 8, pyramid=sk.Pyramid([32] * 4))
        values = {
            level: row["by_round"] for level, row in zip(result.levels, result.losses, strict=True)
        }
        assert values == {0: 1, 1: 2, 2: 3, 3: 4}


class TestObjective:
    def test_a_loss_that_looks_at_the_start_needs_it(self, vgg, photo):
        objective = sk.Objective([sk.TotalVariationLoss(), Follower()], vgg, SHAPE)
        for evaluate in (objective, objective.term_gradients):
            with pytest.raises(
                InputError, match=r"'follower'.*level starts.*begin\(image\).*start="
            ):
                evaluate(photo[None])

    def test_begin_or_start_tells_it(self, vgg, photo):
        begun, given = (
            sk.Objective([Follower()], vgg, SHAPE, start=start) for start in (None, photo[None])
        )
        begun.begin(photo[None])
        expected = np.mean((photo - (1 - photo)) ** 2)
        for objective in (begun, given):
            total, _, gradient = objective(photo[None])
            assert float(total[0]) == pytest.approx(expected, rel=1e-5)
            np.testing.assert_allclose(
                gradient[0], 2 * (2 * photo - 1) / photo.size, rtol=1e-4, atol=1e-8
            )

    def test_begin_again_is_another_level(self, vgg, photo):
        term = Follower()
        objective = sk.Objective([term], vgg, SHAPE, start=photo[None])
        objective(photo[None])
        objective.begin(1 - photo[None], round=1)
        total, _, _ = objective(photo[None])
        assert term.told[-1][:2] == (SHAPE, 1)
        assert float(total[0]) == pytest.approx(np.mean((photo / 2) ** 2), rel=1e-5)
        assert len(term.computed) == 1

    def test_of_a_transfer_begins_at_the_start(self, vgg, photo):
        term = Follower()
        transfer = sk.StyleTransfer([term], extractor=vgg)
        total, _, _ = transfer.objective(photo)(photo[None])
        np.testing.assert_array_equal(term.starts[-1], photo[None])
        assert tf.math.is_finite(total[0])
