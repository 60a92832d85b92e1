import numpy as np
import pytest
import tensorflow as tf
from skimage import data, transform

import stylekit as sk
from stylekit._checks import InputError
from stylekit.losses import Canvas, NeighborStyleLoss
from stylekit.losses.canvas import LevelNotBegunError

LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1")


@pytest.fixture(scope="module")
def network():
    return sk.CompactVGG()


@pytest.fixture(scope="module")
def photo():
    return np.float32(transform.resize(data.astronaut(), (64, 48), anti_aliasing=True))


@pytest.fixture(scope="module")
def painting():
    return np.float32(transform.resize(data.coffee(), (56, 72), anti_aliasing=True))


def begun(network, picture, start=None, *, round=0, **options):
    canvas = Canvas(network, picture.shape[:2], picture=picture, **options)
    start = picture if start is None else start
    canvas.begin(start if np.ndim(start) == 4 else start[None], round)
    return canvas


def value_of(loss, canvas, image):
    image = tf.constant(np.asarray(image, "float32")[None])
    targets = loss.prepare(canvas)
    features = canvas.extract(image, loss.layers_of(canvas.extractor))
    return float(loss.compute(image, features, targets)[0])


def farthest(features, candidates):
    """How far some of the features are from the nearest of the candidates, at most."""
    features, candidates = (x.reshape(-1, x.shape[-1]) for x in (features, candidates))
    return np.abs(features[::37, None] - candidates).max(-1).min(1).max()


@pytest.mark.parametrize("round", [0, 1])
@pytest.mark.parametrize("distance", ["squared", "cosine"])
class TestValue:
    def test_the_style_itself_has_none(self, network, painting, round, distance):
        loss = NeighborStyleLoss(painting, distance=distance)
        assert value_of(loss, begun(network, painting, round=round), painting) < 1e-5

    def test_the_photograph_has_some(self, network, photo, painting, round, distance):
        loss = NeighborStyleLoss(painting, distance=distance)
        assert value_of(loss, begun(network, photo, round=round), photo) > 0.05

    def test_it_is_the_same_at_each_share_of_a_constant_mask(
        self, network, photo, painting, round, distance
    ):
        canvas = begun(network, photo, round=round)
        half = np.full(photo.shape[:2], 0.5, "float32")
        whole = value_of(NeighborStyleLoss(painting, distance=distance), canvas, photo)
        masked = NeighborStyleLoss(painting, half, distance=distance)
        assert value_of(masked, canvas, photo) == pytest.approx(whole / 2, rel=1e-4)

    def test_the_gradient_is_that_of_differences(self, photo, painting, round, distance):
        network = sk.VGG19(weights=None, pooling="average")
        small, style = photo[:16, :12], painting[:20, :16]
        loss = NeighborStyleLoss(style, layers=LAYERS, distance=distance)
        objective = sk.Objective(
            [loss], network, small.shape[:2], picture=small, precision="float64", round=round
        )
        objective.begin(small[None])
        rng = np.random.default_rng(0)
        image = rng.uniform(0.2, 0.8, (1, *small.shape))
        along = rng.normal(size=image.shape)
        _, _, gradient = objective(image)
        step = 1e-6
        ahead, behind = (objective(image + sign * step * along)[0] for sign in (1, -1))
        expected = float((ahead - behind)[0]) / (2 * step)
        assert float(tf.reduce_sum(gradient * along)) == pytest.approx(expected, rel=1e-4)


