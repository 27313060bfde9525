"""Settings from options of the command line, over those of the environment."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from server.cli.config import load_settings, nest
from server.cluster_config import cluster_config


def test_assignments_win_over_the_environment_one_field_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_QUACK__PORT", "1111")
    monkeypatch.setenv("VESTIBULE_QUACK__TOKEN", "from-the-environment")
    monkeypatch.setenv("VESTIBULE_LOG_LEVEL", "error")
    settings = load_settings(nest(("quack.port=2222", "metrics_port=0", "speech.engine=openai-whisper")))
    assert settings.quack.port == 2222
    assert settings.quack.token.get_secret_value() == "from-the-environment"
    assert settings.metrics_port == 0
    assert settings.speech.engine == "openai-whisper"
    assert settings.log_level == "error"


def test_a_setting_within_two_groups_leaves_the_others_at_their_defaults() -> None:
    retry = load_settings(nest(("retry.llm_api.attempts=2", "retry.llm_api.factor=5", "retry.least=7"))).retry
    assert (retry.llm_api.attempts, retry.llm_api.factor, retry.llm_api.longest_s, retry.least) == (2, 5.0, 600.0, 7)
    assert retry.network.attempts == 6


def test_a_value_may_hold_an_equals_sign() -> None:
    assert nest(("llm_base_url=http://host/v1?a=b",)) == {"llm_base_url": "http://host/v1?a=b"}


@pytest.mark.parametrize(
    "wrong",
    [
        "quack.port",
        "nonsense=1",
        "quack.nonsense=1",
        "quack=1",
        "address.port=1",
        "=1",
        "retry.llm_api=1",
        "retry.llm_api.x=1",
        "a.b.c=1",
    ],
)
def test_an_unknown_setting_is_refused(wrong: str) -> None:
    with pytest.raises(click.UsageError, match="NAME=VALUE"):
        nest((wrong,))


@pytest.mark.parametrize("name", ["llm.api_key", "llm_api_key", "spool_key", "quack.token"])
def test_a_secret_is_refused_on_the_command_line_and_not_repeated(name: str) -> None:
    variable = "VESTIBULE_" + name.replace(".", "__").upper()
    with pytest.raises(click.UsageError, match=rf"{variable}.*SECRETS_DIR.* \[SECRET_ON_COMMAND_LINE\]") as caught:
        nest((f"{name}=sesame-open",))
    assert "sesame" not in str(caught.value)


def test_files_of_secrets_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="does not exist"):
        load_settings({"secrets_dir": tmp_path / "missing"})
    (tmp_path / "vestibule_llm_api_key").write_bytes(b"\xffsesame")
    with pytest.raises(click.UsageError, match=r"not UTF-8. \[SECRETS_UNREADABLE\]") as caught:
        load_settings({"secrets_dir": tmp_path})
    assert "sesame" not in str(caught.value)


def test_an_invalid_value_is_named_but_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_QUACK__PORT", "sesame-open")
    with pytest.raises(click.UsageError) as caught:
        load_settings()
    assert "VESTIBULE_QUACK__PORT" in str(caught.value)
    assert "sesame" not in str(caught.value)


def test_paths_are_accepted(tmp_path: Path) -> None:
    assert load_settings({"data_dir": tmp_path}).ledger_path == tmp_path / "ledger.duckdb"


@pytest.mark.parametrize("address", ["foo", "127.0.0.1:foo", "127.0.0.1:99999", "127.0.0.1:-1", "::1:50051"])
def test_an_address_that_grpc_would_misread_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(click.UsageError, match=r"VESTIBULE_ADDRESS: The address must be .* \[ADDRESS_INVALID\]"):
        load_settings({"address": address})
    monkeypatch.setenv("VESTIBULE_ADDRESS", address)
    with pytest.raises(click.UsageError, match="ADDRESS_INVALID"):
        load_settings()


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:50051", "localhost:65535", "my-host_1.a.:1"])
def test_valid_addresses_are_accepted(address: str) -> None:
    assert load_settings({"address": address}).address == address


@pytest.mark.parametrize(
    "url",
    [
        *("notaurl", "localhost:8080", "ftp://host/v1", "http://", "https://h:x/v1", "http://a b"),
        *("http://h\x00/v1", "http://h/v1\u200b", "http://h/v1\x7f", "http://h/v1\u3000", "http://h/v1\n"),
    ],
)
@pytest.mark.parametrize("name", ["llm_base_url", "llm.base_url"])
def test_an_invalid_url_is_refused(name: str, url: str) -> None:
    with pytest.raises(click.UsageError, match=r"VESTIBULE_LLM_?_BASE_URL: .*http.* \[URL_INVALID\]") as caught:
        load_settings(nest((f"{name}={url}",)))
    assert url not in str(caught.value) or url == "http://"  # as the message says what one begins with


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:8080/v1", "https://llm.example.com/v1", "http://[::1]:1/v1"])
def test_valid_urls_are_accepted(url: str) -> None:
    assert load_settings({"llm_base_url": url}).upstream.base_url == url


@pytest.mark.parametrize("setting", ["redaction.threads=257", "speech.threads=0", "quack.port=65536"])
def test_numbers_have_bounds(setting: str) -> None:
    with pytest.raises(click.UsageError, match=r"less than|greater than"):
        load_settings(nest((setting,)))


def test_a_gpu_for_a_cpu_only_engine_is_refused() -> None:
    with pytest.raises(click.UsageError, match=r"VESTIBULE_REDACTION: .*ctranslate2 runs on the CPU only"):
        load_settings(nest(("redaction.device=cuda",)))


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ((), ("ctranslate2", "auto")),
        (("redaction.engine=transformers", "redaction.device=cuda"), ("transformers", "cuda")),
    ],
)
def test_the_redaction_workers_get_engine_and_device(chosen: tuple[str, ...], expected: tuple[str, str]) -> None:
    redaction = cluster_config(load_settings(nest(chosen))).redaction
    assert (redaction.engine, redaction.device) == expected
