"""Messages are checked against the rules in the protos."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, Final

import protovalidate
from google.protobuf.message import Message

from models.errors import InvalidInput
from models.reasons import Reason
from server.rpc.interceptors.base import Call, CallHook
from server.rpc.interceptors.rules_in_words import WHOLE, in_words

OUR_PACKAGE = "vestibule."
MOST_VIOLATIONS: Final = 20
"""That are told of a refused message; more would not fit into the trailers of gRPC."""


class Validate(CallHook):
    """Innermost hook. A refusal quotes the broken rule, never the value."""

    checks_messages: ClassVar[bool] = True

    def __init__(self) -> None:
        self._validator = protovalidate.Validator()

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Do nothing around the call; messages are checked one by one."""
        yield

    def check_message(self, message: Message) -> None:
        """Check one incoming message against the rules in its proto.

        Raises:
            InvalidInput: With one violation for each broken rule.
        """
        if not message.DESCRIPTOR.full_name.startswith(OUR_PACKAGE):
            return
        violations = self._validator.collect_violations(message)
        if not violations:
            return
        found = tuple(in_words(message, violation) for violation in violations)
        fields = ", ".join(sorted({f.field for f in found[:MOST_VIOLATIONS]} - {WHOLE}))
        more = " and others" if len(found) > MOST_VIOLATIONS else ""
        first = f"{'The request' if found[0].field == WHOLE else found[0].field} {found[0].description}."
        raise InvalidInput(
            f"The request breaks a rule: {fields}{more}." if fields else "The request breaks a rule.",
            reason=Reason.INVALID_ARGUMENT,
            hint=first if len(found) == 1 else f"{first} The violations have the rules of the other fields.",
            violations=found[:MOST_VIOLATIONS],
        )
