"""What the files below deploy/ name exists: settings and commands. The secrets of the example are refused."""

from __future__ import annotations

import re
from typing import Any

import click
import pytest
from pydantic import SecretStr, ValidationError

from models.reasons import Reason
from server.cli.config import load_settings
from server.cli.main import cli
from server.setting_groups.fields import PLACEHOLDER
from server.settings import Settings, unknown_variables
from tests.unit.deploy.files import deployed_files, example

NAMED = {
    (file.name, name)
    for file in deployed_files()
    for name in re.findall(r"\bVESTIBULE_[A-Z0-9_]*[A-Z0-9]\b", file.read_text(encoding="utf-8"))
}
COMMANDS = {
    (file.name, tuple(words.replace(",", " ").replace('"', " ").split()))
    for file in deployed_files()
    for words in re.findall(r'\[("?vestibule"?, [^]]+)\]', file.read_text(encoding="utf-8"))
}


def test_files_are_read() -> None:
    assert len(NAMED) > 20
    assert len(COMMANDS) >= 2


def test_every_setting_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    for _, name in NAMED:
        monkeypatch.setenv(name, "")
    assert unknown_variables() == {}


@pytest.mark.parametrize(("file", "words"), sorted(COMMANDS))
def test_every_command_exists(file: str, words: tuple[str, ...]) -> None:
    command: click.Command = cli
    options: list[str] = []
    for word in words[1:]:
        if isinstance(command, click.Group):
            command = command.commands[word]
        else:
            options.append(word)
    known = {name for parameter in command.params for name in parameter.opts}
    assert set(options) <= known, file


def secret_variables(prefix: str = "VESTIBULE_") -> set[str]:
    """The variables of .env.example that are secrets: those of the server, or all with an empty prefix."""
    return {name for name, value in example().items() if value == PLACEHOLDER and name.startswith(prefix)}


def test_the_example_as_it_comes_keeps_the_server_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert secret_variables()
    for name, value in example().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(click.UsageError) as caught:
        load_settings()
    for name in secret_variables():
        assert f"{name}: It is still the placeholder" in caught.value.message
    assert caught.value.message.count(Reason.SECRET_IS_PLACEHOLDER) == len(secret_variables())


def test_the_example_without_its_placeholders_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in example().items():
        monkeypatch.setenv(name, "" if name in secret_variables() else value)
    assert load_settings().metrics_token == SecretStr("")


def test_no_secret_of_the_example_has_another_value() -> None:
    secret = re.compile("KEY|TOKEN|SECRET|PASSWORD")
    assert {name for name in example() if secret.search(name)} == secret_variables("")


@pytest.mark.parametrize(
    ("group", "name"),
    [
        *(("", name) for name, field in Settings.model_fields.items() if field.annotation is SecretStr),
        *(
            (group, name)
            for group, settings in Settings.model_fields.items()
            for name, field in getattr(settings.annotation, "model_fields", {}).items()
            if field.annotation is SecretStr
        ),
    ],
)
@pytest.mark.parametrize("value", [PLACEHOLDER, " Change-Me\n"])
def test_no_secret_may_be_the_placeholder(group: str, name: str, value: str) -> None:
    given: dict[str, Any] = {group: {name: value}} if group else {name: value}
    with pytest.raises(ValidationError) as caught:
        Settings(**given)
    assert (Reason.SECRET_IS_PLACEHOLDER, tuple(filter(None, (group, name)))) in {
        (error["type"], error["loc"]) for error in caught.value.errors()
    }


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://vestibule:change-me@postgres/vestibule",
        "postgres://vestibule:Change%2DMe@one:5432,two/vestibule?sslmode=verify-full",
        "postgresql://vestibule@postgres/vestibule?sslmode=require&password=change-me",
        "postgresql://:change-me@/vestibule",
        "host=postgres dbname=vestibule password = 'change-me'",
    ],
)
def test_the_url_of_the_ledger_may_not_have_the_placeholder_as_its_password(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(ledger={"url": url})
    assert [(error["type"], error["loc"]) for error in caught.value.errors()] == [
        (Reason.SECRET_IS_PLACEHOLDER, ("ledger", "url"))
    ]
    assert "change-me@" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://vestibule:4f0c@change-me/vestibule",
        "postgresql://change-me@postgres/vestibule",
        "postgresql://vestibule:change-me-not@postgres/change-me?application_name=change-me",
    ],
)
def test_elsewhere_in_the_url_the_placeholder_is_a_word_like_others(url: str) -> None:
    assert Settings(ledger={"url": url}).ledger.database == url
