"""The child process of a distributed worker: it runs the command and exits with its code."""

import os
import sys
import traceback


def run_child() -> None:
    """Runs `p2p-jax` with the command line of this process, and ends the process with its exit code."""
    from p2p_jax.cli import main

    try:
        code = main(sys.argv[1:])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    exit_child(code)


def exit_child(code: int) -> None:
    """Ends a child with an exit code. After a failure it does not wait long for the other processes."""
    jax = sys.modules.get("jax")
    if code and jax is not None and jax.distributed.is_initialized():
        from p2p_jax.devices.processes import leave

        leave()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
