"""Finding side-by-side pictures, which hold A at the left and B at the right, and their masks."""

from pathlib import Path

from p2p_jax.data.listing import list_pictures
from p2p_jax.data.matching import count_common_names, files_by_name, report_unmatched
from p2p_jax.data.names import Files, in_nfc, natural_key
from p2p_jax.data.seams import Seams, look_for_seams
from p2p_jax.data.split_folders import Place
from p2p_jax.errors import UserError

Splits = dict[str, list[Files]]


class MixedPictures(UserError):
    """A folder holds side-by-side pairs and single pictures.

    Attributes:
        seen: the message without its advice.
    """

    def __init__(self, seen: str, advice: str):
        super().__init__(f"{seen}: {advice}")
        self.seen = seen


def find_side_by_side(places: dict[str, Place], unmatched: list[str] | None, *, sure: bool) -> tuple[Splits, Splits]:
    """The side-by-side pictures of each split, and the splits whose pictures are inputs without targets.

    Args:
        places: of the splits.
        unmatched: as for `layout.find_pairs`.
        sure: whether the user said that all pictures are side-by-side pairs; otherwise a sample is examined.

    Raises:
        UserError: the training pictures are no side-by-side pairs, or a split mixes pairs with single pictures.
    """
    splits: Splits = {}
    alone: Splits = {}
    for split, place in places.items():
        if place.folder is None:
            continue
        pairs = _pairs_of(place.folder, unmatched)
        seams = None if sure else look_for_seams([files["pair"] for _, files in pairs])
        if seams is not None and seams.are_mixed:
            raise _mixed(place.folder, seams)
        if seams is None or not seams.are_single:
            splits[split] = pairs
        elif split == "train" or "train" in alone:
            raise UserError(_describe(place.folder, place.words, seams))
        else:
            alone[split] = [(name, {"single": files["pair"]}) for name, files in pairs]
    return _not_empty(splits), _not_empty(alone)


def _pairs_of(folder: Path, unmatched: list[str] | None) -> list[Files]:
    """All pictures of a folder as pairs; those in its sub-folder mask are the masks of the others."""
    named = files_by_name(folder)
    pairs = {name: {"pair": file} for name, file in named.items() if not name.startswith("mask/")}
    spelling = {in_nfc(name): name for name in pairs}
    found = {name.removeprefix("mask/"): file for name, file in named.items() if name.startswith("mask/")}
    masks = {spelling.get(in_nfc(name), name): file for name, file in found.items()}
    if masks:
        lacking = [f"{pairs[name]['pair']} has no mask of the same name" for name in pairs if name not in masks]
        report_unmatched(lacking, unmatched)
        report_unmatched([f"{masks[name]} belongs to no picture" for name in masks if name not in pairs], unmatched)
        pairs = {name: {**pair, "mask": masks[name]} for name, pair in pairs.items() if name in masks}
    return sorted(pairs.items(), key=lambda item: natural_key(item[0]))


def _describe(folder: Path, words: dict[str, Path], seams: Seams) -> str:
    full = {word: inner for word, inner in words.items() if list_pictures(inner)}
    if len(full) > 2 and count_common_names(full.values()):
        return (
            f"the folders {', '.join(full)} in {folder} hold pictures of the same names, and it is not clear which are "
            "inputs and which are targets: rename two of them to A and B (several inputs to A1, A2, …), or give a list as "
            "--data.path."
        )
    return (
        f"the pictures in {folder} are no side-by-side pairs: {seams.single} of {seams.looked} in a sample, such as "
        f"{seams.example}, continue across their middle: put inputs and targets into folders A and B with the same names, "
        "or give --data.layout side_by_side if these are pairs."
    )


def _mixed(folder: Path, seams: Seams) -> MixedPictures:
    return MixedPictures(
        f"the pictures in {folder} are mixed: of {seams.looked} in a sample, {seams.pairs} are side-by-side pairs and "
        f"{seams.single}, such as {seams.example}, are single pictures",
        "move these out of the folder, or give --data.layout side_by_side if all are pairs.",
    )


def _not_empty(splits: Splits) -> Splits:
    return {split: pairs for split, pairs in splits.items() if pairs}
