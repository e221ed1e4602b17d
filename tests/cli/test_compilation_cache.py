"""The cache of compiled programs: same results, no harm by damage or concurrent runs, and the user's settings hold."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import pytest

from p2p_jax.cli import compilation_cache, main
from p2p_jax.errors import Stopped

STEP = """
import hashlib, sys
from p2p_jax.cli import compilation_cache, run_command

def step(argv):
    compilation_cache.turn_on()
    import jax, numpy as np
    from p2p_jax import pix2pix
    from p2p_jax.config import Config, Data, Discriminator, Generator
    from p2p_jax.step import init_train_state, make_train_step

    events = []
    jax.monitoring.register_event_listener(lambda event, **_: events.append(event))
    sizes = {"generator": Generator(widths=(4, 4)), "discriminator": Discriminator(width=4, num_layers=1)}
    model = pix2pix.build(Config(image_size=16, epochs=None, steps=2, data=Data(source="procedural"), **sizes))
    batch = {name: np.linspace(-1, 1, 768, dtype=np.float32).reshape(1, 16, 16, 3) for name in ("input", "target")}
    state = jax.jit(lambda key, batch: init_train_state(key, model, batch))(jax.random.key(0), batch)
    state, metrics = jax.jit(make_train_step(model), donate_argnums=0)(state, batch)
    values = jax.tree.leaves((state.replace(key=0), metrics))
    digest = hashlib.sha256(b"".join(np.asarray(value).tobytes() for value in values)).hexdigest()
    hits, misses = (sum(event.endswith(f"/cache_{name}") for event in events) for name in ("hits", "misses"))
    print(digest, hits, misses)
    return 0

