"""Inputs for PyTorch and p2p_jax, and the comparison of their results. It imports neither.

`tests/reference/record.py` and the parity tests draw the same weights and pictures here, so that only PyTorch's results
are stored, in the .npz files of `tests/reference`. Everything is drawn with `np.random.RandomState`, whose stream never
changes, and rounded to float32, so that float32 and float64 start from the same numbers. Arrays have PyTorch's layout.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[1] / "reference"

# --------------------------------------------------------------------------------------------------------------------
# Settings

# height, width, kernel height, kernel width, channels in, channels out, stride, padding
CONVOLUTIONS = {
    "unet": (8, 8, 4, 4, 3, 2, 2, 1),
    "unet_odd": (9, 7, 4, 4, 2, 3, 2, 1),
    "patchgan": (6, 5, 4, 4, 2, 1, 1, 1),
    "resnet": (7, 8, 3, 3, 2, 3, 2, 1),
    "resnet_stem": (9, 8, 7, 7, 1, 2, 1, 0),
    "pixel": (4, 3, 1, 1, 3, 4, 1, 0),
    "wide_stride": (9, 8, 2, 3, 2, 2, 3, 0),
    "wide_padding": (4, 4, 3, 2, 1, 2, 1, 3),
}
# height, width, kernel height, kernel width, channels in, channels out, stride, padding, output padding
TRANSPOSED = {
    "unet": (4, 3, 4, 4, 3, 2, 2, 1, 0),
    "unet_innermost": (1, 1, 4, 4, 2, 3, 2, 1, 0),
    "resnet": (3, 4, 3, 3, 2, 3, 2, 1, 1),
    "stride_1": (5, 4, 3, 3, 2, 2, 1, 1, 0),
    "odd": (3, 2, 5, 4, 1, 2, 3, 2, 2),
    "wide_stride": (3, 3, 2, 2, 2, 1, 3, 0, 1),
}
# n, c, h, w, and a constant added to the picture
NORMALISED = {
    "plain": ((2, 3, 4, 5), 0.0),
    "off_zero": ((3, 2, 4, 4), 5.0),
    "batch_1": ((1, 3, 4, 2), 0.5),
    "one_pixel": ((4, 3, 1, 1), 0.0),
}
# kind of network, norm, dtype, shape of the pictures (n, c, h, w), and PyTorch's other options
WIDTHS_256 = (2, 3, 4, 3, 4, 3, 5, 4)
NETWORKS = {
    "unet_256_batch": ("Unet", "batch", "float32", (1, 3, 256, 256), {"widths": WIDTHS_256}),
    "unet_256_instance": ("Unet", "instance", "float32", (1, 3, 256, 256), {"widths": WIDTHS_256}),
    "unet_256_none": ("Unet", "none", "float32", (1, 3, 256, 256), {"widths": WIDTHS_256}),
    "unet_128_batch": ("Unet", "batch", "float32", (1, 3, 128, 256), {"widths": WIDTHS_256[:7]}),
    "unet_128_instance": ("Unet", "instance", "float32", (2, 3, 128, 128), {"widths": WIDTHS_256[:7], "dropout": 0.0}),
    "unet_128_none": ("Unet", "none", "float32", (1, 3, 128, 128), {"widths": WIDTHS_256[:7]}),
    "unet_64_batch": ("Unet", "batch", "float64", (2, 3, 64, 64), {"widths": (3, 2, 4, 3, 2, 5)}),
    **{
        f"unet_channels_{norm}": (
            "Unet", norm, "float32", (2, 1, 32, 64), {"widths": (3, 5, 4, 6, 2), "in_channels": 1, "out_channels": 2},
        )
        for norm in ("batch", "instance", "none")
    },
    "resnet_9_batch": ("Resnet", "batch", "float32", (1, 3, 16, 24), {"width": 2}),
    "resnet_9_instance": ("Resnet", "instance", "float32", (2, 3, 16, 16), {"width": 2, "dropout": 0.0}),
    "resnet_9_none": ("Resnet", "none", "float32", (1, 3, 16, 16), {"width": 2}),
    "resnet_6_batch": ("Resnet", "batch", "float64", (2, 3, 16, 16), {"width": 2, "blocks": 6, "dropout": 0.0}),
    "resnet_6_instance": ("Resnet", "instance", "float32", (1, 3, 16, 16), {"width": 3, "blocks": 6}),
    "resnet_6_none": (
        "Resnet", "none", "float32", (1, 1, 16, 20), {"width": 2, "blocks": 6, "in_channels": 1, "out_channels": 2},
    ),
    **{
        f"patchgan_{layers}_{norm}": (
            "PatchGan", norm, "float64" if (layers, norm) == (3, "batch") else "float32", shape, {"widths": widths},
        )
        for layers, shape, widths in (
            (1, (2, 6, 16, 24), (3, 4)),
            (2, (2, 6, 32, 24), (3, 4, 5)),
            (3, (1, 6, 48, 32), (3, 5, 4, 6)),
            (4, (2, 6, 80, 64), (3, 5, 4, 3, 4)),
            (5, (1, 6, 160, 128), (2, 3, 4, 3, 4, 5)),
        )
        for norm in ("batch", "instance", "none")
    },
    "patchgan_channels_none": (
        "PatchGan", "none", "float32", (1, 3, 32, 24), {"widths": (3, 4, 5), "in_channels": 3},
    ),
    "pixelgan_batch": ("PixelGan", "batch", "float64", (2, 6, 6, 5), {"width": 4}),
    "pixelgan_instance": ("PixelGan", "instance", "float32", (2, 6, 6, 5), {"width": 4}),
    "pixelgan_none": ("PixelGan", "none", "float32", (2, 6, 6, 5), {"width": 4}),
}  # fmt: skip
# Gain of the kernels: smaller where residual blocks add up, so that tanh does not saturate.
GAINS = {"Unet": 1.5, "Resnet": 0.8, "PatchGan": 1.5, "PixelGan": 1.5}
# Training steps: batch size by norm, generator widths, discriminator widths, size of the pictures
STEPS = {"batch": 2, "instance": 1, "none": 2}
STEP_WIDTHS, STEP_JUDGE_WIDTHS, STEP_SIZE = (2, 3, 2, 3, 4, 3), (3, 4, 5), 64
# Logits at which a careless loss overflows, loses digits or is not differentiable.
LOGITS = (-50.0, -20.0, -1.5, -0.25, 0.0, 0.125, 0.75, 3.0, 20.0, 50.0)
EPOCHS = 200
# Sizes of Adam's gradients, from large ones to rounding errors and zero.
ADAM_SIZES = (1e2, 1.0, 1e-2, 1e-5, 1e-7, 1e-8, 1e-10, 0.0)

# --------------------------------------------------------------------------------------------------------------------
# Random inputs


def uniform(name: str, *shape: int, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    """Returns float32 numbers, uniform in [low, high), that depend on the name and the shape only."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    return (low + (high - low) * random.random_sample(shape)).astype(np.float32)


