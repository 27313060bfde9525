"""Messages are checked against the rules in the protos."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

import protovalidate
from google.protobuf.message import Message

from models.errors import FieldViolation, InvalidInput
from models.reasons import Reason
from server.rpc.interceptors.base import Call, CallHook

OUR_PACKAGE = "vestibule."


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
        found = tuple(FieldViolation(_path(v), v.proto.message or v.proto.rule_id) for v in violations)
        fields = ", ".join(sorted({f.field for f in found}))
        raise InvalidInput(
            f"The request breaks a rule: {fields}.",
            reason=Reason.INVALID_ARGUMENT,
            hint="See the violations, and the comments in the proto.",
            violations=found,
        )


def _path(violation: protovalidate.Violation) -> str:
    elements = violation.proto.field.elements if violation.proto.field is not None else []
    return ".".join(str(e.field_name) for e in elements) or "message"
