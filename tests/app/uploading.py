"""Files as the page sends them, and those that nobody should send."""

import io
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

from stylekit.app.limits import Limits

SMALL = Limits(upload_bytes=300_000, pixels=1_000_000, side=64, steps=30, seconds=60)

SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


def encoded(picture, kind="PNG", **options):
    """The content of a picture's file."""
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(np.uint8(picture * 255 + 0.5))
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def upload(answers, content):
    """What the page's script tells of a file that it has sent."""
    return {"file": answers.uploads.put("here", content, "")}


def chunk(kind, content):
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def bomb(width, height):
    """A PNG of a few bytes that says it has many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def archive():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("../../etc/passwd", "root")
    return buffer.getvalue()


def noise(*shape):
    values = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return Image.fromarray(values)


def frames():
    images = [noise(40, 50, 3).quantize(16) for _ in range(3)]
    return encoded(images[0], "GIF", save_all=True, append_images=images[1:])


def texts(after):
    """A small picture with text of megabytes in a few kilobytes, before or after its pixels."""
    content = encoded(noise(40, 50, 3), "PNG")
    where = content.index(b"IEND" if after else b"IDAT") - 4
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(3_000_000)))
    return content[:where] + text + content[where:]


DEEP = np.arange(2000, dtype=np.uint16).reshape(40, 50)

FILES = {  # their contents, and what is to be said of them; None if they are pictures
    "text.png": (b"I am a picture, am I not?" * 10, "is not a picture that can be read"),
    "bomb.png": (bomb(60_000, 60_000), "has too many pixels"),
    "large.png": (bomb(2_000, 2_000), "has too many pixels"),
    "cut.jpg": (encoded(noise(90, 90, 3), "JPEG")[:2000], "is damaged or incomplete"),
    "text_before.png": (texts(after=False), "its text is too large"),
    "text_after.png": (texts(after=True), "its text is too large"),
    "script.svg": (SVG, "is not a picture that can be read"),
    "one.png": (encoded(noise(1, 1, 3), "PNG"), "is too small or too narrow"),
    "strip.png": (encoded(Image.new("RGB", (30_000, 10)), "PNG"), "is too small or too narrow"),
    "archive.png": (archive(), "is not a picture that can be read"),
    "empty.png": (b"", "is empty"),
    "heavy.png": (encoded(noise(400, 400, 3), "PNG"), "is too large"),
    "postscript.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not a picture"),
    "cmyk.jpg": (encoded(noise(40, 50, 4).convert("RGB").convert("CMYK"), "JPEG"), None),
    "deep.png": (
        encoded(Image.fromarray(np.arange(2000, dtype=np.uint16).reshape(40, 50)), "PNG"),
        None,
    ),
    "camera.avif": (encoded(noise(40, 50, 3), "AVIF"), "is not a picture that can be read"),
    "camera.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is not a picture that can be read"),
    "alpha.png": (encoded(noise(40, 50, 4), "PNG"), None),
    "animated.gif": (frames(), None),
    "../../etc/passwd.png": (encoded(noise(40, 50, 3), "PNG"), None),
}
