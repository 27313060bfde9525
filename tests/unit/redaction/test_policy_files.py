"""Files of policies: which are refused, and what is said of the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import InvalidInput
from models.redaction.policy.loader import load_policies, parse_policies
from tests.unit.redaction.helpers import BADGE


@pytest.mark.parametrize(
    ("policies", "place"),
    [
        ("default: {operator: {}}", "default.operator: is no option; there are entities, operators, thresholds,"),
        (
            "default:\n  operators:\n    NAME: tag\n    CC: burn",
            "line 4, default.operators.CC: must be tag, mask, hash, number, keep or {mask: 0} to {mask: 4}.",
        ),
        ("default: {operators: {NAME: {mask: 4}}}", "NAME can only be masked whole"),
        ("default: {operators: {CC: {mask: 9}}}", "default.operators.CC: must be tag, mask, hash"),
        ("default: {operators: {name: tag}}", "default.operators.name: must be a type in capital letters"),
        ("policies: {}", "line 1, policies: is no option; there are default, clients."),
        ("default: {thresholds: {NAME: 2}}", "default.thresholds.NAME: must be a number above 0, at most 1"),
        (
            "default: {entities: [NAEM]}",
            "default names types that nothing finds: NAEM; there are ACCOUNT, ADDRESS, AGE,",
        ),
        ("clients: {acme: {allow: [x]}}", "clients.acme.allow.0: must have at least 2 characters"),
        ("[]", "does not fit: must be a mapping."),
        ("false", "does not fit: must be a mapping."),
        ("default: false", "default: must be a mapping"),
        ("default: [", "no YAML in line"),
        ("default: {}\ndefault: {}", "no YAML in line 1: a key is there twice."),
        ("default:" + BADGE.replace("RB is a department", "RB-9999"), "default.recognizers.badge: An example"),
        ("default:" + BADGE.replace("RB-1234", "RB"), "match[0] is not found"),
        (
            "default:" + BADGE + "      checksum: mod10\n",
            "line 8, default.recognizers.0.checksum: must be 'none', 'luhn', 'verhoeff', 'mod97' or 'mod11'",
        ),
        ("default:" + BADGE + "      checksum: luhn\n", "match[0] is not found"),
        (
            "default:" + BADGE.replace("      match: [my badge is RB-1234]\n", ""),
            "default.recognizers.0.match: must be there",
        ),
        (
            "default:" + BADGE.replace("[RB is a department, RB-12345]", "[]"),
            "default.recognizers.0.no_match: must have at least 1 entry",
        ),
    ],
)
def test_an_invalid_file_is_refused_with_the_line(policies: str, place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_policies(policies)
    assert caught.value.reason == "POLICY_INVALID"
    assert place in caught.value.message


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        (r"(a)\1", "RE2"),
        (r"(?=a)b", "RE2"),
        (r"(a|aa)+$", "bound"),
        (r"\d*x", "bound"),
        (r"\d{2,}", "bound"),
        (r"[+*]{1,3}\+(", "RE2"),
        (r"a?", "matches nothing"),
        (r"", "characters"),
        (r"(((a{1,100}){1,100}){1,100}){1,100}", "RE2"),
    ],
)
def test_a_slow_or_invalid_pattern_is_refused(pattern: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_policies("default:" + BADGE.replace(r"\bRB-\d{4}\b", pattern))
    assert problem in caught.value.message
    assert not pattern or pattern not in caught.value.message


@pytest.mark.parametrize(
    "pattern", [r"[+*]{1,3}\+RB-\d{4}|RB-\d{4}\b", r"\p{Lu}{2}-[0-9]{4}\b", r"[]{*]{0,2}RB-\d{4}\b"]
)
def test_quantifier_characters_in_classes_and_escapes_are_literals(pattern: str) -> None:
    parse_policies("default:" + BADGE.replace(r"\bRB-\d{4}\b", pattern))


def test_policy_files_are_loaded_or_refused(tmp_path: Path) -> None:
    assert load_policies(None).of("anyone").leaves_nothing
    path = tmp_path / "policy.yaml"
    with pytest.raises(InvalidInput, match=r"policy.yaml cannot be read: No such file or directory\."):
        load_policies(path)
    path.write_text("clients: {acme: {operators: {NAME: burn}}}")
    with pytest.raises(InvalidInput, match=r"policy.yaml does not fit: line 1, clients.acme.operators.NAME: must be"):
        load_policies(path)
    path.write_text("clients: {acme: {operators: {NAME: keep}}}")
    assert not load_policies(path).of("acme").leaves_nothing
    path.write_bytes(b"\xff")
    with pytest.raises(InvalidInput, match="cannot be read: it is not UTF-8"):
        load_policies(path)
