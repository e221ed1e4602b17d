"""Servers on this machine that behave like S3 and GCS, as far as their packages are installed."""

import importlib.util
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pytest

PACKAGES = {"file": (), "s3": ("moto", "flask", "flask_cors", "s3fs"), "gs": ("gcp_storage_emulator", "gcsfs")}
"""For each scheme, the packages that its server and its client need."""


@contextmanager
def serve_bucket(scheme: str, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yields the URL of an empty bucket. This process and those that it starts reach it by environment variables.

    Args:
        scheme: "file", "s3" or "gs".
        folder: where a bucket is that is a folder.
        patch: sets the environment variables.
    """
    missing = [name for name in PACKAGES[scheme] if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")
    if scheme == "file":
        yield f"file://{folder}"
    elif scheme == "s3":
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        for name, value in (("KEY_ID", "test"), ("ACCESS_KEY", "test")):
            patch.setenv(f"AWS_{'SECRET_' if name == 'ACCESS_KEY' else 'ACCESS_'}{name}", value)
        host, port = server.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        try:
            fsspec.filesystem("s3", skip_instance_cache=True).mkdir("bucket")
            yield "s3://bucket"
        finally:
            server.stop()
    else:
        from gcp_storage_emulator.server import create_server

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = create_server("127.0.0.1", port, in_memory=True, default_bucket="bucket")
        server.start()
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        patch.setenv("GOOGLE_CLOUD_PROJECT", "test")
        try:
            yield "gs://bucket"
        finally:
            server.stop()


def upload(folder: Path, url: str) -> None:
    """Copies what a folder holds into a bucket."""
    files, root = fsspec.core.url_to_fs(url, skip_instance_cache=True, **({"auto_mkdir": True} if "file:" in url else {}))
    for path in folder.rglob("*"):
        if path.is_file():
            files.pipe_file(f"{root}/{path.relative_to(folder).as_posix()}", path.read_bytes())
