"""p2p_jax in a worker process: `prepare` returns the functions that answer the requests."""

import time
from collections.abc import Callable
from typing import Any

import jax
import optax

from experiments.benchmark import memory
from experiments.benchmark.layers import OPTIMIZER, profile_layers
from experiments.benchmark.options import Case, Contestant, make_config
from experiments.benchmark.work import count_flops
from p2p_jax import pix2pix
from p2p_jax.config import Config, as_size, count_channels
from p2p_jax.config.derived import resolve_length
from p2p_jax.data.loading import open_dataset, open_reader
from p2p_jax.devices.memory import compile_and_release
from p2p_jax.devices.sharding import make_mesh, replicate
from p2p_jax.state import TrainState
from p2p_jax.step import Batch, Pix2Pix, init_train_state, make_train_step
from p2p_jax.training.feed import make_update, open_store, open_stream, plan_calls

SIDES = ("input", "target")


def count_work(case: Case) -> dict[str, int]:
    """Returns the FLOPs of one training step and of one forward pass; nothing is compiled or run."""
    model = pix2pix.build(make_config(case))
    shape = jax.ShapeDtypeStruct((case.batch_size, case.image_size, case.image_size, 3), "float32")
    batch = dict.fromkeys(SIDES, shape)
    state = jax.eval_shape(lambda batch: init_train_state(jax.random.key(0), model, batch), batch)
    return {
        "step": count_flops(make_train_step(model), state, batch),
        "forward": count_flops(_make_forward(model), state, batch["input"]),
    }


def prepare(case: Case, contestant: Contestant) -> tuple[dict[str, Any], dict[str, Callable[..., Any]]]:
    """Compiles the training step and runs it once.

    Returns:
        facts about the device and the program, and the functions that answer requests: `step`, `forward`, `data`, `memory`,
        `layers`.
    """
    before = memory.reset_peak()
    config = make_config(case, contestant.dtype, contestant.piece)
    model = _name_optimizers(pix2pix.build(config))
    batch = random_batch(config)
    init = jax.jit(lambda key, batch: init_train_state(key, model, batch))
    key = jax.random.key(0)
    started = time.perf_counter()
    # The step is compiled before there is a state, as in training.
    step = compile_and_release(jax.jit(make_train_step(model), donate_argnums=0), jax.eval_shape(init, key, batch), batch)
    compile_seconds = time.perf_counter() - started
    held = {"state": jax.block_until_ready(step(compile_and_release(init, key, batch)(key, batch), batch)[0])}
    first = _peak(before)
    memory.reset_peak()

    def run(count: int) -> float:
        return time_steps(held, step, [batch] * count)

    forward = _prepare_lazily(lambda: _prepare_forward(model, held, batch["input"]))
    data = _prepare_lazily(lambda folder, workers: _prepare_data(case, contestant, held, folder, workers))
    device = jax.devices()[0]
    about = {"platform": device.platform, "device": device.device_kind, "compile_seconds": compile_seconds}
    return about | {"first_peak": first} | _describe_program(step), {
        "step": run,
        "forward": lambda count: forward()(count),
        "data": lambda count, folder, workers: data(folder, workers)(count),
        "memory": lambda: _peak(before),
        "layers": lambda count: profile_layers(step.as_text() or "", lambda: run(count), count),
    }


def _name_optimizers(model: Pix2Pix) -> Pix2Pix:
    """Returns the same model with named optimizers, so that the profile shows their time."""

    def named(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
        return optax.GradientTransformation(optimizer.init, jax.named_scope(OPTIMIZER)(optimizer.update))

    return model._replace(
        generator_optimizer=named(model.generator_optimizer),
        discriminator_optimizer=named(model.discriminator_optimizer),
    )


def _prepare_lazily(prepare: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that calls `prepare` the first time, and returns the same result each time."""
    prepared = []

    def get(*args: Any) -> Any:
        if not prepared:
            prepared.append(prepare(*args))
        return prepared[0]

    return get


def random_batch(config: Config) -> Batch:
    """A batch of the config's shapes, uniform in [-1, 1]."""
    size = (config.batch_size, *as_size(config.image_size))
    sides = zip(SIDES, (config.data.input, config.data.target), jax.random.split(jax.random.key(1)), strict=True)
    return {name: jax.random.uniform(key, (*size, count_channels(side)), minval=-1) for name, side, key in sides}


def time_steps(held: dict[str, TrainState], step: Callable[..., Any], batches: Any) -> float:
    """Returns the seconds of one step for each batch, until the last result is computed."""
    started = time.perf_counter()
    for batch in batches:
        held["state"], _ = step(held["state"], batch)
    jax.block_until_ready(held["state"])
    return time.perf_counter() - started


def _make_forward(model: Pix2Pix) -> Callable[[TrainState, jax.Array], jax.Array]:
    def forward(state: TrainState, x: jax.Array) -> jax.Array:
        generator = state.generator
        return model.generator.apply(generator.params, generator.state, x, train=True, key=state.key)[0]

    return forward


def _prepare_forward(model: Pix2Pix, held: dict[str, TrainState], x: jax.Array) -> Callable[[int], float]:
    forward = jax.jit(_make_forward(model))
    jax.block_until_ready(forward(held["state"], x))

    def run(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            fake = forward(held["state"], x)
        jax.block_until_ready(fake)
        return time.perf_counter() - started

    return run


def _prepare_data(
    case: Case, contestant: Contestant, held: dict[str, TrainState], folder: str, workers: int
) -> Callable[[int], float]:
    """Prepares training from files as the trainer does it, but without a cache of decoded pictures."""
    read = {"source": "folder", "path": folder, "threads": workers, "cache": "none"}
    config = make_config(case, contestant.dtype, contestant.piece, **read)
    pairs = open_dataset(config).splits["train"]
    config = resolve_length(config, pairs.count())
    reader = open_reader(pairs, config)
    mesh = make_mesh(case.batch_size, jax.local_devices()[:1])
    store = open_store(reader, config, mesh)
    update = make_update(pix2pix.build(config), config, mesh, store)
    stream = open_stream(reader, config, mesh, start=0, counts=plan_calls(config, 0), indices_only=store is not None)
    held["state"] = replicate(mesh, held["state"])

    def run(count: int) -> float:
        for _ in range(2 * workers):  # skips batches that were read during the turns of others
            next(stream)
        return time_steps(held, update, (next(stream) for _ in range(count)))

    run(2)  # compiles, and uses up what the threads read ahead
    return run


def _peak(before: int) -> int:
    """Returns the peak in bytes: of the accelerator's memory, or of what this process holds in addition to `before`."""
    stats = None if jax.default_backend() == "cpu" else jax.devices()[0].memory_stats()
    return (memory.peak() - before) if not stats else stats["peak_bytes_in_use"]


def _describe_program(compiled: Any) -> dict[str, float]:
    """Returns the FLOPs and bytes that XLA counts in its program; 0 if it does not count them."""
    costs = compiled.cost_analysis() or {}
    return {"program_flops": costs.get("flops", 0.0), "program_bytes": costs.get("bytes accessed", 0.0)}
