import itertools

import numpy as np
import pytest
import tensorflow as tf

import stylekit as sk
from stylekit.features import Grid, Window
from stylekit.transfer.memory.tiles import Tiling, spans

POOL = Window(2, 2, "valid")
NETWORKS = {
    "vgg": {
        "a": (Window(3),),
        "b": (Window(3), Window(3), POOL, Window(3)),
        "c": (Window(3), Window(3), POOL, Window(3), POOL, Window(3)),
    },
    "strided": {"a": (Window(3, 2),), "b": (Window(7, 2), Window(3, 2), Window(5))},
    "valid": {"a": (Window(5, 1, "valid"),), "b": (Window(5, 1, "valid"), Window(3, 3, "valid"))},
    "padded": {"b": (Window(1, border=((3, 1), (2, 2))), Window(5, 2, "valid"), Window(3))},
    "thirds": {"a": (Window(2, 2, "valid"),), "b": (Window(3, 3),)},
}


def seen(windows, length, axis=0):
    """The pixels that each cell sees, found by pushing sets of pixels through the network."""
    cells = [{pixel} for pixel in range(length)]
    for window in windows:
        first, last = window.border[axis]
        cells = [set()] * first + cells + [set()] * last
        if window.padding == "same":
            count = -(-len(cells) // window.stride)
            padding = max(0, (count - 1) * window.stride + window.size - len(cells))
            cells = [set()] * (padding // 2) + cells + [set()] * (padding - padding // 2)
        starts = range(0, len(cells) - window.size + 1, window.stride)
        cells = [set().union(*cells[start : start + window.size]) for start in starts]
    return cells


def grid(windows, length, axis):
    found = Grid(length)
    for window in windows:
        found = found.through(window, axis)
    return found


def grids_of(network, length, axis=0):
    return {layer: grid(path, length, axis) for layer, path in NETWORKS[network].items()}


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("length", [24, 37, 53])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_grid_tells_what_a_cell_sees(network, length, axis):
    for layer, path in NETWORKS[network].items():
        found, cells = grid(path, length, axis), seen(path, length, axis)
        assert found.cells == len(cells)
        middle = len(cells) // 2
        low, high = middle * found.stride - found.before, (middle + 1) * found.stride + found.after
        assert cells[middle] == set(range(max(0, low), min(length, high))), layer


def test_the_halo_of_vgg19_is_that_of_its_receptive_field():
    vgg = sk.VGG19(weights=None)
    found = vgg.grid("conv5_1", 640, 0)
    assert found.field == vgg.receptive_field("conv5_1") == 156
    middle = spans({"conv5_1": found}, 640, 128)[0]
    assert middle.starts == (0, 128, 256, 384, 512)
    assert middle.windows == (0, 48, 176, 304, 352)  # 80 before, but for the borders
    assert middle.length == 128 + 80 + 80


@pytest.mark.parametrize("tile", [1, 12, 16, 31, 200])
@pytest.mark.parametrize("length", [24, 37, 53, 96, 97])
@pytest.mark.parametrize("network", NETWORKS)
def test_each_cell_has_one_owner_who_sees_all_that_it_sees(network, length, tile):
    grids = grids_of(network, length)
    step = np.lcm.reduce([g.stride for g in grids.values()])
    found = spans(grids, length, tile)
    assert 1 <= len(found) <= 2
    for layer, path in NETWORKS[network].items():
        owned, cells = [], seen(path, length)
        for span in found:
            assert 0 < span.length <= length
            assert (length - span.length) % step == 0
            for start, window in zip(span.starts, span.windows, strict=True):
                assert start % step == window % step == 0
                assert 0 <= window <= length - span.length
                first = start // grids[layer].stride
                own = range(first, first + span.cells[layer])
                owned += own
                assert len(own) > 0
                for cell in own:
                    assert cells[cell] <= set(range(window, window + span.length))
        assert owned == list(range(len(cells)))


@pytest.mark.parametrize("network", ["vgg", "strided", "thirds"])
def test_a_tile_is_not_larger_than_it_may_be(network):
    grids = grids_of(network, 101)
    step = np.lcm.reduce([g.stride for g in grids.values()])
    starts = [start for span in spans(grids, 101, 24) for start in span.starts]
    assert max(np.diff(starts)) <= 24
    assert 101 - starts[-1] < 24 + step


def test_tiles_take_a_layer_apart(rng):
    vgg = sk.VGG19(weights=None)
    tiling = Tiling(vgg, ["conv2_1"], (33, 47), 16)
    whole = tf.constant(rng.random((1, 16, 23, 5)))
    rows = [tf.concat([t.part(whole, "conv2_1") for t in row], axis=2) for row in tiling.rows()]
    np.testing.assert_array_equal(tf.concat(rows, axis=1), whole)
    parts = tiling.fold(lambda n, tile: n + tf.reduce_sum(tile.part(whole, "conv2_1")), 0.0)
    np.testing.assert_allclose(parts, np.sum(whole), rtol=1e-6)


def test_windows_are_added_where_they_were_cut(rng):
    vgg = sk.VGG19(weights=None)
    tiling = Tiling(vgg, ["conv2_1"], (33, 47), 16)
    image = tf.constant(rng.random((2, 33, 47, 3)))
    count = tiling.fold(lambda sums, tile: tile.add(sums, tile.window(image)), 0 * image)
    times = np.rint(count / image)
    np.testing.assert_allclose(count, times * image)
    assert times.min() == 1
    assert times.max() > 1


def test_tiles_that_are_no_loop_wait_for_each_other(ancestors):
    tiling = Tiling(sk.VGG19(weights=None), ["conv1_1", "conv2_1"], (25, 25), 16)
    windows, done = [], []

    def body(total, tile):
        windows.append(tile.window(image).op)
        done.append(total + tf.reduce_sum(windows[-1].outputs[0]))
        return done[-1]

    with tf.Graph().as_default():
        image = tf.zeros((1, 25, 25, 3))
        tiling.fold(body, tf.constant(0.0))
    assert len(windows) == 4  # one of a kind each
    for before, window in zip(done, windows[1:], strict=False):
        assert before.op in ancestors(window)


def test_a_loop_over_tiles_waits_for_the_one_before(ancestors):
    """All that goes into it, also the number of its turn, from which it takes the first window."""
    tiling = Tiling(sk.VGG19(weights=None), ["conv1_1", "conv2_1"], (49, 49), 16)
    image = tf.zeros((1, 49, 49, 3))

    def total():
        return tiling.fold(lambda sum, tile: sum + tf.reduce_sum(tile.window(image)), 0.0)

    graph = tf.function(total, autograph=False).get_concrete_function().graph
    loops = [op for op in graph.get_operations() if op.type.endswith("While")]
    assert len(loops) >= 2
    for before, loop in itertools.pairwise(loops):
        turn = [x.op for x in loop.inputs if x.op.type == "Identity" and x.dtype == tf.int32]
        assert len(turn) == 1
        assert before in ancestors(turn[0])
