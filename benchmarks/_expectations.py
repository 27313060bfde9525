"""What a collection of hostile files expects of the gate, read from its manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_PICTURES = ("png", "jpg", "jpeg", "webp", "tif", "tiff", "heic", "heif", "pdf")
_SOUND = ("wav", "ogg", "opus", "flac", "webm", "m4a", "mp3", "aac")
READ_ENDINGS = frozenset({*_PICTURES, *_SOUND})
"""Endings of the formats that are read. Video files are left out: those of the collections have no sound."""

LFS_POINTER = b"version https://git-lfs.github.com/spec/"


class Expect(StrEnum):
    """What is right."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    EITHER = "either"  # damaged or odd: decode it or refuse it, within time and memory


@dataclass(frozen=True, slots=True)
class BadInput:
    """One file of the collection."""

    name: str
    category: str
    expect: Expect
    content: bytes

    @property
    def is_pointer(self) -> bool:
        """Whether the collection holds a pointer to the file instead of the file."""
        return self.content.startswith(LFS_POINTER)


def read_collection(folder: Path) -> list[BadInput]:
    """The files of the manifest, in its order."""
    files = []
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        content = (folder / row["file"]).read_bytes()
        files.append(BadInput(row["file"], row["category"], expectation(row["category"], row["file"]), content))
    return files


def expectation(category: str, file: str) -> Expect:
    """The expectation of a file, from its category and its name.

    ``x*.png`` of the PNG suite are corrupt, its others valid. A valid file must be accepted when its type is read;
    minimal files of a type may hold no sound at all, so only that of another type decides.
    """
    name = file.rpartition("/")[2].lower()
    is_read = name.rpartition(".")[2] in READ_ENDINGS
    if category == "pngsuite":
        return Expect.REFUSE if name.startswith("x") else Expect.ACCEPT
    if category == "image_valid":
        return Expect.ACCEPT if is_read else Expect.REFUSE
    if category in ("minimal_by_type", "type_corpus", "polyglot_or_odd"):
        return Expect.EITHER if is_read else Expect.REFUSE
    if category == "payload_or_list":
        return Expect.EITHER if is_read and "lottapixel" not in name else Expect.REFUSE
    if category in ("polyglot", "zip_slip", "strings"):
        return Expect.REFUSE
    return Expect.EITHER
