"""The budget of every reader of foreign files: memory, pages and members.

A small file can claim an enormous content (a decompression bomb). Each decoder therefore asks the budget before it
allocates or reads what the file claims. The memory is shared by all threads of the process.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

MIB = 2**20

MEMORY = 1280 * MIB
"""Bytes that all threads together may use for decoding at the same time. An RGB photo of 100 megapixels needs 700 MiB."""

UNCOUNTED = 4 * MIB
"""Bytes that a thread may use without asking, so that small pictures do not wait for large ones."""

PAGES = 256
"""Pages of a TIFF, or thumbnails and pages together."""

MEMBERS = 200_000
"""Members of an archive. The largest of the paper's sets has 138,767 pictures."""


class OverBudget(Exception):
    """A file needs more than is allowed. The message completes a sentence that begins with the file's name."""


class MemoryBudget:
    """Bytes of memory that threads share.

    A thread that asks for more than is free waits until others release theirs. Threads that wait are served in turn, so a
    large picture is not overtaken forever by small ones. Threads never wait for each other in a cycle: when all threads
    that hold memory wait for more, the one that has held it longest gets it, although its requests then exceed the total.

    Attributes:
        total: bytes of all threads together.
    """

    def __init__(self, total: int):
        self.total = total
        self._start()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start)  # a child has none of the threads that hold memory

    def _start(self) -> None:
        self._changed = threading.Condition()
        self._held: dict[int, int] = {}
        self._waiting: list[int] = []
        self._jobs = threading.local()

    @contextmanager
    def job(self) -> Iterator[None]:
        """Keeps what this thread reserves in the block until its end, as the decoded pictures are used until then."""
        depth = getattr(self._jobs, "depth", 0)
        self._jobs.depth = depth + 1
        try:
            yield
        finally:
            self._jobs.depth = depth
            if not depth:
                self._release(self._held.get(threading.get_ident(), 0))

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Waits until `size` bytes are free, and reserves them for the block, or for the thread's job if there is one.

        Raises:
            OverBudget: it is more than the total.
        """
        if size > self.total:
            most = self.total // MIB
            raise OverBudget(f"needs {size // MIB} MiB of memory to be read, and at most {most} MiB are allowed")
        if size <= UNCOUNTED:
            yield
            return
        self._acquire(size)
        try:
            yield
        finally:
            if not getattr(self._jobs, "depth", 0):
                self._release(size)

    def _acquire(self, size: int) -> None:
        thread = threading.get_ident()
        with self._changed:
            self._waiting.append(thread)
            self._changed.notify_all()  # if all threads that hold memory wait now, the first of them may proceed
            try:
                self._changed.wait_for(lambda: self._may_proceed(thread, size))
            finally:
                self._waiting.remove(thread)
                self._changed.notify_all()
            self._held[thread] = self._held.get(thread, 0) + size

    def _may_proceed(self, thread: int, size: int) -> bool:
        holders = [holder for holder in self._held if holder in self._waiting]  # the oldest job first
        first = (holders or self._waiting)[0] == thread  # a thread that holds memory releases it only after its request
        fits = sum(self._held.values()) + size <= self.total
        return first and (fits or len(holders) == len(self._held))

    def _release(self, size: int) -> None:
        if not size:
            return
        thread = threading.get_ident()
        with self._changed:
            self._held[thread] -= size
            if not self._held[thread]:
                del self._held[thread]
            self._changed.notify_all()


DECODING = MemoryBudget(MEMORY)
"""The memory for decoding in this process."""


def check_members(count: int) -> None:
    """Refuses an archive with too many members.

    Raises:
        OverBudget: there are more than `MEMBERS`.
    """
    if count > MEMBERS:
        raise OverBudget(f"holds more than {MEMBERS} members")


def check_pages(count: int) -> None:
    """Refuses a picture with too many pages.

    Raises:
        OverBudget: there are more than `PAGES`.
    """
    if count > PAGES:
        raise OverBudget(f"claims more than {PAGES} pages")
