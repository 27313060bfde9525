"""The policy in docs/concepts/redaction.md is valid, and gives the printed text and explanation."""

from __future__ import annotations

import re

import pytest

from models.numbered_tags import TagNumbers
from models.redaction.policy.loader import parse_policies
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText
from tests.fakes.classifier import WordListClassifier
from tests.unit.docs.pages import page

PAGE = page("docs/concepts/redaction.md")


def example() -> str:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    return str(block)


def redactor() -> LocalRedactor:
    names = WordListClassifier({"maria": "GIVEN_NAME", "riverside": "SURNAME"})
    return LocalRedactor(names, policies=parse_policies(example()), worker_key=bytes(32))


@pytest.mark.parametrize(
    ("client", "text", "expected", "safe"),
    [
        ("", "card 4111 1111 1111 1234", r"card \*\*\*1234", True),
        ("", "Maria came", r"\[REDACTED_NAME_1\] came", True),
        ("", "to m.lopez@example.org", r"to \[REDACTED_EMAIL_[0-9a-f]{8}\]", True),
        ("", "at riverside, part QX 4821 7955", "at riverside, part QX 4821 7955", True),
        ("", "badge RB-1234", "badge RB-1234", True),
        ("field-app", "badge RB-1234 of Maria", r"badge \*\*\* of \[REDACTED_NAME_1\]", True),
        ("field-app", "he read 6042 8174", r"he read \[REDACTED_MEMBER_CARD\]", True),
        ("field-app", "he read 6042 8179", "he read 6042 8179", True),
        ("field-app", "call 415-555-0132", "call 415-555-0132", False),
        ("field-app", "from 192.168.10.7", "from 192.168.10.7", False),
    ],
)
def test_the_example_policy_gives_the_printed_result(client: str, text: str, expected: str, safe: bool) -> None:
    result = redactor().redact(RawText(text), RedactionContext(scope=RedactionScope(client, "session"))).text
    assert re.fullmatch(expected, result.with_numbers(TagNumbers()).value)
    assert result.safe_for_llm is safe


@pytest.mark.models
def test_the_printed_explanation_matches_the_output() -> None:
    from click.testing import CliRunner

    from server.cli.main import cli

    shown = PAGE.partition("$ vestibule redact --why ")[2].splitlines()
    result = CliRunner().invoke(cli, ["redact", "--why", shown[0].strip('"')])
    assert result.stdout.splitlines()[:4] == shown[1:5]
