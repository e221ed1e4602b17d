"""URLs of places in buckets: which are supported, and how they are opened."""

import re
from typing import Any

from p2p_jax.errors import UserError

EXTRAS = {"gs": "gcs", "s3": "s3", "az": "azure", "file": None}
"""For each scheme, the extra of this package that installs what fsspec needs."""

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_url(word: str) -> bool:
    """Whether a word is the URL of a place in a bucket."""
    return re.match(rf"({'|'.join(EXTRAS)})://", word) is not None


def has_scheme(word: str) -> bool:
    """Whether a word is any URL, supported or not."""
    return SCHEME.match(word) is not None


def open_files(url: str) -> tuple[Any, str]:
    """Opens the place at a URL. Errors of the package for the bucket are not converted.

    Returns:
        the file system of fsspec, and the path of the place in it.

    Raises:
        UserError: the package for the scheme of the URL is not installed.
    """
    import fsspec

    scheme = url.partition(":")[0]
    options = {"auto_mkdir": True} if scheme == "file" else {}
    try:
        return fsspec.core.url_to_fs(url, **options)
    except ImportError:
        raise UserError(
            f"{scheme}:// needs a package that is not installed: install p2p-jax[{EXTRAS[scheme]}], or give a folder."
        ) from None


def first_line(error: BaseException) -> str:
    """The type of an error and the first line of its message."""
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}"
