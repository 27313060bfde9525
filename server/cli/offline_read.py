"""``vestibule read --jsonl``: one JSON object a line in, one a line out, in order, local models in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from models.errors import InvalidInput, NotFound, TooLarge, VestibuleError
from models.images import ImageLimits, decode, output_mime
from models.redaction.types import Redactor
from models.vision.redact import redact_page
from models.vision.types import Box, OcrEngine


def read_lines(
    stdin: Iterable[str],
    stdout: TextIO,
    engine: OcrEngine,
    redactor: Redactor | None,
    limits: ImageLimits | None = None,
) -> None:
    """Answer every line of ``stdin`` on ``stdout``, in order.

    In ``{"id", "image": path, "document_type"?}``, out ``{"id", "lines": [{"text", "box", "score"}], "compute_s"}``; a
    line that cannot be answered becomes ``{"id", "error": {"reason", "message"}}`` and the next one is read.

    Args:
        stdin: One object a line; blank lines are skipped.
        stdout: Flushed after every line.
        engine: Reads the print.
        redactor: Redacts it; None prints what was read, for evaluation on one's own machine.
        limits: Bounds of a picture.
    """
    for line in stdin:
        if not line.strip():
            continue
        request_id: Any = None
        try:
            request = _parse(line)
            request_id = request.get("id")
            answer = {"id": request_id, **_read(request, engine, redactor, limits or ImageLimits())}
        except VestibuleError as error:
            answer = {"id": request_id, "error": {"reason": error.reason, "message": error.message}}
        stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
        stdout.flush()


def _parse(line: str) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        request = None
    if not isinstance(request, dict):
        raise InvalidInput("The line is no JSON object.", reason="BAD_JSON")
    return request


def _read(request: dict[str, Any], engine: OcrEngine, redactor: Redactor | None, limits: ImageLimits) -> dict[str, Any]:
    document_type = request.get("document_type", "")
    if not isinstance(document_type, str):
        raise InvalidInput("document_type must be a string.")
    data = _load(request.get("image"), limits)
    began = time.perf_counter()
    picture = decode(data, limits)
    found = engine.read(picture.pixels)
    if redactor is None:
        lines = [_shown(line.text.reveal(), line.box, line.score) for line in found]
    else:
        page = redact_page(picture.pixels, found, redactor, document_type, mime=output_mime(picture.mime))
        lines = [_shown(line.text.value, line.box, line.score) for line in page.lines]
    return {"lines": lines, "compute_s": round(time.perf_counter() - began, 4)}


def _load(path: object, limits: ImageLimits) -> bytes:
    """The bytes of a file; its size is looked at before they are read."""
    if not isinstance(path, str) or not path:
        raise InvalidInput("image must be the path of a file.")
    try:
        file = Path(path)
        if not file.is_file():
            raise NotFound("There is no such file.", reason="NO_SUCH_FILE")
        if (size := file.stat().st_size) > limits.file_bytes:
            raise TooLarge(f"The picture has {size} bytes, {limits.file_bytes} are allowed.", reason="IMAGE_TOO_LARGE")
        return file.read_bytes()
    except (OSError, ValueError) as exc:
        raise NotFound("The file cannot be read.", reason="NO_SUCH_FILE") from exc


def _shown(text: str, box: Box, score: float) -> dict[str, Any]:
    return {"text": text, "box": [[round(x, 1), round(y, 1)] for x, y in box], "score": round(score, 4)}
