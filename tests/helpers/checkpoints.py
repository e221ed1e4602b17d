"""Small train states, and functions that save, restore and damage their checkpoints."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from p2p_jax.state import NetworkState, TrainState
from p2p_jax.workdir import checkpoint


def make_state(seed: int, step: int = 5, *, ema: bool = False) -> TrainState:
    """A state with arrays of many kinds, among them counts, half precision and flags."""
    random = np.random.default_rng(seed)

    def normal(*shape):
        return jnp.asarray(random.normal(size=shape), jnp.float32)

    def model() -> NetworkState:
        params = {"down_0": {"kernel": normal(4, 4, 16, 16), "bias": normal(4)}}
        state = {"statistics": {"norm": {"mean": normal(4), "half": normal(4).astype(jnp.bfloat16)}}}
        moments = [jax.tree.map(lambda leaf: normal(*leaf.shape), params) for _ in range(2)]
        return NetworkState(
            params, state, ({"count": jnp.int32(seed), "mu": moments[0], "nu": moments[1]}, {"flag": jnp.asarray(True)})
        )

    generator = model()
    average = jax.tree.map(lambda leaf: normal(*leaf.shape), generator.params) if ema else None
    return TrainState(jnp.int32(step), jnp.int32(step + 2), jax.random.key(seed), generator, model(), average)


def plain(state: TrainState) -> TrainState:
    return state.replace(key=jax.random.key_data(state.key))


def same(first: TrainState, second: TrainState) -> bool:
    one, two = (jax.tree_util.tree_leaves_with_path(plain(state)) for state in (first, second))
    return len(one) == len(two) and all(
        a[0] == b[0] and a[1].dtype == b[1].dtype and np.asarray(a[1]).tobytes() == np.asarray(b[1]).tobytes()
        for a, b in zip(one, two, strict=True)
    )


def save_all(workdir: Path, states: list[TrainState], metrics=None, *, finish: bool = False, **options) -> None:
    """Saves states; with `finish`, reads the last one back."""
    with checkpoint.open_manager(workdir, **{"keep": 9, **options}) as manager:
        for index, state in enumerate(states):
            checkpoint.save(manager, state, None if metrics is None else metrics[index])
        manager.wait_until_finished()
        if finish:
            checkpoint.finish_saving(manager)


def restore(workdir: Path, like: TrainState, **options) -> TrainState | None:
    with checkpoint.open_manager(workdir, **{"keep": 9, **options}) as manager:
        return checkpoint.restore(manager, like)


def damage(folder: Path) -> None:
    """Flips the bits of a byte in the middle of the largest file, which holds the arrays."""
    file = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 255
    file.write_bytes(data)
