"""Policies: what a client wants left, masked, hashed, allowed or found on top; and what stays true all the same."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.redaction.normalize.invisible import without_invisible
from models.redaction.normalize.view import original
from models.redaction.policy.custom_recognizers import CustomRecognizer, context_words
from models.redaction.policy.loader import parse_policies
from models.redaction.redactor import LocalRedactor
from models.redaction.spans.merge import merge
from models.redaction.spans.operators import MAX_SHOWN, full_names, hashed, identity_of, masked, session_key
from models.redaction.streaming.partials import PartialRedactor, PartialState
from models.redaction.streaming.segments import redact_segments
from models.redaction.types import RedactionContext, RedactionScope
from models.text import Entity, RawText, TextSource
from tests.fakes.classifier import WordListClassifier
from tests.unit.redaction.helpers import BADGE

NAMES = {"maria": "GIVEN_NAME", "lopez": "SURNAME", "john": "GIVEN_NAME", "carter": "SURNAME", "riverside": "SURNAME"}
KEY = bytes(range(32))


def redactor(policies: str, names: dict[str, str] | None = None) -> LocalRedactor:
    classifier = WordListClassifier(NAMES if names is None else names)
    return LocalRedactor(classifier, policies=parse_policies(policies), worker_key=KEY)


def context(client: str = "", session: str = "s1", source: TextSource = TextSource.TYPED) -> RedactionContext:
    return RedactionContext(source, scope=RedactionScope(client, session))


def written(policies: str, text: str, *, client: str = "", session: str = "s1") -> tuple[str, bool]:
    result = redactor(policies).redact(RawText(text), context(client, session)).text
    return result.value, result.safe_for_llm


@pytest.mark.parametrize(
    ("policies", "text", "expected", "safe"),
    [
        ("", "Maria, 415-555-0132", "[REDACTED_NAME], [REDACTED_PHONE]", True),
        # keep, or leave out of the list: it stays, and the LLM does not get it
        ("default: {operators: {NAME: keep}}", "Maria, 415-555-0132", "Maria, [REDACTED_PHONE]", False),
        ("default: {operators: {NAME: keep}}", "call 415-555-0132", "call [REDACTED_PHONE]", True),
        ("default: {entities: [PHONE]}", "Maria, 415-555-0132", "Maria, [REDACTED_PHONE]", False),
        # a name inside of an address that is kept stays with it; an address around a name that is kept does not
        ("default: {operators: {EMAIL: keep}}", "write maria@example.com", "write maria@example.com", False),
        ("default: {operators: {NAME: keep}}", "write maria@example.com", "write [REDACTED_EMAIL]", True),
        # masks
        ("default: {operators: {CC: mask}}", "card 4111 1111 1111 1234", "card ***1234", True),
        ("default: {operators: {CC: {mask: 2}}}", "card 4111 1111 1111 1234", "card ***34", True),
        ("default: {operators: {NAME: mask}}", "Maria Lopez rang", "*** rang", True),
        # thresholds: higher leaves, lower finds
        ("default: {thresholds: {PHONE: 0.95}}", "call 415-555-0132", "call 415-555-0132", False),
        ("default: {thresholds: {DOB: 0.1}}", "on 4 July 1974", "on [REDACTED_DOB]", True),
        # allow-lists: whole words, case and spacing aside
        ("default: {allow: [Riverside]}", "at RIVERSIDE with Maria", "at RIVERSIDE with [REDACTED_NAME]", True),
        ("default: {allow: [Riverside]}", "Maria Riverside", "[REDACTED_NAME]", True),
        ("default: {allow: ['AB 4821 7955']}", "part ab  4821 7955", "part ab  4821 7955", True),
        ("default: {allow: [Mari]}", "Maria", "[REDACTED_NAME]", True),
        ("default:" + BADGE, "badge RB-4821", "badge [REDACTED_BADGE]", True),
        ("default:" + BADGE + "  operators: {BADGE: mask}", "badge RB-4821", "badge ***", True),
    ],
)
def test_a_policy_gives_the_expected_text(policies: str, text: str, expected: str, safe: bool) -> None:
    assert written(policies, text) == (expected, safe)


def test_clients_have_their_own_policy_on_top_of_the_default() -> None:
    policies = (
        "default: {allow: [Riverside], operators: {CC: mask}}\n"
        "clients: {acme: {operators: {NAME: keep}, allow: [Hill]}}"
    )
    text = "Maria at Riverside, card 4111 1111 1111 1234"
    assert written(policies, text, client="other") == ("[REDACTED_NAME] at Riverside, card ***1234", True)
    assert written(policies, text, client="acme") == ("Maria at Riverside, card ***1234", False)


def test_a_person_keeps_one_tag_within_a_session_only() -> None:
    policies = "default: {operators: {NAME: hash, PHONE: hash}}"
    first, _ = written(policies, "Maria Lopez came")
    again, _ = written(policies, "then MARIA  LOPEZ left")
    other, _ = written(policies, "then John Carter left")
    elsewhere, _ = written(policies, "Maria Lopez came", session="s2")
    tag = first.split()[0]
    assert re.fullmatch(r"\[REDACTED_NAME_[0-9a-f]{8}\]", tag)
    assert tag in again
    assert tag not in other
    assert tag not in elsewhere


def test_an_unambiguous_part_of_a_name_gets_the_tag_of_its_person() -> None:
    policies = "default: {operators: {NAME: hash}}"
    value, _ = written(policies, "Maria Lopez called. Later Lopez wrote; John did not.")
    tags = re.findall(r"NAME_(\w{8})", value)
    assert tags[0] == tags[1]
    assert tags[0] != tags[2]
    assert full_names(["maria lopez", "john lopez", "lopez"])["lopez"] == "lopez"


def test_a_name_is_one_tag_across_sentences_and_titles() -> None:
    policies = "default: {operators: {NAME: hash}}"
    value, _ = written(policies, "Here is Maria Lopez. Dr. Lopez waits. Then MARIA LOPEZ left.")
    tags = re.findall(r"NAME_(\w{8})", value)
    assert len(tags) == 3
    assert len(set(tags)) == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("José Núñez", "jose nunez", True),
        ("Müller", "Muller", True),
        ("Señor  Pérez", "PEREZ", True),
        ("राम", "रमा", False),  # vowel signs are no accents
        ("हरीश", "हरीश", True),
    ],
)
def test_spellings_of_one_person_have_one_identity(one: str, other: str, same: bool) -> None:
    assert (identity_of("NAME", one) == identity_of("NAME", other)) is same


def test_a_thousand_people_have_a_thousand_tags() -> None:
    assert len({hashed("NAME", f"person {n}", b"key") for n in range(1000)}) == 1000


def test_a_spoken_number_has_the_hash_of_the_written_one() -> None:
    built = redactor("default: {operators: {PHONE: hash}}")
    said = RawText("call me on four one five, five five five, oh one three two")
    spoken = built.redact(said, context(source=TextSource.SPEECH)).text.value
    typed = built.redact(RawText("call 415-555-0132"), context()).text.value
    assert spoken.split()[-1] == typed.split()[-1]


def test_without_a_session_tags_are_equal_only_within_a_batch() -> None:
    built = redactor("default: {operators: {NAME: hash}}")
    texts, nowhere = [RawText("Maria"), RawText("maria")], context(session="")
    one, two = (built.redact_many(texts, nowhere) for _ in range(2))
    assert one[0].text.value == one[1].text.value
    assert one[0].text.value != two[0].text.value


def test_segments_hold_the_tags_that_the_policy_writes() -> None:
    built = redactor("default: {operators: {NAME: hash}}")
    whole, parts = redact_segments([RawText("here is Maria"), RawText("Lopez")], built, context())
    assert whole.text.value == f"here is {parts[1].value}"
    assert parts[0].value == whole.text.value


@pytest.mark.parametrize(
    ("reading", "shown", "expected"),
    [("4111-1111-1111-1234", 4, "***1234"), ("123456", 4, "***"), ("GB82WEST12345698765432", 4, "***5432"),
     ("one two three four", 4, "***"), ("12345678", 4, "***5678"), ("12345678", 0, "***")],
)  # fmt: skip
def test_a_mask_shows_the_end_of_long_values_only(reading: str, shown: int, expected: str) -> None:
    assert masked(reading, shown) == expected
    assert shown <= MAX_SHOWN


def test_identities_are_normalized_and_keys_differ_by_scope() -> None:
    assert identity_of("NAME", "Dr. MARIA  Lopez") == identity_of("NAME", "maria lopez")
    assert identity_of("PHONE", "+1 (415) 555-0132") == identity_of("PHONE", "415 555 0132")
    assert identity_of("NAME", "Dr") == "dr"
    one, two = session_key(KEY, RedactionScope("a", "b")), session_key(KEY, RedactionScope("ab", ""))
    assert one != two
    assert hashed("NAME", "maria", one) != hashed("NAME", "maria", two)


def test_partials_follow_the_policy_and_never_retract_text() -> None:
    partials = PartialRedactor(redactor("default: {operators: {NAME: hash, PHONE: mask}}"))
    said = "hello this is Maria Lopez and you can call me on 415-555-0132 at any time of the day please thank you"
    words = said.split()
    speech, state, shown = context(source=TextSource.SPEECH), PartialState(), ""
    for count in range(1, len(words) + 1):
        text, state = partials.step(state, RawText(" ".join(words[:count])), speech)
        assert text.value.startswith(shown)
        shown = text.value
    assert re.search(r"this is \[REDACTED_NAME_[0-9a-f]{8}\] and you can call me on \*\*\*0132 at", shown)


EVERYTHING = """
default:
  operators: {NAME: hash, PHONE: mask, CC: mask, EMAIL: hash, IBAN: {mask: 3}, ADDRESS: mask, DOB: keep, ID: mask}
  thresholds: {PLATE: 0.9, ADDRESS: 0.3}
  allow: [Riverside, "4821 7955"]
