"""Pictures and shapes of small networks for the tests of trained features, and for their recording. It needs only NumPy."""

import numpy as np

from helpers import reference_values as values

PAIRS = 20

SIZES = {"even": (64, 64), "odd": (75, 53)}
"""Height and width in pixels; each size has half of the pairs."""

SMALL_WIDTHS = {"alex": (4, 6, 5, 3, 4), "vgg": (2, 2, 3, 3, 4, 4, 3, 5, 4, 3, 4, 5, 6)}
"""Channels of the convolutions of small networks."""

LITE0_BLOCKS = ((1, 3, 4, 6), (6, 5, 6, 5), (6, 3, 5, 5))
"""Expansion, kernel size, input and output channels of the blocks of a small Lite0."""

LITE0_STRIDES = (1, 2, 1)


def pairs(size: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns pictures and targets (n, h, w, 3) uint8: blocks of colour, and the same with more and more noise."""
    height, width = SIZES[size]
    count = PAIRS // 2
    blocks = values.uniform(f"features/{size}/blocks", count, 10, 10, 3, low=0, high=255)
    target = np.kron(blocks, np.ones((1, 8, 8, 1)))[:, :height, :width]
    noise = values.uniform(f"features/{size}/noise", count, height, width, 3, low=-1, high=1)
    strength = np.linspace(2, 250, count)[:, None, None, None]
    made = np.clip(target + strength * noise, 0, 255)
    return np.round(made).astype(np.uint8), np.round(target).astype(np.uint8)


def lpips_shapes(network: str) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of a small backbone, in PyTorch's layout, and of the heads."""
    widths = SMALL_WIDTHS[network]
    sizes = (11, 5, 3, 3, 3) if network == "alex" else (3,) * 13
    ends = range(5) if network == "alex" else (1, 3, 6, 9, 12)
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (size, old, new) in enumerate(zip(sizes, (3, *widths), widths, strict=False)):
        shapes[f"{i}.weight"], shapes[f"{i}.bias"] = (new, old, size, size), (new,)
    return shapes | {f"head.{i}": (widths[end],) for i, end in enumerate(ends)}


def lite0_shapes() -> dict[str, tuple[int, ...]]:
    """Returns the shapes of the state_dict of a small Lite0."""
    shapes: dict[str, tuple[int, ...]] = {}

    def add(kernel: str, norm: str, *shape: int) -> None:
        shapes[f"{kernel}.weight"] = shape
        names = ("weight", "bias", "running_mean", "running_var")
        shapes.update({f"{norm}.{name}": shape[:1] for name in names})

    add("_conv_stem", "_bn0", 4, 3, 3, 3)
    for i, (expansion, size, old, new) in enumerate(LITE0_BLOCKS):
        start, wide = f"_blocks.{i}.", expansion * old
        if expansion > 1:
            add(f"{start}_expand_conv", f"{start}_bn0", wide, old, 1, 1)
        add(f"{start}_depthwise_conv", f"{start}_bn1", wide, 1, size, size)
        add(f"{start}_project_conv", f"{start}_bn2", new, wide, 1, 1)
    add("_conv_head", "_bn1", 7, LITE0_BLOCKS[-1][-1], 1, 1)
    return shapes
