"""A picture from what one layer keeps of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stylekit._checks import integer, number
from stylekit._defaults import SIZE, STEPS
from stylekit.features import VGG19, FeatureExtractor
from stylekit.image import PictureLike, as_image
from stylekit.losses import ContentLoss, Loss, TotalVariationLoss
from stylekit.transfer import Noise, Plan, Pyramid, Result, StyleTransfer

SMOOTHING = 1.0
"""Weight of the total variation beside a content of weight 1."""


def reconstruct(
    content: PictureLike,
    *,
    layers: Sequence[str] | str | None = None,
    size: int | None = SIZE,
    steps: int = STEPS,
    variation: float = SMOOTHING,
    pyramid: int = 1,
    initial=None,
    extractor: FeatureExtractor | None = None,
    optimizer=None,
    precision: str = "float32",
    plan: Plan | None = None,
    seed: int = 0,
    callbacks: Iterable = (),
    checkpoint=None,
) -> Result:
    """Find a picture that a layer of the network cannot tell from another: what the layer knows.

    From noise, the content's features are the only thing that is wanted, beside a little
    smoothness. The first layers give the photograph back; deeper ones keep what is where, and lose
    the colours and the exact lines.

    Parameters
    ----------
    content : path, PIL image or array
    layers : str or sequence of str, optional
        Default: the extractor's layers of content.
    size : int, optional
        Longer side of the result in pixels. Default: 512; None keeps the content's own.
    steps : int
        Evaluations of the gradient, at least 0.
    variation : float
        Weight of a `TotalVariationLoss`, at least 0: of the many pictures that have these features
        it takes a smooth one.
    pyramid : int
        Number of coarse-to-fine levels, each half the next.
    initial : path, PIL image, array or Start, optional
        Default: `Noise()`.
    extractor, optimizer, precision, plan, seed
        See `StyleTransfer`.
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
        If an argument, the picture or the weights are unfit; before the first step.
    TransferError
        If the run breaks off; it holds the image so far.

    References
    ----------
    Mahendran, Vedaldi: Understanding Deep Image Representations by Inverting Them, CVPR 2015, with
    the relative error of their eq. 2; they bound the pixels by a norm, we by [0, 1]. Gatys, Ecker,
    Bethge: Image Style Transfer Using Convolutional Neural Networks, CVPR 2016, figure 1, without
    the total variation.

    Examples
    --------
    >>> import stylekit as sk
    >>> sk.recipes.reconstruct("photo.jpg", layers="conv4_2").save("seen.png")  # doctest: +SKIP
    """
    network = VGG19() if extractor is None else extractor
    integer(steps, "steps", low=0)
    smoothing = number(variation, "variation", low=0)
    photo = as_image(content, "content", size)
    terms: list[Loss] = [ContentLoss(photo, layers=layers or network.content_layers)]
    if smoothing:
        terms.append(TotalVariationLoss(weight=smoothing))
    return StyleTransfer(
        terms,
        extractor=network,
        optimizer=optimizer,
        precision=precision,
        plan=plan,
        seed=seed,
    ).run(
        Noise() if initial is None else initial,
        steps,
        pyramid=Pyramid.halving(max(photo.shape[:2]), pyramid),
        callbacks=callbacks,
        checkpoint=checkpoint,
    )
