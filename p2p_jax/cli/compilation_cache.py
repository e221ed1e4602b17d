"""The cache of compiled programs in the user's cache folder: with it, the next start compiles nothing."""

import glob
import hashlib
import os
import platform
import re
import stat
from contextlib import suppress
from pathlib import Path

from p2p_jax.storage.caches import find_caches

LIMIT = 2**30
"""Largest size of all cached programs together, in bytes."""


OWN_FOLDER = "JAX_COMPILATION_CACHE_DIR"


LEAST_TIME = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


# The fields of /proc/cpuinfo that describe what XLA compiles for, on x86 and on ARM.
CPU_FIELDS = ("vendor_id", "cpu family", "model", "model name", "flags")
CPU_FIELDS += ("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "Features")


def turn_on() -> None:
    """Turns the cache on for all programs that JAX compiles from now on.

    The user's own settings take precedence: another folder (JAX_COMPILATION_CACHE_DIR), or no cache
    (JAX_ENABLE_COMPILATION_CACHE=false). If the folder cannot be made, there is no cache.
    """
    import jax

    if jax.config.jax_compilation_cache_dir is not None or not jax.config.jax_enable_compilation_cache:  # pyright: ignore
        return
    try:
        folder = find_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        return
    trim(folder.parent)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    if LEAST_TIME not in os.environ:
        # Reading a program takes one millisecond and compiling even the smallest takes ten, so all are cached.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def find_folder() -> Path:
    """The folder of the programs that were compiled for this kind of machine.

    Each kind of CPU has its own folder. The programs contain instructions of that CPU, and JAX would also run them on other
    machines with the same home folder.

    Raises:
        RuntimeError: there is no home folder.
    """
    identity = hashlib.sha256(_describe_cpu().encode()).hexdigest()[:12]
    return find_caches() / "compiled" / f"{platform.machine()}-{identity}"


def trim(folder: Path, limit: int = LIMIT) -> None:
    """Removes the least recently used files of a folder and its sub-folders until at most `limit` bytes are left."""
    found: list[tuple[float, int, Path]] = []
    for path in folder.rglob("*"):
        with suppress(OSError):  # another run has just removed it
            status = path.stat()
            if stat.S_ISREG(status.st_mode):
                found.append((max(status.st_atime, status.st_mtime), status.st_size, path))
    size = 0
    for _, bytes_, path in sorted(found, reverse=True):
        size += bytes_
        if size > limit:
            with suppress(OSError):
                path.unlink()


def mend(warning: str) -> bool:
    """Removes a damaged program that JAX warns about, and returns whether the warning was about one.

    JAX compiles such a program again, so the user needs no warning. But JAX would never replace the damaged file, which a
    killed run may have left.

    Args:
        warning: the text of the warning.
    """
    found = re.match(r"Error (?:reading|writing) persistent compilation cache entry for '(.+?)':", warning)
    if found is None or OWN_FOLDER in os.environ:
        return False
    with suppress(OSError, RuntimeError):
        for path in find_folder().glob(f"{glob.escape(found[1])}-*"):
            path.unlink(missing_ok=True)
    return True


def _describe_cpu() -> str:
    """A description of the CPU, as far as the system provides one."""
    lines = [platform.processor()]
    with suppress(OSError), open("/proc/cpuinfo") as file:
        for line in file:
            if not line.strip():
                break  # only the first of its cores
            if line.split(":")[0].strip() in CPU_FIELDS:
                lines.append(line)
    return "\n".join(lines)
