"""``vestibule redact --jsonl``: lines in, lines out, in order, whatever comes."""

from __future__ import annotations

import io
import json
import queue
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from models.errors import RedactionFailed
from models.redaction.explain import explain
from models.redaction.policy.loader import parse_policies
from models.redaction.redactor import LocalRedactor
from models.redaction.types import Redaction, RedactionContext
from models.text import UNRATED, RawText, Recognition, RecognizedWord
from server.cli.offline_redact import explanation_for_a_person, redact_lines
from tests.fakes.classifier import WordListClassifier
from tests.unit.redaction.helpers import patterns_only


def answers(lines: list[str], redactor: LocalRedactor | None = None, *, why: bool = False) -> list[dict[str, Any]]:
    out, redactor = io.StringIO(), redactor or patterns_only()
    redact_lines([line + "\n" for line in lines], out, redactor, partial(explain, redactor) if why else None)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_one_line_is_answered() -> None:
    (row,) = answers([json.dumps({"id": 7, "text": "call 415-555-0132"})])
    assert row["id"] == 7
    assert row["text"] == "call [REDACTED_PHONE]"
    assert row["entities"] == [{"type": "PHONE", "start": 5, "end": 17, "score": 0.9}]
    assert row["safe_for_llm"] is True


def test_why_names_recognizer_view_score_and_word() -> None:
    said = {"id": 1, "text": "call me on four one five, five five five, oh one three two", "source": "speech"}
    (row,) = answers([json.dumps(said)], why=True)
    (entity,) = row["entities"]
    assert (entity["type"], entity["operator"]) == ("PHONE", "tag")
    assert {"recognizer": "phone", "view": "spoken", "score": 0.9, "word": "call"} in entity["why"]
    assert row["left"] == []


def test_why_lists_entities_that_were_found_and_kept() -> None:
    policies = parse_policies("default: {allow: [Hill 415-555-0132], operators: {EMAIL: keep}}")
    redactor = LocalRedactor(WordListClassifier(), policies=policies)
    (row,) = answers([json.dumps({"text": "a@example.com, hill 415-555-0132"})], redactor, why=True)
    left = [(e["type"], e["left_by"], e["operator"]) for e in row["left"]]
    assert ("EMAIL", "policy", "keep") in left
    assert ("PHONE", "allow-list", "keep") in left
    assert row["text"] == "a@example.com, hill 415-555-0132"
    shown = explanation_for_a_person(row)
    assert "EMAIL at 0-13: left by the policy\n  email, original view, 0.95" in shown
    assert "safe for the LLM: no" in shown


def test_why_lists_each_span_once() -> None:
    policies = parse_policies("default: {entities: [NAME], allow: [Hill Station]}")
    guesses = {"536": "PHONE", "22": "PHONE", "1234": "PHONE", "lopez": "SURNAME", "hill": "SURNAME"}
    redactor = LocalRedactor(WordListClassifier(guesses), policies=policies)
    text = "SSN 536-22-1234 of Lopez, office@example.com, at Hill Station"
    (row,) = answers([json.dumps({"text": text})], redactor, why=True)
    seen = redactor.detections(RawText(text), RedactionContext())
    assert sum(s.original.start < 15 for s in seen) > 3, "several recognizers see the number"
    assert [(e["type"], text[e["start"] : e["end"]], e["left_by"]) for e in row["left"]] == [
        ("SSN", "536-22-1234", "policy"),
        ("EMAIL", "office@example.com", "policy"),
        ("NAME", "Hill", "allow-list"),
    ]
    assert {"us-ssn", "phone", "ner:phone"} <= {reason["recognizer"] for reason in row["left"][0]["why"]}
    assert [text[e["start"] : e["end"]] for e in row["entities"]] == ["Lopez"]


