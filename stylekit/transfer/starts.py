"""Initial images of a run: noise, mixtures, underpaintings, and pictures."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Sequence

import numpy as np

from stylekit._checks import caused_by, fail, number
from stylekit.image import PictureLike, as_batch, as_image, periodic, resize
from stylekit.losses import ContentLoss, Loss
from stylekit.masks import operations
from stylekit.masks.operations import pair

GREY = (0.5, 0.5, 0.5)


class Start(abc.ABC):
    """Base class of initial images that are computed, rather than given as pictures.

    Parameters
    ----------
    shape : (int, int), optional
        (H, W) of the image. Default: the shape of the reference of the first `ContentLoss`.
    """

    def __init__(self, shape: tuple[int, int] | None = None) -> None:
        self.shape = None if shape is None else pair(shape)

    @abc.abstractmethod
    def image(self, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Return an image, float32 ``[H, W, 3]`` in [0, 1]. All random numbers come from `rng`."""


class Noise(Start):
    """Normal noise around a colour, independent for all pixels and channels (Gatys et al. 2016).

    Parameters
    ----------
    deviation : float
        Standard deviation before clipping to [0, 1], at least 0.
    color : sequence of 3 float
        The mean as RGB, in [0, 1]. Default: mid-grey.
    shape : (int, int), optional
        See `Start`.
    """

    def __init__(
        self,
        deviation: float = 0.1,
        *,
        color: Sequence[float] = GREY,
        shape: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(shape)
        self.deviation = number(deviation, "the noise's deviation", low=0, argument="deviation")
        if not isinstance(color, Sequence | np.ndarray) or len(color) != 3:
            fail("`color` must hold three numbers", received=color, argument="color")
        self.color = tuple(number(part, "color", low=0, high=1) for part in color)

    def image(self, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Return the noise; see `Start.image`."""
        values = rng.normal(self.color, self.deviation, (*shape, 3))
        return np.clip(values, 0, 1).astype("float32")

    def __repr__(self) -> str:
        color = "" if self.color == GREY else f", color={self.color}"
        return f"Noise({self.deviation}{color})"


class StyleStatistics(Start):
    """Normally distributed noise with the mean and covariance of a style picture's colours.

    Parameters
    ----------
    style : path, PIL image or array
    shape : (int, int), optional
        See `Start`.
    """

    def __init__(self, style: PictureLike, *, shape: tuple[int, int] | None = None) -> None:
        super().__init__(shape)
        self.style = as_image(style, "style")

    def image(self, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Return the noise; see `Start.image`."""
        colors = self.style.reshape(-1, 3).astype("float64")
        covariance = np.cov(colors, rowvar=False, bias=True)
        values = rng.multivariate_normal(colors.mean(axis=0), covariance, shape, method="eigh")
        return np.clip(values, 0, 1).astype("float32")

    def __repr__(self) -> str:
        return "StyleStatistics()"


class Mix(Start):
    """A picture mixed with another initial image.

    Parameters
    ----------
    picture : path, PIL image or array
        The picture, which is resized to the shape of the run.
    other : Start, path, PIL image or array, optional
        The initial image to mix in. Default: `Noise`.
    share : float
        Share of `other`, in [0, 1].
    """

    def __init__(
        self, picture: PictureLike, other: Start | PictureLike | None = None, share: float = 0.5
    ) -> None:
        self.picture = as_image(picture)
        super().__init__(self.picture.shape[:2])
        self.other = Noise() if other is None else other
        self.share = number(share, "a mix's share", low=0, high=1, argument="share")

    def image(self, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Return the mix; see `Start.image`."""
        if isinstance(self.other, Start):
            other = self.other.image(shape, rng)
        else:
            other = resize(as_image(self.other, "other"), shape)
        return (1 - self.share) * resize(self.picture, shape) + self.share * other

    def __repr__(self) -> str:
        return f"Mix(share={self.share})"


class Underpainting(Start):
    """Noise that has, in each region, the mean and covariance of the style region's colours.

    In pixels that no region covers, the mean and covariance are those of the whole style.

    Parameters
    ----------
    style : path, PIL image or array
    regions : sequence of (mask, style_mask)
        Masks in [0, 1], all of the same shape, and style masks with the height and width of the
        style.
    noise : float
        Standard deviation of the noise relative to the standard deviation of the style's colours,
        at least 0.
    grain : float
        Side of a grain of the noise in pixels, at least 1.
    """

    def __init__(
        self,
        style: PictureLike,
        regions: Iterable[tuple[np.ndarray, np.ndarray]],
        noise: float = 1.0,
        grain: float = 1.0,
    ) -> None:
        self.style = as_image(style, "style")
        self.masks, self.sources = zip(*regions, strict=True)
        super().__init__(self.masks[0].shape)
        self.noise = number(noise, "noise", low=0)
        self.grain = number(grain, "grain", low=1)

    def image(self, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Return the underpainting; see `Start.image`."""
        rest = (1 - operations.combine(self.masks, "sum"), np.ones(self.style.shape[:2], "float32"))
        coarse = [max(1, round(side / self.grain)) for side in shape]
        painted = np.zeros((*shape, 3), "float32")
        for mask, source in (*zip(self.masks, self.sources, strict=True), rest):
            mean = np.average(self.style.reshape(-1, 3), axis=0, weights=np.ravel(source))
            offsets = self.style.reshape(-1, 3) - mean
            covariance = (offsets * np.reshape(source, (-1, 1))).T @ offsets / np.sum(source)
            grain = rng.multivariate_normal(mean, self.noise**2 * covariance, coarse, method="eigh")
            grain = resize(np.clip(grain, 0, 1).astype("float32"), shape)
            painted += operations.resize(mask, shape)[..., None] * grain
        return np.clip(painted, 0, 1)

    def __repr__(self) -> str:
        return f"Underpainting(noise={self.noise:g}, grain={self.grain:g})"


StartLike = Start | PictureLike | Sequence[PictureLike]
"""A `Start`, a picture, or a batch of pictures."""


def start_of(initial: StartLike, terms: Iterable[Loss], seed: int, tile: str | None = None):
    """Return the initial image ``[B, H, W, 3]``, and the picture for callable masks, or None.

    With `tile`, the initial image is made periodic; see `image.periodic`.

    Raises
    ------
    InputError
        If a `Start` has no shape, and there is no content to take the shape from.
    """
    contents = [term.reference for term in terms if isinstance(term, ContentLoss)]
    if isinstance(initial, Start):
        content = contents[0] if contents else None
        shape = initial.shape or (None if content is None else content.shape[1:3])
        if shape is None:
            fail(
                "`initial` must have a shape",
                expected="shape=(H, W), or a ContentLoss with a reference",
                received=repr(initial),
                argument="initial",
            )
        batch = 1 if content is None else len(content)
        rng = np.random.default_rng(seed)
        starts = [initial.image(tuple(shape), rng) for _ in range(batch)]
        with caused_by("initial"):
            image = as_batch(starts, "start")
        if content is not None:  # it may have another size
            content = resized(content, image.shape[1:3])
    else:
        with caused_by("initial"):
            image = as_batch(initial, "start")
        if contents and np.array_equal(contents[0], image):
            image = contents[0]  # avoid a second copy
        content = image
    if tile is not None:
        image = np.stack([periodic(one, tile) for one in image])
    # A callable mask needs a single picture, which a batch does not have.
    return image, content[0] if content is not None and len(content) == 1 else None


def resized(images: np.ndarray, shape: tuple[int, int], tile: str | None = None) -> np.ndarray:
    """Return a batch of pictures resized to (H, W), periodic along the axes in `tile`."""
    if tuple(images.shape[1:3]) == tuple(shape):
        return images
    return np.stack([resize(image, shape, tile=tile) for image in images])
