"""The display of `vestibule talk` while it streams."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import click

from server.cli.talk.transcript_formats import Line, TimedWord

if TYPE_CHECKING:
    from vestibule.v1 import conversation_pb2 as pb
    from vestibule.v1 import flow_pb2


class Screen:
    """Shows partials on one growing line, and collects finals.

    Args:
        terminal: Whether a line can be overwritten.
        words: Whether finals come with their words.

    Attributes:
        session_id: The session that is shown; empty before it is known.
    """

    def __init__(self, terminal: bool, *, words: bool = False) -> None:
        self._terminal = terminal
        self._words = words
        self._open = False
        self._values: dict[str, str] = {}
        self.lines: list[Line] = []
        self.session_id = ""

    def event(self, response: pb.ConverseResponse) -> None:
        """Show one event."""
        match response.WhichOneof("payload"):
            case "partial" if self._terminal:
                self._grow(response.partial.text.value + (" ..." if response.partial.pending_words else ""))
            case "final":
                final = response.final
                self._end(final.text.value)
                self.lines.append(
                    Line(
                        final.utterance,
                        final.start.ToTimedelta().total_seconds(),
                        final.end.ToTimedelta().total_seconds(),
                        final.text.value,
                        round(final.confidence, 3),
                        final.language,
                        tuple(map(_timed, final.words)) if self._words else None,
                    )
                )
            case "reply_piece":
                click.echo(f"  {response.reply_piece.text}", err=True, nl=False)
            case "reply_ended":
                ended = response.reply_ended
                click.echo("" if ended.complete else f"… [{ended.reason}]", err=True)
            case "progress":
                self.progress(response.progress)
            case "notice":
                self._end(f"({response.notice.message} [{response.notice.reason}])")

    def progress(self, progress: flow_pb2.Progress) -> None:
        """Show what was answered since the last time, then how far the session is and what is asked, in one line."""
        values = {field.name: field.value.value for field in progress.fields if field.value.value}
        for field in progress.fields:
            if values.get(field.name, "") != self._values.get(field.name, ""):
                self._end(f"  {field.label}: {field.value.value or '-'}")
        self._values = values
        question = progress.question
        what = f"{question.step_title}: {question.text.value}" if progress.HasField("question") else progress.flow_title
        self._end(f"[{progress.done}/{progress.total}] {what}")

    def broke(self, reason: str, pause_s: float) -> None:
        """Show that the connection was lost."""
        self._end(f"(connection lost: {reason}; again in {pause_s:.1f} s)")

    def note(self, text: str) -> None:
        """Show a line of the command itself."""
        self._end(text)

    def _grow(self, text: str) -> None:
        width = shutil.get_terminal_size().columns
        click.echo(f"\r\x1b[K{text[-(width - 1) :]}", err=True, nl=False)
        self._open = True

    def _end(self, text: str) -> None:
        start = "\r\x1b[K" if self._open else ""
        click.echo(f"{start}{text}", err=True)
        self._open = False


def _timed(word: pb.TimedWord) -> TimedWord:
    start_s, end_s = (time.ToTimedelta().total_seconds() for time in (word.start, word.end))
    return TimedWord(word.value, start_s, end_s, round(word.confidence, 3))
