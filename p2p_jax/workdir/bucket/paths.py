"""Which folder is the local copy of a remote workdir, and how its files are named in messages."""

from pathlib import Path

from p2p_jax.workdir.bucket.local_copy import URL_FILE


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
