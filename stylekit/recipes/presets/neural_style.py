"""J. Johnson's neural-style, in its PyTorch version."""

from __future__ import annotations

from stylekit._checks import number
from stylekit._defaults import SIZE
from stylekit.image import PictureLike
from stylekit.losses import ContentLoss, GramStyleLoss, TotalVariationLoss
from stylekit.losses.base import LayersLike
from stylekit.recipes._paint import content_picture, sized_style
from stylekit.recipes.presets._shared import (
    GATYS_CONTENT,
    GATYS_STYLE,
    MEAN_COLOR,
    layer_weights,
)
from stylekit.recipes.recipe import Recipe
from stylekit.transfer import LBFGS, Noise


def neural_style_pt(
    content: PictureLike,
    style: PictureLike,
    *,
    size: int | None = SIZE,
    content_weight: float = 5.0,
    style_weight: float = 100.0,
    tv_weight: float = 1e-3,
    style_scale: float = 1.0,
    style_layers: LayersLike = None,
    content_layers: LayersLike = None,
) -> Recipe:
    """Return the recipe of neural-style-pt with its default options.

    Parameters
    ----------
    content, style : path, PIL image or array
    size : int, optional
        Longer side of the result in pixels. None keeps the size of the content.
    content_weight, style_weight, tv_weight : float
        The program's options with the same names, at least 0.
    style_scale : float
        Longer side of the style picture relative to the longer side of the result, above 0.
    style_layers, content_layers : sequence of str, or mapping of str to float, optional
        Layer names, or a mapping of layer names to weights. Default: relu1_1 to relu5_1 for the
        style, and relu4_2 for the content.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument or a picture cannot be used.

    Notes
    -----
    Departures from the program:

    - The L-BFGS optimizer is that of stylekit, with 10 pairs instead of 100. It keeps the image in
      [0, 1]; the program clips the image at the end. It has no stopping tolerances; the program
      sets them to values that never stop a run.
    - The program sums the absolute differences of neighbouring pixels. Here the absolute value of a
      difference d is replaced by ``sqrt(d^2 + 1e-8) - 1e-4``, which is differentiable at 0.

    References
    ----------
    The program neural-style-pt, ``neural_style.py``, after neural-style by J. Johnson.

    Examples
    --------
    >>> import stylekit as sk
    >>> recipe = sk.recipes.presets.neural_style_pt("photo.jpg", "starry.jpg")  # doctest: +SKIP
    >>> recipe.run().save("out.png")  # doctest: +SKIP
    """
    content_weight = number(content_weight, "content_weight", low=0)
    style_weight = number(style_weight, "style_weight", low=0)
    tv_weight = number(tv_weight, "tv_weight", low=0)
    styles = layer_weights(style_layers, GATYS_STYLE, "style_layers")  # -style_layers
    contents = layer_weights(content_layers, GATYS_CONTENT, "content_layers")  # -content_layers
    photo = content_picture(content, size)  # -image_size 512
    painting = sized_style(style, photo, style_scale)  # -style_scale 1
    return Recipe(
        [
            # The program sums over the layers; the losses here are means over the layers.
            ContentLoss(
                photo,
                layers=contents,
                normalize="none",  # nn.MSELoss
                weight=content_weight * sum(contents.values()),
            ),
            GramStyleLoss(
                painting,
                layers=styles,
                normalize="neural-style",  # nn.MSELoss of G / (C h w)
                weight=style_weight * sum(styles.values()),
            ),
            # TVLoss is a sum over pixels and channels in 0-255.
            TotalVariationLoss(1.0, isotropic=False, weight=tv_weight * 255 * photo.size),
        ],
        content=photo,
        styles=[painting],
        start=Noise(0.001 / 255, color=MEAN_COLOR),  # -init random: randn * 0.001
        steps=1000,  # -num_iterations
        layers={"style_layers": styles, "content_layers": contents},
        optimizer=LBFGS(),  # -optimizer lbfgs
    )
