"""Mail against a real SMTP server."""

from __future__ import annotations

import asyncio
import email
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from models.errors import InternalError, Unavailable
from server.alerts.mail import MailChannel
from server.alerts.smtp import MailServer
from tests.receivers import MailSink, closed
from tests.unit.alerts.letters import HIDDEN, alert
from tests.unit.ledger.makers import NOW, new_id


@asynccontextmanager
async def running(sink: MailSink) -> AsyncIterator[MailServer]:
    async with sink.running() as port:
        yield MailServer("127.0.0.1", port, "none")


def channel(server: MailServer) -> MailChannel:
    return MailChannel(server, "vestibule@example.org", "ops@example.org", lambda: NOW)


async def test_a_mail_counts_the_letters_and_holds_ids_and_reasons_alone() -> None:
    sink, told, alert_id = MailSink(), alert(), new_id()
    async with running(sink) as server:
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
    sink = MailSink({command: "451 try again"})
    async with running(sink) as server:
        with pytest.raises(Unavailable) as failed:
            await channel(server).send(alert(), new_id())
    assert failed.value.reason == "ALERT_NOT_SENT"


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_a_server_that_refuses_is_not_asked_again(command: str) -> None:
    sink = MailSink({command: "550 no"})
    async with running(sink) as server:
        with pytest.raises(InternalError) as failed:
            await channel(server).send(alert(), new_id())
    assert failed.value.reason == "ALERT_REFUSED"


@pytest.mark.parametrize("goodbye", ["250 ok", "421 closing", "500 what", "554 no", "nonsense"])
async def test_a_mail_that_was_taken_counts_as_sent_whatever_ends_the_connection(goodbye: str) -> None:
    sink = MailSink({"QUIT": goodbye})
    async with running(sink) as server:
        await channel(server).send(alert(), new_id())
    assert len(sink.mails) == 1


async def test_the_answer_to_quit_does_not_replace_why_a_mail_failed() -> None:
    sink = MailSink({"RCPT": "550 no", "QUIT": "421 closing"})
    async with running(sink) as server:
        with pytest.raises(InternalError, match="550"):
            await channel(server).send(alert(), new_id())


async def test_a_server_that_is_away_is_asked_again() -> None:
    async with running(MailSink()) as server:
        pass
    with pytest.raises(Unavailable):
        await channel(server).send(alert(), new_id())


async def test_no_mail_is_sent_in_plain_text_where_encryption_is_asked_for() -> None:
    sink = MailSink()
    async with running(sink) as server:
        with pytest.raises(Unavailable):
            await channel(MailServer(server.host, server.port, "starttls")).send(alert(), new_id())
    assert sink.mails == []
    assert not any(command.upper().startswith("MAIL") for command in sink.commands)


async def test_a_host_that_is_no_name_is_told_at_once_and_not_tried_again() -> None:
    with pytest.raises(InternalError, match="The mail cannot be sent") as failed:
        await channel(MailServer("mail..example.org", 25, "none")).send(alert(), new_id())
    assert failed.value.reason == "ALERT_REFUSED"


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
