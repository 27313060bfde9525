"""How files share the decoders, and how a clean form comes in pieces. The processes are real."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import psutil
import pytest

from models.errors import BrokenMedia, Overloaded, TooLarge
from models.media.audio_decoder import decode
from server.sandbox import client
from server.sandbox.conversation import Conversation
from server.sandbox.frames import PIECE_BYTES, Kind
from server.sandbox.places import PlaceLimits
from server.sandbox.sandbox import MediaSandbox
from tests.unit.media.made_files import long_m4a
from tests.unit.sandbox.sandboxes import OPTIONS, fork_server
from tests.unit.vision.pictures import DATA, corners, encoded

RECORDING = (DATA / "visit.ogg").read_bytes()
PICTURE = encoded(corners(), "PNG")


class Held:
    """Takes a clean form, and keeps the decoder waiting until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def write(self, _piece: memoryview) -> None:
        self.begun.set()
        self.go_on.wait()


class Noted(list[int]):
    """Takes a clean form, and notes the sizes of its pieces."""

    def write(self, piece: memoryview) -> None:
        self.append(len(piece))


async def test_a_recording_of_a_client_waits_for_another_one_of_it_and_nothing_else_does(sandbox: MediaSandbox) -> None:
    held, waiting = Held(), Noted()
    await sandbox.clean(RECORDING, Noted().write, "other")  # so "app" is not alone
    first = asyncio.create_task(sandbox.clean(RECORDING, held.write, "app"))
    await asyncio.to_thread(held.begun.wait)
    second = asyncio.create_task(sandbox.clean(RECORDING, waiting.write, "app"))
    assert (await sandbox.clean(PICTURE, Noted().write, "app")).pages == 1
    assert (await sandbox.clean(PICTURE, Noted().write, "other")).pages == 1
    assert (await sandbox.clean(RECORDING, Noted().write, "other")).audio_s > 3
    assert waiting == []
    held.go_on.set()
    assert (await first).audio_s == (await second).audio_s > 3
    assert len(waiting) == 1


async def test_a_recording_that_waits_too_long_is_refused() -> None:
    impatient = MediaSandbox(replace(OPTIONS, recordings=PlaceLimits(places=1, of_client=1, wait_s=0.001)))
    held = Held()
    first = asyncio.create_task(impatient.clean(RECORDING, held.write, "app"))
    await asyncio.to_thread(held.begun.wait)
    with pytest.raises(Overloaded) as caught:
        await impatient.clean(RECORDING, Noted().write, "app")
    assert (caught.value.reason, caught.value.retry_after_s) == ("DECODERS_BUSY", 10.0)
    held.go_on.set()
    await first
    await impatient.close()


async def test_a_caller_who_gives_up_ends_the_decoder_and_frees_its_place(
    own_sandbox: MediaSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = threading.Event()
    send = Conversation.send

    def only_the_request(self: Conversation, kind: Kind, content: bytes = b"") -> None:
        if kind is Kind.REQUEST:
            send(self, kind, content)
        else:
            sent.set()  # the decoder waits for the file, and this thread for the decoder

    with monkeypatch.context() as patched:
        patched.setattr(Conversation, "send", only_the_request)
        call = asyncio.create_task(own_sandbox.clean(RECORDING, Noted().write, "app"))
        await asyncio.to_thread(sent.wait)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert (await own_sandbox.clean(RECORDING, Noted().write, "app")).audio_s > 3
    _, left = psutil.wait_procs(fork_server(own_sandbox).children(), timeout=60)
    assert left == []


async def test_one_that_gave_up_before_its_decoder_was_started_leaves_none(own_sandbox: MediaSandbox) -> None:
    file = client.FileInChild(own_sandbox._process, OPTIONS.media, OPTIONS.child)
    file.stop()
    noted = Noted()
    with pytest.raises(BrokenMedia):
        await asyncio.to_thread(file.run, RECORDING, noted.write)
    assert noted == []


async def test_a_long_clean_form_comes_in_pieces(sandbox: MediaSandbox) -> None:
    data, pieces = long_m4a(200), list[bytes]()
    await sandbox.clean(data, lambda piece: pieces.append(bytes(piece)), "app")
    assert [len(piece) for piece in pieces[:-1]] == [PIECE_BYTES] * 3
    assert 0 < len(pieces[-1]) <= PIECE_BYTES
    assert len(decode(b"".join(pieces))) == len(decode(data))


async def test_a_decoder_that_sends_more_than_a_clean_form_is_ended(
    sandbox: MediaSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CLEAN_BYTES", PIECE_BYTES)
    noted = Noted()
    with pytest.raises(BrokenMedia) as caught:
        await sandbox.clean(long_m4a(200), noted.write, "app")
    assert caught.value.reason == "MEDIA_NOT_DECODABLE"
    assert noted == [PIECE_BYTES]


async def test_an_error_of_whoever_takes_the_clean_form_ends_the_file(sandbox: MediaSandbox) -> None:
    def full(_piece: memoryview) -> None:
        raise TooLarge("There is no room.")

    with pytest.raises(TooLarge):
        await sandbox.clean(RECORDING, full, "app")
    assert (await sandbox.clean(RECORDING, Noted().write, "app")).audio_s > 3
