"""Style in one region of a picture, such as a person, or the background behind the person."""

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
    """Return a recipe that paints the background of a subject, or the subject alone.

    The rest of the picture stays as in the initial image, which by default is the content.

    Parameters
    ----------
    content, style : path, PIL image or array
    subject : str, list of str, or mask
        One or more classes for the segmenter to find, such as ``"person"``; or a mask of the
        subject, in [0, 1]: an array, a PIL image, the path of an existing file, or a callable that
        receives the picture.
    keep : {"subject", "background"}
        What is kept. With ``"subject"`` the background is painted. With ``"background"`` the
        subject is painted.
    segmenter : callable, optional
        Takes a picture and returns a `Segmentation`. It is only used if `subject` or
        `style_subject` names classes. Default: `DeepLab()`.
    refine : callable, optional
        Takes the picture and the mask of the subject, and returns a better mask, such as
        `masks.guided` or `masks.matte`. By default, `masks.crf` is applied to the segmenter's
        scores for classes, and a given mask is not changed.
    feather_radius : float
        Width of the soft edge of the mask (by `masks.feather`) and of the blend, in pixels of the
        result, at least 0.
    style_subject : str, list of str, or mask, optional
        A subject in the style picture, given like `subject`. With ``keep="subject"`` the style is
        taken from the surroundings of this subject, otherwise from the subject. Default: the whole
        style picture.
    same_mask : bool
        Whether the content's mask, stretched to the style picture, also selects the part of the
        style picture that is used, as in the published programs.
    method : {"update", "superimpose", "revert"}
        ``"update"``
            Only the pixels under the mask are optimised. The network also sees the pixels around
            the mask, which never change.
        ``"superimpose"``
            The whole picture is painted, and the kept part is laid over it.
        ``"revert"``
            The style is limited to the mask, but all pixels may change. After the run, the pixels
            outside the mask are restored.
    blend : str or callable, optional
        How ``"superimpose"`` and ``"revert"`` combine the parts: ``"paste"``, ``"seam"`` or
        ``"poisson"``, the functions of `stylekit.blend`; or a function
        ``(photo, stylised, mask, *, feather) -> picture``. `mask`, ``[H, W]``, is 1 where the
        stylised picture is used, and `feather` is `feather_radius`. Default: ``"seam"``.
    size : int, optional
        Longer side of the result in pixels. Default: 512; None keeps the size of the content. The
        picture is segmented at this size.
    style_scale : float
        See `basic`.
    **options
        Further options of `basic`: strength, style_loss, keep_colors, style_layers, content_layers
        and variation.

    Returns
    -------
    Recipe
        The manifest of the result has the method and the hash of the mask under "localized".

    Raises
    ------
    InputError, InputTypeError, FileError
        If a class is not in the picture (the message lists the classes that are), or if a mask, a
        picture or another argument cannot be used.
    SetupError
        If the default segmenter is not installed, or cannot be downloaded.

    Examples
    --------
    >>> import stylekit as sk
    >>> network = sk.masks.DeepLab("deeplab.tflite")  # doctest: +SKIP
    >>> recipe = sk.recipes.localized(
    ...     "photo.jpg", "starry.jpg", "person", segmenter=network
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
                "`blend` must be None with method='update', which keeps all other pixels",
                received=repr(blend),
                hint="omit `blend`, or set `method` to superimpose or revert",
                argument="blend",
            )
    if same_mask and style_subject is not None:
        fail("`same_mask` and `style_subject` cannot be combined", hint="give one of them")
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
    """Return a mask, ``[H, W]``, of where a photo is painted; see `localized` for the arguments."""
    choice(keep, "keep", ("subject", "background"))
    found = find_subject(photo, subject, segmenter, refine)
    where = 1 - found if keep == "subject" else found
    if not where.any():
        fail(
            "the subject covers the whole picture, and nothing is left to paint",
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
    """Make a recipe blend its result with the photo, and record it; return the recipe.

    Parameters
    ----------
    recipe : Recipe
    photo : ndarray [H, W, 3]
    where : ndarray [H, W]
        1 where the stylised picture is used.
    record : dict of str to str
        Further entries of the record in the manifest.
    blend, feather_radius
        See `localized`. If `blend` is None, nothing is blended.
    """
    record = record | {"mask": picture_hash(where)}
    if blend is not None:
        _check_blend(blend)
        join = blend if callable(blend) else BLENDS[blend]
        record["blend"] = name_of(join)

        def joined(result: Result) -> Result:
            # The blends soften the edge themselves, because their cut may be in a different place
            # than the edge of the mask.
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
    """Return the picture that a blend returns, after checking it."""
    name = name_of(join)
    with naming(f"in blend {name!r}"):
        made = join(photo, stylised, where, feather=feather_radius)
        array = np.asarray(made)
        if array.dtype.kind != "f" or array.shape != photo.shape:
            is_array = array.dtype.kind in "fiub" and array.ndim
            fail(
                f"the blend {name!r} must return a picture with the shape of the photograph",
                expected=f"an array of floats in [0, 1] of shape {list(photo.shape)}",
                received=f"{array.dtype} {list(array.shape)}" if is_array else type(made).__name__,
                argument="blend",
            )
        return as_image(array, f"the picture of the blend {name!r}")
