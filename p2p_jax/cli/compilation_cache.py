"""Compiled programs, kept in the user's cache folder so that the next start compiles nothing. The commands turn it on."""

import glob
import hashlib
import os
import platform
import re
import stat
import sys
from contextlib import suppress
from pathlib import Path

LIMIT = 2**30
"""Bytes that all programs together may take."""


OWN_FOLDER = "JAX_COMPILATION_CACHE_DIR"


LEAST_TIME = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


# What the compiler tunes its code to, in the words of Linux on x86 and on ARM.
CPU_FIELDS = ("vendor_id", "cpu family", "model", "model name", "flags")
CPU_FIELDS += ("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "Features")


def turn_on() -> None:
    """Keeps the programs that JAX compiles from now on, and uses those that are kept.

    What the user told JAX holds: a folder of their own (JAX_COMPILATION_CACHE_DIR), with all its rules, or none
    (JAX_ENABLE_COMPILATION_CACHE=false). Where no folder can be made, everything is compiled as ever.
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
        # Reading a program takes a millisecond, compiling the least of them ten: it pays for all.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def find_folder() -> Path:
    """Where the programs of this machine are kept.

    Each kind of CPU has a folder of its own: programs hold its instructions, and JAX would run them on another that shares
    the home folder.

    Raises:
        RuntimeError: there is no home folder.
    """
    if os.environ.get("XDG_CACHE_HOME"):
        caches = Path(os.environ["XDG_CACHE_HOME"])
    elif sys.platform == "darwin":
        caches = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        caches = Path(os.environ["LOCALAPPDATA"])
    else:
        caches = Path.home() / ".cache"
    identity = hashlib.sha256(_describe_cpu().encode()).hexdigest()[:12]
    return caches / "p2p_jax" / "compiled" / f"{platform.machine()}-{identity}"


def trim(folder: Path, limit: int = LIMIT) -> None:
    """Removes the files of a folder and its sub-folders that were not used for the longest time, down to `limit` bytes."""
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
    """Whether a warning is about a kept program that cannot be read or written; then it is removed, to be written anew.

    JAX compiles in its place, so there is nothing to tell, but would never replace the file, such as a run that was
    killed leaves one.

    Args:
        warning: its text.
    """
    told = re.match(r"Error (?:reading|writing) persistent compilation cache entry for '(.+?)':", warning)
    if told is None or OWN_FOLDER in os.environ:
        return False
    with suppress(OSError, RuntimeError):
        for path in find_folder().glob(f"{glob.escape(told[1])}-*"):
            path.unlink(missing_ok=True)
    return True


def _describe_cpu() -> str:
    """What programs are compiled for, as far as the system tells it."""
    lines = [platform.processor()]
    with suppress(OSError), open("/proc/cpuinfo") as file:
        for line in file:
            if not line.strip():
                break  # only the first of its cores
            if line.split(":")[0].strip() in CPU_FIELDS:
                lines.append(line)
    return "\n".join(lines)
