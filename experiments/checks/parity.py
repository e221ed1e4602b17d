"""Parity with PyTorch: how far the same networks, files and training steps differ between p2p_jax and PyTorch.

    python -m experiments.checks.parity steps                       # ten steps of the full networks at 256 pixels
    python -m experiments.checks.parity steps --dtype float64
    python -m experiments.checks.parity networks                    # reads and writes files of every architecture

It needs PyTorch (`pip install torch`) and a checkout of the project, because PyTorch's networks come from
tests/reference/torch_pix2pix.py. experiments/LOG.md has results.
"""

import copy
import importlib
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from experiments import pytorch_original
from p2p_jax import pix2pix
from p2p_jax.config import Config, Generator
from p2p_jax.data.procedural import facade
from p2p_jax.pytorch import convert
from p2p_jax.pytorch.layer_names import Arrays, layers_of
from p2p_jax.state import NetworkState
from p2p_jax.step import init_train_state, make_train_step
from p2p_jax.weight_files.state_dict import read_state_dict, write_state_dict

NORMS = ("batch", "instance", "none")
WIDTH = 124

LOSS_HEADS = ("D loss", "difference", "GAN", "difference", "L1", "difference")
WEIGHT_HEADS = ("G largest", "G mean", "D largest", "D mean")
TITLES = ("p2p_jax compared with PyTorch", "PyTorch with channels last compared with PyTorch")

NOTE = """Difference: absolute difference of the losses. Largest and mean: over the differences of all weights and biases of
a network, except biases that an instance norm cancels. In float32 Adam makes a full step, 2e-4, of a gradient that is only
rounding, so PyTorch differs from itself as soon as it adds in another order. In float64 Adam's epsilon is larger than the
rounding."""


@dataclass(frozen=True)
class Steps:
    """Training steps of unet_256 and the 70-pixel PatchGAN, without dropout, from the same weights and batches."""

    steps: int = 10
    norm: Literal["batch", "instance", "none"] = "batch"
    dtype: Literal["float32", "float64"] = "float32"
    image_size: int = 256
    batch_size: int = 1


@dataclass(frozen=True)
class Networks:
    """Checkpoint files of random weights: p2p_jax reads them, computes outputs, and writes them back for PyTorch."""

    width: int = 64
    """Features of the first layer; the PyTorch original has 64."""


def main() -> int:
    """Runs one of the two parts; returns 0 if all differences are within their bounds, 1 if not, 2 without PyTorch."""
    parts = Annotated[Steps, tyro.conf.subcommand("steps")] | Annotated[Networks, tyro.conf.subcommand("networks")]
    options = tyro.cli(parts, prog="experiments.checks.parity")
    missing = pytorch_original.why_unavailable()
    if missing:
        print(f"this check compares with PyTorch, but it cannot: {missing}", file=sys.stderr)
        return 2
    networks = pytorch_original.load()
    return compare_steps(networks, options) if isinstance(options, Steps) else compare_networks(networks, options)


def _torch() -> Any:
    return importlib.import_module("torch")  # not a dependency, and unknown to the type checker


def compare_steps(networks: ModuleType, options: Steps) -> int:
    """Compares p2p_jax with PyTorch, and PyTorch with itself in another memory layout; prints a table for each.

    Args:
        networks: tests/reference/torch_pix2pix.py.
        options: of the command.

    Returns:
        0: the differences are shown and have no bounds.
    """
    torch = _torch()
    torch.manual_seed(0)
    first = networks.Unet(norm=options.norm, dropout=0.0), networks.PatchGan(norm=options.norm)
    for net in first:
        networks.init_weights(net)
    both = [convert.from_torch(_arrays(net), dropout=0.0) for net in first]
    nets = [net.to(getattr(torch, options.dtype)) for net in first]
    twins = [copy.deepcopy(net).to(memory_format=torch.channels_last) for net in nets]
    trained = [(group, [networks.adam(net) for net in group]) for group in (nets, twins)]
    tables = [Table("step", *LOSS_HEADS, *WEIGHT_HEADS, title=title) for title in TITLES]
    with jax.enable_x64(options.dtype == "float64"):
        state, step = _prepare(both, options)
        for index, (input, target) in enumerate(_batches(options), start=1):
            given = [torch.from_numpy(picture.transpose(0, 3, 1, 2).copy()) for picture in (input, target)]
            losses, of_twins = [networks.train_step(*group, *optimizers, *given) for group, optimizers in trained]
            state, metrics = step(state, {"input": jnp.asarray(input), "target": jnp.asarray(target)})
            models = state.generator, state.discriminator
            here = [convert.to_torch(c.options, m.params, m.state) for c, m in zip(both, models, strict=True)]
            for table, other, arrays in zip(tables, (metrics, of_twins), (here, map(_arrays, twins)), strict=True):
                pairs = zip(both, arrays, map(_arrays, nets), strict=True)
                table.add_row(str(index), *_compare_losses(losses, other), *_shown(x for p in pairs for x in _distance(*p)))
    console = Console(width=WIDTH)
    console.print(f"{options.steps} steps, {options.norm} norm, {options.dtype}, {options.image_size} pixels")
    for table in tables:
        console.print(table)
    print(NOTE)
    return 0


