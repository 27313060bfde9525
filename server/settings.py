"""Every setting, in one place, and the only reader of the environment.

Each field is an environment variable with the prefix ``VESTIBULE_``; a field of a group takes the group's name too, so
``speech.engine`` is ``VESTIBULE_SPEECH__ENGINE``. docs/reference/settings.md is written from here.
"""

from __future__ import annotations

import os
import re
import sysconfig
from collections.abc import Iterator, Set
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, get_args, get_origin

import platformdirs
from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from server.runtime.processor import has_avx512
from server.setting_groups import (
    Address,
    AlertSettings,
    ApprovalSettings,
    AuditSettings,
    AuthSettings,
    BreakersSettings,
    ClamavSettings,
    ClientSettings,
    ConsoleSettings,
    DeadLetterSettings,
    Empty,
    EventSettings,
    ExperimentSettings,
    FlowSettings,
    FunnelReportSettings,
    LabelSettings,
    LedgerSettings,
    LimitSettings,
    LlmSettings,
    MediaSettings,
    Port,
    QuackSettings,
    RaySettings,
    RedactionSettings,
    ReportSettings,
    RetentionSettings,
    RetrySettings,
    RiskSettings,
    SealedSettings,
    Secret,
    SpeechSettings,
    TlsSettings,
    TraceSettings,
    Url,
    VisionSettings,
)


