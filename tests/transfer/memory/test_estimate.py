import keras
import numpy as np
import pytest

import stylekit as sk
from stylekit._checks import InputError
from stylekit.features._cpu import winograd
from stylekit.losses import transport
from stylekit.losses.hypercolumns import CELL, SCORES
from stylekit.transfer.memory.estimate import BLOCKS, MIXED, SPREAD, WORKING, Memory, in_units
from stylekit.transfer.memory.piece import Piece


def test_feature_maps_are_counted(photo, style):
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", name="wide")(image)
    x = keras.layers.Conv2D(4, 3, padding="same", strides=2, name="small")(x)
    network = sk.KerasExtractor(keras.Model(image, x))
    term = sk.GramStyleLoss(style[:10, :20], layers=["wide", "small"])
    one, two = (sk.estimate_memory((10, size), network, [term]) for size in (20, 40))
    assert two.features == pytest.approx(2 * one.features, rel=1e-6)
    wide, small = 10 * 20 * 8 * 4, 5 * 10 * 4 * 4
    assert wide + small < one.features < 2 * (wide + small)
    batch = sk.estimate_memory((10, 20), network, [term], batch=3)
    assert batch.features == pytest.approx(3 * one.features, rel=1e-6)


def test_a_content_holds_its_feature_maps(photo, style, compact):
    size, layer = 64, compact.content_layers
    content, style = sk.ContentLoss(photo, layers=layer), sk.GramStyleLoss(style, layers=layer)
    gap = sk.estimate_memory(size, compact, [content]).targets - photo.nbytes
    assert gap == (size // 8) ** 2 * 192 * 4
    assert sk.estimate_memory(size, compact, [style]).targets == style.reference.nbytes


def test_a_reflected_border_counts(style, compact):
    layers, side, margin = compact.style_layers, 128, 16
    whole = Piece(compact.model(layers), (side + 2 * margin,) * 2).maps()
    piece = Piece(sk.features.ReflectPadding(compact, margin).model(layers), (side, side))
    found = piece.maps()
    assert {name: found[name] for name in whole} == whole
    # The picture with its border, and each layer that is read, cut to the picture's cells.
    image = (side + 2 * margin) ** 2 * 3 * 4
    assert sum(found.values()) - sum(whole.values()) == image + sum(piece.outputs().values())
    assert piece.outputs() == Piece(compact.model(layers), (side, side)).outputs()


def test_what_is_not_held_is_not_counted_with_what_functions_make_of_it(compact):
    layers = compact.style_layers
    network = sk.features.ReflectPadding(compact).model(layers)
    first, behind = "block1_conv1", Piece(compact.model(layers[:1]), (160, 160)).maps()
    whole, rest = (Piece(network, (128, 128), known) for known in (frozenset(), frozenset(behind)))
    assert first not in rest.maps()
    assert first not in rest.outputs()
    left_out = sum(whole.maps().values()) - sum(rest.maps().values())
    # With the picture that has got its border, and the layer that is cut to the picture.
    assert left_out == sum(behind.values()) + 160**2 * 3 * 4 + whole.outputs()[first]


def test_each_further_term_of_a_layer_holds_a_gradient(style, compact):
    layers = compact.style_layers

    def need(*terms):
        return sk.estimate_memory(256, compact, terms)

    one, other = (sk.GramStyleLoss(style, layers=layers) for _ in range(2))
    maps = sum(Piece(compact.model(layers), (256, 256)).outputs().values())
    assert need(one, other).features - need(one).features == maps
    assert need(one, other).base > need(one).base
    neighbors = sk.losses.NeighborStyleLoss([style, style], layers=layers)
    assert need(one, neighbors).features - need(neighbors).features == maps


def test_a_mask_holds_a_masked_feature_map(style, compact):
    layers, mask = compact.style_layers, np.ones((256, 256), "float32")

    def need(mask):
        return sk.estimate_memory(256, compact, [sk.GramStyleLoss(style, mask, layers=layers)])

    largest = max(Piece(compact.model(layers), (256, 256)).outputs().values())
    assert need(mask).features - need(None).features == largest
    assert need(mask).targets - need(None).targets == mask.nbytes


def test_a_reference_larger_than_the_picture_counts(style, compact):
    layers = compact.style_layers
    large = np.zeros((1024, 1024, 3), "float32")

    def features(picture, plan=None, **options):
        term = sk.GramStyleLoss(picture, layers=layers, **options)
        return sk.estimate_memory(256, compact, [term], plan=plan).features

    look = sum(Piece(compact.model(layers), (1024, 1024)).maps().values())
    assert features(large) == look > features(style)
    assert features(large[:512, :512], style_scale=2) == features(large)
    assert features(large, sk.Tiles(256)) < 0.5 * look  # the sum over its tiles
    whole = sum(Piece(compact.model(layers), (1024, 1024)).outputs().values())
    assert look > features(large, sk.Recompute()) > whole


def test_what_a_loss_declares_counts(style, compact):
    class Wide(sk.losses.Loss):
        layers = ("block1_conv1", "block4_conv1")

        def compute(self, image, features, targets):
            return features["block1_conv1"][:, 0, 0, 0]

    class Declared(Wide):
        def needs(self, shape, maps):
            assert shape == (64, 128)
            assert maps == {"block1_conv1": (64, 128, 24), "block4_conv1": (8, 16, 192)}
            return sk.losses.Needs(compute=1e9, prepare=5e9, targets=7e9)

    def need(term, **options):
        return sk.estimate_memory((64, 128), compact, [term], **options)

    plain, found = need(Wide()), need(Declared())
    assert found.features == 5e9  # which is more than a step takes
    assert found.targets == plain.targets + 7e9
    found = need(Declared(), batch=9)
    assert found.features == pytest.approx(9 * (plain.features + 1e9))


def test_sorted_values_pairs_and_windows_are_counted(style, compact):
    how = {"layers": "block1_conv1"}

    def need(term, plan=None):
        return sk.estimate_memory(512, compact, [term], plan=plan)

    plain = need(sk.losses.MomentStyleLoss(style, **how))
    values = 4 * 512**2 * 24
    for term in (
        sk.losses.MomentStyleLoss(style, histogram_weight=1, **how),
        sk.losses.SlicedWassersteinLoss(style, **how),
    ):
        found = need(term)
        assert found.features - plain.features >= transport.SORTED * values
        assert found.targets - plain.targets == values
    few = need(sk.losses.SlicedWassersteinLoss(style, directions=6, **how))
    assert few.targets - plain.targets == values / 4
    assert need(sk.losses.LongRangeGramStyleLoss(style, **how)).features > plain.features + values
    for make in (sk.losses.RelaxedTransportLoss, sk.losses.SelfSimilarityLoss):
        one, two = (need(make(style, samples=n, **how)).features for n in (256, 512))
        assert two > one > plain.features
    matting = sk.losses.MattingLaplacianLoss(style)
    whole, bands = need(matting), need(matting, sk.Tiles(128))
    assert whole.targets - style.nbytes == 512**2 * 12 * 4
    assert whole.features > 512**2 * 100 * 4 > bands.features / 3


def test_neighbors_hold_what_is_matched(style, compact):
    layers, side = compact.style_layers, 512

    def need(count=1, batch=1, side=side, **options):
        styles = [np.zeros((side, side, 3), "float32")] * count
        term = sk.losses.NeighborStyleLoss(styles, layers=layers, **options)
        return sk.estimate_memory(side, compact, [term], plan=sk.Tiles(256), batch=batch)

    depths = [24, 48, 96, 192]
    cells = [(side // CELL) ** 2] * 3 + [(side // 8) ** 2]
    grids = 4 * sum(depth * count for depth, count in zip(depths, cells, strict=True))
    picture = side**2 * 3 * 4
    assert need().targets == grids + picture
    assert need(3).targets == grids + 3 * picture
    assert need(batch=2).targets == 2 * grids + picture
    # Of three styles the candidates, together with the columns, and what was found among them.
    columns = 4 * sum(depths) * (side // CELL) ** 2
    assert need(3).features == 9 * columns
    assert need(3, turned=True).features > need(3, candidates=1024).features


def test_blocks_of_distances_fit_where_large_feature_maps_were(compact):
    def features(side):
        picture = np.zeros((side, side, 3), "float32")
        neighbors = sk.losses.NeighborStyleLoss(picture, layers=compact.style_layers)
        gram = sk.GramStyleLoss(picture, layers=compact.style_layers)
        needs = (sk.estimate_memory(side, compact, [one]).features for one in (neighbors, gram))
        return next(needs) - next(needs)

    assert features(512) == 0
    assert features(256) == BLOCKS * 4 * SCORES


def test_plans_need_less_and_less(compact_terms, compact):
    plans = [sk.Plan(), sk.Recompute(), sk.Tiles(512), sk.Tiles(256)]
    needs = [sk.estimate_memory(2048, compact, compact_terms, plan=plan).features for plan in plans]
    assert needs == sorted(needs, reverse=True)
    assert needs[-1] < 0.1 * needs[0]
    tiles = [
        sk.estimate_memory(size, compact, compact_terms, plan=plans[-1]) for size in (2048, 8192)
    ]
    assert tiles[0].features == tiles[1].features
    assert tiles[1].pictures == 16 * tiles[0].pictures


def test_the_optimizer_and_the_precision_count(compact_terms, compact):
    def need(**options):
        return sk.estimate_memory(1024, compact, compact_terms, **options)

    assert need(optimizer=sk.LBFGS(3)).pictures < need().pictures
    assert need(optimizer=keras.optimizers.Adam(0.1)).pictures < need().pictures
    half = sk.LBFGS(10, history_dtype="bfloat16")
    assert need(optimizer=half).pictures < 0.8 * need().pictures
    assert need(precision="mixed_bfloat16").features < 0.7 * need().features


def test_a_wide_convolution_counts_for_itself(style, monkeypatch):
    def features():
        term = sk.GramStyleLoss(style, layers=["conv3_2"])
        return sk.estimate_memory(256, sk.VGG19(weights=None), [term]).features

    monkeypatch.setattr(keras.distribution, "list_devices", lambda _: [])  # as without a GPU
    whole = features()
    monkeypatch.setattr(winograd, "working", lambda y, kernel: 0)
    need = 36 * 4 * (16**2 * (256 + 256) + 256 * 256)  # in tiles and channels of conv3_2
    assert whole - features() == pytest.approx(SPREAD * WORKING * need, rel=1e-6)


def test_windows_of_several_kinds_leave_gaps(compact_terms, compact):
    def need(side):
        return sk.estimate_memory(side, compact, compact_terms, plan=sk.Tiles(512)).features

    # Of 127 strides of 8 one tile owns fewer than the other; the window is that of 1024.
    assert need(1016) == pytest.approx(MIXED * need(1024), rel=1e-6)


def test_pictures_of_coarser_levels_are_kept(compact_terms, compact):
    def need(size, *sizes):
        pyramid = sk.Pyramid([*sizes, size])
        return sk.estimate_memory((size // 2, size), compact, compact_terms, pyramid=pyramid)

    alone = sk.estimate_memory((512, 1024), compact, compact_terms)
    assert need(1024) == alone
    assert need(1024, 256, 512).pictures == pytest.approx(alone.pictures * (1 + 1 / 4 + 1 / 16))
    assert need(1024, 256, 512).features == alone.features
    with pytest.raises(InputError, match="must be the longer side of the picture"):
        sk.estimate_memory(512, compact, compact_terms, pyramid=sk.Pyramid([256]))


def test_terms_without_a_network(photo, compact):
    need = sk.estimate_memory(512, compact, [sk.PixelLoss(photo)])
    assert need.features == 0
    assert need.total == need.base + need.targets + need.pictures


def test_text():
    assert str(Memory(10**6, 2 * 10**9, 0, 5 * 10**8)) == (
        "2.5 GB (base 1 MB, features 2.0 GB, targets 0 MB, pictures 500 MB)"
    )
    assert in_units(340.4e6) == "340 MB"


def test_bad_arguments(compact_terms, compact):
    with pytest.raises(InputError, match="the height is out of range"):
        sk.estimate_memory(0, compact, compact_terms)
    with pytest.raises(InputError, match="at least one loss"):
        sk.estimate_memory(64, compact, [])
    assert isinstance(sk.estimate_memory(np.int64(64), compact, compact_terms).total, int)