class TestMatching:
    def test_each_cell_takes_the_nearest(self, network, photo, painting):
        """Against NumPy: the first layer's own match in a further round."""
        loss = NeighborStyleLoss(painting, layers=("block1_conv1",))
        canvas = begun(network, photo, round=1)
        wanted = loss.prepare(canvas)["block1_conv1"]["feature"][0].numpy()
        own, style = (
            network.model(["block1_conv1"])(one[None])["block1_conv1"][0].numpy()
            for one in (photo, painting)
        )
        a, b = own.reshape(-1, own.shape[-1]), style.reshape(-1, style.shape[-1])
        unit = [
            (x - x.mean(0)) / np.linalg.norm(x - x.mean(0), axis=1, keepdims=True) for x in (a, b)
        ]
        expected = b[(unit[0] @ unit[1].T).argmax(1)].reshape(own.shape)
        agree = np.isclose(wanted, expected, atol=1e-5).all(-1)
        assert agree.mean() > 0.99  # float32 decides near ties in its own way

    def test_regions_take_their_candidates_from_their_own_style(self, network, photo, painting):
        styles = [painting, np.ascontiguousarray(painting[::-1, :, ::-1])]
        left = np.zeros(photo.shape[:2], "float32")
        left[:, :24] = 1
        loss = NeighborStyleLoss(styles, [left, 1 - left], layers=("block1_conv1",))
        wanted = loss.prepare(begun(network, photo, round=1))["block1_conv1"]["feature"][0].numpy()
        for half, style in zip((wanted[:, :24], wanted[:, 24:]), styles, strict=True):
            rows = network.model(["block1_conv1"])(style[None])["block1_conv1"][0].numpy()
            assert farthest(half, rows) < 1e-5

    def test_a_style_mask_limits_the_candidates(self, network, photo, painting):
        allowed = np.zeros(painting.shape[:2], "float32")
        allowed[:, :32] = 1
        canvas = begun(network, photo, round=1)
        loss = NeighborStyleLoss(
            painting, None, allowed, layers=("block1_conv1",), candidates=10**6
        )
        wanted = loss.prepare(canvas)["block1_conv1"]["feature"].numpy()
        style = network.model(["block1_conv1"])(painting[None])["block1_conv1"][0].numpy()
        assert farthest(wanted, style[:, :32]) < 1e-5

    def test_a_soft_mask_decides_between_styles(self, network, photo, painting):
        other = painting[::-1, ::-1].copy() ** 2
        shares = []
        for share in (0.1, 0.5, 0.9):
            mask = np.full(photo.shape[:2], share, "float32")
            loss = NeighborStyleLoss([painting, other], [mask, 1 - mask], layers=("block1_conv1",))
            wanted = loss.prepare(begun(network, photo, round=1))["block1_conv1"]["feature"]
            alone = NeighborStyleLoss(painting, layers=("block1_conv1",))
            first = alone.prepare(begun(network, photo, round=1))["block1_conv1"]["feature"]
            shares.append(np.isclose(wanted, first, atol=1e-5).all(-1).mean())
        assert shares[0] < shares[1] < shares[2]

    def test_copies_only_come_nearer(self, network, photo, painting):
        canvas = begun(network, photo)
        plain, turned = (
            value_of(NeighborStyleLoss(painting, **options), canvas, photo)
            for options in ({}, {"turned": True, "mirrored": True})
        )
        assert turned < plain

    def test_fewer_candidates_are_a_sample(self, network, photo, painting):
        loss = NeighborStyleLoss(painting, candidates=20)
        targets = loss.prepare(begun(network, photo))
        feature = targets["block3_conv1"]["feature"].numpy().reshape(-1, 96)
        assert len(np.unique(feature.round(4), axis=0)) <= 20

    @pytest.mark.parametrize(("round", "most"), [(0, 100), (1, 25)])
    def test_a_round_takes_a_quarter_of_the_candidates(self, network, photo, painting, round, most):
        loss = NeighborStyleLoss(painting, layers=("block1_conv1",), candidates=100)
        feature = loss.prepare(begun(network, photo, round=round))["block1_conv1"]["feature"]
        found = len(np.unique(feature.numpy().reshape(-1, feature.shape[-1]).round(4), axis=0))
        assert most / 4 < found <= most

    @pytest.mark.parametrize(
        ("round", "options"), [(0, {"alpha": 0.25}), (1, {"alpha": 0.5, "round_alpha": 0.25})]
    )
    def test_the_query_is_a_mixture_of_start_and_content(
        self, network, photo, painting, round, options
    ):
        start = photo[::-1].copy()
        mixture = np.float32(0.25 * start + 0.75 * photo)
        loss = NeighborStyleLoss(painting, **options)
        found = loss.prepare(begun(network, photo, start, round=round))
        expected = loss.prepare(begun(network, mixture, round=round))
        np.testing.assert_allclose(
            found["block3_conv1"]["feature"], expected["block3_conv1"]["feature"], atol=1e-4
        )

    def test_a_batch_is_matched_picture_by_picture(self, network, photo, painting):
        pictures = np.stack([photo, photo[::-1]])
        canvas = Canvas(network, photo.shape[:2])
        canvas.begin(pictures, 0)
        loss = NeighborStyleLoss(painting)
        both = loss.prepare(canvas)
        for k in range(2):
            canvas.begin(pictures[k : k + 1], 0)
            one = loss.prepare(canvas)
            for layer in loss.layers_of(canvas.extractor):
                np.testing.assert_allclose(
                    both[layer]["feature"][k], one[layer]["feature"][0], atol=1e-4
                )


