"""How much memory this process has needed at most."""

import ctypes
import resource
import sys


def peak() -> int:
    """Bytes of memory that this process held at most since it began, or since `reset_peak`."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def reset_peak() -> int:
    """Counts the peak anew from what is held now, where the system allows it: Linux does.

    Memory that was given back, most of it a compiler's, goes back to the system first.

    Returns:
        the new peak, in bytes.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except (OSError, AttributeError):
        pass
    return peak()
