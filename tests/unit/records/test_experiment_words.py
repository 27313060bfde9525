"""The file of experiments is read for persons before any experiment is in force."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from models.errors import InvalidInput, Unavailable
from models.reasons import Reason
from models.redaction.redactor import LocalRedactor
from models.redaction.types import Redaction
from models.text import RedactedText
from server.experiments.catalogue import Experiments
from server.experiments.loader import parse_experiments
from server.records.experiment_words import in_force_at_start, put_in_force
from tests.fakes.gateway import FakeGateway
from tests.fakes.local_workers import LocalWorkers

AT = datetime(2026, 12, 5, tzinfo=UTC)
FILE = """
experiments:
  {first}:
    start: 2026-12-01
    clients: [site-7]
    words_checked: {checked}
    variants:
      usual: {{}}
      {variant}: {{reply_instruction: "{told}"}}
  flow:
    start: 2026-12-01
    clients: [site-8]
    variants: {{old: {{}}, new: {{}}}}
"""
SECRETS = {"maria lopez": "NAME", "Maria Lopez": "NAME"}


def declared(
    first: str = "pause", variant: str = "brief", told: str = "Ask for the meter first.", *, checked: bool = False
) -> Experiments:
    text = FILE.format(first=first, variant=variant, told=told, checked=str(checked).lower())
    return parse_experiments(text)


def test_experiments_that_need_no_redactor_are_in_force_at_the_start() -> None:
    every = [replace(experiment, words_checked=True) for experiment in declared()]
    assert [each.name for each in in_force_at_start(Experiments(*every)).visible_to("")] == ["pause", "flow"]
    assert list(in_force_at_start(Experiments()).visible_to("")) == [], "no file"


async def test_experiments_that_were_not_read_yet_are_not_told_as_none() -> None:
    in_force = in_force_at_start(declared(checked=True))
    assert in_force.variant_for("site-7", "person", AT) == ""
    for client in ("site-7", "site-8", ""):
        with pytest.raises(Unavailable, match="not in force") as caught:
            in_force.visible_to(client)
        assert caught.value.reason is Reason.WORKERS_NOT_READY
    assert list(in_force.visible_to("site-9")) == [], "what others try is not told"
    await put_in_force(in_force, declared(checked=True), FakeGateway(secrets=SECRETS))
    assert [each.name for each in in_force.visible_to("")] == ["pause", "flow"]


def test_experiments_of_a_client_that_the_server_calls_otherwise_are_not_told_as_none() -> None:
    in_force = in_force_at_start(declared().stored_as(lambda client: f"hash-{client}"))
    with pytest.raises(Unavailable):
        in_force.visible_to("hash-site-7")
    assert list(in_force.visible_to("hash-site-9")) == []


async def test_experiments_without_a_person_are_put_in_force() -> None:
    in_force = Experiments()
    assert in_force.variant_for("site-7", "person", AT) == ""
    await put_in_force(in_force, declared(), FakeGateway(secrets=SECRETS))
    assert [experiment.name for experiment in in_force] == ["pause", "flow"]
    assert in_force.variant_for("site-7", "person", AT) in ("pause.usual", "pause.brief")
    changes = in_force.changes("pause.brief", "site-7", AT)
    assert changes.reply_instruction is not None


@pytest.mark.parametrize(
    ("given", "place"),
    [
        (declared(first="maria_lopez"), "the name of experiment 1"),
        (declared(variant="maria_lopez"), "the name of variant 2 of experiment 1"),
        (declared(told="Greet Maria Lopez."), "reply_instruction of variant 2 of experiment 1"),
    ],
)
async def test_a_person_is_refused_and_not_repeated(given: Experiments, place: str) -> None:
    in_force = Experiments()
    with pytest.raises(InvalidInput) as caught:
        await put_in_force(in_force, given, FakeGateway(secrets=SECRETS))
    assert caught.value.reason is Reason.EXPERIMENT_WORD_PERSONAL
    assert caught.value.message == f"The file of experiments may name a person: {place}."
    assert "words_checked: true" in caught.value.hint
    assert list(in_force) == []


async def test_who_says_that_the_words_are_checked_is_believed() -> None:
    in_force = Experiments()
    given = declared(first="maria_lopez", told="Greet Maria Lopez.", checked=True)
    workers = FakeGateway(secrets=SECRETS)
    await put_in_force(in_force, given, workers)
    assert len(list(in_force)) == 2
    asked = [
        text.reveal() for call in workers.called("redact") if isinstance(call.argument, list) for text in call.argument
    ]
    assert not any("aria" in text for text in asked)


async def test_a_text_that_the_redactor_does_not_vouch_for_is_refused() -> None:
    workers, in_force = FakeGateway(), Experiments()
    unsafe = RedactedText.restore("Ask for the meter first.", {}, safe_for_llm=False)
    workers.will("redact", [Redaction(RedactedText.literal("brief"), ())], [Redaction(unsafe, ())])
    with pytest.raises(InvalidInput, match="reply_instruction of variant 2 of experiment 1"):
        await put_in_force(in_force, declared(), workers)
    assert list(in_force) == []


async def test_nothing_is_in_force_when_the_redactor_is_away() -> None:
    workers, in_force = FakeGateway(), Experiments()
    workers.will("redact", Unavailable("gone"))
    with pytest.raises(Unavailable):
        await put_in_force(in_force, declared(), workers)
    assert list(in_force) == []


@pytest.mark.models
async def test_the_real_redactor_reads_the_file(real_redactor: LocalRedactor) -> None:
    workers = LocalWorkers(redactor=real_redactor)
    for usual in (
        declared(),
        declared("pause_length", "guided", "Ask for the meter reading first."),
        declared("reply_style", "short", "Answer in at most two sentences, and be polite."),
        declared("greeting", "warm", "Begin with a friendly greeting. Ask for one thing at a time."),
    ):
        await put_in_force(Experiments(), usual, workers)
    for personal in (
        declared(first="maria_lopez"),
        declared(variant="wolfgang_mueller"),
        declared(told="Tell them to ask for Maria Lopez at the gate."),
        declared(told="Say that the guard can be called at 415-555-0132."),
    ):
        with pytest.raises(InvalidInput):
            await put_in_force(Experiments(), personal, workers)
