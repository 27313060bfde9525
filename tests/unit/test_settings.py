"""Settings come from the environment, each has a description, and a misspelt variable is found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from models.retry import POLICIES
from server.runtime.processor import has_avx512
from server.settings import Settings, forget_secrets, ray_token_is_turned_off, unknown_variables

SESAME = "open sesame"


def leaves(
    model: type[BaseModel], group: BaseModel | None = None, prefix: str = ""
) -> Iterator[tuple[str, FieldInfo, object]]:
    """Name, description and default of every setting, groups unfolded."""
    for name, field in model.model_fields.items():
        default = getattr(group, name) if group is not None else field.default
        if isinstance(default, BaseModel):
            yield from leaves(type(default), default, f"{prefix}{name}__")
        else:
            yield f"{prefix}{name}", field, default


def test_every_field_has_a_description() -> None:
    assert [name for name, field, _ in leaves(Settings) if not field.description] == []


def test_short_forms_override_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_LLM__BASE_URL", "http://long/v1")
    monkeypatch.setenv("VESTIBULE_LLM__MODEL", "long")
    monkeypatch.setenv("VESTIBULE_LLM_BASE_URL", "http://short/v1")
    monkeypatch.setenv("VESTIBULE_LLM_API_KEY", SESAME)
    upstream = Settings().upstream
    assert (upstream.base_url, upstream.model) == ("http://short/v1", "long")
    assert upstream.api_key.get_secret_value() == SESAME


def test_every_secret_can_be_a_file_and_is_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_SECRETS_DIR", str(tmp_path))
    secrets = {name for name, _, default in leaves(Settings) if isinstance(default, SecretStr)}
    assert {"llm__api_key", "llm_api_key", "quack__token", "spool_key"} <= secrets
    for name in secrets:
        (tmp_path / f"vestibule_{name}").write_text(f"{SESAME}, the secret of {name}\n", encoding="utf-8")
    with pytest.raises(ValidationError, match="issuer") as caught:  # without which the key of tokens is of no use
        Settings()
    assert SESAME not in str(caught.value)
    monkeypatch.setenv("VESTIBULE_AUTH__ISSUER", "https://issuer.example")
    monkeypatch.setenv("VESTIBULE_AUTH__AUDIENCE", "vestibule")
    settings = Settings()
    for name, _, value in leaves(type(settings), settings):
        if name in secrets:
            assert isinstance(value, SecretStr)
            assert value.get_secret_value() == f"{SESAME}, the secret of {name}"
    shown = (repr(settings), str(settings), repr(settings.upstream), settings.model_dump_json(), str(vars(settings)))
    assert SESAME not in "".join(shown)


def test_the_environment_wins_over_a_file_of_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "VESTIBULE_QUACK__TOKEN").write_text("of the file", encoding="utf-8")
    (tmp_path / "vestibule_quack__tokn").write_text("of the file", encoding="utf-8")
    (tmp_path / "another").write_text("of another program", encoding="utf-8")
    assert Settings(secrets_dir=tmp_path).quack.token.get_secret_value() == "of the file"
    monkeypatch.setenv("VESTIBULE_QUACK__TOKEN", SESAME)
    assert Settings(secrets_dir=tmp_path).quack.token.get_secret_value() == SESAME
    assert unknown_variables(tmp_path) == {"VESTIBULE_QUACK__TOKN": "VESTIBULE_QUACK__TOKEN"}


def test_secrets_are_read_as_kubernetes_mounts_them_and_those_of_other_programs_are_not(tmp_path: Path) -> None:
    (tmp_path / "..2026_11_27").mkdir()
    (tmp_path / "..data").symlink_to("..2026_11_27")
    for name, content in (("vestibule_llm__api_key", SESAME.encode()), ("another.der", b"\xff\x00")):
        (tmp_path / "..2026_11_27" / name).write_bytes(content)
        (tmp_path / name).symlink_to(f"..data/{name}")
    assert Settings(secrets_dir=tmp_path).upstream.api_key.get_secret_value() == SESAME
    assert unknown_variables(tmp_path) == {}


def test_secrets_leave_the_environment_that_child_processes_inherit(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = ["VESTIBULE_LLM_API_KEY", "vestibule_spool_key", "VESTIBULE_LLM", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY"]
    gone += [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_SDK_DISABLED",
        "HF_TOKEN",
        "PGPASSWORD",
        "DB_PASSWORD",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "TOKEN",
    ]
    kept = ["RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "TOKENIZERS_PARALLELISM", "KEYBOARD", "XKB_KEYMAP", "PATH"]
    for name in (*gone, *kept):
        monkeypatch.setenv(name, "value")
    forget_secrets()
    assert [name for name in gone if name in os.environ] == []
    assert [name for name in kept if name not in os.environ] == []


@pytest.mark.parametrize(
    ("value", "off"),
    [(None, False), ("token", False), ("TOKEN", False), ("disabled", True), ("", True), ("nonsense", True)],
)
def test_what_turns_the_token_of_ray_off(value: str | None, off: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    if value is not None:
        monkeypatch.setenv("RAY_AUTH_MODE", value)
    assert ray_token_is_turned_off() is off


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().address = "elsewhere:1"  # type: ignore[misc]


def test_groups_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VESTIBULE_SPEECH__REPLICAS", "3")
    monkeypatch.setenv("VESTIBULE_STATE_DIR", str(tmp_path))
    settings = Settings()
    assert settings.speech.replicas == 3
    assert settings.vision.replicas == 1
    assert settings.spool_dir == tmp_path / "spool"


@pytest.mark.parametrize(("most", "places"), [("0", 4), ("1", 4), ("5", 10)])
def test_there_are_places_for_as_many_windows_as_the_workers_may_become(
    monkeypatch: pytest.MonkeyPatch, most: str, places: int
) -> None:
    monkeypatch.setenv("VESTIBULE_SPEECH__REPLICAS", "2")
    monkeypatch.setenv("VESTIBULE_SPEECH__MOST_REPLICAS", most)
    assert Settings().speech.places == places


@pytest.mark.parametrize(("device", "places"), [("auto", 1), ("cpu", 1), ("cuda", 3)])
def test_openai_whisper_has_places_for_a_batch_on_a_gpu_alone(
    monkeypatch: pytest.MonkeyPatch, device: str, places: int
) -> None:
    monkeypatch.setenv("VESTIBULE_SPEECH__ENGINE", "openai-whisper")
    monkeypatch.setenv("VESTIBULE_SPEECH__DEVICE", device)
    monkeypatch.setenv("VESTIBULE_SPEECH__AT_ONCE", "3")
    assert Settings().speech.places == places


def test_the_time_zone_of_sessions_is_checked_when_the_server_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().flows.time_zone == "UTC"
    monkeypatch.setenv("VESTIBULE_FLOWS__TIME_ZONE", "Australia/Sydney")
    assert Settings().flows.time_zone == "Australia/Sydney"
    monkeypatch.setenv("VESTIBULE_FLOWS__TIME_ZONE", "Mars/Olympus")
    with pytest.raises(ValueError, match="time_zone must be a name such as UTC or Europe/Berlin"):
        Settings()


def test_remote_llms_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first keeps its names; what is not set has the defaults."""
    for name, value in {
        "LLM_BASE_URL": "http://first/v1",
        "LLM__UPSTREAMS__3__BASE_URL": "http://third/v1",
        "LLM__UPSTREAMS__2__BASE_URL": "http://second/v1",
        "LLM__UPSTREAMS__2__MODEL": "small",
        "LLM__UPSTREAMS__2__FAILURES": "7",
        "SECRETS_DIR": str(tmp_path),
    }.items():
        monkeypatch.setenv(f"VESTIBULE_{name}", value)
    (tmp_path / "vestibule_llm__upstreams__2__api_key").write_text(SESAME, encoding="utf-8")
    settings = Settings()
    found = settings.upstream.in_order
    assert [(place, llm.base_url, llm.failures) for place, llm in found.items()] == [
        (1, "http://first/v1", 3),
        (2, "http://second/v1", 7),
        (3, "http://third/v1", 3),
    ]
    assert (found[2].model, found[2].api_key.get_secret_value()) == ("small", SESAME)
    assert SESAME not in repr(settings) + str(settings)
    assert unknown_variables(tmp_path) == {}
    monkeypatch.setenv("VESTIBULE_LLM__UPSTREAMS__2__MODLE", "small")
    assert unknown_variables(tmp_path) == {"VESTIBULE_LLM__UPSTREAMS__2__MODLE": "VESTIBULE_LLM__UPSTREAMS__2__MODEL"}


