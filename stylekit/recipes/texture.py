"""A texture from noise: the style terms alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stylekit._checks import InputTypeError, explain, integer, number
from stylekit._defaults import SIZE, STEPS
from stylekit.features import VGG19, FeatureExtractor
from stylekit.image import PictureLike, as_image
from stylekit.losses import GramStyleLoss, Loss, TotalVariationLoss
from stylekit.transfer import Plan, Pyramid, Result, StyleStatistics, StyleTransfer

COARSEST = 64
"""Longer side, in pixels, at which a texture begins: the network sees but a few dozen pixels far,
and what is larger in the sample is arranged where it is small."""


def texture(
    style: PictureLike,
    *,
    size: int | Sequence[int] | None = SIZE,
    steps: int = STEPS,
    style_scale: float = 1.0,
    style_layers: Sequence[str] | None = None,
    layer_weights=None,
    variation: float | None = None,
    pyramid: int | None = None,
    extractor: FeatureExtractor | None = None,
    optimizer=None,
    precision: str = "float32",
    plan: Plan | None = None,
    seed: int = 0,
    callbacks: Iterable = (),
    checkpoint=None,
) -> Result:
    """Make a texture of any size like a sample: its colours, strokes and grain, in other places.

    From noise, the Gram matrices of the sample are the only thing that is wanted. With a single
    layer the result shows what that layer's Gram matrix knows of a picture.

    Parameters
    ----------
    style : path, PIL image or array
        The sample. It keeps its own size, but for one that is larger than the texture, which is
        reduced to its longer side.
    size : int or (int, int), optional
        Of the texture in pixels: the side of a square, or (height, width). Default: 512; None
        takes the sample's own height and width.
    steps : int
        Evaluations of the gradient, at least 0, the total over the pyramid's levels.
    style_scale : float
        Size of the sample relative to what is said above: above 1 the grain grows.
    style_layers : sequence of str, optional
        Default: the extractor's own.
    layer_weights : sequence of float or mapping, optional
        See `GramStyleLoss`.
    variation : float, optional
        Weight of a `TotalVariationLoss`, at least 0. Default: a quarter of the extractor's own,
        for without a content there is no flat part that could ripple.
    pyramid : int, optional
        Number of coarse-to-fine levels, each half the next. Default: as many as bring the
        coarsest to 64 pixels or the next size above.
    extractor, optimizer, precision, plan, seed
        See `StyleTransfer`. The seed makes the noise, and so another texture.
    callbacks : iterable of callables
        See `StyleTransfer.run`.
    checkpoint : path or Checkpoint, optional
        See `StyleTransfer.run`.

    Returns
    -------
    Result

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument, the sample or the weights are unfit; before the first step.
    TransferError
        If the run breaks off; it holds the image so far.

    References
    ----------
    Gatys, Ecker, Bethge: Texture Synthesis Using Convolutional Neural Networks, NIPS 2015. They
    begin with white noise at the full size, and with a network of average pooling. Ours has the
    sample's mean and covariance of colours, and the pyramid and the total variation are ours.

    Examples
    --------
    >>> import stylekit as sk
    >>> sk.recipes.texture("gravel.jpg", size=(600, 900)).save("more.png")  # doctest: +SKIP
    """
    network = VGG19() if extractor is None else extractor
    scale = number(style_scale, "style_scale", low=0, open_low=True)
    integer(steps, "steps", low=0)
    sample = as_image(style, "style")
    shape = _shape(size, sample.shape)
    longer = max(shape)
    own = max(sample.shape[:2])
    sample = as_image(sample, "style", max(1, round(min(own, longer) * scale)))
    smoothing = network.variation / 4 if variation is None else variation
    number(smoothing, "variation", low=0)
    terms: list[Loss] = [
        GramStyleLoss(
            sample,
            layers=style_layers or network.style_layers,
            layer_weights=layer_weights,
            weight=network.style_factor,
        )
    ]
    if smoothing:
        terms.append(TotalVariationLoss(weight=smoothing))
    count = max(1, (longer // COARSEST).bit_length()) if pyramid is None else pyramid
    return StyleTransfer(
        terms,
        extractor=network,
        optimizer=optimizer,
        precision=precision,
        plan=plan,
        seed=seed,
    ).run(
        StyleStatistics(sample, shape=shape),
        steps,
        pyramid=Pyramid.halving(longer, count),
        callbacks=callbacks,
        checkpoint=checkpoint,
    )


def _shape(size, own: Sequence[int]) -> tuple[int, int]:
    """Return the height and width that a size stands for."""
    if size is None:
        return own[0], own[1]
    if isinstance(size, (tuple, list)):
        if len(size) != 2:
            raise InputTypeError(
                explain("size is no size", expected="(height, width)", received=repr(size))
            )
        height, width = size
        return integer(height, "height", low=1), integer(width, "width", low=1)
    side = integer(size, "size", low=1)
    return side, side
