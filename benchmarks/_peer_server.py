"""WhisperLiveKit, in an environment and a process of its own, on the same weights."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._environments import as_it_comes, environment
from models.weights.store import place
from server.cli.demo.processes import free_ports
from server.settings import Settings

HERE = Path(__file__).resolve().parent
READY_S = 120.0
REQUIREMENTS = ("whisperlivekit==0.2.26", "faster-whisper==1.2.1")


@dataclass(frozen=True, slots=True)
class PeerServer:
    """A peer that is ready, with the client that streams to it."""

    url: str
    client: subprocess.Popen[str]

    def play(self, slots: Sequence[Sequence[dict[str, Any]]], chunk_s: float) -> list[list[dict[str, Any]]]:
        """Stream clips and wait for all of them; see ``_peer_client``."""
        assert self.client.stdin is not None
        assert self.client.stdout is not None
        self.client.stdin.write(json.dumps({"url": self.url, "chunk_s": chunk_s, "slots": slots}) + "\n")
        self.client.stdin.flush()
        answer: list[list[dict[str, Any]]] = json.loads(self.client.stdout.readline())
        return answer


@contextlib.contextmanager
def peer_server() -> Iterator[PeerServer]:
    """Run it as its documentation says, without a model hub. It is stopped at the end of the context."""
    python = environment("whisperlivekit", *REQUIREMENTS)
    [port] = free_ports(1)
    folder = place("whisper-base", Settings().weights_dir)
    command = [str(python.parent / "wlk"), "serve", "--model_dir", str(folder), "--lan", "en", "--port", str(port)]
    command += ["--host", "127.0.0.1", "--backend", "faster-whisper", "--backend-policy", "localagreement"]
    variables = as_it_comes() | {"HF_HUB_OFFLINE": "1"}
    pipe = subprocess.PIPE
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            [*command, "--pcm-input"], stdout=log, stderr=log, env=variables, start_new_session=True
        )
        client = subprocess.Popen([str(python), str(HERE / "_peer_client.py")], stdin=pipe, stdout=pipe, text=True)
        try:
            _wait(server, f"http://127.0.0.1:{port}/health")
            yield PeerServer(f"ws://127.0.0.1:{port}/asr", client)
        finally:
            client.kill()
            client.communicate()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait(server: subprocess.Popen[bytes], address: str) -> None:
    give_up_at = time.monotonic() + READY_S
    while time.monotonic() < give_up_at and server.poll() is None:
        with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(address, timeout=2) as reply:
            if json.load(reply).get("ready"):
                return
        time.sleep(0.25)
    raise SystemExit(f"The peer was not ready within {READY_S:.0f} s, or ended with {server.poll()}.")
