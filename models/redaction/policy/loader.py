"""Reads policies from YAML. Error messages name paths in the file, never values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from models.errors import InvalidInput
from models.reasons import Reason
from models.redaction.entities import LABELS
from models.redaction.policy.custom_recognizers import CustomRecognizer, context_words, failed_examples
from models.redaction.policy.messages import problems
from models.redaction.policy.policy import STRICT, AllowList, Policies, RedactionPolicy
from models.redaction.spans.operators import MASKABLE, MAX_SHOWN, Operator, Treatment
from models.strict_yaml import load_strictly, where_wrong

MAX_FILE_BYTES: Final = 1024 * 1024

Label = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,20}(_[A-Z]{2,20}){0,2}$")]
Phrase = Annotated[str, StringConstraints(min_length=2, max_length=100, strip_whitespace=True)]
Example = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Score = Annotated[float, Field(gt=0.0, le=1.0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class MaskOption(_Part):
    """``{mask: 4}``: stars, then this many of the last characters."""

    mask: Annotated[int, Field(ge=0, le=MAX_SHOWN)]


class RecognizerPart(_Part):
    """A custom recognizer, with examples that it must and must not match. They are tried when the file is read."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    entity: Label
    patterns: Annotated[list[str], Field(min_length=1, max_length=20)]
    match: Annotated[list[Example], Field(min_length=1)]
    no_match: Annotated[list[Example], Field(min_length=1)]
    score: Score = 0.8
    checksum: Literal["none", "luhn", "verhoeff", "mod97", "mod11"] = "none"
    context: list[Phrase] = []
    ignore_case: bool = False

    def build(self) -> CustomRecognizer:
        """Compile the recognizer and try its examples.

        Raises:
            InvalidInput: POLICY_INVALID: a pattern is not usable, or an example fails.
        """
        built = CustomRecognizer(
            self.entity,
            self.name,
            tuple(self.patterns),
            self.score,
            context_words(list(self.context)),
            ignore_case=self.ignore_case,
            check=self.checksum,
        )
        wrong = failed_examples(built, self.match, self.no_match)
        if wrong:
            raise InvalidInput("An example is not met: " + ", ".join(wrong) + ".", reason=Reason.POLICY_INVALID)
        return built


class PolicyPart(_Part):
    """The rules of one client. Missing keys are taken from ``default``; lists are added to those of ``default``."""

    entities: list[Label] | None = None
    operators: dict[Label, Operator | MaskOption] = {}
    thresholds: dict[Label, Score] = {}
    allow: Annotated[list[Phrase], Field(max_length=2000)] = []
    recognizers: Annotated[list[RecognizerPart], Field(max_length=100)] = []

    @field_validator("operators", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        """Read operators from their names."""
        if not isinstance(value, dict):
            return value
        words = {operator.value: operator for operator in Operator}
        return {k: words.get(v, v) if isinstance(v, str) else v for k, v in value.items()}

    @field_validator("operators")
    @classmethod
    def _maskable(cls, value: dict[str, Operator | MaskOption]) -> dict[str, Operator | MaskOption]:
        for label, operator in value.items():
            if isinstance(operator, MaskOption) and operator.mask and label in LABELS - MASKABLE:
                raise ValueError(f"{label} can only be masked whole, with mask: 0")
        return value


class PolicyFile(_Part):
    """The whole file."""

    default: PolicyPart = PolicyPart()
    clients: dict[Annotated[str, StringConstraints(min_length=1, max_length=200)], PolicyPart] = {}

    @model_validator(mode="after")
    def _known_labels(self) -> PolicyFile:
        for name, part in [("default", self.default), *self.clients.items()]:
            own = {r.entity for r in (*self.default.recognizers, *part.recognizers)}
            used = {*(part.entities or ()), *part.operators, *part.thresholds}
            if unknown := sorted(used - LABELS - own):
                known = ", ".join(sorted(LABELS | own))
                raise ValueError(f"{name} names types that nothing finds: {', '.join(unknown)}; there are {known}")
        return self


def load_policies(path: Path | None) -> Policies:
    """Read and check a policy file; the strict defaults without one.

    Raises:
        InvalidInput: POLICY_INVALID, with every place that is wrong.
    """
    return STRICT if path is None else parse_policies(read_policy_text(path), str(path))


def read_policy_text(path: Path) -> str:
    """The text of a policy file.

    Raises:
        InvalidInput: POLICY_INVALID: it is not there, too large, or no UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise _invalid(f"The policy file {path} has more than {MAX_FILE_BYTES} bytes.")
        return content.decode("utf-8")
    except OSError as exc:
        raise _invalid(f"The policy file {path} cannot be read: {exc.strerror}.") from None
    except UnicodeDecodeError:
        raise _invalid(f"The policy file {path} cannot be read: it is not UTF-8.") from None


def parse_policies(text: str, file: str = "") -> Policies:
    """Policies from the text of a file; the strict defaults from an empty one.

    Args:
        text: YAML.
        file: Where it came from, for the message.

    Raises:
        InvalidInput: POLICY_INVALID, with every place that is wrong.
    """
    named = f"The policy file {file}".rstrip()
    try:
        content = load_strictly(text)
    except yaml.YAMLError as error:
        raise _invalid(f"{named} is no YAML{where_wrong(error)}.") from None
    try:
        whole = PolicyFile.model_validate({} if content is None else content)
        default = _policy(whole.default, "default", RedactionPolicy())
        clients = {name: _policy(part, f"clients.{name}", default) for name, part in whole.clients.items()}
    except ValidationError as error:
        raise _invalid(f"{named} does not fit: {problems(error, text, _OPTIONS)}.") from None
    except InvalidInput as error:
        raise _invalid(f"{named} does not fit: {error.message}") from None
    return Policies(default, clients)


_OPTIONS: Final = {"": [*PolicyFile.model_fields], "part": [*PolicyPart.model_fields]} | {
    "recognizer": [*RecognizerPart.model_fields]
}


def _policy(part: PolicyPart, path: str, base: RedactionPolicy) -> RedactionPolicy:
    built = []
    for recognizer in part.recognizers:
        try:
            built.append(recognizer.build())
        except InvalidInput as error:
            raise InvalidInput(f"{path}.recognizers.{recognizer.name}: {error.message}") from None
    operators = {label: _treatment(label, operator) for label, operator in part.operators.items()}
    return RedactionPolicy(
        entities=base.entities if part.entities is None else frozenset(part.entities),
        treatments={**base.treatments, **operators},
        thresholds={**base.thresholds, **part.thresholds},
        allow=AllowList((*base.allow.phrases, *part.allow)),
        recognizers=(*base.recognizers, *built),
    )


def _treatment(label: str, operator: Operator | MaskOption) -> Treatment:
    if isinstance(operator, MaskOption):
        return Treatment(Operator.MASK, operator.mask)
    maskable = label in MASKABLE or label not in LABELS
    return Treatment(operator, MAX_SHOWN if operator is Operator.MASK and maskable else 0)


def _invalid(message: str) -> InvalidInput:
    return InvalidInput(message, reason=Reason.POLICY_INVALID, hint="Correct the file and start again.")