@pytest.mark.slow
class TestRuns:
    def test_the_level_must_have_begun(self, network, photo, painting):
        canvas = Canvas(network, photo.shape[:2], picture=photo)
        with pytest.raises(LevelNotBegunError):
            NeighborStyleLoss(painting).prepare(canvas)
        assert canvas.follows

    @pytest.mark.parametrize(
        ("plan", "round"), [(sk.Tiles(32), 0), (sk.Tiles(32), 1), (sk.Recompute(), 1)]
    )
    def test_tiles_compute_the_same(self, network, photo, painting, plan, round, monkeypatch):
        monkeypatch.setattr("stylekit.transfer.memory.plan.TILE", 32)
        content = np.ascontiguousarray(photo[:61, :43])  # rows and columns are left over
        ramp = np.linspace(0, 1, 43, dtype="float32") * np.ones((61, 1), "float32")
        losses = [NeighborStyleLoss([painting, painting[:, ::-1].copy()], [ramp, 1 - ramp])]
        found = []
        for one in (sk.Plan(), plan):
            objective = one.objective(losses, network, (61, 43), picture=content, round=round)
            objective.begin(content[None])
            total, _, gradient = objective(content[::-1].copy()[None])
            found.append((float(total[0]), gradient.numpy()))
        assert found[1][0] == pytest.approx(found[0][0], rel=1e-5)
        error = np.linalg.norm(found[1][1] - found[0][1]) / np.linalg.norm(found[0][1])
        assert error < 1e-5

    def test_the_cosine_takes_no_tiles(self, network, photo, painting):
        with pytest.raises(InputError, match="in tiles"):
            sk.Tiles(32).check([NeighborStyleLoss(painting, distance="cosine")], network)

    def test_a_run_comes_nearer_to_the_style(self, network, photo, painting):
        pyramid = sk.Pyramid([32, 64, 64, 64])
        losses = [NeighborStyleLoss(painting)]
        transfer = sk.StyleTransfer(losses, extractor=network, optimizer=sk.LBFGS(history=2))
        result = transfer.run(photo, 24, pyramid=pyramid)
        for level in range(4):
            totals = [
                row["total"]
                for row, of in zip(result.losses, result.levels, strict=True)
                if of == level
            ]
            assert totals[-1] < totals[0]

    @pytest.mark.parametrize("tone", [0.0, 0.5])
    def test_a_constant_style_gives_finite_numbers(self, network, photo, tone):
        losses = [NeighborStyleLoss(np.full((40, 40, 3), tone, "float32"))]
        transfer = sk.StyleTransfer(losses, extractor=network, optimizer=sk.LBFGS(history=2))
        result = transfer.run(photo, 6, pyramid=sk.Pyramid([64, 64]))
        assert np.isfinite([row["total"] for row in result.losses]).all()
        assert np.isfinite(result.image).all()

    def test_a_style_equal_to_the_content_changes_little(self, network, photo):
        losses = [NeighborStyleLoss(photo)]
        transfer = sk.StyleTransfer(losses, extractor=network, optimizer=sk.LBFGS(history=2))
        result = transfer.run(photo, 9, pyramid=sk.Pyramid([64, 64, 64]))
        assert np.abs(result.image - photo).mean() < 0.01


