"""Make the pictures of the gallery: ``python docs/make_gallery.py [NAME ...]``.

The gallery's page is the program: its first Python block is what all pictures share, and each
later one makes the picture above it, which is saved to ``docs/pictures/gallery``. Pictures that
exist are left as they are, so that an interrupted run goes on; to make one again, name it.

VGG19's weights are found as everywhere (``STYLEKIT_WEIGHTS`` names a file), and the paintings in a
folder ``--paintings``. Pictures of a painting that is not there are left out.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

from make_pictures import FOLDER, save

import stylekit as sk

PAGE = Path(__file__).parent / "gallery.md"
PAINTINGS = "paintings"
"""The folder that the page reads, which stands for the one that is named."""


def pieces(text: str) -> tuple[str, dict[str, str]]:
    """Return what the pictures of a page share, and the code of each by its name."""
    shared, *rest = re.split(r"^```\{image\} pictures/gallery/", text, flags=re.MULTILINE)

    def code(part: str) -> str:
        return re.search(r"^```python\n(.*?)^```", part, re.MULTILINE | re.DOTALL)[1]

    return code(shared), {part[: part.index(".jpg")]: code(part) for part in rest}


def main() -> None:
    """Make the pictures that are not there, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all that are missing")
    parser.add_argument("--paintings", type=Path, default=Path(PAINTINGS), help="their folder")
    arguments = parser.parse_args()
    shared, codes = pieces(PAGE.read_text(encoding="utf-8"))
    missing = [name for name in codes if not (FOLDER / "gallery" / f"{name}.jpg").exists()]
    wanted = arguments.names or missing
    (FOLDER / "gallery").mkdir(exist_ok=True)
    names: dict = {}
    shared = shared.replace(f'"{PAINTINGS}/', f'"{arguments.paintings}/')
    exec(compile(shared, PAGE.name, "exec"), names)
    for name, code in codes.items():
        if name not in wanted:
            continue
        began, worked = time.perf_counter(), time.process_time()
        try:
            exec(compile(code, f"{PAGE.name}, {name}", "exec"), names)
        except sk.FileError as error:
            print(f"{name}: left out, {error}")
            continue
        result = names["result"]  # a run's, or a sheet of several
        limit = 40 if isinstance(result, sk.Result) else 96
        save(f"gallery/{name}", getattr(result, "image", result), limit=limit)
        seconds = time.perf_counter() - began
        print(f"{name}: {seconds:.0f} s, {time.process_time() - worked:.0f} s of the processor")


if __name__ == "__main__":
    main()