class Settings(BaseSettings):
    """All settings, read once and frozen."""

    model_config = SettingsConfigDict(
        env_prefix="VESTIBULE_",
        env_nested_delimiter="__",
        frozen=True,
        extra="ignore",
        nested_model_default_partial_update=True,  # one variable of a group leaves the others at the group's defaults
        hide_input_in_errors=True,  # it may be a secret
    )

    address: Address = Field("127.0.0.1:50051", description="Where the gRPC server listens; port 0 picks one.")
    allow_plaintext: bool = Field(False, description="Listen without TLS on an address that is not loopback.")
    metrics_port: Port = Field(9464, description="Port of the Prometheus metrics on loopback; 0 turns them off.")
    metrics_token: Secret = Field(
        SecretStr(""), description="Bearer token of the metrics; empty generates one into the state folder."
    )
    cache_dir: Path = Field(platformdirs.user_cache_path("vestibule"), description="Weights.")
    data_dir: Path = Field(platformdirs.user_data_path("vestibule"), description="Ledger or mirror, redacted pictures.")
    state_dir: Path = Field(platformdirs.user_state_path("vestibule"), description="Spool, keys, tokens and logs.")
    shared_dir: Empty[Path] = Field(
        None,
        description="Folder that several servers of one PostgreSQL share. It then holds the spool, the keys and the "
        "redacted pictures. Empty: one server at a time uses the ledger.",
    )
    secrets_dir: Empty[Path] = Field(
        None, description="Folder with a file for each secret, called as its variable; the environment wins over it."
    )
    spool_key: Secret = Field(
        SecretStr(""),
        description="Base64 of 32 bytes, and after commas earlier keys that still decrypt; empty generates one into "
        "the state folder.",
    )
    keep_redacted_recordings: bool = Field(
        False, description="Keep muted recordings, if a second recognition finds no personal words in them."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="json for machines, console for people; auto takes console if standard error is a terminal."
    )
    drain_s: float = Field(4.0, gt=0, description="How long open calls may go on after SIGTERM.")
    idle_session_s: float = Field(
        1800.0, gt=0, description="Idle time after which a session is abandoned, unless its record waits for approval."
    )
    ray: RaySettings = RaySettings()
    speech: SpeechSettings = SpeechSettings()
    vision: VisionSettings = VisionSettings()
    redaction: RedactionSettings = RedactionSettings()
    llm: LlmSettings = LlmSettings()
    labels: LabelSettings = LabelSettings()
    retry: RetrySettings = RetrySettings()
    breakers: BreakersSettings = BreakersSettings()
    limits: LimitSettings = LimitSettings()
    clamav: ClamavSettings = ClamavSettings()
    auth: AuthSettings = AuthSettings()
    media: MediaSettings = MediaSettings()
    ledger: LedgerSettings = LedgerSettings()
    events: EventSettings = EventSettings()
    quack: QuackSettings = QuackSettings()
    tls: TlsSettings = TlsSettings()
    retention: RetentionSettings = RetentionSettings()
    sealed: SealedSettings = SealedSettings()
    experiments: ExperimentSettings = ExperimentSettings()
    flows: FlowSettings = FlowSettings()
    dead_letters: DeadLetterSettings = DeadLetterSettings()
    alerts: AlertSettings = AlertSettings()
    audit: AuditSettings = AuditSettings()
    approval: ApprovalSettings = ApprovalSettings()
    funnel_report: FunnelReportSettings = FunnelReportSettings()
    reports: ReportSettings = ReportSettings()
    risk: RiskSettings = RiskSettings()
    traces: TraceSettings = TraceSettings()
    client: ClientSettings = ClientSettings()
    console: ConsoleSettings = ConsoleSettings()

    api_key: Secret = Field(
        SecretStr(""),
        description="API key or token that the commands send to a server. Empty takes `operator.key` on this machine.",
    )

    # Names without the double underscore for the most common settings, such as VESTIBULE_LLM_BASE_URL.
    llm_base_url: Url = Field("", description="Short form of VESTIBULE_LLM__BASE_URL.")
    llm_api_key: Secret = Field(SecretStr(""), description="Short form of VESTIBULE_LLM__API_KEY.")
    llm_model: str = Field("", description="Short form of VESTIBULE_LLM__MODEL.")
    labels_base_url: Url = Field("", description="Short form of VESTIBULE_LABELS__BASE_URL.")
    labels_api_key: Secret = Field(SecretStr(""), description="Short form of VESTIBULE_LABELS__API_KEY.")
    labels_model: str = Field("", description="Short form of VESTIBULE_LABELS__MODEL.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options of the command line win over the environment, and that over the files of ``secrets_dir``."""
        folder = {**env_settings(), **init_settings()}.get("secrets_dir")
        return init_settings, env_settings, _secret_files(settings_cls, folder)

    @property
    def weights_dir(self) -> Path:
        """Folder of the verified model weights."""
        return self.cache_dir / "weights"

    @property
    def ledger_path(self) -> Path:
        """The DuckDB file: the ledger, or the mirror of PostgreSQL."""
        return self.data_dir / "mirror.duckdb" if self.ledger.database else self.embedded_path

    @property
    def embedded_path(self) -> Path:
        """The DuckDB file of a ledger that is not in PostgreSQL."""
        return self.data_dir / "ledger.duckdb"

    @property
    def spool_dir(self) -> Path:
        """Encrypted media that still wait for a worker."""
        return self.keys_dir / "spool"

    @property
    def keys_dir(self) -> Path:
        """The keys that all servers of one ledger must have, the end of its audit and its id."""
        return self.shared_dir or self.state_dir

    @property
    def pictures_dir(self) -> Path:
        """Redacted pictures."""
        return (self.shared_dir or self.data_dir) / "pictures"

    @property
    def state_key_path(self) -> Path:
        """Key of the sealed state of streams. Workers read it; the server never does."""
        return self.keys_dir / "workers" / "carry.key"

    @property
    def upstream(self) -> LlmSettings:
        """The LLM settings with the short forms applied."""
        return self.llm.model_copy(update=_given(self.llm_base_url, self.llm_api_key, self.llm_model))

    @property
    def vision_upstream(self) -> LabelSettings:
        """The settings of the vision upstream with the short forms applied."""
        return self.labels.model_copy(update=_given(self.labels_base_url, self.labels_api_key, self.labels_model))


def _given(base_url: str, api_key: SecretStr, model: str) -> dict[str, object]:
    """What was given of the short forms of an upstream."""
    changes = {"base_url": base_url, "api_key": api_key, "model": model}
    return {name: value for name, value in changes.items() if value}


class _SecretFiles(NestedSecretsSettingsSource):
    """The files of ``secrets_dir``. Those of other programs are not read: they may be binary, or not for us to read."""

    @staticmethod
    def _iter_secret_files(path: Path) -> Iterator[Path]:
        files = NestedSecretsSettingsSource._iter_secret_files(path)
        return (file for file in files if file.name.lower().startswith("vestibule_"))


def _secret_files(settings_cls: type[BaseSettings], folder: Path | str | None) -> _SecretFiles:
    return _SecretFiles(SecretsSettingsSource(settings_cls), secrets_dir=folder or None, secrets_dir_missing="error")


def unknown_variables(secrets_dir: Path | None = None) -> dict[str, str]:
    """Variables, and files of ``secrets_dir``, with our prefix that are no settings.

    Returns:
        Each with the most similar setting, or "" if there is none.
    """
    known = set(_variables(Settings, "VESTIBULE_"))
    # As the settings see them, names in small letters.
    environment = {**_secret_files(Settings, secrets_dir).env_vars, **EnvSettingsSource(Settings).env_vars}
    given = {name.upper() for name, value in environment.items() if not _from_kubernetes(name, value or "")}
    unknown = sorted(name for name in given - known if name.startswith("VESTIBULE_"))
    return {name: _RENAMED.get(name) or _similar(name, known) for name in unknown}


_RENAMED = {"VESTIBULE_MEDIA__PROCESSES": "VESTIBULE_MEDIA__PICTURES_AT_ONCE and VESTIBULE_MEDIA__RECORDINGS_AT_ONCE"}
"""Settings of before, whose new names are not similar."""


def _similar(name: str, known: Set[str]) -> str:
    return next(iter(get_close_matches(name, known, n=1, cutoff=0.8)), "")


def _variables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name.upper()}"  # of a group too, which may be given as JSON
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _variables(field.annotation, f"{prefix}{name.upper()}__")
        if get_origin(field.annotation) is dict:
            keys, value = get_args(field.annotation)
            if not issubclass(value, BaseModel):
                yield from (f"{prefix}{name.upper()}__{key.upper()}" for key in get_args(keys))
                continue
            for number in range(10):
                yield from _variables(value, f"{prefix}{name.upper()}__{number}__")