def weights(
    name: str, shapes: Mapping[str, tuple[int, ...]], *, gain: float = 1.5, spread: float | None = None
) -> dict[str, np.ndarray]:
    """Returns random weights of a network by their state_dict names, all different from the usual initial values.

    Args:
        name: of the network; the weights depend on it.
        shapes: of every tensor of the state_dict.
        gain: approximate ratio of a convolution's output to its input, in standard deviations.
        spread: standard deviation of all kernels, in place of `gain`.
    """

    def draw(key: str, shape: tuple[int, ...]) -> np.ndarray:
        seed = f"{name}/{key}"
        if key.endswith("num_batches_tracked"):
            return np.asarray(7)
        if key.endswith("running_var"):
            return uniform(seed, *shape, low=0.5, high=2.0)
        if len(shape) == 1:
            middle = 1.0 if key.endswith("weight") else 0.0
            return uniform(seed, *shape, low=middle - 0.4, high=middle + 0.4)
        half = 3**0.5 * (gain / np.prod(shape[1:]) ** 0.5 if spread is None else spread)
        return uniform(seed, *shape, low=-half, high=half)

    return {key: draw(key, tuple(shape)) for key, shape in shapes.items()}


def checkerboard(shape: tuple[int, ...]) -> np.ndarray:
    """Returns the dropout mask of all recordings: a value stays if the sum of its indices is even."""
    return sum(np.indices(shape, sparse=True)) % 2 == 0


# --------------------------------------------------------------------------------------------------------------------
# Storing and comparing results


def digest(array: np.ndarray, size: int = 512) -> np.ndarray:
    """Returns an array of at most `size` numbers as it is, and a summary of that size of a larger one.

    Half of the summary are numbers of the array; the other half are sums with random signs over all its numbers, divided by
    the root of their count, so that a single wrong number anywhere changes the summary.
    """
    array = np.asarray(array, np.float64)
    if array.size <= size:
        return array
    random, half = np.random.RandomState(array.size), size // 2
    flat = array.ravel()[random.permutation(array.size)]
    signed = flat * random.choice([-1.0, 1.0], flat.size)
    groups = np.array([group.sum() / group.size**0.5 for group in np.array_split(signed, half)])
    return np.concatenate([flat[:half], groups])


