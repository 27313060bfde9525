"""Types of fields that several groups of settings have."""

from __future__ import annotations

import re
from typing import Annotated, Final, TypeVar
from urllib.parse import unquote

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

from models.errors import InvalidInput
from models.reasons import Reason
from server.times import zone_named
from server.validators import MOST_PORT, MOST_THREADS, check_http_url, host_and_port

MEBIBYTE = 1024 * 1024

PLACEHOLDER = "change-me"
"""In deploy/.env.example, in the place of secrets."""

_PASSWORDS: Final = re.compile(
    r"^[a-z]+://[^:@/?#]*:([^@/?#]*)@|(?:^|[?&\s])(?:ssl)?password\s*=\s*'?([^'&#\s]*)", re.IGNORECASE
)
"""In what libpq takes for a database: after the user of a URL, as a parameter of it, or as one of its keywords."""

Value = TypeVar("Value")


def checked_address(address: str) -> str:
    """The address, if it is HOST:PORT."""
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


def _known_zone(name: str) -> str:
    if zone_named(name) is None:
        raise PydanticCustomError(Reason.INVALID_ARGUMENT, "time_zone must be a name such as UTC or Europe/Berlin.")
    return name


def _is_placeholder(text: str) -> bool:
    return text.strip().lower() == PLACEHOLDER


def _own_secret(secret: SecretStr) -> SecretStr:
    if _is_placeholder(secret.get_secret_value()):
        raise PydanticCustomError(
            Reason.SECRET_IS_PLACEHOLDER,
            "It is still the placeholder of the example. Set a value of your own, or none.",
        )
    return secret


def _own_password(url: SecretStr) -> SecretStr:
    passwords = _PASSWORDS.findall(url.get_secret_value().strip())
    if any(_is_placeholder(unquote(each)) for pair in passwords for each in pair):
        raise PydanticCustomError(
            Reason.SECRET_IS_PLACEHOLDER,
            "Its password is still the placeholder of the example. Set one of your own, here and in the database.",
        )
    return url


Address = Annotated[str, AfterValidator(checked_address)]
Url = Annotated[str, AfterValidator(_checked_url)]
Secret = Annotated[SecretStr, AfterValidator(_own_secret)]
DatabaseUrl = Annotated[Secret, AfterValidator(_own_password)]
Port = Annotated[int, Field(ge=0, le=MOST_PORT)]
TimeZone = Annotated[str, AfterValidator(_known_zone)]
Threads = Annotated[int, Field(ge=1, le=MOST_THREADS)]
Empty = Annotated[Value | None, BeforeValidator(lambda given: None if given == "" else given)]
"""A value, or None for a variable that is set but empty; an empty path would be the current folder."""
