"""Settings of the web console."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from models.reasons import Reason
from server.setting_groups.fields import Empty, Port, Secret, Url
from server.validators import is_loopback, is_private_url

_NAME = r"[A-Za-z0-9.:-]{1,253}"


class ConsoleSettings(BaseModel):
    """The web console. It asks for an API key, a token, or a login at the issuer; beyond loopback it needs TLS."""

    enabled: bool = Field(True, description="Whether the server has a web console.")
    host: str = Field(
        "127.0.0.1",
        pattern=rf"^{_NAME}$",
        description="Address to listen on. One that is not loopback needs TLS, and `url`.",
    )
    port: Port = Field(8090, description="Port of the console; 0 picks one.")
    url: Url = Field(
        "",
        description="Address that people open, such as `https://console.example.com:8090`. Empty on loopback takes "
        "the address that the console listens on.",
    )
    names: str = Field(
        "",
        pattern=rf"^({_NAME}( {_NAME})*)?$",
        description="Further host names and addresses that people may open, with a space between them. Requests for "
        "any other host but loopback and that of `url` are refused.",
    )
    tls_certificate: Empty[Path] = Field(
        None,
        description="PEM file of the console's certificate, then those of its issuers. Empty takes VESTIBULE_TLS__*, "
        "unless the console listens on loopback.",
    )
    tls_key: Empty[Path] = Field(None, description="PEM file of its key, which only the user of the server may read.")
    oidc_client_id: str = Field(
        "",
        max_length=256,
        description="Id of the console at VESTIBULE_AUTH__ISSUER. If set, people can log in there with OpenID Connect; "
        "the issuer must know the address `url` with `/login/return` behind it.",
    )
    oidc_client_secret: Secret = Field(
        SecretStr(""), description="Its secret; empty for a public client, which proves itself by PKCE alone."
    )
    oidc_scope: str = Field(
        "openid",
        pattern=r"^openid( [\x21-\x7e]+)*$",
        description="Scopes that are asked for at a login, `openid` first, with a space between them.",
    )
    oidc_ca: Empty[Path] = Field(
        None, description="PEM file of the CAs that the issuer's certificate may have; empty trusts the system's."
    )
    idle_s: float = Field(1800.0, gt=0, description="Time without a request after which a browser is logged out.")
    longest_s: float = Field(43_200.0, gt=0, description="Time after which a browser is logged out in any case.")

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)

    @model_validator(mode="after")
    def _is_whole(self) -> ConsoleSettings:
        parts = urlsplit(self.url)
        if (self.tls_certificate is None) != (self.tls_key is None):
            problem = "TLS of the console needs both VESTIBULE_CONSOLE__TLS_CERTIFICATE and VESTIBULE_CONSOLE__TLS_KEY."
            raise PydanticCustomError(Reason.TLS_INCOMPLETE, problem)
        if not self.on_loopback and not self.url:
            problem = "A console that is not on loopback needs VESTIBULE_CONSOLE__URL, the address that people open."
        elif not is_private_url(self.url):
            problem = "VESTIBULE_CONSOLE__URL must begin with https, or name this machine."
        elif not self.on_loopback and parts.scheme != "https":
            problem = "VESTIBULE_CONSOLE__URL must begin with https where the console is not on loopback."
        elif parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
            problem = "VESTIBULE_CONSOLE__URL must be scheme, host and port alone."
        elif self.oidc_client_id and not self.url and not self.port:
            problem = "A login at the issuer needs VESTIBULE_CONSOLE__URL or a fixed VESTIBULE_CONSOLE__PORT."
        else:
            return self
        raise PydanticCustomError(Reason.CONSOLE_SETTINGS_INVALID, problem)
