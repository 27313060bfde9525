"""``vestibule redact --jsonl``: lines in, lines out, in order, whatever comes."""

from __future__ import annotations

import io
import json
import queue
from collections.abc import Iterator
from typing import Any

from models.errors import RedactionFailed
from models.redaction.types import Redaction, RedactionContext
from models.text import RawText
from server.cli.offline_redact import redact_lines
from tests.unit.redaction.helpers import patterns_only


def answers(lines: list[str], why: bool = False) -> list[dict[str, Any]]:
    out = io.StringIO()
    redact_lines([line + "\n" for line in lines], out, patterns_only(), why)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_one_line() -> None:
    (row,) = answers([json.dumps({"id": 7, "text": "call 415-555-0132"})], why=True)
    assert row["id"] == 7
    assert row["text"] == "call [REDACTED_PHONE]"
    assert row["entities"] == [{"type": "PHONE", "start": 5, "end": 17, "score": 0.9, "recognizer": "phone"}]
    assert row["safe_for_llm"] is True


def test_bad_lines_are_answered_in_their_place() -> None:
    rows = answers(
        [
            "{",
            "",
            "[1]",
            '{"id": 1}',
            '{"id": 2, "text": "x", "source": "sms"}',
            '{"id": 3, "text": "fine", "lang": null}',
        ]
    )
    assert [r.get("id") for r in rows] == [None, None, 1, 2, 3]
    assert [r["error"]["reason"] for r in rows[:4]] == ["BAD_JSON", "BAD_JSON", "INVALID_INPUT", "INVALID_INPUT"]
    assert rows[4]["text"] == "fine"


def test_many_lines_of_mixed_sources_stay_in_order() -> None:
    sources = ["typed", "speech", "ocr"]
    lines = [json.dumps({"id": n, "text": f"meter {n}", "source": sources[n % 5 % 3]}) for n in range(500)]
    assert [r["id"] for r in answers(lines)] == list(range(500))


def test_a_lone_line_is_answered_before_the_next_one_comes() -> None:
    answered: queue.Queue[str] = queue.Queue()

    class Out(io.StringIO):
        def flush(self) -> None:
            answered.put(self.getvalue())

    def typing() -> Iterator[str]:
        yield '{"id": 1, "text": "a"}\n'
        assert '"id": 1' in answered.get(timeout=20)  # would wait for ever if lines were collected first
        yield '{"id": 2, "text": "b"}\n'

    out = Out()
    redact_lines(typing(), out, patterns_only())
    assert [json.loads(line)["id"] for line in out.getvalue().splitlines()] == [1, 2]


def test_one_failing_text_does_not_take_its_batch_with_it() -> None:
    class Picky:
        def redact(self, text: RawText, context: RedactionContext) -> Redaction:
            return self.redact_many([text], context)[0]

        def redact_many(self, texts: list[RawText], context: RedactionContext) -> list[Redaction]:
            if any("boom" in t.reveal() for t in texts):
                raise RedactionFailed("A recognizer failed.")
            return patterns_only().redact_many(texts, context)

    out = io.StringIO()
    redact_lines([json.dumps({"id": n, "text": t}) for n, t in enumerate(["a", "boom", "c"])], out, Picky())
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [("error" in r) for r in rows] == [False, True, False]
    assert rows[1]["error"]["reason"] == "REDACTION_FAILED"
