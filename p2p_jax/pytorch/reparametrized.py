"""Weights that PyTorch computes from other tensors: spectral norm, weight norm and pruning, folded into plain weights.

| | names before ".weight" | the weight |
|---|---|---|
| spectral norm | weight_orig, weight_u, weight_v | weight_orig / (u W v), where W is weight_orig as a matrix |
| weight norm | weight_g, weight_v | g v / norm of v |
| pruning | weight_orig, weight_mask | weight_orig mask |

The newer `torch.nn.utils.parametrizations` store the same tensors under other names.
"""

from collections.abc import Iterable

import numpy as np

from p2p_jax.errors import UserError
from p2p_jax.weight_files.torch_objects import Arrays, show

NEW_NAMES = {
    ".parametrizations.weight.original": ".weight_orig",
    ".parametrizations.weight.0._u": ".weight_u",
    ".parametrizations.weight.0._v": ".weight_v",
    ".parametrizations.weight.original0": ".weight_g",
    ".parametrizations.weight.original1": ".weight_v",
}
"""Endings of names of `torch.nn.utils.parametrizations`, and those of the same tensors in the older functions."""


def with_plain_names(arrays: Arrays) -> dict[str, np.ndarray]:
    """Returns the arrays with every weight under its plain name.

    Weight norm and pruning are folded. For spectral norm `weight` becomes the weight before its division, beside `weight_u`
    and `weight_v`; `fold_spectral_norm` divides it once it is known which convolutions are transposed.

    Raises:
        UserError: a tensor is missing, or the weight was computed in another way.
    """
    found = {_plain_name(name): array for name, array in arrays.items()}
    _refuse_unknown(found)
    for name in list(found):
        if name.endswith(".weight_g"):
            _fold_weight_norm(found, name.removesuffix("_g"))
        elif name.endswith((".weight_orig", ".bias_orig")):
            _rename_original(found, name.removesuffix("_orig"))
    return found


def fold_spectral_norm(arrays: Arrays, layers: Iterable[tuple[str, bool]]) -> dict[str, np.ndarray]:
    """Divides each weight with spectral norm by its largest singular value, as PyTorch does after `net.eval()`.

    Args:
        arrays: with the names of `with_plain_names`.
        layers: (name before ".weight", whether the convolution is transposed).

    Returns:
        the arrays without `weight_u` and `weight_v` of these layers; folded weights are float32.

    Raises:
        UserError: a vector does not have the length that its weight needs.
    """
    found = dict(arrays)
    for key, transposed in layers:
        weight = found.get(f"{key}.weight")
        if weight is None or weight.ndim < 2 or f"{key}.weight_u" not in found:
            continue
        u, v = (found.pop(f"{key}.weight_{name}").astype(np.float64).ravel() for name in "uv")
        matrix = weight.astype(np.float64)
        matrix = (matrix.swapaxes(0, 1) if transposed else matrix).reshape(weight.shape[int(transposed)], -1)
        if matrix.shape != (u.size, v.size):
            raise UserError(
                f"{key}.weight_u and {key}.weight_v have {u.size} and {v.size} numbers, but the weight needs "
                f"{matrix.shape[0]} and {matrix.shape[1]}: the file is incomplete, or of a changed network."
            )
        if np.issubdtype(weight.dtype, np.floating):  # others are refused later
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                found[f"{key}.weight"] = (weight / (u @ matrix @ v)).astype(np.float32)
    return found


def _plain_name(name: str) -> str:
    ending = next((ending for ending in NEW_NAMES if name.endswith(ending)), None)
    return name if ending is None else name.removesuffix(ending) + NEW_NAMES[ending]


def _refuse_unknown(names: Iterable[str]) -> None:
    for name in names:
        if name.endswith(".weight_bar"):
            raise UserError(
                f"{show(name)} belongs to a spectral norm that is not PyTorch's own: replace it by "
                "torch.nn.utils.spectral_norm, or save the network with plain weights."
            )
        if ".parametrizations." in name:
            raise UserError(
                f"{show(name)} belongs to a parametrization that is neither spectral norm nor weight norm: call "
                'torch.nn.utils.parametrize.remove_parametrizations(layer, "weight") and save the network again.'
            )


def _fold_weight_norm(found: dict[str, np.ndarray], name: str) -> None:
    size, direction = found.pop(f"{name}_g"), found.pop(f"{name}_v", None)
    if (
        direction is None
        or size.ndim != direction.ndim
        or any(side not in (1, other) for side, other in zip(size.shape, direction.shape, strict=True))
    ):
        raise UserError(f"{show(name)}_v is missing or does not fit {show(name)}_g: the file is incomplete.")
    axes = tuple(axis for axis, side in enumerate(size.shape) if side == 1)
    wide = direction.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found[name] = (wide * (size / np.sqrt(np.square(wide).sum(axes, keepdims=True)))).astype(np.float32)


def _rename_original(found: dict[str, np.ndarray], name: str) -> None:
    original = found.pop(f"{name}_orig")
    mask = found.pop(f"{name}_mask", None)
    if name in found:  # PyTorch before 1.0 stores the result, too
        for ending in "uv":
            found.pop(f"{name}_{ending}", None)
    elif mask is not None:
        if mask.shape != original.shape:
            raise UserError(
                f"{show(name)}_mask has another shape than {show(name)}_orig: the file is of a changed network."
            )
        found[name] = original * mask.astype(original.dtype)
    elif f"{name}_u" in found and f"{name}_v" in found:
        found[name] = original
    else:
        raise UserError(
            f"{show(name)}_orig is in the file without {show(name)}_u and {show(name)}_v, which spectral norm needs: the "
            "file is incomplete."
        )
