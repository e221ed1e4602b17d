"""Pairs of one split, wherever they come from: counted, named, and read when asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from p2p_jax.config import Data, Side
from p2p_jax.data.fit import Fit, plan, to_canvas
from p2p_jax.data.layout import Files, side_parts
from p2p_jax.data.pictures import Encoded, Picture, decode, of_file
from p2p_jax.data.procedural import facade
from p2p_jax.data.sides import OR_SKIP, read_mask, read_part, read_side, resize_side, takes_numbers
from p2p_jax.errors import UserError

Example = dict[str, np.ndarray]
"""{"input": (h, w, c), "target": (h, w, c')}, stored values (see `sides`), and {"weight": (h, w, 1)} uint8 of a mask."""

MIDDLE = (0.5, 0.5)


class Pairs(Protocol):
    """One split, wherever it comes from."""

    def count(self) -> int:
        """How many pairs there are."""
        ...

    def name(self, index: int) -> str:
        """The name of a pair, without its ending."""
        ...

    def read(self, index: int, fit: Fit, share: tuple[float, float] = MIDDLE) -> Example:
        """A pair as the networks' size wants it; `share` says where a crop lies, down and across, each in [0, 1)."""
        ...


class ProceduralPairs(NamedTuple):
    """Facades drawn by the program: labels to photo, or with "BtoA" photo to labels."""

    seed: int
    first: int
    number: int
    direction: str = "AtoB"

    def count(self) -> int:
        """How many pairs there are."""
        return self.number

    def name(self, index: int) -> str:
        """The name of a pair."""
        return f"facade_{self.first + index}"

    def read(self, index: int, fit: Fit, share: tuple[float, float] = MIDDLE) -> Example:
        """uint8 (height, width, 3) twice, drawn at the size to load."""
        photo, labels = facade(self.seed, self.first + index, size=fit.load)
        source, target = (labels, photo) if self.direction == "AtoB" else (photo, labels)
        canvas = plan(fit, fit.load, self.name(index)).canvas
        return {"input": to_canvas(source, canvas, share), "target": to_canvas(target, canvas, share)}


class FileRecords(NamedTuple):
    """Records whose pictures are files."""

    files: Sequence[Files]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.files)

    def name(self, index: int) -> str:
        """The name of a record."""
        return self.files[index][0]

    def parts(self, index: int) -> dict[str, Encoded]:
        """The pictures of a record, by part (see `layout.Files`)."""
        return {part: of_file(Path(path)) for part, path in self.files[index][1].items()}


class PreparedRecords(NamedTuple):
    """Records of a set of tensorflow-datasets.

    Attributes:
        records: `len` and `[i] -> {feature: value}`, pictures as encoded bytes or as arrays.
        title: of the set, for messages.
        features: which are A and B; None where the features are parts by name (see `layout.Files`).
    """

    records: Sequence[dict[str, Any]]
    title: str
    features: tuple[str, ...] | None = None

    def __len__(self) -> int:
        """How many there are."""
        return len(self.records)

    def name(self, index: int) -> str:
        """The name of a record: its own, or its number."""
        return _text(self.records[index].get("name", index))

    def parts(self, index: int) -> dict[str, Encoded]:
        """The pictures of a record, by part (see `layout.Files`)."""
        record = self.records[index]
        if self.features is None:
            found = {part: record[part] for part in record if part != "name"}
        else:
            found = dict(zip(("A", "B", "mask"), (record[feature] for feature in self.features), strict=False))
        title = f"record {_text(record.get('name', index))} of {self.title}"
        return {part: Encoded(title, value) for part, value in found.items()}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class Subset(NamedTuple):
    """Some of the records."""

    records: "Records"
    indices: Sequence[int]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.indices)

    def name(self, index: int) -> str:
        """The name of a record."""
        return self.records.name(self.indices[index])

    def parts(self, index: int) -> dict[str, Encoded]:
        """The pictures of a record."""
        return self.records.parts(self.indices[index])


