"""Which actions of a PDF start something outside of it (ISO 32000-2, 12.6): on opening, or by a script in a link.

A link to a page on the web waits for a click, and stays allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_AUTOMATIC: Final = re.compile(rb"/(OpenAction|AA)(?![A-Za-z0-9])[\s\0]*")
_REFERENCE: Final = re.compile(rb"(\d+)[\s\0]+\d+[\s\0]+R(?![A-Za-z0-9])")
_NEXT: Final = re.compile(rb"/Next[\s\0]*(?:\[[\s\0]*)?(\d+)[\s\0]+\d+[\s\0]+R(?![A-Za-z0-9])")
_OBJECT: Final = re.compile(rb"(\d{1,10})[\s\0]+\d+[\s\0]+obj(?![A-Za-z0-9])[\s\0]*")
_OPENS_ADDRESS: Final = re.compile(rb"/S[\s\0]*/URI(?![A-Za-z0-9])")
_BRACKETS: Final = re.compile(rb"<<|>>")
_ADDRESS: Final = re.compile(rb"(?:/URI|\d[\s\0]+obj)[\s\0]*([(<])(?!<)")
_OCTAL: Final = re.compile(rb"\\([0-7]{1,3})|\\\r?\n")
_SCRIPT: Final = re.compile(rb"(?i:javascript|vbscript):")

_LONGEST_ACTION: Final = 4_096
_LONGEST_SCHEME: Final = 256
_MAX_STEPS: Final = 64
"""Actions that are followed: those of one document that start by themselves, and those that follow them."""


@dataclass(frozen=True, slots=True)
class PackedObjects:
    """The content of an object stream: pairs of a number and an offset, then objects.

    Attributes:
        content: Unpacked.
        first: Offset of the first object.
    """

    content: bytes
    first: int

    def find(self, number: int) -> bytes:
        """The beginning of one object; empty when it is not here."""
        fields = self.content[: self.first].split()
        for name, offset in zip(fields[::2], fields[1::2], strict=False):
            if name.isdigit() and offset.isdigit() and int(name[:_DIGITS]) == number:
                start = self.first + int(offset[:_DIGITS])
                return self.content[start : start + _LONGEST_ACTION]
        return b""


_DIGITS: Final = 12


def run_a_script(text: bytes) -> bool:
    """Whether the address of a link in this text of objects is a script."""
    return any(
        _SCRIPT.match(_address(text[found.end() : found.end() + _LONGEST_SCHEME], found[1] == b"<"))
        for found in _ADDRESS.finditer(text)
    )


def open_an_address(texts: Sequence[bytes], packed: Sequence[PackedObjects]) -> bool:
    """Whether the document opens an address by itself, when it is opened or when a page is shown.

    Args:
        texts: All text in which objects are written.
        packed: The object streams.
    """
    waiting = list(_automatic(texts))
    if not waiting:
        return False
    written = _written(texts)
    for _ in range(_MAX_STEPS):
        if not waiting:
            break
        action = waiting.pop()
        if isinstance(action, bytes):
            if _OPENS_ADDRESS.search(action):
                return True
            waiting += [int(number[:_DIGITS]) for number in _NEXT.findall(action)]
        else:
            waiting += [_dictionary(texts[text], start) for text, start in written.get(action, ())]
            waiting += [_dictionary(stream.find(action), 0) for stream in packed]
    return False


def _automatic(texts: Sequence[bytes]) -> Iterator[bytes | int]:
    """The actions that start by themselves, or the numbers of their objects."""
    for text in texts:
        for key in _AUTOMATIC.finditer(text):
            reference = _REFERENCE.match(text, key.end())
            if reference:
                yield int(reference[1][:_DIGITS])
                continue
            action = _dictionary(text, key.end())
            yield action
            if key[1] == b"AA":  # one action for each event
                yield from (int(number[:_DIGITS]) for number in _REFERENCE.findall(action))


def _written(texts: Sequence[bytes]) -> dict[int, list[tuple[int, int]]]:
    """Where the dictionaries begin that are not packed, by the number of the object: which text, and the offset."""
    found: dict[int, list[tuple[int, int]]] = {}
    for index, text in enumerate(texts):
        for start in _OBJECT.finditer(text):
            if text.startswith(b"<<", start.end()):
                found.setdefault(int(start[1]), []).append((index, start.end()))
    return found


def _dictionary(text: bytes, at: int) -> bytes:
    """The dictionary that begins here, with those in it; empty when none begins here."""
    text = text[at : at + _LONGEST_ACTION].lstrip(b"\0 \t\r\n\f")
    if not text.startswith(b"<<"):
        return b""
    depth = 0
    for bracket in _BRACKETS.finditer(text):
        depth += 1 if bracket[0] == b"<<" else -1
        if not depth:
            return text[: bracket.end()]
    return text


def _address(text: bytes, hexadecimal: bool) -> bytes:
    """The beginning of an address as readers see it: they take no notice of blanks and of the marks of UTF-16."""
    if hexadecimal:
        digits = re.sub(rb"[^0-9A-Fa-f]", b"", text.partition(b">")[0])
        text = bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))
    else:
        text = _OCTAL.sub(lambda escape: bytes([int(escape[1], 8) & 0xFF]) if escape[1] else b"", text)
        text = text.replace(b"\\", b"")
    return text.removeprefix(b"\xef\xbb\xbf").translate(None, bytes([*range(33), 0xFE, 0xFF]))