sys.exit(run_command(step, sys.argv[1:]))
"""


class Run(NamedTuple):
    """The output of one process: hash of its numbers, programs found in the cache, programs written, complaints."""

    digest: str
    found: int
    written: int
    complaints: str


def start(home: Path, **settings: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_COMPIL", "JAX_PERSIST"))}
    environment = {**kept, "XDG_CACHE_HOME": str(home), **settings}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", STEP], env=environment, text=True, **pipes)


def finish(process: subprocess.Popen[str]) -> Run:
    output, complaints = process.communicate(timeout=300)
    assert process.returncode == 0, complaints
    digest, found, written = output.split()
    return Run(digest, int(found), int(written), complaints)


class Runs(NamedTuple):
    """Runs of the same step in this order; the two of `first` run at the same time."""

    without: Run
    first: list[Run]
    second: Run
    damaged: Run
    mended: Run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    home = tmp_path_factory.mktemp("home")
    without = finish(start(home, JAX_ENABLE_COMPILATION_CACHE="false"))
    assert not list(home.iterdir())
    first = [finish(process) for process in [start(home), start(home)]]
    second = finish(start(home))
    files = sorted(home.rglob("*-cache"))
    assert len(files) == second.found
    for index, path in enumerate(files):
        content = bytearray(path.read_bytes())
        if index % 3 == 0:
            content[len(content) // 2] ^= 255
        path.write_bytes(content if index % 3 == 0 else content[: index % 3 * 40 - 40])
    return Runs(without, first, second, finish(start(home)), finish(start(home)))


@pytest.mark.exhaustive
def test_results_are_the_same_bit_for_bit(runs):
    assert {run.digest for run in (*runs.first, runs.second, runs.damaged, runs.mended)} == {runs.without.digest}


@pytest.mark.exhaustive
def test_a_second_start_compiles_nothing(runs):
    assert runs.without[1:3] == (0, 0)
    assert all(run.found + run.written == runs.second.found for run in runs.first)
    assert runs.second.written == 0
    assert runs.second.found > 2


@pytest.mark.exhaustive
def test_damaged_programs_are_compiled_and_written_again(runs):
    assert runs.damaged[1:3] == (0, runs.second.found)
    assert runs.mended[1:3] == runs.second[1:3]


@pytest.mark.exhaustive
def test_the_cache_prints_nothing(runs):
    assert [run.complaints for run in (runs.without, *runs.first, runs.second, runs.damaged, runs.mended)] == [""] * 6


@pytest.fixture
def unset() -> Iterator[None]:
    """JAX without settings of the user."""
    kept = {"jax_compilation_cache_dir": None, "jax_enable_compilation_cache": True}
    before = {name: getattr(jax.config, name) for name in (*kept, "jax_persistent_cache_min_compile_time_secs")}
    for name, value in kept.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_programs_are_kept_in_the_users_cache_folder(unset, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(compilation_cache.LEAST_TIME)
    compilation_cache.turn_on()
    folder = Path(jax.config.jax_compilation_cache_dir)
    assert folder.is_dir()
    assert folder.parent == tmp_path / "p2p_jax" / "compiled"
    assert jax.config.jax_persistent_cache_min_compile_time_secs == 0


def test_the_users_settings_of_jax_hold(unset, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jax.config.update("jax_compilation_cache_dir", "elsewhere")
    compilation_cache.turn_on()
    assert jax.config.jax_compilation_cache_dir == "elsewhere"
    jax.config.update("jax_compilation_cache_dir", None)
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.turn_on()
    assert jax.config.jax_compilation_cache_dir is None
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_turns_the_cache_off(unset, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    compilation_cache.turn_on()
    assert jax.config.jax_compilation_cache_dir is None


def test_each_cpu_has_its_own_folder(monkeypatch):
    here = compilation_cache.find_folder()
    assert compilation_cache.find_folder() == here
    monkeypatch.setattr(compilation_cache, "_describe_cpu", lambda: "another")
    assert compilation_cache.find_folder() != here


def test_the_least_recently_used_programs_are_removed_first(tmp_path):
    for age, name in enumerate(["new", "middle", "old", "oldest"]):
        path = tmp_path / f"cpu-{age % 2}" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(10))
        os.utime(path, (1e9 - age, 1e9 - age))
    used = 1e9 + 1
    os.utime(tmp_path / "cpu-0" / "old", (used, 1e9 - 2))
    compilation_cache.trim(tmp_path, limit=20)
    assert {path.name for path in tmp_path.glob("*/*")} == {"new", "old"}
    compilation_cache.trim(tmp_path / "missing", limit=20)


def test_only_the_program_that_a_warning_names_is_removed(monkeypatch):
    monkeypatch.delenv(compilation_cache.OWN_FOLDER)
    folder = compilation_cache.find_folder()
    folder.mkdir(parents=True)
    for name in ("jit_a-1-cache", "jit_a-2-cache", "jit_b-1-cache"):
        (folder / name).write_text("")
    assert not compilation_cache.mend("the pictures are small")
    assert len(list(folder.iterdir())) == 3
    assert compilation_cache.mend("Error reading persistent compilation cache entry for 'jit_a': error: Error -5")
    assert [path.name for path in folder.iterdir()] == ["jit_b-1-cache"]


def test_nothing_is_removed_from_a_folder_that_the_user_chose(monkeypatch):
    monkeypatch.setenv(compilation_cache.OWN_FOLDER, "elsewhere")
    assert not compilation_cache.mend("Error reading persistent compilation cache entry for 'jit_a': error: Error -5")


@pytest.mark.parametrize(
    "argv",
    [
        ["train", "quickstart", "--workdir", "run"],
        ["translate", "run", "picture.png", "-o", "results"],
        ["evaluate", "run"],
        ["report", "run"],
        ["import-torch", "net_G.pth", "--workdir", "run"],
        ["export-torch", "run", "-o", "files"],
    ],
    ids=lambda argv: argv[0],
)
def test_every_command_that_compiles_turns_it_on(argv, tmp_path, monkeypatch):
    def turn_on() -> None:
        raise Stopped("turned on", 99)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compilation_cache, "turn_on", turn_on)
    assert main(argv) == 99
