"""``vestibule read --jsonl``: one JSON object a line in, one a line out, in order, local models in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TextIO

from models.errors import InvalidInput, UnsupportedMedia, VestibuleError
from models.media.clean import CLEAN_BYTES
from models.media.formats import HEAD_BYTES, MediaKind, detect
from models.media.images import ImageLimits, decode, image_format, output_mime
from models.media.pages import unpack
from models.numbered_tags import TagNumbers
from models.reasons import Reason
from models.redaction.types import Redactor
from models.vision.orientation import read_upright
from models.vision.redact import redact_page
from models.vision.types import Box, OcrEngine
from server.cli.offline_input import PICTURE_KINDS, LineCounts, error_answer, file_bytes, json_object

Clean = Callable[[bytes], bytes]
"""Checks a file, decodes it, and returns its clean form, as the server does with uploads."""


def read_lines(
    stdin: Iterable[str],
    stdout: TextIO,
    clean: Clean,
    engine: OcrEngine,
    redactor: Redactor | None,
    limits: ImageLimits | None = None,
    kind: str = "",
) -> LineCounts:
    """Answer every line of ``stdin`` on ``stdout``, in order.

    In ``{"id", "image": path, "kind"?}``, out ``{"id", "lines": [{"text", "box", "score"}], "compute_s"}``; lines of
    a PDF of several pages have a ``"page"``, too. Boxes lie in the upright picture. A line that cannot be answered
    becomes ``{"id", "error": {"reason", "message", "hint"}}`` and the next one is read.

    Args:
        stdin: One object a line; blank lines are skipped.
        stdout: Flushed after every line.
        clean: Makes the files clean.
        engine: Reads the print.
        redactor: None prints the text unredacted, for evaluation on one's own machine.
        limits: Bounds of a picture.
        kind: Kind of the pictures whose line has none; empty when it is not known.

    Returns:
        How many lines were answered, and how many of them with an error.
    """
    counts = LineCounts()
    for line in stdin:
        if not line.strip():
            continue
        request_id: Any = None
        try:
            request = json_object(line)
            request_id = request.get("id")
            answer = {
                "id": request_id,
                **_read({"kind": kind, **request}, clean, engine, redactor, limits or ImageLimits()),
            }
        except VestibuleError as error:
            answer = error_answer(request_id, error)
        stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
        stdout.flush()
        counts = counts.with_answer(answer)
    return counts


def _read(
    request: dict[str, Any], clean: Clean, engine: OcrEngine, redactor: Redactor | None, limits: ImageLimits
) -> dict[str, Any]:
    kind = request["kind"] or ""
    if kind not in ("", *PICTURE_KINDS):
        raise InvalidInput(f"kind must be one of {', '.join(PICTURE_KINDS)}.")
    data = file_bytes(request.get("image"), "image", limits.file_bytes, Reason.IMAGE_TOO_LARGE)
    found = detect(data[:HEAD_BYTES])
    if found is not None and found.kind is MediaKind.RECORDING:
        raise UnsupportedMedia("This is a recording.", hint="vestibule transcribe writes down what is said in it.")
    image_format(data)  # what is unknown would be told as for uploads, which may be recordings, too
    began = time.perf_counter()
    pages = unpack(clean(data))
    of_clean = replace(limits, file_bytes=CLEAN_BYTES)
    numbers = TagNumbers()
    lines = []
    for number, page in enumerate(pages, 1):
        read = _page_lines(page, engine, redactor, of_clean, kind, numbers)
        lines += [{"page": number, **line} for line in read] if len(pages) > 1 else read
    return {"lines": lines, "compute_s": round(time.perf_counter() - began, 4)}


def _page_lines(
    data: bytes, engine: OcrEngine, redactor: Redactor | None, limits: ImageLimits, kind: str, numbers: TagNumbers
) -> list[dict[str, Any]]:
    picture = decode(data, limits)
    pixels, found = read_upright(engine, picture.pixels)
    if redactor is None:
        return [_shown(line.text.reveal(), line.box, line.score) for line in found.lines]
    page = redact_page(pixels, found.lines, redactor, kind, mime=output_mime(picture.mime))
    return [_shown(line.text.with_numbers(numbers).value, line.box, line.score) for line in page.lines]


def _shown(text: str, box: Box, score: float) -> dict[str, Any]:
    return {"text": text, "box": [[round(x, 1), round(y, 1)] for x, y in box], "score": round(score, 4)}
