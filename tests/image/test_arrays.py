import numpy as np
import pytest
from orientations import UPRIGHT
from skimage import data

from stylekit._checks import InputError, InputTypeError
from stylekit.image import fit_shape, picture_hash, resize
from stylekit.image.arrays import quantise, rgb_values, unit_values, upright


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        (np.uint8, [0, 51, 255], [0, 0.2, 1]),
        (np.uint16, [0, 13107, 65535], [0, 0.2, 1]),
        (">u2", [0, 13107, 65535], [0, 0.2, 1]),
        (np.int64, [0, 51, 255], [0, 0.2, 1]),
        (np.uint32, [0, 51, 255], [0, 0.2, 1]),
        (bool, [False, True, True], [0, 1, 1]),
        (np.float64, [0, 0.2, 1], [0, 0.2, 1]),
        (np.float32, [-5e-5, 0.2, 1 + 5e-5], [0, 0.2, 1]),
    ],
)
def test_unit_values_scale_by_type(dtype, values, expected):
    result = unit_values(np.array(values, dtype), "x")
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-7)
    assert result.min() == 0
    assert result.max() == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([0.0, 255.0]), ["picture", "0 to 255", "Divide by 255"]),
        (np.array([-1.0, 1.0]), ["-1 to 1", "(x + 1) / 2"]),
        (np.array([-7.0, 9.0]), ["-7 to 9", "clip"]),
        (np.array([0.0, 1.001]), ["out of range"]),
        (np.array([0.5, np.nan, np.inf]), ["2 of 3 values NaN or infinite"]),
        (np.array([0, 256]), ["0 to 256", "uint16"]),
        (np.array([-1, 5], np.int8), ["-1 to 5"]),
        (np.zeros((0, 4, 3)), ["empty", "(0, 4, 3)"]),
        ([[1, 2], [3]], ["cannot be converted to an array"]),
    ],
)
def test_unit_values_refuses_values(values, words):
    with pytest.raises(InputError) as caught:
        unit_values(values, "picture")
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("values", [None, np.array(["a"]), np.ones(3, complex), object()])
def test_unit_values_refuses_types(values):
    with pytest.raises(InputTypeError, match="picture is not a picture"):
        unit_values(values, "picture")


def test_unit_values_never_aliases():
    source = np.full((2, 2, 3), 0.5, np.float32)
    for function in (unit_values, rgb_values):
        result = function(source, "x")
        result[:] = 0
        assert (source == 0.5).all()


def test_rgb_values_bring_channels_to_three():
    rng = np.random.default_rng(0)
    values = rng.random((4, 5, 4), np.float32)
    grey = np.repeat(values[..., :1], 3, axis=-1)
    np.testing.assert_array_equal(rgb_values(values, "x"), values[..., :3])
    np.testing.assert_array_equal(rgb_values(values[..., :3], "x"), values[..., :3])
    for source in (values[..., 0], values[..., :1], values[..., :2]):
        np.testing.assert_array_equal(rgb_values(source, "x"), grey)


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((5,), "[H, W]"),
        ((4, 5, 5), "C from 1 to 4"),
        ((3, 8, 9), "numpy.moveaxis(x, 0, -1)"),
        ((2, 4, 5, 3), "x[0]"),
        ((), "()"),
    ],
)
def test_rgb_values_refuses_shapes(shape, hint):
    with pytest.raises(InputError) as caught:
        rgb_values(np.zeros(shape), "x")
    assert str(shape) in str(caught.value)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((600, 800), 400, (300, 400)),
        ((800, 600, 3), 400, (400, 300)),
        ((100, 100), 7, (7, 7)),
        ((1, 1000), 10, (1, 10)),
        ((3, 4), 8, (6, 8)),
        ((5, 10), 5, (3, 5)),  # halves go up
        ((2, 3), 1, (1, 1)),
    ],
)
def test_fit_shape(shape, size, expected):
    assert fit_shape(shape, size) == expected


