"""Streams broken values as speech and types them, and keeps what comes back of each."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vestibule.v1 import conversation_pb2 as pb

from server.cli.demo.part_probe import PartProbe
from server.cli.demo.planted import Medium, Planted
from server.flows.catalogue import shipped_catalogue
from tests.e2e.broken_values import CORRECTED, MISHEARD, SPLIT, Broken, broken_values, can_be_read
from tests.e2e.harness import App, audio, config, visit_pcm
from tests.e2e.input_channels import Seen
from tests.e2e.planted_values import Person, people, squeezed
from tests.e2e.scripted_engine import MOST_TEXTS, scripted_audio

STREAMED: Final = {CORRECTED: 6, SPLIT: 6, MISHEARD: 12}
TYPED: Final = {CORRECTED: 3, SPLIT: 3, MISHEARD: 3}
"""People by what goes wrong with their values, six values each."""
SEED: Final = 11

MOST_LEAKS: Final = {CORRECTED: (0.06, 0.03), SPLIT: (0.2, 0.15), MISHEARD: (0.085, 0.03)}
MOST_LEAKS_TYPED: Final = {CORRECTED: (0.0, 0.0), SPLIT: (0.39, 0.39), MISHEARD: (0.17, 0.17)}
"""Of streamed and of typed values the greatest share that can be read in part, and that can be in the finals that the
LLM gets.

