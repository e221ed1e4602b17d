"""Finding pairs in a folder, by the layouts that people have."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from p2p_jax.data.pictures import is_picture, read_picture, resize

SPLITS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}

LAYOUTS = "side-by-side pictures (in it, or in train/, val/, test/), or folders A and B with pictures of the same names"


class PairFiles(NamedTuple):
    """One pair on disk: two files, or one side-by-side file given twice."""

    a: Path
    b: Path


class FolderPairs(NamedTuple):
    """Pairs of one split, read when asked for.

    Attributes:
        files: sorted by name.
        direction: "AtoB" or "BtoA".
        input_channels, target_channels: 1 or 3.
        transparency: "refuse" or "drop".
        resize: how pictures are brought to another size, see `pictures.resize`.
    """

    files: tuple[PairFiles, ...]
    direction: str = "AtoB"
    input_channels: int = 3
    target_channels: int = 3
    transparency: str = "refuse"
    resize: str = "bicubic"

    def count(self) -> int:
        """How many pairs there are."""
        return len(self.files)

    def name(self, index: int) -> str:
        """The name of a pair, without its ending."""
        return self.files[index].a.stem

    def read(self, index: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """(input, target), uint8 (height, width, c), resized to `size`.

        Raises:
            ValueError: a file cannot be read, or its halves differ in size.
        """
        pair = self.files[index]
        swapped = self.direction == "BtoA"
        channels = (self.input_channels, self.target_channels)
        for_a, for_b = channels[::-1] if swapped else channels
        if pair.a == pair.b:
            picture = read_picture(pair.a, channels=max(channels), transparency=self.transparency)
            width, height = picture.size
            if width % 2:
                raise ValueError(
                    f"{pair.a} is {width} pixels wide, so its halves differ in size: a side-by-side picture holds two "
                    "pictures of the same size."
                )
            a = picture.crop((0, 0, width // 2, height)).convert("L" if for_a == 1 else "RGB")
            b = picture.crop((width // 2, 0, width, height)).convert("L" if for_b == 1 else "RGB")
        else:
            a = read_picture(pair.a, channels=for_a, transparency=self.transparency)
            b = read_picture(pair.b, channels=for_b, transparency=self.transparency)
            if a.size != b.size:
                raise ValueError(
                    f"{pair.a} has {a.width} x {a.height} pixels but its other half {pair.b} has {b.width} x {b.height}: "
                    "make them the same size."
                )
        a, b = resize(a, size, self.resize), resize(b, size, self.resize)
        return (b, a) if swapped else (a, b)


def find_pairs(path: Path) -> dict[str, tuple[PairFiles, ...]]:
    """Finds the splits of a folder and their pairs; a folder without splits is all "train".

    Layouts: ROOT/*.png side by side; ROOT/{train,val,test}/*.png side by side; ROOT/A and ROOT/B; ROOT/{split}A and
    ROOT/{split}B; ROOT/{split}/A and /B; ROOT/A/{split} and ROOT/B/{split}.

    Raises:
        ValueError: the folder is missing, holds no pairs, or a picture lacks its other half.
    """
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise ValueError(f"the folder {path} {what}: give a folder with {LAYOUTS}.")
    splits = {}
    for split, words in SPLITS.items():
        for word in words:
            pairs = _pairs_of(path, word)
            if pairs:
                splits[split] = pairs
    if not splits:
        pairs = _matching(path / "A", path / "B") or _side_by_side(path)
        splits = {"train": pairs} if pairs else {}
    if not splits:
        raise ValueError(f"the folder {path} holds no pairs: it needs {LAYOUTS}.")
    return splits


def _pairs_of(path: Path, word: str) -> tuple[PairFiles, ...]:
    both = ((path / f"{word}A", path / f"{word}B"), (path / word / "A", path / word / "B"))
    for a, b in (*both, (path / "A" / word, path / "B" / word)):
        pairs = _matching(a, b)
        if pairs:
            return pairs
    return _side_by_side(path / word)


def _side_by_side(folder: Path) -> tuple[PairFiles, ...]:
    return tuple(PairFiles(file, file) for file in _pictures(folder))


def _matching(a: Path, b: Path) -> tuple[PairFiles, ...]:
    if not (a.is_dir() and b.is_dir()):
        return ()
    by_name = [_by_stem(_pictures(folder)) for folder in (a, b)]
    for here, there, folder in ((0, 1, b), (1, 0, a)):
        alone = sorted(set(by_name[here]) - set(by_name[there]))
        if alone:
            raise ValueError(
                f"{by_name[here][alone[0]]} has no picture of the same name in {folder} ({len(alone)} such): add the "
                "other half or remove it."
            )
    return tuple(PairFiles(by_name[0][stem], by_name[1][stem]) for stem in sorted(by_name[0], key=_natural))


def _by_stem(files: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in files:
        if file.stem in found:
            raise ValueError(f"{found[file.stem]} and {file} have the same name, so their pair is not clear: remove one.")
        found[file.stem] = file
    return found


def _pictures(folder: Path) -> Iterable[Path]:
    if not folder.is_dir():
        return []
    return sorted((file for file in folder.iterdir() if is_picture(file)), key=lambda file: _natural(file.stem))


def _natural(stem: str) -> tuple[int, str]:
    # 2 before 10, as people number their pictures.
    return (int(stem), "") if stem.isdigit() else (2**62, stem)
