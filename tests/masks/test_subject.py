import numpy as np
import pytest
from PIL import Image

from stylekit._checks import InputError, InputTypeError
from stylekit.masks.subject import subject


def iou(mask, truth):
    mask, truth = mask >= 0.5, truth >= 0.5
    return np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth)


def rectangle(shape, left, top, right, bottom):
    mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = True
    return mask


@pytest.fixture
def scene(rng):
    """Two orange discs on a green meadow with noise: the picture, and each disc's truth."""
    rows, columns = np.ogrid[:90, :140]
    left = np.hypot(rows - 45, columns - 40) < 22
    right = np.hypot(rows - 45, columns - 105) < 22
    picture = np.where((left | right)[..., None], [0.9, 0.5, 0.2], [0.2, 0.6, 0.25])
    return np.clip(picture + rng.normal(0, 0.05, picture.shape), 0, 1), left, right


BOX = (12, 15, 68, 75)


class TestBox:
    def test_finds_what_is_in_the_box(self, scene):
        picture, left, _ = scene
        mask = subject(picture, BOX)
        assert mask.dtype == np.float32
        assert mask.shape == left.shape
        assert iou(mask, left) > 0.95
        assert not mask[~rectangle(left.shape, *BOX)].any()

    def test_is_deterministic_and_leaves_its_arguments_alone(self, scene):
        picture, _, _ = scene
        before = picture.copy()
        np.testing.assert_array_equal(subject(picture, BOX), subject(picture, BOX))
        np.testing.assert_array_equal(picture, before)

    def test_hard_edges_are_the_soft_ones_cut_at_a_half(self, scene):
        picture, _, _ = scene
        soft, hard = subject(picture, BOX), subject(picture, BOX, soft=False)
        assert len(np.unique(soft)) > 2
        np.testing.assert_array_equal(hard, soft >= 0.5)

    def test_works_at_a_reduced_size_and_returns_the_pictures_own(self, scene):
        picture, left, _ = scene
        large = np.repeat(np.repeat(picture, 3, axis=0), 3, axis=1)
        mask = subject(large, [3 * value for value in BOX], size=100)
        assert iou(mask, np.repeat(np.repeat(left, 3, axis=0), 3, axis=1)) > 0.93

    def test_sees_a_small_box_in_a_large_picture_from_near(self, scene):
        picture, truth, _ = scene
        large = np.tile(picture[:, :70], (6, 8, 1))
        left, top = 3 * 70, 2 * 90
        box = (left + BOX[0], top + BOX[1], left + BOX[2], top + BOX[3])
        mask = subject(large, box, size=160)
        assert iou(mask[top : top + 90, left : left + 70], truth[:, :70]) > 0.93
        assert np.count_nonzero(mask) == np.count_nonzero(mask[top : top + 90, left : left + 70])

    def test_fractions_of_a_pixel_widen_the_box(self, scene):
        picture, _, _ = scene
        wide = subject(picture, (11, 14, 68, 76))
        np.testing.assert_array_equal(subject(picture, (11.2, 14.9, 67.1, 75.5)), wide)

    def test_a_box_may_touch_the_border(self):
        picture = np.full((60, 80, 3), 0.2)
        picture[20:, :50] = 0.9, 0.5, 0.2
        mask = subject(picture, (0, 10, 60, 60), soft=False)
        assert iou(mask, rectangle((60, 80), 0, 20, 50, 60)) > 0.98

    def test_finds_a_bird(self, data_dir):
        folder = data_dir / "deeplab"
        truth = np.asarray(Image.open(folder / "bird_segmentation_mask.bmp")) == 3
        rows, columns = np.nonzero(truth)
        height, width = np.ptp(rows), np.ptp(columns)
        box = (
            columns.min() - 0.05 * width,
            rows.min() - 0.05 * height,
            columns.max() + 0.05 * width,
            rows.max() + 0.05 * height,
        )
        assert iou(subject(folder / "bird_segmentation.bmp", box, size=240), truth) > 0.9


class TestHoles:
    @pytest.fixture
    def eyed(self, scene, rng):
        """The scene with an eye of the meadow's colours in the left disc, and where that is."""
        picture, left, _ = scene
        eye = rectangle(left.shape, 34, 34, 44, 44)
        picture = picture.copy()
        picture[eye] = picture[:10, :10].reshape(-1, 3)
        return picture, left, eye

    def test_are_filled(self, eyed):
        picture, left, eye = eyed
        mask = subject(picture, BOX)
        assert mask[eye].min() > 0.99
        assert iou(mask, left) > 0.95

    def test_stay_where_that_is_asked(self, eyed):
        picture, left, eye = eyed
        mask = subject(picture, BOX, fill_holes=False)
        assert mask[eye].mean() < 0.1
        assert iou(mask, left & ~eye) > 0.93

    def test_stay_where_the_background_is_marked_in_them(self, eyed):
        picture, _, eye = eyed
        mask = subject(picture, BOX, background=rectangle(eye.shape, 38, 38, 40, 40))
        assert mask[eye].mean() < 0.1

    def test_a_bay_that_is_open_to_the_outside_is_no_hole(self, eyed):
        picture, left, eye = eyed
        bay = rectangle(left.shape, 34, 10, 44, 44)
        picture[bay & ~eye] = picture[80:90, 90:114].reshape(-1, 3)
        assert subject(picture, BOX)[bay].mean() < 0.1

    def test_are_filled_under_scribbles_alone(self, eyed):
        picture, left, eye = eyed
        strokes = rectangle(left.shape, 30, 50, 50, 52)
        others = rectangle(left.shape, 5, 5, 8, 85)
        assert subject(picture, foreground=strokes, background=others)[eye].min() > 0.99


