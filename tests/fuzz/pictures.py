"""Read damaged picture files, and tell whether anything but a picture or a plain error comes out.

    python tests/fuzz/pictures.py 20000 --seed 1 --keep FOLDER

Each file is a small valid one of some format with a few changes, the same for the same seed. It is
read as a picture and as a mask, and what was read is the source of alpha and EXIF data of a new
file. Right is a float32 array [H, W, 3] in [0, 1], or a FileError or InputError, in little time and
memory. The table counts the files by format and by kind of change; whatever else happened is told
with the number by which ``--only`` repeats it, and its file goes to ``--keep``.
"""

import argparse
import collections
import io
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from pathlib import Path
from unittest import mock

import numpy as np
import tifffile
from PIL import Image, PngImagePlugin, features

from stylekit._checks import FileError, InputError
from stylekit.image import read_image, write_image
from stylekit.image._formats.profile import srgb_profile
from stylekit.masks import as_mask

PIXELS = 2**20  # Pillow's limit meanwhile: claims within its own take their time
SLOW = 5.0  # seconds, on a busy machine
LARGE = 256  # MB by which the process may grow for one
MEMORY = 4  # GB of addresses that the process may have beyond what it begins with
NUMBERS = (0, 1, 2, 3, 4, 8, 9, 12, 15, 16, 17, 31, 32, 33, 64, 127, 128, 255, 256, 1000, 32767)
NUMBERS += (32768, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)


def seeds():
    """Return small valid files: lists of contents by format."""
    rows, columns = np.mgrid[:20, :24]
    rgb = np.stack([rows * 12, columns * 10, (rows + columns) * 5], -1).astype(np.uint8)
    photo = Image.fromarray(rgb)
    rgba = photo.copy()
    rgba.putalpha(Image.fromarray(rgb[..., 0]))
    deep = rgb.astype(np.uint16) * 257
    exif = Image.Exif()
    exif[274], exif[315], exif[270] = 6, "Ada", "A ramp"
    exif.get_ifd(0x8769)[0xA001] = 65535
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    exif.get_ifd(0x8825)[1] = "N"
    described = {"exif": exif, "icc_profile": srgb_profile()}
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", struct.pack(">I", 60000))
    info.add(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000))
    info.add(b"cICP", bytes([12, 13, 0, 1]))
    info.add_text("Comment", "x" * 500, zip=True)
    info.add_itxt("Title", "ä", "de", "Titel")

    def saved(im, kind, **options):
        file = io.BytesIO()
        im.save(file, kind, **options)
        return file.getvalue()

    def tiff(values, **options):
        file = io.BytesIO()
        tifffile.imwrite(file, values, **{"metadata": None, "photometric": "rgb", **options})
        return file.getvalue()

    grey = {"photometric": "minisblack"}
    frames = {"save_all": True, "append_images": [photo.rotate(90), photo.rotate(180)]}
    avif = [("AVIF", rgba)] if features.check("avif") else []
    others = (
        *avif,
        ("ICO", rgba),
        ("TGA", rgba),
        ("PCX", photo),
        ("SGI", photo),
        ("JPEG2000", rgba),
    )
    return {
        "PNG": [
            *(saved(photo.convert(mode), "PNG") for mode in ("1", "L", "P", "RGB")),
            *(saved(im, "PNG", **described) for im in (rgba, rgba.convert("LA"), photo)),
            saved(photo, "PNG", pnginfo=info),
            saved(Image.fromarray(deep[..., 0]), "PNG", pnginfo=info),
            saved(photo.convert("P"), "PNG", transparency=bytes(range(100))),
            saved(photo, "PNG", **frames),
        ],
        "JPEG": [
            *(saved(photo.convert(mode), "JPEG") for mode in ("L", "RGB", "CMYK")),
            saved(photo, "JPEG", progressive=True, **described),
        ],
        "TIFF": [
            *(
                saved(photo, "TIFF", compression=f"tiff_{name}")
                for name in ("lzw", "adobe_deflate")
            ),
            *(saved(rgba, "TIFF", compression=name) for name in ("packbits", "raw")),
            *(saved(photo, "TIFF", compression=name) for name in ("jpeg", "lzma", "zstd")),
            saved(photo.convert("1"), "TIFF", compression="group4"),
            saved(photo.convert("CMYK"), "TIFF", compression="tiff_lzw"),
            saved(Image.fromarray(deep[..., 0]), "TIFF", compression="zstd"),
            saved(photo, "TIFF", tiffinfo={270: "A ramp", 315: "Ada"}, icc_profile=srgb_profile()),
        ],
        "TIFF, deep": [
            tiff(deep),
            tiff(deep, compression="zlib", predictor=True, iccprofile=srgb_profile()),
            tiff(deep, compression="lzma", byteorder=">", rowsperstrip=7),
            tiff(deep, tile=(16, 16), bigtiff=True, description="A ramp"),
            tiff(np.moveaxis(deep, -1, 0), planarconfig="separate", compression="zlib"),
            tiff(np.dstack([deep, deep[..., 0]]), extrasamples=["assocalpha"]),
            tiff(np.float32(rgb / 255), compression="zlib"),
            tiff(np.float16(rgb / 255)),
            tiff(deep[..., 0], **grey, extratags=[(274, "H", 1, 5, True)]),
            tiff(deep[..., 0].astype(np.uint32), photometric="miniswhite"),
        ],
        "GIF": [saved(photo, "GIF"), saved(photo, "GIF", **frames), saved(rgba, "GIF")],
        "WebP": [
            saved(photo, "WEBP", **described),
            saved(rgba, "WEBP", lossless=True),
            saved(rgba, "WEBP", **frames),
        ],
        "BMP": [saved(photo.convert(mode), "BMP") for mode in ("1", "L", "P", "RGB")],
        "PPM": [
            *(saved(photo.convert(mode), "PPM") for mode in ("1", "L", "RGB")),
            saved(Image.fromarray(deep[..., 0]), "PPM"),
            b"P3 4 2 15\n" + b"1 2 3 " * 8,
            b"Pf\n4 2\n-1.0\n" + bytes(4 * 2 * 4),
        ],
        "others": [saved(im, kind) for kind, im in others],
    }