@pytest.mark.parametrize(
    ("text", "tagged", "cause"),
    [("meet and tarn there", "tarn", "shortened"), ("it is tarn, scratch that, it is pell", "pell", "words around")],
)
def test_why_says_what_happened_instead_where_the_policy_left_nothing(text: str, tagged: str, cause: str) -> None:
    classifier = WordListClassifier({"scratch": "SURNAME"}, dict.fromkeys(("and", "tarn", "pell"), ("NAME", 0.9)))
    redactor = LocalRedactor(classifier)
    (row,) = answers([json.dumps({"text": text, "source": "speech"})], redactor, why=True)
    assert tagged in [text[e["start"] : e["end"]] for e in row["entities"]]
    assert cause in [e["left_by"] for e in row["left"]]
    assert "policy" not in explanation_for_a_person(row)


def test_why_reports_that_nothing_was_found() -> None:
    (row,) = answers([json.dumps({"text": "all is well"})], why=True)
    assert explanation_for_a_person(row) == "all is well\n\nNothing personal was found.\n\nsafe for the LLM: yes"


def test_bad_lines_get_an_error_answer_in_order() -> None:
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


class Seeing:
    """A redactor that keeps the texts it gets."""

    def __init__(self) -> None:
        self.texts: list[RawText] = []

    def redact(self, text: RawText, context: RedactionContext) -> Redaction:
        return self.redact_many([text], context)[0]

    def redact_many(self, texts: list[RawText], context: RedactionContext) -> list[Redaction]:
        self.texts += texts
        return patterns_only().redact_many(texts, context)


def test_what_recognition_reports_reaches_the_redactor() -> None:
    words = [{"start": 0, "end": 2, "confidence": 0.9, "text": "it"}, {"start": 6, "end": 8, "confidence": 0}]
    line = {"id": 1, "text": "it is 12", "words": words, "alternatives": ["it is 20"], "confidence": 0.7}
    seeing = Seeing()
    redact_lines([json.dumps(line), json.dumps({"id": 2, "text": "typed", "words": None})], io.StringIO(), seeing)
    rated, typed = seeing.texts
    assert rated.recognition == Recognition(
        (RecognizedWord(0, 2, 0.9), RecognizedWord(6, 8, 0.0)), (RawText("it is 20"),), 0.7
    )
    assert typed.recognition is UNRATED


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("words", "it", "words"),
        ("words", ["it"], "words"),
        ("words", [{"start": 0, "end": 2}], "confidence"),
        ("words", [{"start": 0, "end": 2, "confidence": True}], "confidence"),
        ("words", [{"start": 0, "end": 2, "confidence": 1.2}], "confidence"),
        ("words", [{"start": 0, "end": 9, "confidence": 0.5}], "offsets"),
        ("words", [{"start": -1, "end": 2, "confidence": 0.5}], "offsets"),
        ("words", [{"start": 2, "end": 2, "confidence": 0.5}], "offsets"),
        ("words", [{"start": 0.0, "end": 2, "confidence": 0.5}], "offsets"),
        ("words", [{"start": 3, "end": 5, "confidence": 0.5}, {"start": 0, "end": 2, "confidence": 0.5}], "sorted"),
        ("alternatives", "it is 20", "alternatives"),
        ("alternatives", [20], "alternatives"),
        ("alternatives", ["\ud800"], "alternatives"),
        ("alternatives", ["it"] * 17, "alternatives"),
        ("confidence", "high", "confidence"),
        ("confidence", -0.1, "confidence"),
        ("confidence", float("nan"), "confidence"),
    ],
)
def test_a_bad_report_of_recognition_is_refused(field: str, value: object, named: str) -> None:
    rows = answers([json.dumps({"id": 1, "text": "it is 12", field: value}), json.dumps({"id": 2, "text": "fine"})])
    assert (rows[0]["id"], rows[0]["error"]["reason"]) == (1, "INVALID_INPUT")
    assert named in rows[0]["error"]["message"]
    assert rows[1]["text"] == "fine"


def test_many_lines_of_mixed_sources_stay_in_order() -> None:
    sources = ["typed", "speech", "ocr"]
    lines = [json.dumps({"id": n, "text": f"meter {n}", "source": sources[n % 5 % 3]}) for n in range(500)]
    assert [r["id"] for r in answers(lines)] == list(range(500))


def test_a_single_line_is_answered_before_the_next_arrives() -> None:
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


def test_one_failing_text_does_not_fail_its_batch() -> None:
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
