"""The parent of a process that works with others: it tells in words, and by its exit code, what ended it.

When a process is lost, JAX ends the others by SIGABRT, in the middle of whatever they do, and no handler in Python runs. So
the work is done in a child, and this parent, which imports no JAX, stays to say what happened.
"""

import os
import re
import signal
import subprocess
import sys
from types import FrameType
from typing import Any

from p2p_jax.config.distributed import OPTION, PARENT
from p2p_jax.errors import EXIT_CODES, RESTART


def needs_parent(argv: list[str]) -> bool:
    """Whether a command line asks for several processes, and this is not the child already."""
    return PARENT not in os.environ and any(word.replace("_", "-").startswith(OPTION) for word in argv)


SEVERED = r"Gloo|NCCL|[Cc]onnection (reset|closed|refused|aborted)|Broken pipe|[Cc]oordination ?[Ss]ervice|UNAVAILABLE"
"""What an error of JAX says that comes of another process's end."""


START_AGAIN = "start all of them again with the same lines: the run goes on from its last checkpoint."


CHILD = "from p2p_jax.cli.child import run_child; run_child()"


def supervise(argv: list[str], program: str) -> int:
    """Runs `p2p-jax` with this line in a child and returns its exit code, or 75 where another process was lost.

    Ctrl-C and SIGTERM are handed on to the child, which saves and ends.
    """
    environment = os.environ | {PARENT: str(os.getpid())}
    # A group of its own: Ctrl-C in a terminal reaches this process alone, which hands it on once.
    own_group: dict[str, Any] = {"process_group": 0} if os.name == "posix" else {}
    child = subprocess.Popen([sys.executable, "-c", CHILD, *argv], env=environment, **own_group)

    def hand_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    before = {number: signal.signal(number, hand_on) for number in EXIT_CODES}
    try:
        code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if code >= 0:
        return code
    if code == -signal.SIGABRT:
        sentence = (
            f"another process of this run was lost (what is above names it), so this one was ended too; {START_AGAIN}"
        )
    else:
        name = signal.Signals(-code).name
        sentence = f"this process was ended by {name} (SIGKILL often means that memory ran out); {START_AGAIN}"
    print(f"{program}: {sentence}", file=sys.stderr)
    return RESTART if code in (-signal.SIGABRT, -signal.SIGTERM) else 128 - code


def explain_severed(error: BaseException) -> str | None:
    """One sentence where an error comes of another process's end, or None. Most often JAX ends this process before."""
    seen: BaseException | None = error
    while PARENT in os.environ and seen is not None:
        if type(seen).__name__ in ("JaxRuntimeError", "XlaRuntimeError") and re.search(SEVERED, str(seen)):
            first = str(seen).splitlines()[0]
            return f"another process of this run was lost ({first}), so this one was ended too; {START_AGAIN}"
        seen = seen.__cause__ or seen.__context__
    return None