They are what is reached and one value more, as the pace of a run moves partials. Of the 72 misheard values of this seed
5 are readable, of the 576 of eight other seeds 12 (``python -m benchmarks.broken_values``). Left are a number after
"read it", which a meter explains, the first digits or an aside of a number that two utterances hold, and a name that
recognition made a word. Typed texts are read one by one, so nothing says what the second of two messages completes.
"""

SCRIPTED: Final = Path(__file__).resolve().parent / "scripted_speech"
STREAMS: Final = 4
PACE: Final = 8.0
BYTES_A_SECOND: Final = 32_000
SPEECH_S, SILENCE_S = (1.05, 1.95), 0.9
"""A stretch of the visit without a pause, and a silence that ends an utterance."""


@dataclass(slots=True)
class Streamed:
    """What came back of one value.

    Attributes:
        finals: Of each utterance.
        safe: Whether the LLM may read them.
        partials: With the number of the utterance.
    """

    broken: Broken
    finals: list[str] = field(default_factory=list)
    safe: list[bool] = field(default_factory=list)
    partials: list[tuple[int, str]] = field(default_factory=list)

    @property
    def leaks(self) -> bool:
        """Whether a part of the value can be read in a final or a partial."""
        shown = [[*self.finals[:number], partial] for number, partial in self.partials]
        return can_be_read(self.broken, self.finals) or any(
            can_be_read(self.broken, texts, unfinished=True) for texts in shown
        )

    @property
    def leaks_to_llm(self) -> bool:
        """Whether a part of the value can be read in the finals that the LLM may read."""
        finals = zip(self.finals, self.safe, strict=True)
        return can_be_read(self.broken, [text if is_safe else None for text, is_safe in finals])


def streamed_values() -> list[Broken]:
    """What is spoken, the same in every run. Nobody else in the test has these values."""
    return _values_of(people(sum(STREAMED.values()), seed=SEED), STREAMED)


def typed_values() -> list[Broken]:
    """What is typed, by further people."""
    everybody = people(sum(STREAMED.values()) + sum(TYPED.values()), seed=SEED)
    return _values_of(everybody[sum(STREAMED.values()) :], TYPED)


def _values_of(everybody: list[Person], counts: Mapping[str, int]) -> list[Broken]:
    found = list[Broken]()
    for how, count in counts.items():
        found += broken_values(everybody[:count], how, SEED)
        everybody = everybody[count:]
    return found


def write_script(path: Path, values: Sequence[Broken]) -> None:
    """The texts in the order of their numbers, for the scripted engine."""
    texts = [
        {
            "text": text,
            **({"words": [{"start": a, "end": b, "confidence": c} for a, b, c in value.words]} if value.words else {}),
        }
        for value in values
        for text in value.texts
    ]
    assert len(texts) < MOST_TEXTS
    path.write_text(json.dumps(texts), encoding="utf-8")


def scripted(script: Path, values: Sequence[Broken]) -> dict[str, str]:
    """The environment of a server whose speech engine hears these texts."""
    write_script(script, values)
    paths = [str(SCRIPTED), str(SCRIPTED.parents[2]), os.environ.get("PYTHONPATH", "")]
    return {"SCRIPTED_SPEECH": str(script), "PYTHONPATH": os.pathsep.join(filter(None, paths))}


async def stream_values(app: App, values: Sequence[Broken], seen: Seen) -> list[Streamed]:
    """Speak all values in a few streams at once; what came back of each."""
    streamed = [Streamed(value) for value in values]
    numbers, first = [], 1
    for value in values:
        numbers.append(first)
        first += len(value.texts)
    numbered = list(zip(streamed, numbers, strict=True))
    await asyncio.gather(*(_stream(app, numbered[n::STREAMS], seen) for n in range(STREAMS)))
    return streamed


async def type_values(app: App, values: Sequence[Broken], seen: Seen) -> list[Streamed]:
    """Type all values, each text as a turn; what came back of each."""
    typed = [Streamed(value) for value in values]
    session_id = await app.open_session()

    async def talk() -> AsyncIterator[pb.ConverseRequest]:
        yield config(session_id, reply=False)
        for value in values:
            for text in value.texts:
                yield pb.ConverseRequest(text=pb.TypedText(text=text))

    await _keep(app, talk(), typed, seen)
    return typed


async def _stream(app: App, numbered: Sequence[tuple[Streamed, int]], seen: Seen) -> None:
    speech = visit_pcm()[slice(*(int(at_s * BYTES_A_SECOND) for at_s in SPEECH_S))]
    pcm = b"".join(
        scripted_audio(speech, number + n) + bytes(int(SILENCE_S * BYTES_A_SECOND))
        for one, number in numbered
        for n in range(len(one.broken.texts))
    )
    session_id = await app.open_session()

    async def talk() -> AsyncIterator[pb.ConverseRequest]:
        yield config(session_id, barge_in=False)
        async for chunk in audio(pcm, pace=PACE):
            yield chunk

    await _keep(app, talk(), [one for one, _ in numbered], seen)


async def _keep(app: App, talk: AsyncIterator[pb.ConverseRequest], sent: Sequence[Streamed], seen: Seen) -> None:
    """Keep the partials and finals of a conversation, whose utterances are the texts in their order."""
    utterances = [(one, n) for one in sent for n in range(len(one.broken.texts))]
    finals = 0
    async for message in app.conversations.Converse(talk):
        seen.note(message)
        if message.HasField("partial") and message.partial.text.value:
            one, n = utterances[message.partial.utterance]
            one.partials.append((n, message.partial.text.value))
        if message.HasField("final"):
            one, n = utterances[message.final.utterance]
            assert n == len(one.finals)
            one.finals.append(message.final.text.value)
            one.safe.append(message.final.text.safe_for_llm)
            finals += 1
    assert finals == len(utterances)


def check_broken(sent: Sequence[Streamed], bars: Mapping[str, tuple[float, float]]) -> None:
    """Compare with the bars the share of the values that can be read in part, by anybody and by the LLM."""
    told = []
    for how, (most, most_shown) in bars.items():
        mine = [one for one in sent if one.broken.how == how]
        leaks = [one for one in mine if one.leaks]
        shown = [one for one in mine if one.leaks_to_llm]
        if len(leaks) > most * len(mine) or len(shown) > most_shown * len(mine):
            said = [f"{one.broken.label} {one.broken.value}: {one.finals} {one.safe}" for one in leaks]
            told += [f"{how}: {len(leaks)} of {len(mine)} can be read in part, {len(shown)} by the LLM", *said]
    assert not told, "\n".join(told)


def raw_pieces(sent: Sequence[Streamed]) -> list[Planted]:
    """Pieces of the raw texts that no final shows."""
    shown = squeezed(" ".join(text for one in sent for text in one.finals))
    return [piece for one in sent for piece in one.broken.needles if squeezed(piece.value) not in shown]


def parts_of(sent: Sequence[Streamed], shown: Sequence[str]) -> PartProbe:
    """Looks for parts of the values. Left out are those in ``shown``, texts that were compared already, and in what
    a model is told of each field, such as "at most 99999".
    """
    told = [field.expected for field in shipped_catalogue().default.fields.values()]
    values = tuple(Planted(one.broken.label, one.broken.value, "", one.broken.how) for one in sent)
    return PartProbe([Medium("broken", "\n".join(value.value for value in values), values, (*shown, *told))])