@pytest.mark.parametrize(("name", "value"), [("2__MODEL", "small"), ("1__BASE_URL", "http://a/v1")])
def test_a_numbered_llm_needs_an_address_and_a_number_from_2_on(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"VESTIBULE_LLM__UPSTREAMS__{name}", value)
    with pytest.raises(ValidationError):
        Settings()


def test_one_figure_of_a_retry_policy_changes_and_the_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().retry.policies == POLICIES
    monkeypatch.setenv("VESTIBULE_RETRY__LLM_API__ATTEMPTS", "9")
    changed = Settings().retry.policies
    assert changed["llm_api"] == replace(POLICIES["llm_api"], retries=8)
    assert {name: changed[name] for name in POLICIES if name != "llm_api"} == {
        name: POLICIES[name] for name in POLICIES if name != "llm_api"
    }
    monkeypatch.setenv("VESTIBULE_RETRY__LLM_API__LONGEST_S", "4")
    with pytest.raises(ValidationError, match="longest_s must not be less"):
        Settings()


@pytest.mark.parametrize(
    ("name", "similar"),
    [
        ("VESTIBULE_DRAIN", "VESTIBULE_DRAIN_S"),
        ("VESTIBULE_LIMITS__STREAM", "VESTIBULE_LIMITS__STREAMS"),
        ("VESTIBULE_SPEECH_ENGINE", "VESTIBULE_SPEECH__ENGINE"),
        (
            "VESTIBULE_MEDIA__PROCESSES",
            "VESTIBULE_MEDIA__PICTURES_AT_ONCE and VESTIBULE_MEDIA__RECORDINGS_AT_ONCE",
        ),
        ("vestibule_gibberish", ""),
    ],
)
def test_a_misspelt_variable_is_found(name: str, similar: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "5")
    assert unknown_variables() == {name.upper(): similar}


