"""What can be read of spoken values in the finals of a stream, where silences cut, beside that of whole files.

    python -m benchmarks.spoken_values_stream --judge leaks.py --data DIR [--heard FILE] [--one-of 3] [--speed 2]

The judge is the program that scores recordings as whole files; its rules of what is a leak are used as they are. DIR
holds the files that it reads. Each clip goes to a real server as ``vestibule talk`` sends it, followed by silence. The
judge wants what was heard and what of it is hidden, but a final says only what is left. So each tag is given the words
that the whole-file text has in its place; the rest of the text is the final's own. Printed for each variant, for the
whole file, redacted with the server's own code, and for the stream:

said, readable  shares, as the judge defines them
held            of the clips with a readable leak, those of which the finals that the LLM may read show nothing
failed          clips whose stream ended with an error; they count nowhere else

and for harmless sentences the share in which anything was hidden.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import sys
import tempfile
import uuid
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc.aio
from vestibule.v1.conversation_pb2 import ConverseResponse
from vestibule.v1.session_pb2 import StartSessionRequest
from vestibule.v1.session_pb2_grpc import SessionServiceStub

from benchmarks._restored import restored
from benchmarks._running import Running, running
from server.cli.channel import open_aio_channel
from server.cli.talk.client import BYTES_A_SECOND, CHUNK_BYTES, Audio, Talker, TalkOptions
from server.cli.talk.sources import decoded

SILENCE_S = 1.2
"""After each clip, so that its last utterance ends as it does in a conversation."""

READY_S = 300.0
REDACT = f"{sys.executable} -m server.cli redact --jsonl"

Row = dict[str, Any]
"""A line of the manifest."""


@dataclass(frozen=True)
class Final:
    """A redacted text of a stream, and whether the LLM may read it."""

    text: str
    safe: bool


@dataclass(frozen=True)
class Verdict:
    """What can be read of a value; ``held`` is None where nothing can."""

    said: bool
    readable: bool
    held: bool | None


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", type=Path, required=True, help="the program that scores whole files")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--heard", type=Path, help="the judge's kept texts; without it the manifest's are used")
    parser.add_argument("--leaks", type=Path, help="writes the finals of streams with a readable leak, a line each")
    parser.add_argument("--one-of", type=int, default=1, help="only one of so many clips, by a hash of the id")
    parser.add_argument("--at-once", type=int, default=2, help="streams")
    parser.add_argument("--speed", type=float, default=1.0, help="times as fast as spoken")
    arguments = parser.parse_args()
    judge = loaded(arguments.judge)
    values, harmless = (
        chosen(judge, arguments.data / f"{name}.jsonl", arguments.one_of) for name in ("manifest", "harmless")
    )
    clips = [*values, *harmless]
    heard = judge.hear(clips, arguments.data, None, arguments.heard)
    with (
        tempfile.TemporaryDirectory() as home,
        running(Path(home), "limits.speech_load=1000", ready_s=READY_S) as server,
    ):
        streaming = stream_all(server, clips, arguments.data, arguments.at_once, arguments.speed)
        finals = asyncio.run(streaming)
    replies = judge.redact(REDACT, clips, heard, "speech")
    streams = of_streams(judge, values, heard, finals)
    if arguments.leaks:
        write_leaks(arguments.leaks, values, finals, streams)
    show_values(values, of_files(judge, values, heard, replies), streams)
    show_harmless(harmless, replies, finals)


def loaded(path: Path) -> ModuleType:
    """The judge as a module."""
    spec = importlib.util.spec_from_file_location("judge", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["judge"] = module  # its data classes look themselves up
    spec.loader.exec_module(module)
    return module


def chosen(judge: ModuleType, manifest: Path, one_of: int) -> list[Row]:
    """The rows of a manifest, or a part that depends on nothing but their ids; none without the file."""
    rows = judge.rows(manifest) if manifest.exists() else []
    return [row for row in rows if zlib.crc32(row["id"].encode()) % one_of == 0]


async def stream_all(
    server: Running, clips: Sequence[Row], folder: Path, at_once: int, speed: float
) -> dict[str, list[Final]]:
    """The finals of each clip by its id; a clip whose stream failed is left out."""
    free = asyncio.Semaphore(at_once)
    finals: dict[str, list[Final]] = {}

    async def one(channel: grpc.aio.Channel, clip: Row) -> None:
        async with free:
            try:
                finals[clip["id"]] = await _finals(channel, clip, folder, speed)
            except grpc.aio.AioRpcError as error:
                print(f"{clip['id']}: {error.code().name}", file=sys.stderr)
            if len(finals) % 50 == 0:
                print(f"{len(finals)} of {len(clips)} clips", file=sys.stderr, flush=True)

    async with open_aio_channel(server.address, credential=server.operator_key) as channel:
        await asyncio.gather(*(one(channel, clip) for clip in clips))
    return finals


async def _finals(channel: grpc.aio.Channel, clip: Row, folder: Path, speed: float) -> list[Final]:
    request = StartSessionRequest(client_id="benchmark", request_id=str(uuid.uuid4()), language=clip["lang"])
    started = await SessionServiceStub(channel).StartSession(request)
    audio, finals = Audio(), list[Final]()

    def take(response: ConverseResponse) -> None:
        if response.HasField("final"):
            finals.append(Final(response.final.text.value, response.final.text.safe_for_llm))

    talker = Talker(channel, TalkOptions(started.session.id, clip["lang"]), audio, take, lambda *_: None)
    speaking = asyncio.create_task(_speak(audio, folder / clip["audio"], speed))
    try:
        await talker.run()
    finally:
        speaking.cancel()
    return finals


async def _speak(audio: Audio, path: Path, speed: float) -> None:
    pcm = await asyncio.to_thread(decoded, str(path)) + bytes(int(SILENCE_S * BYTES_A_SECOND))
    loop = asyncio.get_running_loop()
    began = loop.time()
    for at in range(0, len(pcm), CHUNK_BYTES):
        audio.add(pcm[at : at + CHUNK_BYTES])
        await asyncio.sleep(max(0.0, began + (at + CHUNK_BYTES) / BYTES_A_SECOND / speed - loop.time()))
    audio.finish()


def of_files(
    judge: ModuleType, values: Sequence[Row], heard: Mapping[str, str], replies: Mapping[str, Row]
) -> dict[str, Verdict]:
    """Verdicts on the clips as whole files."""
    verdicts = {}
    for row in values:
        found = judge.judge(row, heard[row["id"]], judge.spans(replies[row["id"]]))
        held = not replies[row["id"]].get("safe_for_llm", True)
        verdicts[row["id"]] = Verdict(found["said"], found["readable"], held if found["readable"] else None)
    return verdicts


def of_streams(
    judge: ModuleType, values: Sequence[Row], heard: Mapping[str, str], finals: Mapping[str, Sequence[Final]]
) -> dict[str, Verdict]:
    """Verdicts on the streams that did not fail."""
    verdicts = {}
    for row in values:
        if row["id"] not in finals:
            continue
        mine = finals[row["id"]]
        found = _judged(judge, row, heard, mine)
        open_to_llm = [final for final in mine if final.safe]
        held = not _judged(judge, row, heard, open_to_llm)["readable"]
        verdicts[row["id"]] = Verdict(found["said"], found["readable"], held if found["readable"] else None)
    return verdicts


def _judged(judge: ModuleType, row: Row, heard: Mapping[str, str], finals: Sequence[Final]) -> Row:
    text, hidden = restored(" ".join(final.text for final in finals), heard[row["id"]])
    verdict: Row = judge.judge(row, text, hidden)
    return verdict


def write_leaks(
    path: Path, values: Sequence[Row], finals: Mapping[str, Sequence[Final]], streams: Mapping[str, Verdict]
) -> None:
    """The finals of each stream with a readable leak, beside what was said."""
    with path.open("w", encoding="utf-8") as out:
        for row in values:
            verdict = streams.get(row["id"])
            if verdict and verdict.readable:
                shown = [final.text for final in finals[row["id"]]]
                line = {"id": row["id"], "said": row["text"], "finals": shown, **asdict(verdict)}
                out.write(json.dumps(line, ensure_ascii=False) + "\n")


def show_values(values: Sequence[Row], files: Mapping[str, Verdict], streams: Mapping[str, Verdict]) -> None:
    """A line for all and one for each variant, whole files beside streams."""
    groups: dict[str, list[str]] = defaultdict(list)
    for row in values:
        for group in ("all", row["variant"], "en" if row["lang"] == "en" else "not en"):
            groups[group].append(row["id"])
    titles = ("clips", "failed", "file: said", "readable", "held", "stream: said", "readable", "held")
    widths = (6, 7, 11, 9, 6, 13, 9, 6)
    print(_line("", titles, widths))
    for group, ids in groups.items():
        both = [key for key in ids if key in streams]
        counts = (str(len(both)), str(len(ids) - len(both)))
        cells = (*counts, *_shares([files[key] for key in both]), *_shares([streams[key] for key in both]))
        print(_line(group, cells, widths))


def _line(name: str, cells: Sequence[str], widths: Sequence[int]) -> str:
    return " ".join([f"{name:12s}", *(f"{cell:>{width}s}" for cell, width in zip(cells, widths, strict=True))])


def _shares(verdicts: Sequence[Verdict]) -> tuple[str, str, str]:
    held = [verdict.held for verdict in verdicts if verdict.held is not None]
    return (
        _share([verdict.said for verdict in verdicts]),
        _share([verdict.readable for verdict in verdicts]),
        _share(held),
    )


def _share(flags: Sequence[bool]) -> str:
    return f"{sum(flags) / len(flags):.3f}" if flags else ""


def show_harmless(rows: Sequence[Row], replies: Mapping[str, Row], finals: Mapping[str, Sequence[Final]]) -> None:
    """The harmless sentences in which anything was hidden."""
    both = [row["id"] for row in rows if row["id"] in finals]
    files = _share([bool(replies[key]["entities"]) for key in both])
    streams = _share([any("[REDACTED_" in final.text for final in finals[key]) for key in both])
    print(f"harmless     {len(both):6d} {len(rows) - len(both):7d} touched: file {files}, stream {streams}")


if __name__ == "__main__":
    main()
