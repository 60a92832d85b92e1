import functools
import tempfile
import weakref

import numpy as np
import pytest
from scipy import ndimage
from skimage import data

import stylekit as sk
from stylekit._checks import StylekitError
from stylekit.batch import frames as module
from stylekit.batch import stylize_frames
from stylekit.image import as_image, resize
from stylekit.losses import NeighborStyleLoss
from stylekit.metrics import warping_error

HEIGHT, WIDTH, MOVE = 40, 48, 2


def pan(x):
    return np.broadcast_to(np.float32([x, 0]), (HEIGHT, WIDTH, 2))


def moving(photo, count=3):
    """Return frames in which all moves left by `MOVE` pixels."""
    wide = as_image(ndimage.gaussian_filter(photo, (4, 4, 0))[::6, ::6])
    return [wide[:HEIGHT, MOVE * i : MOVE * i + WIDTH] for i in range(count)]


@pytest.fixture(scope="module")
def clip():
    return moving(data.astronaut())


@pytest.fixture(scope="module")
def other_clip():
    return moving(data.coffee(), 2)


@pytest.fixture(scope="module")
def style():
    return resize(data.retina(), (48, 48))


@pytest.fixture
def known(clip, other_clip):
    """The flow of the clips; from one to the other there is none."""
    order = {frame.tobytes(): i for i, frame in enumerate(clip)}
    order |= {frame.tobytes(): 100 + i for i, frame in enumerate(other_clip)}

    def flow(one, other):
        return pan(MOVE * (order[one.tobytes()] - order[other.tobytes()]))

    return flow


@pytest.fixture
def run(network, plan, style, known):
    how = {"size": None, "steps": 6, "style_loss": "gram", "pyramid": 1, "flow": known}
    how |= {"style_layers": ("conv1_1",), "content_layers": ("conv2_1",), "next_steps": 2}
    return functools.partial(stylize_frames, style=style, extractor=network, plan=plan, **how)


def error(one, before):
    weights = np.ones((HEIGHT, WIDTH))
    weights[:, -MOVE:] = 0
    return warping_error(one, before, pan(MOVE), weights)


@pytest.mark.slow
def test_a_frame_follows_the_one_before(run, clip, network, plan, style):
    first, second, third = run(clip)
    assert [one.number for one in (first, second, third)] == [1, 2, 3]
    assert [one.begins for one in (first, second, third)] == [True, False, False]
    assert (first.kept, first.result.steps, second.result.steps) == (0, 6, 2)
    assert second.kept == pytest.approx(1 - MOVE / WIDTH)
    assert second.seconds > 0
    alone = sk.stylize(
        clip[0], style, size=None, steps=6, style_loss="gram", pyramid=1, extractor=network,
        style_layers=("conv1_1",), content_layers=("conv2_1",),
    )  # fmt: skip
    np.testing.assert_allclose(first.image, alone.image, atol=1 / 254)
    free, held = (list(run(clip[:2], temporal_weight=weight)) for weight in (0, 1e4))
    assert error(held[1].image, held[0].image) < 0.6 * error(free[1].image, free[0].image)
    np.testing.assert_array_equal(second.image * 255, np.round(second.image * 255))


@pytest.mark.slow
def test_all_frames_share_a_network_and_a_trace(run, clip, other_clip):
    plan = sk.Reuse()
    assert len(list(run([*clip, *other_clip], plan=plan))) == 5
    assert len(plan._kept) == 1


def test_one_network_is_made_for_all(run, clip, network, plan, monkeypatch):
    made = []
    monkeypatch.setattr(module, "as_extractor", lambda own: made.append(own) or network)
    list(run(clip, extractor=None, plan=plan))
    assert made == [None]


@pytest.mark.slow
def test_a_cut_begins_anew(run, clip, other_clip):
    frames = list(run([*clip[:2], *other_clip]))
    assert [one.begins for one in frames] == [True, False, True, False]
    begun = list(run(other_clip))
    np.testing.assert_allclose(frames[2].image, begun[0].image, atol=1 / 254)
    whole = list(run([clip[0], other_clip[0]], cut=0))
    assert [one.begins for one in whole] == [True, False]


def test_a_frame_that_is_there_twice_is_painted_once(run, clip):
    frames = list(run([clip[0], clip[0], clip[1]]))
    assert frames[1].result is None
    np.testing.assert_array_equal(frames[1].image, frames[0].image)
    assert frames[2].result is not None


@pytest.mark.slow
def test_at_strength_0_the_frames_are_as_they_were(run, clip):
    for one, frame in zip(run(clip, strength=0), clip, strict=True):
        np.testing.assert_allclose(one.image, frame, atol=1 / 509)


def stopped(video, of_pass, number):
    """Paint a video up to a frame of a pass."""

    def stop(frame):
        if (frame.of_pass, frame.number) == (of_pass, number):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(video(on_frame=stop))