def test_known_and_kubernetes_variables_are_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, _, _ in leaves(Settings):
        monkeypatch.setenv(f"VESTIBULE_{name.upper()}", "1")
    monkeypatch.setenv("vestibule_address", "127.0.0.1:0")  # case does not matter
    monkeypatch.setenv("VESTIBULE_SPEECH", '{"replicas": 2}')
    monkeypatch.setenv("VESTIBULES_5", "1")
    monkeypatch.setenv("VESTIBULE_SERVICE_HOST", "10.0.0.1")  # Kubernetes, of a service named vestibule
    monkeypatch.setenv("VESTIBULE_PORT", "tcp://10.0.0.1:50051")
    monkeypatch.setenv("VESTIBULE_PORT_50051_TCP_ADDR", "10.0.0.1")
    assert unknown_variables() == {}


@pytest.mark.parametrize(
    ("cpuinfo", "has"),
    [
        ("processor : 0\nflags\t\t: fpu avx2 avx512f avx512cd avx512vl avx512bw avx512dq\n", True),
        ("processor : 0\nflags\t\t: fpu avx2 avx512f avx512cd\n", False),  # Xeon Phi
        ("processor : 0\nFeatures : asimd sve\n", False),
    ],
)
def test_avx512_needs_every_instruction_set_extension(tmp_path: Path, cpuinfo: str, has: bool) -> None:
    (tmp_path / "cpuinfo").write_text(cpuinfo, encoding="utf-8")
    assert has_avx512(tmp_path / "cpuinfo") is has
    assert not has_avx512(tmp_path / "missing")