class Records(Protocol):
    """Where the pictures of pairs lie."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str: ...  # noqa: D102

    def parts(self, index: int) -> dict[str, Encoded]: ...  # noqa: D102


class RecordedPairs(NamedTuple):
    """Pairs read from files or records.

    Attributes:
        records: where their pictures lie.
        data: the direction, both sides, and how to resize.
    """

    records: Records
    data: Data

    def count(self) -> int:
        """How many pairs there are."""
        return len(self.records)

    def name(self, index: int) -> str:
        """The name of a pair, without its ending."""
        return self.records.name(index)

    def read(self, index: int, fit: Fit, share: tuple[float, float] = MIDDLE) -> Example:
        """The pair as the networks' size wants it.

        Raises:
            UserError: a picture cannot be read, does not fit its side, or its other half.
        """
        parts = self.records.parts(index)
        sides = read_pair(parts, self.data)
        first, own = next((name, pixels.shape[:2]) for pictures in sides.values() for name, pixels in pictures)
        plan(fit._replace(whole=False), own, first)  # what is read whole for a cache is cropped later
        sizes = plan(fit, own, first)

        def place(pixels: np.ndarray, side: Side, method: str) -> np.ndarray:
            return to_canvas(resize_side(pixels, sizes.resized, side, method), sizes.canvas, share)

        example = {}
        for role, pictures in sides.items():
            side = Side() if role == "weight" else getattr(self.data, role)
            for name, pixels in pictures:
                if pixels.shape[:2] != own:
                    raise UserError(
                        f"{first} has {own[1]} x {own[0]} pixels but its other half {name} has {pixels.shape[1]} x "
                        f"{pixels.shape[0]}: make them the same size."
                    )
            method = "bilinear" if role == "weight" else self.data.resize
            placed = [place(pixels, side, method) for _, pixels in pictures]
            example[role] = placed[0] if len(placed) == 1 else np.concatenate(placed, axis=-1)
        return example


def read_pair(parts: dict[str, Encoded], data: Data) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Decodes a pair: {"input" | "target" | "weight": [(name, stored values at the picture's own size)]}.

    Raises:
        UserError: a picture cannot be read, or does not fit its side.
    """
    letters = {"input": "A", "target": "B"} if data.direction == "AtoB" else {"input": "B", "target": "A"}
    if "pair" in parts:
        sides = _read_side_by_side(parts["pair"], data, letters)
    else:
        sides = {
            role: read_side(
                [parts[part] for part in side_parts(parts, letter)],
                getattr(data, role),
                option=f"--data.{role}",
                transparency=data.transparency,
            )
            for role, letter in letters.items()
        }
    if "mask" in parts:
        name = parts["mask"].name
        mask = decode(parts["mask"], otherwise=OR_SKIP)
        sides["weight"] = [(name, read_mask(mask, name))]
    return sides


def _read_side_by_side(encoded: Encoded, data: Data, letters: dict[str, str]) -> dict[str, list[tuple[str, np.ndarray]]]:
    numbered = {role: takes_numbers(getattr(data, role)) for role in letters}
    pictures = {flag: decode(encoded, indices=flag, otherwise=OR_SKIP) for flag in set(numbered.values())}
    width = next(iter(pictures.values())).pixels.shape[1]
    if width % 2:
        raise UserError(
            f"{encoded.name} is {width} pixels wide, so its halves differ in size: a side-by-side picture holds two "
            "pictures of the same size."
        )
    columns = {"A": slice(width // 2), "B": slice(width // 2, width)}
    sides = {}
    for role, letter in letters.items():
        side, picture = getattr(data, role), pictures[numbered[role]]
        if len(side.channels) > 1:
            raise UserError(
                f"{encoded.name} holds one picture on each side, but --data.{role}.channels names {len(side.channels)}: "
                "give one number, or the pictures in folders A1, A2, … and B."
            )
        half = Picture(np.ascontiguousarray(picture.pixels[:, columns[letter]]), picture.has_alpha)
        pixels = read_part(half, encoded.name, side, 0, option=f"--data.{role}", transparency=data.transparency)
        sides[role] = [(encoded.name, pixels)]
    return sides


class Replacing(NamedTuple):
    """Pairs of which unreadable ones are replaced: by the next good one in an order drawn from (seed, index).

    Attributes:
        pairs: as they are.
        seed: of the order.
        skipped: what was wrong with each unreadable pair met so far, by index.
    """

    pairs: Pairs
    seed: int
    skipped: dict[int, str]

    def count(self) -> int:
        """How many pairs there are, unreadable ones included."""
        return self.pairs.count()

    def name(self, index: int) -> str:
        """The name of a pair, replaced or not."""
        return self.pairs.name(index)

    def read(self, index: int, fit: Fit, share: tuple[float, float] = MIDDLE) -> Example:
        """The pair at `index`, or the one that replaces it.

        Raises:
            UserError: no pair can be read.
        """
        try:
            return self.pairs.read(index, fit, share)
        except ValueError as error:
            self.skipped[index] = str(error)
        for other in np.random.default_rng((self.seed, index)).permutation(self.count()):
            try:
                return self.pairs.read(int(other), fit, share)
            except ValueError:
                continue
        raise UserError(f"none of the {self.count()} pairs can be read: {self.skipped[index]}")


def read_batch(pairs: Pairs, indices: Sequence[int], fit: Fit) -> Example:
    """Reads some pairs of one size and stacks them: {"input": (n, h, w, c), "target": (n, h, w, c')}."""
    return stack([pairs.read(index, fit) for index in indices])


def stack(examples: Sequence[Example]) -> Example:
    """Stacks examples of one size along a new first axis."""
    return {name: np.stack([example[name] for example in examples]) for name in examples[0]}
