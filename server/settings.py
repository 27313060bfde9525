"""Every setting, in one place, and the only reader of the environment.

Each field is an environment variable with the prefix ``VESTIBULE_``; a field of a group takes the group's name too, so
``speech.engine`` is ``VESTIBULE_SPEECH__ENGINE``. docs/reference/settings.md is written from here.
"""

from __future__ import annotations

import os
import re
import sysconfig
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import platformdirs
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from models.errors import InvalidInput
from models.redaction.ner.engine_choice import check_engine
from server.validators import MOST_PORT, MOST_THREADS, check_http_url, host_and_port

MEBIBYTE = 1024 * 1024

Value = TypeVar("Value")


def _checked_address(address: str) -> str:
    try:
        host_and_port(address)
    except InvalidInput as error:
        raise PydanticCustomError(error.reason, error.message) from None
    return address


def _checked_url(url: str) -> str:
    try:
        if url:
            check_http_url(url)
    except InvalidInput as error:
        raise PydanticCustomError(error.reason, error.message) from None
    return url


Address = Annotated[str, AfterValidator(_checked_address)]
Url = Annotated[str, AfterValidator(_checked_url)]
Port = Annotated[int, Field(ge=0, le=MOST_PORT)]
Threads = Annotated[int, Field(ge=1, le=MOST_THREADS)]
Empty = Annotated[Value | None, BeforeValidator(lambda given: None if given == "" else given)]
"""A value, or None for a variable that is set but empty; an empty path would be the current folder."""


class WorkerSettings(BaseModel):
    """Resources of one kind of worker; each is a Ray Serve deployment."""

    replicas: int = Field(1, ge=1, description="Processes of this kind.")
    cpus: float = Field(0.3, gt=0, description="Logical CPUs that Ray books for one replica.")
    gpus: float = Field(0.0, ge=0, description="GPUs, or a fraction of one, that Ray books for one replica.")
    threads: Threads = Field(2, description="Threads that the engine of one replica really uses.")
    max_ongoing: int = Field(4, ge=1, description="Calls that one replica takes at a time.")
    max_queued: int = Field(64, ge=1, description="Calls that may wait; one more is refused.")


