"""Memory that this process holds without need."""

import ctypes
from collections.abc import Callable
from contextlib import suppress
from typing import Any


def release_freed_memory() -> None:
    """Gives memory that was freed back to the system, where its C library can: compiling a step leaves a gigabyte."""
    with suppress(OSError, AttributeError, TypeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def compile_and_release(function: Any, *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """The program of a jitted function, compiled before it is needed: what compiling took is given back by then.

    Args:
        function: from `jax.jit`.
        *args: what the program will be given, or their shapes, as `jax.ShapeDtypeStruct`: then compiling and the arrays
            themselves need no memory at the same time.
        **kwargs: as `args`.

    Returns:
        a function of arguments of these shapes, dtypes and places on devices alone.
    """
    program = function.lower(*args, **kwargs).compile()
    release_freed_memory()
    return program
