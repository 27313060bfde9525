"""What a PDF could do besides being shown: scripts, actions, embedded files, encryption (ISO 32000).

Drawing a page runs nothing of it, so this is a second line: such a document is refused before it is drawn. The names
are looked for where objects are written, also in packed object streams, and not in the bytes of pictures and fonts.
Objects that are packed in a way that this module does not read are refused.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from models.errors import TooLarge, UnsupportedMedia
from models.media.foreign import foreign_content, holds_markup
from models.media.formats import MediaFormat
from models.media.structure.layout import cut_off
from models.media.structure.pdf_actions import PackedObjects, open_an_address, run_a_script
from models.reasons import Reason

MAX_UNPACKED_BYTES: Final = 16 * 1024 * 1024
"""All packed objects of a document together."""

MAX_TRAILING_BYTES: Final = 1024
"""After the last end mark, which is the place of the index and ``%%EOF``; readers look for it in as many bytes."""

MAX_BETWEEN_BYTES: Final = 1024
"""Bytes between the objects that are no text. Readers skip them; indexes and comments are text."""

PRINT_AGAIN: Final = "Print it into a new PDF, or send its pages as pictures."

_ACTIVE: Final = re.compile(
    rb"/(?:JavaScript|JS|Launch|EmbeddedFiles?|RichMedia|XFA|GoToE|GoToR|ImportData|SubmitForm|Movie|Sound|Rendition|3D)"
    rb"(?![A-Za-z0-9])"
)
_ENCRYPTED: Final = re.compile(rb"/Encrypt(?![A-Za-z0-9])")
_OBJECT_STREAM: Final = re.compile(rb"/ObjStm(?![A-Za-z0-9])")
_ESCAPE: Final = re.compile(rb"#([0-9A-Fa-f]{2})")
_STREAM: Final = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)
_STREAM_OF_OBJECT: Final = re.compile(rb">>[\s\0]*stream\r?\n.*?endstream", re.DOTALL)
_END: Final = re.compile(rb"startxref\s+\d+(?:\s+%%EOF)?")
_OBJECT: Final = re.compile(rb"\d[\s\0]+\d+[\s\0]+obj(?![A-Za-z0-9])")
_NUMBERED: Final = re.compile(rb"\d{1,10}[\s\0]+\d+[\s\0]+obj(?![A-Za-z0-9])")
_FIRST: Final = re.compile(rb"/First[\s\0]+(\d{1,9})")
_FILTER: Final = re.compile(rb"/Filter(?![A-Za-z0-9])")
_FILTERS: Final = re.compile(rb"/Filter\s*(\[(?:\s*/\w+)*\s*\]|/\w+)")
_PARAMETERS: Final = re.compile(rb"/DecodeParms(?![A-Za-z0-9])(?!\s*null)")
_WHOLE_OBJECT: Final = re.compile(rb"\d[\s\0]+\d+[\s\0]+obj(?![A-Za-z0-9]).*?endobj", re.DOTALL)
_HEADER: Final = re.compile(rb"%PDF-\d\.\d")
_TEXT: Final = bytes([0, 9, 10, 12, 13, *range(32, 127)])
_NAME: Final = re.compile(rb"/(\w+)")


def check(data: bytes) -> None:
    """Refuse a document that is more than pages.

    Raises:
        UnsupportedMedia: ACTIVE_CONTENT, ENCRYPTED_DOCUMENT, TRAILING_DATA, FOREIGN_CONTENT.
        BrokenMedia: It has no end mark.
        TooLarge: DECOMPRESSION_BOMB, its packed objects are too large.
    """
    end = max((mark.end() for mark in _END.finditer(data)), default=None)
    if end is not None and len(data[end:].rstrip(b"\0 \r\n\t")) > MAX_TRAILING_BYTES:
        raise UnsupportedMedia("Bytes follow the end of the PDF file.", reason=Reason.TRAILING_DATA, hint=PRINT_AGAIN)
    between = _between_objects(data)
    if _holds_other_text(_before_objects(data), between) or (end is not None and holds_markup(data[end:])):
        raise foreign_content(MediaFormat.PDF)
    _check_written(data)
    if end is None:
        raise cut_off("PDF")
    if len(between.translate(None, _TEXT)) > MAX_BETWEEN_BYTES:
        raise UnsupportedMedia(
            "The PDF file has bytes between its objects.", reason=Reason.TRAILING_DATA, hint=PRINT_AGAIN
        )


def _holds_other_text(before: bytes, between: bytes) -> bool:
    """Whether markup or a script stands outside of all objects. A comment of JavaScript makes a script of the rest."""
    if b"/*" in before or b"*/" in before:
        return True
    return any(holds_markup(_HEADER.sub(b"", text)) for text in (before, between))


def _check_written(data: bytes) -> None:
    """Look for what the objects could do."""
    packed: list[PackedObjects] = []
    texts = []
    for text in _written_objects(data, packed):
        if _ACTIVE.search(text) or run_a_script(text):
            raise active()
        if _ENCRYPTED.search(text):
            raise encrypted()
        texts.append(text)
    if open_an_address(texts, packed):
        raise active("The PDF opens an address by itself.")


def active(message: str = "The PDF has scripts, embedded files or actions that start something.") -> UnsupportedMedia:
    """The error for a document that does more than being shown, or that may."""
    return UnsupportedMedia(message, reason=Reason.ACTIVE_CONTENT, hint=PRINT_AGAIN)


def _unusual() -> UnsupportedMedia:
    return active("The PDF packs its objects in an unusual way.")


def encrypted() -> UnsupportedMedia:
    """The error for a document with a password or with restricted rights."""
    return UnsupportedMedia("The PDF is encrypted.", reason=Reason.ENCRYPTED_DOCUMENT, hint=PRINT_AGAIN)


def _written_objects(data: bytes, packed: list[PackedObjects]) -> Iterator[bytes]:
    """All text in which objects are written, names in their plain form: between the streams, and in object streams.

    Object streams are added to ``packed``, too.
    """
    left, after = MAX_UNPACKED_BYTES, 0
    for stream in _STREAM.finditer(data):
        between = _plain(data[after : stream.start()])
        yield between
        if _OBJECT_STREAM.search(between):
            dictionary = between[between.rfind(b"obj") :]
            unpacked = _unpack(stream[1], _filters(dictionary), left)
            left -= len(unpacked)
            first = _FIRST.search(dictionary)
            packed.append(PackedObjects(unpacked, int(first[1]) if first else 0))
            yield _plain(unpacked)
        elif _OBJECT.search(stream[1]):  # a comment or a text can look like the beginning of a stream
            yield _plain(stream[1])
            if _OBJECT_STREAM.search(_plain(stream[1])):
                raise _unusual()
        after = stream.end()
    yield _plain(data[after:])


def _between_objects(data: bytes) -> bytes:
    """What belongs to no object: indexes, trailers, comments, and whatever else is put there."""
    return _WHOLE_OBJECT.sub(b"", _STREAM_OF_OBJECT.sub(b">>", data))


def _before_objects(data: bytes) -> bytes:
    """Everything before the first object; the whole file when it has none."""
    first = _NUMBERED.search(data)
    return data[: first.start()] if first else data


def _plain(text: bytes) -> bytes:
    """Names may write any letter as #xx."""
    return _ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), text)


