import inspect
import re

import numpy as np
import pytest
from keras import ops
from painted import painted

import stylekit as sk
from stylekit._checks import InputError, InputTypeError
from stylekit.recipes.recipe import RUN, divided


class Brightness(sk.Loss):
    """The mean of the image: to go down it gets darker."""

    def compute(self, image, features, targets):
        return ops.mean(image, axis=(1, 2, 3))


@pytest.fixture
def how(options):
    """Options of `Recipe.run`."""
    return divided(sk.recipes.basic, options)[1]


@pytest.fixture
def recipe(photo, coffee, options):
    return sk.recipes.basic(photo, coffee, **divided(sk.recipes.basic, options)[0])


def test_the_one_call_is_the_recipe_run(recipe, how, photo, coffee, options):
    expected = sk.stylize(photo, coffee, **options)
    np.testing.assert_array_equal(recipe.run(**how).image, expected.image)
    assert expected.manifest["terms"] == recipe.run(**how).manifest["terms"]


def test_losses_by_name(recipe):
    assert list(recipe.losses) == ["content", "gram_style"]
    assert isinstance(recipe.losses["gram_style"], sk.GramStyleLoss)
    with pytest.raises(TypeError):
        recipe.losses["content"] = None
    assert "gram_style: GramStyleLoss, weight 0.5 x network" in repr(recipe)


def test_a_weight_that_is_changed_counts(recipe, how):
    recipe.losses["content"].weight = 0.125
    assert recipe.run(**how | {"steps": 0}).manifest["terms"]["content"]["weight"] == 0.125


def test_add(recipe, how):
    plain = recipe.run(**how)
    assert recipe.add(Brightness(weight=30)) is recipe
    darker = recipe.run(**how)
    assert list(darker.manifest["terms"]) == ["content", "gram_style", "brightness"]
    assert darker.image.mean() < plain.image.mean() - 0.02


def test_replace_takes_the_place(recipe, coffee, how):
    recipe.replace("content", sk.PixelLoss(recipe.content, weight=0.5))
    recipe.replace("gram_style", sk.NeighborStyleLoss(coffee, layers=["block2_conv1"], weight=8))
    assert list(recipe.losses) == ["pixel", "neighbor_style"]
    terms = recipe.run(**how | {"steps": 1}).manifest["terms"]
    assert terms["neighbor_style"]["weight"] == 8  # no factor of the network's


def test_remove(recipe, how):
    recipe.remove("gram_style")
    assert list(recipe.losses) == ["content"]
    result = recipe.run(**how)  # the content alone: nothing to do
    assert result.steps == 0
    np.testing.assert_array_equal(result.image, recipe.content)


@pytest.mark.parametrize("change", ["remove", "replace"])
def test_an_unknown_name(recipe, change):
    given = [Brightness()] if change == "replace" else []
    with pytest.raises(InputError, match=r"no loss 'gram_stile'.*content, gram_style"):
        getattr(recipe, change)("gram_stile", *given)


@pytest.mark.parametrize("wrong", [3, sk.PixelLoss, "gram"])
def test_what_is_no_loss_changes_nothing(recipe, wrong):
    for change in (recipe.add, lambda loss: recipe.replace("content", loss)):
        with pytest.raises(InputTypeError, match="must be a Loss"):
            change(wrong)
    assert list(recipe.losses) == ["content", "gram_style"]


def test_a_name_that_is_taken(recipe):
    recipe.add(Brightness(name="light"))
    with pytest.raises(InputError, match="'light' is given twice"):
        recipe.add(Brightness(name="light"))
    recipe.replace("light", Brightness(name="light", weight=2))
    assert recipe.losses["light"].weight == 2


def test_a_factor_is_the_networks(vgg, photo, how):
    recipe = sk.Recipe(content=photo)
    loss = Brightness(weight=3)
    recipe.add(loss, lambda network: network.style_factor)
    recipe.add(sk.ContentLoss(photo, layers=["block1_conv1"]), lambda network: 0)
    terms = recipe.run(**how | {"steps": 0}).manifest["terms"]
    assert terms["brightness"]["weight"] == pytest.approx(3 * vgg.style_factor)
    assert "content" not in terms
    assert loss.weight == 3


