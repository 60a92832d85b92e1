"""The memory of the host that this process can still take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

GROUP_FILES = {
    "cgroup": (("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file"),
    "cgroup2": (("memory.max", "memory.high"), "memory.current", "inactive_file"),
}
"""For each type of file system: the files with limits of a control group, the file with its usage,
and the entry of ``memory.stat`` whose memory can be freed. ``memory.high`` is treated as a limit,
because a group that exceeds it is slowed down severely."""

OWN_LIMITS = {"Max address space": "VmSize", "Max data size": "VmData"}
"""Limits of a process in ``/proc/self/limits``, and the entries of ``/proc/self/status`` that these
limits apply to."""


def free_on_host(root: Path = Path("/")) -> int | None:
    """Return the bytes that this process can still take, or None if that is unknown.

    This is the smallest of three amounts: what is free on the machine, what the control groups of
    the process allow, and what the limits of the process (``ulimit -v`` and ``-d``) allow. A
    container or a service is a control group. The groups that contain it can also have limits.

    Parameters
    ----------
    root : Path
        The folder that contains ``/proc`` and the mounts of control groups.
    """
    known = _match(r"^MemAvailable: +(\d+) kB", _read(root / "proc/meminfo"))
    free = [] if known is None else [1024 * known]
    for folder, kind in memory_groups(root):
        free += _left_in_group(folder, kind)
    limits, status = (_read(root / "proc/self" / name) for name in ("limits", "status"))
    for limit, size in OWN_LIMITS.items():
        most, now = _match(rf"^{limit} +(\d+) ", limits), _match(rf"^{size}:\s+(\d+) kB", status)
        if most is not None and now is not None:
            free.append(most - 1024 * now)
    return max(0, min(free)) if free else None


def memory_groups(root: Path = Path("/")) -> Iterator[tuple[Path, str]]:
    """Yield the folders of the control groups of this process, from the innermost outwards.

    Each folder comes with the type of its file system, a key of `GROUP_FILES`. A folder may not
    exist: a container may see its own group at the root of the mount, while the path is the one
    outside of the container.
    """
    mounts = re.findall(
        r"^\S+ \S+ \S+ (\S+) (\S+) .* - (cgroup2?) \S+ (\S+)$",
        _read(root / "proc/self/mountinfo"),
        re.MULTILINE,
    )
    lines = re.findall(r"^(\d+):([^:\n]*):(.*)$", _read(root / "proc/self/cgroup"), re.MULTILINE)
    for number, controllers, path in lines:
        kind = "cgroup2" if number == "0" else "cgroup"
        if kind == "cgroup" and "memory" not in controllers.split(","):
            continue
        for top, mount, type_, options in mounts:
            if type_ == kind and (kind == "cgroup2" or "memory" in options.split(",")):
                folder = root / _unescaped(mount).lstrip("/")
                yield from ((folder / below, kind) for below in _below(path, _unescaped(top)))


def _below(path: str, top: str) -> list[str]:
    """Return the path of a group, and of the groups above it, relative to the mounted group."""
    group = PurePosixPath(path)
    if ".." in group.parts or not group.is_relative_to(top):
        return ["."]  # outside of the mounted group
    relative = group.relative_to(top)
    return [str(relative), *map(str, relative.parents)]


def _left_in_group(folder: Path, kind: str) -> list[int]:
    """Return the bytes that each limit of a control group leaves free."""
    limits, usage, cache = GROUP_FILES[kind]
    used = _match(r"^(\d+)$", _read(folder / usage))
    dropped = _match(rf"^{cache} (\d+)$", _read(folder / "memory.stat")) or 0
    most = [_match(r"^(\d+)$", _read(folder / name)) for name in limits]
    return [] if used is None else [one - used + dropped for one in most if one is not None]


def _read(path: Path) -> str:
    """Return the text of a file, or an empty string if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:  # another operating system, or another kind of group
        return ""


def _match(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text, re.MULTILINE)
    return int(found[1]) if found else None


def _unescaped(path: str) -> str:
    """Return a path from ``mountinfo``, where spaces and other characters are octal codes."""
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), path)
