import sys
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from stylekit._checks import InputError, InputTypeError, SetupError
from stylekit.masks.refine.matting import estimate_foreground, guided, matte

# The first import of pymatting in an environment compiles it, which takes a minute.
needs_pymatting = pytest.mark.slow


@pytest.fixture
def picture(rng):
    return rng.random((19, 26, 3), dtype=np.float32)


@pytest.fixture
def disc():
    """A red disc with a soft edge on blue, its true matte, and a mask of it that is displaced."""
    rows, columns = np.ogrid[:80, :100]
    depth = 22 - np.hypot(rows - 40, columns - 50)
    alpha = np.clip(depth / 6 + 0.5, 0, 1).astype(np.float32)
    red, blue = np.array([0.9, 0.1, 0.1]), np.array([0.1, 0.2, 0.8])
    picture = (alpha[..., None] * red + (1 - alpha[..., None]) * blue).astype(np.float32)
    mask = (np.hypot(rows - 42, columns - 53) < 22).astype(np.float32)
    return picture, alpha, mask


def iou(mask, truth):
    mask, truth = mask >= 0.5, truth >= 0.5
    return np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth)


def assert_mask(mask, shape):
    assert mask.dtype == np.float32
    assert mask.shape == shape
    assert mask.min() >= 0
    assert mask.max() <= 1


def regression(picture, mask, radius, epsilon):
    """Equations 19 to 21 of the paper, by ridge regression in one window after another."""
    height, width = mask.shape
    windows = {
        (y, x): np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
        for y in range(height)
        for x in range(width)
    }
    line = np.empty((height, width, 4))
    for place, window in windows.items():
        colors, values = picture[window].reshape(-1, 3), mask[window].ravel()
        rows = np.column_stack([colors, np.ones(len(colors))])
        ridge = len(colors) * epsilon * np.diag([1, 1, 1, 0])
        line[place] = np.linalg.solve(rows.T @ rows + ridge, rows.T @ values)
    result = np.empty((height, width))
    for place, window in windows.items():
        result[place] = line[window].reshape(-1, 4).mean(axis=0) @ [*picture[place], 1]
    return np.clip(result, 0, 1)


class TestGuided:
    @pytest.mark.parametrize("radius", [1, 3, 40])
    def test_equals_regression_in_every_window(self, picture, rng, radius):
        picture, mask = picture[:9, :12], rng.random((9, 12), dtype=np.float32)
        expected = regression(picture.astype(float), mask.astype(float), radius, 0.01)
        result = guided(picture, mask, radius=radius, epsilon=0.01)
        assert_mask(result, mask.shape)
        np.testing.assert_allclose(result, expected, atol=1e-6)

    def test_strips_make_no_seams(self, rng):
        picture, mask = rng.random((150, 7, 3)), rng.random((150, 7))
        expected = regression(np.float32(picture).astype(float), np.float32(mask), 2, 0.01)
        result = guided(picture, mask, radius=2, epsilon=0.01)
        np.testing.assert_allclose(result, expected, atol=1e-6)

    def test_the_memory_of_a_tall_picture(self, rng):
        picture, mask = rng.random((2000, 100, 3), dtype=np.float32), np.ones((2000, 100))
        tracemalloc.start()
        try:
            guided(picture, mask, radius=4)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak / mask.size < 60

    @pytest.mark.parametrize("value", [0, 0.3, 1])
    def test_a_constant_mask_stays_up_to_the_border(self, picture, value):
        mask = np.full(picture.shape[:2], value, np.float32)
        if value == 0:
            with pytest.raises(InputError, match="mask is empty"):
                guided(picture, mask)
        else:
            np.testing.assert_allclose(guided(picture, mask, radius=4), mask, atol=1e-6)

    def test_a_mask_that_is_linear_in_the_colours_stays(self, picture):
        mask = picture @ np.array([0.2, 0.5, 0.1], np.float32) + 0.1
        np.testing.assert_allclose(guided(picture, mask, radius=3, epsilon=1e-9), mask, atol=1e-5)

    def test_a_flat_picture_blurs(self, rng):
        mask = rng.random((30, 30), dtype=np.float32)
        result = guided(np.full((30, 30, 3), 0.5), mask, radius=2)
        assert result.std() < mask.std() / 3
        assert result.mean() == pytest.approx(mask.mean(), abs=0.02)

    def test_moves_an_edge_to_that_of_the_picture(self, disc):
        picture, alpha, mask = disc
        refined = guided(picture, mask, radius=8)
        assert np.abs(refined - alpha).mean() < 0.8 * np.abs(mask - alpha).mean()
        assert iou(refined, alpha) > iou(mask, alpha) + 0.05

    def test_improves_the_edge_on_a_real_picture(self, data_dir):
        folder = data_dir / "deeplab"
        truth = np.asarray(Image.open(folder / "bird_segmentation_mask.bmp")) == 3
        coarse = np.asarray(Image.fromarray(truth).resize((33, 33)).resize(truth.shape[::-1]))
        refined = guided(folder / "bird_segmentation.bmp", coarse)
        assert iou(refined, truth) > iou(coarse, truth) + 0.01

    def test_the_default_radius_follows_the_picture(self, disc):
        picture, _, mask = disc
        np.testing.assert_array_equal(guided(picture, mask), guided(picture, mask, radius=2))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"radius": 0}, "radius is out of range"),
            ({"epsilon": 0}, "epsilon is out of range"),
            ({"epsilon": float("nan")}, "epsilon is out of range"),
        ],
    )
    def test_refuses_numbers_out_of_range(self, picture, options, message):
        with pytest.raises(InputError, match=message):
            guided(picture, np.ones(picture.shape[:2]), **options)

    def test_refuses_a_mask_of_another_size(self, picture):
        with pytest.raises(InputError, match=r"mask has the wrong size.*26x19"):
            guided(picture, np.ones((4, 4)))


