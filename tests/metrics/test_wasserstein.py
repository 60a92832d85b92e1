import numpy as np
import pytest
from scipy.stats import wasserstein_distance
from skimage.filters import gaussian

import stylekit as sk
from stylekit import metrics
from stylekit._checks import InputError, InputTypeError
from stylekit.metrics.wasserstein import _common_steps, _sampled, _sliced


def distance(*pictures, **options):
    return metrics.sliced_wasserstein_distance(*pictures, **{"directions": 16, **options})


class TestSlicedWassersteinDistance:
    def test_of_a_picture_to_itself_is_zero(self, pictures, network):
        for picture in pictures:
            assert distance(picture, picture, extractor=network) == 0

    def test_of_other_pictures_is_above_zero(self, pictures, network):
        photo, style = pictures
        assert 0.01 < distance(style, photo, extractor=network) < 2

    def test_grows_with_the_blur(self, pictures, network):
        _, style = pictures
        blurred = [np.clip(gaussian(style, s, channel_axis=-1), 0, 1) for s in (0, 0.5, 1, 2)]
        values = [distance(style, one, extractor=network) for one in blurred]
        assert values == sorted(values)
        assert values[1] > 0

    def test_has_no_place(self, pictures, network):
        photo, _ = pictures
        # By the network's stride, wrapped around: the same texture elsewhere.
        moved = np.roll(photo, 32, axis=1)
        content = metrics.content_distance(photo, moved, extractor=network)
        assert distance(photo, moved, extractor=network) < 0.05 * content

    def test_is_given_by_its_seed(self, pictures, network):
        photo, style = pictures
        one, same, other = (
            distance(style, photo, extractor=network, seed=seed) for seed in (0, 0, 1)
        )
        assert one == same
        assert one == pytest.approx(other, rel=0.5)
        assert one != other

    def test_is_the_mean_over_its_layers(self, pictures, network):
        photo, style = pictures
        each = [
            distance(style, photo, extractor=network, layers=layer)
            for layer in network.style_layers
        ]
        together = distance(style, photo, extractor=network)
        assert together == pytest.approx(np.mean(each), rel=1e-6)

    def test_a_style_of_another_size_is_brought_to_the_results(self, network):
        from skimage import data

        small, large = (sk.image.as_image(data.coffee(), size=size) for size in (64, 256))
        assert distance(large, small, extractor=network) < 0.01

    def test_bad_input_is_named(self, pictures, network):
        photo, style = pictures
        with pytest.raises(InputError, match=r"`result` is too small.*at least 8"):
            distance(style, photo[:, :6], extractor=network)
        with pytest.raises(InputError, match="directions"):
            distance(style, photo, extractor=network, directions=0)
        with pytest.raises(InputError, match="seed"):
            distance(style, photo, extractor=network, seed=-1)
        with pytest.raises(InputTypeError, match="`extractor` must be a feature extractor"):
            distance(style, photo, extractor=None)


class TestSliced:
    def test_of_one_channel_is_the_distance_of_sorted_numbers(self, rng):
        one, other = rng.normal(size=(50, 1)), rng.normal(1, 2, size=(50, 1))
        expected = np.square(np.sort(one, axis=0) - np.sort(other, axis=0)).mean()
        found = _sliced(one, other, 3, 0)
        assert found == pytest.approx(expected / np.square(other).mean(), rel=1e-12)

    def test_a_set_and_its_copies_are_one_distribution(self, rng):
        cells = rng.normal(size=(20, 4))
        assert _sliced(cells, np.tile(cells, (3, 1)), 5, 0) == pytest.approx(0, abs=1e-12)

    def test_does_not_depend_on_the_unit(self, rng):
        one, other = rng.normal(size=(2, 30, 4))
        assert _sliced(100 * one, 100 * other, 5, 0) == pytest.approx(_sliced(one, other, 5, 0))

    def test_is_one_without_features(self, rng):
        assert _sliced(np.zeros((9, 4)), rng.normal(size=(7, 4)), 5, 0) == pytest.approx(1)

    def test_constant_sets_are_finite(self):
        assert _sliced(np.zeros((9, 4)), np.zeros((7, 4)), 5, 0) == 0

    @pytest.mark.parametrize("sizes", [(6, 6), (4, 6), (7, 3), (1, 5)])
    def test_steps_are_those_of_the_quantiles(self, sizes, rng):
        one, other = (np.sort(rng.normal(size=size)) for size in sizes)
        width, first, second = _common_steps(*sizes)
        assert width.sum() == pytest.approx(1)
        found = width @ np.abs(one[first] - other[second])
        assert found == pytest.approx(wasserstein_distance(one, other))


class TestSampled:
    def test_keeps_small_maps(self, rng):
        feature = rng.random((1, 128, 5, 3))
        np.testing.assert_array_equal(_sampled(feature), feature.reshape(-1, 3))

    def test_takes_evenly_spaced_cells_of_large_ones(self, rng):
        feature = rng.random((1, 256, 5, 3))
        np.testing.assert_array_equal(_sampled(feature), feature[:, ::2].reshape(-1, 3))
