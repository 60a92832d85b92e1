import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from stylekit._checks import InputError
from stylekit.masks.color_maps.matching import match_regions

RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)


def stripes(*colors, shape=(40, 60)):
    """Upright stripes of one width."""
    height, width = shape
    row = np.array(colors, np.uint8)[np.arange(width) * len(colors) // width]
    return np.repeat(row[None], height, axis=0)


def smooth(color_map):
    large = Image.fromarray(np.kron(color_map, np.ones((6, 6, 1), np.uint8)))
    return np.asarray(large.resize((233, 157), Image.Resampling.LANCZOS))


FACE = {
    "wall": (255, 255, 255),
    "skin": (235, 190, 160),
    "shirt": (40, 60, 160),
    "hair": (60, 40, 30),
    "mouth": (190, 50, 60),
    "brow": (120, 80, 50),  # nearly a mixture of skin and hair
    "eye": (90, 140, 200),
}
FEATURES = "brow", "eye", "mouth"


def face(size=256, scale=1.0, *, smooth=False, without=()):
    """A face whose eyes, brows and mouth have less than 0.3 % of the map each, at scale 1."""
    factor = 4 if smooth else 1
    picture = Image.new("RGB", (factor * size, factor * size), FACE["wall"])
    draw = ImageDraw.Draw(picture)

    def paint(name, x, y, half_width, half_height, shape=draw.ellipse):
        box = np.array([x - half_width, y - half_height, x + half_width, y + half_height])
        if name not in without:
            shape([*(box * factor * size)], fill=FACE[name])

    paint("shirt", 0.5, 1.05, 0.4, 0.3)
    paint("hair", 0.5, 0.4, 0.3, 0.34)
    paint("skin", 0.5, 0.46, 0.24, 0.3)
    for x in (0.4, 0.6):
        paint("eye", x, 0.42, 0.022 * scale, 0.013 * scale)
        paint("brow", x, 0.375, 0.035 * scale, 0.006 * scale, draw.rectangle)
    paint("mouth", 0.5, 0.62, 0.045 * scale, 0.016 * scale)
    return picture.resize((size, size), Image.Resampling.LANCZOS if smooth else 0)


def compressed(picture, quality):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def named(regions):
    """Return the names in `FACE` of the colours of regions, whose order that keeps."""
    colors = np.array([[int(name[i : i + 2], 16) for i in (1, 3, 5)] for name in regions])
    distances = np.linalg.norm(colors[:, None] - np.array([*FACE.values()]), axis=-1)
    assert (distances.min(axis=1) < 20).all()
    return [list(FACE)[index] for index in distances.argmin(axis=1)]


@pytest.mark.parametrize(
    "content",
    [face(), face(smooth=True), face(512), compressed(face(512, smooth=True), 85)],
    ids=["hard", "smooth", "large", "jpeg"],
)
@pytest.mark.parametrize(
    "style",
    [face(512, 0.6), face(256, 1.3, smooth=True), compressed(face(512, 1.2, smooth=True), 90)],
    ids=["smaller", "smooth", "jpeg"],
)
def test_a_face_keeps_its_features(content, style):
    """At 0.6 they are below the default threshold, and count as they do in the other map."""
    regions = match_regions(content, style)
    assert sorted(named(regions.names)) == sorted(FACE)
    for masks in (regions.content, regions.style):
        shares = dict(zip(named(regions.names), (mask.mean() for mask in masks), strict=True))
        assert all(0.0005 < shares[name] < 0.005 for name in FEATURES)
        np.testing.assert_array_equal(np.sum(masks, axis=0), 1)
    # JPEG's noise may be a colour of a few pixels.
    assert max(np.ravel([*regions.small.values()]), default=0) < 1e-4


def test_what_is_small_in_both_maps_is_merged_and_listed():
    content, style = face(), face(512, 0.6)
    regions = match_regions(content, style, min_share=0.003)
    assert named(regions.names) == ["wall", "skin", "shirt", "hair"]
    assert sorted(named(regions.small)) == sorted(FEATURES)
    assert all(b < a < 0.003 for a, b in regions.small.values())
    assert regions.merged == {}
    pixels, skin = np.asarray(content), regions.content[1]
    assert skin[np.all(pixels == FACE["eye"], axis=-1)].all()
    assert (
        skin.sum()
        == np.any(
            [np.all(pixels == FACE[name], axis=-1) for name in ("skin", *FEATURES)], axis=0
        ).sum()
    )
    # One that is large enough in one map is a region.
    regions = match_regions(face(256, 1.3), style, min_share=0.003)
    assert {"eye", "brow", "mouth"} <= set(named(regions.names))


def test_a_colour_of_one_map_can_be_merged():
    content, style = face(), face(without=["brow"])
    with pytest.raises(InputError, match=r"#785032 is in the content map only \(.*`merge`"):
        match_regions(content, style)
    regions = match_regions(content, style, merge=[FACE["brow"]])
    assert "brow" not in named(regions.names)
    assert regions.small == {}
    brow = np.all(np.asarray(content) == FACE["brow"], axis=-1)
    assert regions.merged == {"#785032": (pytest.approx(brow.mean()), 0)}
    masks = dict(zip(named(regions.names), regions.content, strict=True))
    assert masks["skin"][brow].all()


def test_a_few_pixels_are_enough_in_the_other_map():
    content, style = stripes(RED, BLUE, BLACK), stripes(RED, BLUE)
    style[10:12, 40:42] = BLACK
    regions = match_regions(content, style)
    assert regions.style[regions.names.index("#000000")].sum() == 4
    style[10] = np.where(style[10] == BLACK, BLUE, style[10])  # noise may be as small
    with pytest.raises(InputError, match=r"#000000 .*; the style map has 2 pixels of this colour"):
        match_regions(content, style)


def test_thin_strokes_are_listed_unless_the_other_map_has_an_area():
    content, style = stripes(RED, BLUE), stripes(RED, BLUE)
    content[10:12] = style[20:22] = BLACK
    regions = match_regions(content, style)
    assert set(regions.names) == {"#ff0000", "#0000ff"}
    assert regions.small == {"#000000": (0.05, 0.05)}
    style[20:23] = BLACK
    assert "#000000" in match_regions(content, style).names
    assert "#000000" in match_regions(content, content, ["red", "blue", "black"]).names


GREY = 128, 128, 128


def test_a_smooth_edge_is_no_region_though_another_has_its_colour():
    content, style = stripes(BLACK, (255, 255, 255), GREY), smooth(stripes(BLACK, (255, 255, 255)))
    with pytest.raises(
        InputError, match=r"#808080 is in the content map only \(.*; the style map has"
    ):
        match_regions(content, style)
    style = smooth(stripes(BLACK, (255, 255, 255), (255, 255, 255), GREY))
    regions = match_regions(content, style)
    grey = regions.style[regions.names.index("#808080")]
    assert not grey[:, : 233 // 2].any()  # the edge of black and white is at a quarter
    assert grey.mean() == pytest.approx(1 / 4, abs=0.01)


def test_the_same_colour_is_the_same_region():
    content, style = stripes(RED, BLUE, BLUE), stripes(BLUE, BLUE, RED, RED, shape=(32, 80))
    regions = match_regions(content, style)
    assert regions.names == ("#0000ff", "#ff0000")  # the content map's largest first
    np.testing.assert_array_equal(regions.content[0], np.all(content == BLUE, axis=-1))
    np.testing.assert_array_equal(regions.style[0], np.all(style == BLUE, axis=-1))
    np.testing.assert_array_equal(regions.style[1], np.all(style == RED, axis=-1))
    assert all(m.dtype == np.float32 for m in (*regions.content, *regions.style))
    assert regions.unmatched == (0, 0)


def test_colours_need_not_be_exact_and_the_nearer_pair_wins():
    regions = match_regions(stripes(RED, (220, 0, 0), BLUE), stripes(RED, BLUE), tolerance=40)
    assert regions.names == ("#ff0000", "#0000ff")
    regions = match_regions(
        stripes((180, 0, 0), (230, 0, 0)), stripes((212, 0, 0), (170, 0, 0)), tolerance=36
    )
    assert {n: m[0, 0] for n, m in zip(regions.names, regions.style, strict=True)} == {
        "#b40000": 0,
        "#e60000": 1,
    }


def test_black_is_a_region_like_any_other():
    regions = match_regions(stripes(BLACK, GREEN), stripes(GREEN, BLACK, BLACK))
    assert set(regions.names) == {"#000000", "#00ff00"}


def test_smooth_edges_go_to_a_region_beside_them_and_are_counted():
    # Half red and half green lies nearer to dark red than to either of them.
    dark = (192, 0, 0)
    content = smooth(stripes(RED, GREEN, dark))
    regions = match_regions(content, stripes(RED, GREEN, dark))
    np.testing.assert_array_equal(np.sum(regions.content, axis=0), 1)
    assert 0 < regions.unmatched[0] < 0.05
    assert regions.unmatched[1] == 0
    masks = dict(zip(regions.names, regions.content, strict=True))
    assert not masks["#c00000"][:, : 233 // 2].any()
    columns = masks["#00ff00"].mean(axis=0) > 0.5
    assert abs(columns.argmax() - 233 / 3) <= 1.5


def test_a_region_in_one_map_only_is_an_error_that_lists_the_pairs():
    with pytest.raises(InputError) as error:
        match_regions(stripes(RED, BLUE, BLACK), stripes(RED, RED, BLUE, (60, 40, 0)))
    advice = "recolour it, or leave it out with `keep`"
    assert str(error.value).splitlines() == [
        "the maps have different regions: expected each colour in both maps, within a tolerance of "
        "40.",
        "  #000000 is in the content map only (33.3% of the map; nearest: #3c2800, 72 away): "
        + advice,
        "  #3c2800 is in the style map only (25.0% of the map; nearest: #000000, 72 away): "
        + advice,
        "  #ff0000 is in both maps: 33.3% of the content map, 50.0% of the style map",
        "  #0000ff is in both maps: 33.3% of the content map, 25.0% of the style map",
        "Recolour a map, use `merge` or `keep`, or name the regions to paint with `colors`.",
    ]
    regions = match_regions(
        stripes(RED, BLUE, BLACK), stripes(RED, RED, BLUE, (60, 40, 0)), tolerance=73
    )
    assert len(regions.names) == 3


def test_what_is_kept_is_in_no_mask():
    content, style = stripes(RED, BLUE, BLACK), stripes(RED, GREEN, BLUE)
    regions = match_regions(content, style, keep=["black", GREEN])
    assert set(regions.names) == {"#ff0000", "#0000ff"}
    np.testing.assert_array_equal(np.sum(regions.content, axis=0), content.any(axis=-1))
    np.testing.assert_array_equal(np.sum(regions.style, axis=0), np.any(style != GREEN, axis=-1))
    assert regions.unmatched == (0, 0)
    with pytest.raises(InputError, match="#00ff00 is in the style map only"):
        match_regions(content, style, keep=["black"])


def test_only_the_colours_asked_for():
    content, style = stripes(RED, BLUE, BLACK), stripes(RED, GREEN, BLUE)
    regions = match_regions(content, style, colors={"wall": RED})
    assert regions.names == ("wall",)
    assert regions.content[0].mean() == pytest.approx(1 / 3)  # and none of the others' pixels
    with pytest.raises(
        InputError, match=r"sky is in the content map only(.*\n)+.*sea is in neither map"
    ):
        match_regions(content, style, colors={"wall": RED, "sky": BLACK, "sea": "#00ffff"})


def test_a_small_region_counts_where_it_is_asked_for():
    content = stripes(RED, BLUE)
    content[10:12, 40:42] = BLACK
    style = stripes(RED, BLACK, BLUE)
    regions = match_regions(content, style, ["black", "red", "blue"])
    assert regions.content[2].sum() == 4
    assert match_regions(content, style, keep=["black"]).content[0].mean() == 0.5


def test_a_small_region_is_found_unasked():
    content, style = (np.full((400, 400, 3), color, np.uint8) for color in (BLUE, BLUE))
    content[100:125, 40:65] = style[300:325, 200:225] = RED
    regions = match_regions(content, style)
    assert regions.names == ("#0000ff", "#ff0000")
    assert [mask[1].sum() for mask in (regions.content, regions.style)] == [625, 625]


def test_bad_requests():
    content, style = stripes(RED, BLUE), stripes(BLUE, RED)
    with pytest.raises(InputError, match=r"neither map has: #00ff00: expected .*#0000ff, #ff0000"):
        match_regions(content, style, keep=[GREEN])
    with pytest.raises(InputError, match="both name #ff0000"):
        match_regions(content, style, {"wall": RED}, [RED])
    with pytest.raises(InputError, match="`merge` names colours that neither map has: #00ff00"):
        match_regions(content, style, merge=[GREEN])
    with pytest.raises(InputError, match="`keep` and `merge` both name #ff0000"):
        match_regions(content, style, keep=[RED], merge=["red"])
    with pytest.raises(InputError, match="no region is left"):
        match_regions(content, style, keep=[RED, BLUE])
    with pytest.raises(InputError, match=r"no region is left.*90.0%.*[Ll]ower `min_share`"):
        match_regions(content, style, min_share=0.9)
    with pytest.raises(InputError, match="min_share is out of range"):
        match_regions(content, style, min_share=2)
    with pytest.raises(InputError, match="tolerance is out of range"):
        match_regions(content, style, tolerance=-1)
    with pytest.raises(InputError, match=r"keep\[0\] must be a colour"):
        match_regions(content, style, keep="crimsonish")
    with pytest.raises(InputError, match="`keep` must have distinct colours"):
        match_regions(content, style, keep=["red", RED])
    with pytest.raises(InputError, match=r"colors\[1\] must be a colour"):
        match_regions(content, style, ["red", "crimsonish"])


def test_a_map_without_flat_colours_is_called_by_name(rng):
    noise = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    with pytest.raises(InputError, match="the style map must have regions in flat colours"):
        match_regions(stripes(RED, BLUE), noise)


@pytest.mark.parametrize(
    ("folder", "content", "style", "count"),
    [
        ("doodle", "Landscape", "Renoir", 4),
        ("regions", "Coastline", "Monet", 5),
        ("regions", "Seth", "Gogh", 6),
    ],
)
def test_real_maps(folder, content, style, count, data_dir):
    folder = data_dir / "images" / folder
    regions = match_regions(folder / f"{content}_sem.png", folder / f"{style}_sem.png")
    assert len(regions.names) == count
    assert max(regions.unmatched) < 0.02
    np.testing.assert_array_equal(np.sum(regions.content, axis=0), 1)
    np.testing.assert_array_equal(np.sum(regions.style, axis=0), 1)