def differences(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Returns the largest difference of each array, relative to its largest expected value.

    If all expected values of an array are rounding errors of float64, such as the gradient of a bias that a norm subtracts
    again, the difference is relative to the largest value of all arrays.
    """
    assert set(found) == set(expected), set(found) ^ set(expected)
    largest = {name: float(np.abs(value).max(initial=0.0)) for name, value in expected.items()}
    overall = max(largest.values(), default=0.0) or 1.0
    result = {}
    for name, value in expected.items():
        assert np.shape(found[name]) == np.shape(value), (name, np.shape(found[name]), np.shape(value))
        scale = largest[name] if largest[name] > 1e-10 * overall else overall
        difference = np.abs(np.asarray(found[name], np.float64) - value).max(initial=0.0)
        result[name] = float("inf") if np.isnan(difference) else float(difference) / scale
    return result


def assert_agree(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], tolerance: float) -> float:
    """Compares all arrays by `differences` and returns the largest difference."""
    relative = differences(found, expected)
    wrong = {name: f"{value:.1e}" for name, value in relative.items() if value > tolerance}
    assert not wrong, f"differ from PyTorch by more than {tolerance:.0e}: {wrong}"
    return max(relative.values(), default=0.0)


def save(name: str, arrays: Mapping[str, np.ndarray]) -> int:
    """Writes a file of arrays, with all float32 arrays and all float64 arrays joined; returns its size in bytes."""
    path, pieces = FOLDER / f"{name}.npz", {"float32": [np.zeros(0, np.float32)], "float64": [np.zeros(0)]}
    index = [[key, str(value.dtype), list(value.shape)] for key, value in arrays.items()]
    for value in arrays.values():
        pieces[str(value.dtype)].append(value.ravel())
    joined = {dtype: np.concatenate(found) for dtype, found in pieces.items()}
    np.savez_compressed(path, index=np.frombuffer(json.dumps(index).encode(), np.uint8), **joined)
    return path.stat().st_size


def load(name: str) -> dict[str, np.ndarray]:
    """Reads a file that `save` wrote."""
    with np.load(FOLDER / f"{name}.npz") as stored:
        rest = {dtype: stored[dtype] for dtype in ("float32", "float64")}
        index = json.loads(stored["index"].tobytes())
    found = {}
    for name, dtype, shape in index:
        size = int(np.prod(shape))
        found[name], rest[dtype] = rest[dtype][:size].reshape(shape), rest[dtype][size:]
    return found


def part(stored: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Returns the arrays under a prefix, by the rest of their names."""
    return {name.removeprefix(f"{prefix}/"): value for name, value in stored.items() if name.startswith(f"{prefix}/")}


def shapes(stored: Mapping[str, np.ndarray], prefix: str) -> dict[str, tuple[int, ...]]:
    """Returns names and shapes of a state_dict in PyTorch's order, which `record.py` stored under "PREFIX/shapes"."""
    return {name: tuple(int(n) for n in shape) for name, shape in part(stored, f"{prefix}/shapes").items()}


def without_influence(gradients: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns where gradients are only rounding errors of float64: mostly at biases that an instance norm subtracts."""
    largest = max(np.abs(value).max() for value in gradients.values())
    return {name: np.abs(value) < 1e-10 * largest for name, value in gradients.items()}


def summary(
    norm: str, found: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray]
) -> dict[str, dict[str, np.ndarray]]:
    """Returns the arrays of ten training steps that are compared in float32, by kind.

    A parameter without influence keeps its initial value here: Adam moves it by quotients of rounding errors.

    Args:
        norm: of the networks, which determines the initial weights.
        found: the arrays that `record.py` stores of these steps, or the same from p2p_jax.
        truth: the same in float64.
    """
    kinds: dict[str, dict[str, np.ndarray]] = {"losses": {"losses": found["losses"]}}
    for network in ("generator", "discriminator"):
        drawn = weights(f"steps_{norm}/{network}", shapes(truth, network))
        idle = without_influence(part(truth, f"1/{network}/gradients"))
        for kind, stored in (("gradients", f"1/{network}/gradients"), ("statistics", f"10/{network}/statistics")):
            kinds.setdefault(kind, {}).update({f"{network}/{key}": value for key, value in part(found, stored).items()})
        for key, value in part(found, f"10/{network}/moved").items():
            kinds.setdefault("parameters", {})[f"{network}/{key}"] = drawn[key] + np.where(idle[key], 0, value)
    return {kind: arrays for kind, arrays in kinds.items() if arrays}
