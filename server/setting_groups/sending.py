"""Settings of what sends to a webhook and by e-mail."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from models.reasons import Reason
from server.setting_groups.fields import Port, Secret, Url
from server.validators import is_loopback, is_private_url

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ADDRESS: Final = rf"{_ATOM}(\.{_ATOM})*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*"  # RFC 5322, without quotes and comments
MailAddress = Annotated[str, Field(pattern=f"^({_ADDRESS})?$", max_length=320)]
MailAddresses = Annotated[str, Field(pattern=f"^({_ADDRESS}(, ?{_ADDRESS}){{0,19}})?$", max_length=6400)]
"""Up to 20 addresses, with commas; empty for none."""
LEAST_KEY_BYTES: Final = 24


class SendingSettings(BaseModel):
    """A webhook and a mail server. A group that has them names its recipients in ``mail_to``."""

    webhook_url: Url = Field("", description="Where it is posted, https or on loopback; empty turns the webhook off.")
    webhook_secret: Secret = Field(
        SecretStr(""), description="Key of the signatures: whsec_ and the Base64 of at least 24 bytes."
    )
    mail_from: MailAddress = Field("", description="Sender of the e-mails.")
    smtp_host: str = Field("", description="Mail server.")
    smtp_port: Port = Field(587, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection is encrypted; none is for a mail server on the same machine."
    )
    smtp_user: str = Field("", description="Name for the login; empty sends without one.")
    smtp_password: Secret = Field(SecretStr(""), description="Password for the login.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.webhook_url and not is_private_url(self.webhook_url):
            raise _wrong("webhook_url must begin with https://, unless it is on loopback.")
        if self.webhook_url and not _is_key(self.webhook_secret.get_secret_value()):
            raise _wrong("webhook_url needs webhook_secret: whsec_ and the Base64 of at least 24 bytes.")
        if getattr(self, "mail_to", "") and not (self.mail_from and self.smtp_host):
            raise _wrong("mail_to needs mail_from and smtp_host.")
        if self.smtp_user and self.smtp_security == "none":
            raise _wrong("smtp_user needs an encrypted connection.")
        if self.smtp_host and self.smtp_security == "none" and not is_loopback(self.smtp_host):
            raise _wrong("smtp_security none needs an smtp_host on loopback, such as 127.0.0.1.")
        return self


def _is_key(secret: str) -> bool:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return False
    return secret.startswith("whsec_") and len(key) >= LEAST_KEY_BYTES


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError(Reason.INVALID_ARGUMENT, message)