def flipped(content, rng):
    """Change some bytes anywhere."""
    for place in rng.integers(0, len(content), rng.integers(1, 9)):
        content[place] ^= int(rng.integers(1, 256))
    return content


def cut(content, rng):
    """Leave out the end, a part in the middle, or add what is not due."""
    first, last = sorted(map(int, rng.integers(0, len(content) + 1, 2)))
    kept = (content[:first], content[:first] + content[last:], content[:last] + content[first:])
    return kept[rng.integers(3)]


def numbered(content, rng):
    """Write a number that means something into the first bytes, where headers are, or anywhere."""
    for _ in range(rng.integers(1, 4)):
        size = int(rng.choice([1, 2, 4]))
        reach = min(len(content), 400) if rng.random() < 0.8 else len(content)
        place = int(rng.integers(0, max(1, reach - size)))
        number = int(rng.choice(NUMBERS)) % 256**size
        content[place : place + size] = number.to_bytes(
            size, "big" if rng.random() < 0.5 else "little"
        )
    return content


def fields(content, rng):
    """Change fields where the format has them: the entries of a TIFF directory, a PNG's chunks."""
    if content[:4] in (b"II*\0", b"MM\0*"):
        order = "<" if content[:1] == b"I" else ">"
        (place,) = struct.unpack_from(f"{order}I", content, 4)
        (count,) = struct.unpack_from(f"{order}H", content, place)
        for _ in range(rng.integers(1, 4)):
            entry = place + 2 + 12 * int(rng.integers(count))
            offset, size, reach = ((0, 2, 600), (2, 2, 16), (4, 4, 0), (8, 4, 0), (8, 2, 0))[
                rng.integers(5)
            ]
            number = (
                int(rng.integers(reach))
                if reach and rng.random() < 0.5
                else int(rng.choice(NUMBERS))
            )
            kind = f"{order}{'H' if size == 2 else 'I'}"
            struct.pack_into(kind, content, entry + offset, number % 256**size)
        return content
    if content[:4] == b"\x89PNG":
        return chunks_changed(content, rng)
    return numbered(content, rng)


