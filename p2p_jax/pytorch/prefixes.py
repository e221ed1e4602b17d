"""Prefixes of the names in a state_dict: those of the wrappers and attributes through which the network was saved."""

import numpy as np

from p2p_jax.errors import UserError
from p2p_jax.weight_files.torch_objects import Arrays, show

WRAPPERS = ("module", "_orig_mod")
"""The names that DataParallel and torch.compile insert."""

MOST = 8
"""Limit on the parts of a prefix."""

FEWEST = 3
"""Tensors of the smallest network, a PatchGAN of three convolutions without biases."""


def without_prefixes(arrays: Arrays) -> dict[str, np.ndarray]:
    """Returns the same arrays without the prefixes that all names share.

    They are those of wrappers, `module.` and `_orig_mod.`, and those of the attributes that held the network, such as
    `netG.` or `model.netG.`, in any order.

    Raises:
        UserError: the arrays are those of several networks, or of a network and something else.
    """
    found = _find_network(arrays)
    if found is None:
        _refuse_several(arrays)
    return dict(arrays) if found is None else found


def _find_network(arrays: Arrays) -> dict[str, np.ndarray] | None:
    names = [name.split(".", MOST + 1) for name in arrays]
    shared = _count_shared(names)
    kept = [part for part in (names[0][:shared] if names else []) if part not in WRAPPERS]
    rest = [(".".join(parts[shared:]), array) for parts, array in zip(names, arrays.values(), strict=True)]
    for dropped in range(len(kept) + 1):
        prefix = "".join(f"{part}." for part in kept[dropped:])
        found = {prefix + name: array for name, array in rest}
        if _is_network(found):
            return found
    return None


def _count_shared(names: list[list[str]]) -> int:
    """Returns how many parts all names share, without their last part."""
    shortest = min((len(parts) - 1 for parts in names), default=0)
    differing = (i for i in range(shortest) if len({parts[i] for parts in names}) > 1)
    return next(differing, shortest)


def _is_network(arrays: Arrays) -> bool:
    """Whether the names look like those of a whole network, which begin at its first layer."""
    if "model.model.0.weight" in arrays:
        return any(name.startswith("model.model.1.model.") for name in arrays)
    return any(first in arrays for first in ("net.0.weight", "model.0.weight", "model.1.weight"))


def _refuse_several(arrays: Arrays) -> None:
    """Refuses arrays of which only those under some prefixes are networks."""
    names = [name.split(".", MOST + 1) for name in arrays]
    shared = _count_shared(names)
    parts: dict[str, dict[str, np.ndarray]] = {}
    for name, array in zip(names, arrays.values(), strict=True):
        parts.setdefault(name[shared], {})[".".join(name[shared + 1 :])] = array
    attributes = {part: inside for part, inside in parts.items() if not part.isdigit() and len(inside) >= FEWEST}
    networks = [part for part, inside in attributes.items() if _find_network(inside) is not None]
    if networks:
        listed = " and ".join(map(show, list(parts)[:4])) + (" and others" if len(parts) > 4 else "")
        raise UserError(
            f"the file holds the tensors of {listed}, but one network is expected: save each network alone, for example "
            f"model.{show(networks[0])}.state_dict(), and give those files."
        )
