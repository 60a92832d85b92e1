import gc
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.optimize import minimize

import stylekit as sk
from stylekit._checks import InputError, InputTypeError
from stylekit.transfer import LBFGS, KerasOptimizer, Optimizer
from stylekit.transfer.memory.plan import downwards
from stylekit.transfer.optimizers import as_optimizer
from stylekit.transfer.optimizers.lbfgs import (
    _correction,
    _dot,
    _power_of_two,
    _products,
    _sum_of,
)
from stylekit.transfer.parameters import clip


def drive(optimizer, evaluate, x, steps, bounds=None, dtype="float32"):
    """Return the points evaluated ``[steps + 1, ...]``, and the states after each step."""
    step = tf.function(lambda x, state: optimizer.step(evaluate, x, state), autograph=False)
    x = tf.constant(x, dtype)
    state = optimizer.init(x)
    points, states = [x.numpy()], []
    for _ in range(steps):
        x, state = step(x, state)
        x = clip(x, bounds)
        points.append(x.numpy())
        states.append(tf.nest.map_structure(lambda t: t.numpy(), state))
    return np.stack(points), states


def lbfgs(history=10, first_step=0.01, max_step=0.1, **options):
    """Return an `LBFGS` whose steps do not depend on its defaults."""
    return LBFGS(history, first_step=first_step, max_step=max_step, **options)


