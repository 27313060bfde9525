"""Reads experiments from YAML. Error messages name paths in the file, never values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Annotated, Final

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from models.errors import InvalidInput, NotFound
from models.reasons import Reason
from models.strict_yaml import load_strictly, where_wrong
from models.text import RedactedText
from server.experiments.catalogue import NO_EXPERIMENTS, Experiments
from server.experiments.types import Changes, Experiment, Tolerances, Variant
from server.flows.catalogue import Flows

MAX_FILE_BYTES: Final = 1024 * 1024

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
"""A machine word. Two of them and a dot are the variant of a session, which has at most 64 characters."""
Client = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:@/-]{1,200}$")]


def _no_number(given: object) -> object:
    """The value as it is. Pydantic would take 5 for five seconds after the start of 1970."""
    if isinstance(given, int | float):
        raise ValueError("must be a date or a time, such as 2026-12-01")
    return given


Time = Annotated[
    datetime,
    BeforeValidator(_no_number),
    AfterValidator(lambda given: given if given.tzinfo else given.replace(tzinfo=UTC)),
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VariantPart(_Part):
    """One variant."""

    weight: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)] = 1.0
    end_silence_s: Annotated[float, Field(ge=0.2, le=3.0)] | None = None
    reply_instruction: (
        Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)] | None
    ) = None

    flow_version: Annotated[int, Field(ge=1, le=1_000_000)] | None = None

    def build(self, name: str) -> Variant:
        """The variant of this name."""
        told = self.reply_instruction
        instruction = None if told is None else RedactedText.literal(told)
        return Variant(name, self.weight, Changes(self.end_silence_s, instruction, self.flow_version or 0))


class GuardrailPart(_Part):
    """How much worse than the control a variant may be; see ``Tolerances``."""

    unsafe_texts: Annotated[float, Field(ge=0, le=1)] = Tolerances().unsafe_texts
    final_delay_s: Annotated[float, Field(ge=0, le=60)] = Tolerances().final_delay_s
    failed_uploads: Annotated[float, Field(ge=0, le=1)] = Tolerances().failed_uploads


class ExperimentPart(_Part):
    """One experiment."""

    start: Time
    end: Time | None = None
    clients: Annotated[list[Client], Field(max_length=1000)] = []
    planned_sessions: Annotated[int, Field(ge=200, le=100_000_000)] = 5000
    counts_after_hours: Annotated[float, Field(gt=0, le=24 * 90)] = 24.0
    guardrails: GuardrailPart = GuardrailPart()
    words_checked: bool = False
    flow: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")] = ""
    variants: Annotated[dict[Name, VariantPart], Field(min_length=2, max_length=10)]

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> ExperimentPart:
        if self.end is not None and self.end <= self.start:
            raise ValueError("end must be after start")
        return self

    @model_validator(mode="after")
    def _names_the_flow_of_its_versions(self) -> ExperimentPart:
        if any(part.flow_version for part in self.variants.values()) and not self.flow:
            raise ValueError("flow must name the flow whose versions are compared")
        return self

    def build(self, name: str) -> Experiment:
        """The experiment of this name."""
        return Experiment(
            name=name,
            variants=tuple(part.build(variant) for variant, part in self.variants.items()),
            start=self.start,
            end=self.end,
            clients=frozenset(self.clients),
            planned_sessions=self.planned_sessions,
            counts_after_s=self.counts_after_hours * 3600,
            tolerances=Tolerances(**self.guardrails.model_dump()),
            flow=self.flow,
            words_checked=self.words_checked,
        )


class ExperimentsFile(_Part):
    """The whole file."""

    experiments: Annotated[dict[Name, ExperimentPart], Field(max_length=100)] = {}


def load_experiments(path: Path | None, idle_session_s: float = 0.0) -> Experiments:
    """Read and check the experiments; none without a file.

    Args:
        path: Of the file.
        idle_session_s: After which a session is abandoned; no session may count before.

    Raises:
        InvalidInput: EXPERIMENTS_INVALID, with every place that is wrong.
    """
    if path is None:
        return NO_EXPERIMENTS
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise _invalid(f"The file of experiments {path} has more than {MAX_FILE_BYTES} bytes.")
        return parse_experiments(content.decode("utf-8"), str(path), idle_session_s)
    except OSError as exc:
        raise _invalid(f"The file of experiments {path} cannot be read: {exc.strerror}.") from None
    except UnicodeDecodeError:
        raise _invalid(f"The file of experiments {path} cannot be read: it is not UTF-8.") from None


def parse_experiments(text: str, file: str = "", idle_session_s: float = 0.0) -> Experiments:
    """Experiments from the text of a file.

    Args:
        text: YAML.
        file: Where it came from, for the message.
        idle_session_s: See ``load_experiments``.

    Raises:
        InvalidInput: EXPERIMENTS_INVALID, with every place that is wrong.
    """
    named = f"The file of experiments {file}".rstrip()
    try:
        content = load_strictly(text)
    except yaml.YAMLError as error:
        raise _invalid(f"{named} is no YAML{where_wrong(error)}.") from None
    try:
        whole = ExperimentsFile.model_validate({} if content is None else content)
    except ValidationError as error:
        raise _invalid(f"{named} does not fit: {_problems(error)}.") from None
    built = [part.build(name) for name, part in whole.experiments.items()]
    if wrong := [*_too_early(built, idle_session_s), *_overlaps(built)]:
        raise _invalid(f"{named} does not fit: {'; '.join(wrong)}.")
    return Experiments(*built)


def _too_early(built: list[Experiment], idle_session_s: float) -> list[str]:
    return [
        f"experiments.{each.name}.counts_after_hours must be more than VESTIBULE_IDLE_SESSION_S"
        for each in built
        if each.counts_after_s <= idle_session_s
    ]


def _overlaps(built: list[Experiment]) -> list[str]:
    return [
        f"experiments.{one.name} and experiments.{other.name} have clients in common at the same time"
        for one, other in combinations(built, 2)
        if one.overlaps(other)
    ]


def _problems(error: ValidationError) -> str:
    """Every problem with its place. The messages of pydantic hold no value."""
    told = []
    for found in error.errors(include_input=False, include_url=False):
        place = ".".join(str(part) for part in found["loc"] if part != "[key]")
        said = str(found["ctx"]["error"]) if found["type"] == "value_error" else found["msg"]
        told.append(f"{place}: {said[:1].lower()}{said[1:]}" if place else said)
    return "; ".join(told)


def check_flow_versions(experiments: Iterable[Experiment], flows: Flows) -> None:
    """Make sure that each version of a flow that a variant names is in a file, so that no session fails for it.

    Raises:
        InvalidInput: EXPERIMENTS_INVALID.
    """
    for experiment in experiments:
        for variant in experiment.variants:
            flow, version = experiment.flow, variant.changes.flow_version
            if not flow:
                continue
            try:
                flows.choose(flow, version)
            except NotFound:
                label = f"{flow}@{version}" if version else flow
                raise _invalid(f"experiments.{experiment.name} names the flow {label}, which is in no file.") from None


def _invalid(message: str) -> InvalidInput:
    return InvalidInput(message, reason=Reason.EXPERIMENTS_INVALID, hint="Correct the file and start again.")
