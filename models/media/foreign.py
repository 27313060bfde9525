"""Finds another format inside a picture, a recording or a document: archives, programs, scripts, markup, documents.

A file can be valid in two formats at once, because some readers look for their format at the end of a file, or anywhere
in it. Each signature here is long enough that it does not turn up by chance in 10 MB of compressed picture or sound.
What is found is only refused: everything is encoded anew, so nothing of it would be kept in any case.
"""

from __future__ import annotations

from typing import Final

import re2

from models.errors import UnsupportedMedia
from models.media.formats import MediaFormat
from models.media.structure.layout import EXPORT_AGAIN
from models.reasons import Reason

_PRINTABLE: Final = rb"[\t\n\r -~]"

_ARCHIVES: Final = (
    rb"PK\x03\x04[\x00-\x3f][\x00-\x0b](?s:..)[\x00-\x0c\x0e\x5d-\x63]\x00",  # a ZIP entry, with a method that exists
    rb"PK\x05\x06\x00\x00\x00\x00",  # the end of a ZIP directory
    rb"Rar!\x1a\x07[\x00\x01]",
    rb"7z\xbc\xaf\x27\x1c",
    rb"\xfd7zXZ\x00",
    rb"BZh[1-9]1AY&SY",
    rb"MSCF\x00\x00\x00\x00",
    rb"\x01CD001\x01",
    rb"ustar(?:\x0000|  \x00)",
    rb"xar!\x00\x1c\x00\x01",
)
_PROGRAMS: Final = (
    rb"\x7fELF[\x01\x02][\x01\x02]\x01",
    rb"This program (?:cannot|must) be run",
    rb"PE\x00\x00(?:\x4c\x01|\x64\x86|\x64\xaa|\xc4\x01)[\x01-\x60]\x00",
    rb"[\xce\xcf]\xfa\xed\xfe[\x07\x0c]\x00\x00[\x00\x01]",
    rb"\xca\xfe\xba\xbe\x00[\x00\x03]\x00[\x01-\x50]",
    rb"dex\n03[5-9]\x00",
    rb"\x00asm\x01\x00\x00\x00",
    rb"#!/(?:usr/)?bin/",
)
_SCRIPTS: Final = (
    rb"(?i:<\?php)[\s]",
    rb"<\?=[\s$]" + _PRINTABLE + rb"{8}",
    rb"(?i:<script)[\s>]",
    rb"(?i:<html)[\s>]" + _PRINTABLE + rb"{6}",
    rb"(?i:<!doctype html)",
    rb"(?i:<svg)[\s>:]" + _PRINTABLE + rb"{8}",
    rb"(?i:<iframe)[\s>]",
    rb"(?i:javascript:)" + _PRINTABLE + rb"{2}",
    rb"<%@ ?(?i:page|language)",
    rb"__HALT_COMPILER\(",
    rb"(?i:\bon(?:error|load)=)[\"']?" + _PRINTABLE + rb"{4}",
)
_DOCUMENTS: Final = (
    rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",  # OLE2: old Office documents and their macros
    rb"\{\\rtf1",
    rb"%PDF-[12]\.\d",
)


_SCRIPTS_IN_TEXT: Final = (
    *_SCRIPTS,
    rb"<\?=[\s]*" + _PRINTABLE + rb"{8}",
    rb"<\?[\s]+[A-Za-z$@]" + _PRINTABLE + rb"{8}",
    rb"(?i:<\?php)(?:[\s]|$)",
    rb"<%[=!@][\s]*" + _PRINTABLE + rb"{8}",
    rb"<%[A-Za-z]{2}" + _PRINTABLE + rb"{12}",
    rb"<%[\s]+[A-Za-z]{2}" + _PRINTABLE + rb"{8}[^\x00]*%>",
    rb"(?i:<meta)[\s]" + _PRINTABLE + rb"{0,64}(?i:http-equiv)",
    rb"(?i:<[a-z]{1,10})[\s]" + _PRINTABLE + rb"{0,64}[\s](?i:on[a-z]{4,20})[\s]*=" + _PRINTABLE + rb"{4}",
    rb"(?i:<[a-z]{1,10}[\s]on[a-z]{4,20})[\s]*=" + _PRINTABLE + rb"{4}",
)
"""Web shells are short. In metadata, which is small, shorter signatures do not turn up by chance."""


def _compiled(*signatures: bytes) -> re2._Regexp[bytes]:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    return re2.compile(b"|".join(signatures), options)


_EVERYWHERE: Final = _compiled(*_ARCHIVES, *_PROGRAMS, *_SCRIPTS, *_DOCUMENTS)
_IN_DOCUMENT: Final = _compiled(*_ARCHIVES, *_PROGRAMS)
"""A PDF has a header of its own, and its text may be about scripts."""

_IN_TEXT: Final = _compiled(*_SCRIPTS_IN_TEXT)

OVERLAP_BYTES: Final = 64
"""A signature may lie across two pieces of a stream. None of those that are looked for everywhere is longer."""


class ForeignSearch:
    """Looks for another format in the pieces of a stream, of any size.

    Args:
        found: The format of the stream.
    """

    def __init__(self, found: MediaFormat) -> None:
        self._found = found
        self._tail = b""

    def feed(self, piece: bytes) -> None:
        """Look into the next piece.

        Raises:
            UnsupportedMedia: FOREIGN_CONTENT.
        """
        joined = self._tail + piece
        check_foreign(joined, self._found)
        self._tail = joined[-OVERLAP_BYTES:]


def check_foreign(data: bytes, found: MediaFormat) -> None:
    """Look for another format in the whole file.

    Raises:
        UnsupportedMedia: FOREIGN_CONTENT.
    """
    if holds_foreign(data, found):
        raise foreign_content(found)


def holds_foreign(data: bytes, found: MediaFormat) -> bool:
    """Whether there is another format in these bytes of a file of the given format."""
    signatures = _IN_DOCUMENT if found is MediaFormat.PDF else _EVERYWHERE
    return signatures.search(data) is not None


def holds_markup(data: bytes) -> bool:
    """Whether there is any other format in these bytes, markup and scripts included."""
    return _EVERYWHERE.search(data) is not None


def holds_script(text: bytes) -> bool:
    """Whether there is a script or markup in metadata: a comment, a description, a tag. It may be UTF-16."""
    if _IN_TEXT.search(text):
        return True
    return b"\0" in text and _IN_TEXT.search(text.replace(b"\0", b"")) is not None


def foreign_content(found: MediaFormat) -> UnsupportedMedia:
    """The error for a file that holds another format."""
    return UnsupportedMedia(
        f"The {found.label} file holds another format besides.", reason=Reason.FOREIGN_CONTENT, hint=EXPORT_AGAIN
    )
