import icc_profiles
import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage import data

from stylekit import masks
from stylekit._checks import InputError, InputTypeError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture
def soft(rng):
    return rng.random((23, 31), dtype=np.float32)


@pytest.fixture
def disc():
    rows, columns = np.ogrid[:96, :120]
    return (np.hypot(rows - 47, columns - 60) < 25).astype(np.float32)


@pytest.fixture
def color_map():
    """Three regions: red on the left half, green above blue on the right."""
    pixels = np.empty((40, 60, 3), np.uint8)
    pixels[:, :30], pixels[:10, 30:], pixels[10:, 30:] = RED, GREEN, BLUE
    return pixels


def assert_mask(mask, shape):
    assert mask.dtype == np.float32
    assert mask.shape == shape
    assert mask.min() >= 0
    assert mask.max() <= 1


OPERATIONS = {
    "feather": lambda m: masks.feather(m, 4),
    "erode": lambda m: masks.erode(m, 2),
    "dilate": lambda m: masks.dilate(m, 2),
    "invert": masks.invert,
    "threshold": masks.threshold,
    "resize": lambda m: masks.resize(m, np.shape(m)),
    "union": lambda m: masks.combine([m, 1 - m]),
    "intersection": lambda m: masks.combine([m, 1 - m], "intersection"),
    "difference": lambda m: masks.combine([m, 1 - m], "difference"),
    "sum": lambda m: masks.combine([m, m], "sum"),
    "partition": lambda m: masks.partition([m, m])[0],
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.parametrize("value", ["soft", 0.0, 1.0])
def test_operations_return_masks_and_leave_their_argument_alone(operation, value, soft):
    mask = soft if value == "soft" else np.full_like(soft, value)
    before = mask.copy()
    result = operation(mask)
    assert_mask(result, mask.shape)
    assert not np.shares_memory(result, mask)
    np.testing.assert_array_equal(mask, before)


class TestAsMask:
    @pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int32", "int64", "float16"])
    def test_zeros_and_ones_of_any_type_stay(self, dtype):
        mask = masks.as_mask(np.array([[0, 1], [1, 0]], dtype))
        assert_mask(mask, (2, 2))
        np.testing.assert_array_equal(mask, [[0, 1], [1, 0]])

    @pytest.mark.parametrize(("dtype", "full"), [("uint8", 255), ("uint16", 65535)])
    def test_unsigned_integers_are_divided_by_their_full_scale(self, dtype, full):
        mask = masks.as_mask(np.array([[0, 2, full]], dtype))
        np.testing.assert_allclose(mask, [[0, 2 / full, 1]], rtol=1e-6)

    def test_accepts_lists_one_channel_and_all_ones(self):
        np.testing.assert_array_equal(masks.as_mask([[0, 0.5]]), [[0, 0.5]])
        np.testing.assert_array_equal(masks.as_mask(np.ones((2, 3, 1))), np.ones((2, 3)))

    def test_rounding_beyond_the_limits_is_clipped(self):
        mask = masks.as_mask(np.array([[-1e-5, 1 + 1e-5]]))
        np.testing.assert_array_equal(mask, [[0, 1]])

    @pytest.mark.parametrize("mode", ["1", "L", "RGB", "P"])
    def test_images_and_files_are_read_as_grey(self, mode, tmp_path):
        values = np.array([[0, 255], [255, 0]], np.uint8)
        image = Image.fromarray(values).convert(mode)
        image.save(tmp_path / "mask.png")
        for source in (image, tmp_path / "mask.png", str(tmp_path / "mask.png")):
            mask = masks.as_mask(source, (2, 2))
            assert_mask(mask, (2, 2))
            np.testing.assert_array_equal(mask, values / 255)

    def test_grey_values_of_a_file(self, tmp_path):
        values = np.arange(256, dtype=np.uint8).reshape(16, 16)
        Image.fromarray(values).save(tmp_path / "mask.png")
        np.testing.assert_allclose(
            masks.as_mask(tmp_path / "mask.png"), values / 255, rtol=0, atol=1e-6
        )

    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    def test_a_file_of_zeros_and_ones(self, dtype, tmp_path):
        values = np.array([[0, 1], [1, 1]], dtype)
        Image.fromarray(values).save(tmp_path / "mask.png")
        np.testing.assert_array_equal(masks.as_mask(tmp_path / "mask.png"), values)

    def test_a_file_of_16_bits_keeps_its_gradation(self, tmp_path):
        values = np.linspace(0, 65535, 1000).astype(np.uint16).reshape(20, 50)
        Image.fromarray(values).save(tmp_path / "mask.png")
        mask = masks.as_mask(tmp_path / "mask.png")
        np.testing.assert_allclose(mask, values / 65535, rtol=0, atol=1e-6)

    def test_empty_masks_only_where_allowed(self):
        with pytest.raises(InputError, match=r"region is empty.*at least one pixel"):
            masks.as_mask(np.zeros((4, 5)), name="region")
        assert_mask(masks.as_mask(np.zeros((4, 5)), allow_empty=True), (4, 5))

    def test_another_size_names_both_and_the_way_out(self):
        with pytest.raises(InputError, match=r"expected 5x4 pixels, received 7x6 pixels\. Draw it"):
            masks.as_mask(np.ones((6, 7)), (4, 5), name="sky")

    @pytest.mark.parametrize(
        ("mask", "words"),
        [
            (np.full((2, 2), np.nan), "NaN"),
            ([[0.5, np.nan]], "NaN"),
            ([[0.0, -0.1]], "must have values.*-0.1"),
            ([[0.0, 1.5]], "must have values.*1.5.*Divide"),
            ([[0.0, np.inf]], "must have values.*inf"),
            ([[0, 7]], "must have values.*`label`"),
            ([[0, -1]], "must have values"),
            (np.array([[0, 2]], np.uint32), "must have values"),
            (np.ones(3), r"two dimensions.*\(3,\)"),
            (np.ones((2, 2, 3)), "from_colors"),
            (np.ones((1, 2, 2, 1)), "two dimensions"),
            (np.ones((0, 2)), "two dimensions"),
            (1.0, "two dimensions"),
        ],
    )
    def test_bad_values_are_named(self, mask, words):
        with pytest.raises(InputError, match=f"area .*{words}"):
            masks.as_mask(mask, name="area")

    @pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
    def test_alpha_counts(self, mode, tmp_path):
        alpha = np.array([[0, 128], [255, 255]], np.uint8)
        image = Image.fromarray(np.array([[255, 255], [255, 0]], np.uint8)).convert("RGBA")
        image.putalpha(Image.fromarray(alpha))
        if mode == "P":
            image = image.quantize(4)
        image.convert(mode).save(tmp_path / "mask.png")
        for source in (image.convert(mode), tmp_path / "mask.png"):
            mask = masks.as_mask(source)
            np.testing.assert_allclose(mask, [[0, 128 / 255], [1, 0]], atol=1e-6)
            np.testing.assert_allclose(masks.from_image(source), mask, atol=1e-6)

    def test_alpha_of_an_array(self):
        values = np.array([[[1, 1, 1, 0.25], [0.5, 0.5, 0.5, 1]]])
        np.testing.assert_allclose(masks.from_image(values), [[0.25, 0.5]], atol=1e-6)
        np.testing.assert_allclose(masks.from_image(values[..., 2:]), [[0.25, 0.5]], atol=1e-6)

    def test_a_region_in_alpha_alone_is_an_error(self, tmp_path):
        rgba = np.zeros((4, 6, 4), np.uint8)
        rgba[:, :3, 3] = 255
        Image.fromarray(rgba).save(tmp_path / "mask.png")
        for read in (masks.as_mask, masks.from_image):
            with pytest.raises(InputError, match=r"is black wherever.*alpha channel"):
                read(tmp_path / "mask.png")
        rgba[..., 3] = 255  # nothing is transparent: black is meant
        Image.fromarray(rgba).save(tmp_path / "mask.png")
        with pytest.raises(InputError, match="area is empty"):
            masks.as_mask(tmp_path / "mask.png", name="area")

    @pytest.mark.parametrize("mask", [None, [[1j]], [["a"]], [[1.0], [1.0, 2.0]], object()])
    def test_other_things_are_type_errors(self, mask):
        with pytest.raises(InputTypeError, match="area"):
            masks.as_mask(mask, name="area")

    @pytest.mark.parametrize(
        ("shape", "error"),
        [((4, 5, 3), InputTypeError), (4, InputTypeError), ((0, 5), InputError)],
    )
    def test_bad_shapes(self, shape, error):
        with pytest.raises(error, match=r"shape|height"):
            masks.as_mask(np.ones((4, 5)), shape)


def labels(dtype="uint8"):
    """Return a label map: 0 on the left, 15 on the right, and a row of 2 at the top."""
    values = np.zeros((8, 10), dtype)
    values[:, 5:], values[0] = 15, 2
    return values


def with_colors(values):
    """Return a label map as a PIL image whose palette has a colour for each label."""
    image = Image.fromarray(values, "P")
    image.putpalette([0, 0, 0, 0, 128, 0, 128, 0, 0, *(3 * [64, 0, 128])] * 8)
    return image


FORMS = {
    "array": labels,
    "16 bits": lambda: labels("uint16"),
    "int64": lambda: labels("int64"),
    "grey": lambda: Image.fromarray(labels()),
    "grey of 16 bits": lambda: Image.fromarray(labels("uint16")),
    "RGB": lambda: Image.fromarray(labels()).convert("RGB"),
    "palette": lambda: with_colors(labels()),
}


class TestLabels:
    @pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
    def test_a_label_is_asked_for_and_taken(self, form, tmp_path):
        given = form()
        sources = [given]
        if isinstance(given, Image.Image):
            given.save(tmp_path / "labels.png")
            sources.append(tmp_path / "labels.png")
        for source in sources:
            with pytest.raises(InputError, match=r"area .*`label`") as caught:
                masks.as_mask(source, name="area")
            assert form is FORMS["int64"] or "0, 2, 15" in str(caught.value)
            assert caught.value.argument == "area"
            for label in (0, 2, 15):
                mask = masks.as_mask(source, label=label)
                assert_mask(mask, (8, 10))
                np.testing.assert_array_equal(mask, labels() == label)

    def test_deep_tiff(self, tmp_path):
        for white_is_zero in (False, True):
            values = 65535 - labels("uint16") if white_is_zero else labels("uint16")
            photometric = "miniswhite" if white_is_zero else "minisblack"
            tifffile.imwrite(tmp_path / "labels.tif", values, photometric=photometric)
            np.testing.assert_array_equal(
                masks.as_mask(tmp_path / "labels.tif", label=15), labels() == 15
            )

    def test_zeros_and_ones_are_a_mask_and_label_1(self):
        ones = (labels() == 15).astype(np.uint8)
        for source in (ones, Image.fromarray(ones), Image.fromarray(ones).convert("RGB")):
            np.testing.assert_array_equal(masks.as_mask(source), ones)
            np.testing.assert_array_equal(masks.as_mask(source, label=1), ones)
        with pytest.raises(
            InputError, match="`label`"
        ):  # the palette says nothing of which is here
            masks.as_mask(with_colors(ones))

    def test_the_border_called_void_hides_no_labels(self):
        values = labels()
        values[:, 4] = 255
        with pytest.raises(InputError, match="received labels 0, 2, 15, 255"):
            masks.as_mask(values)
        np.testing.assert_array_equal(masks.as_mask(values, label=15), values == 15)

    def test_transparent_pixels_have_no_label(self):
        image = Image.merge("LA", [Image.fromarray(labels()), Image.new("L", (10, 8), 255)])
        image.putpixel((9, 7), (15, 0))
        mask = masks.as_mask(image, label=15)
        assert mask[7, 9] == 0
        assert mask.sum() == np.sum(labels() == 15) - 1

    def test_a_photograph_is_hardly_a_mask(self, tmp_path):
        path = tmp_path / "photo.png"
        Image.fromarray(data.coffee()[::8, ::8]).save(path)
        with pytest.warns(UserWarning, match="is a coloured picture.*right file"):
            mask = masks.as_mask(path)
        assert mask.shape == (50, 75)

    def test_the_palette_of_greys_is_read_by_them(self):
        white_first = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
        white_first.putpalette([255, 255, 255, 0, 0, 0])
        np.testing.assert_array_equal(masks.as_mask(white_first), [[1, 0]])
        np.testing.assert_array_equal(masks.as_mask(white_first, label=1), [[0, 1]])

    @pytest.mark.parametrize(
        "mask",
        [
            np.array([[0, 255]], np.uint8),
            np.array([[0, 51, 255]], np.uint8),
            np.array([[0, 128, 128, 128]], np.uint8),
            np.array([[0, 51, 51, 51, 255]], np.uint8),
            np.arange(60, dtype=np.uint8).reshape(6, 10),  # soft and faint
            np.arange(0, 15000, 100, dtype=np.uint16)[np.newaxis],
            np.array([[0, 0.06]]),
            np.array([[False, True]]),
            Image.fromarray(np.array([[0, 0.2]], np.float32)),
            Image.fromarray(np.array([[False, True]])),
        ],
    )
    def test_masks_stay_masks(self, mask):
        values = np.asarray(mask)
        full = {"uint8": 255, "uint16": 65535}.get(values.dtype.name, 1)
        np.testing.assert_allclose(masks.as_mask(mask), values / full, atol=1e-6)

    def test_a_picture_in_another_profile_is_read_as_it_is_stored(self):
        image = Image.fromarray(np.array([[0, 100, 255]], np.uint8))
        image.info["icc_profile"] = icc_profiles.linear_grey()
        np.testing.assert_allclose(masks.as_mask(image), [[0, 100 / 255, 1]], atol=1e-6)

    @pytest.mark.parametrize(
        ("mask", "label", "error", "words"),
        [
            (
                labels(),
                3,
                InputError,
                "`label` must be a value of area: expected one of 0, 2, 15, received 3",
            ),
            (labels(), 1.5, InputTypeError, "label is not a whole number"),
            (labels() / 255, 15, InputError, "area must be a label map.*float64"),
            (np.ones((2, 2, 3)), 1, InputError, "area must have two dimensions"),
            (np.arange(40)[np.newaxis], 99, InputError, "0, 1, .*, 11 and 28 more"),
        ],
    )
    def test_refusals(self, mask, label, error, words):
        with pytest.raises(error, match=words):
            masks.as_mask(mask, name="area", label=label)


class TestFeather:
    def test_keeps_the_mass_of_an_inner_region(self, disc):
        result = masks.feather(disc, 8)
        assert np.count_nonzero((result > 0.01) & (result < 0.99)) > 0
        assert result.mean() == pytest.approx(disc.mean(), rel=1e-4)

    def test_is_half_on_a_straight_edge_and_within_two_radii(self):
        mask = np.zeros((40, 80), np.float32)
        mask[:, 40:] = 1
        result = masks.feather(mask, 10)
        np.testing.assert_allclose((result[:, 39] + result[:, 40]) / 2, 0.5, atol=1e-6)
        assert np.all(np.diff(result, axis=1) >= 0)
        assert result[:, :19].max() == 0
        assert result[:, 61:].min() > 1 - 1e-6

    def test_the_border_stays(self):
        np.testing.assert_allclose(masks.feather(np.ones((9, 9)), 6), 1, atol=1e-6)

    def test_radius_zero_changes_nothing(self, soft):
        np.testing.assert_array_equal(masks.feather(soft, 0), soft)

    @pytest.mark.parametrize("radius", [-1, np.nan, np.inf, "2", None])
    def test_bad_radius(self, soft, radius):
        with pytest.raises((InputError, InputTypeError), match="radius"):
            masks.feather(soft, radius)


class TestMorphology:
    def test_square_window(self):
        mask = np.zeros((11, 11))
        mask[5, 5] = 1
        grown = masks.dilate(mask, 2)
        expected = np.zeros((11, 11))
        expected[3:8, 3:8] = 1
        np.testing.assert_array_equal(grown, expected)
        np.testing.assert_array_equal(masks.erode(grown, 2), mask)

    def test_duality_and_order(self, soft):
        small, large = masks.erode(soft, 1), masks.dilate(soft, 1)
        assert np.all(small <= soft)
        assert np.all(soft <= large)
        np.testing.assert_allclose(masks.invert(masks.dilate(masks.invert(soft), 1)), small)

    def test_the_border_does_not_eat(self):
        np.testing.assert_array_equal(masks.erode(np.ones((5, 6)), 3), 1)

    @pytest.mark.parametrize("operation", [masks.erode, masks.dilate])
    def test_radius(self, soft, operation):
        np.testing.assert_array_equal(operation(soft, 0), soft)
        with pytest.raises(InputError, match="radius"):
            operation(soft, -1)
        with pytest.raises(InputTypeError, match="radius"):
            operation(soft, 1.5)


class TestThresholdAndInvert:
    def test_threshold_includes_its_level(self):
        result = masks.threshold([[0.2, 0.5, 0.7, 1.0]])
        np.testing.assert_array_equal(result, [[0, 1, 1, 1]])
        np.testing.assert_array_equal(masks.threshold([[0.7, 1.0]], 1), [[0, 1]])
        np.testing.assert_array_equal(masks.threshold(np.full((1, 1), 0.7, "f4"), 0.7), [[1]])

    @pytest.mark.parametrize("level", [0, -0.1, 1.1])
    def test_level_is_checked(self, soft, level):
        with pytest.raises(InputError, match="level"):
            masks.threshold(soft, level)

    def test_invert_is_its_own_inverse(self, soft):
        np.testing.assert_allclose(soft + masks.invert(soft), 1, atol=1e-7)
        np.testing.assert_allclose(masks.invert(masks.invert(soft)), soft, atol=1e-7)


class TestResize:
    @pytest.mark.parametrize("shape", [(10, 10), (23, 7), (1, 1), (22, 30)])
    def test_shrinking_keeps_the_mean_exactly(self, soft, shape):
        result = masks.resize(soft, shape)
        assert_mask(result, shape)
        assert result.mean(dtype=float) == pytest.approx(soft.mean(dtype=float), rel=1e-6)

    @pytest.mark.parametrize("shape", [(192, 240), (97, 131), (50, 300), (300, 50)])
    def test_growing_keeps_the_mean_and_the_range(self, disc, shape):
        result = masks.resize(disc, shape)
        assert_mask(result, shape)
        assert result.mean() == pytest.approx(disc.mean(), rel=0.01)

    @pytest.mark.parametrize("shape", [(5, 7), (60, 70), (5, 70)])
    def test_partitions_stay_partitions(self, soft, shape):
        total = masks.resize(soft, shape) + masks.resize(1 - soft, shape)
        np.testing.assert_allclose(total, 1, atol=1e-5)

    def test_stays_where_it_was(self, disc):
        for shape in [(48, 60), (192, 240), (33, 50)]:
            small = masks.resize(disc, shape)
            center = [
                (np.sum(small * axis) / small.sum()) for axis in np.ogrid[: shape[0], : shape[1]]
            ]
            expected = [(47.5 * shape[0] / 96) - 0.5, (60.5 * shape[1] / 120) - 0.5]
            np.testing.assert_allclose(center, expected, atol=0.05)

    @pytest.mark.parametrize("shape", [(0, 3), (3,), "ab", 5, (2.5, 3)])
    def test_bad_shape(self, soft, shape):
        with pytest.raises((InputError, InputTypeError), match=r"shape|height|width"):
            masks.resize(soft, shape)


class TestCombine:
    def test_values(self):
        a, b = [[0.0, 0.3, 0.8, 1.0]], [[1.0, 0.4, 0.5, 0.0]]
        expected = {
            "union": [[1.0, 0.4, 0.8, 1.0]],
            "intersection": [[0.0, 0.3, 0.5, 0.0]],
            "difference": [[0.0, 0.0, 0.3, 1.0]],
            "sum": [[1.0, 0.7, 1.0, 1.0]],
        }
        for how, values in expected.items():
            np.testing.assert_allclose(masks.combine([a, b], how), values, atol=1e-6)

    def test_laws(self, rng):
        a, b, c = rng.random((3, 8, 9), dtype=np.float32)
        inverted = [1 - a, 1 - b, 1 - c]
        np.testing.assert_allclose(
            masks.combine([a, b, c]), 1 - masks.combine(inverted, "intersection"), atol=1e-6
        )
        whole = masks.combine([a, b], "difference") + masks.combine([a, b], "intersection")
        np.testing.assert_allclose(whole, a, atol=1e-6)
        np.testing.assert_array_equal(
            masks.combine([a, b, c], "difference"),
            masks.combine([a, masks.combine([b, c])], "difference"),
        )

    @pytest.mark.parametrize("how", ["union", "intersection", "difference", "sum"])
    def test_one_mask_is_itself_and_containers_do_not_matter(self, soft, how):
        np.testing.assert_array_equal(masks.combine([soft], how), soft)
        pair = [soft, soft[::-1]]
        result = masks.combine(pair, how)
        for same in (tuple(pair), np.stack(pair), iter(pair), dict(zip("ab", pair, strict=True))):
            np.testing.assert_array_equal(masks.combine(same, how), result)

    def test_bad_arguments(self, soft):
        with pytest.raises(InputError, match=r"did you mean|union"):
            masks.combine([soft], "unoin")
        with pytest.raises(InputError, match=r"masks\[1\] has the wrong size"):
            masks.combine([soft, soft[1:]])
        with pytest.raises(InputError, match="`masks` must have at least one mask"):
            masks.combine([])
        with pytest.raises(InputError, match=r"masks\[0\] must have two dimensions"):
            masks.combine(soft)
        for wrong in ("mask.png", None, 3):
            with pytest.raises(InputTypeError, match="`masks` must be a list"):
                masks.combine(wrong)


class TestPartition:
    def test_sums_to_one_where_anything_is_covered(self, rng):
        values = rng.random((3, 8, 9), dtype=np.float32)
        values[:, :2] = 0
        parts = masks.partition(values)
        assert len(parts) == 3
        for part in parts:
            assert_mask(part, (8, 9))
        total = np.sum(parts, axis=0)
        np.testing.assert_allclose(total[2:], 1, atol=1e-6)
        np.testing.assert_array_equal(total[:2], 0)
        np.testing.assert_allclose(parts[0] * values[1], parts[1] * values[0], atol=1e-6)

    def test_remainder_makes_it_one_everywhere(self, rng):
        values = rng.random((3, 8, 9), dtype=np.float32) ** 2
        *parts, rest = masks.partition(values, remainder=True)
        np.testing.assert_allclose(np.sum([*parts, rest], axis=0), 1, atol=1e-6)
        thin = values.sum(axis=0) < 1
        assert thin.any()
        assert not thin.all()
        np.testing.assert_allclose(parts[0][thin], values[0][thin], atol=1e-6)
        np.testing.assert_array_equal(rest[~thin], 0)

    def test_one_soft_mask_and_its_remainder_are_complements(self, soft):
        part, rest = masks.partition([soft], remainder=True)
        np.testing.assert_array_equal(part, soft)
        np.testing.assert_allclose(rest, 1 - soft, atol=1e-6)


class TestLinearGradient:
    @pytest.mark.parametrize("angle", [0, 30, 45, 90, 135, 180, 211.5, 270, 300, 360, -45])
    @pytest.mark.parametrize("shape", [(40, 60), (33, 17)])
    def test_exact_ends_complement_and_range(self, shape, angle):
        ramp = masks.linear_gradient(shape, angle)
        assert_mask(ramp, shape)
        assert ramp.min() == 0
        assert ramp.max() == 1
        np.testing.assert_allclose(masks.linear_gradient(shape, angle + 180), 1 - ramp, atol=1e-6)

    def test_angle_zero_rises_to_the_right(self):
        np.testing.assert_allclose(
            masks.linear_gradient((7, 11), 0), np.tile(np.linspace(0, 1, 11), (7, 1)), atol=1e-7
        )

    def test_angle_ninety_rises_to_the_top(self):
        expected = np.tile(np.linspace(1, 0, 7)[:, np.newaxis], (1, 11))
        np.testing.assert_allclose(masks.linear_gradient((7, 11), 90), expected, atol=1e-7)

    @pytest.mark.parametrize(
        ("angle", "corner"), [(45, (0, -1)), (135, (0, 0)), (225, (-1, 0)), (315, (-1, -1))]
    )
    def test_diagonals_end_in_their_corners(self, angle, corner):
        ramp = masks.linear_gradient((9, 14), angle)
        assert ramp[corner] == 1
        assert np.count_nonzero(ramp == 1) == 1
        assert ramp[::-1, ::-1][corner] == 0

    def test_start_and_stop(self):
        ramp = masks.linear_gradient((3, 101), start=0.25, stop=0.75)
        np.testing.assert_array_equal(ramp[:, :26], 0)
        np.testing.assert_array_equal(ramp[:, 75:], 1)
        np.testing.assert_allclose(ramp[:, 50], 0.5, atol=1e-6)
        assert np.all(np.diff(ramp[0, 25:76]) > 0)

    @pytest.mark.parametrize(
        "options",
        [
            {"start": 0.5, "stop": 0.5},
            {"start": 0.6, "stop": 0.4},
            {"start": -0.1},
            {"stop": 1.1},
            {"angle": np.nan},
        ],
    )
    def test_bad_arguments(self, options):
        with pytest.raises(InputError, match=r"ramp|start|stop|angle"):
            masks.linear_gradient((4, 4), **options)

    def test_no_extent(self):
        with pytest.raises(InputError, match=r"at least two pixels along.*\(5, 1\)"):
            masks.linear_gradient((5, 1), 0)
        assert_mask(masks.linear_gradient((5, 1), 90), (5, 1))


class TestRadialGradient:
    def test_default_falls_from_the_middle_to_the_corners(self):
        cone = masks.radial_gradient((11, 15))
        assert_mask(cone, (11, 15))
        assert cone[5, 7] == 1
        np.testing.assert_array_equal(cone[[0, 0, -1, -1], [0, -1, 0, -1]], 0)
        np.testing.assert_allclose(cone, cone[::-1, ::-1])
        assert np.all(np.diff(cone[5, 7:]) < 0)
        assert np.count_nonzero(cone == 0) == 4

    def test_centre_radius_and_plateau(self):
        cone = masks.radial_gradient((20, 30), center=(5, 10), radius=8)
        np.testing.assert_allclose(cone[5, 10:19], 1 - np.arange(9) / 8, atol=1e-6)
        np.testing.assert_array_equal(cone[5, 18:], 0)
        flat = masks.radial_gradient((20, 30), center=(5, 10), radius=8, inner=4)
        np.testing.assert_allclose(flat[5, 10:19], [1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0], atol=1e-6)

    def test_default_radius_reaches_the_farthest_corner(self):
        cone = masks.radial_gradient((20, 30), center=(0, 0))
        assert cone[0, 0] == 1
        assert cone[-1, -1] == 0
        assert np.count_nonzero(cone == 0) == 1

    @pytest.mark.parametrize(
        "options",
        [
            {"radius": 0},
            {"radius": -1},
            {"radius": 4, "inner": 4},
            {"inner": -1},
            {"center": 3},
            {"center": (1, 2, 3)},
            {"center": (np.nan, 0)},
        ],
    )
    def test_bad_arguments(self, options):
        with pytest.raises((InputError, InputTypeError), match=r"radius|inner|cent"):
            masks.radial_gradient((6, 6), **options)


class TestFromImage:
    def test_rec_709_luminance(self):
        picture = np.eye(3, dtype=np.float32)[np.newaxis]
        mask = masks.from_image(picture)
        assert_mask(mask, (1, 3))
        np.testing.assert_allclose(mask, [[0.2126, 0.7152, 0.0722]], atol=1e-6)

    def test_grey_stays_grey_and_limits_are_exact(self):
        grey = np.repeat(np.array([[[0], [128], [255]]], np.uint8), 3, axis=2)
        mask = masks.from_image(grey)
        np.testing.assert_allclose(mask, [[0, 128 / 255, 1]], atol=1e-6)
        assert mask[0, 2] == 1

    def test_a_real_ramp(self, data_dir):
        mask = masks.from_image(data_dir / "images/regions/gradient_mask.jpg")
        assert_mask(mask, (500, 500))
        assert mask.min() == 0


class TestFromColors:
    def test_finds_the_colours_by_frequency(self, color_map):
        found = masks.from_colors(color_map)
        assert list(found.masks) == ["#ff0000", "#0000ff", "#00ff00"]
        assert found.unmatched == 0
        shares = [mask.mean() for mask in found.masks.values()]
        np.testing.assert_allclose(shares, [0.5, 0.375, 0.125])
        for mask in found.masks.values():
            assert_mask(mask, (40, 60))
        np.testing.assert_array_equal(np.sum(list(found.masks.values()), axis=0), 1)

    @pytest.mark.parametrize(
        "red", [RED, [255, 0, 0], (1.0, 0.0, 0.0), "#ff0000", "red", np.array(RED, "uint8")]
    )
    def test_spellings_of_a_colour(self, color_map, red):
        result = masks.from_colors(color_map, [red, BLUE])
        assert list(result.masks) == ["#ff0000", "#0000ff"]
        assert result.unmatched == pytest.approx(0.125)
        assert result.masks["#ff0000"][:, :30].all()
        assert not result.masks["#ff0000"][:, 30:].any()

    def test_names(self, color_map):
        result, unmatched = masks.from_colors(color_map, {"sky": BLUE, "grass": "#00ff00"})
        assert list(result) == ["sky", "grass"]
        assert unmatched == pytest.approx(0.5)

    @pytest.mark.parametrize("kind", ["float", "pil", "path"])
    def test_any_picture(self, color_map, kind, tmp_path):
        Image.fromarray(color_map).save(tmp_path / "map.png")
        source = {
            "float": color_map.astype(np.float32) / 255,
            "pil": Image.fromarray(color_map),
            "path": tmp_path / "map.png",
        }[kind]
        result = masks.from_colors(source)
        expected = masks.from_colors(color_map)
        for name, mask in expected.masks.items():
            np.testing.assert_array_equal(result.masks[name], mask)

    def test_smooth_edges_make_no_regions(self, color_map):
        large = Image.fromarray(np.kron(color_map, np.ones((8, 8, 1), np.uint8)))
        smooth = np.asarray(large.resize((211, 143), Image.Resampling.LANCZOS))
        assert len(np.unique(smooth.reshape(-1, 3), axis=0)) > 10
        found = masks.from_colors(smooth)
        assert list(found.masks) == ["#ff0000", "#0000ff", "#00ff00"]
        assert 0 < found.unmatched < 0.03
        covered = np.sum(list(found.masks.values()), axis=0)
        assert covered.max() == 1
        assert found.unmatched == pytest.approx(np.mean(covered == 0))

    def test_jpeg_noise_makes_no_regions(self, color_map, tmp_path):
        large = Image.fromarray(np.kron(color_map, np.ones((4, 4, 1), np.uint8)))
        large.save(tmp_path / "map.jpg", quality=80)
        found = masks.from_colors(tmp_path / "map.jpg")
        assert len(found.masks) == 3
        assert found.unmatched < 0.05

    def test_tolerance_decides_the_unmatched_share(self):
        ramp = np.repeat(np.arange(256, dtype=np.uint8)[np.newaxis, :, np.newaxis], 3, axis=2)
        for tolerance in (0, 10, 50, 200, 442):
            result = masks.from_colors(ramp, ["black", "white"], tolerance=tolerance)
            near = np.minimum(np.arange(256), 255 - np.arange(256)) * np.sqrt(3) <= tolerance
            assert result.unmatched == pytest.approx(1 - near.mean())
        assert result.masks["#000000"].sum() == 128

    def test_similar_colours_join_the_more_frequent(self):
        pixels = np.zeros((10, 10, 3), np.uint8)
        pixels[:4] = 20, 0, 0
        assert list(masks.from_colors(pixels).masks) == ["#000000"]
        assert list(masks.from_colors(pixels, tolerance=5).masks) == ["#000000", "#140000"]

    def test_small_regions_are_left_out_by_share(self):
        pixels = np.zeros((100, 100, 3), np.uint8)
        pixels[10:16, 10:16] = WHITE  # 36 of 10,000
        assert list(masks.from_colors(pixels, min_share=0.004).masks) == ["#000000"]
        found = masks.from_colors(pixels, min_share=0.003)
        assert found.masks["#ffffff"].sum() == 36

    def test_a_missing_colour_lists_those_present(self, color_map):
        with pytest.raises(InputError) as error:
            masks.from_colors(color_map, {"sky": BLUE, "sun": (255, 255, 0)})
        message = str(error.value)
        assert "#ffff00 (sun)" in message
        assert "(sky)" not in message
        assert "#ff0000 (50.0%), #0000ff (37.5%), #00ff00 (12.5%)" in message

    def test_a_map_without_flat_colours(self, rng):
        noise = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        with pytest.raises(InputError, match=r"regions in flat colours.*`colors`"):
            masks.from_colors(noise)
        with pytest.raises(InputError, match="no flat colours"):
            masks.from_colors(noise, ["red"], tolerance=0)

    @pytest.mark.parametrize(
        ("colors", "words"),
        [
            ([], "`colors` must not be empty"),
            ({}, "`colors` must not be empty"),
            ([RED, "#ff0000"], "distinct colours"),
            ({"a": RED, "b": "red"}, "distinct colours.*#ff0000, #ff0000"),
            ([(1.5, 0.0, 0.0)], r"colors\[0\] must be a colour.*1.5"),
            ([(256, 0, 0)], "256"),
            ([(-1, 0, 0)], "must be a colour"),
            ([(np.nan, 0, 0)], "nan"),
            ([(255, 0)], "must be a colour"),
            ([None], "None"),
            (RED, r"colors\[0\]"),
            (["reed"], "'reed'"),
            ({"sky": "#12"}, r"colors\['sky'\].*#12"),
        ],
    )
    def test_bad_colours(self, color_map, colors, words):
        with pytest.raises(InputError, match=words):
            masks.from_colors(color_map, colors)

    def test_bad_types_and_numbers(self, color_map):
        for wrong in ("#ff0000", 5):
            with pytest.raises(InputTypeError, match="`colors` must be a list"):
                masks.from_colors(color_map, wrong)
        with pytest.raises(InputError, match="tolerance"):
            masks.from_colors(color_map, tolerance=-1)
        with pytest.raises(InputError, match="min_share"):
            masks.from_colors(color_map, min_share=2)

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            # The last two of both are the brows, a mixture of skin and hair, and the eyes.
            (
                "regions/Gogh_sem.png",
                ["#ff0000", "#0000ff", "#00ff00", "#ffff00", "#c0ff00", "#bfbfbf"],
            ),
            (
                "regions/Seth_sem.png",
                ["#ff0000", "#0000ff", "#00ff00", "#ffff00", "#bfbfbf", "#c0ff00"],
            ),
            ("regions/Monet_sem.png", ["#ffffff", "#ff331f", "#0000ff", "#00ff00", "#c00000"]),
            ("regions/Coastline_sem.png", ["#ffffff", "#ff331f", "#0000ff", "#c00000", "#00ff00"]),
            ("doodle/Landscape_sem.png", ["#00ff00", "#ffffff", "#0000ff", "#ff331f"]),
            ("doodle/Renoir_sem.png", ["#00ff00", "#ffffff", "#0000ff", "#ff331f"]),
            ("deepphoto/in1_seg.png", ["#000000", "#ffffff", "#00ff00"]),
            ("deepphoto/in2_seg.png", ["#000000", "#ffffff"]),
            ("deepphoto/in5_seg.png", ["#ffffff", "#000000"]),
            ("deepphoto/tar1_seg.png", ["#000000", "#ffffff", "#00ff00"]),
            ("deepphoto/tar2_seg.png", ["#00ff00", "#ffffff", "#000000"]),
            ("deepphoto/tar5_seg.png", ["#000000", "#ffffff"]),
        ],
    )
    def test_real_maps(self, data_dir, name, expected):
        path = data_dir / "images" / name
        if not path.exists():
            pytest.skip(f"{path} is not there")
        found = masks.from_colors(path)
        assert list(found.masks) == expected
        assert found.unmatched < 0.05


def test_a_strict_partition_tells_what_overlaps_and_what_is_uncovered():
    left, right = np.zeros((2, 10, 10), np.float32)
    left[:, :6], right[:, 5:8] = 1, 1
    with pytest.raises(InputError, match=r"above 1 in 10\.0% of the picture and below 1 in 20\.0%"):
        masks.partition([left, right], strict=True)
    with pytest.raises(InputError, match="at most 1"):
        masks.partition([left, right], remainder=True, strict=True)
    left[:, 5] = 0
    parts = masks.partition([left, right], remainder=True, strict=True)
    np.testing.assert_array_equal(parts[2][:, 8:], 1)
    np.testing.assert_array_equal(masks.partition([left, 1 - left], strict=True)[1], 1 - left)
