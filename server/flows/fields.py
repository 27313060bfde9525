"""Fields of a flow: what can be asked for, and what a value of each kind may be."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import date, time
from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from models import kept_values
from models.redaction.entities import LABELS
from server.flows.code_format import problem_of_format
from server.flows.conditions import Condition, FlowPart, Name, as_number
from server.flows.extraction import unit_in
from server.flows.texts import Text, Words, text_in

MediaKind = Literal["visitor_register", "meter", "document", "site"]
"""Kinds of pictures, as ``vestibule.v1.MediaKind`` has them."""

LONGEST_VALUE: Final = 2000
"""Characters of a value, as in ``RecordField``."""

LONGEST_CODE: Final = 64

ASKED_BY_NAME: Final = frozenset({"PHONE", "EMAIL", "NAME", "DOB", "ADDRESS", "SECRET"})
"""Entity types that the redactor knows questions for; each other one is a number or code of a person: ``ID``."""

NUMBER_FORM: Final = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,6})?")
"""A number as a record has it. A comma stands in none, because 1,000 may be 1 or 1000."""

Keep = kept_values.Keep


class _Field(FlowPart):
    name: Name = Field(description="A machine word, the name of the field in the record.")
    label: Text | None = Field(None, description="What people call it. Empty: the name, with spaces.")
    ask: Text = Field(description="The question, one sentence.")
    why: Text | None = Field(None, description="Why it is asked, one sentence.")
    example: Text | None = Field(None, description="An example of an answer.")
    required: bool = Field(True, description="Whether a record without it is incomplete.")
    when: Condition | None = Field(None, description="Only asked if this holds.")
    expect: Words = Field(
        default=[], description="Words to expect in speech, such as names of sites. No names of people."
    )

    def label_in(self, language: str) -> str:
        """What people call it."""
        return self.name.replace("_", " ") if self.label is None else text_in(self.label, language)

    def problem(self, value: str) -> str:
        """Why a value does not fit, as a clause without the value; empty where it fits."""
        return "" if 0 < len(value) <= LONGEST_VALUE else f"must have 1 to {LONGEST_VALUE} characters"

    def equal(self, one: str, other: str) -> bool:
        """Whether two values say the same."""
        return one.strip().casefold() == other.strip().casefold()

    @property
    def expected(self) -> str:
        """What a value looks like, for a model."""
        return "text"


class TextField(_Field):
    """Free text, redacted."""

    kind: Literal["text"]
    reader: Literal["site_name"] | None = Field(
        None, description="A rule that finds it in what was said before it was asked for."
    )


class NumberField(_Field):
    """A number, with a unit and bounds."""

    kind: Literal["number"]
    unit: Annotated[str, Field(max_length=16)] = Field("", description="Its unit, as the record writes it: km, %, kWh.")
    unit_words: Words = Field(default=[], description="Words for the unit in speech, such as kilometres.")
    minimum: float | None = Field(None, description="Smallest value.")
    maximum: float | None = Field(None, description="Largest value.")
    decimals: Annotated[int, Field(ge=0, le=6)] = Field(6, description="Most digits after the point.")
    reader: Literal["meter", "register_rows"] | None = Field(
        None,
        description="meter: in pictures it is read in those of the kind meter alone. In m3, in kWh and without a unit "
        "it is read as meters for water, gas and power print it, in any other unit as the number beside the "
        "unit. register_rows: the rows of visitor registers are counted.",
    )

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum must not be above maximum")
        return self

    @property
    def rule(self) -> Literal["meter", "register_rows"] | None:
        """The rule of its own that reads it; None where it is read as any number, which a meter in km is, too."""
        other_unit = self.reader == "meter" and self.unit and not unit_in(self.unit)
        return None if other_unit else self.reader

    def problem(self, value: str) -> str:
        """Why a value does not fit; empty where it fits."""
        number = as_number(value)
        if number is None or not NUMBER_FORM.fullmatch(value):
            return f"must be a number{' without commas; decimals come after a point' if ',' in value else ''}"
        if self.minimum is not None and number < Decimal(str(self.minimum)):
            return f"must be at least {self.minimum:.15g}"
        if self.maximum is not None and number > Decimal(str(self.maximum)):
            return f"must be at most {self.maximum:.15g}"
        if len(value.partition(".")[2]) > self.decimals:
            return f"must have at most {self.decimals} digits after the point" if self.decimals else "must be whole"
        return ""

    def equal(self, one: str, other: str) -> bool:
        """Whether two values are the same number."""
        number = as_number(one)
        return super().equal(one, other) if number is None else number == as_number(other)

    @property
    def expected(self) -> str:
        """What a value looks like, for a model."""
        bounds = [
            *([f"at least {self.minimum:.15g}"] if self.minimum is not None else []),
            *([f"at most {self.maximum:.15g}"] if self.maximum is not None else []),
            *([f"in {self.unit}"] if self.unit else []),
        ]
        return ", ".join(["a number in digits, decimals after a point", *bounds])


class Option(FlowPart):
    """One of the values of a choice."""

    value: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,47}$", description="As the record has it.")]
    label: Text | None = Field(None, description="What people call it. Empty: the value, with spaces.")
    words: Words = Field(default=[], description="Other words for it in speech.")

    def label_in(self, language: str) -> str:
        """What people call it."""
        return self.value.replace("_", " ") if self.label is None else text_in(self.label, language)


class ChoiceField(_Field):
    """One of several values."""

    kind: Literal["choice"]
    options: Annotated[list[Option], Field(min_length=2, max_length=50)] = Field(description="Its values, in order.")

    @field_validator("options")
    @classmethod
    def _values_differ(cls, options: list[Option]) -> list[Option]:
        if len({option.value for option in options}) < len(options):
            raise ValueError("two options have the same value")
        return options

    @property
    def values(self) -> tuple[str, ...]:
        """The values that it may have."""
        return tuple(option.value for option in self.options)

    def problem(self, value: str) -> str:
        """Why a value does not fit; empty where it fits."""
        return "" if value in self.values else f"must be one of {', '.join(self.values)}"

    @property
    def expected(self) -> str:
        """What a value looks like, for a model."""
        return f"one of {', '.join(self.values)}"


class YesNoField(_Field):
    """Yes or no."""

    kind: Literal["yes_no"]

    def problem(self, value: str) -> str:
        """Why a value does not fit; empty where it fits."""
        return "" if value in ("yes", "no") else "must be yes or no"

    @property
    def expected(self) -> str:
        """What a value looks like, for a model."""
        return "yes or no"


class DateField(_Field):
    """A day. A date of birth is personal: use the kind ``personal`` with the entity DOB."""

    kind: Literal["date"]

    def problem(self, value: str) -> str:
        """Why a value does not fit; empty where it fits."""
        return "" if fits(date.fromisoformat, value, 10) else "must be a date such as 2026-11-28"

    @property
    def expected(self) -> str:
        """What a value looks like, for a model."""
        return "a date such as 2026-11-28"


class TimeField(_Field):
    """A time of day."""

    kind: Literal["time"]

    def problem(self, value: str) -> str:
        """Why a value does not fit; empty where it fits."""
        return "" if fits(time.fromisoformat, value, 5) else "must be a time such as 14:30"

    @property
    def expected(self) -> str:
        """What a value looks like, for a model."""
        return "a time such as 14:30"


class CodeField(_Field):
    """A code of a thing, such as a serial number. Codes of people are personal."""

    kind: Literal["code"]
    format: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="Regular expression for the whole code, in capitals, such as [A-Z]{2}-[0-9]{4}. It has a greatest "
        "length, asks for a digit and has no flags. Codes with fixed letters, such as MV-, are always readable."
    )

    @field_validator("format")
    @classmethod
    def _is_a_bounded_pattern(cls, pattern: str) -> str:
        if problem := problem_of_format(pattern, LONGEST_CODE):
            raise ValueError(problem)
        return pattern

    def problem(self, value: str) -> str:
        """Why a value does not fit; empty where it fits."""
        fits = len(value) <= LONGEST_CODE and re.fullmatch(self.format, value)
        return "" if fits else "must have the format of the code"

    @property
    def expected(self) -> str:
        """What a value looks like, for a model."""
        return f"a code that fits the regular expression {self.format}"


class PersonalField(_Field):
    """A personal value. It is found by the redactor, and kept as ``keep`` says."""

    kind: Literal["personal"]
    entities: Annotated[list[str], Field(min_length=1, max_length=10)] = Field(
        description="Entity types of which one is the answer, such as [PHONE, EMAIL]; docs/reference/entities.md."
    )
    keep: Keep = Field(
        Keep.GIVEN,
        description="given (that it was given), tag, hash (equal for equal values of one session), or sealed.",
    )
    seal_to: Name | None = Field(None, description="For sealed: the name of a public key in the settings.")
    from_pictures: bool = Field(
        False, description="Whether it may come from a picture. Registers hold other people's values."
    )

    @field_validator("entities")
    @classmethod
    def _are_entities(cls, entities: list[str]) -> list[str]:
        if unknown := sorted(set(entities) - LABELS):
            raise ValueError(f"no such entity: {', '.join(unknown)}; docs/reference/entities.md lists them")
        return entities

    @model_validator(mode="after")
    def _has_a_key_if_sealed(self) -> Self:
        if (self.keep is Keep.SEALED) != (self.seal_to is not None):
            raise ValueError("keep: sealed needs seal_to, and nothing else has it")
        return self

    @property
    def accepted(self) -> tuple[str, ...]:
        """The entity types that answer the question for it: its own; and ``ID`` where it asks for a number of a person
        or a plate, because asked for such a number the redactor may find no closer type.
        """
        numbers = any(entity not in ASKED_BY_NAME for entity in self.entities)
        return tuple(dict.fromkeys((*self.entities, *(("ID",) if numbers else ()))))

    def may_be_in(self, picture: str, kinds: Collection[str]) -> bool:
        """Whether a picture may have the value.

        Args:
            picture: Its kind; empty where none was declared.
            kinds: Those of the field's step; empty allows all.
        """
        return self.from_pictures and (not picture or not kinds or picture in kinds)

    @property
    def expected(self) -> str:
        """What a value looks like, for a model."""
        return "yes, when a tag shows that it was given"


class PhotoField(_Field):
    """Photographs. The value is their number; what they show is not known."""

    kind: Literal["photo"]
    pictures: Annotated[list[MediaKind], Field(min_length=1)] = Field(
        description="Kinds of pictures that count. A picture counts for one field: the first that lacks one."
    )
    least: Annotated[int, Field(ge=1, le=50)] = Field(
        1, description="How many are needed. The same file sent twice counts once."
    )

    def problem(self, value: str) -> str:
        """Why a value does not fit; empty where it fits."""
        return "" if value.isdecimal() and int(value) >= self.least else f"needs at least {self.least} photographs"

    @property
    def expected(self) -> str:
        """What a value looks like, for a model."""
        return "the number of photographs"


FieldDefinition = Annotated[
    TextField | NumberField | ChoiceField | YesNoField | DateField | TimeField | CodeField | PersonalField | PhotoField,
    Field(discriminator="kind"),
]


def fits(parse: Callable[[str], object], value: str, length: int) -> bool:
    """Whether a value of this length can be parsed."""
    try:
        parse(value)
    except ValueError:
        return False
    return len(value) == length
