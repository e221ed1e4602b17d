"""A server of a few files on this machine, which can misbehave on request."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server:
    """The behaviour of the server, and the requests that it received."""

    def __init__(self, files: dict[str, bytes]):
        self.files = dict(files)
        self.dates = dict.fromkeys(files, "Sun, 02 Sep 2018 08:58:00 GMT")
        self.ranges = self.honours_if_range = self.with_etag = self.with_date = self.with_length = True
        self.break_after: int | None = None  # bytes of each answer after which the connection is closed
        self.stall_after: int | None = None  # bytes after which it sends no more
        self.weak = False  # whether ETags are weak ones
        self.skips = 0  # bytes omitted at the beginning of a range
        self.busy = 0  # number of answers that are 503
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
    web = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"served": server}))
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
    served: Any

    def do_GET(self) -> None:
        served = self.served
        served.requests.append(self.headers)
        if served.busy > 0 or self.path not in served.files:
            served.busy -= 1
            return self._answer(503 if served.busy >= 0 else 404, {"Content-Length": "0"})
        content = served.files[self.path]
        headers = {"ETag": served.etag_of(self.path)} if served.with_etag else {}
        if served.with_date:
            headers["Last-Modified"] = served.dates[self.path]
        start = 0
        asked = self.headers["Range"]
        condition = self.headers["If-Range"]
        same = condition is None or condition in headers.values() or not served.honours_if_range
        if asked and served.ranges and same:
            start = int(asked.removeprefix("bytes=").rstrip("-")) + served.skips
            if start >= len(content):
                return self._answer(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if served.with_length:
            headers["Content-Length"] = str(len(content) - start)
        self._answer(206 if "Content-Range" in headers else 200, headers)
        self._send(content[start:])

    def _answer(self, code: int, headers: dict[str, str]) -> None:
        self.served.answers.append(code)
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, content: bytes) -> None:
        served = self.served
        limits = [limit for limit in (served.break_after, served.stall_after) if limit is not None]
        end = min([len(content), *limits])
        try:
            for first in range(0, end, 10_000):
                piece = content[first : min(first + 10_000, end)]
                served.sent += len(piece)  # before writing, as the client may finish before this thread continues
                self.wfile.write(piece)
            while served.stall_after is not None and not served.stopped.is_set():
                time.sleep(0.01)
        except OSError:
            pass  # the client has disconnected

    def log_message(self, *_: Any) -> None:
        pass
