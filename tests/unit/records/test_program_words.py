"""Words of programs that the redactor need not read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models.redaction.redactor import LocalRedactor
from server.records.decision_reasons import FIELD_REASONS, KNOWN_REASONS, RECORD_REASONS
from server.records.machine_words import REDACTED, MachineWords
from server.records.program_words import PROGRAM_WORDS, is_of_programs
from tests.fakes.gateway import FakeGateway
from tests.fakes.local_workers import LocalWorkers

_GIVEN_NAMES = """
    amber amy angel anna ben bill carter chase cooper daisy dawn faith frank grace grant hazel hope hunter iris ivy
    jack jade jasmine john joy june lily maria mark mason max olive paul pearl pat ray rob rose ruby sky sue taylor
    tom violet will
"""


@pytest.mark.parametrize("word", ["branch", "form_sent", "utm.source", "photo-retaken", "_price_"])
async def test_a_word_of_programs_is_not_read(word: str) -> None:
    workers = FakeGateway(secrets={"branch": "NAME", "form sent": "NAME", "price": "NAME"})
    assert await MachineWords(workers).personal([word]) == set()
    assert workers.called("redact") == []


@pytest.mark.parametrize(
    "word", ["maria", "branch_maria", "sent_to_john_smith", "page_404", "call_4155550132", "Branch"]
)
def test_every_part_must_be_known(word: str) -> None:
    assert not is_of_programs(word)


@pytest.mark.parametrize("reason", sorted(KNOWN_REASONS))
async def test_a_reason_of_reviewers_is_stored_as_it_is(reason: str) -> None:
    workers = FakeGateway(secrets={reason.replace("_", " "): "NAME"})
    assert await MachineWords(workers).replaced(reason) == reason
    assert await MachineWords(workers).replaced(f"{reason}x") == REDACTED, "others are read"


def test_the_reasons_of_the_guide_are_those_that_the_server_knows() -> None:
    guide = (Path(__file__).parents[3] / "docs/operating/reviewing.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| a (?:value|record) \| (`.+|\*\*`.+) \|$", guide, re.MULTILINE)
    named = [re.findall(r"(\*\*)?`(\w+)`", row) for row in rows]
    offered = [tuple(word for bold, word in row if bold) for row in named]
    assert offered == [FIELD_REASONS, RECORD_REASONS]
    assert {word for row in named for _, word in row} == KNOWN_REASONS


def test_no_given_name_is_a_word_of_programs() -> None:
    assert PROGRAM_WORDS.isdisjoint(_GIVEN_NAMES.split())
    assert all(word.isalpha() and word.islower() and len(word) > 1 for word in PROGRAM_WORDS)


@pytest.mark.models
async def test_undeclared_keys_of_programs_keep_their_words_and_names_do_not(real_redactor: LocalRedactor) -> None:
    words = MachineWords(LocalWorkers(redactor=real_redactor))
    usual = {"branch", "lens", "price", "reason", "page", "red", "utm_source", "liveness_passed", "photo_retaken"}
    names = {"maria", "gemma", "branch_maria_lopez", "page_john_smith", "mark_price", "rose_white", "call_4155550132"}
    assert await words.personal(usual | names) == names
