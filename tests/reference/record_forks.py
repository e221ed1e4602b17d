"""Records networks of forks and PyTorch's results of them: `python tests/reference/record_forks.py` writes forks.npz.

It needs only PyTorch and NumPy. Under `NAME/state/KEY` the file holds the state_dict of a small network. Digests of the
results in float64 lie under `NAME/eval` and `NAME/train`, the outputs in both modes, and under `NAME/d_x`, the gradient of
the sum of the weighted output in training mode. Spectral norm changes its vectors in training mode, so there only `eval` is
stored. `ops/NAME/...` holds values and gradients of operations, as `record.py` stores them. The stored file was recorded
with torch 2.13.0 on a CPU.
"""

import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
import torch_forks as forks
import torch_pix2pix as original
from helpers import reference_values as values
from record import record, tensor
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.nn.utils import spectral_norm as old_spectral_norm
from torch.nn.utils import weight_norm as old_weight_norm

FILE = Path(__file__).parent / "forks.npz"

warnings.simplefilter("ignore", FutureWarning)  # the older functions are deprecated


def affine(channels: int) -> nn.Module:
    """Builds affine instance norm."""
    return nn.InstanceNorm2d(channels, affine=True)


def tracking(channels: int) -> nn.Module:
    """Builds affine instance norm with running statistics."""
    return nn.InstanceNorm2d(channels, affine=True, track_running_stats=True)


def pruned(layer: nn.Module) -> None:
    """Sets half of the weights to zero."""
    prune.l1_unstructured(layer, "weight", 0.5)


def networks() -> dict[str, tuple[nn.Module, int]]:
    """Returns networks and the sizes of their pictures."""
    unet = lambda norm="batch": original.Unet((2, 3, 2), norm=norm, dropout=0.0)
    resnet = lambda norm="batch": original.Resnet(2, 2, norm=norm, dropout=0.0)
    patchgan = lambda norm="batch": original.PatchGan((3, 4, 5), norm=norm)
    cut = lambda **options: forks.Holder(forks.cut_resnet(**options))
    weighed, normed = forks.with_weights, forks.with_norms
    new_spectral = parametrizations.spectral_norm
    new_weight = parametrizations.weight_norm
    return {
        "affine_unet": (normed(unet("instance"), affine), 16),
        "affine_resnet": (normed(resnet("instance"), affine), 16),
        "affine_patchgan": (normed(patchgan("instance"), affine), 16),
        "affine_pixelgan": (normed(original.PixelGan(3, norm="instance"), affine), 8),
        "affine_unet_with_statistics": (normed(unet("instance"), tracking), 16),
        "cut_resnet": (cut(), 16),
        "cut_resnet_batch": (cut(norm="batch", blocks=1), 16),
        "cut_resnet_affine": (normed(cut(blocks=0), affine), 16),
        "cut_resnet_down": (cut(up=False), 16),
        "cut_resnet_up": (cut(down=False, norm="batch", blocks=1), 16),
        "cut_patchgan": (forks.Holder(forks.cut_patchgan((3, 4, 5, 4))), 24),
        "cut_patchgan_batch": (forks.Holder(forks.cut_patchgan((3, 4), norm="batch")), 16),
        "spectral_resnet": (weighed(resnet(), old_spectral_norm), 16),
        "spectral_unet": (weighed(unet("instance"), new_spectral), 16),
        "spectral_unet_old": (weighed(original.Unet((2, 2, 2), out_channels=4, dropout=0.0), old_spectral_norm), 16),
        "spectral_patchgan": (weighed(patchgan(), new_spectral), 16),
        "spectral_pixelgan": (weighed(original.PixelGan(3), old_spectral_norm), 8),
        "spectral_bare_patchgan": (weighed(forks.Holder(forks.bare_patchgan((3, 4, 5), bias=True)), old_spectral_norm), 16),
        "spectral_bare_patchgan_new": (weighed(forks.Holder(forks.bare_patchgan((3, 4), bias=False)), new_spectral), 16),
        "spectral_cut": (weighed(cut(blocks=1), new_spectral), 16),
        "weight_norm_unet": (weighed(unet(), new_weight), 16),
        "weight_norm_patchgan": (weighed(patchgan("instance"), old_weight_norm), 16),
        "pruned_resnet": (weighed(resnet(), pruned), 16),
    }


def record_network(name: str, net: nn.Module, size: int) -> dict[str, np.ndarray]:
    """Returns the arrays that are stored of one network."""
    channels = next(module for module in net.modules() if isinstance(module, nn.Conv2d)).in_channels
    x = tensor(f"forks/{name}/x", 2, channels, size, size)
    with torch.no_grad():
        for key, parameter in net.named_parameters():
            if parameter.ndim == 1 and "bias" not in key and "_u" not in key and "_v" not in key:
                parameter.uniform_(0.5, 1.5)
            elif "bias" in key:
                parameter.uniform_(-0.5, 0.5)
    net.train()
    for i in range(10):  # the running statistics and the vectors of spectral norm move from their initial values
        net(tensor(f"forks/{name}/{i}", 2, channels, size, size).float() * 2 + 0.5)
    found = {f"state/{key}": value.detach().numpy().copy() for key, value in net.state_dict().items()}
    net = net.double().eval()
    with torch.no_grad():
        found["eval"] = values.digest(net(x).numpy(), 128)
    if "spectral" not in name:
        x.requires_grad_()
        y = net.train()(x)
        (y * tensor(f"forks/{name}/cotangent", *y.shape)).sum().backward()
        found |= {"train": values.digest(y.detach().numpy(), 128), "d_x": values.digest(x.grad.numpy(), 128)}
    return {f"{name}/{key}": value for key, value in found.items()}


def record_ops() -> dict[str, np.ndarray]:
    """Returns values and gradients of anti-aliased halving and doubling, and of affine instance norm."""
    found = {}
    for height, width in ((4, 6), (5, 3), (2, 2)):
        size = f"{height}x{width}"
        x = tensor(f"antialias/{size}", 2, 3, height, width)
        for name, module in (("halve", forks.Halve(3)), ("double", forks.Double(3))):
            found |= record(f"ops/{name}/{size}", module.double(), x=x)
    weights = {"weight": tensor("affine/weight", 3, low=0.5, high=1.5), "bias": tensor("affine/bias", 3)}
    x = tensor("affine/x", 2, 3, 4, 5, low=0.0, high=3.0)
    return found | record("ops/affine_instance_norm", torch.nn.functional.instance_norm, input=x, **weights)


def main() -> None:
    """Writes the file."""
    torch.manual_seed(0)
    found = record_ops()
    for name, (net, size) in networks().items():
        found |= record_network(name, net, size)
    np.savez_compressed(FILE, **found)
    print(f"{FILE.name}: {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
