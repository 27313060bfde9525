"""Conditions of a flow: when a step comes, when a check holds, when nobody has to approve.

A condition compares one field with a value or with another field, or joins conditions. It is data, not a language: an
editor checks it against the JSON Schema, and nothing is evaluated as code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
"""A machine word."""

Values = Mapping[str, str]
"""What is known: names of fields and facts, and their values as the record has them. An unknown one is left out."""


class FlowPart(BaseModel):
    """A part of a flow file. Unknown keys are refused, and nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OtherField(FlowPart):
    """The value of another field or fact, with something added to a number."""

    field: Name = Field(description="Name of the field or fact.")
    plus: float = Field(0.0, description="Added to its number; may be negative.")


Operand = bool | float | str | OtherField
"""Pydantic takes the first that fits: ``yes`` and ``true`` of YAML are booleans and mean the value ``yes``."""

_JOINS: Final = ("all", "any", "not_")
_COMPARISONS: Final = ("is_", "in_", "given", "at_least", "at_most", "above", "below")


class Condition(FlowPart):
    """Exactly one of ``all``, ``any``, ``not``, or a ``field`` with exactly one comparison.

    A comparison with a field that is not known does not hold, whatever it compares, except ``given: false``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    all: list[Condition] | None = Field(None, min_length=1, description="Each of them holds.")
    any: list[Condition] | None = Field(None, min_length=1, description="At least one of them holds.")
    not_: Condition | None = Field(None, alias="not", description="It does not hold.")
    field: Name | None = Field(None, description="Name of a field or a fact.")
    is_: Operand | None = Field(None, alias="is", description="Its value is this one. Numbers are compared as numbers.")
    in_: list[bool | float | str] | None = Field(None, alias="in", min_length=1, description="It is one of these.")
    given: bool | None = Field(None, description="Whether it is known.")
    at_least: Operand | None = Field(None, description="Its number, date or time is this one or larger.")
    at_most: Operand | None = Field(None, description="Its number, date or time is this one or smaller.")
    above: Operand | None = Field(None, description="Its number, date or time is larger.")
    below: Operand | None = Field(None, description="Its number, date or time is smaller.")

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        joins = [name for name in _JOINS if getattr(self, name) is not None]
        compared = [name for name in _COMPARISONS if getattr(self, name) is not None]
        if len(joins) + (self.field is not None) != 1 or len(compared) != (self.field is not None):
            raise ValueError(
                "needs exactly one of all, any and not, or a field with exactly one of is, in, given, at_least, "
                "at_most, above and below"
            )
        return self

    def holds(self, values: Values) -> bool:
        """Whether it holds for what is known."""
        if self.all is not None:
            return all(each.holds(values) for each in self.all)
        if self.any is not None:
            return any(each.holds(values) for each in self.any)
        if self.not_ is not None:
            return not self.not_.holds(values)
        return self._compare(values)

    def truth(self, values: Values) -> bool | None:
        """Whether it holds; None where that depends on what is not known. ``given`` never does."""
        if self.not_ is not None:
            denied = self.not_.truth(values)
            return None if denied is None else not denied
        if self.all is not None or self.any is not None:
            settles = self.any is not None  # one that holds settles any, one that does not settles all
            truths = {each.truth(values) for each in self.all or self.any or ()}
            return settles if settles in truths else None if None in truths else not settles
        known = self.given is not None or self.names() <= values.keys()
        return self._compare(values) if known else None

    def names(self) -> set[str]:
        """The fields and facts that it names."""
        own = {each.field for each in self.parts() if each.field is not None}
        operands = (operand for each in self.parts() for operand in each.operands())
        return own | {operand.field for operand in operands if isinstance(operand, OtherField)}

    def given_names(self, *, denied: bool = False) -> set[str]:
        """The fields and facts that are to be given.

        Args:
            denied: Whether it stands in a ``not``, which forbids what is given and wants what is not.
        """
        if self.not_ is not None:
            return self.not_.given_names(denied=not denied)
        own = {self.field} if self.field is not None and self.given is (not denied) else set()
        return own.union(*(part.given_names(denied=denied) for part in (*(self.all or ()), *(self.any or ()))))

    def parts(self) -> Iterator[Condition]:
        """This condition and all within it."""
        yield self
        for part in (*(self.all or ()), *(self.any or ()), *((self.not_,) if self.not_ else ())):
            yield from part.parts()

    def operands(self) -> list[Any]:
        """What this condition itself compares its field with."""
        single = (self.is_, self.at_least, self.at_most, self.above, self.below)
        return [*(each for each in single if each is not None), *(self.in_ or ())]

    @property
    def orders(self) -> bool:
        """Whether it asks which of two is larger."""
        return any(each is not None for each in (self.at_least, self.at_most, self.above, self.below))

    def _compare(self, values: Values) -> bool:
        own = values.get(self.field or "")
        if self.given is not None:
            return (own is not None) == self.given
        if own is not None and self.in_ is not None:
            return any(_equal(own, written(each)) for each in self.in_)
        other = _resolved(self.operands()[0], values)
        if own is None or other is None:
            return False
        return _equal(own, other) if self.is_ is not None else self._in_order(own, other)

    def _in_order(self, own: str, other: str) -> bool:
        order = _order(own, other)
        if order is None:
            return False
        return (
            (self.at_least is not None and order >= 0)
            or (self.at_most is not None and order <= 0)
            or (self.above is not None and order > 0)
            or (self.below is not None and order < 0)
        )


def as_number(value: str) -> Decimal | None:
    """The number that a value of a record is; None for any other.

    Nothing with a comma is a number: it may begin the decimals, or group the digits of 1,000.
    """
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _resolved(operand: Operand, values: Values) -> str | None:
    if not isinstance(operand, OtherField):
        return written(operand)
    value = values.get(operand.field)
    if value is None or not operand.plus:
        return value
    number = as_number(value)
    return None if number is None else str(number + Decimal(str(operand.plus)))


def written(value: bool | float | str) -> str:
    """A value of the file as the record writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.15g}" if isinstance(value, float) else value


def _equal(own: str, other: str) -> bool:
    one, two = as_number(own), as_number(other)
    if one is not None and two is not None:
        return one == two
    return own.strip().casefold() == other.strip().casefold()


def _order(own: str, other: str) -> int | None:
    """-1, 0 or 1; None where the two cannot be ordered. Dates and times are ISO 8601, so their text orders them."""
    one, two = as_number(own), as_number(other)
    if one is not None and two is not None:
        return (one > two) - (one < two)
    if one is None and two is None:
        return (own > other) - (own < other)
    return None
