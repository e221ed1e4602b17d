"""Loads JAX and the modules that need it, which takes a second or more."""

from importlib import import_module

from p2p_jax.console import open_console, waiting
from p2p_jax.signals import interruptible


def load(module: str, *, quiet: bool = False) -> None:
    """Imports a module and all that it imports, in a thread, so that Ctrl-C ends the command at once.

    Ctrl-C in the middle of an extension module's import can crash Python.

    Args:
        module: full name.
        quiet: show nothing, because the output of the command is read by a program.
    """
    with waiting(open_console(quiet=quiet), "loading JAX"):
        interruptible(lambda: import_module(module))