""" + BADGE.replace("  recognizers", "  recognizers")
PIECES = st.sampled_from(
    ["Maria", "Lopez", "maria@example.com", "415-555-0132", "4111 1111 1111 1234", "DE89370400440532013000", "RB-1234",
     "Riverside", "4821 7955", "born on 4 July 1974", "14 Elm Street", "[REDACTED_NAME_3f9a01d4]", "***1234", "***",
     "Dr.", "account", "card", "phone", "12", ",", ".", "\n", "meter reads", "id number", "\ud800", "\u200b", "Lopez's"]
)  # fmt: skip
TEXTS = st.one_of(st.lists(PIECES, max_size=14).map(" ".join), st.lists(PIECES, max_size=8).map("".join))


@pytest.mark.slow
@settings(deadline=None)
@given(TEXTS, st.sampled_from([TextSource.TYPED, TextSource.SPEECH, TextSource.OCR]))
def test_spans_are_valid_sorted_and_disjoint_under_any_policy(text: str, source: TextSource) -> None:
    redaction = redactor(EVERYTHING).redact(RawText(text), context(source=source))
    edges = [edge for e in redaction.entities for edge in (e.start, e.end)]
    assert edges == sorted(edges)
    assert all(0 <= e.start < e.end <= len(text) and 0 < e.score <= 1 for e in redaction.entities)
    assert sum(redaction.text.counts.values()) == len(redaction.entities)
    assert not any(e.type == "DOB" for e in redaction.entities)
    outside, at = "", 0
    for e in redaction.entities:
        outside += without_invisible(text[at : e.start]) + e.written
        at = e.end
    assert redaction.text.value == outside + without_invisible(text[at:])


@pytest.mark.slow
@settings(deadline=None)
@given(TEXTS)
def test_tags_and_masks_are_kept_when_redacted_again(text: str) -> None:
    built = redactor(EVERYTHING)
    once = built.redact(RawText(text), context()).text.value
    twice = built.redact(RawText(once), context()).text.value
    for piece in re.findall(r"\[REDACTED_\w+\]|\*{3}\w{1,4}\b", once):
        assert piece in twice


def test_a_number_after_a_kept_date_is_redacted() -> None:
    text = "she was born on 4 July 1974 , 415-555-0132"
    assert "0132" not in redactor("default:\n  operators: {DOB: keep}\n").redact(RawText(text), context()).text.value


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(PIECES, max_size=10), st.sampled_from(["maria@example.com", "415-555-0132", "4111 1111 1111 1234"]))
def test_planted_values_are_redacted_beside_kept_entities(around: list[str], value: str) -> None:
    middle = len(around) // 2
    text = " ".join([*around[:middle], "; reach me:", value, ";", *around[middle:]])
    assert value not in redactor(EVERYTHING).redact(RawText(text), context()).text.value


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("it says 6042 8174", 0.95),  # a right checksum is enough
        ("it says 6042 8179", None),
        ("loyalty 6042 8174", 1.0),
        ("loyalty 6042 8179", 0.52),  # misheard: the context word makes up for a wrong checksum
    ],
)
def test_a_checksum_decides_with_the_context(text: str, score: float | None) -> None:
    card = CustomRecognizer("CARD", "card", (r"\b6\d{3} \d{4}\b",), 0.4, context_words(["loyalty"]), check="luhn")
    found = [round(entity.score, 2) for entity in card.find(original(text), RedactionContext())]
    assert found == ([] if score is None else [score])


MEMBER = Entity("MEMBER_CARD", 18, 27, 1.0, "custom:member")


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        (Entity("ID", 18, 27, 0.999, "slot"), "MEMBER_CARD"),
        (Entity("ID", 15, 27, 0.9, "slot"), "MEMBER_CARD"),
        (Entity("ADDRESS", 18, 27, 1.0, "ner:building_number"), "MEMBER_CARD"),
        (Entity("PHONE", 0, 40, 0.9, "slot"), "PHONE"),
        (Entity("CC", 18, 27, 1.0, "card"), "CC"),
    ],
)
def test_a_find_of_the_policy_has_its_type_unless_another_is_longer_or_exact(other: Entity, kind: str) -> None:
    (merged,) = merge("my loyalty one is 6042 8174, and that is all of it", [other, MEMBER])
    assert merged.type == kind


def test_a_find_of_the_policy_is_hidden_although_the_policy_leaves_what_the_tagger_takes_it_for() -> None:
    policy = parse_policies(f"default:\n  entities: [NAME, BADGE]{BADGE}").default
    found = [Entity("ID", 12, 19, 1.0, "slot"), Entity("BADGE", 12, 19, 0.9, "custom:badge")]
    hidden, left = policy.split("my badge is RB-1234", found)
    assert [e.type for e in hidden] == ["BADGE"]
    assert not left