def differentiated(function):
    """Return an `evaluate` of a function from ``[B, ...]`` to ``[B]``."""

    def evaluate(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = function(x)
        return total, tape.gradient(total, x)

    return evaluate


def quadratic(scales, centre, factor=1.0, dtype="float32"):
    scales, centre = np.asarray(scales, dtype), np.asarray(centre, dtype)

    def evaluate(x):
        gradient = factor * (scales * (x - centre))
        return tf.reduce_sum(0.5 * gradient * (x - centre), axis=1), gradient

    return evaluate


@differentiated
def rosenbrock(x):
    return tf.reduce_sum(100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2, axis=1)


class TestMinima:
    @pytest.mark.parametrize("size", [2, 10, 50])
    def test_an_ill_conditioned_quadratic(self, size, rng):
        scales, centre, steps = np.geomspace(1, 1e4, size), rng.random(size), 60

        def values(x):
            return 0.5 * np.sum(scales * (x - centre) ** 2), scales * (x - centre)

        points, _ = drive(lbfgs(bounds=None), quadratic(scales, centre), np.zeros((1, size)), steps)
        descended = np.zeros(size)
        for _ in range(steps):  # with the best constant rate
            descended = descended - 2 / (scales[0] + scales[-1]) * values(descended)[1]
        options = {"maxfun": steps, "maxcor": 10, "ftol": 0, "gtol": 0}
        scipy = minimize(values, np.zeros(size), jac=True, method="L-BFGS-B", options=options).fun
        ours = values(points[-1][0])[0]
        assert ours < 1e-3 * values(descended)[0]
        assert ours < 3 * scipy + 1e-12 * values(np.zeros(size))[0]

    @pytest.mark.parametrize("start", [(-1.2, 1.0), (0.0, 3.0), (-1.0, -1.0, 2.0, 0.5)])
    def test_rosenbrock(self, start):
        # Longer steps leave it to rounding when the valley is found again.
        points, _ = drive(lbfgs(bounds=None, max_step=0.1), rosenbrock, [start], 120)
        np.testing.assert_allclose(points[-1][0], np.ones(len(start)), atol=0.01)

    def test_a_bounded_quadratic(self, rng):
        # Its free optimum is outside the box, and the axes are not the problem's own.
        size = 12
        root = rng.normal(size=(size, size))
        hessian = root @ root.T + 0.1 * np.eye(size)
        centre = rng.uniform(-1, 2, size)

        def values(x):
            gradient = (x - centre) @ hessian
            return 0.5 * np.sum(gradient * (x - centre), axis=-1), gradient

        expected = minimize(
            values, np.full(size, 0.5), jac=True, method="L-BFGS-B", bounds=[(0, 1)] * size
        ).x
        assert 2 < np.sum((expected == 0) | (expected == 1)) < size

        def evaluate(x):
            gradient = tf.matmul(x - np.float32(centre), np.float32(hessian))
            return tf.reduce_sum(0.5 * gradient * (x - np.float32(centre)), axis=1), gradient

        points, _ = drive(lbfgs(), evaluate, np.full((1, size), 0.5), 120, (0.0, 1.0))
        assert points.min() >= 0
        assert points.max() <= 1
        np.testing.assert_allclose(points[-1][0], expected, atol=2e-3)
        assert values(points[-1][0])[0] < values(expected)[0] * (1 + 1e-4)


class TestSteps:
    def test_one_evaluation_a_step(self):
        count = 0
        evaluate = quadratic([1, 10], [0.3, 0.7])

        def counted(x):
            nonlocal count
            count += 1
            return evaluate(x)

        optimizer, x = lbfgs(), tf.zeros((1, 2))
        state = optimizer.init(x)
        for step in range(5):
            x, state = optimizer.step(counted, x, state)
            assert count == step + 1

    def test_the_point_evaluated_is_the_one_given(self):
        points, _ = drive(lbfgs(), quadratic([1, 10], [0.3, 0.7]), [[0.9, 0.1]], 3)
        assert not np.allclose(points[0], points[1])
        seen = []
        evaluate = quadratic([1, 10], [0.3, 0.7])
        optimizer, x = lbfgs(), tf.constant(points[0])
        state = optimizer.init(x)
        for _ in range(3):
            x, state = optimizer.step(lambda v: (seen.append(v.numpy()), evaluate(v))[1], x, state)
        np.testing.assert_allclose(seen, points[:3], rtol=1e-6)

    def test_the_first_step_moves_values_by_its_mean(self, rng):
        start = rng.uniform(0.3, 0.6, (2, 4, 5, 3))
        evaluate = differentiated(lambda x: tf.reduce_sum((x - 5) ** 2 * x, axis=(1, 2, 3)))
        points, _ = drive(lbfgs(first_step=0.02), evaluate, start, 1)
        moved = np.abs(points[1] - points[0]).mean(axis=(1, 2, 3))
        np.testing.assert_allclose(moved, [0.02, 0.02], rtol=1e-4)

    def test_no_step_is_longer_than_the_longest(self):
        optimizer = lbfgs(max_step=0.05, bounds=None)
        points, _ = drive(optimizer, quadratic([1, 3, 9], [40, -30, 20]), np.zeros((1, 3)), 40)
        moved = np.abs(np.diff(points, axis=0)).mean(axis=(1, 2))
        assert moved.max() <= 0.05 * 1.0001
        assert moved.max() > 0.049

    def test_a_step_too_far_is_taken_back(self):
        evaluate = quadratic([100, 100], [0, 0])
        optimizer = lbfgs(first_step=5.0, max_step=5.0, bounds=None)
        points, states = drive(optimizer, evaluate, [[1.0, 0.5]], 3)
        np.testing.assert_array_equal(states[0]["x"].ravel(), [1, 0.5])
        assert np.abs(points[1]).max() > 3  # uphill
        np.testing.assert_array_equal(states[1]["x"].ravel(), [1, 0.5])
        np.testing.assert_array_equal(states[1]["total"], states[0]["total"])
        np.testing.assert_array_equal(states[1]["length"], [0.5])
        # The rejected step has taught the curvature: the next is half of Newton's.
        np.testing.assert_allclose(points[2], [[0.5, 0.25]], rtol=1e-3)
        np.testing.assert_allclose(states[2]["x"].ravel(), points[2].ravel())
        np.testing.assert_array_equal(states[2]["length"], [1])

    def test_accepted_totals_never_rise(self):
        _, states = drive(lbfgs(bounds=None, max_step=1.0), rosenbrock, [[-1.2, 1.0]], 60)
        totals = np.array([state["total"][0] for state in states])
        assert np.all(totals[1:] <= totals[:-1] * (1 + 2e-6))
        assert len(np.unique(totals)) < 60  # some step was refused, or this tests nothing

    def test_zero_gradient_neither_moves_nor_makes_nan(self):
        start = [[0.25, 0.75]]
        points, states = drive(lbfgs(), quadratic([1, 10], start[0]), start, 3)
        np.testing.assert_array_equal(points[:, 0], start * 4)
        for state in states:
            assert all(np.isfinite(value).all() for value in tf.nest.flatten(state))

    def test_a_gradient_that_is_zero_at_first_only(self):
        calls = []

        def evaluate(x):  # as a term whose weight rises from 0 during the run
            calls.append(x)
            factor = 0.0 if len(calls) < 3 else 1.0
            return quadratic([1, 10], [0.3, 0.7], factor)(x)

        optimizer, x = lbfgs(), tf.constant([[0.9, 0.1]])
        state = optimizer.init(x)
        for _ in range(30):
            x, state = optimizer.step(evaluate, x, state)
        np.testing.assert_allclose(x, [[0.3, 0.7]], atol=1e-3)

    def test_values_held_at_a_bound_leave_the_rest_free(self):
        # The first is pushed against 0 from the start on; the others are a plain quadratic.
        evaluate = quadratic([50, 1, 4], [-3, 0.4, 0.6])
        points, _ = drive(lbfgs(), evaluate, [[0.0, 0.9, 0.1]], 20, (0.0, 1.0))
        np.testing.assert_array_equal(points[:, 0, 0], 0)
        np.testing.assert_allclose(points[-1][0, 1:], [0.4, 0.6], atol=1e-3)


class TestScale:
    def points(self, factor):
        evaluate = quadratic([1, 7, 300], [0.3, 0.7, 0.4], np.float32(factor))
        return drive(lbfgs(), evaluate, [[0.9, 0.1, 0.2]], 25, (0.0, 1.0))[0]

    @pytest.mark.parametrize("exponent", [-60, -40, -7, 11, 40, 80])
    def test_powers_of_two_change_no_bit(self, exponent):
        np.testing.assert_array_equal(self.points(2.0**exponent), self.points(1))

    @pytest.mark.parametrize("factor", [1e-12, 1e-6, 3e-3, 1e12])
    def test_any_factor_takes_the_same_steps_and_does_not_stop(self, factor):
        points, expected = self.points(factor), self.points(1)
        np.testing.assert_allclose(points[:10], expected[:10], atol=1e-4)
        np.testing.assert_allclose(points[-1], [[0.3, 0.7, 0.4]], atol=1e-3)

    @pytest.mark.parametrize("exponent", range(-120, 121, 24))
    def test_powers_of_two_are_exact(self, exponent):
        unit = _power_of_two(tf.constant([[2.0**exponent, 0], [0, 0]], tf.float32))
        np.testing.assert_array_equal(unit, np.float32([2.0**exponent, 0]))

    def test_the_power_is_near_the_largest_entry(self, rng):
        gradient = rng.normal(size=(50, 3, 4)) * 10.0 ** rng.integers(-20, 20, (50, 1, 1))
        unit = _power_of_two(tf.constant(gradient, tf.float32)).numpy()
        np.testing.assert_array_equal(np.frexp(unit)[0], 0.5)
        quotient = np.abs(gradient).max(axis=(1, 2)) / unit
        assert quotient.min() > 0.7
        assert quotient.max() < 1.42


def test_pictures_of_a_batch_do_not_meet():
    scales = np.float32([[1, 1000, 30], [1, 2, 1], [1, 1, 1]])
    centre = np.float32([[0.3, 0.7, 0.4], [0.6, 0.1, 0.5], [0.2, 0.3, 0.4]])
    start = np.float32([[0.9, 0.1, 0.2], [0.4, 0.9, 0.2], [0.2, 0.3, 0.4]])  # the last is solved
    together, _ = drive(lbfgs(), quadratic(scales, centre), start, 15)
    for row in range(3):
        evaluate = quadratic(scales[row], centre[row])
        alone, _ = drive(lbfgs(), evaluate, start[row : row + 1], 15)
        np.testing.assert_allclose(together[:, row], alone[:, 0], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(together[:, 2], np.tile(start[2], (16, 1)))


def fed(history, pairs, gradient):
    """Yield after each pair: how many, those kept, their products and the slopes, as a run does."""
    zeros = tf.zeros((1, history, history), tf.float64)
    kept = (tf.zeros_like(gradient),) * (2 * history)
    products = {"ss": zeros[:, 0], "sy": zeros, "yy": zeros}
    for count, pair in enumerate(pairs, 1):
        s, y = (tf.constant(v[None, None], gradient.dtype) for v in pair)
        kept = (*kept[2:], s, y)
        products, slopes = _products(kept, gradient, _dot(s, s), products)
        yield count, kept, products, slopes


class TestDirection:
    """The compact form is the two-loop recursion (Nocedal and Wright, algorithm 7.4)."""

    @staticmethod
    def two_loops(pairs, gradient, gamma):
        q, alphas = gradient.copy(), []
        for s, y in reversed(pairs):
            alphas.append(s @ q / (s @ y))
            q -= alphas[-1] * y
        q *= gamma
        for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
            q += (alpha - y @ q / (s @ y)) * s
        return q

    @staticmethod
    def pairs(rng, count, size):
        root = rng.normal(size=(size, size))
        hessian = root @ root.T / size + 0.3 * np.eye(size)
        steps = rng.normal(size=(count, size))
        return [(s, hessian @ s) for s in steps]

    @staticmethod
    def compact(history, pairs, gradient, gamma):
        """Feed pairs in as a run does, and return ``H g``."""
        g = tf.constant(gradient[None, None], tf.float32)
        for _, kept, products, slopes in fed(history, pairs, g):  # noqa: B007
            factors = _correction(products, slopes, tf.constant([gamma], tf.float32))
        return _sum_of(kept, factors, gamma * g)[0, 0].numpy()

    @pytest.mark.parametrize(("history", "count"), [(1, 1), (5, 5), (5, 3), (4, 9), (10, 10)])
    def test_random_pairs(self, history, count, rng):
        pairs, gradient = self.pairs(rng, count, 20), rng.normal(size=20)
        expected = self.two_loops(pairs[-history:], gradient, 0.7)
        found = self.compact(history, pairs, gradient, 0.7)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())

    @pytest.mark.parametrize("where", [0, 2, 4])
    @pytest.mark.parametrize("kind", ["negative", "flat", "zero"])
    def test_a_pair_without_curvature_is_left_out(self, where, kind, rng):
        pairs, gradient = self.pairs(rng, 5, 20), rng.normal(size=20)
        s, y = pairs[where]
        across = y - s * (s @ y) / (s @ s)
        pairs[where] = {"negative": (s, -y), "flat": (s, across), "zero": (0 * s, 0 * y)}[kind]
        expected = self.two_loops(pairs[:where] + pairs[where + 1 :], gradient, 0.7)
        found = self.compact(5, pairs, gradient, 0.7)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())

    def test_no_pairs_is_steepest_descent(self, rng):
        gradient = rng.normal(size=20)
        zeros = np.zeros(20)
        found = self.compact(3, [(zeros, zeros)], gradient, 0.7)
        # The gradient, the factor and their product are rounded, by half a unit each.
        rounding = 2 * np.finfo("float32").eps
        np.testing.assert_allclose(found, 0.7 * gradient, rtol=rounding)

    def test_products_are_those_of_all_pairs(self, rng):
        pairs, gradient = self.pairs(rng, 5, 20), tf.constant(rng.normal(size=(1, 1, 20)))
        for count, kept, products, slopes in fed(3, pairs, gradient):
            values = np.concatenate(kept)[:, 0]
            s, y = values[::2], values[1::2]
            np.testing.assert_allclose(products["ss"][0], np.sum(s * s, axis=1))
            np.testing.assert_allclose(np.triu(products["sy"][0]), np.triu(s @ y.T))
            np.testing.assert_allclose(products["yy"][0], y @ y.T)
            np.testing.assert_allclose(slopes[0], values @ gradient[0, 0].numpy())
            assert np.count_nonzero(products["ss"]) == min(count, 3)

    def test_a_step_of_lbfgs_follows_it(self, rng):
        size = 6
        evaluate = quadratic(np.geomspace(1, 30, size), rng.random(size))
        points, states = drive(lbfgs(4, bounds=None), evaluate, rng.random((1, size)), 9)
        before, state = states[-2:]
        if not np.array_equal(state["x"].reshape(1, size), points[-2]):
            pytest.fail("choose another problem: the last step was refused")
        newest = [state[name] - before[name] for name in ("x", "gradient")]
        s_and_y = np.float64([*before["pairs"], *newest]).reshape(4, 2, size)
        gradient = np.float64(state["gradient"]).ravel()
        direction = self.two_loops([tuple(pair) for pair in s_and_y], gradient, state["gamma"][0])
        np.testing.assert_allclose(
            points[-1] - points[-2],
            -direction[None],
            rtol=1e-2,
            atol=1e-2 * np.abs(direction).max(),
        )


