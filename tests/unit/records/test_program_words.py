"""Words of programs that the redactor need not read."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.redaction.redactor import build_redactor
from server.records.machine_words import MachineWords
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


def test_no_given_name_is_a_word_of_programs() -> None:
    assert PROGRAM_WORDS.isdisjoint(_GIVEN_NAMES.split())
    assert all(word.isalpha() and word.islower() and len(word) > 1 for word in PROGRAM_WORDS)


@pytest.mark.models
async def test_undeclared_keys_of_programs_keep_their_words_and_names_do_not(weights_cache: Path) -> None:
    words = MachineWords(LocalWorkers(redactor=build_redactor(weights_cache)))
    usual = {"branch", "lens", "price", "reason", "page", "red", "utm_source", "liveness_passed", "photo_retaken"}
    names = {"maria", "gemma", "branch_maria_lopez", "page_john_smith", "mark_price", "rose_white", "call_4155550132"}
    assert await words.personal(usual | names) == names
