"""The whole redactor, without weights: tags, safety, batches, and properties that hold for any text."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.cancellation import Cancellation, Cancelled
from models.errors import RedactionFailed
from models.redaction.normalize.view import TextView
from models.redaction.redacted_text import redacted_prefix, restore_redacted
from models.redaction.redactor import AT_ONCE, LocalRedactor
from models.redaction.types import RedactionContext
from models.text import Entity, RawText, TextSource
from tests.fakes.classifier import WordListClassifier
from tests.unit.redaction.helpers import patterns_only

NAMES = WordListClassifier({"maria": "GIVEN_NAME", "lopez": "SURNAME", "springfield": "CITY", "o'neil": "SURNAME"})
REDACTOR = LocalRedactor(NAMES)
PATTERNS = patterns_only()
SPEECH = RedactionContext(TextSource.SPEECH)
OCR = RedactionContext(TextSource.OCR)


def test_a_row_of_a_visitor_register_is_redacted() -> None:
    row = "Maria Lopez | 212-555-0187 | maria.lopez@example.org | 14 Elm Street, Springfield"
    redaction = REDACTOR.redact(RawText(row), OCR)
    assert redaction.text.value == "[REDACTED_NAME] | [REDACTED_PHONE] | [REDACTED_EMAIL] | [REDACTED_ADDRESS]"
    assert redaction.text.counts == {"ADDRESS": 1, "EMAIL": 1, "NAME": 1, "PHONE": 1}
    assert redaction.text.safe_for_llm


def test_a_spoken_visit_keeps_the_reading() -> None:
    said = (
        "Hello, my name is John Carter. I am at the Riverside site to read the water meter. You can call me "
        "on four one five, "
        "five five five, oh one three two, or write to john dot carter at example dot com. "
        "The meter reads four eight two one seven cubic metres."
    )
    assert PATTERNS.redact(RawText(said), SPEECH).text.value == (
        "Hello, my name is [REDACTED_NAME]. I am at the Riverside site to read the water meter. You can call me on "
        "[REDACTED_PHONE], or write to [REDACTED_EMAIL]. The meter reads four eight two one seven cubic metres."
    )


def test_a_town_alone_is_not_an_address() -> None:
    assert REDACTOR.redact(RawText("the works in Springfield"), RedactionContext()).entities == ()


def test_every_repetition_of_a_name_is_redacted() -> None:
    text = "Lopez came. Nobody but Lopez saw it, the LOPEZ file is lost."
    redactor = LocalRedactor(WordListClassifier({"came": "SURNAME"}))
    assert redactor.redact(RawText("Dr. Lopez left. Later Lopez rang."), RedactionContext()).text.value == (
        "[REDACTED_NAME] left. Later [REDACTED_NAME] rang."
    )
    assert REDACTOR.redact(RawText(text), RedactionContext()).text.counts == {"NAME": 3}


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("all is well", True),
        ("the meter reads 4821795", True),
        ("it said 4821795 and nothing else", False),
        ("call 415-555-0132", True),
    ],
)
def test_unexplained_numbers_make_a_text_doubtful(text: str, safe: bool) -> None:
    assert PATTERNS.redact(RawText(text), RedactionContext()).text.safe_for_llm is safe


def test_existing_tags_are_kept_and_values_beside_them_redacted() -> None:
    text = "[REDACTED_NAME] is at a@example.com [REDACTED_A@EXAMPLE.COM]"
    assert PATTERNS.redact(RawText(text), RedactionContext()).text.value == (
        "[REDACTED_NAME] is at [REDACTED_EMAIL] [[REDACTED_EMAIL]]"
    )


class _Broken:
    """A recognizer with a defect whose message quotes the text."""

    name = "broken"

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        raise ValueError(view.text)


def test_a_defect_fails_closed_without_quoting_the_text() -> None:
    redactor = LocalRedactor(WordListClassifier(), [_Broken()])
    with pytest.raises(RedactionFailed) as caught:
        redactor.redact(RawText("plain secret words"), RedactionContext())
    assert "secret" not in str(caught.value) + caught.value.hint
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_classifier_that_loses_texts_fails_closed() -> None:
    class Short(WordListClassifier):
        def classify(self, texts: list[str]) -> list[list[object]]:  # type: ignore[override]
            return []

    with pytest.raises(RedactionFailed):
        LocalRedactor(Short()).redact(RawText("a"), RedactionContext())  # type: ignore[arg-type]


def test_a_batch_gives_what_single_calls_give() -> None:
    texts = [RawText(t) for t in ("Maria rang", "call 415-555-0132", "", "nothing")]
    together = REDACTOR.redact_many(texts, RedactionContext())
    assert together == [REDACTOR.redact(t, RedactionContext()) for t in texts]


def test_redacted_texts_can_be_cut_and_restored() -> None:
    redaction = REDACTOR.redact(RawText("Maria rang Lopez"), RedactionContext())
    assert redacted_prefix("Maria rang Lopez", redaction, 10).value == "[REDACTED_NAME] rang"
    assert redacted_prefix("Maria rang Lopez", redaction, 10).counts == {"NAME": 1}
    with pytest.raises(ValueError, match="cut"):
        redacted_prefix("Maria rang Lopez", redaction, 13)
    again = restore_redacted(redaction.text.value, redaction.text.counts, safe_for_llm=False)
    assert (again.value, again.counts, again.safe_for_llm) == (redaction.text.value, {"NAME": 2}, False)


PIECES = st.sampled_from(
    ["Maria", "Lopez", "maria@example.com", "415-555-0132", "4111 1111 1111 1111", "DE89370400440532013000",
    "one two three", "dot",
     "at", "example", "com", "P as in Peter", "born on 4 July 1974", "14 Elm Street", "[REDACTED_NAME]",
     "[REDACTED_", "Dr.", "my name is",
     "12", ",", ".", "\n", "|", "meter reads", "cubic metres", "पाँच", "\u041e", "\u200b", "k", "Z"]
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=120), st.lists(PIECES, max_size=14).map(" ".join), st.lists(PIECES, max_size=10).map("".join)
)
CONTEXTS = st.builds(
    RedactionContext, st.sampled_from(list(TextSource)), st.sampled_from(["en", "es", "fr", "de", "hi", "xx"])
)


@pytest.mark.slow
@settings(deadline=None)
@given(TEXTS, CONTEXTS)
def test_spans_are_valid_sorted_and_disjoint(text: str, context: RedactionContext) -> None:
    redaction = REDACTOR.redact(RawText(text), context)
    edges = [edge for e in redaction.entities for edge in (e.start, e.end)]
    assert edges == sorted(edges)
    assert all(0 <= e.start < e.end <= len(text) and 0 < e.score <= 1 for e in redaction.entities)
    assert sum(redaction.text.counts.values()) == len(redaction.entities)


@settings(deadline=None)
@given(
    st.lists(PIECES, max_size=12),
    st.sampled_from(["maria@example.com", "415-555-0132", "4111 1111 1111 1111"]),
    CONTEXTS,
)
def test_planted_values_are_redacted(around: list[str], value: str, context: RedactionContext) -> None:
    middle = len(around) // 2
    text = " ".join([*around[:middle], "; reach me:", value, ";", *around[middle:]])
    assert value not in REDACTOR.redact(RawText(text), context).text.value


HOSTILE = ["a ", "1 ", "@", "a@", "a at ", "i a ", "one ", "2019, ", "A1", "0x", "A-", "Dr. A ", "AA00 A A ",
 "http://", "[REDACTED_NAME] ",
           "1 Elm ", "password is ", "P as in ", "my name is ", "0 . ", "eyJaaaaaaaa.", "एक ", "\u200b",
           "+1 "]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("seed", HOSTILE)
@pytest.mark.parametrize("context", [SPEECH, OCR])
def test_no_input_is_slow(seed: str, context: RedactionContext) -> None:
    text = RawText((seed * 20_000)[:20_000])
    began = time.process_time()
    PATTERNS.redact(text, context)
    assert time.process_time() - began < 5.0


@settings(deadline=None)
@given(st.lists(PIECES, max_size=14).map(" ; ".join), CONTEXTS)
def test_redaction_is_idempotent(text: str, context: RedactionContext) -> None:
    once = REDACTOR.redact(RawText(text), context).text.value
    assert REDACTOR.redact(RawText(once), context).text.value == once


def test_the_word_in_a_tag_is_not_context() -> None:
    text = "[REDACTED_ADDRESS] 94110 and [REDACTED_ACCOUNT] 123456"
    assert PATTERNS.redact(RawText(text), RedactionContext()).text.value == text


class _Gone(Cancellation):
    """A caller who gives up while the work looks for the third time."""

    looks = 0

    def check(self) -> None:
        self.looks += 1
        if self.looks == 3:
            self.cancel()
        super().check()


def test_a_batch_stops_between_stages_when_its_caller_gives_up() -> None:
    caller = _Gone()
    with pytest.raises(Cancelled):
        REDACTOR.redact_many([RawText("maria is here")], OCR, caller)
    assert caller.looks == 3


def test_a_large_batch_is_redacted_as_each_of_its_texts() -> None:
    texts = [RawText(f"{n} maria lopez {n}") for n in range(AT_ONCE + 3)]
    together = REDACTOR.redact_many(texts, OCR)
    assert len(together) == len(texts)
    assert [r.text for r in together[-4:]] == [REDACTOR.redact(text, OCR).text for text in texts[-4:]]