class TestSettings:
    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"history": 0}, InputError, "history.*at least 1"),
            ({"history": 2.5}, InputTypeError, "history"),
            ({"first_step": 0}, InputError, "first_step.*above 0"),
            ({"max_step": -1}, InputError, "max_step.*above 0"),
            ({"history_dtype": "bfloat"}, InputError, "history_dtype.*Did you mean bfloat16"),
            ({"history_dtype": "float16"}, InputError, "history_dtype.*None, 'float32'"),
            ({"bounds": (1, 0)}, InputError, r"bounds of LBFGS.*low < high.*\(1, 0\)"),
            ({"bounds": (0, 0)}, InputError, "low < high"),
            ({"bounds": (0, float("nan"))}, InputError, "low < high"),
            ({"bounds": (0, 1, 2)}, InputError, "two numbers"),
            ({"bounds": "values"}, InputTypeError, "bounds of LBFGS.*values"),
            ({"bounds": (0, "1")}, InputTypeError, "two numbers"),
        ],
    )
    def test_bad_ones(self, options, error, words):
        with pytest.raises(error, match=words):
            LBFGS(**options)

    def test_repr(self):
        assert repr(LBFGS(7)) == "LBFGS(history=7, first_step=0.02, max_step=0.03)"
        assert repr(LBFGS(history_dtype="bfloat16")).endswith(", history_dtype='bfloat16')")

    def test_a_history_that_is_left_open(self):
        optimizer = LBFGS(max_step=0.01)
        assert optimizer.history == 10
        assert optimizer.get_config()["history"] is None
        found = [(one.history, one.history_dtype) for one in downwards(optimizer)]
        assert found == [(10, None), (5, None), (3, None), (3, "bfloat16")]
        assert {one.max_step for one in downwards(optimizer)} == {0.01}
        assert LBFGS(10).less() is None
        assert [one.history_dtype for one in downwards(LBFGS(history_dtype="bfloat16"))] == [
            "bfloat16"
        ] * 3

    def test_a_dtype_by_default_is_no_setting(self):
        assert "history_dtype" not in LBFGS().get_config()
        assert LBFGS(history_dtype="bfloat16").get_config()["history_dtype"] == "bfloat16"


