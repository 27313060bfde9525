"""Settings of the traces."""

from __future__ import annotations

import pytest
from pydantic import SecretStr, ValidationError

from server.setting_groups import TraceSettings


def headers(text: str, endpoint: str = "https://collector.example:4318") -> TraceSettings:
    return TraceSettings(endpoint=endpoint, headers=SecretStr(text), ratio=1.0)


def test_headers_become_pairs() -> None:
    assert headers("authorization=Basic YWI=,x-scope=a").header_pairs == (
        ("authorization", "Basic YWI="),
        ("x-scope", "a"),
    )
    assert headers("a=b, c=d").header_pairs == (("a", "b"), ("c", "d"))
    assert headers("").header_pairs == ()


@pytest.mark.parametrize(
    "text", ["s3cret", "=s3cret", "a=", "a=s3cret,", "a b=s3cret", "a=s3cret\nb: c", "a=s3cret\u00e9"]
)
def test_headers_of_another_form_are_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        headers(text)
    assert "s3cret" not in str(refused.value.errors(include_input=False))


def test_headers_travel_encrypted_or_not_at_all() -> None:
    headers("a=b", "http://127.0.0.1:4318")
    with pytest.raises(ValidationError):
        headers("a=b", "http://collector.example:4318")


@pytest.mark.parametrize("rest", ["user:s3cret@h:4318", "h:4318/v1/traces?token=s3cret", "h:4318#s3cret"])
def test_an_endpoint_holds_no_secret(rest: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TraceSettings(endpoint=f"http://{rest}", headers=SecretStr(""), ratio=1.0)
    assert "s3cret" not in str(refused.value.errors(include_input=False))
