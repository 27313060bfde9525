"""Loads the settings from the environment, overridden by options of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from server.settings import Settings


def load_settings(overrides: dict[str, Any] | None = None) -> Settings:
    """Read the settings.

    Args:
        overrides: Nested values that override the environment, as built by ``nest``.

    Raises:
        click.UsageError: A value is invalid. The value is not repeated, because it may be a secret.
    """
    from pydantic import ValidationError

    from server.settings import Settings

    try:
        return Settings(**(overrides or {}))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        lines = [f"{_variable(e['loc'])}: {e['msg']}{_reason(e['type'])}" for e in found]
        raise click.UsageError("A setting is invalid.\n  " + "\n  ".join(lines)) from None


def nest(assignments: tuple[str, ...]) -> dict[str, Any]:
    """Turn ``("quack.port=0", "log_level=debug")`` into nested keyword arguments of Settings.

    Raises:
        click.UsageError: One has no ``=``, or does not name a setting.
    """
    nested: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not _is_setting(name):
            raise click.UsageError(f"--set wants NAME=VALUE with a name from docs/reference/settings.md, not '{name}'.")
        group, dot, field = name.partition(".")
        if dot:
            nested.setdefault(group, {})[field] = value
        else:
            nested[group] = value
    return nested


def _is_setting(name: str) -> bool:
    from pydantic import BaseModel

    from server.settings import Settings

    group, dot, rest = name.partition(".")
    field = Settings.model_fields.get(group)
    if field is None:
        return False
    inner = field.annotation
    grouped = isinstance(inner, type) and issubclass(inner, BaseModel)
    return grouped and rest in inner.model_fields if dot else not grouped  # type: ignore[union-attr]


def _reason(kind: str) -> str:
    """The reason, if the kind of error is one of docs/reference/errors.md; pydantic's kinds are in lower case."""
    return f" [{kind}]" if kind.isupper() else ""


def _variable(location: tuple[int | str, ...]) -> str:
    return "VESTIBULE_" + "__".join(str(part) for part in location).upper()
