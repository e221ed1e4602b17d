"""Lists the pictures of a folder, and everything in it that is passed over."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from p2p_jax.data.names import natural_key
from p2p_jax.data.pictures import SUFFIXES

CONVERT = "convert them to PNG or JPEG"
SCANS = "convert them to 16-bit PNG, TIFF or NPY, one slice per file"
ADVICE = {
    **dict.fromkeys((".heic", ".heif", ".avif", ".gif", ".jp2", ".tga", ".psd", ".svg", ".pdf", ".eps", ".ico"), CONVERT),
    **dict.fromkeys((".exr", ".hdr", ".cr2", ".nef", ".dng", ".arw", ".raw"), "convert them to TIFF or NPY"),
    **dict.fromkeys((".dcm", ".dicom", ".nii", ".nii.gz", ".mha", ".nrrd", ".mat", ".h5"), SCANS),
    **dict.fromkeys((".mp4", ".avi", ".mov", ".mkv", ".webm"), "extract their frames as PNG"),
    **dict.fromkeys((".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar"), "unpack them"),
}
"""What to do with files that are no pictures to this program, by their endings."""

BY_SYSTEMS = frozenset({"thumbs.db", "desktop.ini", ".ds_store"})
"""Files that operating systems write and nobody misses, in lower case."""


class Listing(NamedTuple):
    """The content of a folder and its sub-folders.

    Attributes:
        pictures: in natural order of their paths.
        passed_over: one phrase for each kind of file that is passed over, such as "2 .heic files (convert them …)".
    """

    pictures: list[Path]
    passed_over: list[str]


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or holds what an operating system adds to archives."""
    return name.startswith(".") or name == "__MACOSX"


def list_folders(folder: Path) -> list[Path]:
    """The sub-folders of a folder that are not hidden, links to folders included, in natural order."""
    if not folder.is_dir():
        return []
    found = (each for each in folder.iterdir() if not is_hidden(each.name) and each.is_dir())
    return sorted(found, key=lambda each: natural_key(each.name))


def list_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder and its sub-folders, in natural order of their paths; empty if it is no folder."""
    return list_content(folder).pictures


def list_content(folder: Path) -> Listing:
    """Lists a folder and its sub-folders. Links to folders are followed, each folder once, so that no loop is endless."""
    pictures: list[Path] = []
    endings: Counter[str] = Counter()
    broken: list[Path] = []
    hidden: list[Path] = []
    for parent, names in _walk(folder, hidden):
        for name in names:
            path = parent / name
            suffix = path.suffix.lower()
            if name.lower() in BY_SYSTEMS:
                continue
            if not path.exists():
                broken.append(path)
            elif is_hidden(name):
                endings["hidden"] += suffix in SUFFIXES
            elif suffix in SUFFIXES and path.is_file():
                pictures.append(path)
            else:
                endings[_ending(name)] += 1
    pictures.sort(key=lambda path: natural_key(path.relative_to(folder).as_posix()))
    return Listing(pictures, [*_describe(endings), *_describe_paths(folder, broken, hidden)])


def _walk(folder: Path, hidden: list[Path]) -> Iterator[tuple[Path, list[str]]]:
    """Yields each folder with the names of its files; collects the hidden folders, which are not entered."""
    seen = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        state = os.stat(parent)
        if (state.st_dev, state.st_ino) in seen:
            folders.clear()
            continue
        seen.add((state.st_dev, state.st_ino))
        hidden += [Path(parent, name) for name in folders if is_hidden(name)]
        folders[:] = sorted((name for name in folders if not is_hidden(name)), key=natural_key)
        yield Path(parent), names


def _ending(name: str) -> str:
    """The ending of a name in lower case, both parts of endings such as .nii.gz; "" if it has none."""
    match = re.search(r"(\.nii|\.tar)?\.[^.]*$", name.lower())
    return match[0] if match else ""


def _describe(endings: Counter[str]) -> Iterator[str]:
    for ending, number in sorted(endings.items()):
        if not number:
            continue
        files = "file" if number == 1 else "files"
        kind = "hidden" if ending == "hidden" else ending or "nameless"
        what = f"{number} {kind} {files}" if ending else f"{number} {files} without an ending"
        yield f"{what} ({ADVICE[ending]})" if ending in ADVICE else what


def _describe_paths(folder: Path, broken: list[Path], hidden: list[Path]) -> Iterator[str]:
    for word, paths in (("broken link", broken), ("hidden folder", hidden)):
        if paths:
            name = paths[0].relative_to(folder)
            yield f"the {word} {name}" if len(paths) == 1 else f"{len(paths)} {word}s, the first {name}"
