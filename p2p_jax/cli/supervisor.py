"""The parent of a distributed worker: it reports why the worker ended, in a sentence and an exit code.

When a process is lost, JAX ends the others by SIGABRT, and no handler in Python runs. So a child process does the work, and
this parent, which imports no JAX, waits for it and reports.
"""

import os
import re
import signal
import subprocess
import sys
from types import FrameType
from typing import Any

from p2p_jax.config.distributed import OPTION, PARENT
from p2p_jax.errors import EXIT_CODES, RESTART, STOPPING
from p2p_jax.signals import handled


def needs_parent(argv: list[str]) -> bool:
    """Whether a command line asks for several processes, and this process is not the child already."""
    return PARENT not in os.environ and any(word.replace("_", "-").startswith(OPTION) for word in argv)


SEVERED = r"Gloo|NCCL|[Cc]onnection (reset|closed|refused|aborted)|Broken pipe|[Cc]oordination ?[Ss]ervice|UNAVAILABLE"
"""Matches the errors of JAX that the end of another process causes."""


START_AGAIN = "start all of them again with the same commands: the run resumes from its last checkpoint."


CHILD = "from p2p_jax.cli.child import run_child; run_child()"


def supervise(argv: list[str], program: str) -> int:
    """Runs `p2p-jax` in a child and returns its exit code, or 75 where another process was lost.

    Ctrl-C, SIGTERM and SIGHUP are forwarded to the child, which saves and ends.

    Args:
        argv: the command line.
        program: the name that messages begin with.
    """
    environment = os.environ | {PARENT: str(os.getpid())}
    # The child has its own process group, so Ctrl-C in a terminal reaches only this process, which forwards it once.
    own_group: dict[str, Any] = {"process_group": 0} if os.name == "posix" else {}
    # Without -P, python -c would also import modules from the current folder, whoever has put them there.
    safe_path = [] if {"", os.getcwd()} & {*sys.path} else ["-P"]
    child = subprocess.Popen([sys.executable, *safe_path, "-c", CHILD, *argv], env=environment, **own_group)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    with handled(EXIT_CODES, pass_on):
        code = child.wait()
    if code >= 0:
        return code
    if code == -signal.SIGABRT:
        sentence = (
            f"another process of this run was lost (the lines above name it), so this one was ended too; {START_AGAIN}"
        )
    else:
        name = signal.Signals(-code).name
        sentence = f"this process was ended by {name} (SIGKILL often means that memory ran out); {START_AGAIN}"
    print(f"{program}: {sentence}", file=sys.stderr)
    return RESTART if -code in (signal.SIGABRT, *STOPPING) else 128 - code


def explain_severed(error: BaseException) -> str | None:
    """One sentence for an error that the end of another process caused, or None. Most often JAX ends this process first."""
    seen: BaseException | None = error
    while PARENT in os.environ and seen is not None:
        if type(seen).__name__ in ("JaxRuntimeError", "XlaRuntimeError") and re.search(SEVERED, str(seen)):
            first = str(seen).splitlines()[0]
            return f"another process of this run was lost ({first}), so this one was ended too; {START_AGAIN}"
        seen = seen.__cause__ or seen.__context__
    return None
