"""Shared by all tests: two simulated CPU devices, a common cache of compiled programs, a home folder for each test."""

import atexit
import gc
import os
import shutil
import signal
import tempfile
from contextlib import suppress
from importlib.metadata import version

with suppress(ValueError):  # not in the main thread
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell makes jobs in the background ignore Ctrl-C
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup makes a program ignore a closed terminal
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Compiling takes nearly all the time of a tiny network, so the compiler optimizes little, and all processes of the tests
# share a cache of compiled programs. These variables must be set before JAX is imported.
FLAGS = "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
FLAGS += " --xla_cpu_parallel_codegen_split_count=1"  # as many tests run at a time as there are cores
if version("jaxlib").startswith("0.10."):  # a third of the time; later versions do not know the flag
    FLAGS += " --xla_cpu_use_fusion_emitters=false"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAGS}".strip()
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="p2p_jax-compiled-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
# Tracing makes many objects that stay; by default, searching them for garbage takes a tenth of the time of the tests.
gc.set_threshold(100_000, 10, 10)

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the tests away from the user's own files."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretends that there is one device, where `compile_separately` acts; `devices/test_sharding.py` has two."""
    import jax

    monkeypatch.setattr(jax, "device_count", lambda: 1)


@pytest.fixture
def side_by_side(tmp_path: Path) -> Path:
    """A folder of 6 side-by-side pairs of 32 x 32 pixels: A a random picture, B its negative."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(6):
        coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), np.uint8))
        a = np.asarray(coarse.resize((32, 32), Image.Resampling.BICUBIC))
        Image.fromarray(np.concatenate([a, 255 - a], axis=1)).save(folder / f"{i}.png")
    return folder
