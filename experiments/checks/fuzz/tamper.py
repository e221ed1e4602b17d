"""Ways to tamper with a file: its bytes, the values of its JSON, the headers of a tar file, the chunks of a PNG."""

import copy
import json
import random
import struct
import zlib
from typing import Any

HUGE = (2**31 - 1, 2**31, 2**32 - 1, 2**16, 2**24, 2**30, 0, 0x7FFF0000)
"""Numbers that a file may claim in place of a size."""

STRANGE: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**64,
    10**400,
    -(2**63),
    0.5,
    -0.0,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "0",
    "x",
    "../../outside/canary.py",
    "evil.py",
    "./experiment.py",
    "/etc/passwd",
    "os:system",
    "\x1b[2J\x07",
    "a\nb\r\0",
    "\ud800",
    "<script>alert(1)</script>",
    "x" * 5000,
    "é\u202e",
    [],
    [[]],
    {},
    {"a": {}},
    [None],
    ["a", 1, {}],
    [1, 2, 3, 4, 5],
    {"": None},
    "pix2pix",
    "facades",
    "(python)",
    "nan",
    "-1",
    "1e999",
)

NAMES = (
    b"../canary",
    b"/tmp/canary",
    b"train/../../canary.jpg",
    b"..\\canary",
    b"train/\xff\xfe.jpg",
    b"train/" + b"x" * 90 + b".jpg",
    b"train/1.jpg",
    b"./train/2.JPG",
    b"train/.jpg",
    b"",
    b"train/\x1b[2J.jpg",
    b"val/con.jpeg",
)


def tamper_bytes(data: bytes, rng: random.Random, other: bytes = b"") -> bytes:
    """Changes, cuts, repeats or inserts some bytes; places near the beginning are more likely."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        place = rng.randrange(len(changed) + 1)
        place = min(place, rng.randrange(400)) if rng.random() < 0.5 else place
        match rng.randrange(7):
            case 0:
                changed[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                length, order = rng.choice((2, 4, 8)), rng.choice(("big", "little"))
                changed[place : place + length] = (rng.choice(HUGE) % 256**length).to_bytes(length, order)
            case 2:
                del changed[place : place + rng.choice((1, 4, 50, 10_000))]
            case 3:
                changed[place:place] = changed[place : place + rng.choice((4, 12, 200))] * rng.choice((1, 2, 300))
            case 4:
                changed[place:place] = rng.randbytes(rng.choice((1, 4, 100)))
            case 5:
                for index in range(place, min(place + rng.choice((1, 8, 64)), len(changed))):
                    changed[index] ^= 1 << rng.randrange(8)
            case _:
                start = rng.randrange(len(other) + 1)
                changed[place : place + 50] = other[start : start + rng.choice((8, 50, 400))]
    return bytes(changed)


def tamper_json(data: bytes, rng: random.Random) -> bytes:
    """Replaces, removes, adds or renames some values of a JSON text, or some of its bytes."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return tamper_bytes(data, rng)
    if rng.random() < 0.15:
        return tamper_bytes(data, rng, data)
    if rng.random() < 0.02:
        return b"[" * 200_000 if rng.random() < 0.5 else b'{"format": ' * 5000 + data
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        value = _tamper_value(value, rng)
    try:
        return json.dumps(value).encode()
    except (ValueError, RecursionError):
        return data


def _strange(rng: random.Random) -> Any:
    return copy.deepcopy(rng.choice(STRANGE))


def _tamper_value(value: Any, rng: random.Random) -> Any:
    holders = [value] if isinstance(value, dict | list) and value else []
    for holder in holders:
        inner = holder.values() if isinstance(holder, dict) else holder
        holders.extend(each for each in inner if isinstance(each, dict | list) and each)
    if not holders or rng.random() < 0.03:
        return _strange(rng)
    holder = rng.choice(holders)
    key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
    match rng.randrange(8):
        case 0:
            del holder[key]
        case 1:
            new = rng.choice(("name", "x", "", "__class__", "format", "_target_"))
            if isinstance(holder, dict):
                holder[new] = _strange(rng)
            else:
                holder.insert(key, _strange(rng))
        case 2:
            old = holder[key]
            number = isinstance(old, int | float)
            holder[key] = old * rng.choice((-1, 0, 1e300, 2**40)) if number else [old] * 3
        case _:
            holder[key] = _strange(rng)
    return value


def tamper_rows(data: bytes, rng: random.Random) -> bytes:
    """Tampers with some lines of a file of JSON lines, or with its order."""
    lines = data.splitlines()
    for _ in range(rng.choice((1, 1, 2))):
        place = rng.randrange(len(lines))
        lines[place] = tamper_json(lines[place], rng)
    if rng.random() < 0.2:
        rng.shuffle(lines)
    return rng.choice((b"\n", b"\n", b"\n", b"\r\n", b"\x85")).join(lines)


def tamper_tar(data: bytes, rng: random.Random) -> bytes:
    """Replaces fields of a header of a tar file and corrects its checksum, or changes any bytes."""
    if rng.random() < 0.3:
        return tamper_bytes(data, rng)
    headers = [place for place in range(0, len(data) - 511, 512) if data[place + 257 : place + 262] == b"ustar"]
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2))):
        place = rng.choice(headers)
        _set_field(changed, place, rng)
        changed[place + 148 : place + 156] = b" " * 8
        changed[place + 148 : place + 156] = b"%06o\0 " % sum(changed[place : place + 512])
    return bytes(changed)


def _set_field(tar: bytearray, place: int, rng: random.Random) -> None:
    match rng.randrange(5):
        case 0:
            tar[place : place + 100] = rng.choice(NAMES).ljust(100, b"\0")[:100]
        case 1:
            sizes = (
                b"00000000000\0",
                b"77777777777\0",
                b"\xff" * 12,
                b"\x80" + bytes(3) + b"\xff" * 8,
                b"-1         \0",
                b"9" * 12,
            )
            tar[place + 124 : place + 136] = rng.choice((*sizes, b"%011o\0" % rng.choice(HUGE)))
        case 2:
            tar[place + 156] = rng.choice(b"0123456789LKSxgXVDMN\0A")
        case 3:
            tar[place + 157 : place + 257] = rng.choice(NAMES).ljust(100, b"\0")[:100]
        case _:
            start = place + rng.randrange(345, 500)
            tar[start : start + 12] = rng.choice((b"77777777777\0", rng.randbytes(12)))


def tamper_png(data: bytes, rng: random.Random) -> bytes:
    """Changes, repeats or removes chunks of a PNG and corrects their checksums."""
    chunks, place = [], 8
    while place + 12 <= len(data):
        length = struct.unpack_from(">I", data, place)[0]
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    index = rng.randrange(len(chunks))
    kind, content = chunks[index]
    match rng.randrange(4):
        case 0:
            chunks.insert(rng.randrange(len(chunks)), chunks[index])
        case 1:
            del chunks[index]
        case 2:
            added = rng.choice((b"eXIf", b"zTXt", b"iCCP", b"acTL", b"fcTL", b"tRNS", b"PLTE", b"gAMA", b"cHRM"))
            chunks.insert(1, (added, rng.choice((rng.randbytes(8), b"x\0\0" + zlib.compress(bytes(10**6)), bytes(768)))))
        case _:
            chunks[index] = (kind, tamper_bytes(content, rng))
    made = (struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks)
    return data[:8] + b"".join(made)
