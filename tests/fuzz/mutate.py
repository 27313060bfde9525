"""Mutations of bytes and texts, decided by a random generator alone."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from typing import Final

LARGEST_BYTES: Final = 1 << 20
EDGES: Final = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
TEXTS: Final = (
    "",
    " ",
    "\0",
    "../../../etc/passwd",
    "\u202etxt.exe",
    "\ud7ff\uffff",
    "%s%n{0}${jndi:x}",
    "'; DROP TABLE turns; --",
    "A" * 5000,
    "\u0301" * 300,
    "-1",
    "NaN",
    "1e999",
    "hieronymus_blatherwick",
)

Step = Callable[[random.Random, bytearray, Sequence[bytes]], None]


def mutated(rng: random.Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """The data after one to eight mutations. ``others`` are inputs of which parts may be taken."""
    changed = bytearray(data[:LARGEST_BYTES])
    for _ in range(rng.randint(1, 8)):
        rng.choice(_STEPS)(rng, changed, others)
    return bytes(changed[:LARGEST_BYTES])


def mutated_text(rng: random.Random, text: str, words: Sequence[str] = ()) -> str:
    """The same for a text; ``words`` may be put in."""
    for _ in range(rng.randint(1, 4)):
        at, end = sorted(rng.randint(0, len(text)) for _ in range(2))
        put = rng.choice((*words, *TEXTS, chr(rng.randint(1, 0xD7FF)), text[at:end]))
        text = rng.choice((text[:at] + put + text[end:], text[:at] + put + text[at:], text[:at] + text[end:]))
    return text[:20_000]


def _flip(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _overwrite(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    form = rng.choice((">B", ">H", "<H", ">I", "<I"))
    size = struct.calcsize(form)
    if len(data) >= size:
        at = rng.randint(0, min(len(data) - size, rng.choice((64, 1024, LARGEST_BYTES))))
        data[at : at + size] = struct.pack(form, rng.choice(EDGES) & ((1 << 8 * size) - 1))


def _cut(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    at, end = sorted(rng.randint(0, len(data)) for _ in range(2))
    del data[at:end]


def _truncate(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    del data[rng.randint(0, len(data)) :]


def _repeat(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    at = rng.randint(0, len(data))
    data[at:at] = data[at : at + rng.choice((1, 16, 256))] * rng.choice((1, 2, 50))


def _insert(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    at = rng.randint(0, len(data))
    data[at:at] = rng.randbytes(rng.choice((1, 2, 8, 64)))


def _splice(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    if others:
        other = rng.choice(others)
        at, start = rng.randint(0, len(data)), rng.randint(0, len(other))
        data[at:] = other[start : start + LARGEST_BYTES]


_STEPS: Final[tuple[Step, ...]] = (_flip, _flip, _overwrite, _overwrite, _cut, _truncate, _repeat, _insert, _splice)