class TestHistory:
    @pytest.mark.parametrize(
        ("values", "option", "kept"),
        [
            ("float32", None, "float32"),
            ("float64", None, "float64"),
            ("float32", "bfloat16", "bfloat16"),
            ("float64", "float32", "float32"),
        ],
    )
    def test_the_dtype_of_the_pairs_alone(self, values, option, kept):
        optimizer = lbfgs(3, history_dtype=option)
        start = np.full((2, 4, 5), 0.2)
        evaluate = differentiated(lambda x: tf.reduce_sum((x - 0.7) ** 2 * (x + 1), axis=(1, 2)))
        points, states = drive(optimizer, evaluate, start, 4, dtype=values)
        assert points.dtype == values
        for state in states:
            assert len(state["pairs"]) == 4  # the newest is made of the next gradient
            assert {pair.dtype.name for pair in state["pairs"]} == {kept}
            assert {state[name].dtype.name for name in ("x", "gradient", "total")} == {values}

    @pytest.mark.parametrize("history", [1, 2, 10])
    def test_float64_converges_with_rounded_pairs_too(self, history):
        size, steps = 40, 60
        scales, centre = np.geomspace(1, 1e3, size), np.linspace(0.1, 0.9, size)
        evaluate = quadratic(scales, centre, dtype="float64")
        start = np.full((1, size), 0.5)
        totals = []
        for option in (None, "bfloat16"):
            optimizer = lbfgs(history, bounds=None, history_dtype=option)
            points, _ = drive(optimizer, evaluate, start, steps, dtype="float64")
            totals.append(float(evaluate(points[-1])[0][0]))
        assert totals[0] < 0.02 * float(evaluate(start)[0][0])
        assert totals[1] < 3 * totals[0]

    def test_rounded_pairs_have_the_products_of_what_is_kept(self, rng):
        size = 30
        evaluate = quadratic(np.geomspace(1, 30, size), rng.random(size))
        optimizer = lbfgs(3, bounds=None, history_dtype="bfloat16")
        _, states = drive(optimizer, evaluate, rng.random((1, size)), 6)
        kept = np.float64(states[-1]["pairs"]).reshape(2, 2, size)
        products = states[-1]["products"]
        np.testing.assert_allclose(products["sy"][0, -1, -1], kept[-1, 0] @ kept[-1, 1], rtol=1e-6)
        np.testing.assert_allclose(products["yy"][0, -2, -1], kept[-2, 1] @ kept[-1, 1], rtol=1e-5)

    def test_a_long_sum_keeps_its_precision(self, rng):
        values = np.abs(rng.normal(size=4_000_000)).astype("float32") ** 3
        x = tf.constant(values[None])
        rows = lbfgs().init(x)["x"]
        exact = np.sum(np.float64(values) ** 2)
        np.testing.assert_allclose(_dot(rows, rows), [exact], rtol=2e-7)

    def test_what_is_forgotten_leaves_no_trace(self, rng):
        size = 6
        first = quadratic(np.geomspace(1, 30, size), rng.random(size))
        second = quadratic(np.geomspace(50, 1, size), rng.random(size))
        optimizer = lbfgs(4, bounds=None)
        points, _ = drive(optimizer, first, rng.random((1, size)), 6)
        x, state = tf.constant(points[0]), optimizer.init(tf.constant(points[0]))
        for _ in range(6):
            x, state = optimizer.step(first, x, state)
        fresh, forgetful = optimizer.init(x), optimizer.reset(state)
        y = x
        for _ in range(8):
            x, forgetful = optimizer.step(second, x, forgetful)
            y, fresh = optimizer.step(second, y, fresh)
            np.testing.assert_array_equal(x, y)


