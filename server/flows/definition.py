"""A flow: its steps, checks, approval and funnel, as one value that does not change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Field, ValidationInfo, model_validator

from server.flows.app_events import AppEvents, Declaration, declaration_of
from server.flows.conditions import Condition, FlowPart, Name
from server.flows.consistency import MAX_STAGES, STEP_PREFIX, InconsistentFlow, problems_of, stages_never_counted
from server.flows.fact_values import Fact
from server.flows.fields import FieldDefinition, MediaKind, PersonalField, PhotoField
from server.flows.retention import RetentionPart
from server.flows.texts import Language, Text, base_language, text_in, words_in

MAX_STEPS: Final = 40
MAX_FIELDS: Final = 40
"""As many as a record may have."""

FROM_FILE: Final = "from_file"
"""Key of the context in which a file is read. Definitions in a ledger were read by earlier versions, which took any
stages.
"""
_STAGES_IN_LEDGERS: Final = 20
_STAGE: Final = r"^([a-z][a-z0-9_]{0,63}|STARTED|IN_PROGRESS|AWAITING_APPROVAL|COMPLETED|ABANDONED|REJECTED)$"
_BEFORE_STEPS: Final = ("STARTED",)
_AFTER_STEPS: Final = ("AWAITING_APPROVAL", "COMPLETED")
_MOST_OWN: Final = MAX_STAGES - len(_BEFORE_STEPS) - len(_AFTER_STEPS)

Way = Literal["speech", "text", "picture"]


class Step(FlowPart):
    """One thing that a person does: it asks for a few fields that belong together."""

    name: Name = Field(description="A machine word, also the name of its event: step_NAME.")
    title: Text | None = Field(None, description="What people call it. Empty: the name, with spaces.")
    why: Text | None = Field(None, description="Why it is asked, one sentence.")
    when: Condition | None = Field(None, description="The step comes only if this holds.")
    skippable: bool = Field(False, description="Whether a person may go on without it.")
    ways: Annotated[tuple[Way, ...], Field(min_length=1)] = Field(
        ("speech", "text", "picture"),
        description="In which ways it can be answered. With picture alone, each field must be one that is read in "
        "pictures: no text, no yes_no, no code without letters, and personal only with from_pictures.",
    )
    pictures: list[MediaKind] = Field(default=[], description="Kinds of pictures that answer it.")
    fields: Annotated[list[FieldDefinition], Field(min_length=1, max_length=20)] = Field(
        description="What it asks for, in order."
    )

    @property
    def event(self) -> str:
        """Name of the event that says that the person came to it."""
        return f"{STEP_PREFIX}{self.name}"

    @property
    def conditional(self) -> bool:
        """Whether it may not come up."""
        return self.when is not None or all(field.when is not None for field in self.fields)

    def title_in(self, language: str) -> str:
        """What people call it."""
        return self.name.replace("_", " ").capitalize() if self.title is None else text_in(self.title, language)


class Check(FlowPart):
    """A rule that a record must pass, in code, before any model judges it."""

    name: Name = Field(description="A machine word.")
    require: Condition = Field(
        description="What must hold. A comparison with something unknown breaks nothing; given: true is broken by it."
    )
    when: Condition | None = Field(None, description="The check applies only if this holds.")
    message: Text = Field(description="What is wrong, one sentence. The reviewer reads it.")
    severity: Literal["error", "warning"] = Field(
        "error", description="An error lowers the confidence of its fields to unsure; a warning is only shown."
    )

    def fails(self, values: dict[str, str]) -> bool:
        """Whether a record breaks it, whatever the values are that are not known."""
        if self.when is not None and self.when.truth(values) is not True:
            return False
        return self.require.truth(values) is False


class Approval(FlowPart):
    """Who must approve a record."""

    people: Literal[1, 2] = Field(1, description="How many different people.")
    none_when: Condition | None = Field(
        None,
        description="Nobody has to, if this holds, nothing required is missing, all checks pass and no field is in "
        "doubt.",
    )


class Funnel(FlowPart):
    """The funnel of this flow: `vestibule funnel --flow NAME` counts it over the sessions of the flow."""

    stages: Annotated[list[Annotated[str, Field(pattern=_STAGE)]], Field(max_length=_STAGES_IN_LEDGERS)] = Field(
        default=[],
        json_schema_extra={"maxItems": MAX_STAGES},
        description=f"Its stages in order, 2 to {MAX_STAGES}. `step_NAME`: the person came to the step NAME of this "
        "flow. Any other name in small letters: an event of the app or of the server. A name in capitals: the session "
        "is STARTED, IN_PROGRESS, AWAITING_APPROVAL, COMPLETED, ABANDONED or REJECTED. A step that has a `when`, or "
        "whose fields all have one, is optional between the first and the last stage: who never comes to it goes on. "
        f"Empty: STARTED, the first {_MOST_OWN} steps of the flow, AWAITING_APPROVAL and COMPLETED.",
    )


class AssistantPart(FlowPart):
    """What the assistant may say."""

    role: Annotated[str, Field(min_length=1, max_length=1000)] = Field(
        "a friendly clerk who helps a person through an onboarding", description="Who it is, for the model; English."
    )
    says: Literal["freely", "questions"] = Field(
        "freely",
        description="freely: a model writes the replies. questions: only the questions of this file are said, and no "
        "model is asked for a reply.",
    )
    instruction: Annotated[str, Field(max_length=2000)] = Field(
        "", description="What the model is told besides, in English."
    )


class RecordPart(FlowPart):
    """The record that results. Its fields are those of the steps, in their order."""

    about: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        "an onboarding", description="What the record is about, for the model; English."
    )
    instruction: Annotated[str, Field(max_length=2000)] = Field(
        "", description="What the model is told besides, in English."
    )
    other_fields: bool = Field(
        False, description="Whether a model may add fields of declared words that the steps do not have."
    )


class FlowDefinition(FlowPart):
    """A flow. A session keeps the version with which it was opened."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="Vestibule flow")

    name: Name = Field(description="What apps and commands call it, a machine word.")
    version: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        description="Raise it when the file changes after sessions have used it."
    )
    languages: Annotated[list[Language], Field(min_length=1)] = Field(
        default=["en"], description="ISO 639-1 codes. A text without a language is in the first."
    )
    title: Text = Field(description="What people call it.")
    description: Text | None = Field(None, description="What it is for, one sentence.")
    facts: Annotated[list[Fact], Field(max_length=20)] = Field(default=[], description="What an app may give at start.")
    steps: Annotated[list[Step], Field(min_length=1, max_length=MAX_STEPS)] = Field(
        description="What a person does, in order."
    )
    checks: Annotated[list[Check], Field(max_length=50)] = Field(default=[], description="Rules for a record.")
    approval: Approval = Field(Approval(), description="Who must approve a record. By default one person.")
    assistant: AssistantPart = Field(AssistantPart(), description="What the assistant may say.")
    record: RecordPart = Field(RecordPart(), description="What a model is told of the record.")
    funnel: Funnel = Field(Funnel(), description="The stages of its funnel.")
    events: AppEvents = Field(
        {},
        description="Events that apps send in its sessions, with the kind of each value by its key, as in the file of "
        "`vestibule events declare`: number, boolean, time, code, text or a list of values.",
    )
    retention: RetentionPart = Field(RetentionPart(), description="How long what is stored is kept.")

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Self:
        problems = problems_of(self)
        if info.context is not None and FROM_FILE in info.context:
            problems += stages_never_counted(self)
        if len(self.fields) > MAX_FIELDS:
            problems.append(("steps", f"the flow has {len(self.fields)} fields, at most {MAX_FIELDS} are possible"))
        if problems:
            raise InconsistentFlow(problems)
        return self

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, changed. Pydantic would also copy what was derived from the values before, such as the digest."""
        copy = super().model_copy(update=update, deep=deep)
        for name, value in vars(FlowDefinition).items():
            if isinstance(value, cached_property):
                copy.__dict__.pop(name, None)
        return copy

    @cached_property
    def fields(self) -> dict[str, FieldDefinition]:
        """All fields by name, in the order of the steps."""
        return {field.name: field for step in self.steps for field in step.fields}

    @cached_property
    def declared_events(self) -> Declaration:
        """The events that it declares."""
        return declaration_of(self.events)

    @property
    def label(self) -> str:
        """Name and version, such as ``site_visit@1``."""
        return f"{self.name}@{self.version}"

    @cached_property
    def content(self) -> str:
        """The flow as canonical JSON, as the ledger keeps it."""
        content = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, hexadecimal."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    def language(self, asked: str) -> str:
        """The language of its texts for a person: the one asked for if the flow has it, else its first."""
        base = base_language(asked)
        return base if base in self.languages else self.languages[0]

    def step_of(self, field: str) -> Step:
        """The step that asks for a field.

        Raises:
            KeyError: There is no such field.
        """
        for step in self.steps:
            if any(each.name == field for each in step.fields):
                return step
        raise KeyError(field)

    def expected_words(self, language: str) -> list[str]:
        """Words to expect in speech in a language, in the order of the fields."""
        return [word for field in self.fields.values() for word in words_in(field.expect, language)]

    def sealed(self) -> Iterator[PersonalField]:
        """Fields whose values are sealed."""
        for field in self.fields.values():
            if isinstance(field, PersonalField) and field.seal_to is not None:
                yield field

    def stages(self) -> tuple[str, ...]:
        """The stages of its funnel in order: names of events, or stages of a session."""
        own = (step.event for step in self.steps[:_MOST_OWN])
        return tuple(self.funnel.stages) or (*_BEFORE_STEPS, *own, *_AFTER_STEPS)

    def optional_stages(self) -> tuple[str, ...]:
        """Those of them that a session may leave out, because their step does not come up in it."""
        conditional = {step.event for step in self.steps if step.conditional}
        return tuple(stage for stage in self.stages()[1:-1] if stage in conditional)


def pictures_of(steps: Iterable[Step]) -> frozenset[str]:
    """The kinds of pictures that answer these steps."""
    kinds: set[str] = set()
    for step in steps:
        kinds.update(step.pictures)
        for field in step.fields:
            kinds.update(field.pictures if isinstance(field, PhotoField) else ())
    return frozenset(kinds)
