import json

import numpy as np
import pytest

from stylekit._checks import InputError
from stylekit.losses import Canvas, Region
from stylekit.losses import canvas as canvas_module

DEEP = "block4_conv1"  # one cell a square of 8 pixels


def square(side, shape=(48, 40)):
    mask = np.zeros(shape, "float32")
    mask[8 : 8 + side, 8 : 8 + side] = 1
    return mask


def test_no_mask_is_the_whole_picture_at_every_layer(photo, canvas_of):
    masks = Region(None).prepare(canvas_of(photo), ["block1_conv1", DEEP])
    assert masks == {"block1_conv1": None, DEEP: None}


def test_a_mask_is_prepared_for_each_layer(photo, canvas_of):
    masks = Region(square(16)).prepare(canvas_of(photo), ["block1_conv1", DEEP])
    assert [tuple(m.shape) for m in masks.values()] == [(1, 48, 40, 1), (1, 6, 5, 1)]
    assert float(np.sum(masks[DEEP])) == 4


def test_a_callable_mask_is_called_once_for_all_layers(photo, canvas_of):
    calls = []

    def mask(picture):
        calls.append(picture)
        return np.ones(picture.shape[:2])

    Region(mask).prepare(canvas_of(photo), ["block1_conv1", "block2_conv1", DEEP])
    assert len(calls) == 1


def test_a_region_of_exactly_one_cell_is_enough(photo, canvas_of):
    assert DEEP in Region(square(8)).prepare(canvas_of(photo), [DEEP])


@pytest.mark.parametrize("mode", ["simple", "inside"])
@pytest.mark.parametrize("side", [3, 5, 7])
def test_a_small_region_is_an_error_with_a_size_that_works(side, mode, photo, canvas_of, extractor):
    layer = DEEP if mode == "simple" else "block2_conv1"
    region = Region(square(side), "sky", mode=mode)
    with pytest.raises(
        InputError, match=f"the sky covers less .* {layer} at 40x48 pixels"
    ) as error:
        region.prepare(canvas_of(photo), ["block1_conv1", layer] if mode == "simple" else [layer])
    size = int(str(error.value).partition("at least ")[2].partition(" pixels")[0])

    def fits(size):
        shape = (size, round(size * 40 / 48))
        larger = Canvas(extractor, shape, mask_shape=(48, 40))
        return float(np.sum(larger.mask(square(side), layer, mode=mode))) >= 1

    assert size > 48
    assert fits(size)
    assert not fits(int(size / 1.15))
    # And as a user would do it: the mask made anew at the size that the message asks for.
    shape = (size, round(size * 40 / 48))
    again = Region(canvas_module.operations.resize(square(side), shape), mode=mode)
    assert layer in again.prepare(Canvas(extractor, shape), [layer])


def test_the_search_for_a_size_ends(photo, canvas_of, monkeypatch):
    monkeypatch.setattr(canvas_module, "LARGEST_SOUGHT", 100)
    with pytest.raises(InputError, match=r"covers less than one cell .*48 pixels\. Enlarge"):
        Region(square(1)).prepare(canvas_of(photo), [DEEP])
    assert canvas_of(photo).smallest_region_size(square(1), DEEP) == 0


@pytest.mark.parametrize(("small_regions", "offered"), [("error", True), (None, False)])
def test_the_way_round_is_named_where_the_loss_offers_it(small_regions, offered, photo, canvas_of):
    with pytest.raises(InputError, match=r"omit the layer") as error:
        Region(square(3), small_regions=small_regions).prepare(canvas_of(photo), [DEEP])
    assert ("`small_regions`" in str(error.value)) == offered


def test_a_layer_may_be_skipped_with_a_note(photo, canvas_of):
    canvas = canvas_of(photo)
    region = Region(square(3), small_regions="skip_layer")
    assert list(region.prepare(canvas, ["block1_conv1", DEEP])) == ["block1_conv1"]
    assert canvas.notes == [f"mask omitted at {DEEP} of 40x48: less than one cell"]


@pytest.mark.parametrize("small_regions", ["error", "skip_layer", None])
def test_a_coarser_level_skips_a_layer_with_a_note(small_regions, photo, canvas_of):
    region = Region(square(9), "sky", small_regions=small_regions)
    assert DEEP in region.prepare(canvas_of(photo), [DEEP])
    coarse = canvas_of(photo, (24, 20))
    assert list(region.prepare(coarse, ["block1_conv1", DEEP])) == ["block1_conv1"]
    assert coarse.notes == [f"sky omitted at {DEEP} of 20x24: less than one cell"]


@pytest.mark.parametrize(
    ("option", "value"), [("mode", "outside"), ("small_regions", "skip"), ("small_regions", "")]
)
def test_an_unknown_option_is_an_error(option, value):
    with pytest.raises(InputError, match=r"is unknown: expected one of"):
        Region(square(9), **{option: value})


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((48, 40)), "sky is empty"),
        (np.full((48, 40), np.nan), "sky .*NaN"),
        (-square(9), r"sky .*values in \[0, 1\]"),
    ],
)
def test_an_unfit_mask_is_an_error_when_the_region_is_made(mask, message):
    with pytest.raises(InputError, match=message):
        Region(mask, "sky")


def test_a_mask_of_another_size_is_an_error_that_calls_it_by_name(photo, canvas_of):
    with pytest.raises(InputError, match=r"^sky has the wrong size"):
        Region(np.ones((3, 3)), "sky").prepare(canvas_of(photo), [DEEP])
    with pytest.raises(InputError, match=r"^sky is empty"):
        Region(lambda x: np.zeros(x.shape[:2]), "sky").prepare(canvas_of(photo), [DEEP])


def test_a_mask_that_is_changed_later_changes_nothing(photo, canvas_of):
    mask = square(16)
    region = Region(mask)
    mask[:] = 0
    assert DEEP in region.prepare(canvas_of(photo), [DEEP])


class Segmenter:
    def __call__(self, picture):
        return np.ones(picture.shape[:2])

    def mask(self, picture):
        return self(picture)


def test_a_configuration_names_a_mask_by_hash_or_function():
    assert Region(None).get_config("mask") == {}
    config, same = Region(square(9)).get_config("mask"), Region(square(9) > 0).get_config("mask")
    assert config == same
    assert config != Region(square(8)).get_config("mask")
    assert len(config["mask"]) == 16
    assert Region(square_of).get_config("sky") == {"sky": "square_of"}
    assert Region(Segmenter()).get_config("sky") == {"sky": "Segmenter"}
    assert Region(Segmenter().mask).get_config("sky") == {"sky": "mask"}
    json.dumps(config)


def square_of(picture):
    return square(9, picture.shape[:2])
