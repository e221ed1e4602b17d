"""Peak memory of this process."""

import resource
import sys

from p2p_jax.devices.memory import release_freed_memory


def peak() -> int:
    """Returns the most memory, in bytes, that this process held since it began or since `reset_peak`."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def reset_peak() -> int:
    """Restarts the count of the peak from what is held now. Only Linux allows that; elsewhere the old peak stays.

    Freed memory, most of it the compiler's, goes back to the system first, as it does in training.

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
