"""The groups of settings. ``server.settings`` puts them together and reads the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from models.errors import InvalidInput
from models.reasons import Reason
from models.redaction.ner.engine_choice import check_engine
from server.validators import MOST_PORT, MOST_THREADS, check_http_url, host_and_port, is_private_url

MEBIBYTE = 1024 * 1024
LEAST_HMAC_BYTES = 32
"""Of HS256, as RFC 7518 wants: as long as the hash."""

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
FieldList = Annotated[str, Field(pattern=r"^([a-z][a-z_]{0,47}(_[0-9])?(,[a-z][a-z_]{0,47}(_[0-9])?)*)?$")]
Empty = Annotated[Value | None, BeforeValidator(lambda given: None if given == "" else given)]
"""A value, or None for a variable that is set but empty; an empty path would be the current folder."""


Days = Empty[Annotated[float, Field(gt=0)]]


class TlsSettings(BaseModel):
    """TLS of the gRPC port. The files are read again when they change."""

    certificate: Empty[Path] = Field(
        None,
        description="PEM file of the server's certificate, then those of its issuers; empty means plain text.",
    )
    key: Empty[Path] = Field(None, description="PEM file of its key, which only the user of the server may read.")
    client_ca: Empty[Path] = Field(
        None,
        description="PEM file of CAs; if set, a client without a certificate that one of them issued is refused.",
    )

    @property
    def enabled(self) -> bool:
        """Whether the port speaks TLS."""
        return self.certificate is not None

    @model_validator(mode="after")
    def _whole(self) -> TlsSettings:
        if (self.certificate is None) != (self.key is None) or (self.client_ca and not self.enabled):
            message = "TLS needs both VESTIBULE_TLS__CERTIFICATE and VESTIBULE_TLS__KEY."
            raise PydanticCustomError(Reason.TLS_INCOMPLETE, message)
        return self


class ClientSettings(BaseModel):
    """How the commands reach a server, as its clients."""

    ca: Empty[Path] = Field(
        None, description="PEM file of the CAs that are trusted; empty trusts those of the system. Short: --tls-ca."
    )
    certificate: Empty[Path] = Field(None, description="PEM file of a certificate for a server that wants one.")
    key: Empty[Path] = Field(None, description="PEM file of its key, which only its user may read.")
    server_name: str = Field(
        "", description="Name that the server's certificate must have; empty takes the host of the address."
    )
    plaintext: bool = Field(False, description="Reach a server on another machine without TLS. Short: --plaintext.")

    @model_validator(mode="after")
    def _whole(self) -> ClientSettings:
        if (self.certificate is None) != (self.key is None):
            message = "A client certificate needs both VESTIBULE_CLIENT__CERTIFICATE and VESTIBULE_CLIENT__KEY."
            raise PydanticCustomError(Reason.TLS_INCOMPLETE, message)
        return self


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
    allow_no_token: bool = Field(
        False, description="Join a cluster that asks for no token; whoever reaches it can run code in the workers."
    )
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
    fields: FieldList = Field(
        "",
        description="Names that the fields of a record may have beside the built-in ones, with commas between them; a "
        "model's field with another name becomes field_a, field_b and so on.",
    )

    @property
    def field_names(self) -> tuple[str, ...]:
        """The names of ``fields``."""
        return tuple(self.fields.split(",")) if self.fields else ()


class AuthSettings(BaseModel):
    """Who may call. API keys need no setting; tokens need an issuer, an audience and keys."""

    operator_key: bool = Field(
        True, description="Accept the generated key in `operator.key` of the state folder, from this machine only."
    )
    issuer: str = Field("", description="The `iss` that a token must have. Empty means that no tokens are accepted.")
    audience: str = Field("", description="What the `aud` of a token must contain.")
    jwks_file: Empty[Path] = Field(None, description="File with the issuer's keys, a JSON Web Key Set.")
    jwks_url: Url = Field("", description="Address of the issuer's keys; https, or http on loopback.")
    algorithms: str = Field(
        "RS256 ES256 EdDSA",
        pattern=r"^(RS256|ES256|EdDSA)( (RS256|ES256|EdDSA))*$",
        description="Accepted algorithms, with a space between them; RS256, ES256 and EdDSA are known.",
    )
    hs256_key: SecretStr = Field(
        SecretStr(""),
        description="Shared key of HS256, at least 32 bytes. For development: it replaces the keys, on loopback only.",
    )
    leeway_s: int = Field(30, ge=0, le=300, description="Seconds by which the clock of the issuer may differ.")
    client_claim: str = Field("client_id", description="Claim with the client, such as `client_id` or `azp`.")
    scope_claim: str = Field("scope", description="Claim with the scopes: text with spaces, or a list.")
    scope_prefix: str = Field("", description="What stands before our scopes in a token, such as `vestibule:`.")

    @property
    def tokens(self) -> bool:
        """Whether tokens are accepted."""
        return bool(self.issuer)

    @model_validator(mode="after")
    def _is_whole(self) -> AuthSettings:
        secret = self.hs256_key.get_secret_value()
        sources = sum(map(bool, (self.jwks_file, self.jwks_url, secret)))
        if not self.issuer and (sources or self.audience):
            problem = "Tokens need an issuer."
        elif self.issuer and not self.audience:
            problem = "Tokens need an audience."
        elif self.issuer and sources != 1:
            problem = "Tokens need one source of keys: jwks_file, jwks_url or hs256_key."
        elif secret and len(secret.encode()) < LEAST_HMAC_BYTES:
            problem = f"The key of HS256 needs {LEAST_HMAC_BYTES} bytes."
        elif not is_private_url(self.jwks_url):
            problem = "The keys of the issuer come by https, or by http on loopback."
        else:
            return self
        raise PydanticCustomError(Reason.AUTH_SETTINGS_INVALID, problem)


class LimitSettings(BaseModel):
    """Bounds on what a caller may send."""

    upload_bytes: int = Field(10 * MEBIBYTE, gt=0, description="Largest upload.")
    upload_bytes_per_s: float = Field(4096.0, gt=0, description="Least rate at which the bytes of an upload must come.")
    upload_stall_s: float = Field(
        30.0, gt=0, description="How long an upload may be behind the least rate, or without a byte."
    )
    upload_s: float = Field(900.0, gt=0, description="Longest time for the bytes of one upload to come.")
    image_pixels: int = Field(40_000_000, gt=0, description="Largest picture.")
    document_pages: int = Field(5, ge=1, le=20, description="Pages of a PDF.")
    stream_s: float = Field(3600.0, gt=0, description="Longest audio of one conversation stream.")
    stream_idle_s: float = Field(60.0, gt=0, description="Silence of a client after which its stream is ended.")
    utterance_s: float = Field(28.0, gt=0, le=29.0, description="Longest utterance; a longer one is cut.")
    streams: int = Field(100, ge=1, description="Open conversation streams.")
    client_streams: int = Field(50, ge=1, description="Open conversation streams of one client.")
    session_streams: int = Field(8, ge=1, description="Open conversation streams of one session.")
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
    typed_per_minute: int = Field(60, ge=1, description="Typed texts and asked-for records a minute in one session.")
    client_typed_per_minute: int = Field(600, ge=1, description="The same in all sessions of one client.")
    open_jobs: int = Field(1000, ge=1, description="Jobs that wait or run; one more upload is refused.")
    session_jobs: int = Field(100, ge=1, description="Those of one session; one more upload of it is refused.")
    session_spool_bytes: int = Field(
        200 * MEBIBYTE, gt=0, description="Uploads of one session that wait to be read, in bytes of the spool."
    )
    spool_bytes: int = Field(
        10 * 1024 * MEBIBYTE, gt=0, description="Largest size of the spool: uploads that wait, and audio of streams."
    )
    arriving_bytes: int = Field(
        256 * MEBIBYTE, gt=0, description="Declared sizes of all uploads that arrive at a time; they are in memory."
    )
    client_uploads: int = Field(10, ge=1, description="Uploads of one client in the window, refused ones included.")
    client_upload_bytes: int = Field(50 * MEBIBYTE, gt=0, description="Bytes of one client's uploads in the window.")
    client_upload_window_s: float = Field(
        300.0, gt=0, description="Length of the moving window in which a client's uploads are counted."
    )
    first_message_s: float = Field(
        15.0, gt=0, description="Time for the first message of a call; for most calls that is the request."
    )
    calls: int = Field(1000, ge=1, description="Open calls, streams included.")
    client_calls: int = Field(200, ge=1, description="Open calls of one caller, streams included.")
    client_watches: int = Field(100, ge=1, description="Open calls of one caller that watch something.")
    client_calls_per_s: float = Field(100.0, gt=0, description="Calls a second that one caller may make for long.")
    client_calls_burst: int = Field(500, ge=1, description="Calls that one caller may make at once.")
    network_refused_per_s: float = Field(
        5.0, gt=0, description="Calls a second of one network address that may be refused for their credential."
    )
    network_refused_burst: int = Field(
        200, ge=1, description="Calls of one network address that may be refused for their credential at once."
    )
    network_checks: int = Field(
        50, ge=1, description="Credentials of one network address that are checked at the same time."
    )
    connections: int = Field(1000, ge=1, description="Open connections; one more is closed at once.")
    connection_calls: int = Field(200, ge=1, description="Open calls of one connection.")
    connection_idle_s: float = Field(120.0, gt=0, description="Time without a call after which a connection is closed.")
    handshake_s: float = Field(
        10.0, gt=0, description="Time for a new connection to set itself up, with TLS or without."
    )

    @model_validator(mode="after")
    def _the_largest_upload_fits(self) -> LimitSettings:
        for name in ("session_spool_bytes", "spool_bytes", "arriving_bytes", "client_upload_bytes"):
            if getattr(self, name) < self.upload_bytes:
                raise PydanticCustomError(
                    "limits_too_small", f"{name} is smaller than upload_bytes, so the largest upload would never fit"
                )
        return self


class RetentionSettings(BaseModel):
    """How long what is stored is kept, in days from when it was made; empty keeps it until it is erased."""

    turns_days: Days = Field(None, description="Turns, replies and times of words, of sessions that have ended.")
    artifacts_days: Days = Field(None, description="Redacted pictures and recordings, and what was read in uploads.")
    events_days: Days = Field(None, description="Events of the funnel.")
    letters_days: Days = Field(7.0, description="Dead letters, open ones too, with the media that they kept.")


def _checked_scanner(address: str) -> str:
    return address if address.startswith("unix:") else _checked_address(address)


class ClamavSettings(BaseModel):
    """The malware scanner of uploads: ClamAV's daemon. It sees whole files, so keep it on this machine or near it."""

    mode: Literal["off", "optional", "required"] = Field(
        "off",
        description="While the scanner cannot be reached, `required` refuses uploads and `optional` accepts them.",
    )
    address: Annotated[str, AfterValidator(_checked_scanner)] = Field(
        "unix:/run/clamav/clamd.ctl",
        description="Its socket: `unix:PATH`, or `HOST:PORT` for TCP, which is plain text.",
    )
    timeout_s: float = Field(30.0, gt=0, description="Bound of one scan, from when it has a free place.")
    at_once: int = Field(4, ge=1, description="Scans that run at the same time.")