class TestBadInput:
    def test_a_style_smaller_than_a_cell_of_a_layer(self, network, photo):
        with pytest.raises(InputError, match=r"style or reference picture.*too small"):
            NeighborStyleLoss(photo[:6, :6]).prepare(begun(network, photo))

    def test_regions_without_a_candidate_are_listed(self, network, photo, painting):
        lost = np.zeros(painting.shape[:2], "float32")
        lost[-1, -1] = 1  # its cell is cut off: 57 rows make 14 cells of 4
        style = np.concatenate([painting, painting[-1:]])
        lost = np.concatenate([np.zeros_like(lost), lost[-1:]])
        losses = NeighborStyleLoss(
            [style, style], None, [None, lost], names=["sky", "tree"], layers=LAYERS
        )
        with pytest.raises(InputError, match="no candidate in their style:\n  mask tree with"):
            losses.prepare(begun(network, photo))

    def test_bad_regions_are_told_before_the_first_step(self, network, photo, painting):
        losses = [NeighborStyleLoss(painting, np.ones((9, 9), "float32"))]
        seen = []
        with pytest.raises(InputError, match="mask"):
            sk.StyleTransfer(losses, extractor=network).run(
                photo, 4, pyramid=sk.Pyramid([32, 64]), callbacks=[seen.append]
            )
        assert not seen

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"style": []}, "at least one style"),
            ({"mask": [None, None]}, r"number of masks.*expected one, or 1"),
            ({"style_weights": [1, 2]}, "number of style_weights"),
            ({"style_weights": [0]}, "style weight"),
            ({"alpha": 1.2}, "alpha"),
            ({"round_alpha": -1}, "round_alpha"),
            ({"distance": "euclid"}, "distance"),
            ({"candidates": 0}, "candidates"),
            ({"names": ["a", "b"]}, "number of names"),
        ],
    )
    def test_arguments(self, painting, arguments, message):
        with pytest.raises(InputError, match=message):
            NeighborStyleLoss(**{"style": painting, **arguments})

    def test_a_network_without_the_layers(self, photo, painting):
        class Other(sk.CompactVGG):
            layer_names = ("first",)

        with pytest.raises(InputError, match="no layer 'block1_conv1'"):
            sk.StyleTransfer([NeighborStyleLoss(painting)], extractor=Other()).run(photo, 1)

    def test_the_config_tells_what_was_asked(self, painting):
        mask = np.ones((4, 4), "float32")
        config = NeighborStyleLoss([painting, painting], [mask, None], turned=True).get_config()
        assert len(config["styles"]) == 2
        assert config["masks"][0] and config["masks"][1] is None
        assert config["turned"] is True
        assert config["distance"] == "squared"


def test_the_default_layers_go_no_deeper_than_cells_of_8_pixels(style):
    class Own(sk.VGG19):
        style_layers = ("block2_conv2", "block4_conv4", "block4_pool", "block5_conv1")

    class Deep(sk.VGG19):
        style_layers = ("block5_conv1",)

    term, compact = sk.NeighborStyleLoss(style), sk.CompactVGG()
    assert term.layers_of(Own(None)) == ("block2_conv2", "block4_conv4")
    assert term.layers_of(Deep(None)) == ("block5_conv1",)  # there is nothing else
    assert term.layers_of(compact) == tuple(compact.style_layers)