class TestMemory:
    @pytest.mark.parametrize(("option", "width"), [(None, 3000), ("bfloat16", 6000)])
    def test_as_many_as_a_step_holds(self, option, width):
        gc.collect()  # what is left of other tests
        if not freed_memory_is_given_back():
            pytest.skip("on this processor TensorFlow keeps what is freed, and hides the peak")
        # Blocks from 32 MiB on go back to the system at once: its count is exact.
        optimizer, shape = LBFGS(2, history_dtype=option), (1, 3000, width)
        evaluate = differentiated(lambda x: tf.reduce_sum((x - 0.7) ** 2, axis=(1, 2)))
        step = tf.function(lambda x, state: optimizer.step(evaluate, x, state), autograph=False)
        x = tf.fill(shape, 0.2)
        state = optimizer.init(x)
        for _ in range(4):  # at first its pairs are one and the same
            x, state = step(x, state)
        x.numpy()
        held = sum(t.dtype.size * t.shape.num_elements() for t in tf.nest.flatten(state))
        found = []
        for _ in range(3):  # as threads take turns
            before = reset_peak()
            x, state = step(x, state)
            x.numpy()
            added = memory("VmHWM") - before
            found.append((held + added) / (4 * x.shape.num_elements()))
        assert 0.6 * optimizer.memory() < max(found) < optimizer.memory() + 0.4

    @pytest.mark.parametrize(
        ("make", "expected"),
        [
            (lambda: keras.optimizers.SGD(0.1), 3),
            (lambda: keras.optimizers.SGD(0.1, momentum=0.9), 5),
            (lambda: keras.optimizers.Adam(0.1), 7),
            (lambda: keras.optimizers.Adafactor(0.1), 5.7),
        ],
    )
    def test_of_keras(self, make, expected):
        optimizer = as_optimizer(make())
        assert optimizer.memory() == pytest.approx(expected, abs=0.1)
        drive(optimizer, quadratic([1, 10], [0.3, 0.7]), np.zeros((1, 2)), 2)  # and is not built


