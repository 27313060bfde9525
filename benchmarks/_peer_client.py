"""Streams clips to WhisperLiveKit at their own pace and records what arrived when. Runs in the peer's environment.

Standard input: ``{"url": websocket, "chunk_s": seconds, "slots": [[{"pcm": path, "wait_s": seconds}]]}`` a line; the
clips of a slot come one after the other, each on a connection of its own, the slots at the same time. Standard output:
for each, in the same order, ``{"first_s", "last_s", "text", "pieces"}`` in one list: when the first text came, when the
committed text changed for the last time (seconds since the first sample), the text, and how many lines it came in.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import websockets  # of its own environment

BYTES_A_SECOND = 32_000
PATIENCE_S = 30.0
"""Seconds to wait after the end of the audio."""


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        for slot_clips in asked["slots"]:
            for one in slot_clips:
                one["audio"] = Path(one["pcm"]).read_bytes()
        results = asyncio.run(play(asked))
        sys.stdout.write(json.dumps(results) + "\n")
        sys.stdout.flush()


async def play(asked: dict[str, Any]) -> list[list[dict[str, Any]]]:
    return await asyncio.gather(*(slot(asked["url"], asked["chunk_s"], clips) for clips in asked["slots"]))


async def slot(url: str, chunk_s: float, clips: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [await clip(url, chunk_s, one) for one in clips]


async def clip(url: str, chunk_s: float, one: dict[str, Any]) -> dict[str, Any]:
    pcm = one["audio"]
    found: dict[str, Any] = {"first_s": None, "last_s": None, "text": "", "pieces": 0}
    await asyncio.sleep(one["wait_s"])
    async with websockets.connect(url, max_size=None) as socket:
        await socket.recv()  # its configuration
        began = asyncio.get_running_loop().time()
        sending = asyncio.create_task(send(socket, pcm, chunk_s, began))
        try:
            async with asyncio.timeout(len(pcm) / BYTES_A_SECOND + PATIENCE_S):
                await listen(socket, began, found)
        except TimeoutError:
            found["last_s"] = None  # it is not complete
        finally:
            sending.cancel()
    return found


async def send(socket: Any, pcm: bytes, chunk_s: float, began: float) -> None:
    loop, size = asyncio.get_running_loop(), int(chunk_s * BYTES_A_SECOND)
    for number, at in enumerate(range(0, len(pcm), size), 1):
        await asyncio.sleep(
            began + number * chunk_s - loop.time()
        )  # a chunk is complete when its last sample was spoken
        await socket.send(pcm[at : at + size])
    await socket.send(b"")


async def listen(socket: Any, began: float, found: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    async for message in socket:
        state = json.loads(message)
        if state.get("type") == "ready_to_stop":
            break
        note(found, state, loop.time() - began)


def note(found: dict[str, Any], state: dict[str, Any], at_s: float) -> None:
    lines = [line["text"] for line in state.get("lines", []) if line.get("text")]
    committed = " ".join(" ".join(lines).split())
    if found["first_s"] is None and (committed or state.get("buffer_transcription", "").strip()):
        found["first_s"] = at_s
    if committed != found["text"]:
        found.update(text=committed, last_s=at_s, pieces=len(lines))


if __name__ == "__main__":
    main()
