"""A server of a few files on this machine, which can be told to misbehave."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server:
    """What the server does, and what it was asked."""

    def __init__(self, files: dict[str, bytes]):
        self.files = dict(files)
        self.dates = dict.fromkeys(files, "Sun, 02 Sep 2018 08:58:00 GMT")
        self.ranges = self.honours_if_range = self.with_etag = self.with_date = self.with_length = True
        self.break_after: int | None = None  # bytes of each answer after which the connection is closed
        self.stall_after: int | None = None  # bytes after which nothing more comes
        self.weak = False  # whether ETags are weak ones
        self.skips = 0  # bytes left out at the beginning of a range
        self.busy = 0  # so many answers are 503
        self.requests: list[Message] = []
        self.answers: list[int] = []
        self.sent = 0
        self.port = 0
        self.stopped = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def etag(self) -> str:
        return self.etag_of(next(iter(self.files)))

    def etag_of(self, path: str) -> str:
        return f'{"W/" if self.weak else ""}"{hashlib.md5(self.files[path]).hexdigest()}"'

    def replace(self, path: str, content: bytes) -> None:
        self.files[path] = content
        self.dates[path] = "Mon, 03 Sep 2018 08:58:00 GMT"


@contextmanager
def serve(files: dict[str, bytes]) -> Iterator[Server]:
    """Serves files by path, such as "/set.tar.gz", until the end of the block."""
    server = Server(files)
    web = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"told": server}))
    web.daemon_threads = True
    server.port = web.server_address[1]
    thread = threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopped.set()
        web.shutdown()
        web.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    told: Any

    def do_GET(self) -> None:
        told = self.told
        told.requests.append(self.headers)
        if told.busy > 0 or self.path not in told.files:
            told.busy -= 1
            return self._answer(503 if told.busy >= 0 else 404, {"Content-Length": "0"})
        content = told.files[self.path]
        headers = {"ETag": told.etag_of(self.path)} if told.with_etag else {}
        if told.with_date:
            headers["Last-Modified"] = told.dates[self.path]
        start = 0
        asked = self.headers["Range"]
        condition = self.headers["If-Range"]
        same = condition is None or condition in headers.values() or not told.honours_if_range
        if asked and told.ranges and same:
            start = int(asked.removeprefix("bytes=").rstrip("-")) + told.skips
            if start >= len(content):
                return self._answer(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if told.with_length:
            headers["Content-Length"] = str(len(content) - start)
        self._answer(206 if "Content-Range" in headers else 200, headers)
        self._send(content[start:])

    def _answer(self, code: int, headers: dict[str, str]) -> None:
        self.told.answers.append(code)
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, content: bytes) -> None:
        told = self.told
        limits = [limit for limit in (told.break_after, told.stall_after) if limit is not None]
        end = min([len(content), *limits])
        try:
            for first in range(0, end, 10_000):
                piece = content[first : min(first + 10_000, end)]
                told.sent += len(piece)  # first, for the other side may be done before this one goes on
                self.wfile.write(piece)
            while told.stall_after is not None and not told.stopped.is_set():
                time.sleep(0.01)
        except OSError:
            pass  # the other side has gone

    def log_message(self, *_: Any) -> None:
        pass
