"""Foreign names: where a file of that name may lie, and how the name is shown."""

import os
import re
from pathlib import Path

from p2p_jax.errors import UserError

# Control characters, marks that change the direction of text, other ends of lines, and bytes that are not UTF-8.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
NO_BYTES = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # surrogates that encode no byte
ESCAPED_BYTES = range(0xDC80, 0xDD00)
"""The characters with which Python represents the bytes of a file name that cannot be decoded."""


def join_inside(folder: Path, name: str, source: str) -> Path:
    """Joins a name from outside, such as that of an object in a bucket, to a folder.

    Args:
        folder: in which the file must lie.
        name: with "/" between its parts.
        source: what the name comes from, for the message, such as "the archive a.tar.gz".

    Raises:
        UserError: the name leads out of the folder, through a link too, or is not the name of a file.
    """
    path = folder.joinpath(*split_inside(name, source))
    if any(each.is_symlink() for each in path.parents if each != folder and each.is_relative_to(folder)):
        raise refuse_outside(name, source)
    return path


def split_inside(name: str, source: str) -> list[str]:
    """The parts of a foreign name that leads to a file in its folder; arguments and errors are those of `join_inside`."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    is_foreign = os.name == "nt" and any(character in name for character in "\\:")
    if not parts or name.startswith("/") or ".." in parts or "\0" in name or is_foreign:
        raise refuse_outside(name, source)
    return parts


def refuse_outside(name: str, source: str) -> UserError:
    """The error for a foreign name that leads out of its folder; the arguments are those of `join_inside`."""
    return UserError(f"{source} holds '{printable(name)}', a path outside of it: do not use it, get another copy.")


def _has_link(folder: Path, path: Path) -> bool:
    """Whether a link leads from one folder to the next on the way to a file."""
    return any(each.is_symlink() for each in path.parents if each != folder and each.is_relative_to(folder))


def printable(text: object, *, lines: bool = False) -> str:
    r"""Replaces everything in a text that could control a terminal, forge a line or fail to be encoded.

    >>> print(printable("a\x1b[2J\n.png"), printable("caf\udcc3\udca9"), printable("caf\udce9"))
    a\x1b[2J\n.png café caf\xe9

    Args:
        text: is converted to a string first.
        lines: keep line breaks and tabs, because the text is known to have several lines.
    """
    text = str(text)
    if any(ord(character) in ESCAPED_BYTES for character in text):
        # Where the locale is not UTF-8, Python escapes the bytes of names that are.
        data = b"" if NO_BYTES.search(text) else text.encode("utf-8", "surrogateescape")
        text = data.decode("utf-8", "surrogateescape") or text
    return UNSAFE.sub(lambda found: found[0] if lines and found[0] in "\n\t" else _escape(found[0]), text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code - 0xDC00:02x}" if code in ESCAPED_BYTES else character.encode("unicode_escape").decode()


def name_bytes(name: str) -> bytes:
    """The bytes of a file name: UTF-8, or whatever the file system holds, also where Python cannot decode it."""
    return name.encode("utf-8", "surrogatepass" if NO_BYTES.search(name) else "surrogateescape")
