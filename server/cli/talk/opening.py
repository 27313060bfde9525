"""The session of `vestibule talk`: a new one, or one that goes on."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from server.cli.remote import CALL_TIMEOUT_S
from server.times import zone_named

if TYPE_CHECKING:
    import grpc.aio
    from vestibule.v1.session_pb2 import Session

LOCALTIME: Final = Path("/etc/localtime")
"""On most systems a link to a file of the time zone database, whose path ends with the name of the zone."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a new session is opened with.

    Attributes:
        vocabulary: Words to expect.
        flow: Name of its flow; empty takes the server's default.
        facts: What is known already, by the name of a fact of the flow.
        time_zone: IANA name; empty takes the server's setting, None that of this machine.
    """

    vocabulary: tuple[str, ...] = ()
    flow: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    time_zone: str | None = None

    def check_new(self) -> None:
        """Refuse what a session that goes on cannot be given.

        Raises:
            click.UsageError: Something is given.
        """
        if self.vocabulary:
            raise click.UsageError("--vocabulary goes with a new session; the session of --session has its own.")
        if self.flow:
            raise click.UsageError("--flow goes with a new session; the session of --session keeps its own.")
        if self.facts:
            raise click.UsageError("--fact goes with a new session; the session of --session has its own.")
        if self.time_zone is not None:
            raise click.UsageError("--time-zone goes with a new session; the session of --session keeps its own.")


def facts_of(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """Facts by their names, from ``NAME=VALUE``.

    Raises:
        click.BadParameter: One has no name, no value, or comes twice.
    """
    facts: dict[str, str] = {}
    for each in given:
        name, _, value = each.partition("=")
        if not name or not value or name in facts:
            raise click.BadParameter("--fact takes NAME=VALUE, each name once, such as last_reading=4821.")
        facts[name] = value
    return facts


def machine_time_zone() -> str:
    """IANA name of the time zone of this machine, by the system's link to it; empty where there is none."""
    name = str(LOCALTIME.resolve()).partition("/zoneinfo/")[2]
    return name if zone_named(name) is not None else ""


async def opened(channel: grpc.aio.Channel, opening: Opening, language: str) -> Session:
    """Open a session and show its id."""
    from vestibule.v1.session_pb2 import StartSessionRequest
    from vestibule.v1.session_pb2_grpc import SessionServiceStub

    request = StartSessionRequest(
        request_id=str(uuid.uuid4()),
        language=language,
        vocabulary=opening.vocabulary,
        flow=opening.flow,
        facts=opening.facts,
        time_zone=machine_time_zone() if opening.time_zone is None else opening.time_zone,
    )
    started = await SessionServiceStub(channel).StartSession(request, timeout=CALL_TIMEOUT_S)
    click.echo(f"Session {started.session.id}", err=True)
    return started.session


async def found(channel: grpc.aio.Channel, session_id: str) -> Session:
    """The session as it is now."""
    from vestibule.v1.session_pb2 import GetSessionRequest
    from vestibule.v1.session_pb2_grpc import SessionServiceStub

    request = GetSessionRequest(session_id=session_id, upload_page_size=1)
    return (await SessionServiceStub(channel).GetSession(request, timeout=CALL_TIMEOUT_S)).session


def tell_open_session(session_id: str) -> None:
    """Say that a session stays open after the command, and how one goes on or lets it end.

    Args:
        session_id: The session; empty says nothing.
    """
    if session_id:
        click.echo(
            f"Session {session_id} stays open. To go on: `vestibule talk FILE --session {session_id}`, or `--type` in "
            "place of FILE. The server ends it after some idle time (VESTIBULE_IDLE_SESSION_S).",
            err=True,
        )
