"""The texts of the report, which are data: those of the package, and a file of the operator on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from models.errors import InvalidInput
from models.reasons import Reason
from models.strict_yaml import load_strictly, where_wrong
from server.funnel.features import timed_step

MOST_BYTES: Final = 256 * 1024

Stage = Literal["IN_PROGRESS", "AWAITING_APPROVAL", "COMPLETED", "other"]
Category = Literal["ux", "content", "performance", "complexity"]
Effort = Literal["low", "medium", "high"]
Line = Annotated[str, StringConstraints(min_length=3, max_length=120, strip_whitespace=True)]
Paragraph = Annotated[str, StringConstraints(min_length=3, max_length=1000, strip_whitespace=True)]


FeatureName = Annotated[str, StringConstraints(pattern=r"^(app\.)?[a-z][a-z0-9_]{0,63}$")]


_OTHER: Final = "other"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StepText(_Part):
    """What is said of a step whose drop-off nothing in the data explains.

    Attributes:
        categories: What such a drop-off points to, the most likely first.
        effort: Of the change.
        title: The change in one line.
        action: What to do.
    """

    categories: Annotated[tuple[Category, ...], Field(min_length=1, max_length=4)]
    effort: Effort
    title: Line
    action: Paragraph


class CauseText(_Part):
    """What is said where something goes with leaving. ``{condition}`` stands for the label with its value.

    Attributes:
        label: What the feature is called; empty for the key of a property.
        category: What it points to; None takes that of the step.
        effort: Of the change.
        title: The change in one line.
        action: What to do.
    """

    label: Annotated[str, StringConstraints(max_length=60, strip_whitespace=True)] = ""
    category: Category | None = None
    effort: Effort
    title: Line
    action: Paragraph


class ReportTexts(_Part):
    """All texts."""

    steps: Mapping[Stage, StepText]
    causes: Mapping[FeatureName, CauseText]

    def of_step(self, stage: str) -> StepText:
        """What is said of the way into a stage, or to any other step."""
        texts = {str(name): text for name, text in self.steps.items()}
        return texts.get(stage) or texts[_OTHER]

    def points_to(self, stage: str) -> tuple[Category, ...]:
        """What a drop-off on the way into a stage points to by rule; there is no rule for other steps."""
        text = self.of_step(stage)
        return () if text is self.of_step(_OTHER) else text.categories

    def of_cause(self, features: Sequence[str]) -> CauseText:
        """What is said of a feature, or of several together."""
        if len(features) > 1:
            return self.causes["together"]
        return self.causes.get(features[0]) or self.causes["time_to_step" if timed_step(features[0]) else "property"]


def load_texts(override: Path | None = None) -> ReportTexts:
    """Read the texts.

    Args:
        override: A file of the operator; each of its entries replaces that of the package.

    Raises:
        InvalidInput: REPORT_TEXTS_INVALID; the message names the places, never the values.
    """
    own = load_strictly(files(__package__).joinpath("texts.yaml").read_text(encoding="utf-8"))
    return _checked(own if override is None else _merged(own, _read(override)))


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _invalid(f"It has more than {MOST_BYTES // 1024} KiB.")
        return load_strictly(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise _invalid(f"It cannot be read ({exc.strerror}).") from exc
    except UnicodeDecodeError:
        raise _invalid("It is no UTF-8.") from None
    except yaml.YAMLError as exc:
        raise _invalid(f"It is no YAML{where_wrong(exc)}.") from None


def _merged(own: dict[str, Any], given: Any) -> dict[str, Any]:
    """The texts of the package, with each entry of the operator in place of the entry of the same name."""
    if given is None:
        return own
    if not isinstance(given, dict) or not all(isinstance(part, dict) for part in given.values()):
        raise _invalid("It must be a mapping of sections, each a mapping of names.")
    return own | {name: own.get(name, {}) | part for name, part in given.items()}


def _checked(document: dict[str, Any]) -> ReportTexts:
    try:
        return ReportTexts.model_validate(document)
    except ValidationError as error:
        places = sorted({".".join(map(str, found["loc"])) + f" ({found['type']})" for found in error.errors()})
        raise _invalid("Wrong: " + ", ".join(places[:10]) + ".") from None


def _invalid(problem: str) -> InvalidInput:
    return InvalidInput(
        f"The file of report texts is not usable. {problem}",
        reason=Reason.REPORT_TEXTS_INVALID,
        hint="Correct the file that VESTIBULE_FUNNEL_REPORT__TEXTS names; see docs/operating/funnel-report.md.",
    )
