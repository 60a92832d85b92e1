import numpy as np
import pytest

from stylekit import metrics
from stylekit._checks import InputError


@pytest.fixture
def photo():
    rows, columns = np.indices((20, 30))
    return np.float32(np.stack([rows / 40, columns / 40, 0 * rows], axis=-1))


@pytest.fixture
def half(photo):
    return np.indices(photo.shape[:2])[1] >= 12


class TestSeamScore:
    def test_of_the_photograph_itself_is_one(self, photo, half):
        assert metrics.seam_score(photo, photo, half) == 1

    def test_counts_steps_in_units_of_the_photograph(self, photo, half):
        result = photo.copy()
        result[half, 1] += 3 / 40  # the photograph's own step there is 1 / 40
        assert metrics.seam_score(photo, result, half) == pytest.approx(4, rel=1e-4)
        assert metrics.seam_score(photo / 2, result / 2, half) == pytest.approx(4, rel=1e-4)
        assert metrics.seam_score(photo, result, half.T.T[:, ::-1]) == pytest.approx(1, rel=1e-4)

    def test_looks_along_both_axes(self, photo):
        mask = np.zeros(photo.shape[:2])
        mask[5:15, 5:20] = 1
        result = photo.copy()
        result[mask == 1, 2] = 0.5
        step = np.hypot(1 / 40, 0.5) * 40
        assert metrics.seam_score(photo, result, mask) == pytest.approx(step, rel=1e-4)

    def test_a_constant_photograph(self, photo, half):
        flat = np.zeros_like(photo)
        assert metrics.seam_score(flat, flat, half) == 1
        assert metrics.seam_score(flat, photo, half) == float("inf")

    def test_bad_input_is_named(self, photo, half):
        with pytest.raises(InputError, match="`mask` must have a border"):
            metrics.seam_score(photo, photo, np.ones_like(half))
        with pytest.raises(InputError, match="mask is empty"):
            metrics.seam_score(photo, photo, np.zeros_like(half))
        with pytest.raises(InputError, match="`result` must have the size"):
            metrics.seam_score(photo, photo[1:], half)
        with pytest.raises(InputError, match="mask has the wrong size"):
            metrics.seam_score(photo, photo, half[1:])


def test_a_callable_mask_is_given_the_photograph(photo, half):
    photo[half, 2], result = 1, 1 - photo
    for score in (metrics.seam_score, metrics.leakage):
        found = score(photo, result, lambda picture: picture[..., 2] == 1)
        assert found == score(photo, result, half) > 0


class TestLeakage:
    def test_is_the_mean_change_outside(self, photo, half):
        result = photo.copy()
        result[half] = 1
        assert metrics.leakage(photo, result, half) == 0
        result[0, 0, 0] += 0.3
        expected = 0.3 / (3 * (~half).sum())
        assert metrics.leakage(photo, result, half) == pytest.approx(expected, rel=1e-4)

    def test_soft_edges_are_inside(self, photo):
        mask = np.full(photo.shape[:2], 0.01)
        assert metrics.leakage(photo, 1 - photo, mask) == 0
        assert metrics.leakage(photo, 1 - photo, 0 * mask) > 0.1

    def test_bad_input_is_named(self, photo, half):
        with pytest.raises(InputError, match="`result` must have the size"):
            metrics.leakage(photo, photo[1:], half)