def test_an_interrupted_call_continues(run, clip, tmp_path):
    video = functools.partial(run, clip, folder=tmp_path / "kept")
    stopped(video, 1, 2)
    again = list(video())
    assert [one.found for one in again] == [True, True, False]
    assert [one.result is None for one in again] == [True, True, False]
    for one, other in zip(again, run(clip), strict=True):
        np.testing.assert_array_equal(one.image, other.image)


def test_passes_alternate_and_the_last_goes_forwards(run, clip, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    told = []
    frames = list(run(clip, passes=3, next_steps=0, on_frame=told.append))
    assert [one.number for one in told] == [1, 2, 3, 3, 2, 1, 1, 2, 3]
    assert [one.of_pass for one in told] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert [one.number for one in frames] == [1, 2, 3]
    assert not list(tmp_path.iterdir())
    second = {one.number: one for one in told if one.of_pass == 2}
    assert frames[0].begins and frames[0].result is None
    np.testing.assert_array_equal(frames[0].image, second[1].image)


def test_a_further_pass_starts_from_the_mean_of_a_frame_and_its_neighbour(run, clip):
    told = []
    _, two, three = run(clip, passes=2, next_steps=0, on_frame=told.append)
    own = next(one for one in told if (one.of_pass, one.number) == (1, 3)).image
    expected = (own + np.roll(two.image, -MOVE, axis=1)) / 2
    expected[:, -MOVE:] = own[:, -MOVE:]  # not visible in the neighbour
    np.testing.assert_allclose(three.image, expected, atol=1 / 255)


@pytest.mark.parametrize(("of_pass", "number"), [(1, 2), (1, 1), (2, 2)])
def test_an_interrupted_pass_continues(run, clip, tmp_path, of_pass, number):
    video = functools.partial(run, clip, passes=2, folder=tmp_path / "kept")
    stopped(video, of_pass, number)
    told = []
    again = list(video(on_frame=told.append))
    passes = [1, 1, 1, 2, 2, 2] if of_pass == 1 else [2, 2, 2]
    assert [one.of_pass for one in told] == passes
    assert sum(one.found for one in told) == len(clip) + 1 - number if of_pass == 1 else number
    for one, other in zip(again, run(clip, passes=2), strict=True):
        np.testing.assert_array_equal(one.image, other.image)


def test_several_passes_hold_few_frames(run, clip):
    held, most = [], []

    def look(image):
        held.append(weakref.ref(image))
        most.append(sum(one() is not None for one in held))
        return image

    frames = (look(np.array(frame)) for frame in clip * 3)
    video = run(frames, passes=2, next_steps=0, on_frame=lambda made: look(made.image))
    assert sum(1 for _ in video) == 9
    assert max(most) <= 4


def test_frames_are_taken_one_by_one(run, clip):
    taken = []

    def frames():
        for frame in clip:
            taken.append(len(taken))
            yield frame

    video = run(frames())
    assert taken == []
    alive = weakref.WeakSet()
    for number, frame in enumerate(video, 1):
        assert len(taken) == number
        alive.add(frame)
        del frame
        assert len(alive) <= 1


def test_neighbours_are_matched_by_the_frame_and_what_is_painted(run, clip, monkeypatch):
    """By what is painted alone the photograph would be lost over many frames."""
    seen = []
    prepare = NeighborStyleLoss.prepare

    def prepared(self, canvas):
        targets = prepare(self, canvas)
        seen.append((canvas.round, self.round_alpha, canvas.picture))
        return targets

    monkeypatch.setattr(NeighborStyleLoss, "prepare", prepared)
    list(run(clip[:2], style_loss="neighbors", steps=1, next_steps=1))
    round, alpha, picture = seen[-1]
    assert (round, alpha) == (1, pytest.approx(0.25**module.FOLLOW))
    np.testing.assert_array_equal(picture, clip[1])


def test_what_was_hidden_looks_as_before_when_it_comes_back():
    """A pixel is taken from the nearest frame that shows it."""
    grey = np.full((HEIGHT, WIDTH, 3), 0.5, np.float32)
    seen = [module._Seen(i, grey, np.full_like(grey, i / 4)) for i in (1, 2)]

    def between(one, other):
        flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
        if {one.number, other.number} == {3, 2}:  # columns up to 20 are hidden in frame 2
            flow[:, :20, 0] = 9  # both ways
        return flow

    moved, weights = module._moved(grey, 3, seen, [1, 2], between)
    np.testing.assert_allclose(moved[:, :18], 0.25)
    np.testing.assert_allclose(moved[:, 24:], 0.5)
    assert weights.min() == weights.max() == 1
    moved, weights = module._moved(grey, 3, seen, [1], between)
    assert not weights[:, 10:19].any()


def test_what_comes_into_view_takes_the_colours_of_what_is_alike():
    frame = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    frame[20:] = 1
    stylised = np.zeros_like(frame)
    stylised[:20], stylised[20:] = (0.2, 0.4, 0.6), (0.9, 0.5, 0.1)
    weights = np.ones((HEIGHT, WIDTH), np.float32)
    weights[:, 40:] = 0
    moved = np.where(weights[..., None] > 0, stylised, 0)
    moved[:, 39] = 1  # mixed with what hides the rest
    filled = module._filled(moved, weights, frame)
    np.testing.assert_allclose(filled[:, 40:], stylised[:, 40:], atol=1e-6)
    np.testing.assert_array_equal(filled[:, :40], moved[:, :40])
    np.testing.assert_array_equal(module._filled(stylised, 0 * weights + 1, frame), stylised)


def test_flows_from_files(run, clip, known, tmp_path):
    for i, j in ((1, 2), (2, 1), (2, 3), (3, 2)):
        np.save(tmp_path / f"{i:02d}-{j:02d}.npy", known(clip[i - 1], clip[j - 1]))
    read = list(run(clip, flow=str(tmp_path / "{frame:02d}-{other:02d}.npy")))
    for one, other in zip(read, run(clip), strict=True):
        np.testing.assert_array_equal(one.image, other.image)


@pytest.mark.slow
def test_neighbours_and_the_flow_that_is_computed(clip, style, network):
    how = {"size": None, "extractor": network, "steps": 12}
    plan = sk.Reuse()
    frames = list(stylize_frames(clip, style, plan=plan, **how))
    assert frames[1].kept > 0.8
    alone = [sk.stylize(frame, style, plan=plan, **how).image for frame in clip[:2]]
    assert error(frames[1].image, frames[0].image) < 0.5 * error(alone[1], alone[0])


@pytest.mark.slow
def test_neither_photograph_nor_style_is_lost_over_many_frames(style, network):
    photo = resize(data.astronaut()[:400, 100:400], (100, 75))
    frames = [photo[i : i + 80, :64] for i in range(16)]

    def flow(one, other):
        here, there = (
            next(i for i, frame in enumerate(frames) if np.array_equal(frame, given))
            for given in (one, other)
        )
        return np.broadcast_to(np.float32([0, here - there]), (80, 64, 2))

    how = {"size": None, "extractor": network, "flow": flow, "steps": 24}
    painted = [made.image for made in stylize_frames(frames, style, **how)]
    for reference, distance in (
        (frames, sk.metrics.self_similarity_distance),
        ([style] * len(frames), sk.metrics.style_nearness),
    ):
        pairs = zip(reference, painted, strict=True)
        far = [distance(*pair, extractor=network) for pair in pairs]
        assert np.mean(far[-3:]) < 1.05 * far[0]


@pytest.mark.parametrize(
    ("options", "argument", "message"),
    [
        ({"frames": []}, "frames", "no frames"),
        ({"frames": ["gone.png"]}, "frames", "does not exist"),
        ({"size": 0}, "size", "out of range"),
        ({"next_steps": -1}, "next_steps", "out of range"),
        ({"temporal_weight": -1}, "temporal_weight", "out of range"),
        ({"earlier": ()}, "earlier", "is empty"),
        ({"earlier": (0,)}, "earlier", "out of range"),
        ({"cut": 2}, "cut", "out of range"),
        ({"passes": 0}, "passes", "out of range"),
        ({"folder": "no/such"}, "folder", "cannot be written"),
        ({"flow": 3}, "flow", "cannot be used"),
        ({"flow": "flows/a.flo"}, "flow", "pattern"),
        ({"flow": "{frame}-{next}.flo"}, "flow", "pattern"),
        ({"flow": "{frame}-{other}.flo"}, "flow", "does not exist"),
        ({"flow": lambda one, other: one}, "flow", "another shape"),
        ({"recipe": lambda frame, style: 3, "style_loss": None}, "recipe", "must return a Recipe"),
        ({"strenght": 1}, "strenght", "Did you mean strength"),
        ({"checkpoint": "here"}, "checkpoint", "no option"),
    ],
)
def test_what_cannot_be_used(run, clip, options, argument, message):
    if "recipe" in options:
        run = functools.partial(stylize_frames, style=clip[0], size=None, recipe=options["recipe"])
        options = {}
    with pytest.raises(StylekitError, match=message) as raised:
        list(run(**{"frames": clip, **options}))
    assert raised.value.argument == argument


def test_frames_of_different_sizes(run, clip):
    with pytest.raises(StylekitError, match="frame 2 differs") as raised:
        list(run([clip[0], clip[1][:30]]))
    assert raised.value.argument == "frames"


def test_an_interrupt_ends_it(run, clip, monkeypatch):
    def stop(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run(clip, callbacks=[stop]))
