"""The objective in less memory: first layers are computed again for the gradient, not kept."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import tensorflow as tf

from stylekit._checks import fail
from stylekit.features import FeatureExtractor
from stylekit.losses import Loss
from stylekit.losses.base import layer_tuple, per_picture
from stylekit.transfer.objective import Objective


class RecomputedObjective(Objective):
    """`Objective` that keeps little of a network's first layers until their gradient is taken.

    The network is cut in stages, and all but the last one are run again when their turn comes in
    the backward pass. Of such a stage only the feature map at its end is kept, and those in it
    that terms read; of terms with ``is_mean`` the means alone. Values and gradients are those of
    `Objective`.

    Parameters
    ----------
    losses, extractor, shape, base_shape, picture, precision
        See `Objective`.
    recompute : True, str or sequence of str
        The layers at which a stage ends; what follows the last one is kept. True: the first one
        that is smaller than the picture, which in VGG19 is ``"block1_pool"``. Layers behind all
        those that the terms read do nothing.

    Raises
    ------
    InputError
        If the network goes around one of the layers; and as `Objective`.

    References
    ----------
    Chen, Xu, Zhang, Guestrin: Training Deep Nets with Sublinear Memory Cost, 2016.
    """

    def __init__(
        self,
        losses: Sequence[Loss],
        extractor: FeatureExtractor,
        shape: tuple[int, int],
        *,
        recompute: bool | str | Sequence[str] = True,
        base_shape: tuple[int, int] | None = None,
        picture=None,
        precision: str = "float32",
    ) -> None:
        super().__init__(
            losses, extractor, shape, base_shape=base_shape, picture=picture, precision=precision
        )
        names = extractor.layer_names
        cuts = (first_smaller(extractor),) if recompute is True else layer_tuple(recompute)
        places = sorted({names.index(extractor.resolve(cut)) for cut in cuts})
        deepest = max((names.index(extractor.resolve(n)) for n in self._layers), default=0)
        self._cuts = tuple(names[place] for place in places if place < deepest)
        stages = extractor.stages(self._layers, self._cuts, precision) if self._layers else ()
        self._stages = tuple(zip(stages, (*self._cuts, None), strict=False))

    def _terms(self, image):
        seen: dict[str, dict] = {name: {} for name in self.terms}
        x = image
        for stage, cut in self._stages:
            run = functools.partial(self._run, stage, cut)
            x, found = run(x) if cut is None else tf.recompute_grad(run)(x)
            for name, layers in found.items():
                seen[name] |= layers
        values = {}
        for name, term in self.terms.items():
            targets, batch = self.targets[name], image.shape[0]
            if _by_means(term):
                value = per_picture(term.value(seen[name], targets), batch)
            else:
                value = term.compute(image, seen[name], targets)
            values[name] = self._checked_value(name, value, batch)
        return values

    def _run(self, stage, cut: str | None, x):
        """Return where a stage ends, and of its layers what each term sees: means or features."""
        features, found = stage(x), {}
        for name, term in self.terms.items():
            own = {
                layer: features.get(self.canvas.extractor.resolve(layer)) for layer in term.layers
            }
            own = {layer: feature for layer, feature in own.items() if feature is not None}
            found[name] = term.means(own, self.targets[name]) if _by_means(term) else own
        # Its end comes first: `tf.recompute_grad` waits for the gradient of the first output.
        return (x if cut is None else features[cut]), found


def first_smaller(extractor: FeatureExtractor) -> str:
    """Return the first layer that has fewer cells than the picture has pixels."""
    for layer in extractor.layer_names:
        if math.prod(window.stride for window in extractor.windows(layer)) > 1:
            return layer
    fail("no layer of the network is smaller than the picture", hint="name a layer to recompute to")


def _by_means(term: Loss) -> bool:
    return term.is_mean and bool(term.layers)