def _shown(differences: Iterable[float]) -> list[str]:
    return [f"{value:.1e}" for value in differences]


def _compare_losses(expected: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    for name in ("discriminator_loss", "generator_gan", "generator_l1"):
        value = float(expected[name])
        yield f"{value:.5f}"
        yield from _shown([abs(float(found[name]) - value)])


def _prepare(both: list[convert.Converted], options: Steps) -> tuple[Any, Any]:
    """Returns the state before the first step, with PyTorch's weights, and the compiled step."""
    generator, discriminator = (converted.options for converted in both)
    config = Config(
        image_size=options.image_size,
        steps=options.steps,
        epochs=None,
        generator=generator,  # pyright: ignore[reportArgumentType]
        discriminator=discriminator,  # pyright: ignore[reportArgumentType]
    )
    constant = pix2pix.build_optimizer(config.optimizer, lambda _: config.optimizer.learning_rate)
    model = pix2pix.build(config)._replace(
        # The generator computes in the dtype of its input.
        generator=pix2pix.build_generator(config, dtype=None),
        discriminator=pix2pix.build_discriminator(config.discriminator, options.dtype),
        generator_optimizer=constant,
        discriminator_optimizer=constant,
    )
    side = (options.batch_size, options.image_size, options.image_size, 3)
    shapes = {name: jnp.zeros(side, options.dtype) for name in ("input", "target")}
    state = init_train_state(jax.random.key(0), model, shapes)
    models = []
    for converted in both:
        params, running = jax.tree.map(lambda leaf: leaf.astype(options.dtype), (converted.params, converted.state))
        models.append(NetworkState(params, running, constant.init(params)))
    state = replace(state, generator=models[0], discriminator=models[1])
    return state, jax.jit(make_train_step(model), donate_argnums=0)


def _batches(options: Steps) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields (labels, photos) of drawn facades: (n, size, size, 3) in [-1, 1], in the dtype of the options."""
    size = (options.image_size, options.image_size)
    for step in range(options.steps):
        drawn = [facade(0, step * options.batch_size + i, size=size) for i in range(options.batch_size)]
        photos, labels = (np.stack(side).astype(options.dtype) / 127.5 - 1 for side in zip(*drawn, strict=True))
        yield labels, photos


def _distance(converted: convert.Converted, found: Arrays, expected: Arrays) -> tuple[float, float]:
    """Returns the largest and the mean difference of two state_dicts' weights, except biases that a norm cancels."""
    cancelled = set()
    if converted.options.norm == "instance":
        layers = layers_of(replace(converted.options, norm="batch"), converted.params)
        normed = {layer.name for layer in layers if layer.kind == "norm"}
        cancelled = {f"{layer.key}.bias" for layer in layers if f"{layer.name}_norm" in normed}
    kept = [name for name in expected if name not in cancelled and not name.endswith(convert.STATISTICS)]
    gaps = [np.abs(found[name] - expected[name]) for name in kept]
    return max(float(gap.max()) for gap in gaps), sum(float(gap.sum()) for gap in gaps) / sum(gap.size for gap in gaps)


def _arrays(net: Any) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy().copy() for name, value in net.state_dict().items()}


