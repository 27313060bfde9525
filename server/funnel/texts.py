"""The texts of advice, which are data: those of the package in each language, and a file of the operator on top.

``texts.yaml`` has everything in English. ``texts.de.yaml`` and ``texts.es.yaml`` have the same texts in other languages
and nothing else; they are compared when they are read. A text of the operator's file is one for all languages, or one
for each: ``{en: ..., de: ...}``. A language without one takes the English one, or else the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from models.errors import InvalidInput
from models.reasons import Reason
from models.strict_yaml import load_strictly, where_wrong
from server.funnel.features import timed_step
from server.languages.texts import LANGUAGES, PLACE

MOST_BYTES: Final = 256 * 1024

Stage = Literal["IN_PROGRESS", "AWAITING_APPROVAL", "COMPLETED", "other"]
Category = Literal["ux", "content", "performance", "complexity"]
Effort = Literal["low", "medium", "high"]
Language = Literal["en", "de", "es"]
Word = Annotated[str, StringConstraints(min_length=1, max_length=40, strip_whitespace=True)]
Line = Annotated[str, StringConstraints(min_length=3, max_length=120, strip_whitespace=True)]
Paragraph = Annotated[str, StringConstraints(min_length=3, max_length=1000, strip_whitespace=True)]


FeatureName = Annotated[str, StringConstraints(pattern=r"^(app\.)?[a-z][a-z0-9_]{0,63}$")]


_CONDITION: Final = "{condition}"
_OTHER: Final = "other"
_TRANSLATED: Final = ("steps", "causes")
_TEXT_KEYS: Final = frozenset({"label", "title", "action"})


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
    """All texts in one language.

    Attributes:
        words: Words of conditions, by the English one.
    """

    language: Language = "en"
    steps: Mapping[Stage, StepText]
    causes: Mapping[FeatureName, CauseText]
    words: Mapping[str, Word] = {}

    def of_step(self, stage: str) -> StepText:
        """What is said of the way into a stage, or to any other step."""
        texts = {str(name): text for name, text in self.steps.items()}
        return texts.get(stage) or texts[_OTHER]

    def points_to(self, stage: str) -> tuple[Category, ...]:
        """What a drop-off on the way into a stage points to by rule; there is no rule for other steps."""
        text = self.of_step(stage)
        return () if text is self.of_step(_OTHER) else text.categories

    def of_cause(self, features: Sequence[str], *, opposite: bool = False) -> CauseText:
        """What is said of a feature, or of several together.

        Args:
            features: Their names.
            opposite: Whether it is that a thing did not happen. A text that names no condition is about the thing.
        """
        if len(features) > 1:
            return self.causes["together"]
        if opposite and _CONDITION not in self.of_cause(features).title:
            return self.causes["property"]
        return self.causes.get(features[0]) or self.causes["time_to_step" if timed_step(features[0]) else "property"]

    def word(self, english: str) -> str:
        """A word of a condition in this language."""
        return self.words.get(english, english)


def load_texts(override: Path | None = None, language: str = LANGUAGES[0]) -> ReportTexts:
    """Read the texts in one language of ``LANGUAGES``.

    Args:
        override: A file of the operator; each of its entries replaces that of the package.
        language: ISO 639-1 code.

    Raises:
        InvalidInput: REPORT_TEXTS_INVALID; the message names the places, never the values.
    """
    return _load(None if override is None else _read(override), language)


def load_all_texts(override: Path | None = None) -> dict[str, ReportTexts]:
    """The same in each language.

    Raises:
        InvalidInput: REPORT_TEXTS_INVALID.
    """
    given = None if override is None else _read(override)
    return {language: _load(given, language) for language in LANGUAGES}


def _load(given: Any, language: str) -> ReportTexts:
    document = _merged(_of_package(language), _in_language(given, language))
    return _checked(document | {"language": language})


@cache
def _of_package(language: str) -> dict[str, Any]:
    own: dict[str, Any] = _package_file("texts.yaml")
    if language == LANGUAGES[0]:
        return own
    translated: dict[str, Any] = _package_file(f"texts.{language}.yaml")
    different = sorted(set(_shape(own)) ^ set(_shape(translated)))
    if different:
        raise _invalid(f"texts.{language}.yaml and texts.yaml differ in {', '.join(different[:10])}.")
    parts = {
        section: {name: entry | translated[section][name] for name, entry in own[section].items()}
        for section in _TRANSLATED
    }
    return parts | {"words": translated["words"]}


def _package_file(name: str) -> Any:
    return load_strictly(files(__package__).joinpath(name).read_text(encoding="utf-8"))


def _shape(document: Mapping[str, Any]) -> Iterator[str]:
    """The place of each text, with what it fills in: two languages must have the same."""
    for section in _TRANSLATED:
        for name, entry in document[section].items():
            for key in _TEXT_KEYS & entry.keys():
                yield f"{section}.{name}.{key} {' '.join(sorted(PLACE.findall(entry[key])))}".strip()


def _in_language(given: Any, language: str) -> Any:
    """A file of the operator with one text in the place of those for each language."""
    if not isinstance(given, dict):
        return given
    if given and given.keys() <= set(LANGUAGES) and all(isinstance(text, str) for text in given.values()):
        return given.get(language) or given.get(LANGUAGES[0]) or next(iter(given.values()))
    return {name: _in_language(part, language) for name, part in given.items()}


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