def test_what_a_run_uses_where_it_is_given_none(vgg, photo, optimizer, plan):
    own = sk.LBFGS(history=3)
    recipe = sk.Recipe(
        [sk.TotalVariationLoss()],
        content=photo,
        optimizer=own,
        parameters=sk.LaplacianPyramid(2),
        extractor=vgg,
    )
    how = {"steps": 0, "plan": plan}
    manifest = recipe.run(**how).manifest
    assert manifest["optimizer"] == repr(own)
    assert manifest["parameters"].startswith("LaplacianPyramid")
    assert manifest["extractor"] == repr(vgg)
    other = sk.CompactVGG()
    manifest = recipe.run(
        **how, optimizer=optimizer, parameters=sk.Pixels(), extractor=other
    ).manifest
    assert manifest["optimizer"] == repr(optimizer)
    assert manifest["parameters"].startswith("Pixels")
    assert manifest["extractor"] == repr(other)


def test_layers_that_the_network_lacks_are_named_together(photo, coffee):
    def measured(network):
        raise AssertionError("the layers are checked before")

    layers = ["relu1_1", "conv1_2", "block5_conv2"]
    recipe = sk.Recipe(content=photo, layers={"style_layers": layers})
    recipe.add(sk.GramStyleLoss(coffee, layers=layers), measured)
    message = (
        "CompactVGG has no layers 'conv1_2' and 'block5_conv2'. Set `style_layers` to the "
        "nearest: block1_conv1 for conv1_2, block5_conv1 for block5_conv2."
    )
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        recipe.run(extractor=sk.CompactVGG())
    assert caught.value.argument == "style_layers"


def test_what_follows_the_run(recipe, how):
    recipe.then(lambda result: result.manifest.setdefault("seen", []).append(1) or result)
    recipe.then(lambda result: result.manifest["seen"].append(2) or result)
    assert recipe.run(**how | {"steps": 0}).manifest["seen"] == [1, 2]


def test_after_a_run_that_fails(recipe, how):
    told = []
    recipe.then(lambda result: told.append("partial") or result, partial=True)
    recipe.then(lambda result: told.append("whole") or result)

    def fail(step):
        raise ValueError("oh")

    with pytest.raises(sk.transfer.TransferError) as caught:
        recipe.run(**how | {"callbacks": [fail]})
    assert told == ["partial"]
    assert caught.value.result.image.shape == recipe.content.shape


def test_a_start_may_follow_the_levels(photo, how, optimizer):
    seen = []

    def start(levels):
        seen.append(levels.sizes)
        return sk.Noise(shape=photo.shape[:2])

    recipe = sk.Recipe([Brightness()], start=start, shape=photo.shape[:2])
    result = recipe.run(**how | {"steps": 0, "pyramid": 2})
    assert seen == [(16, 32)]
    assert result.image.shape == photo.shape