class TestScribbles:
    def test_finds_what_is_marked_and_not_its_twin(self, scene):
        picture, left, _ = scene
        strokes = rectangle(left.shape, 30, 44, 50, 46)
        others = rectangle(left.shape, 5, 5, 8, 85) | rectangle(left.shape, 70, 5, 73, 85)
        mask = subject(picture, foreground=strokes, background=others)
        assert iou(mask, left) > 0.93
        assert (mask[strokes] == 1).all()
        assert (mask[others] == 0).all()

    def test_correct_what_a_box_gets_wrong(self, scene):
        picture, left, right = scene
        box = (12, 15, 135, 75)
        assert iou(subject(picture, box), left | right) > 0.95
        mask = subject(picture, box, background=right)
        assert iou(mask, left) > 0.8
        assert not mask[right].any()

    def test_foreground_brings_in_a_colour_that_is_outside_too(self, scene):
        picture, left, _ = scene
        picture = picture.copy()
        badge = rectangle(left.shape, 32, 37, 48, 53)
        picture[badge] = picture[:16, :16].reshape(-1, 3)
        assert subject(picture, BOX, fill_holes=False)[badge].mean() < 0.5
        mask = subject(picture, BOX, foreground=badge, fill_holes=False)
        assert iou(mask, left) > 0.93

    @pytest.mark.parametrize("rows", [(28, 32), (44, 46), (58, 62)])
    def test_foreground_takes_nothing_away_from_what_a_box_finds(self, scene, rng, rows):
        """A stroke of one shade draws the colours of the subject to itself."""
        picture, left, _ = scene
        shades = picture * np.linspace(0.4, 1, 140)[:, None]
        strokes = rectangle(left.shape, 24, rows[0], 28, rows[1])
        alone = subject(shades, BOX)
        mask = subject(shades, BOX, foreground=strokes)
        assert (mask >= alone).all()
        assert (mask[strokes] == 1).all()
        background = rectangle(left.shape, 60, 30, 64, 40)
        without = subject(shades, BOX, background=background)
        mask = subject(shades, BOX, foreground=strokes, background=background)
        assert (mask >= without).all()

    def test_foreground_helps_where_a_box_finds_nothing(self, rng):
        picture = rng.uniform(0.49, 0.51, (40, 60, 3))
        with pytest.raises(InputError, match="no subject was found"):
            subject(picture, (10, 10, 50, 30))
        strokes = rectangle((40, 60), 25, 18, 30, 22)
        assert subject(picture, (10, 10, 50, 30), foreground=strokes)[strokes].all()

    def test_a_box_of_the_whole_picture_is_right_with_background(self, scene):
        picture, left, right = scene
        edge = rectangle(left.shape, 0, 0, 140, 8)
        mask = subject(picture, (0, 0, 140, 90), background=edge)
        assert iou(mask, left | right) > 0.93


class TestBadInput:
    @pytest.mark.parametrize(
        ("box", "message"),
        [
            ((10, 10, 10, 40), "`box` must not be empty.*not a width and height"),
            ((50, 10, 20, 40), "`box` must not be empty"),
            (
                (-1, 10, 20, 40),
                r"`box` must be inside the picture.*columns in \[0, 140\] and rows in \[0, 90",
            ),
            ((10, 10, 20, 91), "`box` must be inside the picture"),
            ((200, 200, 300, 300), "`box` must be inside the picture"),
            ((0, 0, 140, 90), "some background must be known.*whole picture"),
            ((0.1, 0.1, 0.5, 0.9), "`box` must be in pixels.*Multiply left and right"),
            ((0, 0, float("nan"), 9), "box's right is out of range"),
        ],
    )
    def test_refuses_a_box(self, scene, box, message):
        with pytest.raises(InputError, match=message):
            subject(scene[0], box)

    @pytest.mark.parametrize("box", [(1, 2, 3), 5, "box"])
    def test_refuses_what_is_no_box(self, scene, box):
        with pytest.raises(InputTypeError, match="`box` must be four numbers"):
            subject(scene[0], box)

    def test_refuses_text_in_a_box(self, scene):
        with pytest.raises(InputTypeError, match="box's top is not a number"):
            subject(scene[0], (1, "2", 3, 4))

    def test_needs_to_be_told_something(self, scene):
        picture, left, _ = scene
        with pytest.raises(InputError, match="`box` or `foreground` is required"):
            subject(picture)
        with pytest.raises(InputError, match="`box` or `foreground` is required"):
            subject(picture, background=left)
        with pytest.raises(InputError, match=r"some background must be known.*received no box"):
            subject(picture, foreground=left)

    def test_refuses_scribbles(self, scene):
        picture, left, right = scene
        with pytest.raises(InputError, match=r"must not overlap.*in both"):
            subject(picture, foreground=left, background=left | right)
        with pytest.raises(InputError, match="foreground is empty"):
            subject(picture, BOX, foreground=np.zeros_like(left))
        with pytest.raises(
            InputError, match=r"`background` must mark at least one pixel.*maximum of 0.3"
        ):
            subject(picture, BOX, background=0.3 * left)
        with pytest.raises(InputError, match="`foreground` must be inside the box"):
            subject(picture, BOX, foreground=right)
        with pytest.raises(InputError, match="foreground has the wrong size"):
            subject(picture, BOX, foreground=np.ones((4, 4)))

    def test_says_when_nothing_stands_out(self):
        with pytest.raises(InputError, match=r"no subject was found.*tighter box"):
            subject(np.full((40, 60, 3), 0.5), (10, 10, 50, 30))

    @pytest.mark.parametrize("options", [{"rounds": 0}, {"size": 8}])
    def test_refuses_numbers_out_of_range(self, scene, options):
        with pytest.raises(InputError, match="out of range"):
            subject(scene[0], BOX, **options)
