"""The limits of the machine: the rates of matrix products and of copies, measured in either framework."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

REPEATS = 7


class Sizes(NamedTuple):
    """The size of one measurement.

    Attributes:
        side: rows and columns of the square matrices.
        values: number of float32 values in the array that is copied.
        calls: calls between two readings of the clock; several hide the time that a dispatch takes.
    """

    side: int
    values: int
    calls: int


ON_CPU, ON_ACCELERATOR = Sizes(2048, 2**26, 1), Sizes(8192, 2**28, 20)


def measure_jax(sizes: Sizes | None = None) -> dict[str, Any]:
    """Measures JAX: FLOP/s of float32 and bfloat16 products (results in float32), and bytes/s of `x + 1` in place.

    Args:
        sizes: of the measurement; by default those for the platform.

    Returns:
        {"device", "platform", "version", "float32", "bfloat16", "copy"}.
    """
    import jax
    import jax.numpy as jnp

    device = jax.devices()[0]
    sizes = sizes or (ON_CPU if device.platform == "cpu" else ON_ACCELERATOR)
    product = jax.jit(partial(jnp.matmul, preferred_element_type=jnp.float32))
    matrix = np.random.default_rng(0).standard_normal((sizes.side, sizes.side), np.float32)
    products = {}
    for dtype in ("float32", "bfloat16"):
        factor = jnp.asarray(matrix, dtype)
        products[dtype] = partial(product, factor, factor)
    held = [jnp.zeros(sizes.values)]
    add = jax.jit(lambda x: x + 1, donate_argnums=0)

    def copy() -> Any:
        held.append(add(held.pop()))
        return held[0]

    rates = _measure_rates(sizes, products, copy, jax.block_until_ready)
    return {"device": device.device_kind, "platform": device.platform, "version": jax.__version__, **rates}


def measure_torch(sizes: Sizes | None = None) -> dict[str, Any]:
    """Measures PyTorch as `measure_jax` measures JAX; products of bfloat16 have results in bfloat16.

    TF32 is allowed, as it is in XLA.
    """
    from experiments.benchmark import torch_side

    torch = torch_side.setup()
    device = torch_side.pick_device(torch)
    torch.set_float32_matmul_precision("high")
    sizes = sizes or (ON_CPU if device == "cpu" else ON_ACCELERATOR)
    matrix = torch.randn(sizes.side, sizes.side, device=device)
    products = {}
    for dtype in ("float32", "bfloat16"):
        factor = matrix.to(getattr(torch, dtype))
        products[dtype] = partial(torch.mm, factor, factor)
    array = torch.zeros(sizes.values, device=device)
    rates = _measure_rates(sizes, products, lambda: array.add_(1), lambda _: torch_side.wait(torch, device))
    name = torch.cuda.get_device_name() if device == "cuda" else device
    return {"device": name, "platform": device, "version": torch.__version__, **rates}


def _measure_rates(
    sizes: Sizes, products: dict[str, Callable[[], Any]], copy: Callable[[], Any], wait: Callable[[Any], Any]
) -> dict[str, float]:
    rates = {name: 2 * sizes.side**3 / _min_seconds(call, sizes.calls, wait) for name, call in products.items()}
    # Every value is read and written: 2 times 4 bytes.
    return {**rates, "copy": 2 * 4 * sizes.values / _min_seconds(copy, sizes.calls, wait)}


def _min_seconds(call: Callable[[], Any], calls: int, wait: Callable[[Any], Any]) -> float:
    """Seconds of one call, the least of several measurements."""
    wait(call())
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        for _ in range(calls):
            result = call()
        wait(result)
        seconds.append((time.perf_counter() - started) / calls)
    return min(seconds)
