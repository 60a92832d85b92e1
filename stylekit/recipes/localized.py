"""Style in one part of a picture: the background behind a person, or the person alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from stylekit import blend as blends
from stylekit._checks import choice, fail, name_of, naming, number
from stylekit._defaults import SIZE
from stylekit.image import PictureLike, as_image, periodic, picture_hash
from stylekit.masks import MaskLike, Segmenter, feather, find_subject, resize
from stylekit.recipes._paint import OPTIONS, check_passed, content_picture, sized_style
from stylekit.recipes.basic import basic
from stylekit.recipes.recipe import Recipe
from stylekit.transfer import Result

BLENDS = {"paste": blends.paste, "seam": blends.seam, "poisson": blends.poisson}
METHODS = ("update", "superimpose", "revert")


def localized(
    content: PictureLike,
    style: PictureLike,
    subject: str | Sequence[str] | MaskLike,
    *,
    keep: str = "subject",
    segmenter: Segmenter | None = None,
    refine: Callable[[np.ndarray, Any], np.ndarray] | None = None,
    feather_radius: float = 0.0,
    style_subject: str | Sequence[str] | MaskLike | None = None,
    same_mask: bool = False,
    method: str = "update",
    blend: str | Callable[..., np.ndarray] | None = None,
    size: int | None = SIZE,
    style_scale: float = 1.0,
    **options: Any,
) -> Recipe:
    """Paint what is behind a subject, or the subject alone, and leave the rest as it was.

    What is left is that of the start, which by default is the content.

    Parameters
    ----------
    content, style : path, PIL image or array
    subject : str, list of str, or mask
        A class or several that the segmenter is to find, such as ``"person"``; or a mask of the
        subject: an array, a PIL image, the path of an existing file, or a callable that is given
        the picture.
    keep : str
        ``"subject"``: the style goes around it. ``"background"``: the style goes onto it.
    segmenter : callable, optional
        From a picture to a `Segmentation`. Default: `DeepLab()`; asked for a class only.
    refine : callable, optional
        From the picture and the subject's mask to a better mask, such as `masks.guided` or
        `masks.matte`. Default: `masks.crf` on the segmenter's scores for classes; a mask that is
        given stays as it is.
    feather_radius : float
        Softens the edge, in pixels of the result: of the mask, by `masks.feather`, or of the blend.
    style_subject : str, list of str, or mask, optional
        A subject of the style picture, as `subject`: the style is then taken from around it
        (``keep="subject"``) or from it. Default: the whole style picture.
    same_mask : bool
        True: the content's mask, stretched to the style picture, is the style's, too, as the
        published programs have it.
    method : str
        ``"update"``
            Only the pixels under the mask are optimised, in their true surroundings: what is
            outside never moves, and nothing has to be put back.
        ``"superimpose"``
            The whole picture is painted, and what is to be kept is laid over it.
        ``"revert"``
            The style is held to the mask, but all pixels may move; those outside are put back.
    blend : str or callable, optional
        How the last two put the parts together: ``"paste"``, ``"seam"`` or ``"poisson"``, by the
        functions of `stylekit.blend`; or a function of your own,
        ``(photo, stylised, mask, *, feather) -> picture``, where the mask ``[H, W]`` says where
        the stylised picture goes, and `feather` is `feather_radius`. Default: ``"seam"``.
    size : int, optional
        Longer side of the result in pixels. Default: 512; None keeps the content's own. The
        picture is segmented at this size.
    style_scale
        See `basic`.
    **options
        Those of `basic`: strength, style_loss, keep_colors, style_layers, content_layers and
        variation.

    Returns
    -------
    Recipe
        The result's manifest has, under "localized", the method and the hash of the mask.

    Raises
    ------
    InputError, InputTypeError, FileError
        If a class is not in the picture (the message lists those that are), a mask, a picture or
        another argument is unfit, or the weights are; before the first step.
    SetupError
        If the default segmenter is not installed, or cannot be downloaded.

    Examples
    --------
    >>> import stylekit as sk
    >>> seer = sk.masks.DeepLab("deeplab.tflite")  # doctest: +SKIP
    >>> recipe = sk.recipes.localized(
    ...     "photo.jpg", "starry.jpg", "person", segmenter=seer
    ... )  # doctest: +SKIP
    >>> recipe.run().save("out.png")  # doctest: +SKIP
    """
    check_passed(localized, options, (*OPTIONS, "keep_colors"))
    choice(method, "method", METHODS)
    number(feather_radius, "feather_radius", low=0)
    if blend is not None:
        _check_blend(blend)
        if method == "update":
            fail(
                "method 'update' has nothing to blend",
                expected="blend=None, or method='superimpose' or 'revert'",
                received=f"blend={blend!r}",
                argument="blend",
            )
    if same_mask and style_subject is not None:
        fail("same_mask and style_subject exclude each other", hint="give one of them")
    photo = content_picture(content, size)
    painting = sized_style(style, photo, style_scale)

    where = place_of(photo, subject, keep, segmenter, refine)
    source = None
    if same_mask:
        source = resize(where, painting.shape[:2])
    elif style_subject is not None:
        source = find_subject(painting, style_subject, segmenter, refine, name="style subject")
        source = 1 - source if keep == "subject" else source

    soft = feather(where, feather_radius)
    masks: dict[str, Any] = {} if method == "superimpose" else {"mask": soft}
    recipe = basic(
        photo,
        painting,
        size=None,
        style_scale=max(painting.shape[:2]) / max(photo.shape[:2]),
        style_mask=source,
        protect=method == "update",
        **masks,
        **options,
    )
    blend = None if method == "update" else blend or "seam"
    return put_back(recipe, photo, where, {"method": method, "keep": keep}, blend, feather_radius)


def place_of(photo, subject, keep: str, segmenter, refine) -> np.ndarray:
    """Return where a photo is painted, ``[H, W]``; see `localized` for the arguments."""
    choice(keep, "keep", ("subject", "background"))
    found = find_subject(photo, subject, segmenter, refine)
    where = 1 - found if keep == "subject" else found
    if not where.any():
        fail(
            "nothing is left to paint",
            expected="a subject that leaves a part of the picture",
            received="a mask of the whole picture",
            hint="set `keep` to background, which paints the subject",
            argument="keep",
        )
    return where


def put_back(
    recipe: Recipe,
    photo: np.ndarray,
    where: np.ndarray,
    record: dict[str, str],
    blend: str | Callable[..., np.ndarray] | None,
    feather_radius: float = 0.0,
) -> Recipe:
    """Let a recipe's result be joined with the photo, and record how; return the recipe.

    Parameters
    ----------
    recipe : Recipe
    photo : ndarray [H, W, 3]
    where : ndarray [H, W]
        Where it is painted.
    record : dict of str to str
        What the manifest says beside the mask and the blend.
    blend, feather_radius
        See `localized`. None joins nothing.
    """
    record = record | {"mask": picture_hash(where)}
    if blend is not None:
        _check_blend(blend)
        join = blend if callable(blend) else BLENDS[blend]
        record["blend"] = name_of(join)

        def joined(result: Result) -> Result:
            # The blends soften the edge themselves, each where it puts it.
            tile = result.manifest.get("tile")
            kept = periodic(photo, tile) if tile else photo
            images: dict[str, Any] = {
                name: _joined(join, kept, getattr(result, name), where, feather_radius)
                for name in ("image", "best")
            }
            return dataclasses.replace(result, **images)

        recipe.then(joined)
    return recipe.then(
        lambda result: dataclasses.replace(result, manifest=result.manifest | {"localized": record})
    )


def _check_blend(blend) -> None:
    if not callable(blend):
        choice(blend, "blend", BLENDS)


def _joined(join, photo, stylised, where, feather_radius) -> np.ndarray:
    """Return what a blend makes, checked."""
    name = name_of(join)
    with naming(f"in blend {name!r}"):
        made = join(photo, stylised, where, feather=feather_radius)
        array = np.asarray(made)
        if array.dtype.kind != "f" or array.shape != photo.shape:
            is_array = array.dtype.kind in "fiub" and array.ndim
            fail(
                f"the blend {name!r} returned something else than a picture like the photograph",
                expected=f"an array of floats in [0, 1] of shape {list(photo.shape)}",
                received=f"{array.dtype} {list(array.shape)}" if is_array else type(made).__name__,
                argument="blend",
            )
        return as_image(array, f"the picture of the blend {name!r}")
