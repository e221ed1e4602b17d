"""Equality across devices: the same 20 steps on 1, 2, 4 and 8 devices, by 1 and 2 processes, replicated and sharded.

    python -m experiments.checks.equalities

Devices are simulated on the CPU; processes are real and communicate over loopback. Each case trains like `p2p-jax train`:
each process reads its own pictures; augmentation, dropout, batch norm over the batch of 8, Adam and the moving average are
included. Every metric of every step and every array of the final state is compared with that of one device. The table shows
the largest differences of the losses, of the parameters and of the rest; a difference is relative where the value is larger
than 1. In float64 all must stay below 1e-8, or the exit code is 1. Differences in float32, where rounding grows with the
steps, are only shown. The row "again" repeats the first case in a new process, which must return the same bits.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from experiments.checks.simulated import environment, free_address
from p2p_jax.cli import run_command
from p2p_jax.cli.parsing import parse
from p2p_jax.config import Config, Data, Discriminator, Generator, Optimizer, Side, resolve_length
from p2p_jax.files.outputs import Existing, check_outputs

PROGRAM = "experiments.checks.equalities"

BOUND = 1e-8
"""The largest difference that is allowed in float64."""

GROUPS: tuple[str, ...] = ("losses", "parameters", "rest")

ORDER = "P2P_JAX_EQUALITIES"
"""Environment variable with a worker's task as JSON: its cases, the output folder, the options of its process."""

TIMEOUT = 600
"""Seconds that a worker may take."""

CONFIG = Config(
    image_size=16,
    epochs=None,
    batch_size=8,
    steps_per_call=1,
    ema_decay=0.9,
    generator=Generator(widths=(16, 32, 32), dropout_levels="innermost"),
    discriminator=Discriminator(width=16, num_layers=1),
    optimizer=Optimizer(learning_rate=1e-3),
    data=Data(source="procedural", load_size=18, count=32),
)


class Case(NamedTuple):
    """One way to train.

    Attributes:
        devices: of all processes together.
        processes: number of processes.
        sharding: of the state.
        model: devices along the mesh axis `model`.
        dtype: of the networks.
    """

    devices: int
    processes: int
    sharding: Literal["replicated", "sharded"]
    model: int
    dtype: str

    @property
    def file(self) -> str:
        """Name of the file of its results."""
        return "_".join(map(str, self)) + ".npz"


@dataclass(frozen=True)
class Equalities:
    """Train the same steps on several numbers of devices and processes, and compare the numbers."""

    steps: int = 20
    devices: tuple[int, ...] = (1, 2, 4, 8)
    """Numbers of devices; each multiple of 2 is also trained by two processes."""
    dtypes: tuple[str, ...] = ("float64", "float32")
    output: Path | None = None
    """JSON file for the table."""
    overwrite: bool = False
    """Replace this file if it exists."""


def all_cases(options: Equalities) -> list[Case]:
    """Returns every case once. The others are compared with the first of their dtype."""
    cases = []
    for dtype in options.dtypes:
        for devices in options.devices:
            for processes in (1, 2):
                if devices % processes == 0:
                    shardings = ("replicated", "sharded") if devices > 1 else ("replicated",)
                    cases += [Case(devices, processes, sharding, 1, dtype) for sharding in shardings]
        if max(options.devices) >= 4:
            cases.append(Case(max(options.devices), 1, "sharded", 2, dtype))
    return cases