class MediaSettings(BaseModel):
    """The processes that decode untrusted media, one for each file and each stream with a container."""

    processes: int = Field(2, ge=1, description="Uploads that are decoded at a time; streams come on top.")
    memory_bytes: int = Field(
        288 * MEBIBYTE, ge=64 * MEBIBYTE, description="Memory of one such process; a file that needs more is refused."
    )
    picture_cpu_s: int = Field(10, ge=1, description="CPU seconds for a picture or a PDF; then it is refused.")
    recording_cpu_s: int = Field(60, ge=1, description="CPU seconds for a recording or the audio of a stream.")


class QuackSettings(BaseModel):
    """The live endpoint for analysts."""

    enabled: bool = Field(True, description="Whether analysts may attach.")
    port: Port = Field(9494, description="Port on loopback.")
    token: SecretStr = Field(SecretStr(""), description="Empty generates one into the state folder.")
    query_s: float = Field(10.0, gt=0, description="Longest time of one query; a longer one is refused.")
    query_bytes: int = Field(
        512 * MEBIBYTE, ge=64 * MEBIBYTE, description="Most memory of one query; one that needs more is refused."
    )
    total_bytes: int = Field(
        1024 * MEBIBYTE, ge=64 * MEBIBYTE, description="Most memory of all queries that run at the same time."
    )


class ApprovalSettings(BaseModel):
    """Who may approve a record, and for how long."""

    expires_s: float = Field(86_400.0, gt=0, description="How long after its proposal a record can be approved.")
    own_sessions: Literal["nobody", "operators", "everybody"] = Field(
        "operators",
        description="Who may approve the record of a session that the same credential opened, spoke in or uploaded to. "
        "`operators` does not weaken the rule: an operator can make a second key.",
    )


class AuditSettings(BaseModel):
    """The audit. It always has keys, decisions about records and dead letters, erasures, starts and stops."""

    allowed: bool = Field(True, description="Whether allowed calls are recorded, not only denied ones.")
    peers: bool = Field(True, description="Whether the network addresses of callers are kept.")
    window_s: float = Field(60.0, ge=1, description="Equal decisions about access within this time are one row.")
