"""Files that are written whole or not at all, and what a person is told where a disk takes no more."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".tmp"
"""Of the names of unfinished files."""


TRY_AGAIN = "then start the same command again; what was saved is kept."


SENTENCES = {
    errno.ENOSPC: f"there is no space left on the disk: free some, {TRY_AGAIN}",
    getattr(errno, "EDQUOT", None): f"your share of the disk is used up (disk quota exceeded): free some, {TRY_AGAIN}",
    errno.EFBIG: (
        f"a file grew larger than the file system, or ulimit -f, lets it: give another disk or raise it, {TRY_AGAIN}"
    ),
    errno.EMFILE: f"more files would be open than the system allows: raise ulimit -n, {TRY_AGAIN}",
    errno.EIO: f"the disk failed (input/output error): see that it is there and sound, {TRY_AGAIN}",
}
"""What to say, by the number of the error."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of `path` in the end; where that fails, nothing is left of it."""
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        yield unfinished
        with unfinished.open("r+b") as file:
            os.fsync(file.fileno())  # or after a power failure there may be an empty file in the old one's place
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def explain(error: BaseException) -> str | None:
    """One sentence where a disk takes no more, in whatever words a library says so; or None."""
    seen: BaseException | None = error
    while seen is not None:
        told = re.search(r"os_error_code='(\d+)'", str(seen))
        number = int(told[1]) if told else getattr(seen, "errno", None)
        for each, sentence in SENTENCES.items():
            if each is not None and (number == each or os.strerror(each) in str(seen)):
                return sentence
        seen = seen.__cause__ or seen.__context__
    return None