def train(case: Case, steps: int) -> dict[str, np.ndarray]:
    """Trains, and returns every metric of every step and every array of the final state."""
    import jax
    import jax.numpy as jnp

    from p2p_jax import pix2pix
    from p2p_jax.data.loading import open_dataset, open_reader
    from p2p_jax.devices import sharding
    from p2p_jax.step import init_train_state
    from p2p_jax.training.feed import make_update, open_stream, plan_calls

    config = resolve_length(replace(CONFIG, steps=steps, dtype=case.dtype), CONFIG.data.count)  # type: ignore[arg-type]
    per_process = case.devices // case.processes
    chosen = [one for one in jax.devices() if one.id in {other.id for other in _first_of_each(per_process)}]
    mesh = sharding.make_mesh(config.batch_size, chosen, model=case.model)
    assert mesh.size == case.devices
    model = pix2pix.build(config)

    def init(key: jax.Array) -> Any:
        pictures = jnp.zeros((config.batch_size, 16, 16, 3))
        state = init_train_state(key, model, {"input": pictures, "target": pictures})
        return jax.tree.map(lambda x: x.astype(case.dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x, state)

    key = jax.random.key(config.seed)
    shardings = sharding.state_shardings(mesh, jax.eval_shape(init, key), sharded=case.sharding == "sharded")
    state = jax.jit(init, out_shardings=shardings)(key)
    reader = open_reader(open_dataset(config).splits["train"], config, ahead=False)
    stream = open_stream(reader, config, mesh, start=0, counts=plan_calls(config, 0), indices_only=False)
    # Pictures stay float32. In this range their values are exact, so no program can round them differently.
    exact = replace(config, data=replace(config.data, input=Side(range=(0, 256)), target=Side(range=(0, 256))))
    update = make_update(sharding.with_gathered_params(model, mesh, shardings), exact, mesh, None, shardings)
    rows = []
    for batch in stream:
        state, metrics = update(state, batch)
        rows.append(jax.device_get(metrics))
    state = sharding.on_one_device(replace(state, key=jax.random.key_data(state.key)))
    results = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return results | {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def _first_of_each(count: int) -> Iterator[Any]:
    """The first `count` devices of every process."""
    import jax

    for index in range(jax.process_count()):
        yield from [device for device in jax.devices() if device.process_index == index][:count]


def work(order: dict[str, Any]) -> None:
    """Trains the cases of a worker's task; the first process writes the results of each."""
    import jax

    from p2p_jax.config.distributed import Distributed
    from p2p_jax.devices import processes

    if order["distributed"]:
        processes.start(Distributed(**order["distributed"]))
    for case in (Case(*values) for values in order["cases"]):
        results = train(case, order["steps"])
        if jax.process_index() == 0:
            np.savez(Path(order["folder"]) / case.file, allow_pickle=False, **results)


def run_workers(cases: list[Case], folder: Path, steps: int) -> None:
    """Trains cases of one dtype and one number of processes, in workers with as many devices as the cases need.

    Raises:
        RuntimeError: a worker failed; the message holds what it printed.
    """
    number, per_process = cases[0].processes, max(case.devices // case.processes for case in cases)
    shared = environment(per_process) | {"JAX_ENABLE_X64": str(cases[0].dtype == "float64")}
    workers, address = [], free_address()
    for index in range(number):
        distributed = {"coordinator": address, "processes": number, "index": index} if number > 1 else None
        order = {"steps": steps, "cases": cases, "folder": str(folder), "distributed": distributed}
        variables = shared | {ORDER: json.dumps(order)}
        command = [sys.executable, "-m", "experiments.checks.equalities"]
        workers.append(
            subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    try:
        for worker in workers:
            printed, _ = worker.communicate(timeout=TIMEOUT)
            if worker.returncode:
                raise RuntimeError(f"a worker ended with {worker.returncode}:\n{printed}")
    finally:
        for worker in workers:
            worker.kill()


def group(name: str) -> str:
    """Returns the group of a result: losses, parameters, or the rest (moments, statistics, accuracies)."""
    if name.startswith(".") or name.endswith("accuracy"):
        return "parameters" if ".params" in name else "rest"
    return "losses"


def differences(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> dict[str, float]:
    """Returns the largest difference of each group, relative where the expected value is larger than 1.

    The difference is 0 for the same bits, and infinite if a number is not finite.
    """
    assert found.keys() == expected.keys()
    largest = dict.fromkeys(GROUPS, 0.0)
    for name, values in expected.items():
        difference = np.abs(found[name].astype(np.float64) - values) / np.maximum(np.abs(values.astype(np.float64)), 1)
        most = float(difference.max(initial=0)) if np.isfinite(difference).all() else np.inf
        largest[group(name)] = max(largest[group(name)], most)
    return largest


def compare(options: Equalities) -> list[dict[str, Any]]:
    """Trains all cases and compares each with the first of its dtype; returns a row for each."""
    cases = all_cases(options)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for dtype in options.dtypes:
            first = Case(1, 1, "replicated", 1, dtype)
            (folder / "again").mkdir(exist_ok=True)
            run_workers([first], folder, options.steps)
            run_workers([first], folder / "again", options.steps)
            for processes in (1, 2):
                some = [case for case in cases if case.dtype == dtype and case.processes == processes and case != first]
                if some:
                    run_workers(some, folder, options.steps)
            with np.load(folder / first.file) as file:
                expected = dict(file)
            for place, case in [(folder / "again", first)] + [(folder, case) for case in cases if case.dtype == dtype]:
                with np.load(place / case.file) as file:
                    largest = differences(dict(file), expected)
                if (place, case) != (folder, first):
                    rows.append({**case._asdict(), "again": case == first, **largest})
    return rows


def main() -> int:
    """Trains, compares and prints; returns the exit code."""
    if ORDER in os.environ:
        work(json.loads(os.environ[ORDER]))
        return 0
    return run_command(lambda argv: run(parse(Equalities, argv, PROGRAM)), sys.argv[1:], PROGRAM)


def run(options: Equalities) -> int:
    """Trains, compares, prints and writes; returns the exit code.

    Raises:
        UserError: the file exists already.
    """
    if options.output:
        existing: Existing = "replace" if options.overwrite else "refuse"
        check_outputs(options.output, {options.output: ()}, existing=existing)
    rows = compare(options)
    if options.output:
        options.output.write_text(json.dumps(rows, indent=2) + "\n")
    title = f"{options.steps} steps, compared with one device"
    table = Table("dtype", "Devices", "Processes", "Model", "State", "Losses", "Parameters", "Rest", title=title)
    for row in rows:
        state = f"{row['sharding']}, again" if row["again"] else row["sharding"]
        largest = [f"{row[name]:.0e}" if row[name] else "0" for name in GROUPS]
        numbers = [str(row[name]) for name in ("devices", "processes", "model")]
        table.add_row(row["dtype"], *numbers, state, *largest)
    Console().print(table)
    bounds = {True: 0.0, False: BOUND}
    bad = [row for row in rows for name in GROUPS if row[name] > bounds[row["again"]] and row["dtype"] == "float64"]
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
