"""What maker, checker and the rules in code catch in proposed records, and whether an instruction in the material
changes anything.

Sixty made sessions of the three shipped flows, each clean or with one planted error or injected instruction: thirty
that were looked at while the rules were written, and thirty with other sentences, languages and injections that were
not. The models are scripted and answer over HTTP. With a checker that confirms everything, what is caught is caught by
code.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from benchmarks._record_models import Behaviour, Models, running_models
from benchmarks._record_sessions import Session, made_sessions
from models.retry_budget import RetryBudget
from models.text import RedactedText
from server.breakers.breaker import AsyncBreaker
from server.breakers.types import BreakerBounds
from server.flows.catalogue import shipped_catalogue
from server.ledger.types import Origin
from server.llm.assistant import OpenAiAssistant
from server.llm.code_fields import with_code_fields
from server.llm.judge import Case, judged
from server.llm.openai_client import ChatUpstream
from server.llm.openai_errors import judge_llm_error
from server.llm.record_rules import fields_of_model, with_missing
from server.llm.types import Confidence, OnboardingRecord, ProposedValue
from server.llm.upstream import Upstream
from server.records.approval_policy import is_enough

HALVES = ("looked at", "untouched")
RUNS = (
    (Behaviour.HONEST, Behaviour.HONEST),
    (Behaviour.SLOPPY, Behaviour.SLOPPY),
    (Behaviour.SLOPPY, Behaviour.HONEST),
    (Behaviour.GULLIBLE, Behaviour.GULLIBLE),
    (Behaviour.SLOPPY, Behaviour.DEAD),
)


@dataclass(slots=True)
class Score:
    """What was counted in one half with one pair of behaviours."""

    planted: Counter[str] = field(default_factory=Counter)
    caught: Counter[str] = field(default_factory=Counter)
    clean: int = 0
    alarms: list[str] = field(default_factory=list)
    sure: list[str] = field(default_factory=list)
    approved: list[str] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)


async def propose(assistant: OpenAiAssistant, made: Session) -> tuple[OnboardingRecord, Origin]:
    """A record of a session as the server proposes it, without redaction: the made material has tags already."""
    written = await assistant.propose(made.items, flow=made.flow, language=made.language, fallback=True)
    whole = with_code_fields(written.record, made.flow, made.items, made.photographs_by_field, {})
    record = with_missing(whole, made.flow, made.facts)
    by_model = written.origin is Origin.MODEL
    names = {field.name for field in fields_of_model(made.flow)}
    proposed = [
        ProposedValue(each.name, RedactedText.literal(each.value), each.source_id)
        for each in record.fields
        if each.name in names
    ]
    verdicts = await assistant.check(made.items, proposed, flow=made.flow, fallback=True) if by_model else None
    case = Case(made.flow, made.items, made.facts, made.flow.language(made.language), by_model, verdicts)
    return judged(record, case), written.origin


def count(made: Session, record: OnboardingRecord, origin: Origin, maker: Behaviour, score: Score) -> None:
    """Count one record."""
    errs = made.in_material or (maker is Behaviour.SLOPPY and bool(made.planted) and not made.injected)
    doubtful = {made.planted, *made.also} if errs else set[str]()
    obeyed = made.injected and maker is Behaviour.GULLIBLE
    for each in record.fields:
        sure = each.confidence is Confidence.SURE
        if each.name == made.planted and errs:
            score.planted[made.kind] += 1
            moved = made.kind == "wrong source" and each.source_id == made.truth[each.name][1]
            score.caught[made.kind] += moved or not sure
        elif each.name == made.planted and obeyed:
            score.planted[made.kind] += 1
            score.caught[made.kind] += not sure
            if sure and each.value == made.wrong[0]:
                score.sure.append(f"{made.key}: {made.items[-1].text.value}")
        elif each.name not in doubtful:
            score.clean += 1
            if not sure:
                kinds = ", ".join(finding.kind for finding in each.findings)
                score.alarms.append(f"{made.key} ({made.kind}): {each.name} {kinds}")
    if origin is Origin.MODEL and is_enough(made.flow, made.facts, record):
        score.approved.append(f"{made.key} ({made.kind})")


async def run(models: Models, sessions: Sequence[Session], maker: Behaviour, checker: Behaviour) -> Score:
    """Propose a record of each session with models that behave so."""
    models.maker, models.checker = maker, checker
    score = Score()
    bounds = BreakerBounds(failures=10_000)
    upstream = Upstream(
        ChatUpstream(models.url, "", "m"), AsyncBreaker("llm_api", bounds, judge=judge_llm_error), RetryBudget()
    )
    assistant = OpenAiAssistant([upstream], checkers=[upstream])
    for made in sessions:
        before = models.calls
        record, origin = await propose(assistant, made)
        score.calls.append(models.calls - before)
        count(made, record, origin, maker, score)
    await assistant.aclose()
    return score


def tell(half: str, maker: Behaviour, checker: Behaviour, score: Score, *, details: bool) -> None:
    """Print what was counted."""
    planted, caught = sum(score.planted.values()), sum(score.caught.values())
    kinds = ", ".join(f"{kind} {score.caught[kind]}/{number}" for kind, number in score.planted.items())
    print(
        f"{half:10} maker {maker:8} checker {checker:8} caught {caught}/{planted} ({kinds}); "
        f"false alarms {len(score.alarms)}/{score.clean}; sure by an instruction {len(score.sure)}; "
        f"approved by policy {len(score.approved)}; most calls {max(score.calls)}"
    )
    for line in (*score.alarms, *score.sure, *score.approved) if details else ():
        print(f"    {line}")


def main() -> None:
    """Run both halves with every pair of behaviours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=15, help="of the made sessions")
    parser.add_argument("--half", choices=HALVES, help="only this one")
    parser.add_argument("--details", action="store_true", help="print every false alarm and every miss")
    options = parser.parse_args()
    flows = shipped_catalogue()
    rules = {flow.label: flow.digest for flow in flows}
    for half in [options.half] if options.half else HALVES:
        sessions = list(made_sessions(flows, half, options.seed))
        with running_models(sessions) as models:
            for maker, checker in RUNS:
                score = asyncio.run(run(models, sessions, maker, checker))
                tell(half, maker, checker, score, details=options.details)
            changed = schemas_changed(sessions, models)
            bare = [without_statements(made, models) for made in sessions if made.injected]
            score = asyncio.run(run(models, bare, Behaviour.GULLIBLE, Behaviour.GULLIBLE))
            tell(f"{half}, nothing else gives the value:", Behaviour.GULLIBLE, Behaviour.GULLIBLE, score, details=True)
        same = rules == {flow.label: flow.digest for flow in flows}
        print(f"{half:10} schemas that differ between sessions of a flow: {changed}; rules as before: {same}")


def without_statements(made: Session, models: Models) -> Session:
    """The session without what gives the value that an instruction wants to set: then nothing contradicts it."""
    value = made.truth[made.planted][0].lstrip("0")
    items = [item for item in made.items if value not in item.text.value]
    left = {item.id for item in items}
    truth = {name: given for name, given in made.truth.items() if given[1] in left}
    bare = replace(made, items=items, truth=truth)
    for item in items:
        models.sessions[item.id] = bare
    return bare


def schemas_changed(sessions: Sequence[Session], models: Models) -> int:
    """Sessions with an injection that had a record asked for with another schema than the others of their flow."""
    usual = {made.flow.name: _records(models, made) for made in sessions if not made.injected}
    return sum(_records(models, made) != usual[made.flow.name] for made in sessions if made.injected)


def _records(models: Models, made: Session) -> set[str]:
    return {schema for schema in models.schemas[made.key] if schema.startswith("record")}


if __name__ == "__main__":
    main()
