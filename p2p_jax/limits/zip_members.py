"""Counting the members of a zip file before it is opened."""

from typing import Any

from p2p_jax.limits.budget import MEMBERS, MIB, check_members

MARK = b"PK\1\2"  # begins each member's entry in the directory of a zip file
ENTRY = 46  # smallest size of an entry, in bytes


def check_zip(file: Any, size: int) -> None:
    """Refuses a zip file with too many members. Python's `zipfile` makes an object for each when it opens the file.

    Args:
        file: readable and seekable; its position is moved to the beginning.
        size: of the file, in bytes.

    Raises:
        OverBudget: it holds more than `budget.MEMBERS`.
    """
    file.seek(0)
    if size <= ENTRY * MEMBERS:
        return
    count, overlap = 0, b""
    while chunk := file.read(MIB):
        chunk = overlap + chunk
        count += chunk.count(MARK)
        check_members(count)
        overlap = chunk[-len(MARK) + 1 :]
    file.seek(0)