def test_fit_shape_refuses_nonsense():
    with pytest.raises(InputError):
        fit_shape((4, 4), 0)
    with pytest.raises(InputTypeError):
        fit_shape((4, 4), 2.5)
    with pytest.raises(InputTypeError, match="shape is invalid"):
        fit_shape(4, 4)


def test_resize_to_its_own_shape_is_identity():
    image = np.random.default_rng(0).random((7, 9, 3), np.float32)
    result = resize(image, (7, 9))
    np.testing.assert_array_equal(result, image)
    assert not np.shares_memory(result, image)


@pytest.mark.parametrize("resample", ["lanczos", "bicubic", "bilinear", "box"])
def test_resize_is_antialiased(resample):
    """The finest checkerboard becomes even grey; plain subsampling would keep black and white."""
    board = np.indices((128, 128)).sum(0) % 2
    small = resize(board.astype(np.float32), (32, 32), resample)
    assert small.shape == (32, 32)
    assert np.abs(small - 0.5)[2:-2, 2:-2].max() < 0.01


def test_resize_keeps_the_mean_and_stays_in_range():
    image = unit_values(data.astronaut(), "x")
    for shape in ((100, 130), (700, 530)):
        result = resize(image, shape)
        assert result.shape == (*shape, 3)
        assert result.dtype == np.float32
        assert result.min() >= 0
        assert result.max() <= 1
        np.testing.assert_allclose(result.mean((0, 1)), image.mean((0, 1)), atol=2e-3)


def test_resize_keeps_fine_gradation():
    ramp = np.linspace(0.5, 0.501, 64, dtype=np.float32)  # all of it within one level of 8 bits
    result = resize(np.tile(ramp, (64, 1)), (32, 32))
    assert (np.diff(result[16]) > 0).all()


def test_resize_nearest_keeps_a_hard_mask():
    mask = np.zeros((10, 10), np.float32)
    mask[3:7, 2:9] = 1
    assert set(np.unique(resize(mask, (23, 17), "nearest"))) == {0, 1}


def test_resize_refuses_nonsense():
    image = np.zeros((4, 4, 3), np.float32)
    with pytest.raises(InputError, match="resample is unknown"):
        resize(image, (2, 2), "sinc")
    with pytest.raises(InputError, match="height is out of range"):
        resize(image, (0, 2))
    with pytest.raises(InputError, match="image has a wrong shape"):
        resize(image[np.newaxis], (2, 2))


# The six pixels of [[1, 2, 3], [4, 5, 6]] as the EXIF standard's table turns them: the tag names
# the sides of the scene at which the file's first row and first column lie.


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_upright(orientation):
    values = np.array(UPRIGHT[1])
    np.testing.assert_array_equal(upright(values, orientation), UPRIGHT[orientation])
    stacked = upright(np.stack([values, -values], -1), orientation)
    np.testing.assert_array_equal(stacked[..., 1], -np.array(UPRIGHT[orientation]))


def test_upright_leaves_unknown_orientations():
    for orientation in (0, 9, None, "x"):
        np.testing.assert_array_equal(upright(np.eye(2), orientation), np.eye(2))


def test_quantise_rounds_to_the_nearest_level():
    levels = np.arange(256)
    for shift in (-0.49, 0, 0.49):
        values = np.clip((levels + shift) / 255, 0, 1).astype(np.float32)
        np.testing.assert_array_equal(quantise(values, 8), levels)
    deep = np.arange(65536, dtype=np.uint16)
    np.testing.assert_array_equal(quantise(unit_values(deep, "x"), 16), deep)


def test_picture_hash_names_the_content():
    image = unit_values(data.astronaut()[:40, :50], "x")
    name = picture_hash(image)
    assert len(name) == 16
    assert int(name, 16) >= 0
    assert picture_hash(image.astype(float)) == name
    assert picture_hash(np.asfortranarray(image)) == name
    assert picture_hash(image.reshape(50, 40, 3)) != name
    changed = image.copy()
    changed[3, 4, 1] += 2e-5  # more than one of 65535 levels
    assert picture_hash(changed) != name
    assert picture_hash(np.zeros((2, 2, 3))) == "0d5e96b552ce6a3f"
