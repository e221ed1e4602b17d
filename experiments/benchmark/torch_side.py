"""PyTorch in a worker process: runs the networks of tests/reference/torch_pix2pix.py in several ways."""

import contextlib
import importlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments import pytorch_original
from experiments.benchmark import data_speed, memory
from experiments.benchmark.options import Case, Contestant
from p2p_jax.discriminators import patchgan_widths
from p2p_jax.generators import unet_widths


def setup() -> Any:
    """Imports PyTorch and lets it use all cores."""
    torch = importlib.import_module("torch")  # not a dependency, and unknown to the type checker
    torch.set_num_threads(os.cpu_count() or 1)
    torch.backends.cudnn.benchmark = True  # as the PyTorch original sets it
    return torch


def pick_device(torch: Any) -> str:
    """Returns the device that PyTorch computes on: cuda, mps or cpu."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def wait(torch: Any, device: str) -> None:
    """Waits until the device has finished."""
    if device != "cpu":
        getattr(torch, device).synchronize()


def prepare(case: Case, contestant: Contestant) -> tuple[dict[str, Any], dict[str, Callable[..., Any]]]:
    """Builds both networks and runs a first step; returns what `jax_side.prepare` returns, without `layers`.

    Raises:
        ValueError: PyTorch's U-Net does not accept the picture size.
    """
    widths = unet_widths(case.image_size, case.width)
    if case.image_size % 2 ** len(widths):
        raise ValueError(f"its U-Net of {len(widths)} levels needs a multiple of {2 ** len(widths)} pixels a side")
    torch, networks = setup(), pytorch_original.load()
    device = pick_device(torch)
    before = memory.reset_peak()
    layout = torch.channels_last if contestant.channels_last else torch.contiguous_format
    nets = [networks.Unet(widths), networks.PatchGan(patchgan_widths(3, case.width))]
    for net in nets:
        networks.init_weights(net)
        net.to(device, memory_format=layout)
    optimizers = [networks.adam(net, fused=contestant.fused or None) for net in nets]
    called = [torch.compile(net) for net in nets] if contestant.compiled else nets

    def step(pair: list[Any]) -> None:
        pair = [side.to(device, memory_format=layout, non_blocking=True) for side in pair]
        with _precision(torch, device, contestant):
            networks.train_step(*called, *optimizers, *pair)

    def run(count: int) -> float:
        return _time(torch, device, lambda: step(batch), count)

    shape = (case.batch_size, 3, case.image_size, case.image_size)
    batch = [(torch.rand(shape) * 2 - 1).to(device, memory_format=layout) for _ in range(2)]
    first_seconds = run(1)
    first = _peak(torch, device, before)
    memory.reset_peak()
    run(1)  # the first step after autotuning, with the optimizers' state allocated
    name = torch.cuda.get_device_name() if device == "cuda" else device
    forward = _make_forward(torch, device, contestant, called[0], batch[0])
    return {"platform": device, "device": name, "compile_seconds": first_seconds, "first_peak": first}, {
        "step": run,
        "forward": lambda count: _time(torch, device, forward, count),
        "data": _make_data(torch, device, case, step),
        "memory": lambda: _peak(torch, device, before),
    }


def _precision(torch: Any, device: str, contestant: Contestant) -> Any:
    if contestant.dtype == "bfloat16":
        return torch.autocast(device, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def _time(torch: Any, device: str, call: Callable[[], Any], count: int) -> float:
    started = time.perf_counter()
    for _ in range(count):
        call()
    wait(torch, device)
    return time.perf_counter() - started


def _make_forward(torch: Any, device: str, contestant: Contestant, generator: Any, x: Any) -> Callable[[], Any]:
    def forward() -> Any:
        with torch.no_grad(), _precision(torch, device, contestant):
            return generator(x)

    return forward


def _make_data(torch: Any, device: str, case: Case, step: Callable[[list[Any]], None]) -> Callable[..., float]:
    """Returns a function that trains from files; the DataLoader starts at its first call."""
    streams: list[Any] = []

    def run(count: int, folder: str, workers: int) -> float:
        if not streams:
            options = data_speed.Options(batch_size=case.batch_size, workers=workers)
            streams.append(data_speed.torch_batches(Path(folder), options, size=case.image_size))
        for _ in range(2 * workers):  # skips batches that were read during the turns of others
            next(streams[0])
        return _time(torch, device, lambda: step(list(next(streams[0]).values())), count)

    return run


def _peak(torch: Any, device: str, before: int) -> int:
    return torch.cuda.max_memory_allocated() if device == "cuda" else memory.peak() - before