def compare_networks(networks: ModuleType, options: Networks) -> int:
    """Compares outputs and files of every architecture and prints a table.

    Outputs are in [-1, 1]; logits are compared in units of the largest. The table also says whether PyTorch can load the
    file that p2p_jax wrote, with the same bits.

    Args:
        networks: tests/reference/torch_pix2pix.py.
        options: of the command.

    Returns:
        0 if all outputs differ by less than 1e-4, else 1.
    """
    torch = _torch()
    torch.manual_seed(0)
    table = Table("network", "norm", "size", "batch statistics", "running statistics", "back to PyTorch")
    worst = 0.0
    console = Console(width=WIDTH)
    with tempfile.TemporaryDirectory() as folder, console.status("comparing") as status:
        for index, (name, norm, net, in_channels, sizes) in enumerate(_cases(networks, options.width)):
            status.update(f"{name}, {norm} norm")
            _fill(net)
            path = Path(folder) / "net.pth"
            torch.save(net.state_dict(), path, _use_new_zipfile_serialization=index % 2 == 0)
            arrays = read_state_dict(path)
            back = _write_back(net, arrays, path)
            for size in sizes:
                pictures = torch.rand(1, in_channels, *size) * 2 - 1
                gaps = [_compare_outputs(net, arrays, pictures, statistics) for statistics in ("batch", "running")]
                worst = max(worst, *gaps)
                table.add_row(name, norm, f"{size[0]} x {size[1]}", *_shown(gaps), back)
    console.print(table)
    console.print(f"The largest difference is {worst:.1e}; it should be below 1e-4.")
    return 0 if worst < 1e-4 else 1


def _cases(networks: ModuleType, width: int) -> Iterator[tuple[str, str, Any, int, tuple[tuple[int, int], ...]]]:
    """Yields (name, norm, network, input channels, picture sizes)."""
    deep = tuple(width * min(2**i, 8) for i in range(8))
    square, odd = (256, 256), (100, 148)
    for norm in NORMS:
        yield "unet_256", norm, networks.Unet(deep, norm=norm), 3, (square, (256, 512))
        yield "unet_128", norm, networks.Unet(deep[:7], norm=norm), 3, (square, (128, 384))
        yield "unet_32, 4 to 1 channels", norm, networks.Unet(deep[:5], 4, 1, norm=norm), 4, (square, (96, 160))
        yield "resnet_9", norm, networks.Resnet(width, 9, norm=norm), 3, (square, odd)
        yield "resnet_6, no dropout", norm, networks.Resnet(width, 6, norm=norm, dropout=0.0), 3, (square, odd)
        for layers in range(1, 6):
            net = networks.PatchGan(networks.patchgan_widths(layers, width), norm=norm)
            yield f"patchgan, {layers} layers", norm, net, 6, (square, (286, 190))
        yield "pixelgan", norm, networks.PixelGan(width, norm=norm), 6, (square, odd)


def _fill(net: Any) -> None:
    """Fills a network with random weights: activations keep their size, and no bias, scale or statistic is 0 or 1."""
    torch = _torch()
    for name, value in net.state_dict().items():
        if value.ndim == 4:
            # Residual blocks add up, so their weights are smaller: outputs at the ends of tanh would hide differences.
            gain = 0.5 if ".conv_block." in name else 1.4
            spread = gain / (value.shape[1] * value.shape[2] * value.shape[3]) ** 0.5
            value.copy_(spread * torch.randn_like(value))
        elif name.endswith("running_var"):
            value.copy_(0.5 + torch.rand_like(value))
        elif value.is_floating_point():
            value.copy_(0.1 * torch.randn_like(value) + (1 if name.endswith("weight") else 0))


def _write_back(net: Any, arrays: dict[str, np.ndarray], path: Path) -> str:
    """Writes the weights by p2p_jax, loads them strictly in PyTorch, and says whether the bits are the same."""
    torch = _torch()
    converted = convert.from_torch(arrays)
    write_state_dict(path, convert.to_torch(converted.options, converted.params, converted.state, counts=converted.counts))
    loaded = torch.load(path, weights_only=True)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(loaded, strict=True)
    same = list(before) == list(loaded) and all(torch.equal(before[name], loaded[name]) for name in before)
    return "same bits" if same else "DIFFERS"


def _compare_outputs(
    net: Any, arrays: dict[str, np.ndarray], pictures: Any, statistics: Literal["batch", "running"]
) -> float:
    torch = _torch()
    net.train(statistics == "batch")
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.eval()
    with torch.no_grad():
        saved = {name: value.clone() for name, value in net.state_dict().items()}
        expected = net(pictures).numpy().transpose(0, 2, 3, 1)
        net.load_state_dict(saved)  # training mode changed the running statistics
    found = convert.from_torch(arrays, statistics=statistics)
    x = jnp.asarray(pictures.numpy().transpose(0, 2, 3, 1))
    apply = jax.jit(lambda params, state, x: found.network.apply(params, state, x, train=False)[0])
    output = np.asarray(apply(found.params, found.state, x))
    # Logits have no bound, so they are compared in units of the largest one if that is above 1.
    scale = 1.0 if isinstance(found.options, Generator) else max(1.0, float(abs(expected).max()))
    return float(abs(output - expected).max()) / scale


if __name__ == "__main__":
    sys.exit(main())
