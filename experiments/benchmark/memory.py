"""How much memory this process has needed at most."""

import resource
import sys

from p2p_jax.devices.memory import release_freed_memory


def peak() -> int:
    """Bytes of memory that this process held at most since it began, or since `reset_peak`."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def reset_peak() -> int:
    """Counts the peak anew from what is held now, where the system allows it: Linux does.

    Freed memory, most of it a compiler's, is given back first, as training does it.

    Returns:
        the new peak, in bytes.
    """
    release_freed_memory()
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass
    return peak()
