import numpy as np
import pytest

import stylekit as sk
from stylekit import metrics
from stylekit._checks import InputError


class TestDistances:
    def test_of_a_picture_to_itself_is_zero(self, pictures, network):
        photo, _ = pictures
        assert metrics.style_distance(photo, photo, extractor=network) == pytest.approx(0, abs=1e-9)
        assert metrics.content_distance(photo, photo, extractor=network) == 0

    @pytest.mark.slow
    def test_are_the_losses_at_the_networks_own_layers(self, pictures, network):
        photo, style = pictures
        terms = [
            sk.ContentLoss(photo, layers=network.content_layers),
            sk.GramStyleLoss(style, layers=network.style_layers),
        ]
        result = np.clip(photo + 0.1, 0, 1)
        losses = sk.StyleTransfer(terms, extractor=network).run(result, steps=0).losses[-1]
        content = metrics.content_distance(photo, result, extractor=network)
        assert content == pytest.approx(losses["content"], rel=1e-4)
        distance = metrics.style_distance(style, result, extractor=network)
        assert distance == pytest.approx(losses["gram_style"], rel=1e-4)

    def test_style_has_no_place_and_content_has(self, pictures, network):
        photo, _ = pictures
        # By the network's stride, wrapped around: the same texture elsewhere.
        moved = np.roll(photo, 32, axis=1)
        style = metrics.style_distance(photo, moved, extractor=network)
        content = metrics.content_distance(photo, moved, extractor=network)
        assert style < 0.2 * content

    def test_a_style_of_another_size_is_brought_to_the_results(self, network):
        from skimage import data

        small, large = (sk.image.as_image(data.coffee(), size=size) for size in (64, 256))
        assert metrics.style_distance(large, small, extractor=network) < 0.01

    def test_layers_of_ones_own(self, pictures, network):
        photo, style = pictures
        for measure in (metrics.style_distance, metrics.content_distance):
            other = style if measure is metrics.style_distance else photo[:, ::-1]
            shallow = measure(other, photo, extractor=network, layers=["conv1_1"])
            assert shallow != pytest.approx(measure(other, photo, extractor=network))

    def test_pictures_of_two_sizes_have_no_common_content(self, pictures, network):
        with pytest.raises(InputError, match="must have the size"):
            metrics.content_distance(*pictures, extractor=network)


class TestParetoFront:
    def test_is_what_nothing_beats(self):
        costs = np.random.default_rng(0).integers(0, 6, (60, 3))
        front = metrics.pareto_front(costs)
        for one, best in zip(costs, front, strict=True):
            beaten = any((other <= one).all() and (other < one).any() for other in costs)
            assert best != beaten

    def test_equal_points_stand_together(self):
        assert metrics.pareto_front([[1, 1], [1, 1], [1, 2]]).tolist() == [True, True, False]

    def test_nan_is_neither_on_it_nor_in_its_way(self):
        costs = [[np.nan, 0], [1, 1], [np.nan, np.nan]]
        assert metrics.pareto_front(costs).tolist() == [False, True, False]

    def test_of_nothing(self):
        assert metrics.pareto_front(np.empty((0, 2))).shape == (0,)

    def test_a_wrong_shape(self):
        with pytest.raises(InputError, match="`costs` must have two dimensions"):
            metrics.pareto_front([1, 2])
