"""Reads a form with a file, as browsers send it: ``multipart/form-data`` of RFC 7578.

Starlette's own reader would write a large file to the disk, where nothing that a person sent may lie in plain.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from typing import Final

from models.errors import InvalidInput
from models.reasons import Reason

MOST_PARTS: Final = 10


@dataclass(frozen=True, slots=True)
class FormPart:
    """A field of a form.

    Attributes:
        file_name: As the browser gave it; empty for a field that is no file.
        media_type: As the browser gave it; empty for none.
    """

    content: bytes
    file_name: str
    media_type: str


def form_parts(body: bytes, content_type: str) -> dict[str, FormPart]:
    """The fields of a form by their names; of several with one name the last.

    Args:
        body: Of the request.
        content_type: The header of that name.

    Raises:
        InvalidInput: INVALID_ARGUMENT, it is no such form.
    """
    headers = Message()
    headers["content-type"] = content_type
    boundary = headers.get_boundary()
    if headers.get_content_type() != "multipart/form-data" or not boundary:
        raise _unreadable()
    _, *sections = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("utf-8", "replace"), MOST_PARTS + 1)
    found: dict[str, FormPart] = {}
    for section in sections:
        if section.startswith(b"--"):
            return found
        name, part = _part(section)
        found[name] = part
    raise _unreadable()  # it is cut off, or has too many fields


def _part(section: bytes) -> tuple[str, FormPart]:
    head, divider, content = section.partition(b"\r\n\r\n")
    if not divider or not head.startswith(b"\r\n"):
        raise _unreadable()
    headers = HeaderParser().parsestr(head[2:].decode("utf-8", "replace"))
    name = headers.get_param("name", header="content-disposition")
    if not isinstance(name, str) or not name:
        raise _unreadable()
    media_type = headers.get_content_type() if "content-type" in headers else ""
    return name, FormPart(content, headers.get_filename() or "", media_type)


def _unreadable() -> InvalidInput:
    return InvalidInput("The form cannot be read.", reason=Reason.INVALID_ARGUMENT, hint="Send it from the page.")
