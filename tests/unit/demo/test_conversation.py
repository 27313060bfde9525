"""What a conversation of the demo measures."""

from __future__ import annotations

import io
from datetime import timedelta

from vestibule.v1 import conversation_pb2 as pb

from server.cli.demo.conversation import Conversation
from server.cli.demo.reporter import Reporter


def test_the_first_reply_is_timed_from_the_end_of_what_was_said() -> None:
    now = [0.0]
    conversation = Conversation(Reporter(io.StringIO(), lambda: now[0]), "person", pace=2.0)
    conversation.first_audio_s, now[0] = 1.0, 4.5
    final = pb.FinalTranscript(turn_id="t")
    final.end.FromTimedelta(timedelta(seconds=6))
    conversation._take(pb.ConverseResponse(final=final), verbose=False)
    conversation._take(pb.ConverseResponse(reply_piece=pb.ReplyPiece(turn_id="t", text="Hello")), verbose=False)
    now[0] = 9.0
    conversation._take(pb.ConverseResponse(reply_piece=pb.ReplyPiece(turn_id="t", text=" again")), verbose=False)
    assert conversation.first_reply_s == 0.5
