"""Settings of TLS: the server's own, and those of the commands as its clients."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from models.reasons import Reason
from server.setting_groups.fields import Empty


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
