"""Make the pictures of the documentation: ``python docs/make_pictures.py WEIGHTS_FILE``.

The photograph comes with scikit-image (the cat Chelsea by Stefan van der Walt, CC0). The paintings
are drawn by `stylekit.image.drawn`, stroke by stroke. The results are computed: minutes on a
processor.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import skimage
from PIL import Image

import stylekit as sk
from stylekit._defaults import NEIGHBOR_STEPS
from stylekit.cli.commands.demo import LABELS, pictures, subject
from stylekit.image import drawn

FOLDER = Path(__file__).parent / "pictures"
SIZE = 480
LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1")


def save(name, picture, quality=76, limit=None):
    """Write a JPEG of the documentation's size, of at most so many kilobytes."""
    if picture.dtype != np.uint8:
        picture = np.uint8(np.clip(picture, 0, 1) * 255 + 0.5)
    path = FOLDER / f"{name}.jpg"
    while True:
        Image.fromarray(picture).save(path, quality=quality, optimize=True, progressive=True)
        if limit is None or path.stat().st_size <= limit * 1024:
            break
        quality -= 4
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KB", flush=True)


def results(extractor, photo, night, meadow):
    """Save the photograph in one style, and in both along a ramp."""
    layers = {"style_layers": LAYERS, "content_layers": LAYERS[-1:]}
    options = {"size": SIZE, "extractor": extractor, **layers}
    progress = [sk.ProgressBar()]
    save("cat_night", sk.stylize(photo, night, callbacks=progress, **options).image)
    ramp = sk.masks.linear_gradient(photo.shape[:2], start=0.2, stop=0.8)
    both = sk.stylize(photo, [night, meadow], mask=[ramp, 1 - ramp], callbacks=progress, **options)
    save("cat_ramp", both.image)


def localized(extractor, night):
    """Save an astronaut before a painted background, painted herself, and as a portrait."""
    photo, person = subject(320)
    layers = {"style_layers": LAYERS, "content_layers": LAYERS[-1:]}
    recipes = [
        sk.recipes.localized(photo, night, person, keep=keep, size=None, **layers)
        for keep in ("subject", "background")
    ]
    images = [recipe.run(extractor=extractor).image for recipe in recipes]
    portrait = sk.blend.portrait(photo, person)
    save("localized", np.concatenate([*images, portrait], axis=1))


def inside(extractor):
    """Save what the Gram matrix of each layer knows of a painting, and its features of the cat."""
    night, photo = drawn.night(256), sk.image.as_image(skimage.data.chelsea(), size=256)
    textures = {"the sample": night}
    for name, layers in {**{layer: layer for layer in LAYERS}, "all four": LAYERS}.items():
        recipe = sk.recipes.texture(night, style_layers=layers, size=256)
        textures[name] = recipe.run(steps=100, extractor=extractor)
    save("textures", sk.image.contact_sheet(textures, columns=3, size=160))
    pictures = {"the photograph": photo}
    for layer in LAYERS:
        recipe = sk.recipes.reconstruct(photo, layers=layer, size=256)
        pictures[layer] = recipe.run(steps=60, extractor=extractor).image
    eyes = {name: picture[40:125, 75:203] for name, picture in pictures.items()}
    save("layers", sk.image.contact_sheet(eyes, columns=3, size=200))


def tile(extractor):
    """Save four copies of a texture that has seams, and of one that tiles."""
    recipe = sk.recipes.texture(skimage.data.brick()[::2, ::2], size=192, style_loss="neighbors")
    made = (recipe.run(extractor=extractor, tile=one).image for one in (None, "both"))
    sheets = [np.tile(image, (2, 2, 1)) for image in made]
    gap = np.ones((len(sheets[0]), 16, 3))
    save("tile", np.concatenate([sheets[0], gap, sheets[1]], axis=1), limit=90)


def demo():
    """Save the sheet that `stylekit demo` makes, in small."""
    made = pictures(320, NEIGHBOR_STEPS, progress=False)
    done = {LABELS[name]: picture for name, picture in made}
    save("demo", sk.image.contact_sheet(done, columns=3, size=240), limit=60)


def main():
    """Make every picture, or without weights all but VGG19's results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("weights", nargs="?", help="VGG19's .h5 or .npz; default: no results")
    weights = parser.parse_args().weights
    photo = sk.image.as_image(skimage.data.chelsea(), size=SIZE)
    night, meadow = drawn.night(SIZE), drawn.meadow(SIZE)
    for name, picture in {"cat": photo, "night": night, "meadow": meadow}.items():
        save(name, picture)
    demo()
    if weights:
        extractor = sk.VGG19(weights)
        results(extractor, photo, night, meadow)
        localized(extractor, night)
        inside(extractor)
        tile(extractor)


if __name__ == "__main__":
    main()
