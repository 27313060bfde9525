"""Judges the fields of a proposed record: the flow's rules first, then the sources in code, then the checker's word.

Code has the last word about what it can tell. A checker that was talked round cannot make a value sure that no source
has, that a rule forbids, or that another source contradicts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from server.flows.definition import FlowDefinition
from server.flows.extraction import is_mostly_redacted
from server.flows.fields import FieldDefinition, PersonalField, PhotoField, TextField
from server.flows.progress import FieldProgress
from server.flows.texts import text_in
from server.llm.finding_texts import finding_text, partly_hidden_text
from server.llm.record_rules import as_recorded, is_set_by_code
from server.llm.support import SPOKEN, Source, Support, admits, stated, support
from server.llm.types import (
    PICTURE_LABELS,
    Confidence,
    FieldVerdict,
    Finding,
    FindingKind,
    OnboardingRecord,
    RecordField,
    Severity,
    SourceItem,
    Verdict,
    Verdicts,
)

_LOWERING: Final = frozenset({FindingKind.NOT_CONFIRMED, FindingKind.UNCHECKED})
"""Kinds of findings that make a field unsure, though they say nothing against it."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a record is judged by.

    Attributes:
        items: What it was built from, oldest first.
        facts: What the app knew before.
        language: ISO 639-1 code of the session, in which its sources are read.
        by_model: Whether a model wrote it, and not the fallback.
        verdicts: The checker's word; None where none was asked.
        answered: What the session has answered, by field: what a person was shown as the value of the field. A value of
            the app needs no source, but one may contradict it.
        reviewed: Fields whose value a reviewer gave, and the ids of the items that came since. Such a value needs no
            source, and only these items may contradict it: the reviewer has seen the others.
    """

    flow: FlowDefinition
    items: Sequence[SourceItem]
    facts: Mapping[str, str]
    language: str
    by_model: bool = True
    verdicts: Verdicts | None = None
    answered: Mapping[str, FieldProgress] = dataclasses.field(default_factory=dict)
    reviewed: Mapping[str, Collection[str]] = dataclasses.field(default_factory=dict)

    @property
    def told_in(self) -> str:
        """The language of the findings: one of the flow."""
        return self.flow.language(self.language)

    @property
    def sources(self) -> list[Source]:
        """The items as values are looked for in them. Labels of pictures are guesses, so none is."""
        return [Source.of(item, self.language) for item in self.items if item.kind != PICTURE_LABELS]


def judged(record: OnboardingRecord, case: Case) -> OnboardingRecord:
    """The record with a confidence and findings for each field, and sources that have the values that name them.

    The values in findings are as the sources or the checker gave them, so redact them before they are stored.
    """
    broken = _broken_checks(record, case)
    fields = (_judged(field, case, broken.get(field.name, ())) for field in record.fields)
    return replace(record, fields=tuple(fields))


def checked_again(record: OnboardingRecord, case: Case) -> OnboardingRecord:
    """The record of which a person has changed values, with the checks of the flow as they stand now.

    Only findings of checks change. A field never becomes sure by that.
    """
    broken = _broken_checks(record, case)

    def again(field: RecordField) -> RecordField:
        others = (finding for finding in field.findings if finding.kind is not FindingKind.CHECK)
        findings = (*others, *broken.get(field.name, ()))
        doubted = Confidence.UNSURE if _is_against(findings) else field.confidence
        return replace(field, findings=findings, confidence=doubted)

    return replace(record, fields=tuple(map(again, record.fields)))


def _judged(field: RecordField, case: Case, broken: Sequence[Finding]) -> RecordField:
    definition = case.flow.fields.get(field.name)
    if field.name in case.reviewed:
        return _of_reviewer(definition, field, case, broken)
    if definition is None:
        findings = [*broken, *_of_checker(field, None, Support.UNKNOWN, case)]
        return replace(field, confidence=_confidence(None, Support.UNKNOWN, findings, case), findings=tuple(findings))
    findings = [*_of_rules(definition, field, case), *_of_redaction(definition, field, case), *broken]
    answer = case.answered.get(field.name)
    by_code = is_set_by_code(definition)
    if by_code or (answer is not None and answer.way == "app" and definition.equal(answer.value.value, field.value)):
        if not by_code:
            findings += _of_given(definition, field, case)
        confidence = Confidence.UNSURE if _is_doubted(findings) else Confidence.SURE
        return replace(field, confidence=confidence, findings=tuple(findings))
    known, source_id, against = _of_sources(definition, field, case)
    moved = replace(field, source_id=source_id)
    findings += [*against, *_of_checker(moved, definition, known, case)]
    taken = _taken_from(definition, field, case) != ""
    confidence = _confidence(definition, known, findings, case, taken=taken)
    return replace(moved, confidence=confidence, findings=tuple(findings))


def _of_reviewer(
    definition: FieldDefinition | None, field: RecordField, case: Case, broken: Sequence[Finding]
) -> RecordField:
    """A value of a reviewer. It has no confidence while nothing is against it, and no source that does not have it."""
    since = case.reviewed[field.name]
    given = Finding(FindingKind.REVIEWED, Severity.WARNING, finding_text(FindingKind.REVIEWED, case.told_in))
    findings, source_id = [given, *broken], ""
    if definition is not None:
        findings += [*_of_rules(definition, field, case), *_other_values(definition, field, case, since)]
        named = (source.without_instructions() for source in case.sources if source.id == field.source_id)
        has = any(support(definition, field.value, source) is Support.YES for source in named)
        source_id = field.source_id if has else ""
    checked = _of_checker(field, definition, Support.YES, case)
    findings += [finding for finding in checked if finding.source_id in since]
    confidence = Confidence.UNSURE if _is_against(findings) else None
    return replace(field, source_id=source_id, confidence=confidence, findings=tuple(findings))


def _answer(name: str, case: Case) -> FieldProgress | None:
    """What the flow took for the value of a field; None where its source also speaks to a machine."""
    answer = case.answered.get(name)
    if answer is None:
        return None
    plain = any(source.id == answer.source_id and not source.has_instructions for source in case.sources)
    return answer if plain else None


def _taken_from(definition: FieldDefinition, field: RecordField, case: Case) -> str:
    """The source from which the flow took this very value; empty for none."""
    answer = _answer(field.name, case)
    return answer.source_id if answer is not None and definition.equal(answer.value.value, field.value) else ""


def _confidence(
    definition: FieldDefinition | None,
    known: Support,
    findings: Sequence[Finding],
    case: Case,
    *,
    taken: bool = False,
) -> Confidence:
    if _is_doubted(findings) or known is Support.NO:
        return Confidence.UNSURE
    if case.by_model and case.verdicts is not None:
        return Confidence.SURE  # the checker has confirmed it, or there would be a finding
    proven = taken or isinstance(definition, PersonalField | PhotoField)
    return Confidence.SURE if known is Support.YES and (case.by_model or proven) else Confidence.UNSURE


def _is_against(findings: Sequence[Finding]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)


def _is_doubted(findings: Sequence[Finding]) -> bool:
    return _is_against(findings) or any(finding.kind in _LOWERING for finding in findings)


def _of_rules(definition: FieldDefinition, field: RecordField, case: Case) -> Iterator[Finding]:
    if problem := definition.problem(field.value):
        yield _error(FindingKind.RULE, case, problem=problem)


def _of_redaction(definition: FieldDefinition, field: RecordField, case: Case) -> Iterator[Finding]:
    if isinstance(definition, TextField) and is_mostly_redacted(field.value):
        yield Finding(FindingKind.REDACTED, Severity.ERROR, partly_hidden_text(case.told_in))


def _broken_checks(record: OnboardingRecord, case: Case) -> dict[str, list[Finding]]:
    """For each field, the checks of the flow that name it and fail."""
    values = {**case.facts, **{field.name: field.value for field in record.fields}}
    broken: dict[str, list[Finding]] = {}
    for check in case.flow.checks:
        if check.fails(values):
            severity = Severity.ERROR if check.severity == "error" else Severity.WARNING
            message = text_in(check.message, case.told_in)
            finding = Finding(FindingKind.CHECK, severity, message, check=check.name)
            for name in check.require.names() | (check.when.names() if check.when else set()):
                broken.setdefault(name, []).append(finding)
    return broken


def _of_sources(definition: FieldDefinition, field: RecordField, case: Case) -> tuple[Support, str, list[Finding]]:
    """What code can tell from the sources: whether they support a value, which one, and what is against it."""
    may = [source for source in case.sources if admits(case.flow, definition, source)]
    plain = [source.without_instructions() for source in may]
    told = {source.id: support(definition, field.value, source) for source in plain}
    if (taken := _taken_from(definition, field, case)) in told:
        told[taken] = Support.YES
    having = [source.id for source in reversed(plain) if told[source.id] is Support.YES]
    known = Support.YES if having else Support.UNKNOWN if Support.UNKNOWN in told.values() else Support.NO
    findings: list[Finding] = []
    source_id = field.source_id
    if having and source_id not in having and (source_id or len(having) == 1):
        if source_id:
            text = finding_text(FindingKind.SOURCE_MOVED, case.told_in)
            findings.append(Finding(FindingKind.SOURCE_MOVED, Severity.WARNING, text))
        source_id = having[0]
    if known is Support.NO:
        obeyed = any(support(definition, field.value, source) is Support.YES for source in may)
        findings.append(_error(FindingKind.INSTRUCTION if obeyed else FindingKind.UNSUPPORTED, case))
    return known, source_id, [*findings, *_other_values(definition, field, case)]


def _of_given(definition: FieldDefinition, field: RecordField, case: Case) -> Iterator[Finding]:
    """What is against a value of the app. It needs no source and no checker that confirms it."""
    yield from _other_values(definition, field, case)
    for finding in _of_checker(field, definition, Support.YES, case):
        if finding.kind is not FindingKind.NOT_CONFIRMED:
            yield finding


def _other_values(
    definition: FieldDefinition, field: RecordField, case: Case, among: Collection[str] | None = None
) -> Iterator[Finding]:
    """The other value that the flow took, and those that sources give by themselves which do not have this one. What
    the person said and took back when a picture differed does not count.

    Args:
        definition: Of the flow.
        field: With the value.
        case: What it is judged by.
        among: Ids of the only sources that count; None for all.
    """
    sources = [source.without_instructions() for source in case.sources]
    having = {source.id for source in sources if support(definition, field.value, source) is Support.YES}
    answer = _answer(field.name, case)
    taken_back = () if answer is None else answer.taken_back
    others = [
        (value, source.id)
        for value, source in stated(case.flow, definition, sources)
        if source.kind not in SPOKEN or not any(definition.equal(value, each) for each in taken_back)
    ]
    if answer is not None and not isinstance(definition, TextField):
        others.insert(0, (answer.value.value, answer.source_id))
    seen = [field.value]
    for value, source_id in others:
        if among is not None and source_id not in among:
            continue
        if source_id not in having and not any(definition.equal(value, one) for one in seen):
            seen.append(value)
            yield _error(FindingKind.CONTRADICTED, case, source_id=source_id, value=value)


def _of_checker(
    field: RecordField, definition: FieldDefinition | None, known: Support, case: Case
) -> Iterator[Finding]:
    if case.verdicts is None or not case.by_model:
        return
    if case.verdicts.unavailable:
        yield Finding(FindingKind.UNCHECKED, Severity.WARNING, finding_text(FindingKind.UNCHECKED, case.told_in))
        return
    word = case.verdicts.by_field.get(field.name, FieldVerdict(Verdict.UNSURE))
    if word.verdict is Verdict.CONTRADICTED:
        yield _error(FindingKind.CONTRADICTED, case, **_where(word, field, definition, case))
    elif word.verdict is Verdict.UNSURE:
        text = finding_text(FindingKind.NOT_CONFIRMED, case.told_in)
        yield Finding(FindingKind.NOT_CONFIRMED, Severity.WARNING, text)


def _where(word: FieldVerdict, field: RecordField, definition: FieldDefinition | None, case: Case) -> dict[str, str]:
    """The source and the value that the checker names, if that source has it and a record may have it. It may not
    bring values of its own.
    """
    source = next((source for source in case.sources if source.id == word.source_id), None)
    if source is None:
        return {}
    if definition is None or is_set_by_code(definition):
        return {"source_id": source.id}
    other = as_recorded(definition, word.other_value)
    if not other or definition.equal(other, field.value):
        return {"source_id": source.id}
    told = support(definition, other, source.without_instructions())
    return {"source_id": source.id, "value": other if told is Support.YES else ""}


def _error(kind: FindingKind, case: Case, *, problem: str = "", source_id: str = "", value: str = "") -> Finding:
    text = finding_text(kind, case.told_in, problem)
    return Finding(kind, Severity.ERROR, text, source_id=source_id, value=value)
