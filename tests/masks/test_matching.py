import numpy as np
import pytest
from PIL import Image

from stylekit._checks import InputError
from stylekit.masks.matching import match_regions

RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)


def stripes(*colors, shape=(40, 60)):
    """Upright stripes of one width."""
    height, width = shape
    row = np.array(colors, np.uint8)[np.arange(width) * len(colors) // width]
    return np.repeat(row[None], height, axis=0)


def smooth(color_map):
    large = Image.fromarray(np.kron(color_map, np.ones((6, 6, 1), np.uint8)))
    return np.asarray(large.resize((233, 157), Image.Resampling.LANCZOS))


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
    message = str(error.value)
    assert "#000000 is in the content map only" in message
    assert "#3c2800 is in the style map only" in message
    assert "#ff0000 (33.3%) with #ff0000 (50.0%)" in message
    assert "#0000ff (33.3%) with #0000ff (25.0%)" in message
    assert "#000000 (33.3%) of the content map with nothing (nearest: #3c2800, 72 away)" in message
    assert "keep=" in message
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
    with pytest.raises(InputError, match="sky is in the content map only, sea is in neither"):
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
    with pytest.raises(InputError, match=r"neither map has: #00ff00: expected .*#ff0000 \(50.0%\)"):
        match_regions(content, style, keep=[GREEN])
    with pytest.raises(InputError, match="both name #ff0000"):
        match_regions(content, style, {"wall": RED}, [RED])
    with pytest.raises(InputError, match="no region is left"):
        match_regions(content, style, keep=[RED, BLUE])
    with pytest.raises(InputError, match="tolerance is out of range"):
        match_regions(content, style, tolerance=-1)
    with pytest.raises(InputError, match=r"keep\[0\] is not a colour"):
        match_regions(content, style, keep="crimsonish")
    with pytest.raises(InputError, match="keep has one colour twice"):
        match_regions(content, style, keep=["red", RED])
    with pytest.raises(InputError, match=r"colors\[1\] is not a colour"):
        match_regions(content, style, ["red", "crimsonish"])


def test_a_map_without_flat_colours_is_called_by_name(rng):
    noise = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    with pytest.raises(InputError, match="the style map has no region of one colour"):
        match_regions(stripes(RED, BLUE), noise)


@pytest.mark.parametrize(
    ("folder", "content", "style", "count"),
    [
        ("doodle", "Landscape", "Renoir", 4),
        ("regions", "Coastline", "Monet", 5),
        ("regions", "Seth", "Gogh", 4),
    ],
)
def test_real_maps(folder, content, style, count, data_dir):
    folder = data_dir / "images" / folder
    regions = match_regions(folder / f"{content}_sem.png", folder / f"{style}_sem.png")
    assert len(regions.names) == count
    assert max(regions.unmatched) < 0.02
    np.testing.assert_array_equal(np.sum(regions.content, axis=0), 1)
    np.testing.assert_array_equal(np.sum(regions.style, axis=0), 1)
