"""Networks of the PyTorch original as other projects changed them, for `record_forks.py`.

They are written from tables of layers and of state_dict names and shapes, not from the projects' code.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_pix2pix import ResnetBlock, norm_layer

Norm = Callable[[int], nn.Module]


class Filter(nn.Module):
    """A fixed blur: the outer product of `weights` with themselves, for every channel."""

    def __init__(self, channels: int, weights: tuple[float, ...]):
        super().__init__()
        row = torch.tensor(weights) / sum(weights)
        self.register_buffer("filt", torch.outer(row, row).repeat(channels, 1, 1, 1))


class Halve(Filter):
    """CUT's halving: mirrored edges, then a strided convolution of each channel with (1, 2, 1)."""

    def __init__(self, channels: int):
        super().__init__(channels, (1.0, 2.0, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(functional.pad(x, (1,) * 4, "reflect"), self.filt, stride=2, groups=x.shape[1])


class Double(Filter):
    """CUT's doubling: repeated edges, then a transposed convolution with (1, 3, 3, 1), cropped by one pixel."""

    def __init__(self, channels: int):
        super().__init__(channels, (1.0, 3.0, 3.0, 1.0))
        self.filt *= 4

    def forward(self, x: Tensor) -> Tensor:
        wide = functional.pad(x, (1,) * 4, "replicate")
        return functional.conv_transpose2d(wide, self.filt, stride=2, padding=2, groups=x.shape[1])[:, :, 1:-1, 1:-1]


def cut_resnet(width: int = 2, blocks: int = 2, norm: str = "instance", *, down: bool = True, up: bool = True) -> nn.Module:
    """Builds CUT's residual generator: `down` and `up` say where it is anti-aliased."""
    bias = norm == "instance"
    parts = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7, bias=bias), norm_layer(norm, width), nn.ReLU()]
    for features in (2 * width, 4 * width):
        parts += [nn.Conv2d(features // 2, features, 3, 1 if down else 2, 1, bias=bias), norm_layer(norm, features)]
        parts += [nn.ReLU(), Halve(features)] if down else [nn.ReLU()]
    parts += [ResnetBlock(4 * width, norm=norm, dropout=0.0) for _ in range(blocks)]
    for features in (2 * width, width):
        plain = nn.ConvTranspose2d(2 * features, features, 3, 2, 1, output_padding=1, bias=bias)
        smooth = [Double(2 * features), nn.Conv2d(2 * features, features, 3, 1, 1, bias=bias)]
        parts += [*(smooth if up else [plain]), norm_layer(norm, features), nn.ReLU()]
    return nn.Sequential(*parts, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


def cut_patchgan(widths: tuple[int, ...], in_channels: int = 3, norm: str = "instance") -> nn.Module:
    """Builds CUT's PatchGAN."""
    parts, last = [], in_channels
    for i, width in enumerate(widths):
        parts += [nn.Conv2d(last, width, 4, 1, 1, bias=i == 0 or norm == "instance")]
        parts += [norm_layer(norm, width)] if i else []
        parts += [nn.LeakyReLU(0.2)]
        parts += [Halve(width)] if i < len(widths) - 1 else []
        last = width
    return nn.Sequential(*parts, nn.Conv2d(last, 1, 4, 1, 1))


def bare_patchgan(widths: tuple[int, ...], *, bias: bool) -> nn.Module:
    """Builds a PatchGAN without norm layers, as it is common with spectral norm."""
    parts, last = [], 6
    for i, width in enumerate(widths):
        parts += [nn.Conv2d(last, width, 4, 2 if i < len(widths) - 1 else 1, 1, bias=bias or i == 0), nn.LeakyReLU(0.2)]
        last = width
    return nn.Sequential(*parts, nn.Conv2d(last, 1, 4, 1, 1))


class Holder(nn.Module):
    """A network that holds another one as its attribute `model`."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.model = net

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def with_norms(net: nn.Module, make: Norm) -> nn.Module:
    """Replaces every instance norm by `make(channels)`; returns the same network."""
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.InstanceNorm2d):
                setattr(module, name, make(child.num_features))
    return net


def with_weights(net: nn.Module, change: Callable[[nn.Module], object]) -> nn.Module:
    """Applies `change` to every convolution, such as spectral norm; returns the same network."""
    for module in list(net.modules()):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            change(module)
    return net
