import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import stylekit as sk
from stylekit.feedforward import about, load, training
from stylekit.transfer.lock import locked


def weights(painter):
    return [np.array(one) for one in painter.network.weights]


def rows(path="losses.csv"):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_the_loss_of_one_photograph_falls(train):
    train(photographs="photos/chelsea.png", steps=12, losses_csv="losses.csv")
    total = [float(row["total"]) for row in rows()]
    assert np.mean(total[-3:]) < 0.8 * np.mean(total[:3])


def test_a_network_is_written_and_told_of(train):
    painter = train(strength=0.7)
    told = about("style.keras")
    assert told == painter.about
    assert told["steps"] == 3
    assert told["stylekit"] == sk.__version__
    assert told["settings"]["strength"] == 0.7
    assert told["settings"]["losses"][0].startswith("GramStyleLoss(")
    picture = sk.read_image("photos/chelsea.png")
    np.testing.assert_array_equal(load("style.keras")(picture), painter(picture))


def test_a_strength_weighs_the_losses_as_in_a_recipe(extractor, folder):
    how = {"style_loss": "gram", "strength": 0.7, "size": None}
    result = sk.stylize("photos/chelsea.png", "style.png", steps=0, extractor=extractor, **how)
    recipe = {name: term["weight"] for name, term in result.manifest["terms"].items()}
    terms = training._terms(sk.read_image("style.png"), 0.7, "gram", None, extractor)
    assert [term.weight for term in terms] == pytest.approx(
        [recipe[name] for name in ("gram_style", "total_variation", "chroma_variation")]
    )


