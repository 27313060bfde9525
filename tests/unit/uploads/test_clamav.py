"""The client of ClamAV's daemon: only a whole OK is a clean answer."""

from __future__ import annotations

import asyncio
import random
import socket
from pathlib import Path

import pytest

from server.uploads.clamav import ClamavClient, ScannerBusy, ScannerUnreachable, ScanResult, Verdict, parse
from tests.eventually import eventually
from tests.unit.uploads.fake_clamd import FakeClamd, listening
from tests.unit.uploads.upload_harness import reason_at_once, reason_of

CONTENT = random.Random(3).randbytes(1_000_000)


def client(address: str, *, timeout_s: float = 5.0, at_once: int = 4) -> ClamavClient:
    return ClamavClient(address, timeout_s=timeout_s, at_once=at_once)


@pytest.mark.parametrize("unix", [True, False])
async def test_every_byte_is_sent_and_ok_is_clean(tmp_path: Path, unix: bool) -> None:
    daemon = FakeClamd()
    async with listening(daemon, tmp_path / "clamd" if unix else None) as address:
        assert await client(address).scan(CONTENT) == ScanResult(Verdict.CLEAN)
        assert (await client(address).version()).startswith("ClamAV 1.4.6/27500/")
    assert daemon.received == [CONTENT]


@pytest.mark.parametrize(
    ("answer", "verdict", "signature"),
    [
        ("stream: OK", Verdict.CLEAN, ""),
        ("stream: Win.Test.EICAR_HDB-1 FOUND", Verdict.FOUND, "Win.Test.EICAR_HDB-1"),
        ("stream: OK\nstream: Eicar FOUND", Verdict.FOUND, None),
        ("stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND", Verdict.INCOMPLETE, None),
        ("stream: Heuristics.Encrypted.Zip FOUND", Verdict.INCOMPLETE, None),
        ("INSTREAM size limit exceeded. ERROR", Verdict.INCOMPLETE, None),
    ],
)
def test_answers_are_understood(answer: str, verdict: Verdict, signature: str | None) -> None:
    result = parse(answer)
    assert result.verdict is verdict
    assert signature is None or result.signature == signature


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "OK",
        "stream:OK",
        "stream: ok",
        "stream: OK ",
        "stream: Can't allocate memory ERROR",
        "stream: lstat() failed: No such file or directory. ERROR",
        "UNKNOWN COMMAND",
        "COMMAND READ TIMED OUT",
        "stream: NOT OK",
    ],
)
def test_no_other_answer_is_clean(answer: str) -> None:
    assert reason_at_once(lambda: parse(answer)) == "SCAN_FAILED"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="a cut connection"),
        pytest.param(b"\0", id="an empty answer"),
        pytest.param(b"stream: OK", id="an OK without its end"),
        pytest.param(b"stream: O", id="half an answer"),
        pytest.param(b"x" * 10_000, id="an endless answer"),
        pytest.param(b"\xff\xfe\0", id="no text"),
        pytest.param(b"stream: Out of memory ERROR\0", id="an error"),
    ],
)
async def test_a_broken_answer_is_never_clean(answer: bytes) -> None:
    async with listening(FakeClamd([answer])) as address:
        assert await reason_of(lambda: client(address).scan(CONTENT)) == "SCAN_FAILED"
        assert (await client(address).scan(CONTENT)).verdict is Verdict.CLEAN, "the next one is not affected"


async def test_a_daemon_that_answers_before_it_hangs_up_is_understood(tmp_path: Path) -> None:
    daemon = FakeClamd([b"INSTREAM size limit exceeded. ERROR\0"], hang_up_after=300_000)
    async with listening(daemon, tmp_path / "clamd") as address:
        assert (await client(address).scan(CONTENT * 4)).verdict is Verdict.INCOMPLETE


async def test_no_answer_in_time_is_a_failure() -> None:
    async with listening(FakeClamd([None])) as address:
        assert await reason_of(lambda: client(address, timeout_s=0.1).scan(CONTENT)) == "SCAN_FAILED"


async def test_a_scan_that_finds_no_free_place_is_told_to_come_back_and_does_not_fail() -> None:
    daemon = FakeClamd([None])
    async with listening(daemon) as address:
        one = ClamavClient(address, timeout_s=5.0, at_once=1, place_s=0.05)
        first = asyncio.create_task(one.scan(CONTENT))
        await eventually(lambda: daemon.received)  # and so has the only place
        with pytest.raises(ScannerBusy) as caught:
            await one.scan(CONTENT)
        first.cancel()
        await asyncio.wait([first])
        assert (await one.scan(CONTENT)).verdict is Verdict.CLEAN, "its place is free again"
    assert (caught.value.reason, caught.value.retry_after_s) == ("SCANNER_BUSY", 0.05)


async def test_waiting_for_a_place_is_not_part_of_the_time_of_a_scan() -> None:
    async with listening(FakeClamd([None, None])) as address:
        one = client(address, timeout_s=1.0, at_once=1)
        failing = [asyncio.create_task(reason_of(lambda: one.scan(CONTENT))) for _ in range(2)]
        last = asyncio.create_task(one.scan(CONTENT))
        assert await asyncio.gather(*failing) == ["SCAN_FAILED", "SCAN_FAILED"]
        assert (await last).verdict is Verdict.CLEAN


async def test_scans_at_the_same_time_are_bounded() -> None:
    daemon = FakeClamd()
    async with listening(daemon) as address:
        bounded = client(address, at_once=2)
        await asyncio.gather(*(bounded.scan(CONTENT) for _ in range(8)))
    assert (len(daemon.received), daemon.most_at_once) == (8, 2)


async def test_who_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for address in (f"unix:{tmp_path}/none", f"127.0.0.1:{port}", "no-such-host.invalid:3310"):
        with pytest.raises(ScannerUnreachable) as caught:
            await client(address).scan(CONTENT)
        assert caught.value.retry_after_s == 30.0


async def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(FakeClamd()) as address:
        port = int(address.rpartition(":")[2])
        with socket.create_server(("127.0.0.1", 0)) as free:
            closed = free.getsockname()[1]
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        addresses = [(*kind, ("127.0.0.1", closed)), (*kind, ("127.0.0.1", port))]

        async def found(*_arguments: object, **_options: object) -> list[object]:
            return list(addresses)

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)
        assert (await client(f"localhost:{port}").scan(CONTENT)).verdict is Verdict.CLEAN
        addresses.reverse()
        assert (await client(f"localhost:{port}").scan(CONTENT)).verdict is Verdict.CLEAN


async def test_a_caller_that_leaves_closes_the_connection() -> None:
    daemon = FakeClamd([None])
    async with listening(daemon) as address:
        call = asyncio.create_task(client(address, at_once=1).scan(CONTENT))
        await eventually(lambda: daemon.received)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await eventually(lambda: not daemon._now)
