"""The folder of the user's caches."""

import os
import sys
from pathlib import Path


def find_caches() -> Path:
    """The folder in which this program keeps its caches; it need not exist.

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
    return caches / "p2p_jax"
