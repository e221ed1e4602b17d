"""pix2pix in PyTorch with the PyTorch original's computation and names, for comparison with p2p_jax.

Neither p2p_jax nor any test imports it: `record.py` beside it records golden values with it, and scripts that compare or
time both programs import it. Pictures are NCHW in [-1, 1].

It is written from tables of layers and of state_dict names and shapes, not from the PyTorch original's code. Activations
work in place as there, so that the U-Net's skip connections carry the same values.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

UNET_256 = (64, 128, 256, 512, 512, 512, 512, 512)
UNET_128 = (64, 128, 256, 512, 512, 512, 512)


def norm_layer(kind: str, channels: int) -> nn.Module:
    """Builds a norm by its name: batch (affine, with running statistics), instance (without either) or none."""
    return {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d, "none": lambda _: nn.Identity()}[kind](channels)


def needs_bias(kind: str) -> bool:
    """Whether convolutions before this norm have a bias."""
    return kind == "instance"


class UnetBlock(nn.Module):
    """One level of the U-Net with all levels below it; it returns its input and its output stacked, the input first."""

    def __init__(
        self,
        outer: int,
        inner: int,
        in_channels: int,
        below: nn.Module | None,
        *,
        outermost: bool,
        norm: str,
        dropout: float,
    ):
        super().__init__()
        self.outermost = outermost
        bias = needs_bias(norm)
        down = nn.Conv2d(in_channels, inner, 4, 2, 1, bias=bias)
        if outermost:
            parts = [down, below, nn.ReLU(True), nn.ConvTranspose2d(2 * inner, outer, 4, 2, 1), nn.Tanh()]
        elif below is None:
            up = nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=bias)
            parts = [nn.LeakyReLU(0.2, True), down, nn.ReLU(True), up, norm_layer(norm, outer)]
        else:
            up = nn.ConvTranspose2d(2 * inner, outer, 4, 2, 1, bias=bias)
            parts = [nn.LeakyReLU(0.2, True), down, norm_layer(norm, inner), below]
            parts += [nn.ReLU(True), up, norm_layer(norm, outer)]
            parts += [nn.Dropout(dropout)] if dropout else []
        self.model = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


class Unet(nn.Module):
    """The U-Net generator: `unet_256` by default, `unet_128` with `UNET_128`.

    Args:
        widths: features after each halving.
        in_channels, out_channels: of the pictures.
        norm: batch, instance or none.
        dropout: rate in the decoder's levels from the fifth on except the innermost; 0 for no dropout.
    """

    def __init__(
        self,
        widths: Sequence[int] = UNET_256,
        in_channels: int = 3,
        out_channels: int = 3,
        norm: str = "batch",
        dropout: float = 0.5,
    ):
        super().__init__()
        block = None
        for level in reversed(range(len(widths))):
            first, last = level == 0, level == len(widths) - 1
            block = UnetBlock(
                out_channels if first else widths[level - 1],
                widths[level],
                in_channels if first else widths[level - 1],
                block,
                outermost=first,
                norm=norm,
                dropout=dropout if level >= 4 and not last else 0.0,
            )
        self.model = block

    def forward(self, x: Tensor) -> Tensor:
        # No activation overwrites x: the first in-place activation is one level below.
        return self.model(x)


class ResnetBlock(nn.Module):
    """A residual block of two 3 x 3 convolutions."""

    def __init__(self, width: int, *, norm: str, dropout: float):
        super().__init__()
        bias = needs_bias(norm)
        parts = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=bias), norm_layer(norm, width), nn.ReLU(True)]
        parts += [nn.Dropout(dropout)] if dropout else []
        parts += [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=bias), norm_layer(norm, width)]
        self.conv_block = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class Resnet(nn.Module):
    """The residual generator: `resnet_9blocks` by default.

    Args:
        width: features of the first convolution; the blocks have four times as many.
        blocks: number of residual blocks.
        in_channels, out_channels: of the pictures.
        norm: batch, instance or none.
        dropout: rate inside each block; 0 for no dropout, which changes the names in a block.
    """

    def __init__(
        self,
        width: int = 64,
        blocks: int = 9,
        in_channels: int = 3,
        out_channels: int = 3,
        norm: str = "batch",
        dropout: float = 0.5,
    ):
        super().__init__()
        bias = needs_bias(norm)
        parts = [nn.ReflectionPad2d(3), nn.Conv2d(in_channels, width, 7, bias=bias), norm_layer(norm, width), nn.ReLU(True)]
        for features in (2 * width, 4 * width):
            parts += [nn.Conv2d(features // 2, features, 3, 2, 1, bias=bias), norm_layer(norm, features), nn.ReLU(True)]
        parts += [ResnetBlock(4 * width, norm=norm, dropout=dropout) for _ in range(blocks)]
        for features in (2 * width, width):
            up = nn.ConvTranspose2d(2 * features, features, 3, 2, 1, output_padding=1, bias=bias)
            parts += [up, norm_layer(norm, features), nn.ReLU(True)]
        self.model = nn.Sequential(*parts, nn.ReflectionPad2d(3), nn.Conv2d(width, out_channels, 7), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class PatchGan(nn.Module):
    """The PatchGAN discriminator; by default its patches have 70 pixels (`n_layers` 3).

    Args:
        widths: features of all convolutions but the last.
        in_channels: of input and picture together.
        norm: batch, instance or none.
    """

    def __init__(self, widths: Sequence[int] = (64, 128, 256, 512), in_channels: int = 6, norm: str = "batch"):
        super().__init__()
        parts, last = [], in_channels
        for i, width in enumerate(widths):
            stride = 2 if i < len(widths) - 1 else 1
            parts += [nn.Conv2d(last, width, 4, stride, 1, bias=i == 0 or needs_bias(norm))]
            parts += [norm_layer(norm, width)] if i else []
            parts += [nn.LeakyReLU(0.2, True)]
            last = width
        self.model = nn.Sequential(*parts, nn.Conv2d(last, 1, 4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class PixelGan(nn.Module):
    """The PixelGAN discriminator: three 1 x 1 convolutions."""

    def __init__(self, width: int = 64, in_channels: int = 6, norm: str = "batch"):
        super().__init__()
        bias = needs_bias(norm)
        self.net = nn.Sequential(
            nn.Conv2d(in_channels, width, 1),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(width, 2 * width, 1, bias=bias),
            norm_layer(norm, 2 * width),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(2 * width, 1, 1, bias=bias),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def patchgan_widths(layers: int, width: int = 64) -> tuple[int, ...]:
    """Returns the widths of the PatchGAN for the PyTorch original's `n_layers`."""
    return tuple(width * min(2**i, 8) for i in range(layers + 1))


