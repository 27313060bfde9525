"""Actions of a PDF that start something, and text of another format outside of its objects."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest

from models.errors import VestibuleError
from models.media.structure import pdf
from tests.unit.media.made_files import pdf_file


def reason(document: bytes) -> str:
    """Why the document is refused; empty when it is not."""
    try:
        pdf.check(document)
    except VestibuleError as error:
        return str(error.reason)
    return ""


def _object(content: bytes, number: int = 50) -> bytes:
    return b"%d 0 obj\n%s\nendobj\n" % (number, content)


def _packed(*objects: tuple[int, bytes]) -> bytes:
    """An object stream with these numbered objects."""
    content, places = b"", []
    for number, body in objects:
        places.append(b"%d %d" % (number, len(content)))
        content += body + b" "
    head = b" ".join(places) + b" "
    packed = zlib.compress(head + content)
    dictionary = b"<</Type/ObjStm/N %d/First %d/Filter/FlateDecode/Length %d>>" % (len(objects), len(head), len(packed))
    return _object(dictionary + b"stream\n" + packed + b"\nendstream", 70)


ADDRESS = b"<</S/URI/URI(https://a.example)>>"
REMOTE = b"<</S/GoToR/F(\\\\\\\\a.example\\\\x)/D[0]>>"
ACTIONS = {
    "remote file": pdf_file(catalog=b"/OpenAction" + REMOTE),
    "remote file of a link": pdf_file(extra=_object(b"<</Subtype/Link/A" + REMOTE + b">>")),
    "address on opening": pdf_file(catalog=b"/OpenAction " + ADDRESS),
    "in another object": pdf_file(catalog=b"/OpenAction 50 0 R", extra=_object(ADDRESS)),
    "in a packed object": pdf_file(catalog=b"/OpenAction 52 0 R", extra=_packed((51, b"<</A 1>>"), (52, ADDRESS))),
    "as the next one": pdf_file(catalog=b"/OpenAction<</S/GoTo/D[10 0 R/Fit]/Next 50 0 R>>", extra=_object(ADDRESS)),
    "of a page": pdf_file(extra=_object(b"<</Type/Page/AA<</O 51 0 R>>>>") + _object(ADDRESS, 51)),
    "script": pdf_file(extra=_object(b"<</S/URI/URI(javascript:alert\\(1\\))>>")),
    "script with escapes": pdf_file(extra=_object(b"<</S/URI/URI ( J\\141va\tScript:alert)>>")),
    "script in hexadecimal": pdf_file(extra=_object(b"<</S/URI/URI<" + b"javascript:x".hex().encode() + b">>>")),
    "script in utf-16": pdf_file(extra=_object(b"<</S/URI/URI(\xfe\xff" + "javascript:x".encode("utf-16-be") + b")>>")),
    "script by reference": pdf_file(extra=_object(b"<</S/URI/URI 51 0 R>>") + _object(b"(javascript:x)", 51)),
}


@pytest.mark.parametrize("document", ACTIONS.values(), ids=ACTIONS.keys())
def test_what_starts_something_is_refused(document: bytes) -> None:
    assert reason(document) == "ACTIVE_CONTENT"


LINK = b"<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A" + ADDRESS + b">>"
HARMLESS = {
    "link": pdf_file(extra=_object(LINK)),
    "packed link": pdf_file(extra=_packed((51, LINK), (52, ADDRESS))),
    "first view": pdf_file(catalog=b"/OpenAction[10 0 R/Fit]", extra=_object(LINK)),
    "first view as an action": pdf_file(catalog=b"/OpenAction<</S/GoTo/D[10 0 R/Fit]>>", extra=_object(LINK)),
    "packed first view": pdf_file(
        catalog=b"/OpenAction 51 0 R", extra=_packed((51, b"<</S/GoTo/D[10 0 R/Fit]>>"), (52, ADDRESS))
    ),
    "title": pdf_file(extra=_object(b"<</Title(What javascript: does in a link, and <script> in a page)>>")),
    "loop": pdf_file(catalog=b"/OpenAction 50 0 R", extra=_object(b"<</S/Named/N/NextPage/Next 50 0 R>>")),
}


@pytest.mark.parametrize("document", HARMLESS.values(), ids=HARMLESS.keys())
def test_links_and_views_pass(document: bytes) -> None:
    assert reason(document) == ""


def test_a_document_with_many_objects_needs_little_memory() -> None:
    entries = b"".join(_object(b"<</S/P/K %d>>" % number, number) for number in range(100, 20_100))
    document = pdf_file(catalog=b"/OpenAction 50 0 R", extra=_object(b"<</S/GoTo/D[10 0 R/Fit]>>") + entries)
    tracemalloc.start()
    try:
        assert reason(document) == ""
        assert tracemalloc.get_traced_memory()[1] < 20 * len(document)
    finally:
        tracemalloc.stop()


TEXTS = [
    b"<html><body><script>alert(1)</script></body></html>",
    b"<?php system($_GET['c']); ?>",
    b"%<script>alert(1)</script>",
    b"stream\n<script>alert(1)</script>\nendstream",
]


@pytest.mark.parametrize("text", TEXTS)
def test_markup_outside_of_objects_is_refused(text: bytes) -> None:
    plain = pdf_file()
    first = plain.index(b"\n") + 1
    between = plain.index(b"endobj\n") + 7
    index = plain.index(b"xref\n")
    for at in (first, between, index):
        assert reason(plain[:at] + text + b"\n" + plain[at:]) == "FOREIGN_CONTENT"


def test_a_script_around_the_first_object_is_refused() -> None:
    plain = pdf_file()
    assert reason(plain.replace(b"\n", b"\n/*\n*/alert(1)/*\n", 1)) == "FOREIGN_CONTENT"
    assert reason(plain.replace(b"\n", b"\n% made by a scanner, in 2 * 3 steps / page\n", 1)) == ""


def test_markup_within_an_object_passes() -> None:
    content = b"<?php system(1); ?><html><body></body></html>"
    stream = b"<</Length %d>>stream\n%s\nendstream" % (len(content), content)
    assert reason(pdf_file(extra=_object(stream))) == ""
