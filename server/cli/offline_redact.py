"""``vestibule redact --jsonl``: one JSON object a line in, one a line out, in order, local models in this process."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TextIO

from models.errors import InvalidInput, VestibuleError
from models.numbered_tags import TagNumbers
from models.reasons import Reason
from models.recognition_json import rated_text
from models.redaction.explain import SHORTENED, Explained, Explanation
from models.redaction.types import NO_SCOPE, Redaction, RedactionContext, RedactionScope, Redactor
from models.text import Entity, RawText, TextSource
from server.cli.offline_input import LineCounts, error_answer, json_object, redaction_language

MAX_BATCH = 64
"""Most lines in one batch; enough to keep every thread busy."""

MAX_TEXT_CHARS = 1_000_000

Explain = Callable[[RawText, RedactionContext], Explanation]
"""Redacts a text and says why."""

_SOURCES = {s.value for s in TextSource}


@dataclass(frozen=True, slots=True)
class _Request:
    id: Any
    text: RawText
    context: RedactionContext


@dataclass(frozen=True, slots=True)
class _Refused:
    id: Any
    error: VestibuleError


def redact_lines(
    stdin: Iterable[str],
    stdout: TextIO,
    redactor: Redactor,
    why: Explain | None = None,
    scope: RedactionScope = NO_SCOPE,
) -> LineCounts:
    """Answer every line of ``stdin`` on ``stdout``, in order.

    Waiting lines are redacted in batches; a single line is answered at once. A line that cannot
    be answered becomes ``{"id", "error": {"reason", "message", "hint"}}`` and the next one is read.

    Args:
        stdin: Objects ``{"id", "text", "source"?, "lang"?, "words"?, "alternatives"?, "confidence"?}``, one a line, see
            ``models.recognition_json``; blank lines are skipped.
        stdout: Flushed after every batch.
        redactor: Does the work.
        why: Adds the reasons of each entity, and the entities that were found and kept.
        scope: Client whose policy is used.

    Returns:
        How many lines were answered, and how many of them with an error.
    """
    counts = LineCounts()
    for batch in _batches(stdin):
        for answer in _answers([_parse(line, scope) for line in batch], redactor, why):
            stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
            counts = counts.with_answer(answer)
        stdout.flush()
    return counts


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
    """Group the waiting lines; a thread reads a bounded number ahead, so that a slow writer delays nothing."""
    waiting: queue.Queue[str | BaseException | None] = queue.Queue(maxsize=4 * MAX_BATCH)

    def read() -> None:
        try:
            for line in lines:
                waiting.put(line)
        except (OSError, ValueError) as broken:  # a closed pipe, or bytes that are not UTF-8
            waiting.put(broken)
        waiting.put(None)

    threading.Thread(target=read, name="stdin-reader", daemon=True).start()
    ended = False
    while not ended:
        batch: list[str] = []
        item = waiting.get()
        while True:
            if item is None:
                ended = True
                break
            if isinstance(item, BaseException):
                raise InvalidInput(
                    "The input could not be read to its end; it must be UTF-8 text.", reason=Reason.BAD_INPUT_STREAM
                ) from item
            if item.strip():
                batch.append(item)
            if len(batch) >= MAX_BATCH or waiting.empty():
                break
            item = waiting.get()
        if batch:
            yield batch


def _parse(line: str, scope: RedactionScope) -> _Request | _Refused:
    try:
        row = json_object(line)
    except InvalidInput as error:
        return _Refused(None, error)
    text, source, language = row.get("text"), row.get("source", "typed"), row.get("lang") or "en"
    problem = _problem(text, source)
    if problem:
        return _Refused(row.get("id"), InvalidInput(problem))
    try:
        code = redaction_language(str(language))
        rated = rated_text(str(text), row)
    except InvalidInput as error:
        return _Refused(row.get("id"), error)
    return _Request(row.get("id"), rated, RedactionContext(TextSource(source), code, scope=scope))


def _problem(text: object, source: object) -> str:
    if not isinstance(text, str):
        return "text must be a string."
    if len(text) > MAX_TEXT_CHARS:
        return f"text must have at most {MAX_TEXT_CHARS} characters."
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "text must be UTF-8; half of a surrogate pair is no character."
    if source not in _SOURCES:
        return f"source must be one of {', '.join(sorted(_SOURCES))}."
    return ""


def _answers(items: list[_Request | _Refused], redactor: Redactor, why: Explain | None) -> Iterator[dict[str, Any]]:
    """Answers in the order of ``items``; neighbours with the same context are redacted in one call."""
    at = 0
    while at < len(items):
        item = items[at]
        if isinstance(item, _Refused):
            yield error_answer(item.id, item.error)
            at += 1
            continue
        group = [item]
        while at + len(group) < len(items):
            following = items[at + len(group)]
            if not isinstance(following, _Request) or following.context != item.context:
                break
            group.append(following)
        yield from _redact_group(group, redactor, why)
        at += len(group)


def _redact_group(group: list[_Request], redactor: Redactor, why: Explain | None) -> Iterator[dict[str, Any]]:
    try:
        if why is not None:
            explained = [why(r.text, r.context) for r in group]
            yield from (_explained(r.id, e) for r, e in zip(group, explained, strict=True))
            return
        results = redactor.redact_many([r.text for r in group], group[0].context)
    except VestibuleError as error:
        if len(group) == 1:
            yield error_answer(group[0].id, error)
        else:  # one bad text must not take the others with it
            for request in group:
                yield from _redact_group([request], redactor, why)
        return
    for request, result in zip(group, results, strict=True):
        yield _answer(request.id, result)


def _answer(request_id: object, result: Redaction) -> dict[str, Any]:
    text = result.text.with_numbers(TagNumbers())  # each line is a document of its own
    entities = [_entity(entity) for entity in result.entities]
    return {"id": request_id, "text": text.value, "entities": entities, "safe_for_llm": text.safe_for_llm}


def _entity(entity: Entity) -> dict[str, Any]:
    return {"type": entity.type, "start": entity.start, "end": entity.end, "score": round(entity.score, 3)}


def _explained(request_id: object, explanation: Explanation) -> dict[str, Any]:
    return {
        **_answer(request_id, explanation.redaction),
        "entities": [_with_reasons(e) for e in explanation.replaced],
        "left": [{**_with_reasons(e), "left_by": e.left_by} for e in explanation.left],
    }


def _with_reasons(explained: Explained) -> dict[str, Any]:
    why = [{"recognizer": r.recognizer, "view": r.view, "score": r.score, "word": r.word} for r in explained.reasons]
    return {**_entity(explained.entity), "operator": explained.operator, "why": why}


def _how_left(cause: str) -> str:
    if cause == SHORTENED:
        return "replaced in part; the words at its edges are no part of it"
    return f"left by the {cause}"


def explanation_for_a_person(row: dict[str, Any]) -> str:
    """The answer of ``redact_lines`` with reasons, as text for a person."""
    lines = [str(row["text"]), ""]
    for entity in row["entities"]:
        lines.append(f"{entity['type']} at {entity['start']}-{entity['end']}: {entity['operator']}")
        lines += [_reason_line(reason) for reason in entity["why"]]
    for entity in row["left"]:
        lines.append(f"{entity['type']} at {entity['start']}-{entity['end']}: {_how_left(entity['left_by'])}")
        lines += [_reason_line(reason) for reason in entity["why"]]
    if not row["entities"] and not row["left"]:
        lines.append("Nothing personal was found.")
    lines += ["", f"safe for the LLM: {'yes' if row['safe_for_llm'] else 'no'}"]
    return "\n".join(lines)


def _reason_line(reason: dict[str, Any]) -> str:
    word = f', because of "{reason["word"]}"' if reason["word"] else ""
    return f"  {reason['recognizer']}, {reason['view']} view, {reason['score']:.2f}{word}"
