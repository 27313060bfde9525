"""Mail against a real SMTP server, a small one of asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import email
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from models.errors import InternalError, Unavailable
from server.alerts.mail import MailChannel, MailServer
from tests.unit.alerts.letters import HIDDEN, alert
from tests.unit.ledger.makers import NOW, new_id


@dataclass
class Sink:
    """Takes mail (RFC 5321) and keeps it; ``answers`` replaces the answer to a command."""

    answers: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    port: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[MailServer]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            yield MailServer("127.0.0.1", port, "none")
            await closed(self.writers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        usual = {"EHLO": "250 sink", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on", "QUIT": "221 bye"}
        self.writers.append(writer)
        writer.write(b"220 sink\r\n")
        with contextlib.suppress(ConnectionError):
            while line := (await reader.readline()).decode().strip():
                self.commands.append(line)
                word = line.partition(" ")[0].upper()
                answer = self.answers.get(word) or usual.get(word, "250 ok")
                writer.write(f"{answer}\r\n".encode())
                if answer.startswith("354"):
                    self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                    writer.write(b"250 kept\r\n")
                if word == "QUIT":
                    break
        writer.close()


async def closed(writers: list[asyncio.StreamWriter]) -> None:
    """Close the connections before the event loop ends."""
    for writer in writers:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def channel(server: MailServer) -> MailChannel:
    return MailChannel(server, "vestibule@example.org", "ops@example.org", lambda: NOW)


async def test_a_mail_counts_the_letters_and_holds_ids_and_reasons_alone() -> None:
    sink, told, alert_id = Sink(), alert(), new_id()
    async with sink.running() as server:
        await channel(server).send(told, alert_id)
    (mail,) = sink.mails
    message = email.message_from_string(mail)
    assert (message["To"], message["From"]) == ("ops@example.org", "vestibule@example.org")
    assert message["Subject"] == "Vestibule: 2 jobs failed permanently"
    assert message["Message-ID"] == f"<{alert_id}@example.org>"
    assert "read_picture  WORKER_LOST" in mail
    assert all(letter.id in mail for letter in told.letters)
    assert HIDDEN not in mail
    assert sink.commands[0] == "ehlo example.org", "the name of this machine is not told"


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_a_server_that_is_busy_is_asked_again(command: str) -> None:
    sink = Sink({command: "451 try again"})
    async with sink.running() as server:
        with pytest.raises(Unavailable) as failed:
            await channel(server).send(alert(), new_id())
    assert failed.value.reason == "ALERT_NOT_SENT"


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_a_server_that_refuses_is_not_asked_again(command: str) -> None:
    sink = Sink({command: "550 no"})
    async with sink.running() as server:
        with pytest.raises(InternalError) as failed:
            await channel(server).send(alert(), new_id())
    assert failed.value.reason == "ALERT_REFUSED"


async def test_a_server_that_is_away_is_asked_again() -> None:
    async with Sink().running() as server:
        pass
    with pytest.raises(Unavailable):
        await channel(server).send(alert(), new_id())


async def test_no_mail_is_sent_in_plain_text_where_encryption_is_asked_for() -> None:
    sink = Sink()
    async with sink.running() as server:
        with pytest.raises(Unavailable):
            await channel(MailServer(server.host, server.port, "starttls")).send(alert(), new_id())
    assert sink.mails == []
    assert not any(command.upper().startswith("MAIL") for command in sink.commands)


async def test_a_server_that_says_nothing_does_not_hold_up_the_end_of_ours() -> None:
    reached, writers = asyncio.Event(), list[asyncio.StreamWriter]()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        reached.set()
        await reader.read()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        sending = asyncio.create_task(channel(MailServer("127.0.0.1", port, "none")).send(alert(), new_id()))
        await reached.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        async with asyncio.timeout(5):  # less than a step of SMTP may take
            await asyncio.get_running_loop().shutdown_default_executor()
        await closed(writers)
