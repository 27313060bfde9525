"""Settings of access: who may call, who may approve, and what is recorded of it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from models.reasons import Reason
from server.setting_groups.fields import Empty, Secret, Url
from server.validators import is_private_url

LEAST_HMAC_BYTES = 32
"""Of HS256, as RFC 7518 wants: as long as the hash."""


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
    hs256_key: Secret = Field(
        SecretStr(""),
        description="Shared key of HS256, at least 32 bytes. For development: it replaces the keys, on loopback only.",
    )
    leeway_s: int = Field(30, ge=0, le=300, description="Seconds by which the clock of the issuer may differ.")
    clients: str = Field(
        "",
        pattern=r"^([A-Za-z0-9._-]{1,64}( [A-Za-z0-9._-]{1,64})*)?$",
        description="Clients of tokens that are stored and shown as they are, with a space between them. They must "
        "name no person. Of any other only a keyed hash is kept, unless it is a random UUID.",
    )
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


class ApprovalSettings(BaseModel):
    """Who may approve a record, and for how long."""

    expires_s: float = Field(86_400.0, gt=0, description="How long after its proposal a record can be approved.")
    claim_s: float = Field(
        600.0,
        ge=10,
        le=86_400,
        description="How long a reviewer holds a record that they claimed, unless they renew it.",
    )
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