def memory(name):
    """Return a line of this process's memory as Linux counts it, in bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"{name}:\s+(\d+)", status)[1])


def freed_memory_is_given_back():
    """Return whether the system sees a tensor go; oneDNN's allocator, for AVX-512, keeps it."""
    one = tf.fill((4096, 4096), 1.0)
    one.numpy()
    before = memory("VmRSS")
    del one
    gc.collect()
    return before - memory("VmRSS") > 2**25


def reset_peak():
    """Set the process's peak back to what it holds now, and return that in bytes."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pytest.skip("the system does not count a peak anew")
    return memory("VmRSS")


class TestKerasOptimizer:
    kinds = pytest.mark.parametrize(
        "make",
        [
            lambda: keras.optimizers.Adam(0.05),
            lambda: keras.optimizers.SGD(0.01, momentum=0.5, nesterov=True),
            lambda: keras.optimizers.RMSprop(0.02),
            lambda: keras.optimizers.Adam(0.05, clipnorm=0.1),
            lambda: keras.optimizers.SGD(
                keras.optimizers.schedules.ExponentialDecay(0.05, 3, 0.5, staircase=True)
            ),
        ],
        ids=["adam", "sgd", "rmsprop", "clipped", "schedule"],
    )

    @kinds
    def test_moves_as_keras_does(self, make):
        evaluate = quadratic([1, 10], [0.3, 0.7])
        start = np.float32([[0.9, 0.1], [0.5, 0.6]])
        points, _ = drive(KerasOptimizer(make()), evaluate, start, 12)
        variable, optimizer = keras.Variable(start), make()
        for expected in points:
            np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-5, atol=1e-6)
            optimizer.apply([evaluate(variable.value)[1]], [variable])

    @kinds
    def test_the_one_given_is_not_changed(self, make):
        optimizer = make()
        drive(KerasOptimizer(optimizer), quadratic([1, 10], [0.3, 0.7]), np.zeros((1, 2)), 3)
        assert not optimizer.built
        assert int(optimizer.iterations) == 0

    def test_the_point_given_counts_and_not_the_one_left(self):
        # After a step the values are clipped: the next one begins from there.
        optimizer = KerasOptimizer(keras.optimizers.SGD(1.0))
        points, _ = drive(optimizer, quadratic([1, 1], [5, 5]), np.zeros((1, 2)), 3, (0.0, 1.0))
        np.testing.assert_array_equal(points[1:], np.ones((3, 1, 2)))

    def test_runs_may_be_interleaved(self):
        given = KerasOptimizer(keras.optimizers.Adam(0.05))
        evaluate = quadratic([1, 10], [0.3, 0.7])
        alone, _ = drive(as_optimizer(given), evaluate, np.zeros((1, 2)), 4)
        first, second = as_optimizer(given), as_optimizer(given)
        x, state = tf.zeros((1, 2)), first.init(tf.zeros((1, 2)))
        other, other_state = tf.ones((3, 2)), second.init(tf.ones((3, 2)))
        for expected in alone:
            np.testing.assert_allclose(x, expected, rtol=1e-6)
            x, state = first.step(evaluate, x, state)
            other, other_state = second.step(evaluate, other, other_state)

    def test_repr(self):
        assert repr(KerasOptimizer(keras.optimizers.SGD(0.25))) == "SGD(learning_rate=0.25)"
        schedule = keras.optimizers.schedules.ExponentialDecay(1.0, 100, 0.96)
        shown = repr(KerasOptimizer(keras.optimizers.SGD(schedule)))
        assert shown == "SGD(learning_rate=ExponentialDecay)"

    def test_a_wrapper_that_scales_the_loss_is_refused(self):
        wrapper = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.25))
        with pytest.raises(InputTypeError, match=r"LossScaleOptimizer.*inner_optimizer"):
            as_optimizer(wrapper)

    def test_a_class_is_refused(self):
        with pytest.raises(InputTypeError, match=r"the class SGD itself; write SGD\(\.\.\.\)"):
            KerasOptimizer(keras.optimizers.SGD)


class TestAsOptimizer:
    def test_default(self):
        assert isinstance(as_optimizer(None), LBFGS)

    def test_keras(self):
        optimizer = keras.optimizers.Adam()
        assert isinstance(as_optimizer(optimizer), KerasOptimizer)

    def test_ones_own(self):
        class Still(Optimizer):
            def init(self, x):
                return ()

            def step(self, evaluate, x, state):
                return x, state

        still = Still()
        assert as_optimizer(still) is still
        assert repr(still) == "Still()"
        state = {"count": tf.zeros(())}
        assert still.reset(state) is state
        assert still.memory() == 8

    def test_both_methods_are_needed(self):
        class Half(Optimizer):
            def init(self, x):
                return ()

        with pytest.raises(TypeError, match="step"):
            Half()

    class Duck:
        """Has the methods, and not the class."""

        def init(self, x):
            return ()

        def step(self, evaluate, x, state):
            return x, state

    @pytest.mark.parametrize(
        "optimizer",
        [
            *("adam", 0.1, object(), Duck()),
            *(keras.optimizers.Adam, LBFGS, KerasOptimizer, Optimizer),
        ],
        ids=lambda one: getattr(one, "__name__", type(one).__name__),
    )
    def test_others(self, optimizer):
        with pytest.raises(InputTypeError, match=r"`optimizer` must be.*init and step"):
            as_optimizer(optimizer)


class TestOnesOwn:
    """What goes wrong in an optimizer of one's own is told, and names it."""

    class Descent(Optimizer):
        def __init__(self, rate=1.0):
            self.rate = rate

        def init(self, x):
            return {"count": tf.zeros((), tf.int32)}

        def step(self, evaluate, x, state):
            _, gradient = evaluate(x)
            return x - self.rate * gradient, {"count": state["count"] + 1}

    def run(self, optimizer, photo, *terms, **options):
        terms = terms or (sk.PixelLoss(1 - photo),)
        transfer = sk.StyleTransfer(terms, extractor=sk.VGG19(weights=None), optimizer=optimizer)
        return transfer.run(photo, 3, **options)

    def test_settings_are_the_public_attributes(self, photo):
        optimizer = self.Descent(0.5)
        optimizer._own, optimizer.picture = 3, photo
        assert optimizer.get_config() == {"rate": 0.5}
        assert self.run(optimizer, photo).manifest["optimizer"] == "Descent(rate=0.5)"

    def test_a_run_with_other_settings_is_another_run(self, photo, tmp_path):
        stop = lambda step: step.index == 1  # noqa: E731
        self.run(self.Descent(0.5), photo, checkpoint=tmp_path, callbacks=[stop])
        with pytest.raises(InputError, match=r"rate 1\.0, received .*rate 0\.5"):
            self.run(self.Descent(1.0), photo, checkpoint=tmp_path)

    def changed(self, photo, change):
        class Stateful(self.Descent):
            def __init__(self):
                self.count, self.seen, self.by_name = 0, [], {}
                self.sums = np.zeros(2)

            def step(self, evaluate, x, state):
                change(self, x)
                _, gradient = evaluate(x)
                return x - gradient, state

        return self.run(Stateful(), photo)

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("count", lambda self, x: setattr(self, "count", self.count + 1)),
            ("last", lambda self, x: setattr(self, "last", x)),
            ("seen", lambda self, x: self.seen.append(x)),
            ("by_name", lambda self, x: self.by_name.update(x=x)),
            ("sums", lambda self, x: self.sums.__iadd__(1)),
        ],
    )
    def test_state_that_the_trace_would_freeze_is_told(self, name, change, photo):
        with pytest.warns(UserWarning, match=rf"Stateful changed self\.{name} in step.*`init`"):
            self.changed(photo, change)

    def test_no_warning_without(self, photo, recwarn):
        self.changed(photo, lambda self, x: None)
        for optimizer in (LBFGS(2), keras.optimizers.Adam(0.1)):
            self.run(optimizer, photo)
        assert not [one for one in recwarn if "traced" in str(one.message)]

    def test_a_line_search_is_recorded_where_it_begins(self, photo):
        class Searching(self.Descent):
            def step(self, evaluate, x, state):
                total, gradient = evaluate(x)

                def shorter(rate, _):
                    return rate / 2, evaluate(x - rate * gradient)[0]

                rate, _ = tf.while_loop(
                    lambda rate, found: tf.reduce_all(found >= total), shorter, (4000.0, total)
                )
                return x - rate * gradient, state

        images = []
        result = self.run(Searching(), photo, callbacks=[lambda step: images.append(step.image)])
        objective = sk.Objective([sk.PixelLoss(1 - photo)], sk.VGG19(weights=None), photo.shape[:2])
        expected = [float(objective(image)[0][0]) for image in images]
        np.testing.assert_allclose([row["total"] for row in result.losses], expected, rtol=1e-5)
        np.testing.assert_array_equal(images[0], photo)
        assert expected[-1] < expected[0] / 4

    def test_values_of_a_shape_that_is_not_known_beforehand(self, photo):
        class Flat(self.Descent):
            def step(self, evaluate, x, state):
                unknown = tf.compat.v1.placeholder_with_default(x, [None] * 4)
                return super().step(evaluate, unknown, state)

        assert self.run(Flat(), photo).steps == 3

    @pytest.mark.parametrize("method", ["init", "step"])
    def test_an_error_names_the_object_and_the_method(self, method, photo):
        class Broken(self.Descent):
            pass

        def fails(*arguments):
            raise ZeroDivisionError("by nothing")

        setattr(Broken, method, fails)
        with pytest.raises(ZeroDivisionError) as caught:
            self.run(Broken(), photo)
        assert caught.value.__notes__ == [f"in optimizer Broken, method {method}"]

    def test_an_error_in_reset(self, photo):
        class Broken(self.Descent):
            def reset(self, state):
                raise ZeroDivisionError("by nothing")

        term = sk.PixelLoss(1 - photo)

        def change(step):
            term.weight = 2

        with pytest.raises(sk.transfer.TransferError, match="step 0: by nothing") as caught:
            self.run(Broken(), photo, term, callbacks=[change])
        assert caught.value.__notes__ == ["in optimizer Broken, method reset"]
        np.testing.assert_array_equal(caught.value.result.image, photo)

    def test_an_error_of_a_loss_is_not_the_optimizers(self, photo):
        class Broken(sk.Loss):
            def compute(self, image, features, targets):
                raise ZeroDivisionError("by nothing")

        with pytest.raises(ZeroDivisionError) as caught:
            self.run(self.Descent(), photo, Broken())
        assert not any("optimizer" in note for note in getattr(caught.value, "__notes__", ()))

    @pytest.mark.parametrize(
        ("step", "error", "words"),
        [
            (lambda self, evaluate, x, state: (x, state), InputError, "`step` must evaluate"),
            (
                lambda self, evaluate, x, state: (evaluate(x)[1][:, :3], state),
                InputError,
                r"`step` .*wrong shape: expected \[1, 24, 32, 3\], received \(1, 3, 32, 3\)",
            ),
            (
                lambda self, evaluate, x, state: (evaluate(x[:, :3])[1], state),
                InputError,
                r"`evaluate` .*shape: expected \[1, 24, 32, 3\], received \(1, 3, 32, 3\)",
            ),
            (
                lambda self, evaluate, x, state: (
                    tf.cond(state["count"] > 0, lambda: evaluate(x)[1], lambda: x),
                    state,
                ),
                InputError,
                "for the first time within a loop or a condition",
            ),
            (lambda self, evaluate, x, state: (evaluate(None)[1], state), ValueError, "None"),
            (lambda self, evaluate, x, state: (evaluate(x)[1], {}), ValueError, "structure"),
            (
                lambda self, evaluate, x, state: (
                    evaluate(x)[1],
                    tf.nest.map_structure(lambda one: one[None], state),
                ),
                InputError,
                "a state with the shapes of the state it received",
            ),
            (lambda self, evaluate, x, state: evaluate(x)[1], InputError, r"\(values, state\)"),
            (
                lambda self, evaluate, x, state: evaluate(x) and None,
                InputError,
                "received NoneType",
            ),
        ],
        ids=[
            *("no evaluation", "values", "evaluated", "condition", "none evaluated"),
            *("structure", "state", "no state", "nothing"),
        ],
    )
    def test_a_step_that_returns_something_else(self, step, error, words, photo):
        class Odd(self.Descent):
            pass

        Odd.step = step
        with pytest.raises(error, match=words) as caught:
            self.run(Odd(), photo)
        assert "in optimizer Odd, method step" in caught.value.__notes__
