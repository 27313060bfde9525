"""An issuer of tokens on this machine, which counts how often its keys are read."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joserfc.jwk import RSAKey

from benchmarks._attacks import AUDIENCE, ISSUER
from server.access.jwks import LEAST_PAUSE_S


@dataclass(slots=True)
class Issuer:
    """A running issuer.

    Attributes:
        reads: When its keys were read.
    """

    port: int = 0
    reads: list[float] = field(default_factory=list)

    @property
    def settings(self) -> tuple[str, ...]:
        """Of a server that trusts it."""
        url = f"http://127.0.0.1:{self.port}/jwks"
        return (f"auth.issuer={ISSUER}", f"auth.audience={AUDIENCE}", f"auth.jwks_url={url}")

    @property
    def least_pause_s(self) -> float:
        """The shortest time between two reads."""
        return min((later - earlier for earlier, later in zip(self.reads, self.reads[1:], strict=False)), default=1e9)

    @property
    def spared(self) -> bool:
        """Whether the server kept its bound; network and threads may move a read by a little."""
        return self.least_pause_s > LEAST_PAUSE_S - 0.5


@contextlib.contextmanager
def issuer() -> Iterator[Issuer]:
    """Serve the keys until the context ends."""
    made = Issuer()
    key = RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256", "use": "sig"}, private=False)
    keys = json.dumps({"keys": [key.as_dict(private=False)]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.reads.append(time.monotonic())
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(keys)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        made.port = http.server_address[1]
        threading.Thread(target=http.serve_forever, daemon=True).start()
        try:
            yield made
        finally:
            http.shutdown()
