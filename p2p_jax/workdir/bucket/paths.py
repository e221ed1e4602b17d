"""Buckets: which URLs are supported, and which folder is the local copy of a remote workdir."""

import re
from pathlib import Path

from p2p_jax.workdir.bucket.local_copy import URL_FILE

EXTRAS = {"gs": "gcs", "s3": "s3", "az": "azure", "file": None}
"""For each scheme, the extra of this package that installs what fsspec needs."""


def is_url(word: str) -> bool:
    """Whether a word is the URL of a place in a bucket."""
    return re.match(rf"({'|'.join(EXTRAS)})://", word) is not None


def is_local_copy(folder: Path) -> bool:
    """Whether a folder is the local copy of a remote workdir."""
    return (folder / URL_FILE).is_file()


def display_name(path: Path) -> str:
    """Returns the path for messages: inside a local copy, the URL of the remote file."""
    for folder in (path, *path.parents):
        if is_local_copy(folder):
            url = (folder / URL_FILE).read_text(encoding="utf-8", errors="replace")
            return "/".join((url, *path.relative_to(folder).parts))
    return str(path)
