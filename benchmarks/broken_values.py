"""What can be read of values that are corrected, cut by a pause, or misheard, on any number of sentences.

    python -m benchmarks.broken_values [--seeds 100 108] [--peer 'COMMAND'] [--errors]

The sentences are those of the test with a thousand values, from other seeds: 144 values of 24 people for each seed, in
templates that nothing learned from. Every utterance is redacted by itself as a spoken text, with the confidence of its
words; a session, which the test has, would join what a pause cut. ``--peer`` is another command that redacts as
``vestibule redact --jsonl`` does, such as one for Presidio. Printed for each way in which a value is broken, ours and
the peer's:

values   how many there are
readable those of which a part can be read: three digits in a row, most of a name, four letters of a mailbox
to LLM   those of which a part can be read in a text that is ``safe_for_llm``
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from tests.e2e.broken_streams import STREAMED
from tests.e2e.broken_values import Broken, broken_values, can_be_read
from tests.e2e.planted_values import people

OURS = f"{sys.executable} -m server.cli redact --jsonl"
TAG = "[REDACTED_X]"


def values_of(seeds: range) -> Iterator[Broken]:
    """The broken values of all seeds."""
    for seed in seeds:
        everybody = people(sum(STREAMED.values()), seed=seed)
        for how, number in STREAMED.items():
            yield from broken_values(everybody[:number], how, seed)
            everybody = everybody[number:]


def requests_of(values: Sequence[Broken]) -> Iterator[dict[str, Any]]:
    """Every text as a line for the redactor. Its id is its place among all texts."""
    texts = [(text, value.words) for value in values for text in value.texts]
    for number, (text, rated) in enumerate(texts):
        words = [{"start": start, "end": end, "confidence": sure} for start, end, sure in rated]
        yield {"id": str(number), "text": text, "source": "speech", **({"words": words} if words else {})}


def redacted(command: str, requests: Sequence[dict[str, Any]]) -> list[tuple[str, bool]]:
    """What a command shows of each text, and whether the LLM may read it; a peer that does not say lets it."""
    lines = "\n".join(map(json.dumps, requests))
    done = subprocess.run(shlex.split(command), input=lines, text=True, check=True, stdout=subprocess.PIPE)
    replies = {reply["id"]: reply for reply in map(json.loads, done.stdout.splitlines())}
    return [_shown(request["text"], replies[request["id"]]) for request in requests]


def _shown(text: str, reply: Mapping[str, Any]) -> tuple[str, bool]:
    shown, end = "", 0
    for entity in sorted(reply["entities"], key=lambda entity: entity["start"]):
        if entity["end"] > end:
            shown += text[end : max(end, entity["start"])] + TAG
            end = entity["end"]
    return shown + text[end:], reply.get("safe_for_llm", True)


def report(title: str, values: Sequence[Broken], shown: Sequence[tuple[str, bool]], *, errors: bool) -> None:
    """Print the counts of one command."""
    places = count()
    results = [(value, [shown[next(places)] for _ in value.texts]) for value in values]
    for how in STREAMED:
        mine = [(value, texts) for value, texts in results if value.how == how]
        readable = [(value, texts) for value, texts in mine if can_be_read(value, [text for text, _ in texts])]
        to_llm = sum(can_be_read(value, [text if safe else None for text, safe in texts]) for value, texts in mine)
        shares = " ".join(f"{number:5} {100 * number / len(mine):5.1f} %" for number in (len(readable), to_llm))
        print(f"{title:6} {how:10} {len(mine):6} {shares}")
        for value, texts in readable if errors else ():
            print(f"  {value.label} {value.value}: {texts}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs=2, default=(100, 108), help="the first, and the one after the last")
    parser.add_argument("--peer", help="another command that redacts")
    parser.add_argument("--errors", action="store_true", help="print what can be read")
    args = parser.parse_args()
    values = list(values_of(range(*args.seeds)))
    requests = list(requests_of(values))
    print(f"{'':17} {'values':>6} {'readable':>13} {'to LLM':>13}")
    for name, command in {"ours": OURS, **({"peer": args.peer} if args.peer else {})}.items():
        report(name, values, redacted(command, requests), errors=args.errors)


if __name__ == "__main__":
    main()
