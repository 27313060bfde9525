"""ConversationService: a stream of speech or typed text in, and of redacted text and replies out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from vestibule.v1 import common_pb2, conversation_pb2_grpc
from vestibule.v1 import conversation_pb2 as pb

from models.errors import FieldViolation, InvalidInput
from models.reasons import Reason
from models.redaction.normalize.view import visible
from models.text import RawText
from models.tracing.attributes import SESSION_ID, STREAM_ID, STREAM_RESUMED
from models.tracing.names import SpanName
from models.tracing.spans import Span, child_span
from server.rpc import convert
from server.services.flow_messages import progress_message
from server.streaming import events
from server.streaming.stream_config import StreamConfig
from server.streaming.stream_manager import OpenStream, StreamManager

DEFAULT_UPLOAD_WAIT_S = 30.0


class ConversationService(conversation_pb2_grpc.ConversationServiceServicer):
    """See protos/vestibule/v1/conversation.proto."""

    def __init__(self, streams: StreamManager) -> None:
        self._streams = streams

    async def Converse(  # noqa: N802, D102
        self, request_iterator: AsyncIterator[pb.ConverseRequest], context: Any
    ) -> AsyncIterator[pb.ConverseResponse]:
        first = await anext(aiter(request_iterator), None)
        if first is None or first.WhichOneof("payload") != "config":
            raise InvalidInput("The first message must be the configuration.", reason=Reason.CONFIG_MISSING)
        # Between two events only the interceptors run, which make no spans.
        with child_span(SpanName.STREAM) as span:
            async with self._streams.open(_config(first.config)) as stream:
                _describe(span, first.config, stream)
                yield pb.ConverseResponse(configured=_configured(stream))
                for turn in stream.missed:
                    yield _response(events.Final(turn))
                if stream.progress is not None:
                    yield _response(stream.progress)
                if stream.conversation is None:
                    return
                async with aclosing(stream.conversation.run(_inputs(request_iterator))) as outputs:
                    async for output in outputs:
                        yield _response(output)


def _describe(span: Span, config: pb.ConverseConfig, stream: OpenStream) -> None:
    span.set(SESSION_ID, config.session_id)
    span.set(STREAM_ID, stream.id)
    span.set(STREAM_RESUMED, bool(config.resume_token))


def _configured(stream: OpenStream) -> pb.Configured:
    return pb.Configured(stream_id=stream.id, resume_token=stream.token, next_offset=stream.next_offset)


def _config(message: pb.ConverseConfig) -> StreamConfig:
    if message.encoding == pb.AUDIO_ENCODING_PCM_S16LE:
        _check_pcm(message.sample_rate_hz, message.channels)
    return StreamConfig(
        session_id=message.session_id,
        encoding=pb.AudioEncoding.Name(message.encoding).removeprefix("AUDIO_ENCODING_"),
        sample_rate_hz=message.sample_rate_hz,
        channels=message.channels,
        language=message.language,
        end_silence_s=convert.seconds(message.end_silence) if message.HasField("end_silence") else None,
        reply=message.reply,
        resume_token=message.resume_token,
        next_utterance=message.next_utterance if message.HasField("next_utterance") else None,
        max_utterance_s=convert.seconds(message.max_utterance) if message.HasField("max_utterance") else None,
        word_times=message.word_times,
        barge_in=message.barge_in if message.HasField("barge_in") else True,
        guided=message.guided,
    )


def _check_pcm(sample_rate_hz: int, channels: int) -> None:
    rate = FieldViolation("config.sample_rate_hz", "8000 to 48000 for PCM")
    if not (sample_rate_hz and channels):
        violations = (rate, FieldViolation("config.channels", "1 or 2 for PCM"))
        raise InvalidInput("PCM needs a sample rate and channels.", reason=Reason.PCM_INCOMPLETE, violations=violations)
    if sample_rate_hz < 8000:
        raise InvalidInput(
            "The sample rate must be between 8000 and 48000 Hz.", reason=Reason.INVALID_SAMPLE_RATE, violations=(rate,)
        )


async def _inputs(messages: AsyncIterator[pb.ConverseRequest]) -> AsyncIterator[events.Input]:
    async for message in messages:
        match message.WhichOneof("payload"):
            case "audio":
                yield events.AudioIn(message.audio.offset, message.audio.data)
            case "text":
                yield events.TextIn(_typed(message.text.text), message.text.text_id)
            case "end_of_utterance":
                yield events.EndMark()
            case "propose":
                given = message.propose.HasField("wait_for_uploads")
                yield events.ProposeIn(
                    convert.seconds(message.propose.wait_for_uploads) if given else DEFAULT_UPLOAD_WAIT_S
                )
            case _:
                raise InvalidInput("The configuration must come first, and only once.", reason=Reason.CONFIG_REPEATED)


def _typed(text: str) -> RawText:
    if not visible(text).text.strip():
        violations = (FieldViolation("text.text", "must have a character that is neither blank nor invisible"),)
        raise InvalidInput(
            "The text is blank.", reason=Reason.INVALID_ARGUMENT, hint="Send what was typed.", violations=violations
        )
    return RawText(text)


def _response(output: events.Output) -> pb.ConverseResponse:  # noqa: PLR0911 - one line a kind of event
    match output:
        case events.Acknowledged():
            return pb.ConverseResponse(acknowledged=pb.Acknowledged(offset=output.offset))
        case events.SpeechBegan():
            began = pb.SpeechBegan(at=convert.duration(output.at_s), utterance=output.utterance)
            return pb.ConverseResponse(speech_began=began)
        case events.SpeechEnded():
            ended = pb.SpeechEnded(at=convert.duration(output.at_s), utterance=output.utterance)
            return pb.ConverseResponse(speech_ended=ended)
        case events.Partial():
            return pb.ConverseResponse(partial=_partial(output))
        case events.Final():
            return pb.ConverseResponse(final=_final(output))
        case events.ReplyPiece():
            return pb.ConverseResponse(reply_piece=pb.ReplyPiece(turn_id=output.turn_id, text=output.text.value))
        case events.ReplyEnded():
            return pb.ConverseResponse(reply_ended=_reply_ended(output))
        case events.Proposal():
            proposal = pb.Proposal(recommendation=convert.recommendation_message(output.recommendation))
            return pb.ConverseResponse(proposal=proposal)
        case events.ProgressChanged():
            return pb.ConverseResponse(progress=progress_message(output.progress, output.language))
        case events.Notice():
            notice = pb.Notice(
                reason=output.reason, message=output.message, utterance=output.utterance, hint=output.hint
            )
            return pb.ConverseResponse(notice=notice)


def _reply_ended(output: events.ReplyEnded) -> pb.ReplyEnded:
    return pb.ReplyEnded(
        turn_id=output.turn_id,
        origin=convert.origin(output.origin) if output.origin is not None else common_pb2.ORIGIN_UNSPECIFIED,
        complete=not output.cut,
        reason=output.cut,
        late_reply_expected=output.late_reply,
    )


def _partial(output: events.Partial) -> pb.PartialTranscript:
    return pb.PartialTranscript(
        utterance=output.utterance,
        text=convert.redacted(output.text),
        pending_words=output.pending_words,
        stability=output.stability,
    )


def _final(output: events.Final) -> pb.FinalTranscript:
    turn = output.turn
    return pb.FinalTranscript(
        utterance=turn.utterance,
        turn_id=turn.id,
        text=convert.redacted(turn.text),
        start=convert.duration(turn.start_s),
        end=convert.duration(turn.end_s),
        confidence=turn.confidence,
        language=turn.language,
        words=[
            pb.TimedWord(
                value=word.text.value,
                start=convert.duration(word.start_s),
                end=convert.duration(word.end_s),
                confidence=word.confidence,
            )
            for word in turn.words
        ],
    )
