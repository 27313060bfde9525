"""``vestibule read --jsonl``: one JSON object a line in, one a line out, in order, local models in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any, TextIO

from models.errors import InvalidInput, VestibuleError
from models.media.images import ImageLimits, decode, output_mime
from models.numbered_tags import TagNumbers
from models.reasons import Reason
from models.redaction.types import Redactor
from models.vision.redact import redact_page
from models.vision.types import Box, OcrEngine
from server.cli.offline_input import PICTURE_KINDS, error_answer, file_bytes, json_object


def read_lines(
    stdin: Iterable[str],
    stdout: TextIO,
    engine: OcrEngine,
    redactor: Redactor | None,
    limits: ImageLimits | None = None,
    kind: str = "",
) -> None:
    """Answer every line of ``stdin`` on ``stdout``, in order.

    In ``{"id", "image": path, "kind"?}``, out ``{"id", "lines": [{"text", "box", "score"}], "compute_s"}``; a
    line that cannot be answered becomes ``{"id", "error": {"reason", "message", "hint"}}`` and the next one is read.

    Args:
        stdin: One object a line; blank lines are skipped.
        stdout: Flushed after every line.
        engine: Reads the print.
        redactor: None prints the text unredacted, for evaluation on one's own machine.
        limits: Bounds of a picture.
        kind: Kind of the pictures whose line has none; empty when it is not known.
    """
    for line in stdin:
        if not line.strip():
            continue
        request_id: Any = None
        try:
            request = json_object(line)
            request_id = request.get("id")
            answer = {"id": request_id, **_read({"kind": kind, **request}, engine, redactor, limits or ImageLimits())}
        except VestibuleError as error:
            answer = error_answer(request_id, error)
        stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
        stdout.flush()


def _read(request: dict[str, Any], engine: OcrEngine, redactor: Redactor | None, limits: ImageLimits) -> dict[str, Any]:
    kind = request["kind"] or ""
    if kind not in ("", *PICTURE_KINDS):
        raise InvalidInput(f"kind must be one of {', '.join(PICTURE_KINDS)}.")
    data = file_bytes(request.get("image"), "image", limits.file_bytes, Reason.IMAGE_TOO_LARGE)
    began = time.perf_counter()
    picture = decode(data, limits)
    found = engine.read(picture.pixels)
    if redactor is None:
        lines = [_shown(line.text.reveal(), line.box, line.score) for line in found]
    else:
        page = redact_page(picture.pixels, found, redactor, kind, mime=output_mime(picture.mime))
        numbers = TagNumbers()
        lines = [_shown(line.text.with_numbers(numbers).value, line.box, line.score) for line in page.lines]
    return {"lines": lines, "compute_s": round(time.perf_counter() - began, 4)}


def _shown(text: str, box: Box, score: float) -> dict[str, Any]:
    return {"text": text, "box": [[round(x, 1), round(y, 1)] for x, y in box], "score": round(score, 4)}
