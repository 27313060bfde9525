"""Loads the settings from the environment, overridden by options of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import click

from models.reasons import Reason

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

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
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise click.UsageError(
            f"A file in the folder of VESTIBULE_SECRETS_DIR cannot be read: {why}. [{Reason.SECRETS_UNREADABLE}]"
        ) from None
    except ValueError as error:  # of pydantic-settings, which names the setting or the folder, and no value
        raise click.UsageError(f"A setting is invalid.\n  {error}") from None


def nest(assignments: tuple[str, ...]) -> dict[str, Any]:
    """Turn ``("retry.network.attempts=3", "log_level=debug")`` into nested keyword arguments of Settings.

    Raises:
        click.UsageError: One has no ``=``, does not name a setting, or gives a secret.
    """
    from pydantic import SecretStr

    nested: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        setting = _setting(name)
        if not equals or setting is None:
            raise click.UsageError(f"--set wants NAME=VALUE with a name from docs/reference/settings.md, not '{name}'.")
        if SecretStr in (setting.annotation, *get_args(setting.annotation)) and value:
            variable = _variable(tuple(name.split(".")))
            raise click.UsageError(
                f"A secret does not belong on the command line, where every user of this machine sees it. "
                f"Set {variable}, or write a file of this name into VESTIBULE_SECRETS_DIR. "
                f"[{Reason.SECRET_ON_COMMAND_LINE}]"
            )
        *groups, last = name.split(".")
        inner = nested
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[last] = value
    return nested


def _setting(name: str) -> FieldInfo | None:
    """The setting of a name such as ``quack.port``; None where there is none, and for a whole group."""
    from server.settings import Settings

    *groups, last = name.split(".")
    inside: type[BaseModel] | None = Settings
    for group in groups:
        inside = _group(inside.model_fields.get(group)) if inside else None
    field = inside.model_fields.get(last) if inside else None
    return field if _group(field) is None else None


def _group(field: FieldInfo | None) -> type[BaseModel] | None:
    """The settings in a group of them; None for a single setting."""
    from pydantic import BaseModel

    kind = field.annotation if field else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _reason(kind: str) -> str:
    """The reason, if the kind of error is one of docs/reference/errors.md; pydantic's kinds are in lower case."""
    return f" [{kind}]" if kind.isupper() else ""


def _variable(location: tuple[int | str, ...]) -> str:
    return "VESTIBULE_" + "__".join(str(part) for part in location).upper()
