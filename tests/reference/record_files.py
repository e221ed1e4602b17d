"""Records the small files of `files/` that `tests/pytorch/` reads.

Run it from the root of the repository, in an environment with torch and numpy:

    python tests/reference/record_files.py

Each `NAME.pth` holds a few tensors in one of the formats of torch.save, and `expected.npz` holds under `NAME/TENSOR` the
values that torch reads from it (bfloat16 as float32). The stored files were made by PyTorch 2.13.0. Files of the legacy
format name their storages by memory addresses, and so differ from run to run.
"""

import collections
from pathlib import Path

import numpy as np
import torch

FILES = Path(__file__).parent / "files"


def views_of(shared: torch.Tensor) -> dict[str, torch.Tensor]:
    """Returns views of one tensor, which share its storage."""
    return {
        "whole": shared,
        "transposed": shared.t(),
        "row": shared[2],
        "column": shared[:, 1],
        "every_other": shared[::2, 1::2],
        "one": shared[3, 4],
        "expanded": shared[0, :1].expand(5),
        "none": shared[:0],
    }


def tensors_of_all_dtypes() -> dict[str, torch.Tensor]:
    """Returns tensors with extreme values of every dtype, a scalar and an empty tensor."""
    return {
        "float64": torch.tensor([0.1, -0.0, float("inf"), float("nan")], dtype=torch.float64),
        "float16": torch.tensor([[0.1, 65504.0, -6e-8]], dtype=torch.float16),
        "int64": torch.tensor([-(2**63), 2**63 - 1]),
        "int32": torch.tensor([-(2**31)], dtype=torch.int32),
        "int16": torch.tensor([-300, 300], dtype=torch.int16),
        "int8": torch.tensor([-128, 127], dtype=torch.int8),
        "uint8": torch.tensor([0, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False, True]),
        "scalar": torch.tensor(1.5),
        "empty": torch.zeros(0, 3),
    }


def record() -> None:
    """Writes all files."""
    FILES.mkdir(exist_ok=True)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 4), torch.nn.BatchNorm2d(3))
    network(torch.randn(2, 2, 8, 8))  # the running statistics move, and num_batches_tracked is 1
    state = network.state_dict()
    assert state._metadata  # the BUILD opcode
    views, kinds = views_of(torch.randn(4, 6)), tensors_of_all_dtypes()
    wide = torch.tensor([0.1, -0.0, 3e38, 1e-40, float("inf"), float("nan")]).to(torch.bfloat16)
    brain = {"bfloat16": wide, "transposed": torch.randn(2, 3).to(torch.bfloat16).t(), "scalar": wide[0], "empty": wide[:0]}
    legacy = {"_use_new_zipfile_serialization": False}
    for name, tensors, options in [
        ("zip", state, {}),
        ("legacy", state, legacy),
        ("protocol4", state, {"pickle_protocol": 4}),
        ("protocol5_legacy", state, {"pickle_protocol": 5} | legacy),
        ("half", collections.OrderedDict((key, value.half()) for key, value in state.items()), {}),
        ("bfloat16", brain, {}),
        ("bfloat16_legacy", brain, legacy),
        ("kinds", kinds, {}),
        ("kinds_legacy", kinds, legacy),
        ("shared", views, {}),
        ("shared_legacy", views, legacy),
        ("parameters", dict(network.named_parameters()), {}),
        ("parameters_legacy", dict(network.named_parameters()), legacy),
        ("no_tensors", {}, {}),
    ]:
        torch.save(tensors, FILES / f"{name}.pth", **options)
    torch.serialization.set_crc32_options(False)
    torch.save(state, FILES / "no_crc.pth")
    expected = {}
    for path in sorted(FILES.glob("*.pth")):
        for name, tensor in torch.load(path, weights_only=False).items():  # True refuses protocol 4
            tensor = tensor.detach()
            expected[f"{path.stem}/{name}"] = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    np.savez_compressed(FILES / "expected.npz", **expected)


if __name__ == "__main__":
    record()
