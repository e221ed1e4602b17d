"""The pairs of one split: counted, named, and read on demand, from files or records or drawn by the program."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from p2p_jax.config import Data, Side
from p2p_jax.data.cmp import COLOURS
from p2p_jax.data.fit import Fit, plan, to_canvas
from p2p_jax.data.ignored import fill_unknown, known_pixels
from p2p_jax.data.names import sides_of
from p2p_jax.data.palettes import nearest_class
from p2p_jax.data.pictures import Encoded, Picture, decode
from p2p_jax.data.procedural import facade
from p2p_jax.data.records import Records
from p2p_jax.data.sides import OR_SKIP, holds_class_numbers, read_mask, read_side, resize_side, to_stored
from p2p_jax.errors import UserError
from p2p_jax.limits.budget import DECODING

Example = dict[str, np.ndarray]
"""{"input": (h, w, c), "target": (h, w, c')}, stored values (see `sides`), and where there is a mask {"weight":
(h, w, 1)} uint8; where some target pixels are ignored also {"known": (h, w, 1)} uint8, 255 for the others."""

MIDDLE = (0.5, 0.5)

OF_MASKS = {"weight": Side(), "known": Side(kind="labels")}
"""The parts of an example that belong to neither side, and how they are resized."""


class Pairs(Protocol):
    """The pairs of one split."""

    def count(self) -> int:
        """The number of pairs."""
        ...

    def name(self, index: int) -> str:
        """The name of a pair, without its ending."""
        ...

    def read(self, index: int, fit: Fit, position: tuple[float, float] = MIDDLE) -> Example:
        """Reads a pair at the size of `fit`; `position` is that of a crop, down and across, each in [0, 1)."""
        ...


class ProceduralPairs(NamedTuple):
    """Facades that the program draws: labels to photo, or with "BtoA" photo to labels.

    Attributes:
        seed: of the set.
        first: the number of the first building.
        number: of buildings.
        direction: "AtoB" or "BtoA".
        one_hot: whether labels are read as class numbers (height, width, 1) instead of the colours of the classes.
    """

    seed: int
    first: int
    number: int
    direction: str = "AtoB"
    one_hot: bool = False

    def count(self) -> int:
        """The number of pairs."""
        return self.number

    def name(self, index: int) -> str:
        """The name of a pair."""
        return f"facade_{self.first + index}"

    def read(self, index: int, fit: Fit, position: tuple[float, float] = MIDDLE) -> Example:
        """Draws a pair at the load size: uint8 (height, width, 3) twice, or labels as (height, width, 1)."""
        photo, labels = facade(self.seed, self.first + index, size=fit.load)
        labels = nearest_class(labels, COLOURS)[0][..., None] if self.one_hot else labels
        source, target = (labels, photo) if self.direction == "AtoB" else (photo, labels)
        canvas = plan(fit, fit.load, self.name(index)).canvas
        return {"input": to_canvas(source, canvas, position), "target": to_canvas(target, canvas, position)}


class RecordedPairs(NamedTuple):
    """Pairs that are read from files or records.

    Attributes:
        records: the encoded pictures.
        data: the direction, both sides, and how to resize.
    """

    records: Records
    data: Data

    def count(self) -> int:
        """The number of pairs."""
        return len(self.records)

    def name(self, index: int) -> str:
        """The name of a pair, without its ending."""
        return self.records.name(index)

    @DECODING.job()
    def read(self, index: int, fit: Fit, position: tuple[float, float] = MIDDLE) -> Example:
        """Reads a pair at the size of `fit`; `position` is that of a crop, down and across, each in [0, 1).

        Raises:
            UserError: a picture cannot be read, does not suit its side, or has another size than its other half.
        """
        decoded = read_pair(self.records.pictures(index), self.data)
        first, own = next((name, pixels.shape[:2]) for pictures in decoded.values() for name, pixels in pictures)
        plan(fit._replace(uncropped=False), own, first)  # refuses a pair that is too small for its later crop, too
        sizes = plan(fit, own, first)

        def bring_to_size(pixels: np.ndarray, side: Side, method: str) -> np.ndarray:
            return to_canvas(resize_side(pixels, sizes.resized, side, method), sizes.canvas, position)

        example = {}
        for role, pictures in decoded.items():
            side = OF_MASKS[role] if role in OF_MASKS else getattr(self.data, role)
            for name, pixels in pictures:
                if pixels.shape[:2] != own:
                    raise UserError(
                        f"{first} has {own[1]} x {own[0]} pixels but its other half {name} has {pixels.shape[1]} x "
                        f"{pixels.shape[0]}: make them the same size."
                    )
            method = "bilinear" if role == "weight" else self.data.resize
            fitted = [bring_to_size(pixels, side, method) for _, pixels in pictures]
            example[role] = fitted[0] if len(fitted) == 1 else np.concatenate(fitted, axis=-1)
        return example


def read_pair(pictures: dict[str, Encoded], data: Data) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Decodes a pair at the pictures' own sizes.

    Args:
        pictures: by side (see `names.Files`).
        data: the direction and both sides.

    Returns:
        {"input" | "target" | "weight" | "known": [(name, stored values)]}, the last two where there are any.

    Raises:
        UserError: a picture cannot be read, or does not suit its side.
    """
    letters = {"input": "A", "target": "B"} if data.direction == "AtoB" else {"input": "B", "target": "A"}
    if "pair" in pictures:
        decoded = _read_side_by_side(pictures["pair"], data, letters)
    else:
        decoded = {
            role: read_side(
                [pictures[side] for side in sides_of(pictures, letter)],
                getattr(data, role),
                option=f"--data.{role}",
                transparency=data.transparency,
            )
            for role, letter in letters.items()
        }
    for role in letters if data.input.ignore is not None or data.target.ignore is not None else ():
        _fill_ignored(decoded, role, getattr(data, role))
    if "mask" in pictures:
        name = pictures["mask"].name
        mask = decode(pictures["mask"], otherwise=OR_SKIP)
        decoded["weight"] = [(name, read_mask(mask, name))]
    return decoded


def _fill_ignored(decoded: dict[str, list[tuple[str, np.ndarray]]], role: str, side: Side) -> None:
    """Fills the ignored pixels of images, and adds "known" for targets; changes `decoded` in place."""
    if side.ignore is None:
        return
    known = [known_pixels(pixels, side) for _, pixels in decoded[role]]
    decoded[role] = [
        (name, fill_unknown(pixels, where, side)) for (name, pixels), where in zip(decoded[role], known, strict=True)
    ]
    if role == "target" and len({where.shape for where in known}) == 1:  # other sizes are refused later
        decoded["known"] = [(decoded[role][0][0], np.minimum.reduce(known))]


def read_input_half(encoded: Encoded, data: Data, *, clip: bool = False) -> list[tuple[str, np.ndarray]]:
    """Reads the input of a side-by-side picture for translation, as `sides.read_side` reads a picture of its own.

    Raises:
        UserError: the picture cannot be read, has an odd width, or does not suit the input.
    """
    letters = {"input": "A" if data.direction == "AtoB" else "B"}
    return _read_side_by_side(encoded, replace(data, transparency="drop"), letters, trained=True, clip=clip)["input"]


def _read_side_by_side(
    encoded: Encoded, data: Data, letters: dict[str, str], *, trained: bool = False, clip: bool = False
) -> dict[str, list[tuple[str, np.ndarray]]]:
    numbered = {role: holds_class_numbers(getattr(data, role)) for role in letters}
    nan = data.input.ignore is not None or data.target.ignore is not None
    pictures = {flag: decode(encoded, indices=flag, otherwise=OR_SKIP, allow_nan=nan) for flag in set(numbered.values())}
    width = next(iter(pictures.values())).pixels.shape[1]
    if width % 2:
        raise UserError(
            f"{encoded.name} is {width} pixels wide, so its halves differ in size: a side-by-side picture holds two "
            "pictures of the same size."
        )
    columns = {"A": slice(width // 2), "B": slice(width // 2, width)}
    decoded = {}
    for role, letter in letters.items():
        side, picture = getattr(data, role), pictures[numbered[role]]
        if len(side.channels) > 1:
            raise UserError(
                f"{encoded.name} holds one picture on each side, but --data.{role}.channels names {len(side.channels)}: "
                "give one number, or the pictures in folders A1, A2, … and B."
            )
        half = Picture(np.ascontiguousarray(picture.pixels[:, columns[letter]]), picture.has_alpha)
        option = None if trained else f"--data.{role}"  # after training, options are fixed
        pixels = to_stored(half, encoded.name, side, 0, option=option, transparency=data.transparency, clip=clip)
        decoded[role] = [(encoded.name, pixels)]
    return decoded


class Replacing(NamedTuple):
    """Pairs that replace each unreadable pair by the first readable one in an order drawn from (seed, index).

    Attributes:
        pairs: all pairs, including unreadable ones.
        seed: of the order.
        skipped: {index: why it is unreadable} of the unreadable pairs found so far.
    """

    pairs: Pairs
    seed: int
    skipped: dict[int, str]

    def count(self) -> int:
        """The number of pairs, including unreadable ones."""
        return self.pairs.count()

    def name(self, index: int) -> str:
        """The name of a pair, replaced or not."""
        return self.pairs.name(index)

    def read(self, index: int, fit: Fit, position: tuple[float, float] = MIDDLE) -> Example:
        """Reads the pair at `index`, or the one that replaces it.

        Raises:
            UserError: no pair can be read.
        """
        try:
            return self.pairs.read(index, fit, position)
        except UserError as error:
            self.skipped[index] = str(error)
        for other in np.random.default_rng((self.seed, index)).permutation(self.count()):
            try:
                return self.pairs.read(int(other), fit, position)
            except UserError:
                continue
        raise UserError(f"none of the {self.count()} pairs can be read: {self.skipped[index]}")


def read_batch(pairs: Pairs, indices: Sequence[int], fit: Fit) -> Example:
    """Reads some pairs of one size and stacks them: {"input": (n, h, w, c), "target": (n, h, w, c')}."""
    return stack([pairs.read(index, fit) for index in indices])


def stack(examples: Sequence[Example]) -> Example:
    """Stacks examples of one size along a new first axis."""
    return {name: np.stack([example[name] for example in examples]) for name in examples[0]}
