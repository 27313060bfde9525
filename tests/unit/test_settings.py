"""Settings come from the environment, each has a description, and a misspelt variable is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from server.settings import Settings, _has_avx512, unknown_variables


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
    monkeypatch.setenv("VESTIBULE_LLM_API_KEY", "secret")
    upstream = Settings().upstream
    assert (upstream.base_url, upstream.model) == ("http://short/v1", "long")
    assert upstream.api_key.get_secret_value() == "secret"
    assert "secret" not in repr(Settings())


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


@pytest.mark.parametrize(
    ("name", "similar"),
    [
        ("VESTIBULE_DRAIN", "VESTIBULE_DRAIN_S"),
        ("VESTIBULE_LIMITS__STREAM", "VESTIBULE_LIMITS__STREAMS"),
        ("VESTIBULE_SPEECH_ENGINE", "VESTIBULE_SPEECH__ENGINE"),
        ("vestibule_nonsense", ""),
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
    assert _has_avx512(tmp_path / "cpuinfo") is has
    assert not _has_avx512(tmp_path / "missing")
