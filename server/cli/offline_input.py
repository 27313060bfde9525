"""Reads the input of the three offline commands: JSON objects, and the files that they name."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from models.errors import InvalidInput, NotFound, TooLarge, UnsupportedMedia, VestibuleError
from models.reasons import Reason

PICTURE_KINDS = ("visitor_register", "meter", "document", "site")
"""Kinds of pictures: all kinds of uploads except recordings."""


def json_object(line: str) -> dict[str, Any]:
    """Parse one line.

    Raises:
        InvalidInput: BAD_JSON.
    """
    try:
        request = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        request = None
    if not isinstance(request, dict):
        raise InvalidInput("The line is not a JSON object.", reason=Reason.BAD_JSON)
    return request


class LineCounts(NamedTuple):
    """How many lines of the input were answered, and how many of the answers are errors."""

    answered: int = 0
    failed: int = 0

    def with_answer(self, answer: dict[str, Any]) -> LineCounts:
        """The counts with one more answer."""
        return LineCounts(self.answered + 1, self.failed + ("error" in answer))


def error_answer(request_id: object, error: VestibuleError) -> dict[str, Any]:
    """The answer to a request that failed."""
    return {"id": request_id, "error": {"reason": error.reason, "message": error.message, "hint": error.hint}}


def check_readable(path: Path) -> None:
    """Make sure that a file can be read, without opening it: opening a pipe may have effects.

    Raises:
        NotFound: NO_SUCH_FILE: no such file. FILE_UNREADABLE: a folder, or no permission.
    """
    try:
        path.stat()
    except FileNotFoundError as exc:
        raise _no_such_file() from exc
    except (OSError, ValueError) as exc:  # ValueError: a path with a zero byte in it
        raise _unreadable() from exc
    if path.is_dir():
        raise NotFound(
            "This is a folder.", reason=Reason.FILE_UNREADABLE, hint="Name the files in it, for example with FOLDER/*."
        )
    if not os.access(path, os.R_OK):
        raise _unreadable()


def _no_such_file() -> NotFound:
    return NotFound("There is no such file.", reason=Reason.NO_SUCH_FILE, hint="Check the path.")


def _unreadable() -> NotFound:
    return NotFound(
        "The file cannot be read.", reason=Reason.FILE_UNREADABLE, hint="Is it a file, and may you read it?"
    )


def file_bytes(path: object, field: str, limit_bytes: int, too_large: Reason) -> bytes:
    """The bytes of a file; its size is checked before they are read.

    Args:
        path: The value in the request.
        field: Its field, for the message.
        limit_bytes: Largest size of the file.
        too_large: Reason of the error when the file is larger.

    Raises:
        InvalidInput: It is not a path.
        NotFound: NO_SUCH_FILE: no such file. FILE_UNREADABLE: a folder, or no permission.
        TooLarge: The file is too large.
    """
    if not isinstance(path, str) or not path:
        raise InvalidInput(f"{field} must be the path of a file.")
    try:
        check_readable(Path(path))
        size = Path(path).stat().st_size
        if size > limit_bytes:
            raise TooLarge(f"The file has {size} bytes, {limit_bytes} are allowed.", reason=too_large)
        return Path(path).read_bytes()
    except FileNotFoundError as exc:
        raise _no_such_file() from exc
    except (OSError, ValueError) as exc:
        raise _unreadable() from exc


def recording_bytes(path: object, field: str, limit_bytes: int, for_picture: str) -> bytes:
    """The same of a recording; whether it can be decoded is seen later.

    Args:
        path: The value in the request.
        field: Its field, for the message.
        limit_bytes: Largest size of the file.
        for_picture: The hint for a picture.

    Raises:
        InvalidInput: It is not a path.
        NotFound: NO_SUCH_FILE, FILE_UNREADABLE.
        TooLarge: AUDIO_TOO_LARGE.
        UnsupportedMedia: It is a picture or a PDF.
    """
    from models.media.formats import HEAD_BYTES, MediaKind, detect

    data = file_bytes(path, field, limit_bytes, Reason.AUDIO_TOO_LARGE)
    found = detect(data[:HEAD_BYTES])
    if found is not None and found.kind is MediaKind.IMAGE:
        raise UnsupportedMedia(f"This is a {found.label} file, no recording.", hint=for_picture)
    return data


def redaction_language(code: str) -> str:
    """The ISO 639-1 code of a language that the redactor knows. A region and letter case do not count: ``pt-BR``.

    Raises:
        InvalidInput: It knows no such language; the message lists those that it knows.
    """
    from models.redaction.lexicons.loader import known_languages
    from server.flows.texts import base_language

    base = base_language(code)
    if base not in known_languages():
        raise InvalidInput(
            f"lang must be one of {', '.join(known_languages())}, or en for a text in another language: its names and "
            "its numbers in digits are found."
        )
    return base
