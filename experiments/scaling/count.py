"""Counts in the compiled call of `p2p-jax train`: bytes of one device, and collectives. No array is allocated."""

import math
import time
from dataclasses import replace
from typing import Any

from experiments.scaling.links import count_collectives
from p2p_jax.config import Config, Discriminator, Generator, as_size, load_size, resolve_length

V5E_TOPOLOGIES = {1: "1x1", 2: "1x2", 4: "2x2", 8: "2x4", 16: "4x4", 32: "4x8", 64: "8x8", 128: "8x16", 256: "16x16"}
"""{number of chips: the topology's name}."""

STATES = ("replicated", "sharded")


def make_config(order: dict[str, Any]) -> Config:
    """Returns the config of a worker's task; its batch is that of one device."""
    return Config(
        image_size=order["image_size"],
        batch_size=order["pictures"],
        dtype=order["dtype"],
        generator=Generator(width=order["width"], remat=order["remat"]),
        discriminator=Discriminator(width=order["width"]),
    )


def state_shapes(config: Config, devices: int, state: str, mesh: Any = None) -> Any:
    """Returns the training state as shapes with shardings.

    Args:
        config: of the run.
        devices: number of devices.
        state: one of `STATES`.
        mesh: of the devices; by default an abstract mesh.
    """
    import jax

    from p2p_jax import pix2pix
    from p2p_jax.devices import sharding
    from p2p_jax.step import init_train_state

    mesh = jax.sharding.AbstractMesh((devices, 1), ("data", "model")) if mesh is None else mesh
    config = resolve_length(replace(config, epochs=None, steps=100, batch_size=1), 1)
    pictures = jax.ShapeDtypeStruct((1, *as_size(config.image_size), 3), "float32")
    init = lambda batch: init_train_state(jax.random.key(0), pix2pix.build(config), batch)
    shapes = jax.eval_shape(init, {"input": pictures, "target": pictures})
    shardings = sharding.state_shardings(mesh, shapes, sharded=state == "sharded")
    return jax.tree.map(lambda x, where: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where), shapes, shardings)


def bytes_per_device(shapes: Any) -> int:
    """Returns the bytes that one device holds of `state_shapes`; random keys do not count."""
    import jax
    import jax.numpy as jnp

    leaves = [leaf for leaf in jax.tree.leaves(shapes) if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)]
    return sum(math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves)


def describe_call(config: Config, devices: int, state: str, platform: str = "cpu") -> tuple[Any, Any, Any]:
    """Returns the jitted function of a training call, and its state and batch as shapes with shardings.

    Args:
        config: of the run; its batch size is that of one device.
        devices: number of devices.
        state: one of `STATES`.
        platform: "cpu", or "tpu" for a TPU v5e that is only described.
    """
    import jax
    from jax.sharding import NamedSharding

    from p2p_jax import pix2pix
    from p2p_jax.devices import sharding
    from p2p_jax.training.feed import make_update

    batch_size = devices * config.batch_size
    config = resolve_length(replace(config, epochs=None, steps=100, batch_size=batch_size, steps_per_call=1), batch_size)
    chosen = jax.devices()[:devices]
    if platform == "tpu":
        from jax.experimental import topologies

        hosts = {"chips_per_host_bounds": (1, devices, 1)} if devices < 4 else {}
        topology = f"v5e:{V5E_TOPOLOGIES[devices]}"
        chosen = topologies.get_topology_desc(platform="tpu", topology_name=topology, **hosts).devices
    mesh = sharding.make_mesh(batch_size, chosen)
    shapes, model = state_shapes(config, devices, state, mesh), pix2pix.build(config)
    split = NamedSharding(mesh, jax.P("data"))
    pictures = jax.ShapeDtypeStruct((batch_size, *load_size(config), 3), "uint8", sharding=split)
    shardings = jax.tree.map(lambda leaf: leaf.sharding, shapes)
    update = make_update(sharding.with_gathered_params(model, mesh, shardings), config, mesh, None, shardings)
    return update, shapes, {"input": pictures, "target": pictures}


def count_call(config: Config, devices: int, state: str, platform: str = "cpu") -> dict[str, Any]:
    """Compiles a training call and counts in the program. Arguments are those of `describe_call`.

    Returns:
        {"state_bytes", "argument_bytes", "output_bytes", "alias_bytes", "temp_bytes": bytes of one device,
        "generator", "discriminator": numbers of parameters, "links": of `count_collectives`,
        "seconds": of compilation}.
    """
    import jax

    update, shapes, batch = describe_call(config, devices, state, platform)
    options: dict[str, Any] = {}
    if platform == "cpu":
        options["xla_backend_optimization_level"] = 0
        if jax.__version_info__[:2] == (0, 10):
            options["xla_cpu_use_fusion_emitters"] = False
    started = time.perf_counter()
    compiled = update.func.lower(shapes, batch, **update.keywords).compile(compiler_options=options)
    used = compiled.memory_analysis()
    generator, discriminator = (
        [leaf.shape for leaf in jax.tree.leaves(network.params)] for network in (shapes.generator, shapes.discriminator)
    )
    kernels = {math.prod(shape) for shape in generator + discriminator if len(shape) > 1}
    return {
        "state_bytes": bytes_per_device(shapes),
        **{f"{name}_bytes": getattr(used, f"{name}_size_in_bytes") for name in ("argument", "output", "alias", "temp")},
        "generator": sum(map(math.prod, generator)),
        "discriminator": sum(map(math.prod, discriminator)),
        "links": count_collectives(compiled.as_text(), devices, kernels),
        "seconds": time.perf_counter() - started,
    }
