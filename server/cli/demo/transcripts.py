"""What recognition makes of the demo's clips, so that the proof can show it beside what the server let out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from server.cli.demo.processes import output_of
from server.cli.output import Failure

TIMEOUT_S = 300.0
"""Longest wait on a busy machine; it takes about ten seconds on an idle one."""


def transcripts_of(data: Path, clips: Sequence[str]) -> dict[str, str]:
    """The unredacted text of each clip, recognised once more on its own, as a whole file and by another process.

    The server cuts a stream at its pauses and lets no unredacted text out, so its own text may differ in a word.

    Raises:
        Failure: A clip could not be recognised.
    """
    lines = "".join(json.dumps({"id": clip, "audio": str(data / clip), "lang": "en"}) + "\n" for clip in clips)
    arguments = ["-m", "server.cli", "transcribe", "--jsonl", "--unredacted"]
    printed = output_of(arguments, TIMEOUT_S, "The demo's clips could not be recognised again", lines)
    answers = {answer["id"]: answer.get("text") for answer in map(json.loads, printed.splitlines())}
    if not all(answers.get(clip) for clip in clips):
        raise Failure("One of the demo's clips has no text when it is recognised again.")
    return {clip: answers[clip] for clip in clips}