def test_a_pyramid_may_be_given_whole(recipe, how):
    longer = max(recipe.shape)
    for sizes, shares, levels in (
        ((longer // 2, longer), (1, 1), [0, 1, 1]),
        ((longer, longer), (0, 1), [1, 1, 1]),
    ):
        result = recipe.run(**how | {"steps": 2, "pyramid": sk.Pyramid(sizes, shares)})
        assert result.levels == levels


def test_without_a_content_or_a_start():
    with pytest.raises(InputError, match="both `start` and `shape`"):
        sk.Recipe([Brightness()])


def test_a_recipe_can_run_twice(recipe, how):
    first, second = recipe.run(**how), recipe.run(**how)
    np.testing.assert_array_equal(first.image, second.image)


def test_every_recipe_function_returns_one(photo, coffee, left):
    maps = np.zeros((*photo.shape[:2], 3)), np.zeros((40, 50, 3))
    for made in (
        sk.recipes.localized(photo, coffee, left, size=None),
        sk.recipes.regions(photo, maps[0], coffee, maps[1], size=None),
        sk.recipes.gradient_mask(photo, [(coffee, left)], size=None),
        sk.recipes.patches(photo, coffee, size=None),
        sk.recipes.photoreal(photo, coffee, size=None),
        sk.recipes.doodle(maps[0], coffee, maps[1], size=None),
        sk.recipes.texture(coffee, size=32),
        sk.recipes.reconstruct(photo, size=None),
    ):
        assert isinstance(made, sk.Recipe)
        assert made.losses


class TestStylize:
    def test_an_unknown_option(self, photo, coffee):
        with pytest.raises(InputTypeError, match=r"no option 'strenght'.*Did you mean strength"):
            sk.stylize(photo, coffee, strenght=0.5)

    def test_the_signature_has_the_options_of_both(self):
        names = set(inspect.signature(sk.stylize).parameters)
        assert names == set(inspect.signature(sk.recipes.basic).parameters) | RUN


def test_options_that_both_have_go_to_both(photo, coffee):
    technique, how = divided(sk.recipes.patches, {"seed": 3, "patch": 32, "steps": 2})
    assert technique == {"seed": 3, "patch": 32}
    assert how == {"seed": 3, "steps": 2}


def test_a_parametrisation_is_a_runs(options, photo, coffee):
    given = options | {"parameters": sk.LaplacianPyramid(levels=2)}
    result = painted(sk.recipes.basic, photo, coffee, **given)
    assert result.manifest["parameters"].startswith("LaplacianPyramid")


class TestMistakes:
    @pytest.mark.parametrize("made", [None, "x.png"])
    def test_what_follows_a_run_must_return_a_result(self, recipe, how, made):
        recipe.then(lambda result: made)
        with pytest.raises(sk.transfer.TransferError, match="expected a Result") as caught:
            recipe.run(**how | {"steps": 0})
        np.testing.assert_array_equal(caught.value.result.image, recipe.content)

    def test_where_both_fail_the_image_so_far_is_kept(self, recipe, how):
        def fails(result):
            raise ZeroDivisionError("oh")

        def breaks(step):
            raise ValueError("broken")

        recipe.then(fails, partial=True)
        with pytest.raises(sk.transfer.TransferError, match="oh") as caught:
            recipe.run(**how | {"callbacks": [breaks]})
        assert caught.value.result.image.shape == recipe.content.shape
        assert "broken" in str(caught.value.__context__.__context__)

    def test_what_follows_a_run_must_be_callable(self, recipe):
        with pytest.raises(InputTypeError, match="`function` must be callable"):
            recipe.then(3)

    def test_a_factor_must_be_callable(self, recipe):
        with pytest.raises(InputTypeError, match="`factor` must be callable"):
            recipe.add(Brightness(), factor=3)

    @pytest.mark.parametrize(
        ("extractor", "words"),
        [
            (sk.CompactVGG, r"the class CompactVGG itself; write CompactVGG\(\.\.\.\)"),
            ("vgg19", "must be a FeatureExtractor: expected a network such as VGG19"),
        ],
    )
    def test_what_is_no_extractor(self, recipe, how, extractor, words):
        with pytest.raises(InputTypeError, match=words):
            recipe.run(**how | {"extractor": extractor})
        with pytest.raises(InputTypeError, match=words):
            recipe.run(**how | {"finish": (extractor, 1)})

    def test_a_function_of_the_users_cannot_change_the_photograph(self, photo, coffee, how):
        def spoils(picture):
            picture[...] = 0

        with pytest.raises(ValueError, match="read-only"):
            sk.recipes.localized(photo.copy(), coffee, spoils, size=None)

    def test_a_blend_that_fails_keeps_what_was_painted(self, photo, coffee, left, how):
        def blend(photo, stylised, mask, *, feather):
            raise ZeroDivisionError("oh")

        recipe = sk.recipes.localized(
            photo, coffee, left, size=None, method="superimpose", blend=blend, style_loss="gram"
        )
        with pytest.raises(sk.transfer.TransferError, match="oh") as caught:
            recipe.run(**how | {"steps": 1})
        assert caught.value.result.steps == 1
        assert "in blend 'blend'" in caught.value.__notes__


def test_the_levels_of_a_run_are_known_before_it(photo):
    recipe = sk.recipes.basic(photo, photo, size=256, style_loss="gram")
    assert recipe.pyramid.sizes == (64, 128, 256)