def chunks_changed(content, rng):
    """Change, double or leave out a chunk of a PNG file, with the right checksum."""
    chunks, place = [], 8
    while place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    index = int(rng.integers(len(chunks)))
    kind, data = chunks[index]
    way = rng.random()
    if way < 0.1:
        chunks.insert(int(rng.integers(len(chunks))), chunks[index])
    elif way < 0.2:
        del chunks[index]
    elif data:
        change = (flipped, cut, numbered)[rng.integers(3)]
        if kind == b"IDAT" and rng.random() < 0.5:  # within what is compressed
            data = zlib.compress(bytes(change(bytearray(zlib.decompress(data)), rng)))
        else:
            data = change(bytearray(data), rng)
        chunks[index] = kind, data
    result = bytearray(b"\x89PNG\r\n\x1a\n")
    for kind, data in chunks:
        result += struct.pack(">I", len(data)) + kind + data
        result += struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
    return result


CHANGES = {"bytes": flipped, "length": cut, "numbers": numbered, "fields": fields}


def damaged(files, seed, number):
    """Return a file's format, the kind of its change, and its content; the same every time."""
    rng = np.random.default_rng([seed, number])
    form = list(files)[rng.integers(len(files))]
    kind = list(CHANGES)[rng.integers(len(CHANGES))]
    content = bytearray(files[form][rng.integers(len(files[form]))])
    return form, kind, bytes(CHANGES[kind](content, rng))


def outcome(content, folder):
    """Return "read" or "refused"; raise whatever else comes of a file."""
    before, start = memory(), time.perf_counter()
    result = "refused"
    with warnings.catch_warnings(), mock.patch.object(Image, "MAX_IMAGE_PIXELS", PIXELS):
        warnings.simplefilter("ignore")
        for read in (read_image, as_mask):
            try:
                image = read(content)
            except (FileError, InputError) as error:
                if "needs more memory than is available" in str(error):
                    raise AssertionError("it asks for all memory") from error
                continue
            assert image.dtype == np.float32
            assert image.ndim == (3 if read is read_image else 2)
            assert image.shape[2:] in ((3,), ())
            assert image.size
            assert 0 <= image.min() <= image.max() <= 1
            if read is read_image:
                result = "read"
                suffix = (".jpg", ".png", ".tif", ".webp")[len(content) % 4]
                write_image(folder / f"copy{suffix}", image[:8, :8], like=content)
    seconds, grown = time.perf_counter() - start, memory() - before
    assert seconds < SLOW, f"it takes {seconds:.1f} s"
    assert grown < LARGE, f"it takes {grown:.0f} MB"
    return result


def memory():
    """Return the most memory that the process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, nargs="?", default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="the number of one file to try")
    parser.add_argument("--keep", type=Path, help="where files go that are not as they should be")
    given = parser.parse_args()
    files = seeds()
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY * 2**30,) * 2)
    counts = collections.defaultdict(collections.Counter)
    numbers = range(given.count) if given.only is None else [given.only]
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            form, kind, content = damaged(files, given.seed, number)
            if given.keep:  # should the process crash, this is the file
                given.keep.mkdir(exist_ok=True)
                (given.keep / "last").write_bytes(content)
            start = time.perf_counter()
            try:
                result = outcome(content, Path(folder))
            except Exception as error:
                result = "else"
                print(f"{number} ({form}, {kind}): {type(error).__name__}: {error}", flush=True)
                if given.only is not None:
                    traceback.print_exc()
                if given.keep:
                    (given.keep / f"{given.seed}-{number}").write_bytes(content)
            slowest = max(slowest, time.perf_counter() - start)
            for row in (form, f"change of {kind}", "all"):
                counts[row][result] += 1
    print(f"{'':18}{'tried':>8}{'read':>8}{'refused':>8}{'else':>8}")
    rows = (*files, *(f"change of {kind}" for kind in CHANGES), "all")
    for row in rows:
        found = counts[row]
        numbers = (found.total(), found["read"], found["refused"], found["else"])
        print(f"{row:18}" + "".join(f"{number:8}" for number in numbers))
    print(f"The slowest took {slowest:.2f} s; the process at most {memory():.0f} MB.")
    sys.exit(counts["all"]["else"] > 0)


if __name__ == "__main__":
    main()
