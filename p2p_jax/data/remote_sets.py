"""Prepared sets in a bucket: finding them, and opening their local copies."""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from p2p_jax.errors import UserError
from p2p_jax.storage import set_cache
from p2p_jax.storage.shards import Listed, Shards, version_of
from p2p_jax.storage.urls import first_line, open_files

RECORD = "p2p_jax.json"
"""The file beside the shards of a set that this program prepared: its source, a checksum of all its records, and the
SHA-256 of each shard."""

INFO = "dataset_info.json"

FILE_NAME = re.compile(r"[\w+-][\w.+-]*")
"""Names of files that a set may have: no folders, and no name that leads out of the folder."""

DESCRIPTION = re.compile(r".*\.(json|txt)")
"""Names of the files that describe a set; they are fetched when the set is opened."""

DESCRIPTION_BYTES = 2**24
"""Largest size of one of these files."""


def list_folders_with(url: str, folder: str, name: str) -> list[str]:
    """Finds the folders one or two levels below a folder in a bucket that hold a file of a name.

    Args:
        url: of a place.
        folder: relative to it.
        name: of the file.

    Returns:
        the folders, relative to `url`.

    Raises:
        UserError: the bucket cannot be read.
    """
    found = []
    for path in _find(f"{url}/{folder}"):
        *parts, last = path.split("/")
        if last == name and 1 <= len(parts) <= 2 and all(FILE_NAME.fullmatch(part) for part in parts):
            found.append("/".join((folder, *parts)))
    return found


def open_shards(url: str) -> Shards:
    """Opens a version of a set in a bucket: makes its folder in the cache, and fetches its description.

    Args:
        url: of the folder of the version.

    Raises:
        UserError: the bucket cannot be read, the cache has no room, or the set wants to run code.
        NotFetched: the description cannot be fetched.
    """
    files = {
        name: Listed(int(info["size"]), version_of(info))
        for name, info in _find(url).items()
        if FILE_NAME.fullmatch(name) and (".array_record" in name or DESCRIPTION.fullmatch(name))
    }
    identity = hashlib.sha256(json.dumps([url, sorted(files.items())]).encode()).hexdigest()[:16]
    title = re.sub(r"[^\w.-]", "_", "-".join(url.split("/")[-2:]))
    folder = set_cache.join(f"{title}-{identity}", sum(each.size for each in files.values()), url)
    shards = Shards(url, folder, files)
    for name, listed in files.items():
        if DESCRIPTION.fullmatch(name):
            if listed.size > DESCRIPTION_BYTES:
                raise UserError(f"{url}/{name} has {listed.size} bytes, which is too much: remove it from the set.")
            shards.fetch(name)
    shards.sums.update(_read_sums(shards))
    return shards


def check_listed(shards: Shards, paths: Iterable[Any], title: str) -> None:
    """Checks that the shards that a set names are in its own folder in the bucket.

    Args:
        shards: the set.
        paths: of its shards in the local copy, as tensorflow-datasets names them.
        title: of the set, for messages.

    Raises:
        UserError: a shard is missing, or its path leads out of the folder.
    """
    for path in map(Path, paths):
        if path.parent != shards.folder or path.name not in shards.files:
            raise UserError(
                f"{title} is not complete, {shards.url}/{path.name} is missing: copy the set to the bucket again, with all "
                "of its files."
            )


def describe_arrival(shards: Shards, title: str) -> tuple[str, ...]:
    """Where a set is read from, in a sentence."""
    there = sum(listed.size for name, listed in shards.files.items() if shards.is_there(name))
    total = sum(listed.size for listed in shards.files.values())
    amounts = f"{there / 2**20:.3g} of {total / 2**20:.3g} MiB of {title} are in {shards.folder}"
    if there == total:
        return ()
    return (f"{amounts}; what is needed of the rest is fetched from {shards.url} meanwhile.",)


def _find(url: str) -> dict[str, dict[str, Any]]:
    """The files below a URL, by their names relative to it, with what fsspec knows about them."""
    try:
        files, root = open_files(url)
        files.invalidate_cache()
        try:
            found = files.find(root, detail=True)
        except FileNotFoundError:
            found = {}
    except UserError:
        raise
    except Exception as error:  # each package of fsspec raises its own types of errors
        raise UserError(
            f"{url} cannot be read ({first_line(error)}): check that the bucket exists, and that you have access to it."
        ) from error
    return {path.removeprefix(root).lstrip("/"): info for path, info in found.items()}


def _read_sums(shards: Shards) -> dict[str, str]:
    """The SHA-256 of each shard, as far as the set's record holds them."""
    path = shards.folder / RECORD
    try:
        sums = json.loads(path.read_text(encoding="utf-8")).get("shards", {}) if path.exists() else {}
        return {str(name): str(value) for name, value in sums.items()}
    except (ValueError, AttributeError):
        raise UserError(f"{shards.url}/{RECORD} is damaged: copy the set to the bucket again.") from None
