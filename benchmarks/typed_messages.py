"""What is hidden in messages that people type: names that stay readable, and harmless messages that lose a word.

    python -m benchmarks.typed_messages [--data FILE ...] [--peer 'COMMAND'] [--errors]

A file has one message a line, ``LANG|MESSAGE``, with double square brackets around each name. Without ``--data`` it is
the two sets of tests/data/typed_messages. ``--peer`` is another command that redacts as ``vestibule redact --jsonl``
does, such as one for Presidio. Printed for each language, ours and the peer's:

leaked   names of which a letter stays readable, of all names
touched  messages that name nobody in which something was hidden, of all of them
lost     words beside the names that were hidden, of all in messages with names
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SETS = Path(__file__).resolve().parent.parent / "tests" / "data" / "typed_messages"
OURS = f"{sys.executable} -m server.cli redact --jsonl"
_NAME = re.compile(r"\[\[(.*?)\]\]")
_WORD = re.compile(r"\w+")

Span = tuple[int, int]


@dataclass(frozen=True)
class Message:
    """A message, and where its names are."""

    language: str
    text: str
    names: tuple[Span, ...]


@dataclass
class Counts:
    """How many names, harmless messages and other words there are, and how many of each went wrong."""

    names: int = 0
    leaked: int = 0
    harmless: int = 0
    touched: int = 0
    words: int = 0
    lost: int = 0

    def __str__(self) -> str:
        pairs = ((self.leaked, self.names), (self.touched, self.harmless), (self.lost, self.words))
        return " ".join(f"{f'{wrong}/{whole}':>9} {100 * wrong / max(1, whole):5.1f} %" for wrong, whole in pairs)


def read_messages(path: Path) -> Iterator[Message]:
    """The messages of a file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        language, _, marked = line.partition("|")
        pieces = _NAME.split(marked)  # text, name, text, name, ..., text
        ends = [sum(map(len, pieces[:count])) for count in range(len(pieces) + 1)]
        yield Message(language, "".join(pieces), tuple(zip(ends[1::2], ends[2::2], strict=False)))


def hidden_in(command: str, messages: Sequence[Message]) -> list[list[Span]]:
    """What a command hides of each message."""
    lines = [
        json.dumps({"id": str(number), "text": message.text, "source": "typed", "lang": message.language})
        for number, message in enumerate(messages)
    ]
    done = subprocess.run(shlex.split(command), input="\n".join(lines), text=True, check=True, stdout=subprocess.PIPE)
    replies = {reply["id"]: reply for reply in map(json.loads, done.stdout.splitlines())}
    return [[(e["start"], e["end"]) for e in replies[str(number)]["entities"]] for number in range(len(messages))]


def add(counts: Counts, message: Message, hidden: Sequence[Span]) -> bool:
    """Count one message; returns whether anything in it went wrong."""
    covered = {at for start, end in hidden for at in range(start, end)}
    if not message.names:
        counts.harmless += 1
        counts.touched += bool(hidden)
        return bool(hidden)
    leaked = sum(
        any(message.text[at].isalnum() and at not in covered for at in range(start, end))
        for start, end in message.names
    )
    others = [
        word.span()
        for word in _WORD.finditer(message.text)
        if not any(start < word.end() and word.start() < end for start, end in message.names)
    ]
    counts.names += len(message.names)
    counts.leaked += leaked
    counts.words += len(others)
    counts.lost += sum(not covered.isdisjoint(range(start, end)) for start, end in others)
    return leaked > 0


def report(title: str, messages: Sequence[Message], hidden: Sequence[list[Span]], *, errors: bool) -> None:
    """Print the counts of every language and of all."""
    tables: dict[str, Counts] = {language: Counts() for language in dict.fromkeys(m.language for m in messages)}
    whole = Counts()
    for message, spans in zip(messages, hidden, strict=True):
        add(tables[message.language], message, spans)
        if add(whole, message, spans) and errors:
            print(f"  {message.language} {message.text}  {[message.text[a:b] for a, b in spans]}")
    for name, counts in {"all": whole, **tables}.items():
        print(f"{title:24} {name:4} {counts}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", default=sorted(SETS.glob("*.txt")))
    parser.add_argument("--peer", help="another command that redacts")
    parser.add_argument("--errors", action="store_true", help="print the messages that went wrong")
    args = parser.parse_args()
    if args.errors and any(path.stem == "held" for path in args.data):
        parser.error("the half that is held back is not read: give --data FILE with --errors")
    commands: Mapping[str, str] = {"ours": OURS} | ({"peer": args.peer} if args.peer else {})
    print(f"{'':29} {'names leaked':>17} {'harmless touched':>17} {'words lost':>17}")
    for path in args.data:
        messages = list(read_messages(path))
        for name, command in commands.items():
            report(f"{path.stem}, {name}", messages, hidden_in(command, messages), errors=args.errors)


if __name__ == "__main__":
    main()
