"""The inputs in a folder that is laid out as for training, so that its targets are not translated, too."""

from pathlib import Path

from p2p_jax.data.layout import search
from p2p_jax.data.names import is_known
from p2p_jax.data.seams import look_for_seams
from p2p_jax.data.side_by_side import MixedPictures
from p2p_jax.errors import UserError


def find_set_inputs(folder: Path, letter: str) -> list[tuple[Path, bool]] | None:
    """The inputs of a folder that surely holds pairs: folders or names of two known sides, or pictures with a seam.

    Args:
        folder: of pictures.
        letter: the side of the inputs, "A" or "B".

    Returns:
        [(file, whether it is a side-by-side picture)], of all splits; None for any other folder.

    Raises:
        UserError: the folder mixes side-by-side pairs with single pictures.
    """
    try:
        found = search(folder, unmatched=[])
    except MixedPictures as error:
        raise UserError(
            f"{error.seen}: move these out of the folder, or give --as-is to translate all as they are."
        ) from None
    except UserError:  # single pictures, or names that do not decide
        return None
    if not all(map(is_known, found.words)):
        return None
    files = [each for some in (*found.splits.values(), *found.alone.values()) for _, each in some]
    pairs = [each["pair"] for each in files if "pair" in each]
    if pairs and not look_for_seams(pairs).are_pairs:
        return None
    sides = (letter, "single", "pair")
    inputs = [(each[side], side == "pair") for each in files for side in sides if side in each]
    return inputs or None