class TestMatte:
    @needs_pymatting
    @pytest.mark.parametrize(("method", "share"), [("cf", 0.15), ("knn", 0.45)])
    def test_finds_the_soft_edge_of_a_displaced_mask(self, disc, method, share):
        pytest.importorskip("pymatting")
        picture, alpha, mask = disc
        found = matte(picture, mask, width=9, method=method)
        assert_mask(found, mask.shape)
        assert np.abs(found - alpha).max() < 0.25
        assert np.abs(found - alpha).mean() < share * np.abs(mask - alpha).mean()

    @needs_pymatting
    def test_known_pixels_are_exact_and_the_border_is_no_edge(self, rng):
        pytest.importorskip("pymatting")
        mask = np.zeros((40, 60))
        mask[:, :30] = 1
        found = matte(rng.random((40, 60, 3)), mask, width=5)
        assert (found[:, :25] == 1).all()
        assert (found[:, 35:] == 0).all()
        assert ((found[:, 25:35] > 0) & (found[:, 25:35] < 1)).any()

    @needs_pymatting
    def test_a_thin_part_keeps_a_core(self, rng):
        pytest.importorskip("pymatting")
        mask = np.zeros((60, 60))
        mask[10:40, 10:40] = 1
        mask[50:55, 10:15] = 1  # nowhere as deep as the width
        mask[20:27, 20:27] = 0
        found = matte(rng.random((60, 60, 3)), mask, width=8)
        assert found[52, 12] == 1
        assert found[23, 23] == 0

    @pytest.mark.parametrize(("value", "what"), [(1.0, "background"), (0.2, "subject")])
    def test_refuses_a_mask_without_two_sides(self, picture, value, what):
        with pytest.raises(InputError, match=f"`mask` must have pixels of the {what}"):
            matte(picture, np.full(picture.shape[:2], value))

    @pytest.mark.parametrize("shape", [(1, 30), (2, 30), (30, 2), (3, 3)])
    @pytest.mark.parametrize("method", ["cf", "knn"])
    def test_refuses_a_picture_too_small_for_a_window(self, shape, method, rng):
        mask = np.zeros(shape)
        mask[:1, :1] = 1
        with pytest.raises(InputError, match=rf"too small.*{shape[1]}x{shape[0]}.*guided filter"):
            matte(rng.random((*shape, 3)), mask, method=method)

    @needs_pymatting
    @pytest.mark.parametrize("method", ["cf", "knn"])
    def test_takes_the_smallest(self, method, rng):
        pytest.importorskip("pymatting")
        mask = np.zeros((3, 7))
        mask[:, :3] = 1
        assert_mask(matte(rng.random((3, 7, 3)), mask, method=method), (3, 7))

    def test_refuses_an_unknown_method(self, picture):
        with pytest.raises(InputError, match=r"method is unknown.*'cf', 'knn'"):
            matte(picture, np.ones(picture.shape[:2]), method="closed")

    def test_refuses_a_width_that_is_no_whole_number(self, picture):
        with pytest.raises(InputTypeError, match="width is not a whole number"):
            matte(picture, np.ones(picture.shape[:2]), width=1.5)

    def test_names_the_missing_package(self, disc, monkeypatch):
        monkeypatch.setitem(sys.modules, "pymatting", None)
        picture, _, mask = disc
        with pytest.raises(SetupError, match="pip install pymatting"):
            matte(picture, mask)


class TestEstimateForeground:
    def test_finds_the_colour_under_a_soft_edge(self, disc):
        picture, alpha, _ = disc
        colors = estimate_foreground(picture, alpha)
        assert colors.dtype == np.float32
        assert colors.shape == picture.shape
        edge = (alpha > 0.02) & (alpha < 1)
        assert np.abs(picture[edge] - [0.9, 0.1, 0.1]).max() > 0.5
        assert np.abs(colors[edge] - [0.9, 0.1, 0.1]).max() < 0.06

    def test_is_the_picture_where_the_matte_is_one(self, picture, rng):
        alpha = np.round(rng.random(picture.shape[:2]) * 2) / 2
        colors = estimate_foreground(picture, alpha)
        np.testing.assert_array_equal(colors[alpha == 1], picture[alpha == 1])
        assert colors.min() >= 0
        assert colors.max() <= 1

    def test_no_old_background_shows_on_a_new_one(self, disc):
        picture, alpha, _ = disc
        alpha = alpha[..., None]
        green = np.array([0.1, 0.9, 0.1])
        expected = alpha * [0.9, 0.1, 0.1] + (1 - alpha) * green
        blended = alpha * estimate_foreground(picture, alpha) + (1 - alpha) * green
        naive = alpha * picture + (1 - alpha) * green
        assert np.abs(blended - expected).max() < 0.02
        assert np.abs(naive - expected).max() > 0.1

    def test_refuses_a_matte_of_another_size(self, picture):
        with pytest.raises(InputError, match="matte has the wrong size"):
            estimate_foreground(picture, np.ones((4, 4)))


@pytest.mark.parametrize(
    "function", [guided, pytest.param(matte, marks=needs_pymatting), estimate_foreground]
)
def test_a_callable_mask_is_given_the_picture(function, disc):
    if function is matte:
        pytest.importorskip("pymatting")
    picture = disc[0]
    result = function(picture, lambda given: given[..., 0] > given[..., 2])
    np.testing.assert_array_equal(result, function(picture, picture[..., 0] > picture[..., 2]))
    with pytest.raises(InputError, match="has the wrong size"):
        function(picture, lambda given: given[1:, :, 0])
