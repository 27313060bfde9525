"""What a rule of the protos allows, in the languages of the console."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import protovalidate
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from vestibule.v1 import funnel_pb2, review_pb2, session_pb2

from models.errors import FieldViolation, InvalidInput
from models.reasons import Reason
from server.access.caller import Scope
from server.console.problem_texts import told_of
from server.console.rule_texts import all_rules, rule_in
from server.console.texts import texts_in
from server.languages.texts import LANGUAGES, PLACE
from server.rpc.interceptors.rules_in_words import PATTERNS, in_words
from tests.unit.console.harness import Harness

PROTOS = Path(__file__).parents[3] / "protos" / "vestibule" / "v1"
OTHERS = LANGUAGES[1:]
UUID = "3f0f6f0e-2f55-4c9e-9d0a-0f6f2b8c1d11"


def own_rules() -> list[str]:
    """Of patterns, and those that the protos write themselves."""
    text = "".join(proto.read_text(encoding="utf-8") for proto in PROTOS.glob("*.proto"))
    return [*PATTERNS.values(), *re.findall(r'message: "(must [^"]+)"', text)]


@pytest.mark.parametrize("language", OTHERS)
def test_every_rule_of_ours_has_a_text(language: str) -> None:
    texts = texts_in(language)
    assert [rule for rule in own_rules() if rule_in(FieldViolation("f", rule), texts) is None] == []


def test_each_text_has_the_places_of_its_rule() -> None:
    for rule in all_rules():
        assert set(rule) == set(LANGUAGES)
        assert {frozenset(PLACE.findall(text)) for text in rule.values()} == {frozenset(PLACE.findall(rule["en"]))}


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (funnel_pb2.GetReportRequest(steps=["a", "a"]), "steps darf keinen Wert zweimal haben."),
        (
            funnel_pb2.GetReportRequest(steps=["a"], window=Duration(seconds=99_999 * 86_400)),
            "window muss mindestens 0s und höchstens 3660 Tage sein.",
        ),
        (
            funnel_pb2.GetReportRequest(steps=["<", "a"]),
            "steps[0] muss der Name eines Ereignisses sein, 1 bis 64 Kleinbuchstaben, Ziffern und Unterstriche, "
            "oder eine Stufe wie IN_PROGRESS.",
        ),
        (
            funnel_pb2.GetReportRequest(steps=["a", "b"], exclusions=[funnel_pb2.FunnelExclusion(name="a")]),
            "Die Anfrage darf kein Ereignis ausschließen, das ein Schritt ist, und andere nur nach nötigen Schritten, "
            "die nicht die letzten sind.",
        ),
        (session_pb2.GetSessionRequest(session_id="x"), f"session_id muss eine UUID sein wie {UUID}."),
        (
            session_pb2.StartSessionRequest(request_id=UUID, vocabulary=["x" * 65]),
            "vocabulary[0] darf höchstens 64 Zeichen haben.",
        ),
        (review_pb2.ListReviewsRequest(page_size=9999), "page_size darf höchstens 200 sein."),
    ],
)
def test_a_rule_is_told_in_the_language_of_the_page(message: Message, told: str) -> None:
    [violation] = protovalidate.Validator().collect_violations(message)
    assert rule_in(in_words(message, violation), texts_in("de")) == told


def test_one_rule_without_a_text_leaves_all_in_english() -> None:
    rules = (FieldViolation("a", "must be given"), FieldViolation("b", "must be blue"))
    error = InvalidInput("The request breaks a rule: a, b.", reason=Reason.INVALID_ARGUMENT, violations=rules)
    told = told_of(error, texts_in("de"))
    assert (told.detail, told.own_detail) == ("a must be given. b must be blue.", False)


async def test_a_page_tells_a_refused_rule_in_its_language(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = unescape((await browser.get("/funnel?steps=<b>,pay&lang=es")).text)
        assert "<p>steps[0] debe ser el nombre de un evento" in page
        assert "must be" not in page
        english = unescape((await browser.get("/funnel?steps=<b>,pay&lang=en")).text)
        assert "steps[0] must be the name of an event" in english
    harness.close()
