"""What is wrong in a flow file, as tests compare it."""

from __future__ import annotations

from models.errors import FieldViolation


def told_of(violation: FieldViolation) -> str:
    """The place without its line, and what is wrong."""
    return f"{violation.field.split(' (line ')[0]}: {violation.description}"