def _from_kubernetes(name: str, value: str) -> bool:
    """Whether Kubernetes set it for a service named vestibule; every container of the namespace gets such variables."""
    return value.startswith(("tcp://", "udp://")) or re.match(r"vestibule_(service_|port_\d)", name) is not None


_SECRET_NAME = re.compile(r"(^|_)(KEY|TOKEN|SECRET|CREDENTIALS?)(_|$)|APIKEY|PASSW|PASSPHRASE", re.IGNORECASE)


def forget_secrets() -> None:
    """Remove from the environment what no child process needs; call it when everything has been read.

    These are all variables of ours, and those that hold a secret of another program by their name, such as
    AWS_SECRET_ACCESS_KEY. Ray's own processes need Ray's token. Those of OpenTelemetry go too: its library reads them,
    but our settings alone say where spans go.
    """
    for name in tuple(os.environ):
        foreign = (_SECRET_NAME.search(name) and not name.upper().startswith("RAY_")) or name.startswith("OTEL_")
        if foreign or name.upper().startswith("VESTIBULE_"):
            os.environ.pop(name)


def ray_token_is_turned_off() -> bool:
    """Whether RAY_AUTH_MODE turns Ray's token off; Ray takes each value but ``token`` so."""
    return os.environ.get("RAY_AUTH_MODE", "token").lower() != "token"


def prepare_process() -> None:
    """Set what libraries read from the environment; call it before gRPC, NumPy and CTranslate2 are imported.

    - Ray forks while gRPC's threads run. The children exec at once, so gRPC's fork handlers are not needed, and would
      print warnings.
    - gRPC writes a line to standard error for much of what a stranger sends to the port. What matters is in our log,
      which bounds such lines. GRPC_VERBOSITY=ERROR brings gRPC's back.
    - CTranslate2 uses AVX-512 only when it is told to. Found in docs/evaluation/constants/ray.md, CT2_FORCE_CPU_ISA.
    - NumPy's BLAS would use a thread on every core for our small products. Found there too, OPENBLAS_NUM_THREADS.
    - ONNX Runtime sends usage data to its maker unless it is told not to.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if has_avx512(Path("/proc/cpuinfo")):
        os.environ.setdefault("CT2_FORCE_CPU_ISA", "AVX512")


def prepare_sound() -> None:
    """Tell ALSA where this system keeps its files; call it before a sound device is opened.

    The libasound in PyAV's wheel looks below /tmp, where it was built. Nothing is there, or what another user put
    there. Without its configuration it finds no device, and without its plugins none that the desktop shares.
    """
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    folders = [Path(root) / "alsa-lib" for root in (f"/usr/lib/{multiarch}", "/usr/lib64", "/usr/lib")]
    os.environ.setdefault("ALSA_CONFIG_DIR", "/usr/share/alsa")
    os.environ.setdefault("ALSA_PLUGIN_DIR", str(next(filter(Path.is_dir, folders), folders[-1])))
