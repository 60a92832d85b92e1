import numpy as np
import pytest
import tensorflow as tf

import stylekit as sk
from stylekit._checks import InputError, InputTypeError
from stylekit.transfer.plugin import Plugin, described


class Thing(Plugin):
    def __init__(self):
        self.rate, self.count, self.name, self.size = 0.1, 3, "a", (1, 2)
        self.on, self.other = True, None
        self.table, self._own = [1], 2


def test_settings_are_the_plain_public_attributes():
    expected = {"rate": 0.1, "count": 3, "name": "a", "size": (1, 2), "on": True, "other": None}
    assert Thing().get_config() == expected
    assert repr(Thing()) == "Thing(rate=0.1, count=3, name='a', size=(1, 2), on=True, other=None)"


class Still(sk.transfer.Optimizer):
    def init(self, x):
        return ()

    def step(self, evaluate, x, state):
        return x - evaluate(x)[1], state


class Same(sk.transfer.Parameters):
    def prepare(self, image):
        return image, None

    def image(self, values, context):
        return values


class Mean(sk.Loss):
    def compute(self, image, features, targets):
        return tf.reduce_mean(image, (1, 2, 3))


def broken(kind, method, function):
    """Return an object of a plug-in's class, one of whose methods is a function."""
    return type("Broken", (kind,), {method: function})()


HOOKS = [
    (Still, "optimizer Broken", "get_config"),
    (Still, "optimizer Broken", "memory"),
    (Same, "parametrisation Broken", "get_config"),
    (Same, "parametrisation Broken", "pictures"),
    (Mean, "loss 'broken'", "get_config"),
]


@pytest.mark.parametrize(("kind", "where", "method"), HOOKS)
@pytest.mark.parametrize("how", ["raises", "None", "list"])
def test_an_error_in_a_hook_names_its_object(how, kind, where, method):
    def function(*_):
        return {"raises": {}.popitem, "None": lambda: None, "list": lambda: [1]}[how]()

    one = broken(kind, method, function)
    options = {Still: "optimizer", Same: "parameters"}
    given = {options[kind]: one} if kind in options else {}
    losses = [Mean() if given else one]
    picture = np.full((8, 8, 3), 0.5, "float32")

    def act():
        if method != "get_config":
            return sk.estimate_memory(8, sk.VGG19(weights=None), losses, **given)
        return sk.StyleTransfer(losses, extractor=sk.VGG19(weights=None), **given).run(picture, 1)

    words = "an empty|dictionary is empty" if how == "raises" else f"`{method}` returned"
    with pytest.raises(KeyError if how == "raises" else InputTypeError, match=words) as caught:
        act()
    assert caught.value.__notes__ == [f"in {where}, method {method}"]


@pytest.mark.parametrize("value", [-1.0, float("nan")])
def test_a_size_is_at_least_zero(value):
    one = broken(Still, "memory", lambda self: value)
    with pytest.raises(InputError, match=r"what `memory` returned is out of range.*at least 0"):
        sk.estimate_memory(8, sk.VGG19(weights=None), [Mean()], optimizer=one)


def test_settings_have_names():
    one = broken(Mean, "get_config", lambda self: {(1, 2): 3})
    with pytest.raises(InputTypeError, match=r"dict of settings by name.*\(1, 2\)") as caught:
        repr(one)
    assert caught.value.__notes__ == ["in loss Broken, method get_config"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("adam", "str 'adam'"), (3, "int"), (Thing, "the class Thing itself; write Thing(...)")],
)
def test_described(value, expected):
    assert described(value) == expected


@pytest.mark.parametrize(
    ("value", "received"),
    [
        (None, r"received NoneType. Does it end without a return statement\?"),
        ("a", "received string"),
        (tf.constant([True]), "received bool"),
        (tf.constant([1 + 2j]), "received complex128"),
    ],
)
def test_a_loss_computes_a_real_number(value, received):
    photo = np.full((8, 8, 3), 0.5, np.float32)
    loss = broken(Mean, "compute", lambda *_: value)
    with pytest.raises(
        InputTypeError, match=f"'broken' must compute real numbers: .*{received}"
    ) as e:
        sk.StyleTransfer([loss], extractor=sk.CompactVGG()).run(photo, steps=1)
    assert e.value.__notes__ == ["in loss 'broken', method Broken.compute"]


@pytest.mark.parametrize("state", [None, ("a",), {"x": object()}])
def test_the_state_of_an_optimizer_is_of_tensors(state):
    photo = np.full((8, 8, 3), 0.5, np.float32)
    optimizer = broken(Still, "init", lambda *_: state)
    with pytest.raises(InputTypeError, match="`init` must return tensors: expected") as caught:
        sk.StyleTransfer([Mean()], extractor=sk.CompactVGG(), optimizer=optimizer).run(photo, 1)
    assert caught.value.argument == "optimizer"
    assert caught.value.__notes__ == ["in optimizer Broken, method init"]


def test_the_state_of_an_optimizer_keeps_its_structure():
    photo = np.full((8, 8, 3), 0.5, np.float32)
    optimizer = broken(Still, "step", lambda self, evaluate, x, state: (evaluate(x)[1], (x,)))
    with pytest.raises(
        InputError, match="`step` must return a state with the structure of the state it received"
    ) as caught:
        sk.StyleTransfer([Mean()], extractor=sk.CompactVGG(), optimizer=optimizer).run(photo, 1)
    assert caught.value.argument == "optimizer"
    assert caught.value.__notes__ == ["in optimizer Broken, method step"]


def test_the_state_of_an_optimizer_may_hold_numbers():
    photo = np.full((8, 8, 3), 0.5, np.float32)
    own = {
        "init": lambda *_: (0, 1.5),
        "step": lambda self, f, x, s: (x - f(x)[1], (s[0] + 1, 2.0)),
    }
    optimizer = type("Own", (Still,), own)()
    run = sk.StyleTransfer([Mean()], extractor=sk.CompactVGG(), optimizer=optimizer).run
    assert run(photo, 2).steps == 2