def _filters(dictionary: bytes) -> list[bytes]:
    """The names of the filters of an object stream."""
    found = _FILTERS.findall(dictionary)
    if not _OBJECT_STREAM.search(dictionary) or _PARAMETERS.search(dictionary):
        raise _unusual()
    if len(found) > 1 or len(found) != len(_FILTER.findall(dictionary)):
        raise _unusual()
    return _NAME.findall(found[0]) if found else []


def _unpack(packed: bytes, filters: list[bytes], left: int) -> bytes:
    for name in filters:
        unpack = _UNPACKERS.get(name)
        if unpack is None:
            raise _unusual()
        try:
            packed = unpack(packed, left)
        except (zlib.error, binascii.Error, ValueError):
            raise _unusual() from None  # readers may get something out of it all the same
    if len(packed) > left:
        raise TooLarge("The packed objects of the PDF are too large.", reason=Reason.DECOMPRESSION_BOMB)
    return packed


def _inflate(packed: bytes, left: int) -> bytes:
    """Unpack up to the end that the packed data state. Readers ignore the checksum after it, so it is not looked at."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    unpacked = unpacker.decompress(packed[_ZLIB_HEADER_BYTES:], left + 1)
    if not unpacker.eof and len(unpacked) <= left:
        raise ValueError
    return unpacked


_ZLIB_HEADER_BYTES: Final = 2


def _unhex(packed: bytes, _left: int) -> bytes:
    digits = re.sub(rb"[\s\0]", b"", packed[: packed.index(b">")])
    return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("ascii"))


def _un85(packed: bytes, _left: int) -> bytes:
    text = packed.strip().removeprefix(b"<~")
    return base64.a85decode(b"<~" + text[: text.index(b"~>")] + b"~>", adobe=True)


_UNPACKERS: Final[Mapping[bytes, Callable[[bytes, int], bytes]]] = {
    b"FlateDecode": _inflate,
    b"Fl": _inflate,
    b"ASCIIHexDecode": _unhex,
    b"AHx": _unhex,
    b"ASCII85Decode": _un85,
    b"A85": _un85,
}
