"""Settings of the alerts about dead letters."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from models.reasons import Reason
from server.setting_groups.fields import Port, Url
from server.setting_groups.stored_data import JobKind
from server.validators import is_private_url

MailAddress = Annotated[str, Field(pattern=r"^([!-?A-~]{1,64}@[A-Za-z0-9.-]{1,255})?$")]
LEAST_KEY_BYTES: Final = 24


class AlertSettings(BaseModel):
    """Alerts about dead letters of critical kinds. They are in the log and the metrics always."""

    kinds: list[JobKind] = Field(
        ["read_picture", "read_recording", "propose_record"],
        description="Critical kinds of jobs. A late reply is none: the person has an answer already.",
    )
    every_s: float = Field(60.0, ge=1, description="Time between two alerts; letters that come meanwhile are in one.")
    webhook_url: Url = Field("", description="Where alerts are posted, https or on loopback; empty turns it off.")
    webhook_secret: SecretStr = Field(
        SecretStr(""), description="Key of the signatures: whsec_ and the Base64 of at least 24 bytes."
    )
    mail_to: MailAddress = Field("", description="Who gets alerts by e-mail; empty turns it off.")
    mail_from: MailAddress = Field("", description="Sender of the e-mails.")
    smtp_host: str = Field("", description="Mail server.")
    smtp_port: Port = Field(587, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection is encrypted; none is for a mail server on the same machine."
    )
    smtp_user: str = Field("", description="Name for the login; empty sends without one.")
    smtp_password: SecretStr = Field(SecretStr(""), description="Password for the login.")

    @model_validator(mode="after")
    def _complete(self) -> AlertSettings:
        if self.webhook_url and not is_private_url(self.webhook_url):
            raise _wrong("webhook_url must begin with https://, unless it is on loopback.")
        if self.webhook_url and not _is_key(self.webhook_secret.get_secret_value()):
            raise _wrong("webhook_url needs webhook_secret: whsec_ and the Base64 of at least 24 bytes.")
        if self.mail_to and not (self.mail_from and self.smtp_host):
            raise _wrong("mail_to needs mail_from and smtp_host.")
        if self.smtp_user and self.smtp_security == "none":
            raise _wrong("smtp_user needs an encrypted connection.")
        return self


def _is_key(secret: str) -> bool:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return False
    return secret.startswith("whsec_") and len(key) >= LEAST_KEY_BYTES


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError(Reason.INVALID_ARGUMENT, message)
