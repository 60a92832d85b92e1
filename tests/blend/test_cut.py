import itertools

import numpy as np
import pytest

from stylekit.blend.cut import minimum_cut


def energies(labels, cost, pairs, weight):
    """The energy of each row of labels, bool [R, N]."""
    own = np.where(labels, cost[:, 1], cost[:, 0]).sum(axis=1)
    unequal = labels[:, pairs[:, 0]] != labels[:, pairs[:, 1]]
    return own + unequal @ weight


@pytest.mark.parametrize("seed", range(8))
def test_finds_the_minimum_of_random_graphs(seed):
    rng = np.random.default_rng(seed)
    pairs = np.array([p for p in itertools.combinations(range(10), 2) if rng.random() < 0.4])
    cost = rng.random((10, 2)) * 10.0 ** rng.integers(-3, 4)
    weight = rng.random(len(pairs)) * cost.max() * rng.random()
    every = np.array(list(itertools.product([False, True], repeat=10)))
    best = energies(every, cost, pairs, weight).min()
    found = energies(minimum_cut(cost, pairs, weight)[np.newaxis], cost, pairs, weight)[0]
    assert found == pytest.approx(best, rel=1e-6)


def test_without_pairs_each_node_takes_the_cheaper_label(rng):
    cost = rng.random((1000, 2))
    labels = minimum_cut(cost, np.empty((0, 2), int), np.empty(0))
    np.testing.assert_array_equal(labels, cost[:, 1] < cost[:, 0])


def test_huge_weights_bind_and_do_not_overflow():
    cost = np.array([[1.0, 0.0], [0.0, 0.6], [0.0, 0.6]])
    pairs = np.array([[0, 1], [1, 2]])
    assert not minimum_cut(cost, pairs, np.array([1e12, 1e12])).any()
    np.testing.assert_array_equal(minimum_cut(cost, pairs, np.zeros(2)), [True, False, False])


def test_costs_of_many_sizes_do_not_overflow():
    cost = np.zeros((3000, 2))
    cost[::2, 0] = np.geomspace(1e-3, 1e6, 1500)
    cost[1::2, 1] = np.geomspace(1e-3, 1e6, 1500)
    pairs = np.stack([np.arange(0, 3000, 2), np.arange(1, 3000, 2)], axis=1)
    weak = minimum_cut(cost, pairs, np.full(1500, 0.5))
    assert weak[::2][-1000:].all()
    assert not weak[1::2][-1000:].any()


def test_no_costs_give_zeros():
    labels = minimum_cut(np.ones((4, 2)), np.array([[0, 1]]), np.ones(1))
    np.testing.assert_array_equal(labels, np.zeros(4, bool))