def init_weights(net: nn.Module, kind: str = "normal", gain: float = 0.02) -> None:
    """Draws initial values as the PyTorch original does: kernels by `kind`, batch norm from N(1, gain), biases 0.

    Args:
        net: changed in place.
        kind: normal (N(0, gain)), xavier, kaiming (which ignores the gain) or orthogonal.
        gain: standard deviation, or a factor of it.
    """
    fill = {
        "normal": lambda w: nn.init.normal_(w, 0.0, gain),
        "xavier": lambda w: nn.init.xavier_normal_(w, gain=gain),
        "kaiming": lambda w: nn.init.kaiming_normal_(w, a=0, mode="fan_in"),
        "orthogonal": lambda w: nn.init.orthogonal_(w, gain=gain),
    }[kind]
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            fill(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, gain)
            nn.init.zeros_(module.bias)


class FixedDropout(nn.Module):
    """Dropout whose mask is a checkerboard over picture, channel, row and column, which p2p_jax can reproduce."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        n, c, h, w = (
            torch.arange(size).view([-1 if axis == i else 1 for i in range(4)]) for axis, size in enumerate(x.shape)
        )
        return x * ((n + c + h + w) % 2 == 0) / (1 - self.rate)


def fix_dropout(net: nn.Module) -> nn.Module:
    """Replaces every dropout by `FixedDropout`, which keeps all names; returns the same network."""
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Dropout):
                setattr(module, name, FixedDropout(child.p))
    return net


def adam(net: nn.Module, rate: float = 2e-4, *, fused: bool | None = None) -> torch.optim.Adam:
    """Returns the PyTorch original's optimizer of one network; `fused` selects PyTorch's implementation."""
    return torch.optim.Adam(net.parameters(), rate, betas=(0.5, 0.999), eps=1e-8, fused=fused)


def train_step(
    generator: nn.Module,
    discriminator: nn.Module,
    generator_optimizer: torch.optim.Optimizer,
    discriminator_optimizer: torch.optim.Optimizer,
    input: Tensor,
    target: Tensor,
    *,
    l1_weight: float = 100.0,
) -> dict[str, Tensor]:
    """Runs one training step in the PyTorch original's order; both networks must be in training mode.

    The generator makes one fake. The discriminator sees (input, fake) with target 0 and, in a pass of its own,
    (input, target) with target 1; its loss is half the sum, and it is updated. Then the generator is updated through the
    updated discriminator, from the same fake.

    Returns:
        the losses discriminator_loss, generator_gan, generator_l1 (not weighted) and generator_loss. The gradients stay in
        the parameters' `grad`; the discriminator's are those of its own loss.
    """
    cross_entropy = nn.functional.binary_cross_entropy_with_logits
    fake = generator(input)

    discriminator.requires_grad_(True)
    discriminator_optimizer.zero_grad()
    on_fake = discriminator(torch.cat([input, fake.detach()], 1))
    on_real = discriminator(torch.cat([input, target], 1))
    d_loss = 0.5 * (cross_entropy(on_fake, torch.zeros_like(on_fake)) + cross_entropy(on_real, torch.ones_like(on_real)))
    d_loss.backward()
    discriminator_optimizer.step()

    discriminator.requires_grad_(False)
    generator_optimizer.zero_grad()
    logits = discriminator(torch.cat([input, fake], 1))
    gan, l1 = cross_entropy(logits, torch.ones_like(logits)), (fake - target).abs().mean()
    g_loss = gan + l1_weight * l1
    g_loss.backward()
    generator_optimizer.step()
    losses = {"discriminator_loss": d_loss, "generator_gan": gan, "generator_l1": l1, "generator_loss": g_loss}
    return {name: value.detach() for name, value in losses.items()}
