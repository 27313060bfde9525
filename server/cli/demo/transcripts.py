"""What recognition makes of the demo's clips, so that the proof can show it beside what the server let out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from server.cli.output import Failure

TIMEOUT_S = 120.0


def transcripts_of(data: Path, clips: Sequence[str]) -> dict[str, str]:
    """The unredacted text of each clip, recognised once more on its own, as a whole file and by another process.

    The server cuts a stream at its pauses and lets no unredacted text out, so its own text may differ in a word.

    Raises:
        Failure: A clip could not be recognised.
    """
    lines = "".join(json.dumps({"id": clip, "audio": str(data / clip), "lang": "en"}) + "\n" for clip in clips)
    command = [sys.executable, "-m", "server.cli", "transcribe", "--jsonl", "--unredacted"]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    answers = {answer["id"]: answer.get("text") for answer in map(json.loads, done.stdout.splitlines())}
    if done.returncode or not all(answers.get(clip) for clip in clips):
        raise Failure("The demo's clips could not be recognised again.", details=done.stderr.splitlines()[-5:])
    return {clip: answers[clip] for clip in clips}