class SpeechSettings(WorkerSettings):
    """Speech recognition."""

    engine: Literal["ctranslate2", "openai-whisper"] = Field("ctranslate2", description="Which Whisper engine.")
    weights: str = Field("whisper-base", description="Name of the weights, see `vestibule models list`.")
    threads: Threads = Field(
        1,
        description="Threads for a window. `ctranslate2` is fastest with 1, see `AT_ONCE`; openai-whisper wants more.",
    )
    at_once: Threads = Field(
        2, description="Windows that one replica recognises at the same time; openai-whisper always takes one."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto takes a GPU where there is one.")

    @property
    def places(self) -> int:
        """Number of windows that all replicas together recognise at the same time."""
        return self.replicas * (min(self.at_once, self.max_ongoing) if self.engine == "ctranslate2" else 1)


class VisionSettings(WorkerSettings):
    """Reading of pictures."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto takes a GPU where there is one.")


class RedactionSettings(WorkerSettings):
    """Redaction."""

    engine: Literal["ctranslate2", "transformers"] = Field("ctranslate2", description="What runs the name classifier.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto takes a GPU where there is one. `ctranslate2` runs on the CPU only."
    )
    policy_file: Empty[Path] = Field(None, description="YAML file of redaction policies; empty means the strict one.")

    threads: Threads = Field(1, description="Threads of the name classifier.")
    max_ongoing: int = Field(16, ge=1, description="Calls that one replica takes at a time.")
    max_queued: int = Field(256, ge=1, description="Calls that may wait; one more is refused.")

    @model_validator(mode="after")
    def _engine_can_use_the_device(self) -> RedactionSettings:
        try:
            check_engine(self.engine, self.device)
        except InvalidInput as error:
            raise PydanticCustomError(error.reason, error.message) from None
        return self


class RaySettings(BaseModel):
    """The cluster."""

    address: str = Field("", description="Cluster to join; empty starts a local one that ends with the server.")
    dashboard: bool = Field(True, description="Whether a local cluster has its dashboard.")
    dashboard_port: Port = Field(8265, description="Port of the dashboard, on loopback; 0 picks one.")
    num_cpus: Empty[float] = Field(None, description="Logical CPUs of a local cluster; empty means those there are.")
    num_gpus: Empty[float] = Field(None, description="Logical GPUs of a local cluster; empty means those there are.")
    object_store_bytes: int = Field(256 * MEBIBYTE, description="Shared memory of a local cluster.")


class LlmSettings(BaseModel):
    """The remote LLM. Without a base URL the local fallback answers."""

    base_url: Url = Field("", description="OpenAI-compatible endpoint, ends in /v1; empty means none.")
    api_key: SecretStr = Field(SecretStr(""), description="Its key.")
    model: str = Field("gpt-4o-mini", description="Model to ask for.")
    timeout_s: float = Field(30.0, gt=0, description="Bound of one background attempt.")
    interactive_timeout_s: float = Field(8.0, gt=0, description="Bound of the one attempt that a person waits for.")
    failures: int = Field(3, ge=1, description="Failures in a row that open the breaker.")
    reset_s: float = Field(120.0, gt=0, description="How long the breaker stays open.")
    successes: int = Field(2, ge=1, description="Probes that must succeed before it closes.")


class LimitSettings(BaseModel):
    """Bounds on what a caller may send."""

    upload_bytes: int = Field(10 * MEBIBYTE, gt=0, description="Largest upload.")
    image_pixels: int = Field(40_000_000, gt=0, description="Largest picture.")
    stream_s: float = Field(3600.0, gt=0, description="Longest audio of one conversation stream.")
    stream_idle_s: float = Field(60.0, gt=0, description="Silence of a client after which its stream is ended.")
    utterance_s: float = Field(28.0, gt=0, le=29.0, description="Longest utterance; a longer one is cut.")
    streams: int = Field(100, ge=1, description="Open conversation streams.")
    client_streams: int = Field(50, ge=1, description="Open conversation streams of one client.")
    speech_load: float = Field(
        0.8,
        gt=0,
        description="Share of the speech workers' time that streams may need, as measured; one more is refused.",
    )
    speech_floor: int = Field(
        2, ge=1, description="Streams with audio that are admitted whatever the measured load is."
    )
    pace: float = Field(10.0, ge=1, description="How many times as fast as it is spoken audio may come.")
    ahead_s: float = Field(60.0, gt=0, description="Seconds of audio that may come at once on top of that.")
    open_jobs: int = Field(1000, ge=1, description="Jobs that wait or run; one more upload is refused.")


class QuackSettings(BaseModel):
    """The live endpoint for analysts."""

    enabled: bool = Field(True, description="Whether analysts may attach.")
    port: Port = Field(9494, description="Port on loopback.")
    token: SecretStr = Field(SecretStr(""), description="Empty generates one into the state folder.")


class Settings(BaseSettings):
    """All settings, read once and frozen."""

    model_config = SettingsConfigDict(env_prefix="VESTIBULE_", env_nested_delimiter="__", frozen=True, extra="ignore")

    address: Address = Field("127.0.0.1:50051", description="Where the gRPC server listens; port 0 picks one.")
    allow_plaintext: bool = Field(False, description="Listen without TLS on an address that is not loopback.")
    metrics_port: Port = Field(9464, description="Port of the Prometheus metrics on loopback; 0 turns them off.")
    cache_dir: Path = Field(platformdirs.user_cache_path("vestibule"), description="Weights.")
    data_dir: Path = Field(platformdirs.user_data_path("vestibule"), description="The ledger and redacted pictures.")
    state_dir: Path = Field(platformdirs.user_state_path("vestibule"), description="Spool, keys, tokens and logs.")
    spool_key: SecretStr = Field(
        SecretStr(""), description="Base64 of 32 bytes; empty generates one into the state folder."
    )
    keep_redacted_recordings: bool = Field(
        False, description="Keep muted recordings, if a second recognition finds no personal words in them."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["json", "console"] = Field("json", description="json for machines, console for people.")
    drain_s: float = Field(4.0, gt=0, description="How long open calls may go on after SIGTERM.")
    idle_session_s: float = Field(1800.0, gt=0, description="Idle time after which a session counts as abandoned.")
    ray: RaySettings = RaySettings()
    speech: SpeechSettings = SpeechSettings()
    vision: VisionSettings = VisionSettings()
    redaction: RedactionSettings = RedactionSettings()
    llm: LlmSettings = LlmSettings()
    limits: LimitSettings = LimitSettings()
    quack: QuackSettings = QuackSettings()

    # Names without the double underscore for the most common settings, such as VESTIBULE_LLM_BASE_URL.
    llm_base_url: Url = Field("", description="Short form of VESTIBULE_LLM__BASE_URL.")
    llm_api_key: SecretStr = Field(SecretStr(""), description="Short form of VESTIBULE_LLM__API_KEY.")
    llm_model: str = Field("", description="Short form of VESTIBULE_LLM__MODEL.")

    @property
    def weights_dir(self) -> Path:
        """Folder of the verified model weights."""
        return self.cache_dir / "weights"

    @property
    def ledger_path(self) -> Path:
        """The DuckDB file."""
        return self.data_dir / "ledger.duckdb"

    @property
    def spool_dir(self) -> Path:
        """Encrypted media that still wait for a worker."""
        return self.state_dir / "spool"

    @property
    def pictures_dir(self) -> Path:
        """Redacted pictures."""
        return self.data_dir / "pictures"

    @property
    def state_key_path(self) -> Path:
        """Key of the sealed state of streams. Workers read it; the server never does."""
        return self.state_dir / "workers" / "carry.key"

    @property
    def upstream(self) -> LlmSettings:
        """The LLM settings with the short forms applied."""
        changes: dict[str, object] = {}
        if self.llm_base_url:
            changes["base_url"] = self.llm_base_url
        if self.llm_api_key.get_secret_value():
            changes["api_key"] = self.llm_api_key
        if self.llm_model:
            changes["model"] = self.llm_model
        return self.llm.model_copy(update=changes)


def unknown_variables() -> dict[str, str]:
    """Variables with our prefix that are no settings, each with the most similar setting, or "" if there is none."""
    known = set(_variables(Settings, "VESTIBULE_"))
    environment = EnvSettingsSource(Settings).env_vars  # as the settings see it, names in small letters
    given = {name.upper() for name, value in environment.items() if not _from_kubernetes(name, value or "")}
    unknown = sorted(name for name in given - known if name.startswith("VESTIBULE_"))
    return {name: next(iter(get_close_matches(name, known, n=1, cutoff=0.8)), "") for name in unknown}


def _variables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name.upper()}"  # of a group too, which may be given as JSON
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _variables(field.annotation, f"{prefix}{name.upper()}__")


def _from_kubernetes(name: str, value: str) -> bool:
    """Whether Kubernetes set it for a service named vestibule; every container of the namespace gets such variables."""
    return value.startswith(("tcp://", "udp://")) or re.match(r"vestibule_(service_|port_\d)", name) is not None


def prepare_process() -> None:
    """Set what libraries read from the environment; call it before gRPC, NumPy and CTranslate2 are imported.

    - Ray forks while gRPC's threads run. The children exec at once, so gRPC's fork handlers are not needed, and would
      print warnings.
    - CTranslate2 uses AVX-512 only when it is told to. Found in docs/evaluation/constants/ray.md, CT2_FORCE_CPU_ISA.
    - NumPy's BLAS would use a thread on every core for our small products. Found there too, OPENBLAS_NUM_THREADS.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    if _has_avx512(Path("/proc/cpuinfo")):
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


_AVX512 = {"avx512f", "avx512cd", "avx512vl", "avx512bw", "avx512dq"}
"""What CTranslate2's AVX-512 code is compiled for."""


def _has_avx512(cpuinfo: Path) -> bool:
    """Whether the processor has every instruction that CTranslate2 would use; False where Linux does not say so."""
    try:
        text = cpuinfo.read_text(encoding="utf-8")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(flags.split()) >= _AVX512
