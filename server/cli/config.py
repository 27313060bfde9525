"""The settings as the CLI loads them: from the environment, with options of the command line on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from server.settings import Settings


def load_settings(overrides: dict[str, Any] | None = None) -> Settings:
    """Read the settings once.

    Args:
        overrides: Nested values that win over the environment, as ``nest`` builds them.

    Raises:
        click.UsageError: A value does not fit; the value itself is not repeated, it may be a secret.
    """
    from pydantic import ValidationError

    from server.settings import Settings

    try:
        return Settings(**(overrides or {}))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        lines = [f"{_variable(e['loc'])}: {e['msg']}{_reason(e['type'])}" for e in found]
        raise click.UsageError("A setting does not fit.\n  " + "\n  ".join(lines)) from None


def nest(assignments: tuple[str, ...]) -> dict[str, Any]:
    """Turn ``("quack.port=0", "log_level=debug")`` into nested keyword arguments of Settings.

    Raises:
        click.UsageError: One has no ``=``, or names no setting.
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
    """Kinds of error that are ours are reasons of docs/reference/errors.md; pydantic's are in small letters."""
    return f" [{kind}]" if kind.isupper() else ""


def _variable(location: tuple[int | str, ...]) -> str:
    return "VESTIBULE_" + "__".join(str(part) for part in location).upper()
