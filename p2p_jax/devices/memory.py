"""Returns freed memory of this process to the operating system."""

import ctypes
from collections.abc import Callable
from contextlib import suppress
from typing import Any


def release_freed_memory() -> None:
    """Returns freed memory to the operating system if the C library can: compiling a step leaves about a gigabyte."""
    with suppress(OSError, AttributeError, TypeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def compile_and_release(function: Any, *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Compiles a jitted function before its first call, and releases the memory that compiling used.

    Args:
        function: from `jax.jit`.
        *args: the program's arguments, or their shapes as `jax.ShapeDtypeStruct`, so that compiling and the arrays do not
            need memory at the same time.
        **kwargs: keyword arguments, likewise.

    Returns:
        the program; it accepts only arguments of these shapes, dtypes and shardings.
    """
    program = function.lower(*args, **kwargs).compile()
    release_freed_memory()
    return program