@pytest.mark.slow
def test_a_killed_training_goes_on_from_its_checkpoint(train):
    """As if the process was gone in step 4: the weights, and the table, are those of one run."""

    def killed(painter):
        raise RuntimeError("killed")

    alone = train(path="alone.keras", steps=5)
    with pytest.raises(RuntimeError, match="killed"):
        train(steps=5, checkpoint_every=2, losses_csv="losses.csv", on_checkpoint=killed)
    assert about("style.keras")["steps"] == 2
    with Path("losses.csv").open("a") as file:
        file.write("3,9,9,9,9,9,9\n")
    resumed = train(steps=5, losses_csv="losses.csv")
    assert [row["step"] for row in rows()] == ["1", "2", "3", "4", "5"]
    for one, other in zip(weights(alone), weights(resumed), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_traced_training_goes_on_bit_for_bit(train):
    tf.config.run_functions_eagerly(False)
    options = {"steps": 6, "size": 48, "batch": 4}
    alone = train(path="alone.keras", **options)
    train(**options | {"steps": 3})
    for one, other in zip(weights(alone), weights(train(**options)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_finished_training_is_left_and_goes_on_with_more_steps(train):
    first = train()
    before = Path("style.keras").stat().st_mtime_ns
    again = train()
    assert Path("style.keras").stat().st_mtime_ns == before
    for one, other in zip(weights(first), weights(again), strict=True):
        np.testing.assert_array_equal(one, other)
    assert train(steps=4).about["steps"] == about("style.keras")["steps"] == 4


@pytest.mark.slow
def test_the_same_seed_trains_the_same_network(train):
    one, other = (weights(train(path=f"{k}.keras", steps=1)) for k in (1, 2))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
    third = weights(train(path="3.keras", steps=1, seed=1))
    assert any((a != b).any() for a, b in zip(one, third, strict=True))


@pytest.mark.slow
def test_ctrl_c_keeps_the_network(train, monkeypatch):
    ahead = training._ahead

    def interrupted(*arguments):
        yield from itertools.islice(ahead(*arguments), 2)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "_ahead", interrupted)
        painter = train()
    assert painter.about["steps"] == about("style.keras")["steps"] == 2
    assert train().about["steps"] == 3


def test_ctrl_c_before_the_first_step_leaves_no_file(train, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "_ahead", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train()
    assert not Path("style.keras").exists()


class Bounded(sk.Loss):
    """Not a number once the image has changed."""

    def __init__(self, style, *, mask, style_mask, layers, weight):
        super().__init__(weight=weight)
        self.calls = 0

    def compute(self, image, features, targets):
        brightness = image[:, 0, 0, 0]
        return brightness + tf.py_function(self.told, [], tf.float32)

    def told(self):
        self.calls += 1
        return float("nan") if self.calls > 2 else 0.0


@pytest.mark.slow
def test_a_loss_that_is_not_finite_keeps_the_network_before(train):
    with pytest.raises(sk.InputError, match="not finite in step 3") as raised:
        train(steps=5, style_loss=Bounded)
    assert "style.keras holds the network of 2 steps" in str(raised.value)
    assert raised.value.argument == "learning_rate"
    painter = load("style.keras")
    assert painter.about["steps"] == 2
    assert all(np.isfinite(one).all() for one in weights(painter))


def test_a_loss_of_ones_own_trains(train):
    painter = train(style_loss=sk.losses.WassersteinStyleLoss, steps=1)
    assert painter.about["settings"]["losses"][0].startswith("WassersteinStyleLoss(")


def test_an_old_network_of_other_settings_is_not_gone_on_from(train):
    train(steps=1)
    with pytest.raises(
        sk.InputError, match=r"to another training: expected settings\.strength 0.2"
    ):
        train(strength=0.2)
    with pytest.raises(sk.InputError, match="to another training: expected style"):
        train(style="photos/chelsea.png")
    with pytest.raises(sk.InputError, match=r"expected photographs 1 file .* photographs 2 files"):
        train(photographs="photos/chelsea.png")
    with Path("photos/chelsea.png").open("ab") as file:
        file.write(b"longer")
    with pytest.raises(sk.InputError, match="to another training: expected photographs 2 files"):
        train()


def test_two_trainings_of_one_file_are_refused(train):
    lock = Path(".stylekit/style.keras.lock")
    lock.parent.mkdir()
    words = "style.keras is being trained by another process. Wait until"
    with locked(lock), pytest.raises(sk.FileError, match=words) as raised:
        train(steps=1)
    assert raised.value.argument == "path"
    assert not Path("style.keras").exists()
    lock.parent.mkdir(exist_ok=True)
    lock.touch()  # a killed process left it
    assert train(steps=1).about["steps"] == 1
    assert not lock.parent.exists()


@pytest.mark.parametrize(
    ("options", "argument", "words"),
    [
        ({"photographs": "empty"}, "photographs", "has no pictures"),
        ({"photographs": "gone"}, "photographs", "gone does not exist"),
        ({"style": "gone.png"}, "style", "gone.png does not exist"),
        ({"path": "style.h5"}, "path", "such as style.keras"),
        ({"path": "no/style.keras"}, "path", "cannot be written"),
        ({"path": "text.keras"}, "path", "text.keras is not a style network"),
        ({"steps": 0}, "steps", "steps is out of range"),
        ({"size": 16}, "size", "size is out of range"),
        ({"size": 64}, "photographs", "no photograph can be used"),
        ({"batch": 0}, "batch", "batch is out of range"),
        ({"learning_rate": 0}, "learning_rate", "out of range"),
        ({"strength": 2}, "strength", "out of range"),
        ({"variation": -1}, "variation", "out of range"),
        ({"style_loss": "neighbors"}, "style_loss", "cannot train a network"),
        ({"style_loss": "gramm"}, "style_loss", "unknown"),
        ({"extractor": 3}, "extractor", "must be a FeatureExtractor"),
        ({"losses_csv": "photos"}, "losses_csv", "is a folder"),
    ],
)
@pytest.mark.filterwarnings("ignore:Skipped a photograph")
def test_what_is_unfit_is_refused(train, options, argument, words):
    Path("empty").mkdir()
    Path("text.keras").write_text("no network")
    with pytest.raises(sk.StylekitError, match=words) as raised:
        train(**options)
    assert raised.value.argument == argument


def test_a_loss_that_follows_the_picture_is_refused(train):
    def matched(style, *, mask, style_mask, layers, weight):
        return sk.NeighborStyleLoss(style, layers=layers, weight=weight)

    with pytest.raises(sk.InputError, match="targets are known before") as raised:
        train(style_loss=matched)
    assert raised.value.argument == "style_loss"
