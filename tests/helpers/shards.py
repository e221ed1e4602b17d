"""Three files of a set in a folder that serves as a bucket, opened without the libraries that read sets."""

from pathlib import Path

from fsspec.implementations.local import LocalFileSystem

from p2p_jax.storage import set_cache
from p2p_jax.storage.shards import Listed, Shards, version_of

NAMES = tuple(f"s.array_record-{i:05}-of-00003" for i in range(3))


def opened(bucket: Path, **options) -> Shards:
    files = {}
    for path in bucket.iterdir():
        info = LocalFileSystem().info(str(path))
        files[path.name] = Listed(info["size"], version_of(info))
    return Shards(f"file://{bucket}", set_cache.join("s", 1, "file://s"), files, **options)
