"""How attacks on the port go on: connections that are held open, and those that are written to without end."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hpack import Encoder

from benchmarks._raw_http2 import PREFACE, SETTINGS, Pairs, RawClient, frame, headers_of

FLOODING = 4
CONNECT_S = 0.5
"""An address that the server refuses hears nothing from it."""
BATCH_BYTES = 64 * 1024
GREETING = PREFACE + frame(SETTINGS, 0, 0)


@dataclass(slots=True)
class Attack:
    """One attack under way.

    Attributes:
        sent: Frames, bytes or calls sent, whatever is counted.
        reopened: Connections that the server closed, and that were opened again.
        refused: Attempts to open one that failed.
    """

    address: str
    source: str
    more: Pairs = ()
    sent: int = 0
    reopened: int = 0
    refused: int = 0
    clients: set[RawClient] = field(default_factory=set)

    def close(self) -> None:
        """Close all connections."""
        for client in list(self.clients):
            self.drop(client)

    def drop(self, client: RawClient) -> None:
        """Close a connection."""
        client.sock.close()
        self.clients.discard(client)

    def connect(self, opening: bytes = b"") -> RawClient | None:
        """A connection on which this was sent; None if the server takes no more."""
        try:
            client = RawClient(self.address, greet=False, source=self.source, timeout_s=CONNECT_S)
        except OSError:
            self.refused += 1
            return None
        self.clients.add(client)
        try:
            client.sock.sendall(opening)
        except OSError:
            self.drop(client)
            self.refused += 1
            return None
        return client

    def headers(self, path: str, more: Pairs | None = None) -> bytes:
        """The header block of a call. It refers to no earlier one, so it can be sent again."""
        encoder = Encoder()
        encoder.header_table_size = 0
        return encoder.encode(headers_of(path, self.address, self.more if more is None else more))


def held(attack: Attack, number: int, openings: Iterator[bytes], drip: bytes, every_s: float) -> Callable[[], None]:
    clients: list[RawClient | None] = [None] * number

    def open_all() -> None:
        """Open those that are not open, until the server refuses one: each further attempt would take its time."""
        for place, client in enumerate(clients):
            if client is None:
                clients[place] = attack.connect(next(openings))
                if clients[place] is None:
                    return

    def step() -> None:
        time.sleep(every_s)
        for place, client in enumerate(clients):
            if client is not None and not _alive(client, drip):
                attack.drop(client)
                attack.reopened += 1
                clients[place] = None
        open_all()

    open_all()
    attack.sent = len(attack.clients)
    return step


def _alive(client: RawClient, drip: bytes) -> bool:
    """Send something; whether the server has left the connection open."""
    client.sock.settimeout(0)
    try:
        if any(select.select([client.sock], [], [], 0)) and not client.sock.recv(65536):
            return False
        if drip:
            client.sock.sendall(drip)
    except OSError:
        return False
    return True


def flood(
    attack: Attack, pieces: Callable[[], Iterator[bytes]], connections: int = FLOODING, batch_bytes: int = BATCH_BYTES
) -> Callable[[], None]:
    """Write on some connections as fast as the server reads. One whose pieces end is left open."""
    lines: dict[int, _Line] = {}

    def open_all() -> None:
        """Open those that are not open, until the server refuses one."""
        for place in range(connections):
            known = lines.get(place)
            if known is None or known.client is None:
                lines[place] = _Line(attack, pieces(), batch_bytes)
                if lines[place].client is None:
                    return
                attack.reopened += known is not None

    def step() -> None:
        open_all()
        waiting, found = select.poll(), {}
        for line in lines.values():
            client = line.client
            if client is None:
                continue
            found[client.sock.fileno()] = line
            waiting.register(client.sock, select.POLLIN | (0 if line.done else select.POLLOUT))
        for descriptor, event in waiting.poll(100):
            found[descriptor].go_on(event)

    open_all()
    return step


class _Line:
    """One connection of a flood."""

    def __init__(self, attack: Attack, pieces: Iterator[bytes], batch_bytes: int) -> None:
        self.client = attack.connect(GREETING)
        self.done = False
        self._attack, self._pieces, self._batch_bytes = attack, pieces, batch_bytes
        self._rest = b""
        if self.client is not None:
            self.client.sock.setblocking(False)

    def go_on(self, event: int) -> None:
        """Read and write what can be."""
        assert self.client is not None
        try:
            if event & ~select.POLLOUT and not self.client.sock.recv(65536):
                raise ConnectionResetError
            if event & select.POLLOUT:
                self._write(self.client)
        except BlockingIOError:
            return
        except OSError:
            self._attack.drop(self.client)
            self.client = None

    def _write(self, client: RawClient) -> None:
        data = bytearray(self._rest)
        while len(data) < self._batch_bytes:
            piece = next(self._pieces, None)
            if piece is None:
                self.done = not data
                break
            data += piece
            self._attack.sent += 1
        taken = client.sock.send(data) if data else 0
        self._rest = bytes(data[taken:])
