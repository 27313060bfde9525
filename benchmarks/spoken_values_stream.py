"""What can be read of a spoken value in the finals of a stream, where silences cut it.

    python -m benchmarks.spoken_values_stream --data DIR [--limit 60] [--at-once 2] [--speed 1]

DIR holds ``manifest.jsonl``: one clip a line with ``id``, ``audio``, ``lang``, ``variant`` and ``segs``, the sentence
in pieces ``[kind, text]``, where kind "v" is a part of the value. Each clip is streamed through a real server, followed
by silence, and what its redacted finals show is compared with what was said, for each variant:

said       of digits three in a row, or 40 % of them in order; of words one of four letters or more that is 75 % alike
readable   that, or any three digits in a row
failed     clips whose stream ended with an error; they count in no other column

Digits and words of the rest of the sentence do not count. Number words count as digits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import tempfile
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import grpc.aio
import numpy as np
from vestibule.v1.conversation_pb2 import ConverseResponse
from vestibule.v1.session_pb2 import StartSessionRequest
from vestibule.v1.session_pb2_grpc import SessionServiceStub

from benchmarks._running import running
from models.media.audio_decoder import decode
from models.redaction.itn.lexicon import lexicon_for
from models.redaction.itn.tokens import Words, tokens_of
from server.cli.talk.client import BYTES_A_SECOND, CHUNK_BYTES, Audio, Talker, TalkOptions

SILENCE_S = 1.2
"""After each clip, so that its last utterance ends as it does in a conversation."""

RUN, SHARE, ALIKE, LEAST_LETTERS = 3, 0.4, 0.75, 4
_TAG = re.compile(r"\[REDACTED_\w+\]")


@dataclass(frozen=True)
class Clip:
    """A line of the manifest."""

    id: str
    audio: Path
    language: str
    variant: str
    value: str
    rest: str


@dataclass(frozen=True)
class Verdict:
    """What can be read of a value."""

    said: bool
    readable: bool


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=60, help="clips, spread over the manifest")
    parser.add_argument("--at-once", type=int, default=2, help="streams")
    parser.add_argument("--speed", type=float, default=1.0, help="times as fast as spoken")
    arguments = parser.parse_args()
    clips = manifest(arguments.data, arguments.limit)
    with tempfile.TemporaryDirectory() as home, running(Path(home)) as server:
        finals = asyncio.run(stream_all(server.address, clips, arguments.at_once, arguments.speed))
    show(clips, finals)


def manifest(folder: Path, limit: int) -> list[Clip]:
    """At most ``limit`` clips, spread evenly."""
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text("utf-8").splitlines()]
    step = max(1, len(rows) // limit)
    return [_clip(row, folder) for row in rows[::step][:limit]]


def _clip(row: dict[str, object], folder: Path) -> Clip:
    pieces = [(str(kind), str(text)) for kind, text in row["segs"]]  # type: ignore[attr-defined]  # JSON
    value, rest = (" ".join(text for kind, text in pieces if (kind == "v") is of_value) for of_value in (True, False))
    return Clip(str(row["id"]), folder / str(row["audio"]), str(row["lang"]), str(row["variant"]), value, rest)


async def stream_all(address: str, clips: Sequence[Clip], at_once: int, speed: float) -> list[str | None]:
    """The finals of each clip, joined; None where its stream failed."""
    free = asyncio.Semaphore(at_once)

    async def one(channel: grpc.aio.Channel, clip: Clip) -> str | None:
        async with free:
            try:
                return await _finals(channel, clip, speed)
            except grpc.aio.AioRpcError:
                return None

    async with grpc.aio.insecure_channel(address) as channel:
        return await asyncio.gather(*(one(channel, clip) for clip in clips))


async def _finals(channel: grpc.aio.Channel, clip: Clip, speed: float) -> str:
    request = StartSessionRequest(client_id="benchmark", request_id=str(uuid.uuid4()), language=clip.language)
    started = await SessionServiceStub(channel).StartSession(request)
    audio, texts = Audio(), list[str]()

    def take(response: ConverseResponse) -> None:
        if response.HasField("final"):
            texts.append(response.final.text.value)

    talker = Talker(channel, TalkOptions(started.session.id, clip.language), audio, take, lambda *_: None)
    speaking = asyncio.create_task(_speak(audio, clip, speed))
    try:
        await talker.run()
    finally:
        speaking.cancel()
    return " ".join(texts)


async def _speak(audio: Audio, clip: Clip, speed: float) -> None:
    samples = await asyncio.to_thread(decode, clip.audio.read_bytes())
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes() + bytes(int(SILENCE_S * BYTES_A_SECOND))
    for at in range(0, len(pcm), CHUNK_BYTES):
        audio.add(pcm[at : at + CHUNK_BYTES])
        await asyncio.sleep(CHUNK_BYTES / BYTES_A_SECOND / speed)
    audio.finish()


def judge(clip: Clip, shown: str) -> Verdict:
    """Compare what the finals show with what was said."""
    value, rest = _digits(clip.value, clip.language), set(_numbers(clip.rest, clip.language))
    runs = [
        "".join(number for number in _numbers(piece, clip.language) if number not in rest)
        for piece in _TAG.split(shown)
    ]
    left = "".join(runs)
    found = any(_longest_common(run, value) >= RUN for run in runs)
    found = found or (len(left) > 1 and bool(value) and _in_order(left, value) >= SHARE * len(value))
    words = _words(clip.value, clip.language)
    others = _words(_TAG.sub(" ", shown), clip.language) - _words(clip.rest, clip.language)
    found = found or any(SequenceMatcher(None, a, b).ratio() >= ALIKE for a in words for b in others)
    return Verdict(found, found or any(len(run) >= RUN for run in runs))


def _numbers(text: str, language: str) -> list[str]:
    """Numbers and number words, each as digits."""
    words = Words(tokens_of(text), lexicon_for(language))
    return [digits for token in words.tokens if (digits := words.digits(token))]


def _digits(text: str, language: str) -> str:
    return "".join(_numbers(text, language))


def _words(text: str, language: str) -> set[str]:
    """Words that are no numbers."""
    words = Words(tokens_of(text), lexicon_for(language))
    return {t.text for t in words.tokens if len(t.text) >= LEAST_LETTERS and t.text.isalpha() and not words.digits(t)}


def _longest_common(a: str, b: str) -> int:
    return SequenceMatcher(None, a, b, autojunk=False).find_longest_match().size


def _in_order(a: str, b: str) -> int:
    return sum(block.size for block in SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks())


def show(clips: Sequence[Clip], finals: Sequence[str | None]) -> None:
    """Print a line for each variant."""
    groups: dict[str, list[Verdict | None]] = defaultdict(list)
    for clip, shown in zip(clips, finals, strict=True):
        verdict = None if shown is None else judge(clip, shown)
        groups["all"].append(verdict)
        groups[clip.variant].append(verdict)
    print(f"{'variant':12s} {'clips':>6s} {'said':>6s} {'readable':>9s} {'failed':>7s}")
    for variant, verdicts in groups.items():
        judged = [v for v in verdicts if v is not None]
        said, readable = (
            sum(flags) / max(1, len(judged)) for flags in ([v.said for v in judged], [v.readable for v in judged])
        )
        print(
            f"{variant:12s} {len(judged):6d} {said:6.3f} {readable:9.3f} {len(verdicts) - len(judged):7d}", flush=True
        )


if __name__ == "__main__":
    main()
